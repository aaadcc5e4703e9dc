"""The function of main.py, wired to a lab: `functions-framework --source lab/function.py --target respond`.

`LAB_ENDPOINTS` names the file with the endpoints that the lab printed. Nothing in the product reads it.
"""

from __future__ import annotations

import os

from lab.google import from_file
from main import respond
from responder import wiring

_google = from_file(os.environ["LAB_ENDPOINTS"])
wiring.install(_google, now=_google.now)

__all__ = ["respond"]
