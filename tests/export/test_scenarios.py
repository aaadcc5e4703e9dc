"""What the product makes of each scenario of the lab, in each form: valid, whole and the same when it is read back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from lab.scenario import load
from responder import export
from responder.export import ocsf
from responder.extracts import extracts
from responder.record import Record
from responder.stats import stats
from tests.export.test_export import Outline
from tests.lab.test_scenarios import FILES, investigate, notification_of
from tests.ocsf_table import TABLE, problems

KNOWN = json.loads(TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_record_of_a_scenario_is_whole_in_each_form(file: Path, tmp_path: Path) -> None:
    record = investigate(load(file), notification_of(file), tmp_path)
    assert Record.model_validate_json(export.one(record, "json")) == record
    assert problems(ocsf.event(record), KNOWN) == []
    (row,) = csv.DictReader(io.StringIO(export.one(record, "csv")))
    assert (row["record"], row["verdict"], row["review"]) == (record.id, record.triage.verdict, "open")
    page = Outline(export.one(record, "html"))
    assert (page.wrong, page.open) == ([], [])
    markdown = MarkdownIt("commonmark").enable("table").render(export.one(record, "md"))
    for title in [log.title for log in extracts(record)] + [step.title for step in record.steps]:
        assert title in page.text
        assert title.replace("&", "&amp;") in markdown
    figures = stats([record])
    assert figures.verdicts == {record.triage.verdict: 1}
    assert figures.to_record.median is not None
