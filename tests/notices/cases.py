"""Records and channels for the tests of notices, and words that an attacker would write."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from responder.evidence import Evidence, Found, Missing, OwnerContact
from responder.finding import Process
from responder.notices.config import ChannelConfig, Notices
from responder.record import (
    Action,
    Decision,
    Notice,
    Outcome,
    Owner,
    Record,
    Replacement,
    Triage,
    Verdict,
)
from tests import sheets
from tests.builders import a_finding, a_record, a_recorded, a_subject

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

_SHAPES = (
    "{}",
    "gcc {} -o /tmp/x",
    "a{0}b{0}c",
    "/tmp/{}/k.c",
    "`{}`",
    "*{}*",
    '"{}"',
    "&lt;{}&gt;",
)
_WORDS = (
    "<!channel>", "<!here>", "<!everyone>", "<@U012AB3CD>", "<#C012AB3CD|general>", "<!subteam^S01|admins>",
    "<users/all>", "<users/1234567890>", "@here", "@channel", "@all", "<!date^1392734382^x^https://evil.test|now>",
    "<https://evil.test|click>", "https://evil.test/a?b=c", "HTTP://EVIL.TEST/", "www.evil.test", "ftp://evil.test",
    "javascript:alert(1)//", "slack://channel?id=1", "[x](https://evil.test)", "<a href='https://evil.test'>x</a>",
    "<img src=x onerror=alert(1)>", "<b>bold</b>", "<font color='red'>x</font>", "</code><a href=//evil.test>x</a>",
    "\x1b[2J\x1b]0;owned\x07", "\x1b]8;;https://evil.test\x07x\x1b]8;;\x07", "a\u202eb\u2066c", "z\u200be\u200dr\ufeff",
    "line\r\nbreak\u2028and\x85more", "\x00\x01\x7f\x9b", "\ud800", "&amp;<!channel>&lt;!here&gt;", ":rotating_light:",
    "*bold* _em_ ~s~ ```code```", "> quote", "| a | b |", "\U000e0041\U000e0042", "\u3164\uffa0\u115f", "{}{0}%s$(id)",
    "x" * 5000, "<" * 4000, "&" * 4000, "\u202e" * 2000,
)  # fmt: skip
HOSTILE = tuple(shape.replace("{0}", word).replace("{}", word) for shape, word in itertools.product(_SHAPES, _WORDS))
"""More than 300 texts: mentions, links, mark-up, controls, and what is too long."""


def channel(name: str = "security", **changes: Any) -> ChannelConfig:
    values: dict[str, Any] = {"name": name, "kind": "slack", "webhook": f"env:{name.upper().replace('-', '_')}"}
    return ChannelConfig(**(values | changes))


def config(*channels: ChannelConfig, **changes: Any) -> Notices:
    return Notices(channel=channels, **changes)


TEAM = channel("security")
OWNERS = channel("owners", kind="chat", audience="owner")
BOTH = config(TEAM, OWNERS)


def told(verdict: Verdict = "malicious", became: str = "held", **changes: Any) -> Record:
    """A record with every field of a card, of that verdict, in which that became of the pod."""
    done = Outcome.model_validate({"kind": became, "detail": "as asked", "at": AT})
    values: dict[str, Any] = {
        "triage": Triage(
            verdict=verdict, summary="it compiled and ran what it had made", reasons=("no builder", "a shell"), score=92
        ),
        "evidence": sheets.everything(),
        "outcome": done,
        "links": {
            "finding": "https://console.cloud.google.com/security/command-center/findingsv2?x=%3D",
            "logs_pod": "https://console.cloud.google.com/logs/query;query=x%0Ay;timeRange=a%2Fb?project=p",
            "contact": "mailto:x@y.test?subject=x",
        },
    }
    return a_record("a" * 32, **(values | changes))


def records() -> list[Record]:
    """Records of every verdict and outcome, with and without answers of the cluster."""
    kinds = ("held", "deleted", "terminating", "gone", "replaced", "failed", "unknown")
    found = [told(verdict, kind) for verdict in get_args(Verdict) for kind in kinds]
    new = Replacement(name="checkout-new", uid="u", phase="Running", same_image=True, seen_at=AT, compiles_again="b")
    action = Action(
        id="1", kind="delete", uid="u", namespace="shop", pod="p", at=AT, result="deleted", approved_by="a@b.test"
    )
    gone = Missing(why="not_found", detail="pods.get on shop")
    return [
        *found,
        told(outcome=Outcome(kind="deleted", detail="seen gone", at=AT, replacement=new), actions=(action,)),
        told(decision=Decision(kind="await_approval", reasons=("an approver is asked",))),
        told(evidence=sheets.everything(pod=gone)),
        told(evidence=Evidence(), links={}, owner=Owner(contacts=(), missing=())),
        a_record(),
    ]


def hostile(text: str) -> Record:
    """A record whose every foreign word is `text`."""
    return told(
        findings=(a_recorded(a_finding(processes=(Process(name="gcc", args=("gcc", text)),), told={})),),
        triage=Triage(verdict="malicious", summary=text, reasons=(text,) * 8, score=92),
        decision=Decision(reasons=(text, text)),
        outcome=Outcome(detail=text),
        owner=Owner(contacts=(OwnerContact(value=text, kind="team", source=text),), missing=(text,)),
        evidence=Evidence(pod=Found(value=sheets.a_pod(phase=text), source="the cluster"), scc=sheets.everything().scc),
        links={"finding": f"https://console.cloud.google.com/{text}", "pod": text, "logs_pod": f"https://{text}"},
        provenance=told().provenance.model_copy(
            update={
                "subject": a_subject(
                    pod=text, namespace=text, container=text, cluster=text, project_id=text, location=text
                )
            }
        ),
    )


def notice(verdict: Verdict = "malicious", outcome: str = "held", **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "id": "n", "audience": "team", "channel": "security", "verdict": verdict, "outcome": outcome,
        "at": AT - timedelta(hours=1), "sent": True,
    }  # fmt: skip
    return Notice(**(values | changes))
