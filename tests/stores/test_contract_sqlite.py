"""The embedded default keeps the contract of the record store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.contract import RecordsContract


class TestSqlite(RecordsContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        return str(tmp_path / "records.db")

    @pytest.fixture
    def other_place(self, tmp_path: Path) -> str:
        return str(tmp_path / "other.db")
