"""What a source said within the last minute: how often it is asked, and how long anybody waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from responder.errors import Unanswered
from responder.evidence import Found, Missing
from responder.recent import Recent


@dataclass
class Source:
    """Answers how often it was asked, once it may; `fails` is raised instead. `now` is its clock."""

    now: float = 100.0
    asked: int = 0
    fails: Unanswered | None = None
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.free.set()

    def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        assert self.free.wait(30)
        if self.fails:
            raise self.fails
        return number

    def recent(self, patience: float = 10.0) -> Recent[int]:
        return Recent(self, "the source", patience=patience, monotonic=lambda: self.now)


def value(answer: Found[int] | Missing) -> int:
    assert isinstance(answer, Found), answer
    return answer.value


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_is_asked_once_a_minute() -> None:
    source = Source()
    recent = source.recent()
    said = []
    for source.now in (100.0, 130.0, 159.9, 160.0, 219.0):
        said.append(value(recent()))
    assert said == [1, 1, 1, 2, 2]


def test_a_refusal_is_kept_for_a_minute_with_its_reason_and_asked_anew_then() -> None:
    source = Source(fails=Unanswered("denied", "no right", mend="grant it"))
    recent = source.recent()
    refused = Missing(why="denied", detail="no right", mend="grant it")
    assert [recent(), recent()] == [refused, refused]
    source.now, source.fails = 160.0, None
    assert (value(recent()), source.asked) == (2, 2)


def test_nobody_waits_for_a_source_that_hangs_and_its_answer_is_there_when_it_comes() -> None:
    source = Source()
    recent = source.recent(patience=0.2)
    source.free.clear()
    began = time.monotonic()
    first = recent()
    source.now += 1.0  # more than anybody waits
    again = [recent() for _ in range(50)]
    assert time.monotonic() - began < 5
    assert {one.why for one in (first, *again) if isinstance(one, Missing)} == {"timeout"}
    assert not [one for one in (first, *again) if isinstance(one, Found)]
    source.now += 600.0  # it is not asked a second time while it hangs
    recent()
    assert source.asked == 1
    source.free.set()
    source.now = 101.0
    until(lambda: isinstance(recent(), Found))
    assert (value(recent()), source.asked) == (1, 1)


def test_many_who_come_at_once_are_one_question() -> None:
    source, found = Source(), []
    recent = source.recent()
    source.free.clear()
    threads = [threading.Thread(target=lambda: found.append(value(recent()))) for _ in range(20)]
    for one in threads:
        one.start()
    until(lambda: source.asked == 1)
    source.free.set()
    for one in threads:
        one.join(30)
    assert (found, source.asked) == ([1] * 20, 1)
