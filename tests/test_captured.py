"""What was taken out of a container speaks against it, never for it."""

from __future__ import annotations

from typing import Any

import pytest

from responder.record import Artifact, ElfFacts, Signal
from responder.triage.captured import signs
from responder.triage.case import Case
from responder.triage.judging import judge
from responder.triage.rules import WEIGHTS

GCC = "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"


def an_elf(**changes: Any) -> ElfFacts:
    values = {"machine": "x86_64", "kind": "executable", "static": True, "stripped": True, "comments": (GCC,)}
    return ElfFacts.model_validate(values | changes)


def an_artifact(path: str = "/tmp/k", role: str = "product", **changes: Any) -> Artifact:
    values = {"path": path, "role": role, "status": "captured", "content": "elf", "elf": an_elf()}
    return Artifact.model_validate(values | changes)


def signals(artifacts: tuple[Artifact, ...]) -> tuple[Signal, ...]:
    judged = judge(Case(execs=(), artifacts=artifacts))
    return tuple(signal for signal in judged.signals if signal.source == "capture")


def ids(*artifacts: Artifact) -> list[str]:
    return [signal.id for signal in signals(artifacts)]


COMPILER = an_artifact("/usr/bin/gcc", "compiler", elf=an_elf(static=False, stripped=True))
LEFT_OUT = an_artifact("/tmp/a", status="left_out", content="", elf=None, reason="too many")


def test_a_static_and_stripped_product_where_anybody_can_write_is_a_sign_and_names_its_place() -> None:
    (signal,) = signals((LEFT_OUT, an_artifact()))
    assert (signal.id, signal.weight, signal.source, signal.outside) == ("C1", 10, "capture", True)
    assert signal.evidence == ("/artifacts/1",)


@pytest.mark.parametrize(
    "quiet",
    [
        an_artifact("/app/build/k"),
        an_artifact(elf=an_elf(stripped=False)),
        an_artifact(elf=an_elf(static=False)),
        an_artifact(elf=an_elf(kind="object", static=False)),
        an_artifact(status="failed"),
        an_artifact(role="source"),
        an_artifact("/tmp/a.o", "source", elf=an_elf(kind="object")),
    ],
)
def test_what_ordinary_builds_make_is_none(quiet: Artifact) -> None:
    assert ids(quiet) == []


def test_an_executed_program_that_is_another_now_is_a_sign_from_outside() -> None:
    (signal,) = signals((an_artifact("/usr/bin/gcc", "compiler", against_scc="differs"),))
    assert (signal.id, signal.weight, signal.outside) == ("C2", 15, True)
    for answer in ("equal", "not_comparable", "not_given"):
        assert ids(an_artifact("/usr/bin/gcc", "compiler", against_scc=answer)) == []


def test_a_product_that_names_the_pods_own_compiler_was_built_in_place_and_weighs_nothing() -> None:
    product = an_artifact("/app/k", elf=an_elf(stripped=False))
    (signal,) = signals((COMPILER, product))
    assert (signal.id, signal.weight, signal.evidence) == ("C3", 0, ("/artifacts/1",))
    assert GCC in signal.title
    assert ids(COMPILER, product.model_copy(update={"elf": an_elf(comments=("clang",), stripped=False)})) == []


def test_a_dropped_program_in_memory_is_a_sign_and_a_text_there_is_none() -> None:
    assert ids(an_artifact("/dev/shm/x", "dropped", elf=an_elf(static=False))) == ["C4"]
    assert ids(an_artifact("/dev/shm/x", "dropped", content="script", elf=None)) == ["C4"]
    assert ids(an_artifact("/dev/shm/x", "dropped", content="text", elf=None)) == []
    assert ids(an_artifact("/usr/local/bin/x", "dropped", content="script", elf=None)) == []


def test_a_program_under_a_sources_name_is_a_sign() -> None:
    assert ids(an_artifact("/app/a.c", "source")) == ["C5"]
    assert ids(an_artifact("/app/a.c", "source", content="text", elf=None)) == []


def test_many_files_of_a_kind_are_one_sign_with_each_place() -> None:
    (signal,) = signals((an_artifact("/tmp/a"), an_artifact("/tmp/b")))
    assert signal.evidence == ("/artifacts/0", "/artifacts/1")


def test_nothing_that_a_container_sends_speaks_for_it_and_none_decides() -> None:
    assert min(weight for sign, weight in WEIGHTS.items() if sign.startswith("C")) == 0
    everything = (COMPILER, an_artifact(), an_artifact("/dev/shm/.x", "dropped"), an_artifact("/a.c", "source"))
    assert not any(sign.decisive for sign in signs(everything))


def test_a_name_cannot_write_into_the_readers_terminal() -> None:
    (signal,) = signals((an_artifact("/tmp/\x1b[2J\u202e" + "a" * 500),))
    assert signal.title.isascii()
    assert signal.title.isprintable()
    assert len(signal.title) < 200
