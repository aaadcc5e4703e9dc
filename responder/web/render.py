"""Templates to HTML. Pure, but for reading the templates of this package.

Every text that is put out is escaped, and what a reader would not see in it is written out (`report.visible`): in
text, in attributes and in addresses alike, without a template having to ask for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from responder import report
from responder.braking import told
from responder.web import tokens

_PAGES: Final = ("attack.mitre.org", "cloud.google.com")
WORDS: Final = {
    "true_positive": "true positive",
    "benign_true_positive": "benign true positive",
    "false_positive": "false positive",
    "undetermined": "undetermined",
    "insufficient_data": "insufficient data",
    "pod_log": "pod log",
    "delete_pod": "delete the pod",
    "await_approval": "waits for approval",
}


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page, for the person who asks."""
    state = request.state

    def token(path: str) -> str:
        return tokens.token(state.cookie, state.person.name, path)

    # What holds every action stands on every page; it is asked for as the page is made, and never before.
    shown = {"person": state.person, "token": token, "console": state.console, "brakes": told(state.brakes())}
    text = _environment().get_template(template).render(**shown, **values)
    # A lone surrogate, which JSON can carry and UTF-8 cannot, was written out by `visible`; none may end the page.
    return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("responder.web"), autoescape=True, undefined=StrictUndefined, finalize=_shown,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"link": link, "words": words, "moment": moment, "clock": clock, "age": age, "size": size}
    return made


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return report.visible(value)
    return value


@pass_context
def link(context: Context, address: str) -> str:
    """The address where a record may lead to it: the console, a page of `_PAGES`, a mailbox; else empty.

    Whoever can write the store could else send the analyst anywhere from a page that is trusted.
    """
    if not address.isascii() or not address.isprintable():
        return ""
    try:
        parts, console = urlsplit(address), urlsplit(str(context["console"]))
    except ValueError:
        return ""
    if parts.scheme == "mailto":
        return address
    return address if parts.scheme == "https" and parts.netloc in {console.netloc, *_PAGES} else ""


def words(name: str) -> str:
    """A name of ours as people write it."""
    return WORDS.get(name, name.replace("_", " "))


def moment(time: datetime | None) -> str:
    """`2026-11-20 09:41:07 UTC`."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else "not known"


def clock(time: datetime) -> str:
    """`09:41:07`."""
    return f"{time:%H:%M:%S}"


def age(span: timedelta) -> str:
    """`3 min`, `5 h`, `12 d`."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length * (2 if unit != "min" else 1):
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(count: int) -> str:
    """`14.2 kB`; 1 kB is 1,000 bytes."""
    if count < 1000:  # noqa: PLR2004 - below a kilobyte
        return f"{count} B"
    for unit in ("kB", "MB", "GB"):
        count_ = count / 1000 ** ({"kB": 1, "MB": 2, "GB": 3}[unit])
        if count_ < 1000 or unit == "GB":  # noqa: PLR2004 - the next unit
            return f"{count_:.1f} {unit}"
    raise AssertionError
