"""The Firestore emulator, for the tests that need it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab import emulators


@pytest.fixture(scope="module")
def firestore() -> Iterator[emulators.Emulator]:
    """The emulator, where the client looks for it."""
    with emulators.running("firestore") as emulator:
        os.environ.update(emulator.environ)
        try:
            yield emulator
        finally:
            for name in emulator.environ:
                del os.environ[name]
