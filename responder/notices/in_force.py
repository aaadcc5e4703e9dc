"""After step 7: the notices.toml that is in force. Reads that file, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responder.errors import NoticesError
from responder.notices.config import MOST_BYTES, Notices, parse
from responder.reread import Reread

if TYPE_CHECKING:
    from pathlib import Path


class Noticed(Reread[Notices]):
    """What the file at `path` says, read again once a minute. `monotonic` is in seconds.

    A file that cannot be read, or has a mistake, is a Notices without channels that says in `problem` why.
    """

    def _read(self, path: Path) -> Notices:
        try:
            with path.open("rb") as file:
                return parse(file.read(MOST_BYTES + 1))
        except OSError as error:
            return Notices(problem=f"notices.toml cannot be read: {type(error).__name__}")
        except NoticesError as error:
            return Notices(problem=f"notices.toml: {error}")
