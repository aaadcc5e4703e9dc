"""A record as one page of HTML that needs nothing else: to mail, to keep, to print. Touches its own templates only.

No script, no form, no picture from elsewhere. A Content-Security-Policy in the page allows its one style sheet by its
hash and nothing more. Each text goes through `report.visible` and is escaped; Jinja2 does both for whatever a template
writes, so that no template can forget it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from responder import answers, report
from responder.evidence import Found
from responder.export import picture
from responder.extracts import extracts
from responder.record import Record, judged_first

_FOLDER: Final = Path(__file__).parent / "templates"
_MOST_FINDINGS: Final = 200
_HOST: Final = "https://"


def page(record: Record) -> str:
    """The whole page."""
    related = record.evidence.related
    return render(
        "record.html",
        record=record,
        command=report.command_line,
        place=report.place(record),
        facts=report.facts(record),
        findings=judged_first(record.findings)[:_MOST_FINDINGS],
        standing=report.standing,
        related=related.value.findings if isinstance(related, Found) else (),
        logs=extracts(record),
        taken=answers.taken(record),
        decided=answers.decided(record),
        picture=picture.draw(record.timeline),
        # Ours, from a table; a link of any other scheme would run where it is clicked.
        links={name: link for name, link in record.links.items() if link.startswith(_HOST)},
    )


def render(template: str, **values: Any) -> str:
    """A page of this package's templates with its style sheet and the policy that allows it."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # The style sheet is ours; escaping it would change the bytes that the policy's hash is of.
    return part(template, style=Markup(style), policy=policy, **values)  # noqa: S704 - ours, as above


def part(template: str, **values: Any) -> str:
    """A piece of a page, to be put into one that brings its own style."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["lines"] = lambda text: text.split("\n")
    return made


def _shown(value: Any) -> Any:
    return report.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
