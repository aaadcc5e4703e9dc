"""What Security Command Center is told: our marks and no other, at the name that takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud.securitycenter_v2 import ListFindingsRequest

from lab.google import LabGoogle
from lab.scenario import ScenarioFault
from lab.server import Running
from responder.errors import Unanswered
from responder.live.write_back import WriteBack
from tests.live.shop import NOTIFICATION, open_shop

ORGANIZATION = "organizations/123456789012"
NAME = NOTIFICATION["finding"]["name"]
CANONICAL = NOTIFICATION["finding"]["canonicalName"]
MARKS = {"responder_record": "0" * 32, "responder_verdict": "malicious"}


class Client:
    """A client that keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def update_security_marks(self, *, request: Any, **how: Any) -> None:
        assert how["retry"] is not None
        self.requests.append(request)

    update_external_system = update_security_marks


@pytest.fixture
def shop() -> Iterator[tuple[Running, LabGoogle]]:
    with open_shop() as opened:
        yield opened


def in_scc(google: LabGoogle, parent: str = ORGANIZATION) -> Any:
    """The finding as SCC has it now."""
    request = ListFindingsRequest(parent=f"{parent}/sources/-/locations/global", page_size=100)
    (found,) = (r.finding for r in google.securitycenter().list_findings(request) if r.finding.name == with_place(NAME))
    return found


def with_place(name: str) -> str:
    return name if "/locations/" in name else name.replace("/findings/", "/locations/global/findings/")


def faulty(call: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"faults": (ScenarioFault.model_validate({"call": call, "kind": kind} | more),)}


def test_the_marks_are_set_and_those_of_others_stay(shop: tuple[Running, LabGoogle]) -> None:
    google = shop[1]
    client = google.securitycenter()
    theirs = {"name": f"{with_place(NAME)}/securityMarks", "marks": {"owner": "team-a"}}
    client.update_security_marks(request={"security_marks": theirs, "update_mask": {"paths": ["marks.owner"]}})
    WriteBack(client).marks(NAME, CANONICAL, MARKS)
    WriteBack(client).marks(NAME, CANONICAL, {"responder_verdict": "benign"})
    assert dict(in_scc(google).security_marks.marks) == {"owner": "team-a", **MARKS, "responder_verdict": "benign"}


def test_the_mask_names_each_mark_and_nothing_else() -> None:
    client = Client()
    WriteBack(client).marks(NAME, CANONICAL, MARKS)
    (request,) = client.requests
    assert request["update_mask"] == {"paths": ["marks.responder_record", "marks.responder_verdict"]}
    assert request["security_marks"]["name"] == f"{with_place(CANONICAL)}/securityMarks"
    assert set(request["security_marks"]) == {"name", "marks"}


@pytest.mark.parametrize(
    "marks",
    [
        {},
        {"owner": "x"},
        {"Responder_x": "x"},
        {"responder_": "x"},
        {"responder_x.y": "x"},
        {"responder_x": ""},
        {"responder_x": "  "},
        {"responder_x": "x" * 4097},
        {"responder_ok": "x", "other": "x"},
        {"responder_x\n": "x"},
        {"responder_" + "x" * 300: "x"},
    ],
)
def test_what_is_no_mark_of_ours_is_never_sent(marks: dict[str, str]) -> None:
    client = Client()
    with pytest.raises(Unanswered) as refused:
        WriteBack(client).marks(NAME, CANONICAL, marks)
    assert (refused.value.why, client.requests) == ("invalid", [])


@pytest.mark.parametrize("length", [1, 4096])
def test_values_of_any_length_that_scc_allows_are_taken(shop: tuple[Running, LabGoogle], length: int) -> None:
    WriteBack(shop[1].securitycenter()).marks(NAME, CANONICAL, {"responder_record": "x" * length})
    assert len(in_scc(shop[1]).security_marks.marks["responder_record"]) == length


