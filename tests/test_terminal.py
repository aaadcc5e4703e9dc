"""A record in a terminal: readable at any width, in any encoding, and nothing of it acts on the terminal."""

from __future__ import annotations

import io
import unicodedata

import pytest
from rich.console import Console

from responder.record import Command, Record, Step
from responder.terminal import print_record
from tests.builders import a_record
from tests.test_report import HOSTILE, a_hostile_record


def printed(record: Record, *, width: int = 100, encoding: str = "utf-8", tty: bool = False) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    print_record(record, Console(file=file, width=width, force_terminal=tty, color_system="standard" if tty else None))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_an_analyst_finds_every_part_in_its_order() -> None:
    shown = printed(a_record())
    parts = (
        *(
            "INSUFFICIENT DATA",
            "WHAT RAN",
            "$ gcc -static -o /tmp/.x/kworker /tmp/.x/k.c",
            "WHERE",
            "checkout-7d9f8c5b4-x2k9p",
        ),
        *("WHOSE", "checkout@shop.test", "SEVEN STEPS", "OTHER FINDINGS", "+9 s", "TIMELINE (UTC)", "WHAT IS MISSING"),
        *(
            "pod: denied, pods.get on shop",
            "grant roles/container.viewer",
            "TO PASTE",
            "TO OPEN",
            "DECISION AND REVIEW",
        ),
        "kept in the store, apart",
    )
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [20, 80, 160])
def test_a_command_is_never_wrapped_and_starts_its_line(width: int) -> None:
    text = "kubectl get pod a " + "--selector=app=checkout " * 20 + "|| true\n  echo 'second line'"
    shown = printed(a_record(commands=(Command(title="t", step=3, text=text),)), width=width)
    assert f"\n{text}\n" in shown


@pytest.mark.parametrize("width", [80, 160])
def test_all_other_lines_fit_the_width(width: int) -> None:
    record = a_record(commands=(), links={}, provenance=a_record().provenance.model_copy(update={"gaps": ()}))
    lines = printed(record, width=width).splitlines()
    assert max(len(line) for line in lines if not line.startswith("responder records review")) <= width


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_the_marks_has_plain_ones(encoding: str) -> None:
    steps = tuple(
        Step(n=n, title="naïve 日本", status=status, detail="d", by_hand=())
        for n, status in enumerate(("done", "partly", "impossible", "human"), start=1)
    )
    shown = printed(a_record(steps=steps), encoding=encoding)
    assert shown.isascii()
    for mark, n, status in (("+", 1, "done"), ("~", 2, "partly"), ("x", 3, "impossible"), (">", 4, "human")):
        assert f"{mark} {n} na\\xefve \\u65e5\\u672c: {status}" in shown


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_foreign_text_acts_on_the_terminal(text: str, encoding: str) -> None:
    shown = printed(a_hostile_record(text), encoding=encoding)
    assert {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} <= {"\n"}


def test_markup_in_a_foreign_text_is_shown_and_not_obeyed() -> None:
    text = "[red]x[/red] [link=https://evil.test]y[/link] :smile: [/]"
    shown = printed(a_hostile_record(text), width=160, tty=True)
    assert text in shown
    assert "\x1b]8;" not in shown


def test_answers_that_lack_the_same_grant_are_told_together() -> None:
    missing = tuple(f"{label}: denied: pods.get; to mend it: grant it" for label in ("the pod", "the proof"))
    steps = (Step(n=3, title="Pod", status="impossible", detail="d", by_hand=(), missing=missing),)
    assert "missing the pod, the proof: denied: pods.get\n" in printed(a_record(steps=steps)).replace(" \n", "\n")
