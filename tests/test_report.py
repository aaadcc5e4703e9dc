"""A record in one line and in Markdown: complete, and with nothing in it that acts."""

from __future__ import annotations

import io
import re
import unicodedata
from collections import Counter

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from responder import export, report
from responder.evidence import Evidence, Found, Missing, OwnerContact, Related
from responder.finding import Process
from responder.record import Command, Gap, Owner, Record, Review, ReviewEntry, Step, TimelineEntry, Triage
from responder.terminal import print_record
from tests.builders import EVENT_TIME, a_finding, a_record, a_recorded, a_related, a_subject
from tests.notices.cases import notice as a_notice

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "a\u202eb\u2066c\u200bd\ufeff",
    "line\r\nbreak\u2028and\x85more",
    "```\n# heading\n```",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](https://evil.test) ![x](https://evil.test/x.png) <https://evil.test>",
    "| cell | **bold** _em_ ~~s~~ `code` \\ @channel @all",
    "https://evil.test/x?a=b",
    "\ud800 lone",
    "[red]markup[/red] [link=https://evil.test]x[/link] :smile:",
)
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def a_hostile_record(text: str) -> Record:
    related = Related(
        window_start=EVENT_TIME, window_end=EVENT_TIME, filter=text, findings=(a_related(category=text, adds=text),)
    )
    step = Step(n=1, title=text, status="partly", detail=text, by_hand=(), missing=(f"the pod: {text}",))
    return a_record(
        findings=(a_recorded(a_finding(processes=(Process(name="gcc", args=("gcc", text)),), told={})),),
        triage=Triage(verdict="suspicious", summary=text, reasons=(text,)),
        evidence=Evidence(related=Found(value=related, source="SCC"), pod=Missing(why="broken", detail=text)),
        owner=Owner(contacts=(OwnerContact(value=text, kind="team", source=text),), missing=(text,)),
        steps=(step,),
        timeline=(TimelineEntry(time=EVENT_TIME, lane="pod_log", text=text, ref="/"),),
        commands=(Command(title=text, step=5, text="kubectl get pod a\nkubectl get pod b"),),
        links={"pod": "https://console.cloud.google.com/x"},
        provenance=a_record().provenance.model_copy(
            update={
                "subject": a_subject(pod="p" + text, namespace=text),
                "gaps": (Gap(question=text, why="broken", detail=text, mend=text),),
                "errors": (text,),
            }
        ),
    )


def test_a_summary_has_verdict_command_and_place() -> None:
    assert report.summary(a_record()) == (
        "insufficient_data: gcc -static -o /tmp/.x/kworker /tmp/.x/k.c in shop/checkout-7d9f8c5b4-x2k9p (shop-prod)"
    )


def test_a_long_command_gives_way_and_the_place_stays() -> None:
    finding = a_finding(processes=(Process(name="gcc", args=("gcc", *(f"f{n}.c" for n in range(500)))),))
    summary = report.summary(a_record(findings=(a_recorded(finding),)))
    assert len(summary) <= report.SUMMARY_LIMIT
    assert summary.endswith("... in shop/checkout-7d9f8c5b4-x2k9p (shop-prod)")


@pytest.mark.parametrize("length", [1, 63, 253, 4000])
def test_a_summary_is_never_longer_than_its_limit(length: int) -> None:
    record = a_record()
    subject = a_subject(namespace="n" * length, pod="p" * length)
    record = record.model_copy(update={"provenance": record.provenance.model_copy(update={"subject": subject})})
    assert len(report.summary(record)) <= report.SUMMARY_LIMIT


def test_a_record_without_a_pod_or_a_process_says_so() -> None:
    record = a_record(findings=(a_recorded(a_finding(processes=(), told={})),))
    subject = a_subject(namespace="", pod="", container="", cluster="")
    record = record.model_copy(update={"provenance": record.provenance.model_copy(update={"subject": subject})})
    summary = report.summary(record)
    assert summary.startswith("insufficient_data: a compiler in a pod that the finding does not name (a cluster that")
    assert "(the finding names no process)" in report.markdown(record)


