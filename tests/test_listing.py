"""The list of records on a terminal and in a pipe, while it changes, and what a shell completes."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from lab.environment import cleaned
from responder import listing
from responder.ports import RecordLine
from responder.record import Record
from tests.builders import EVENT_TIME, a_subject
from tests.payloads import PAYLOADS
from tests.test_cli import HOSTILE, Cli, saved

NOW = EVENT_TIME + timedelta(hours=5)


class Enough(Exception):  # noqa: N818 - not an error
    """The watching is ended, as by Ctrl-C."""


class Pauses:
    """Lets so many pauses pass, then ends it."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Enough


def a_line(record_id: str = "0a" * 16, **changes: object) -> RecordLine:
    line = RecordLine(
        id=record_id,
        window_start=EVENT_TIME,
        subject=a_subject(),
        verdict="malicious",
        state="open",
        summary="malicious: gcc a.c in shop/checkout (shop-prod)",
        findings=5,
        gaps=2,
        severity="CRITICAL",
        score=97,
        stage="finished",
        revision=1,
    )
    return replace(line, **changes)  # type: ignore[arg-type] # fields by name


def printed(lines: Sequence[RecordLine], *, width: int, tty: bool, color: bool = False) -> str:
    out = io.StringIO()
    system: Literal["standard"] | None = "standard" if color else None
    console = Console(file=out, width=width, force_terminal=tty, color_system=system, highlight=False)
    listing.print_lines(lines, console, now=NOW)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_terminal_has_a_table_with_the_whole_id_and_the_verdict(width: int) -> None:
    shown = printed([a_line(), a_line("0b" * 16, verdict="insufficient_data", state="closed")], width=width, tty=True)
    for said in ("0a" * 16, "0b" * 16, "malicious", "insufficient data", "critical 97", "open", "closed", "5 h"):
        assert said in shown
    assert max(map(len, shown.splitlines())) <= width


def test_a_pipe_has_one_line_for_each_record_with_its_id_first() -> None:
    shown = printed([a_line(summary="x" * 200), a_line("0b" * 16)], width=40, tty=False).splitlines()
    assert [line.split()[0] for line in shown] == ["0a" * 16, "0b" * 16]
    assert shown[0].endswith("x" * 200)


@pytest.mark.parametrize("tty", [True, False])
def test_no_summary_acts_on_the_terminal(tty: bool) -> None:
    shown = printed([a_line(summary=text) for text in PAYLOADS], width=120, tty=tty)
    assert {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} <= {"\n"}


def test_markup_is_not_obeyed() -> None:
    assert "[red]x[/red]" in printed([a_line(summary="[red]x[/red]")], width=200, tty=True, color=True)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (99, "99 s"), (101, "1 m"), (5999, "99 m"), (6000, "1 h"), (172_799, "47 h"), (172_800, "2 d")],
)
def test_an_age_is_told_in_two_figures(seconds: int, said: str) -> None:
    assert listing.age(timedelta(seconds=seconds)) == said


def test_watching_a_pipe_writes_each_change_once_oldest_first() -> None:
    first, second = a_line(), a_line("0b" * 16)
    looks = iter([[first], [first], [second, replace(first, revision=2)], [second, replace(first, revision=2)]])
    written: list[list[tuple[str, int]]] = []
    with pytest.raises(Enough):
        listing.watch_changes(
            lambda: next(looks), lambda lines: written.append([(o.id, o.revision) for o in lines]), pause=Pauses(3)
        )
    assert written == [[("0a" * 16, 1)], [("0a" * 16, 2), ("0b" * 16, 1)]]


def test_watching_a_terminal_draws_what_came() -> None:
    looks = iter([[], [a_line()]])
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system=None)
    with pytest.raises(Enough):
        listing.watch_table(lambda: next(looks), console, now=lambda: NOW, pause=Pauses(1))
    assert out.getvalue().index("no records yet") < out.getvalue().index("0a" * 16)


def completed(cli: Cli, words: str) -> list[str]:
    environ = {
        "_RESPONDER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = cli(environ=environ)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_and_ids_and_prints_no_word_of_a_finding(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    record_id = saved(cli, args=("gcc", HOSTILE))
    assert completed(cli, "responder rec") == ["records"]
    for before in ("responder records show ", "responder export ", f"responder records review {record_id[:3]}"):
        assert completed(cli, before) == [record_id]
    assert completed(cli, "responder export zz") == []
    shown = cli(environ={"_RESPONDER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "responder export "}).stdout
    assert record_id in shown
    assert "gcc" not in shown


def test_a_shell_completes_nothing_where_the_store_fails(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    cli.store.write_text("this is no database\n" * 500)
    assert completed(cli, "responder export ") == []


class Watching:
    """`records … --watch` in a process; what it prints is read line by line."""

    def __init__(self, cli: Cli, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", cli.code, "records", *arguments, "--watch"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**cleaned({"PATH": "/usr/bin:/bin"}), "RESPONDER_STORE": str(cli.store)},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ended(self) -> tuple[int, str]:
        """As by Ctrl-C: its exit code, and what it said on stderr."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def test_a_list_that_is_watched_writes_what_comes_and_ends_quietly(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    old = saved(cli)
    watching = Watching(cli, "list")
    assert watching.line().split()[0] == old
    new = saved(cli, key="1/b", minutes=120)
    assert watching.line().split()[0] == new
    assert watching.ended() == (0, "")


def test_a_record_that_is_watched_is_printed_again_when_it_was_reviewed(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    record_id = saved(cli)
    watching = Watching(cli, "show", record_id, "--json")

    def read() -> Record:
        text = ""
        while not text.endswith("\n}\n"):
            text += watching.line()
        return Record.model_validate_json(text)

    assert read().review.state == "open"
    cli("records", "review", record_id, "--state", "acknowledged", "--note", "n", "--by", "kim")
    assert read().review.state == "acknowledged"
    assert watching.ended() == (0, "")


def test_a_list_is_searched_sorted_and_paged(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    old, new = saved(cli, args=("gcc", "needle.c")), saved(cli, key="1/b", minutes=120)

    def ids(*options: str) -> list[str]:
        return [line.split()[0] for line in cli("records", "list", *options).stdout.splitlines()]

    assert ids("--search", "NEEDLE") == [old]
    assert ids("--sort", "oldest") == [old, new]
    assert ids("--after", new) == [old]
    assert ids("--severity", "low") == [new, old]
    assert ids("--severity", "critical") == []


def test_a_list_in_a_pipe_takes_a_span_of_time(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    saved(cli)
    days = (datetime.now(UTC) - EVENT_TIME).days + 2
    assert cli("records", "list", "--since", f"{days}d").stdout.count("\n") == 1
    assert cli("records", "list", "--since", "999999d").returncode == 2