def test_the_external_system_has_id_status_and_link(shop: tuple[Running, LabGoogle]) -> None:
    google = shop[1]
    write_back = WriteBack(google.securitycenter())
    write_back.external_system(NAME, CANONICAL, uid="0" * 32, uri="https://responder.example.com/r/0", status="held")
    write_back.external_system(NAME, CANONICAL, uid="0" * 32, uri="", status="deleted")
    (system,) = in_scc(google).external_systems.values()
    assert (system.external_uid, system.case_uri, system.status) == (
        "0" * 32,
        "https://responder.example.com/r/0",
        "deleted",
    )


def test_a_link_that_is_none_is_refused() -> None:
    with pytest.raises(Unanswered) as refused:
        WriteBack(Client()).external_system(NAME, CANONICAL, uid="1", uri="javascript:alert(1)", status="held")
    assert refused.value.why == "invalid"


def test_where_scc_is_activated_for_projects_the_project_name_is_written_and_the_other_not_asked() -> None:
    with open_shop(scc_parent="projects/421458901689") as (running, google):
        WriteBack(google.securitycenter()).marks(NAME, CANONICAL, MARKS)
        names = [entry["name"] for entry in running.lab.calls("scc.UpdateSecurityMarks")]
        assert names == [f"{with_place(CANONICAL)}/securityMarks"]
        assert dict(in_scc(google, "projects/421458901689").security_marks.marks) == MARKS
        with pytest.raises(Unanswered) as refused:
            WriteBack(google.securitycenter()).marks(NAME, "", MARKS)
    assert refused.value.why == "broken"


def test_where_the_project_name_is_refused_the_other_is_tried() -> None:
    with open_shop(**faulty("scc.UpdateSecurityMarks", "deny", match="projects/")) as (running, google):
        WriteBack(google.securitycenter()).marks(NAME, CANONICAL, MARKS)
        assert len(running.lab.calls("scc.UpdateSecurityMarks")) == 2
        assert dict(in_scc(google).security_marks.marks) == MARKS


@pytest.mark.parametrize(
    ("kind", "why", "mend"),
    [("deny", "denied", "deploy/iam/reporter.yaml"), ("quota", "quota", ""), ("not_found", "not_found", "")],
)
def test_a_failure_has_its_reason(kind: str, why: str, mend: str) -> None:
    with open_shop(**faulty("scc.Update*", kind)) as (_, google), pytest.raises(Unanswered) as failed:
        WriteBack(google.securitycenter()).marks(NAME, CANONICAL, MARKS)
    assert failed.value.why == why
    assert mend in failed.value.mend


def test_a_lost_reply_is_asked_for_again_and_changes_nothing_more() -> None:
    with open_shop(**faulty("scc.UpdateSecurityMarks", "drop_reply", times=1)) as (running, google):
        WriteBack(google.securitycenter()).marks(NAME, CANONICAL, MARKS)
        assert len(running.lab.calls("scc.UpdateSecurityMarks")) == 2
        assert dict(in_scc(google).security_marks.marks) == MARKS


@pytest.mark.parametrize("names", [("", ""), ("organizations/1/sources/../findings/x", ""), (NAME, "x")])
def test_a_name_that_scc_would_not_give_is_not_asked(names: tuple[str, str]) -> None:
    client = Client()
    with pytest.raises(Unanswered) as refused:
        WriteBack(client).marks(*names, MARKS)
    assert (refused.value.why, client.requests) == ("invalid", [])


@pytest.mark.parametrize("paths", [[], ["marks"], ["marks.responder_record", "marks.owner"]])
def test_the_lab_takes_no_mask_that_would_touch_marks_of_others(
    shop: tuple[Running, LabGoogle], paths: list[str]
) -> None:
    marks = {"name": f"{with_place(NAME)}/securityMarks", "marks": {"responder_record": "x"}}
    with pytest.raises(InvalidArgument, match=r"The lab takes marks\.KEY"):
        shop[1].securitycenter().update_security_marks(
            request={"security_marks": marks, "update_mask": {"paths": paths}}
        )