def test_markdown_has_every_part_of_the_record() -> None:
    text = report.markdown(a_record())
    for said in (
        "gcc -static -o /tmp/.x/kworker /tmp/.x/k.c",
        "checkout@shop.test",
        "namespace annotation owner",
        "| 7. Response | done |",
        "Added Binary Executed",
        "+9 s",
        "kubectl -n shop get pod checkout-7d9f8c5b4-x2k9p",
        "pod: denied, pods.get on shop; to mend it: `grant roles/container.viewer`",
        "decision: hold",
        "review: open",
    ):
        assert said in text


def rendered(record: Record) -> str:
    """As a ticket system shows it: CommonMark with tables, bare addresses become links, HTML is let through."""
    html: str = MarkdownIt("commonmark", {"html": True}).enable("table").render(report.markdown(record))
    return html


def tags(html: str) -> Counter[str]:
    """How often each element stands there; text that looks like one is escaped and does not count."""
    return Counter(re.findall(r"<(\w+)", html))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_foreign_text_becomes_markup_or_a_control(text: str) -> None:
    html = rendered(a_hostile_record(text))
    assert {c for c in report.markdown(a_hostile_record(text)) if unicodedata.category(c) in UNSEEN} <= {"\n"}
    assert tags(html) == tags(rendered(a_hostile_record("plain")))
    outside = re.sub(r"(?s)<code.*?</code>", "", html)
    assert "https://evil" not in outside
    assert "@" not in re.sub(r"(?s)`+.*?`+", "", report.markdown(a_hostile_record("@channel @all")))


def test_two_foreign_texts_do_not_become_markup_together() -> None:
    gap = Gap(question="<b title='", why="broken", detail="[a](", mend="'> b)")
    record = a_record()
    record = record.model_copy(update={"provenance": record.provenance.model_copy(update={"gaps": (gap,)})})
    assert tags(rendered(record)) == tags(rendered(a_record()))


def test_what_is_unseen_is_written_out() -> None:
    assert report.visible("\x1b[0m\u202e\n\t\x9b\U000e0001") == r"\x1b[0m\u202e\n\t\x9b\U000e0001"
    assert report.visible("ordinary, även så, 日本") == "ordinary, även så, 日本"


def test_a_reviewers_note_keeps_its_lines_in_markdown_in_a_terminal_and_on_the_page() -> None:
    entry = ReviewEntry(state="closed", verdict="undetermined", note="one\n# two\n\nthree", by="ana", at=EVENT_TIME)
    record = a_record(review=Review(state="closed", verdict="undetermined", history=(entry,)))
    assert "<code>one\n# two\n\nthree\n</code>" in rendered(record)
    file = io.StringIO()
    print_record(record, Console(file=file, width=100))
    shown = [line.strip() for line in file.getvalue().splitlines()]
    at = next(n for n, line in enumerate(shown) if line.endswith("undetermined. one"))
    assert shown[at + 1 : at + 4] == ["# two", "", "three"]
    assert '<span class="lines">one\n# two\n\nthree\n</span>' in export.one(record, "html")


def test_a_record_says_who_was_told_and_why_somebody_was_not() -> None:
    record = a_record(
        notices=(a_notice(), a_notice("malicious", "deleted", sent=False, detail="unavailable: HTTP 503 <!channel>"))
    )
    said = report.markdown(record)
    assert "- told 2026-11-20 09:00: team by security: malicious, held" in said
    assert "- not told: team by security: malicious, deleted" in said
    assert "<!channel>" not in said
    page = io.StringIO()
    print_record(record, Console(file=page, width=200))
    assert re.search(r"told 2026-11-20 09:00 +team by security: malicious, held", page.getvalue())
    assert re.search(r"not told +team by security: malicious, deleted \(unavailable: HTTP 503", page.getvalue())
