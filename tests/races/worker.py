"""One process of `act`: `python -m tests.races.worker ENDPOINTS SETTINGS RECORD…`; settings are JSON, in order."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lab.google import from_file
from responder import act, wiring
from responder.errors import ResponderError
from responder.settings import Settings


def main() -> int:
    """Act on each record; who is busy with it is asked again by whoever runs this."""
    endpoints, settings, *records = sys.argv[1:]
    google = from_file(endpoints)
    wiring.install(google, now=google.now)
    wiring.world(Settings(**json.loads(Path(settings).read_text(encoding="utf-8"))))
    left = 0
    for record_id in records:
        try:
            act.act(wiring.acting(), record_id)
        except ResponderError:
            left += 1
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
