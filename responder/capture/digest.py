"""Step 5: the hash that custody rests on. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def digest(pieces: Iterable[bytes]) -> str:
    """The sha256 of all pieces, one after the other, in hex."""
    made = hashlib.sha256()
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()
