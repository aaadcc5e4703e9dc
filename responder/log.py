"""One JSON object a line on stdout, in the format that Cloud Logging reads as structured. Standard library only.

Nothing of a finding's text is logged: names of ours, ids of records and messages, type names and counts.
"""

from __future__ import annotations

import json
import sys
from typing import Literal

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def write(severity: Severity, message: str, **fields: str | float | bool | None) -> None:
    """One line; `fields` are kept apart, so that no value can forge another entry."""
    line = json.dumps({"severity": severity, "message": message, **fields}, ensure_ascii=True)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
