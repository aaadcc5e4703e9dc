"""The functions of main.py, wired to a lab: `functions-framework --source lab/function.py --target respond`.

`LAB_ENDPOINTS` names the file with the endpoints that the lab printed; `LAB_CRASH`, where it is set, the folder of
`lab.crashing`. Nothing in the product reads them.
"""

from __future__ import annotations

import os
from pathlib import Path

from lab.google import from_file
from main import act, respond, sweep
from responder import wiring

_google = from_file(os.environ["LAB_ENDPOINTS"])
if "LAB_CRASH" in os.environ:
    from lab import crashing

    crashing.warm()
    wiring.install(_google, now=_google.now, wrap=crashing.fuse(Path(os.environ["LAB_CRASH"])))
else:
    wiring.install(_google, now=_google.now)

__all__ = ["act", "respond", "sweep"]
