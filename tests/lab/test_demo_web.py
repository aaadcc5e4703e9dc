"""The demo's record in the review page, and a picture of it."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lab import demo_web
from tests.web.desks import a_store, kept


@pytest.mark.slow
def test_the_demos_record_is_served_until_it_is_ended(tmp_path: Path) -> None:
    records = a_store(tmp_path)
    record = kept(records)
    records.close()
    assert demo_web.newest(tmp_path / "records.db") == record.id
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with demo_web.served(tmp_path) as (url, process):
        text = opener.open(f"{url}/records/{record.id}", timeout=30).read().decode()
    assert record.triage.summary in text
    assert process.poll() is not None
    with pytest.raises(urllib.error.URLError):
        opener.open(url, timeout=5)


def test_there_is_no_record_where_the_demo_was_not_run(tmp_path: Path) -> None:
    assert demo_web.newest(tmp_path / "records.db") is None
    assert list(tmp_path.iterdir()) == []
