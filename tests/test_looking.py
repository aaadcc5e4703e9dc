"""What became of a pod is said from what was seen, and from nothing else; a thousand races by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest

from responder.errors import Refused, Unanswered, Unconfirmed, Why
from responder.evidence import ContainerState, Pod
from responder.looking import STILL_RUNS, look
from responder.record import Outcome
from tests.apimodel import NAME, NAMESPACE, START, Model, Trouble, shown

UID = "6f7a5b4e-c6a7-5774-a871-7bb2126b4615"
OTHER = "11111111-2222-3333-4444-555555555555"
DIGEST = f"sha256:{'a' * 64}"
Read = Pod | Why


@dataclass
class Watch:
    """Answers in turn, the last of them for ever; the clock moves only by sleeping."""

    answers: list[Read]
    at: datetime = START
    reads: int = 0
    naps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.at += timedelta(seconds=seconds)

    def read(self) -> Pod:
        answer = self.answers[min(self.reads, len(self.answers) - 1)]
        self.reads += 1
        if isinstance(answer, str):
            raise Unanswered(answer, "of the watch")
        return answer

    def look(self, seconds: float = 5.0, *, quiet: datetime | None = None, image_digest: str = "") -> Outcome:
        until = START + timedelta(seconds=seconds)
        return look(
            self.read,
            uid=UID,
            until=until,
            now=self.now,
            sleep=self.sleep,
            quiet=quiet,
            image_digest=image_digest,
        )


UNTOUCHED = shown(UID)
MARKED = shown(UID, deletion=START + timedelta(seconds=3))


def running(digest: str) -> Pod:
    container = ContainerState(name="app", kind="container", image="app:1", image_id=digest, state="running")
    return shown(OTHER).model_copy(update={"containers": (container,)})


def test_a_pod_that_is_not_there_any_more_was_deleted() -> None:
    watch = Watch([UNTOUCHED, MARKED, "not_found"])
    assert (watch.look().kind, watch.reads, watch.naps) == ("deleted", 4, [1.0, 1.0, 1.0])


def test_one_answer_that_it_is_gone_is_not_believed() -> None:
    assert (watch := Watch(["not_found", UNTOUCHED])).look(-1).kind == "failed"
    assert watch.reads == 2
    assert Watch(["not_found", MARKED, "not_found", "not_found"]).look().kind == "deleted"
    assert Watch(["not_found", "unavailable", "not_found", "unavailable"]).look(0).kind == "unknown"


def test_another_uid_under_the_name_tells_which_pod_has_it_now() -> None:
    outcome = Watch([MARKED, shown(OTHER)]).look()
    assert outcome.kind == "replaced"
    assert UID in outcome.detail
    assert outcome.replacement is not None
    assert (outcome.replacement.uid, outcome.replacement.name, outcome.replacement.same_image) == (OTHER, NAME, None)
    assert outcome.replacement.seen_at == START + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("image_id", "known", "same"),
    [
        (f"repo/app@{DIGEST}", DIGEST, True),
        (f"repo/app@{DIGEST}", f"mirror/app@{DIGEST}", True),
        (f"repo/app@sha256:{'b' * 64}", DIGEST, False),
        ("", DIGEST, None),
        (f"repo/app@{DIGEST}", "", None),
    ],
)
def test_the_replacements_image_is_compared_by_its_digest(image_id: str, known: str, *, same: bool | None) -> None:
    outcome = Watch([running(image_id)]).look(image_digest=known)
    assert outcome.replacement is not None
    assert outcome.replacement.same_image is same


def test_a_marked_pod_that_stays_is_terminating_and_says_what_holds_it() -> None:
    outcome = Watch([MARKED]).look(10)
    assert outcome.kind == "terminating"
    assert "a finalizer or its node holds it" in outcome.detail
    assert outcome.at == START + timedelta(seconds=10)


def test_within_its_grace_nothing_is_said_of_a_finalizer() -> None:
    outcome = Watch([MARKED]).look(2)
    assert (outcome.kind, "finalizer" in outcome.detail) == ("terminating", False)


def test_an_untouched_pod_was_not_deleted() -> None:
    assert Watch([UNTOUCHED]).look().kind == "failed"


def test_an_untouched_pod_says_nothing_while_a_request_without_an_answer_may_be_at_work() -> None:
    assert Watch([UNTOUCHED]).look(5, quiet=START + STILL_RUNS).kind == "unknown"
    late = STILL_RUNS.total_seconds()
    assert Watch([UNTOUCHED]).look(late - 1, quiet=START + STILL_RUNS).kind == "unknown"
    assert Watch([UNTOUCHED]).look(late, quiet=START + STILL_RUNS).kind == "failed"


@pytest.mark.parametrize("why", ["unavailable", "denied", "timeout", "broken", "quota"])
def test_a_pod_that_cannot_be_read_is_unknown_and_never_gone(why: Why) -> None:
    outcome = Watch([why]).look()
    assert outcome.kind == "unknown"
    assert why in outcome.detail


def test_an_answer_that_comes_late_is_waited_for() -> None:
    assert Watch(["unavailable", "timeout", "not_found"]).look().kind == "deleted"


def test_what_was_untouched_and_then_unreadable_is_unknown() -> None:
    assert Watch([UNTOUCHED, "unavailable"]).look().kind == "unknown"


def test_a_mark_that_was_seen_stays_seen_when_the_next_reads_fail() -> None:
    assert Watch([MARKED, "unavailable"]).look().kind == "terminating"


def test_a_pod_without_a_uid_proves_nothing() -> None:
    assert Watch([shown("")]).look().kind == "unknown"


def test_whose_end_is_looked_for_must_be_told() -> None:
    watch = Watch([UNTOUCHED])
    with pytest.raises(ValueError, match="by its UID"):
        look(watch.read, uid="", until=START, now=watch.now, sleep=watch.sleep)
    assert watch.reads == 0


def test_it_is_read_once_where_the_time_is_over_already() -> None:
    watch = Watch(["not_found"])
    assert (watch.look(-60).kind, watch.reads, watch.naps) == ("deleted", 2, [1.0])


def test_the_last_read_is_at_the_end_of_the_time_and_none_after_it() -> None:
    watch = Watch([UNTOUCHED])
    watch.look(2.5)
    assert (watch.reads, watch.naps) == (4, [1.0, 1.0, 0.5])


def test_it_ends_where_the_clock_stands_still() -> None:
    watch = Watch([UNTOUCHED])
    outcome = look(watch.read, uid=UID, until=START + timedelta(days=1), now=watch.now, sleep=lambda _: None)
    assert (outcome.kind, watch.reads) == ("failed", 300)


# --- a thousand races -------------------------------------------------------------------------------------------------


def drawn(random: Random) -> Trouble:
    def maybe(chance: float) -> bool:
        return random.random() < chance

    return Trouble(
        reply_dropped=maybe(0.3),
        request_lost=maybe(0.1),
        works_late=random.choice([0.0, 0.0, 0.0, 2.0, 20.0, 55.0]),
        denied=maybe(0.05),
        budget=maybe(0.1),
        finalizer=random.choice([None, None, 5.0, 1e9]),
        replaced_at=random.choice([None, None, 0.0, 1.0, 4.0, 30.0]),
        swapped_before_delete=maybe(0.2),
        same_name=maybe(0.5),
        unreadable=frozenset(random.sample(range(1, 12), random.randint(0, 6))),
    )


def answer(model: Model, uid: str, *, gentle: bool, looks: int) -> Outcome:
    """The order that answering has: rehearse, one request, looks until it is known; a redelivery only looks."""
    try:
        model.rehearse(NAMESPACE, NAME, uid=uid, grace_seconds=5)
        sent = model.now()
        do: Callable[..., None] = model.evict if gentle else model.delete
        do(NAMESPACE, NAME, uid=uid, grace_seconds=5)
    except Refused as error:
        return Outcome(kind="failed", detail=error.detail)
    except Unconfirmed:
        pass
    outcome = Outcome(kind="unknown", detail="")
    for _ in range(looks):
        until = model.now() + timedelta(seconds=25)
        outcome = look(model.read, uid=uid, until=until, now=model.now, sleep=model.sleep, quiet=sent + STILL_RUNS)
        if outcome.kind in {"deleted", "replaced", "failed"}:
            break
        model.sleep(60)
    return outcome


@pytest.mark.parametrize("block", range(10))
def test_in_a_thousand_races_no_other_pod_is_touched_none_twice_and_nothing_false_is_said(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        random = Random(seed)  # noqa: S311 - a race to be had again, not a secret
        model = Model(drawn(random), random)
        uid = model.make()
        outcome = answer(model, uid, gentle=random.random() < 0.3, looks=3)
        assert set(model.deleted) <= {uid}, seed
        assert len(model.deleted) <= 1, seed
        assert model.requests <= 1, seed
        model.sleep(STILL_RUNS.total_seconds())
        alive = {pod.uid: pod for pod in model.pods}
        match outcome.kind:
            case "deleted" | "replaced":
                assert uid not in alive, seed
            case "terminating":
                assert alive[uid].deletion is not None, seed
            case "failed":
                assert uid not in model.deleted, seed
            case _:
                assert outcome.kind == "unknown", seed
                assert model.reads <= 300, seed


def test_the_races_meet_every_outcome() -> None:
    met = set()
    for seed in range(1000):
        random = Random(seed)  # noqa: S311 - the same races
        model = Model(drawn(random), random)
        met.add(answer(model, model.make(), gentle=random.random() < 0.3, looks=1).kind)
    assert met == {"deleted", "replaced", "terminating", "failed", "unknown"}
