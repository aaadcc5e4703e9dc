"""Step 5 says what was taken, what was not and why, and how a person takes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from responder.record import Artifact, ByHand, Capture, Volatile
from responder.runbook.captured import MOST_COMMANDS, MOST_MISSING, Told, captured
from tests.builders import EVENT_TIME


def a_capture(**changes: Any) -> Capture:
    values = {
        "at": EVENT_TIME,
        "finished": EVENT_TIME + timedelta(seconds=3),
        "uid": "u",
        "namespace": "shop",
        "pod": "checkout-1",
        "container": "checkout",
        "node": "n",
        "image_digest": "sha256:" + "62" * 32,
        "identity": "collector@acme.test",
        "responder": "1",
    }
    return Capture.model_validate(values | changes)


def an_artifact(path: str = "/tmp/k", role: str = "product", status: str = "captured", **changes: Any) -> Artifact:
    stored = "r/0001.zip" if status == "captured" else ""
    values = {"path": path, "role": role, "status": status, "size": 10, "stored": stored, "by_hand": f"cp {path}"}
    return Artifact.model_validate(values | changes)


def told(*artifacts: Artifact, **changes: Any) -> Told:
    made = captured(a_capture(**changes), artifacts)
    assert made is not None
    return made


def test_without_a_capture_the_step_is_a_persons() -> None:
    assert captured(None, ()) is None


def test_everything_taken_whole_is_done() -> None:
    made = told(an_artifact(), an_artifact("/tmp/k.c", "source"), an_artifact("/tmp/l.c", "source"))
    assert (made.status, made.missing) == ("done", ())
    assert made.detail.startswith("Taken: 1 product, 2 sources, 30 bytes")
    assert "sealed" in made.detail
    assert made.evidence == ("/capture", "/artifacts/0", "/artifacts/1", "/artifacts/2")


def test_what_was_left_out_or_failed_or_cut_or_odd_makes_it_partly_and_is_said() -> None:
    for lack, words in (
        (an_artifact("/tmp/x", status="left_out", reason="too large"), "/tmp/x: left out: too large"),
        (an_artifact("/tmp/x", status="failed", reason="denied"), "/tmp/x: failed: denied"),
        (an_artifact("/tmp/x", truncated=True), "/tmp/x: cut after 10 bytes"),
        (an_artifact("/tmp/x", notes=("it changed",)), "/tmp/x: it changed"),
    ):
        made = told(an_artifact(), lack)
        assert (made.status, made.missing) == ("partly", (words,))


def test_the_ended_process_is_not_missed_where_the_compiler_was_taken_from_the_disk() -> None:
    running = an_artifact("/proc/53/exe", "compiler", "failed", reason="no such file")
    assert told(an_artifact(), an_artifact("/usr/bin/gcc", "compiler"), running).status == "done"
    assert told(an_artifact(), running).missing == ("/proc/53/exe: failed: no such file",)
    denied = an_artifact("/proc/53/exe", "compiler", "failed", reason="cat: Permission denied")
    assert told(an_artifact("/usr/bin/gcc", "compiler"), denied).status == "partly"
    other = an_artifact("/usr/bin/cc", "compiler", "failed", reason="no such file")
    assert told(an_artifact("/usr/bin/gcc", "compiler"), other).status == "partly"


def test_a_snapshot_that_lacks_something_is_partly() -> None:
    made = told(an_artifact(), volatile=Volatile(missing=("sockets: no such file",)))
    assert (made.status, made.missing) == ("partly", ("a snapshot of what runs: sockets: no such file",))


def test_nothing_taken_is_impossible_with_its_cause_and_the_image_to_pull() -> None:
    line = ByHand(title="A shell beside the container", kind="command", value="kubectl debug")
    made = told(impossible="the image has no program that reads files", by_hand=(line,))
    assert made.status == "impossible"
    assert "the image has no program that reads files" in made.detail
    assert "sha256:6262" in made.detail
    assert made.by_hand == (line,)
    assert told(an_artifact(status="failed", reason="denied")).status == "impossible"


def test_another_program_than_the_hashed_one_is_said() -> None:
    assert "1 differ" in told(an_artifact("/usr/bin/gcc", "compiler", against_scc="differs")).detail


def test_lines_to_copy_by_hand_begin_with_what_is_missing_and_each_is_there_once() -> None:
    made = told(an_artifact(), an_artifact("/tmp/x", status="left_out", reason="r"), an_artifact(by_hand="cp /tmp/x"))
    assert [line.value for line in made.by_hand] == ["cp /tmp/x", "cp /tmp/k"]
    assert made.by_hand[0].title == "Copy /tmp/x out of the container by hand"


def test_lists_end() -> None:
    made = told(an_artifact(), *(an_artifact(f"/tmp/{n}", status="left_out", reason="r") for n in range(300)))
    assert len(made.by_hand) == MOST_COMMANDS
    assert len(made.missing) == MOST_MISSING + 1
    assert made.missing[-1] == f"and {300 - MOST_MISSING} more"


def test_a_name_cannot_write_into_the_readers_terminal() -> None:
    made = told(an_artifact("/tmp/\x1b[2J\u202e" + "a" * 900, truncated=True, by_hand="cp"))
    for text in (*made.missing, made.by_hand[0].title, made.detail):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 250
