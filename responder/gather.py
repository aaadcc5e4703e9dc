"""Steps 1 to 4: the runbook's questions, asked at once along their dependencies, with one deadline for all.

Reads through the ports of `World` and changes nothing. A question is asked as soon as the answers that it needs are
there; no thread waits for another. A source that hangs, is denied or lies costs its own answer only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple

from responder import proof, related
from responder.errors import PASSING, Unanswered
from responder.evidence import LATER, NOT_ASKED, Evidence, Found, Missing, Related, SccFinding, Window
from responder.finding import Finding, Target
from responder.ports import Around, World
from responder.questions import AnyAnswer, Inquiry, Question, questions

_WORKERS: Final = 10
_REFUSALS: Final = frozenset({"not_found", "unverified"})


Ask = Literal["everything", "missing", "gaps", "look", "scc", "verify"]
VERIFIED: Final = frozenset({"scc", "related", "cluster", "project", "node", "pod", "proof", "owners", "namespace"})
"""What is asked anew before anything is done to a pod. What was known of these before counts for nothing then."""
_OF_THE_CLUSTER: Final = frozenset({"node", "pod", "namespace", "pod_events", "owners", "proof"})


class Gathered(NamedTuple):
    """The evidence, and the finding as SCC confirmed it (the message's own where SCC was silent).

    `known` has SCC's own version of each finding that it listed, by key, and `lacks` the keys of those that it was
    asked for and does not have; both are empty where it was silent. `asked` are the questions of this round, `answered`
    those of them that had an answer now: the evidence has older ones in the place of the others. `refused` is whether
    SCC answered, and has no such finding or another one under its name.
    """

    evidence: Evidence
    finding: Finding
    target: Target
    known: Mapping[str, Finding]
    asked: tuple[str, ...]
    answered: tuple[str, ...]
    refused: bool = False
    lacks: frozenset[str] = frozenset()


def gather(
    world: World, finding: Finding, target: Target, *, known: Evidence | None = None, ask: Ask = "everything"
) -> Gathered:
    """Ask SCC, then everything else at once, and return by the deadline.

    `ask="missing"` asks SCC and what `known` lacks, `"gaps"` only what it lacks and may have an answer by now,
    `"look"` also what tells of later events, `"scc"` SCC alone (a finding that joined), `"verify"` everything that says
    whether it is still the same finding and the same pod: a gap now is a gap, whatever was known. Where SCC does not
    have the finding, or has another one under its name, nothing else is asked.
    """
    if ask == "verify" and known is not None:
        known = known.model_copy(update=dict.fromkeys(VERIFIED, NOT_ASKED))
    deadline = time.monotonic() + world.settings.deadline.total_seconds()
    # A pool for each record: a shared one that is too small makes a hundred findings wait for each other.
    pool = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="gather")
    try:
        inquiry = Inquiry(world=world, finding=finding, target=target, now=world.now())
        _ask_scc(inquiry, pool, deadline)
        scc = inquiry.answers["scc"]
        if isinstance(scc, Missing) and scc.why in _REFUSALS:
            return _gathered(inquiry, known=known, asked=("scc",))
        inquiry.answers.update(_settled(known, ask, questions(inquiry.finding)))
        asked = tuple(name for name in questions(inquiry.finding) if name not in inquiry.answers)
        _ask_all(inquiry, questions(inquiry.finding), pool, deadline)
        return _gathered(inquiry, known=known, asked=("scc", *asked))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _settled(known: Evidence | None, ask: Ask, all_: Mapping[str, Question]) -> dict[str, AnyAnswer]:
    """The answers that are not asked again."""
    if known is None:
        return {}
    old = {name: getattr(known, name) for name in type(known).model_fields if name not in {"told", "scc", "related"}}
    if ask == "scc":
        return old
    if ask == "verify":
        return {name: answer for name, answer in old.items() if name not in VERIFIED}
    if ask in {"gaps", "look"}:
        open_ = _open(old, all_) | (LATER if ask == "look" else frozenset())
        return {name: answer for name, answer in old.items() if name not in open_}
    # The cluster is always asked: the way into it is not kept, and without it no other question of it can be.
    again = {"cluster"}
    if isinstance(known.owners, Found) and known.owners.value.broken_by:
        again.add("owners")
    return {name: answer for name, answer in old.items() if isinstance(answer, Found) and name not in again}


def _open(old: Mapping[str, AnyAnswer], all_: Mapping[str, Question]) -> frozenset[str]:
    """The passing gaps, what had no answer since they had none, and the cluster where one of its own is among them."""
    gaps = {name for name, answer in old.items() if isinstance(answer, Missing)}
    open_ = {name for name in gaps if old[name].passing}  # type: ignore[union-attr] # each is Missing
    owners = old.get("owners")
    if isinstance(owners, Found) and owners.value.broken_by.partition(":")[0] in PASSING:
        gaps, open_ = gaps | {"owners"}, open_ | {"owners"}
    for _ in all_:
        open_ |= {name for name in gaps if name in all_ and set(all_[name].needs) & open_}
    # The way into the cluster is not kept: it is asked for again with any question of its own.
    return frozenset(open_ | ({"cluster"} if open_ & _OF_THE_CLUSTER else set()))


def _gathered(inquiry: Inquiry, *, known: Evidence | None, asked: tuple[str, ...]) -> Gathered:
    seen = by_key(inquiry.around.findings) if inquiry.around else {}
    scc, finding = inquiry.answers["scc"], inquiry.finding
    if isinstance(scc, Missing):
        finding = replace(finding, contacts={})  # nobody is written to because a message said so
    refused = isinstance(scc, Missing) and scc.why in _REFUSALS
    lacks = frozenset({finding.key}) if isinstance(scc, Missing) and scc.why == "not_found" else frozenset[str]()
    answered = tuple(name for name in asked if isinstance(inquiry.answers.get(name), Found))
    return Gathered(_evidence(inquiry, known=known), finding, inquiry.target, seen, asked, answered, refused, lacks)


def by_key(findings: Iterable[Finding]) -> dict[str, Finding]:
    """SCC's own version of each finding: the latest where it is answered twice."""
    return {one.key: one for one in sorted(findings, key=lambda one: one.event_time)}


def named(world: World, findings: Sequence[Finding], seconds: float) -> Found[Any] | Missing:
    """Which of these findings SCC has, by their names alone (a tuple of `Finding`), within so many seconds."""
    inquiry = Inquiry(world=world, finding=findings[0], target=Target(), now=world.now())

    def ask(_: Inquiry) -> AnyAnswer:
        return Found[Any](value=world.scc.named(findings), source="securitycenter.googleapis.com v2 ListFindings")

    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gather")
    try:
        _ask_all(inquiry, {"named": Question(ask)}, pool, time.monotonic() + seconds)
        return inquiry.answers["named"]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ask_scc(inquiry: Inquiry, pool: ThreadPoolExecutor, deadline: float) -> None:
    half = inquiry.world.settings.related_window
    event_time = inquiry.finding.event_time
    window = Window(event_time - half, min(event_time + half, max(inquiry.now, event_time)))

    def scc(inquiry: Inquiry) -> AnyAnswer:
        inquiry.around = inquiry.world.scc.around(inquiry.finding, window)
        verified = proof.verify(inquiry.finding, inquiry.around, inquiry.target)
        if isinstance(verified, Missing):
            return verified
        return Found[SccFinding](value=verified, source="securitycenter.googleapis.com v2 ListFindings")

    _ask_all(inquiry, {"scc": Question(scc)}, pool, deadline)
    answer = inquiry.answers["scc"]
    if isinstance(answer, Found) and inquiry.around is not None:
        inquiry.finding = proof.confirmed(inquiry.finding, _own(inquiry.finding, inquiry.around))
        if not inquiry.target.has_pod:
            inquiry.target = inquiry.finding.targets()[0]
        told = related.relate(inquiry.finding, inquiry.target, inquiry.around, window)
        inquiry.answers["related"] = Found[Related](value=told, source="the same ListFindings call")
    else:
        detail = "SCC gave no findings" if isinstance(answer, Found) else f"SCC: {answer.detail}"
        why = answer.why if isinstance(answer, Missing) else "broken"
        mend = answer.mend if isinstance(answer, Missing) else ""
        inquiry.answers["related"] = Missing(why=why, detail=detail, mend=mend)


def _own(finding: Finding, around: Around) -> Finding:
    return next(f for f in around.findings if f.key == finding.key)


def _ask_all(inquiry: Inquiry, asked: Mapping[str, Question], pool: ThreadPoolExecutor, deadline: float) -> None:
    """Ask each question when its needs are answered; at the deadline what is open is `Missing("timeout")`."""
    _Asking(inquiry, asked, pool).until(deadline)


class _Asking:
    """Questions on their way.

    A class and no nested functions: those would refer to each other, and each record's answers would stay in memory
    until the collector comes by.
    """

    def __init__(self, inquiry: Inquiry, asked: Mapping[str, Question], pool: ThreadPoolExecutor) -> None:
        self._inquiry = inquiry
        self._pool = pool
        self._waiting = {name: question for name, question in asked.items() if name not in inquiry.answers}
        self._open = set(self._waiting)
        self._changed = threading.Condition(inquiry.lock)

    def until(self, deadline: float) -> None:
        """Returns when all are answered, by the deadline at the latest."""
        inquiry = self._inquiry
        with self._changed:
            self._start_ready()
            while self._open and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(timeout=left)
            late = inquiry.world.settings.deadline.total_seconds()
            for name in sorted(self._open):
                inquiry.answers[name] = Missing(why="timeout", detail=f"no answer within {late:g} s")
            self._open.clear()
            self._waiting.clear()

    def _start_ready(self) -> None:
        answers = self._inquiry.answers
        ready = [name for name, q in self._waiting.items() if all(need in answers for need in q.needs)]
        for name in ready:
            self._pool.submit(self._run, name, self._waiting.pop(name))

    def _run(self, name: str, question: Question) -> None:
        answer = _answer(self._inquiry, question)
        with self._changed:
            if name in self._open:
                self._inquiry.answers[name] = answer
                self._open.discard(name)
                self._start_ready()
                self._changed.notify_all()


def _answer(inquiry: Inquiry, question: Question) -> AnyAnswer:
    try:
        return question.ask(inquiry)
    except Unanswered as error:
        return Missing(why=error.why, detail=error.detail, mend=error.mend)
    except BaseException as error:  # noqa: BLE001 - a bug, or sys.exit, in an adapter costs its own answer, no more
        return Missing(why="broken", detail=f"the answer could not be read: {type(error).__name__}")


def _evidence(inquiry: Inquiry, *, known: Evidence | None) -> Evidence:
    """All answers in one place; a question that was not reached says why."""
    scc = inquiry.answers["scc"]
    unasked = Missing(why="not_asked", detail=f"SCC: {scc.detail}" if isinstance(scc, Missing) else "not reached")
    told: dict[str, AnyAnswer] = {
        name: Found[str | tuple[str, ...]](value=value, source=inquiry.finding.read_from.get(name, "the notification"))
        for name, value in inquiry.finding.told.items()
    }
    for name, reason in inquiry.finding.absent.items():
        told[name] = Missing(why="not_found", detail=reason)
    if known is not None and isinstance(scc, Missing) and isinstance(known.scc, Found):
        told = dict(known.told)  # SCC's word of then goes before the message's of now
    fields: dict[str, Any] = {"told": told}
    for name in Evidence.model_fields:
        if name == "told":
            continue
        answer = inquiry.answers.get(name, unasked)
        if isinstance(answer, Missing) and known is not None and isinstance(getattr(known, name), Found):
            answer = getattr(known, name)  # what was known once is not lost to a gap now
        fields[name] = answer
    return Evidence(**fields)
