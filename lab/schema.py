"""`docs/scenario.schema.json`: the JSON Schema of a scenario, made from its models. `python -m lab.schema` prints it.

`--check` compares the file with it instead, and exits 1 where they differ. Touches nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from lab.scenario import Scenario

PATH: Final = Path(__file__).parents[1] / "docs" / "scenario.schema.json"
_TIMES: Final = "RFC 3339, or relative to event_time: -3d, +90s"


def schema() -> dict[str, Any]:
    """The schema of a scenario file, for editors too."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": _TIMES,
    } | Scenario.model_json_schema()


def text() -> str:
    """The file's content."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Print, or compare; 1 where the file is not what the models say."""
    parser = argparse.ArgumentParser(prog="python -m lab.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, print nothing")
    parser.add_argument("--path", type=Path, default=PATH)
    given = parser.parse_args(arguments)
    if not given.check:
        sys.stdout.write(text())
        return 0
    if given.path.is_file() and given.path.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"{given.path} is not what the models say: run `python -m lab.schema > {given.path}`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
