"""The whole way from a notification to a channel and back to SCC: the product wired as it ships, the lab at its end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.apps.chat_v1 import Message
from google.protobuf import json_format
from slack_sdk.models.blocks import Block

from lab.crashing import Fuses
from lab.environment import ROOT
from lab.google import LabGoogle
from lab.scenario import Scenario, ScenarioFault, load
from lab.server import Running, serve
from lab.serving import function, post, push_body
from responder import pipeline, wiring
from responder.ports import Delivery, RecordQuery, World
from responder.record import Record
from responder.settings import Settings
from responder.stores.sqlite import SqliteRecords
from tests.doubles import finding_in
from tests.scene import AUTO, scene

FILE = ROOT / "lab" / "scenarios" / "attack-web-pod.yaml"
NOTICES = """
write_back = true
record_page = "https://responder.example.com/records/{record}"

[[channel]]
name = "security"
kind = "slack"
webhook = "secret:projects/PROJECT/secrets/slack/versions/latest"

[[channel]]
name = "owners"
kind = "chat"
webhook = "secret:projects/PROJECT/secrets/chat/versions/2"
audience = "owner"
least_verdict = "suspicious"
"""


def scenario(*faults: ScenarioFault) -> Scenario:
    """The attack, with two channels whose addresses are secrets of its first project."""
    known = load(FILE)
    place = f"projects/{known.projects[0].id}/secrets"
    secrets = {f"{place}/slack": "/_lab/hooks/security", f"{place}/chat": "/_lab/hooks/owners?key=k&token=t"}
    return known.model_copy(update={"secrets": secrets, "faults": (*known.faults, *faults)})


def notices(folder: Path, known: Scenario) -> Path:
    file = folder / "notices.toml"
    file.write_text(NOTICES.replace("PROJECT", known.projects[0].id), encoding="utf-8")
    return file


def notification(known: Scenario) -> bytes:
    return (FILE.parent / known.notification).read_bytes()


@contextmanager
def wired(folder: Path, *faults: ScenarioFault) -> Iterator[tuple[Running, World, bytes]]:
    """The lab, and the world as `wiring` builds it from settings."""
    known = scenario(*faults)
    data = notification(known)
    with serve(known, json.loads(data)) as running:
        wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
        file = str(notices(folder, known))
        world = wiring.world(Settings(scc_parent=known.scc_parent, store=str(folder / "records.db"), notices=file))
        try:
            yield running, world, data
        finally:
            world.records.close()


def respond(running: Running, world: World, data: bytes, message_id: str = "1") -> Record:
    delivery = Delivery(data=data, message_id=message_id, received=running.lab.now())
    (record_id,) = pipeline.respond(world, finding_in(data), delivery)
    record = world.records.load(record_id)
    assert record is not None
    return record


def check(journal: list[dict[str, Any]], record: Record) -> None:
    """Both audiences were told of this record, in forms that their channels take, and SCC has our marks."""
    posts = {entry["name"]: entry for entry in journal if entry["call"] == "channel.Post"}
    assert set(posts) == {"security", "owners"}
    assert Block.parse_all(posts["security"]["body"]["blocks"])
    chat = json_format.ParseDict(posts["owners"]["body"], Message.pb()())
    assert chat.thread.thread_key == record.id
    for entry in posts.values():
        assert record.id in json.dumps(entry["body"])
        assert "authorization" not in entry["headers"]
    (marked,) = [entry["body"] for entry in journal if entry["call"] == "scc.UpdateSecurityMarks"]
    assert marked["securityMarks"]["marks"] == {
        "responder_record": record.id,
        "responder_verdict": "malicious",
        "responder_outcome": "held",
        "responder_review": "open",
    }
    (system,) = [entry["body"] for entry in journal if entry["call"] == "scc.UpdateExternalSystem"]
    assert system["externalSystem"]["caseUri"] == f"https://responder.example.com/records/{record.id}"


def test_an_attack_is_told_to_the_team_and_to_its_owner_and_written_back(tmp_path: Path) -> None:
    with wired(tmp_path) as (running, world, data):
        record = respond(running, world, data)
        check(running.lab.journal, record)
        assert [(one.channel, one.audience, one.sent) for one in record.notices] == [
            ("security", "team", True),
            ("owners", "owner", True),
        ]


def test_our_own_marks_come_back_as_a_message_and_nothing_happens(tmp_path: Path) -> None:
    with wired(tmp_path) as (running, world, data):
        before = respond(running, world, data)
        (marked,) = [entry["body"] for entry in running.lab.calls("scc.UpdateSecurityMarks")]
        document = json.loads(data)
        document["finding"]["securityMarks"] = marked["securityMarks"]
        document["finding"]["externalSystems"] = {"gke-compiler-responder": {"externalUid": before.id}}
        done = len(running.lab.journal)
        assert respond(running, world, json.dumps(document).encode(), "2") == before
        assert running.lab.journal[done:] == []
        # The next look reads our marks too, and two more findings join: each finding is written to once.
        running.lab.advance(timedelta(minutes=16))
        pipeline.sweep(world)
        after = world.records.load(before.id)
        assert after is not None
        assert [(one.kind, one.count) for one in after.provenance.rounds] == [("first", 1), ("look", 1), ("joined", 2)]
        names = [entry["name"] for entry in running.lab.calls("scc.UpdateSecurityMarks")]
        assert len(names) == len(set(names)) == 3
        assert len(running.lab.calls("channel.Post")) == 2


def test_channels_and_marks_that_fail_show_in_the_record_and_the_sweep_mends_them(tmp_path: Path) -> None:
    faults = (
        ScenarioFault(call="channel.Post", kind="unavailable", match="security", times=1),
        ScenarioFault(call="secretmanager.Access", kind="deny", match="/chat/", times=1),
        ScenarioFault(call="scc.Update*", kind="quota", times=1),
    )
    with wired(tmp_path, *faults) as (running, world, data):
        record = respond(running, world, data)
        assert record.provenance.stage == "finished"
        assert [(one.channel, one.sent) for one in record.notices] == [("security", False), ("owners", False)]
        assert "deploy/iam/notifier.yaml" in record.notices[1].detail
        (gap,) = [gap for gap in record.provenance.gaps if gap.question == "write_back"]
        assert gap.why == "quota"
        running.lab.advance(timedelta(seconds=61))
        assert pipeline.sweep(world).told == 1
        mended = world.records.load(record.id)
        assert mended is not None
        assert [one.sent for one in mended.notices] == [True, True]
        assert [gap for gap in mended.provenance.gaps if gap.question == "write_back"] == []


def test_no_text_that_is_kept_or_logged_has_an_address(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with wired(tmp_path, ScenarioFault(call="channel.Post", kind="deny")) as (running, world, data):
        record = respond(running, world, data)
        out, err = capfd.readouterr()
        told = out + err + record.model_dump_json() + str(world.records.counters())
        assert "not told" in out
    assert "_lab/hooks" not in told
    assert "token=t" not in told


def test_what_was_done_to_a_pod_is_told_to_both_in_the_same_thread_and_marked(tmp_path: Path) -> None:
    known = load(FILE)
    place = f"projects/{known.projects[0].id}/secrets"
    secrets = {f"{place}/slack": "/_lab/hooks/security", f"{place}/chat": "/_lab/hooks/owners?key=k&token=t"}
    file = str(notices(tmp_path, known))
    with scene(tmp_path, AUTO, changes={"secrets": secrets}, notices=file) as here:
        done = here.act()
        assert done.outcome.kind == "deleted"
        told = [(one.channel, one.outcome, one.sent) for one in here.record.notices]
        assert told == [
            ("security", "held", True),
            ("owners", "held", True),
            ("security", "deleted", True),
            ("owners", "deleted", True),
        ]
        threads = [post["body"].get("thread") for post in here.lab.calls("channel.Post") if post["name"] == "owners"]
        assert threads == [{"threadKey": here.id}] * 2
        outcomes = [
            entry["body"]["securityMarks"]["marks"]["responder_outcome"]
            for entry in here.lab.calls("scc.UpdateSecurityMarks")
        ]
        assert outcomes == ["held", "deleted"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "posts"),
    [
        # The worker dies here; how often the message of each of the two channels has gone out once all is over.
        ("records.tell.before", {"security": 1, "owners": 1}),
        ("channel.before", {"security": 1, "owners": 1}),
        ("records.told.before", {"security": 2, "owners": 1}),
        ("write_back.marks.before", {"security": 1, "owners": 1}),
        ("write_back.marks.after", {"security": 1, "owners": 1}),
    ],
)
def test_a_worker_that_is_killed_while_it_tells_loses_nothing_and_repeats_one_message_at_most(
    tmp_path: Path, point: str, posts: dict[str, int]
) -> None:
    known = scenario()
    data = notification(known)
    fuses = Fuses(tmp_path / "fuses")
    (tmp_path / "fuses").mkdir()
    environ = {"LAB_CRASH": str(tmp_path / "fuses"), "RESPONDER_NOTICES": str(notices(tmp_path, known))}
    store = tmp_path / "records.db"
    with serve(known, json.loads(data)) as running:
        endpoints = running.endpoints.model_dump(mode="json")
        with function(tmp_path, endpoints, store=store, environ=environ) as served:
            fuses.arm(point)
            with pytest.raises(OSError, match=r"."):
                post(served.url, push_body(data, "1"))
            assert fuses.died() == [point]
            assert post(served.url, push_body(data, "1", attempt=2)) in {200, 204}
        # The dead worker had the right to tell: the sweep goes on once that has run out.
        endpoints["clock_offset_seconds"] += 420
        running.lab.advance(timedelta(minutes=7))
        with function(tmp_path, endpoints, store=store, environ=environ, target="sweep") as served:
            assert post(served.url, {}) in {200, 204}
        sent = Counter(entry["name"] for entry in running.lab.calls("channel.Post"))
        assert sent == posts
        bodies = [json.dumps(entry["body"]) for entry in running.lab.calls("channel.Post")]
        assert len(set(bodies)) == 2  # a repetition is the same message, with the same id
        assert running.lab.calls("scc.UpdateExternalSystem")


@pytest.mark.slow
def test_the_function_that_ships_tells_of_an_attack_and_of_a_repetition_nothing(tmp_path: Path) -> None:
    known = scenario()
    data = notification(known)
    store = tmp_path / "records.db"
    with serve(known, json.loads(data)) as running:
        environ = {"RESPONDER_NOTICES": str(notices(tmp_path, known))}
        with function(tmp_path, running.endpoints.model_dump(mode="json"), store=store, environ=environ) as served:
            statuses = [post(served.url, push_body(data, message_id)) for message_id in ("1", "2")]
        assert set(statuses) <= {200, 204}
        records = SqliteRecords(store, now=running.lab.now)
        (line,) = records.list(RecordQuery())
        record = records.load(line.id)
        records.close()
        assert record is not None
        check(running.lab.journal, record)
