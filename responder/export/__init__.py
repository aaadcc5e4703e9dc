"""Records for other programs and for paper: JSON, Markdown, HTML, CSV, OCSF. Pure but for the templates it reads.

Nearly every word of a record is the attacker's. JSON and OCSF hold it as it is, escaped as JSON, since a program reads
them; the three that a person opens show it with everything unseen written out, and inert.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, get_args

from responder import report
from responder.errors import Unanswered
from responder.export import html, ocsf, sheet
from responder.record import Record

Form = Literal["json", "md", "html", "csv", "ocsf"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,128}")
_ENDINGS: Final[dict[Form, str]] = {
    "json": ".json",
    "md": ".md",
    "html": ".html",
    "csv": ".csv",
    "ocsf": ".ocsf.json",
}
_WHOLE: Final[dict[Form, Callable[[Record], str]]] = {
    "json": lambda record: record.model_dump_json(indent=2) + "\n",
    "md": report.markdown,
    "html": html.page,
    "csv": lambda record: sheet.HEADER + sheet.row(record),
    "ocsf": ocsf.line,
}


def one(record: Record, form: Form) -> str:
    """The record as a document of its own."""
    return _WHOLE[form](record)


def many(records: Iterable[Record], form: Form) -> Iterator[str]:
    """The records in one stream, a piece at a time: JSON and OCSF one a line, CSV under one header, Markdown ruled off.

    Raises Unanswered("invalid") for HTML, of which a document holds one record.
    """
    if form == "html":
        raise Unanswered("invalid", "a page of HTML holds one record", mend="give a folder for the pages: -o DIR")
    if form == "csv":
        yield sheet.HEADER
    for n, record in enumerate(records):
        if form == "json":
            yield record.model_dump_json() + "\n"
        elif form == "csv":
            yield sheet.row(record)
        elif form == "ocsf":
            yield ocsf.line(record)
        else:
            yield ("\n---\n\n" if n else "") + report.markdown(record)


def file_name(record_id: str, form: Form) -> str:
    """The record's file: its id and the form's ending, so that no word of a finding is in a path.

    Raises Unanswered("invalid") for an id that is not one of ours: letters, digits, `_` and `-`.
    """
    if not _ID.fullmatch(record_id):
        raise Unanswered("invalid", "the record's id is no name for a file")
    return record_id + _ENDINGS[form]
