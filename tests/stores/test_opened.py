"""What the setting names is what is opened, and nothing is imported that is not needed for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab.environment import ROOT, cleaned
from responder import wiring
from responder.stores import opened
from responder.stores.firestore import FirestoreRecords
from responder.stores.sqlite import SqliteRecords

PARENT = {"RESPONDER_SCC_PARENT": "organizations/1"}
FIRESTORE = {"RESPONDER_STORE": "firestore:a-project/(default)"}


def run(code: str, environ: dict[str, str]) -> str:
    """What a process of its own prints that runs `code` in that environment."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        env=cleaned(os.environ) | PARENT | environ, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def test_a_path_is_sqlite_and_a_database_firestore(tmp_path: Path) -> None:
    assert isinstance(opened(str(tmp_path / "r.db"), now=wiring.utc_now), SqliteRecords)
    store = opened("firestore:acme-sec/records", now=wiring.utc_now)
    assert isinstance(store, FirestoreRecords)
    assert str(store._database) == "the record store firestore:acme-sec/records"
    assert list(tmp_path.iterdir()) == []


def test_the_function_opens_the_store_of_its_settings(tmp_path: Path) -> None:
    code = "from responder import wiring; print(type(wiring.store()).__name__)"
    assert run(code, {"RESPONDER_STORE": str(tmp_path / "r.db")}) == "SqliteRecords"
    assert run(code, FIRESTORE | {"K_SERVICE": "respond"}) == "FirestoreRecords"


def test_a_file_on_cloud_run_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    code = (
        "from responder import errors, wiring\ntry: wiring.store()\nexcept errors.SettingsError as error: print(error)"
    )
    said = run(code, {"RESPONDER_STORE": str(tmp_path / "r.db"), "K_SERVICE": "respond"})
    assert said.startswith("RESPONDER_STORE must be firestore:PROJECT/DATABASE")
    assert list(tmp_path.iterdir()) == []


def test_neither_google_nor_pydantic_is_imported_before_a_call_needs_it() -> None:
    code = (
        "import sys; from responder import wiring; wiring.store()\n"
        "print([name for name in ('google.cloud.firestore', 'grpc', 'pydantic') if name in sys.modules])"
    )
    assert run(code, FIRESTORE) == "[]"


def test_a_machine_without_the_extra_is_told_what_to_install() -> None:
    code = (
        "import sys; sys.modules['google.cloud.firestore'] = None\n"
        "from responder import errors, wiring\n"
        "try: wiring.store()\n"
        "except errors.SettingsError as error: print(error)"
    )
    assert "pip install '.[firestore]'" in run(code, FIRESTORE)
