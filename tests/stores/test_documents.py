"""What both stores keep as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from responder.evidence import Evidence, Found, Missing, Project
from responder.stores import documents
from responder.stores.words import stamp

TOLD: dict[str, Found[str | tuple[str, ...]] | Missing] = {
    "binary": Found[str | tuple[str, ...]](value="/usr/bin/gcc", source="processes[0]"),
    'args" of \u65e5\u672c': Found[str | tuple[str, ...]](value=("-o", "/tmp/x"), source="processes[0]"),
    "parent": Missing(why="not_found", detail="no parent"),
}


def project(name: str) -> Evidence:
    return Evidence(
        told=TOLD,
        project=Found[Project](
            value=Project(project_id="p", number="1", display_name=name, state="ACTIVE", labels={"a": "b"}), source="s"
        ),
    )


def test_evidence_is_written_as_pydantic_writes_it() -> None:
    evidence = project("a\u202e\n")
    assert documents.evidence_json(evidence).decode() == evidence.model_dump_json()


def test_a_lone_surrogate_in_evidence_is_shown_as_a_question_mark_and_the_rest_is_kept() -> None:
    read = Evidence.model_validate_json(documents.evidence_json(project("a\ud800b")))
    assert read == project("a?b")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000000Z"),
        (datetime(5, 1, 1, 0, 0, 0, 7, tzinfo=UTC), "0005-01-01T00:00:00.000007Z"),
    ],
)
def test_a_stamp_is_in_utc_and_always_as_wide(moment: datetime, text: str) -> None:
    assert stamp(moment) == text
