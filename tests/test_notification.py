"""Step 1: every shape of a notification is read, and nothing that is sent can do more than be refused."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder import notification
from responder.errors import MalformedNotification
from responder.finding import CATEGORY, TOLD_FIELDS, ClusterRef, Conflict, Container, Finding, NodeRef, PodRef
from responder.notification import Foreign
from tests.shapes import SAMPLES, SHAPES, V2, changed, encoded, finding_part, properties_part, sample, shaped

ARGS = ("gcc", "-static", "-o", "/tmp/.x/kworker", "/tmp/.x/k.c")
IMAGE = "europe-docker.pkg.dev/acme-shop-prod/web/checkout:1.9.2"
SHA256 = "6216f64ab88fc51d311e38c7f69ca3f9aaba621492b4f1fa93ddf63093768845"
DIGEST = f"europe-docker.pkg.dev/acme-shop-prod/web/checkout@sha256:{SHA256}"
NODE = "gke-shop-prod-default-pool-7d6bb7c7-0rru"
BY_ID = "//container.googleapis.com/projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"
BY_NUMBER = "//container.googleapis.com/projects/421458901689/zones/europe-west1-b/clusters/shop-prod"
EVENT_TIME = datetime(2026, 11, 20, 9, 41, 7, 482113, tzinfo=UTC)

VALUES: dict[str, str | tuple[str, ...]] = {
    "program_binary": "/usr/bin/x86_64-linux-gnu-gcc-12",
    "arguments": ARGS,
    "project_display_name": "acme-shop-prod",
    "Pod_Namespace": "shop",
    "Pod_Name": "checkout-7d9f8c5b4-x2k9p",
    "Container_Name": "checkout",
    "Container_Image_Uri": IMAGE,
    "VM_Instance_Name": NODE,
}
STRUCTURED = {
    "program_binary": "{f}.processes[0].binary.path",
    "arguments": "{f}.processes[0].args",
    "resource_full_name": "{f}.resourceName",
    "Pod_Namespace": "{f}.kubernetes.pods[0].ns",
    "Pod_Name": "{f}.kubernetes.pods[0].name",
    "Container_Name": "{f}.kubernetes.pods[0].containers[0].name",
    "Container_Image_Uri": "{f}.kubernetes.pods[0].containers[0].uri",
    "VM_Instance_Name": "{f}.kubernetes.nodes[0].name",
}
SPARE = {
    "program_binary": "{s}.Process_Binary_Fullpath",
    "arguments": "{s}.Process_Arguments",
    "resource_full_name": "{r}.name",
    "Pod_Namespace": "{s}.Pod_Namespace",
    "Pod_Name": "{s}.Pod_Name",
    "Container_Name": "{s}.Container_Name",
    "Container_Image_Uri": "{s}.Container_Image_Uri",
    "VM_Instance_Name": "{s}.VM_Instance_Name",
}
PROJECT = {
    "v2": "resource.gcpMetadata.projectDisplayName",
    "v1": "resource.projectDisplayName",
    "console": "resource.project_display_name",
    "v2_with_v1": "resource.gcpMetadata.projectDisplayName",
    "nested": "finding.resource.project_display_name",
}


def path(table: dict[str, str], field: str, shape: str) -> str:
    if field == "project_display_name":
        return PROJECT[shape]
    if field == "resource_full_name" and shape == "nested":
        return "finding.resource.name"
    return table[field].format(
        f="findings" if shape == "console" else "finding",
        s="sourceProperties" if shape == "console" else "finding.sourceProperties",
        r="resource",
    )


def value(field: str, shape: str) -> str | tuple[str, ...]:
    if field == "resource_full_name":
        return BY_ID if shape.startswith("v2") else BY_NUMBER
    return VALUES[field]


def read(document: Any) -> Finding:
    finding = notification.read(encoded(document))
    assert finding is not None
    return finding


# --- the table: nine fields, five shapes ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", TOLD_FIELDS)
def test_each_told_field_is_read_from_the_structured_place_of_each_shape(field: str, shape: str) -> None:
    finding = read(shaped(shape))
    assert finding.shape == shape
    assert (finding.told[field], finding.read_from[field]) == (value(field, shape), path(STRUCTURED, field, shape))
    assert field not in finding.absent
    assert finding.conflicts == ()
    assert finding.problems == ()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", TOLD_FIELDS)
def test_each_told_field_is_read_from_its_second_place_where_the_first_is_empty(field: str, shape: str) -> None:
    document = shaped(shape)
    for name in ("processes", "kubernetes", "containers", "resourceName"):
        finding_part(document).pop(name, None)
    finding = read(document)
    assert (finding.told[field], finding.read_from[field]) == (value(field, shape), path(SPARE, field, shape))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("field", TOLD_FIELDS)
def test_each_told_field_that_is_nowhere_is_absent_with_a_reason(field: str, shape: str) -> None:
    document = shaped(shape)
    part = finding_part(document)
    for name in ("processes", "kubernetes", "containers", "resourceName", "sourceProperties", "resource"):
        part.pop(name, None)
        document.pop(name, None)
    finding = read(document)
    assert field not in finding.told
    assert field not in finding.read_from
    assert finding.absent[field].startswith("not in ")


@pytest.mark.parametrize("shape", SHAPES)
def test_all_shapes_give_one_identity(shape: str) -> None:
    finding = read(shaped(shape))
    assert finding.key == "1750894040330370653/0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    assert (finding.project_id, finding.project_number) == ("acme-shop-prod", "421458901689")
    assert finding.cluster is not None
    assert (finding.cluster.location, finding.cluster.name) == ("europe-west1-b", "shop-prod")
    assert finding.subject(finding.targets()[0]) == read(shaped("v2")).subject(finding.targets()[0])
    assert finding.event_time == EVENT_TIME
    assert (finding.state, finding.mute, finding.severity) == ("ACTIVE", "UNDEFINED", "LOW")


def test_the_hash_of_a_binary_comes_with_how_many_bytes_it_is_of() -> None:
    document = changed()
    binary = {"path": "/usr/bin/gcc", "sha256": "ab", "size": "900", "hashedSize": "100", "partiallyHashed": True}
    finding_part(document)["processes"][0]["binary"] = binary
    (process,) = read(document).processes
    assert (process.binary_sha256, process.binary_size, process.hashed_size, process.partially_hashed) == (
        *("ab", 900),
        *(100, True),
    )


# --- second place -----------------------------------------------------------------------------------------------------


def test_source_properties_alone_make_pod_container_node_and_process() -> None:
    finding = read(changed(processes=None, kubernetes=None, containers=None))
    assert finding.pods == (PodRef(namespace="shop", name="checkout-7d9f8c5b4-x2k9p"),)
    created = datetime(2026, 11, 19, 22, 0, 11, tzinfo=UTC)
    assert finding.containers == (Container(name="checkout", image=IMAGE, image_id=DIGEST, create_time=created),)
    assert finding.nodes == (NodeRef(name=NODE),)
    (process,) = finding.processes
    assert (process.binary, process.args, process.pid, process.parent_pid) == (
        "/usr/bin/x86_64-linux-gnu-gcc-12",
        ARGS,
        53,
        41,
    )
    assert process.env_names == ("PATH", "DB_PASSWORD")
    (target,) = finding.targets()
    assert (target.namespace, target.pod, target.container) == ("shop", "checkout-7d9f8c5b4-x2k9p", "checkout")
    assert finding.container(target) == finding.containers[0]


def test_source_properties_fill_what_the_structured_entry_lacks() -> None:
    document = changed(containers=None)
    part = finding_part(document)
    part["processes"][0].pop("args")
    part["kubernetes"]["pods"][0]["containers"] = [{"name": "checkout"}]
    finding = read(document)
    assert finding.processes[0].args == ARGS
    assert finding.pods[0].containers[0].image_id == DIGEST
    assert finding.read_from["Container_Image_Uri"] == "finding.sourceProperties.Container_Image_Uri"


@pytest.mark.parametrize(
    ("field", "key", "other"),
    [
        ("program_binary", "Process_Binary_Fullpath", "/usr/bin/tcc"),
        ("arguments", "Process_Arguments", ["tcc", "-run"]),
        ("Pod_Namespace", "Pod_Namespace", "kube-system"),
        ("Pod_Name", "Pod_Name", "victim"),
        ("Container_Name", "Container_Name", "sidecar"),
        ("Container_Image_Uri", "Container_Image_Uri", "evil.test/image:1"),
        ("VM_Instance_Name", "VM_Instance_Name", "another-node"),
    ],
)
def test_two_places_that_differ_are_a_conflict_and_the_structured_one_is_taken(
    field: str, key: str, other: str | list[str]
) -> None:
    document = shaped("v2")
    properties_part(document)[key] = other
    finding = read(document)
    assert finding.told[field] == VALUES[field]
    text = other if isinstance(other, str) else " ".join(other)
    (conflict,) = (c for c in finding.conflicts if c.field == field)
    assert conflict.values[f"finding.sourceProperties.{key}"] == text


def test_a_node_spelt_short_and_spelt_in_full_is_no_conflict() -> None:
    document = shaped("v2")
    properties_part(document)["VM_Instance_Name"] = f"projects/p/zones/europe-west1-b/instances/{NODE}"
    finding = read(document)
    assert finding.conflicts == ()
    assert finding.nodes == (NodeRef(name=NODE, project="acme-shop-prod", zone="europe-west1-b"),)


def test_the_pod_that_source_properties_name_is_the_one_that_is_told_of_several() -> None:
    document = shaped("v2")
    pods = finding_part(document)["kubernetes"]["pods"]
    pods.insert(0, {"ns": "shop", "name": "cart-0", "containers": [{"name": "cart"}]})
    finding = read(document)
    assert [pod.name for pod in finding.pods] == ["cart-0", "checkout-7d9f8c5b4-x2k9p"]
    assert finding.told["Pod_Name"] == "checkout-7d9f8c5b4-x2k9p"
    assert finding.read_from["Pod_Name"] == "finding.kubernetes.pods[1].name"
    assert finding.conflicts == ()
    assert [t.container for t in finding.targets()] == ["cart", "checkout"]


def test_the_image_digest_is_held_against_source_properties_too() -> None:
    document = shaped("v2")
    properties_part(document)["Container_Image_Id"] = "evil@sha256:" + "0" * 64
    assert [c.field for c in read(document).conflicts] == ["Container_Image_Id"]


# --- project and cluster ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["zones", "locations", "regions"])
def test_a_cluster_has_one_spelling_here(spelling: str) -> None:
    name = f"//container.googleapis.com/projects/acme-shop-prod/{spelling}/europe-west1/clusters/shop-prod"
    cluster = read(changed(resourceName=name)).cluster
    assert cluster == ClusterRef(project="acme-shop-prod", location="europe-west1", name="shop-prod")


def test_one_cluster_in_two_spellings_is_no_conflict() -> None:
    document = shaped("v2")
    document["resource"]["name"] = BY_NUMBER
    assert read(document).conflicts == ()


def test_two_clusters_in_one_notification_are_a_conflict() -> None:
    document = shaped("v2")
    document["resource"]["name"] = BY_ID.replace("shop-prod", "bank-prod")
    finding = read(document)
    assert "resource_full_name" in [c.field for c in finding.conflicts]
    assert finding.cluster is not None
    assert finding.cluster.name == "shop-prod"


def test_the_project_id_is_taken_from_the_resource_name_where_no_display_name_is() -> None:
    document = shaped("v2")
    document["resource"] = {"name": BY_ID}
    finding = read(document)
    assert (finding.project_id, finding.project_number) == ("acme-shop-prod", "421458901689")
    assert "project_display_name" in finding.absent


def test_a_display_name_that_is_no_project_id_is_told_but_not_taken_for_one() -> None:
    document = shaped("v2")
    document["resource"]["gcpMetadata"]["projectDisplayName"] = "Acme Shop (Production)"
    finding = read(document)
    assert finding.told["project_display_name"] == "Acme Shop (Production)"
    assert finding.project_id == "acme-shop-prod"


def test_two_project_ids_are_a_conflict() -> None:
    document = shaped("v2")
    document["resource"]["gcpMetadata"]["projectDisplayName"] = "acme-bank-prod"
    (conflict,) = read(document).conflicts
    assert conflict == Conflict(
        field="project_id",
        values={
            "resource.gcpMetadata.projectDisplayName": "acme-bank-prod",
            "finding.resourceName": "acme-shop-prod",
            "resource.name": "acme-shop-prod",
        },
    )


# --- tolerance --------------------------------------------------------------------------------------------------------


def test_unknown_fields_and_enum_values_are_let_through() -> None:
    document = changed(severity="EXTREME", state="DORMANT", caiResource="x", agent={"a": [1]})
    document["future"] = {"x": 1}
    finding = read(document)
    assert (finding.severity, finding.state) == ("EXTREME", "DORMANT")
    assert finding.problems == ()


def test_the_least_of_our_findings_is_read() -> None:
    least = {
        "finding": {
            "name": "organizations/1/sources/2/findings/ab",
            "category": CATEGORY,
            "eventTime": "2026-11-20T09:41:07Z",
            "resourceName": BY_ID,
        }
    }
    finding = read(least)
    assert finding.key == "2/ab"
    assert not finding.targets()[0].has_pod
    assert set(finding.absent) == set(TOLD_FIELDS) - {"resource_full_name"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T09:41:07Z", EVENT_TIME.replace(microsecond=0)),
        ("2026-11-20T09:41:07.4Z", EVENT_TIME.replace(microsecond=400000)),
        ("2026-11-20T09:41:07.482Z", EVENT_TIME.replace(microsecond=482000)),
        ("2026-11-20T09:41:07.482113Z", EVENT_TIME),
        ("2026-11-20T09:41:07.482113999Z", EVENT_TIME),
        ("2026-11-20T10:41:07.482113+01:00", EVENT_TIME),
        ("2026-11-20t04:11:07.482113-05:30", EVENT_TIME),
        ({"seconds": 1795167667.0, "nanos": 482113000.0}, EVENT_TIME),
        ({"seconds": "1795167667"}, EVENT_TIME.replace(microsecond=0)),
    ],
)
def test_times_are_read_with_any_fraction_and_offset(text: Any, expected: datetime) -> None:
    event_time = read(changed(eventTime=text)).event_time
    assert event_time == expected
    assert event_time.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-11-20T09:41:07",
        "2026-13-45T99:99:99Z",
        "2025-06-25T16:27:20-070057Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "٢٠٢٦-11-20T09:41:07Z",
        "",
        5,
        {"seconds": 1e300},
        {"nanos": 4},
        [],
    ],
)
def test_an_event_time_that_is_none_is_replaced_by_the_create_time_and_told(text: Any) -> None:
    finding = read(changed(eventTime=text))
    assert finding.event_time == datetime(2026, 11, 20, 9, 41, 9, 214000, tzinfo=UTC)
    assert "finding.eventTime could not be read; createTime was taken" in finding.problems


@pytest.mark.parametrize(
    ("given_pid", "expected"),
    [("53", 53), (53.0, 53), (53, 53), (True, None), (53.5, None), ("5x", None), (1e300, None), ("9" * 19, None)],
)
def test_whole_numbers_come_as_text_double_or_number(given_pid: Any, expected: int | None) -> None:
    document = shaped("v2")
    properties_part(document).pop("Pid")
    finding_part(document)["processes"][0]["pid"] = given_pid
    finding = read(document)
    assert finding.processes[0].pid == expected
    assert finding.problems == (() if expected else ("finding.processes[0].pid is no whole number of 64 bits",))


def test_wrong_types_are_problems_and_never_exceptions() -> None:
    finding = read(
        changed(
            processes={"name": "gcc"},
            kubernetes=[1],
            containers="checkout",
            mitreAttack=7,
            contacts=[],
            securityMarks={"marks": {"a": 1, "b": "two"}},
            state=3,
            sourceProperties="none",
        )
    )
    assert finding.state == ""
    assert finding.marks == {"a": "", "b": "two"}
    assert {
        "finding.processes is no list",
        "finding.kubernetes is no object",
        "finding.containers is no list",
        "finding.mitreAttack is no object",
        "finding.contacts is no object",
        "finding.securityMarks.marks.a is no text",
        "finding.state is no text",
        "finding.sourceProperties is no object",
    } <= set(finding.problems)


def test_arguments_are_kept_as_they_came() -> None:
    document = shaped("v2")
    finding_part(document)["processes"][0]["args"] = ['"gcc"', "a\\nb", "\\u0041"]
    assert read(document).processes[0].args == ('"gcc"', "a\\nb", "\\u0041")


def test_a_single_text_in_place_of_the_arguments_is_one_argument() -> None:
    document = shaped("v2")
    finding_part(document)["processes"][0]["args"] = '["gcc","-o","x"]'
    finding = read(document)
    assert finding.processes[0].args == ('["gcc","-o","x"]',)
    assert "finding.processes[0].args is a text in place of a list" in finding.problems


def test_all_entries_are_kept() -> None:
    document = shaped("v2")
    part = finding_part(document)
    part["processes"] += [{"name": "sh", "args": ["sh", "-c", "gcc k.c"], "pid": "41"}, {"name": "bash"}]
    part["containers"].append({"name": "sidecar"})
    part["kubernetes"]["nodes"].append({"name": "another"})
    finding = read(document)
    assert [p.name for p in finding.processes] == ["gcc", "sh", "bash"]
    assert [c.name for c in finding.containers] == ["checkout", "sidecar"]
    assert [n.name for n in finding.nodes] == [NODE, "another"]


def test_values_of_environment_variables_are_nowhere_in_the_finding() -> None:
    for shape in SHAPES:
        finding = read(shaped(shape))
        assert finding.processes[0].env_names == ("PATH", "DB_PASSWORD")
        assert "hunter2" not in repr(finding)


def test_contacts_marks_and_attack_are_read() -> None:
    contacts = {"security": {"contacts": [{"email": "a@x.test"}, {"email": "b@x.test"}]}, "all": {}}
    marks = {"name": "n", "marks": {"triage": "open"}}
    finding = read(changed(contacts=contacts, securityMarks=marks))
    assert finding.contacts == {"security": ("a@x.test", "b@x.test")}
    assert finding.marks == {"triage": "open"}
    assert finding.mitre.primary_tactic == "DEFENSE_EVASION"
    assert finding.mitre.primary_techniques == ("OBFUSCATED_FILES_OR_INFO", "COMPILE_AFTER_DELIVERY")


def test_the_node_pool_tells_the_node_where_no_node_is_listed() -> None:
    document = shaped("v2")
    finding_part(document)["kubernetes"].pop("nodes")
    finding = read(document)
    assert finding.nodes == (NodeRef(name=NODE, project="acme-shop-prod", zone="europe-west1-b"),)
    assert finding.read_from["VM_Instance_Name"] == "finding.kubernetes.nodePools[0].nodes[0].name"


def test_snake_case_as_the_client_library_can_write_it_is_read_too() -> None:
    document = {
        "finding": {
            "name": "organizations/1/sources/2/locations/global/findings/ab",
            "category": CATEGORY,
            "event_time": "2026-11-20T09:41:07Z",
            "resource_name": BY_ID,
            "processes": [{"parent_pid": "41", "env_variables": [{"name": "HOME"}], "arguments_truncated": True}],
        },
        "resource": {"gcp_metadata": {"project_display_name": "acme-shop-prod"}},
    }
    finding = read(document)
    assert (finding.processes[0].parent_pid, finding.processes[0].env_names) == (41, ("HOME",))
    assert finding.processes[0].args_truncated
    assert finding.read_from["project_display_name"] == "resource.gcp_metadata.project_display_name"


# --- foreign ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(p.name for p in SAMPLES.glob("*.json") if not re.search("ctd|^ocsf", p.name)))
def test_samples_of_other_detectors_are_foreign_or_broken(file: str) -> None:
    data = (SAMPLES / file).read_bytes()
    if file == "sumologic_v2_gke_threat_etd.asis.json":  # a whole Pub/Sub message, not its data
        with pytest.raises(MalformedNotification):
            notification.classify(data)
        return
    expected = Foreign.NOT_GKE if "cloudrun" in file else Foreign.OTHER_CATEGORY
    assert notification.classify(data) is expected
    assert notification.read(data) is None


@pytest.mark.parametrize(
    "mark",
    [
        {"parentDisplayName": "Cloud Run Threat Detection"},
        {"moduleName": "CLOUD_RUN_LAUNCH_CODE_COMPILER_TOOL_IN_CONTAINER"},
        {"resourceName": "//run.googleapis.com/projects/p/locations/europe-west1/services/s"},
    ],
)
def test_any_mark_of_cloud_run_wins_over_those_of_gke(mark: dict[str, str]) -> None:
    assert notification.classify(encoded(changed(**mark))) is Foreign.NOT_GKE


@pytest.mark.parametrize("left", ["provider", "type", "name"])
def test_any_single_mark_of_gke_is_enough(left: str) -> None:
    document = changed(
        parentDisplayName="Container Threat Detection" if left == "provider" else None,
        resourceName=BY_ID if left == "name" else None,
    )
    document["resource"] = {"type": "google.container.Cluster"} if left == "type" else {}
    assert isinstance(notification.classify(encoded(document)), Finding)


def test_our_category_without_any_mark_of_gke_is_foreign() -> None:
    document = changed(parentDisplayName=None, resourceName=None)
    document["resource"] = {}
    assert notification.classify(encoded(document)) is Foreign.NOT_GKE


@pytest.mark.parametrize("notice", [True, {"name": "organizations/1/sources/2/locations/global/findings/ab"}])
def test_a_notice_of_deletion_is_foreign(notice: Any) -> None:
    assert notification.classify(encoded(shaped("v2") | {"deletedFinding": notice})) is Foreign.DELETION
    assert notification.classify(encoded({"deletedFinding": notice})) is Foreign.DELETION


def test_a_finding_that_was_not_deleted_is_ours() -> None:
    assert isinstance(notification.classify(encoded(shaped("v2") | {"deletedFinding": False})), Finding)


# --- what cannot be read ----------------------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    nested: Any = "x"
    for _ in range(levels):
        nested = [nested]
    return nested


BAD = {
    "empty": (b"", "the message is not JSON"),
    "not JSON": (b"gcc -o x", "the message is not JSON"),
    "cut short": (encoded(shaped("v2"))[:-40], "the message is not JSON"),
    "not UTF-8": (b'{"finding": "\xff"}', "the message is not UTF-8"),
    "UTF-16": (json.dumps(shaped("v2")).encode("utf-16"), "the message is not UTF-8"),
    "over 10 MiB": (b'"' + b"a" * notification.MAX_BYTES + b'"', "the message is larger than 10485760 bytes"),
    "100,000 lists": (b"[" * 100_000, "the JSON is nested too deep to be read"),
    "200 lists": (encoded(deep(200)), "the JSON is no object"),
    "200 lists in ours": (encoded(changed(sourceProperties={"x": deep(200)})), "the JSON is nested deeper than 64"),
    "number of 5,000 digits": (b'{"finding": ' + b"9" * 5000 + b"}", "the message is not JSON"),
    "a list": (b"[]", "the JSON is no object"),
    "a text": (b'"finding"', "the JSON is no object"),
    "null": (b"null", "the JSON is no object"),
    "no finding": (b"{}", "no finding in it"),
    "finding is a list": (b'{"finding": []}', "no finding in it"),
    "several findings": (encoded({"findings": [{}, {}]}), "no finding in it"),
    "no category": (b'{"finding": {}}', "the finding has no category"),
    "category is a number": (b'{"finding": {"category": 5}}', "the finding has no category"),
    "no name": (encoded(changed(name=None, canonicalName=None)), "the finding has no usable name"),
    "hostile name": (encoded(changed(name="../../x", canonicalName="$(id)")), "the finding has no usable name"),
    "no time": (
        encoded(changed(eventTime="never", createTime="ever")),
        "neither eventTime nor createTime can be read as a time",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_refused_with_a_reason_of_ours(case: str) -> None:
    data, reason = BAD[case]
    with pytest.raises(MalformedNotification) as refused:
        notification.read(data)
    assert str(refused.value) == reason


def test_exactly_64_levels_are_read_and_65_are_not() -> None:
    # The document, the finding and sourceProperties are three of them.
    assert read(changed(sourceProperties={"x": deep(61)})).key
    with pytest.raises(MalformedNotification):
        notification.read(encoded(changed(sourceProperties={"x": deep(62)})))


def test_ten_megabytes_of_ours_are_read_within_two_seconds() -> None:
    data = encoded(changed(description="a" * (notification.MAX_BYTES - 10_000)))
    started = time.monotonic()
    finding = notification.read(data)
    assert finding is not None
    assert len(finding.description) == 4096
    assert time.monotonic() - started < 2


def test_the_same_bytes_are_read_once_and_a_long_message_is_not_remembered() -> None:
    data = encoded(shaped("v2"))
    assert notification.read(data) is notification.read(bytes(bytearray(data)))
    assert notification.read(data) == notification.read(data + b" ")
    long = encoded(changed(description="a" * 40_000))
    assert notification.read(long) is not notification.read(long)
    assert notification.read(long) == notification.read(long)


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    data = encoded(shaped("v2")).replace(b"/tmp/.x/k.c", b"/tmp/\\ud800.c").replace(b'"shop"', b'"sh\\udfffop"')
    finding = notification.read(data)
    assert finding is not None
    assert finding.processes[0].args[-1] == "/tmp/\ufffd.c"
    assert finding.pods[0].namespace == "sh\ufffdop"
    assert any("lone surrogates" in problem for problem in finding.problems)
    repr(finding).encode()


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a\nb", "$(id)", "`id`", "../x", "\x1b[31mred", "-rf", "a" * 254])
def test_a_hostile_pod_name_is_kept_as_text_and_told_as_a_problem_without_its_text(name: str) -> None:
    document = shaped("v2")
    finding_part(document)["kubernetes"]["pods"][0]["name"] = name
    finding = read(document)
    assert finding.pods[0].name == name
    assert "finding names a pod that cannot exist; it is not asked for" in finding.problems
    assert not any(name in problem for problem in finding.problems)


@pytest.mark.parametrize("field", ["ns", "name"])
def test_a_pod_without_name_or_namespace_is_no_pod(field: str) -> None:
    document = changed(sourceProperties={"VM_Instance_Name": NODE})
    finding_part(document)["kubernetes"]["pods"][0][field] = ""
    finding = read(document)
    assert finding.pods == ()
    assert not finding.targets()[0].has_pod
    assert "finding.kubernetes.pods[0] has no name or no namespace; it counts as no pod" in finding.problems


def test_a_name_that_contradicts_the_canonical_name_drops_the_canonical_one() -> None:
    finding = read(changed(canonicalName="projects/1/sources/2/findings/cc"))
    assert finding.key.endswith("0a1b2c3d4e5f60718293a4b5c6d7e8f9")
    assert finding.canonical_name == ""
    assert finding.problems == ("finding.canonicalName names another finding than name does; it was dropped",)


def test_the_canonical_name_stands_in_for_an_unusable_name() -> None:
    finding = read(changed(name="x"))
    assert finding.name == finding.canonical_name
    assert finding.key == read(shaped("v2")).key


def test_floods_are_cut_and_told() -> None:
    document = shaped("v2")
    part = finding_part(document)
    part["processes"] = [
        {"args": ["a" * 5000] + ["b"] * 300, "envVariables": [{"name": f"N{i}"} for i in range(300)]},
        *({"name": "gcc"} for _ in range(300)),
    ]
    finding = read(document)
    assert len(finding.processes) == 200
    first = finding.processes[0]
    assert (len(first.args), len(first.args[0]), len(first.env_names)) == (256, 4096, 256)
    assert first.args_truncated
    assert first.env_truncated
    assert "finding.processes was cut at 200 entries" in finding.problems


def test_problems_themselves_cannot_flood() -> None:
    document = shaped("v2")
    finding_part(document)["processes"] = [{"pid": "x", "parentPid": "y", "args": [1, 2, 3]} for _ in range(200)]
    assert len(read(document).problems) == 100


# --- properties -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KNOWN_DOCUMENTS = [shaped(shape) for shape in SHAPES] + [sample("CONSTRUCTED_ctd_v2_container_info_dropped.json")]


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [prefix] if prefix else []
    for key, child in members:
        found += paths(child, (*prefix, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(KNOWN_DOCUMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(paths(document)))
        place: Any = document
        for key in way:
            place = place[key]
        if draw(st.booleans()):
            place[last] = draw(JSON)
        else:
            del place[last]
        if not document:
            break
    return document


def survives(data: bytes) -> None:
    try:
        finding = notification.read(data)
    except MalformedNotification:
        return
    if finding is not None:
        repr(finding).encode()
        assert set(finding.told) | set(finding.absent) == set(TOLD_FIELDS)
        assert set(finding.told) == set(finding.read_from)
        assert finding.targets()


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(mutated())
def test_no_mutation_of_a_sample_does_more_than_be_refused(document: dict[str, Any]) -> None:
    survives(encoded(document))


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(JSON)
def test_no_json_does_more_than_be_refused(document: Any) -> None:
    survives(encoded(document))
    survives(encoded({"finding": document}))
    ours = {"category": CATEGORY, "name": "organizations/1/sources/2/findings/ab"}
    survives(encoded({"finding": ours | {"eventTime": document, "createTime": "2026-11-20T09:41:07Z"}}))


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    survives(data)


# --- the light path ---------------------------------------------------------------------------------------------------


def test_a_message_of_others_loads_nothing_heavy() -> None:
    program = (
        "import sys; before = set(sys.modules); from responder import notification; "
        'assert notification.read(b\'{"finding": {"category": "OTHER"}}\') is None; '
        "heavy = ('pydantic', 'google', 'grpc', 'kubernetes', 'requests', 'urllib3', 'aiohttp'); "
        "print([m for m in set(sys.modules) - before if m.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scc_answers_of_any_category_are_read_by_the_same_parser() -> None:
    finding = notification.finding_of(sample("sumologic_v2_gke_threat_etd.repaired-data.json"))
    assert finding.category == "Persistence: New API Method"
    assert finding.provider == "Event Threat Detection"
    assert (finding.project_id, finding.project_number) == ("prod-backend-infra", "175089404040")
    with pytest.raises(MalformedNotification):
        notification.finding_of({"resource": {}})


def test_a_real_finding_with_broken_timestamps_is_read_with_its_create_time() -> None:
    finding = notification.finding_of(sample("sumologic_v2_gke_threat_etd.asis.json")["message"]["data"])
    assert finding.event_time == datetime(2025, 6, 25, 16, 27, 20, 329000, tzinfo=UTC)
    assert "finding.eventTime is no time" in finding.problems


def test_a_vm_finding_has_a_project_and_no_cluster() -> None:
    finding = notification.finding_of(sample("leonardo_v1_notification_vmtd.json"))
    assert (finding.shape, finding.project_id, finding.cluster) == ("v1", "terra-2d61a51b", None)
    assert finding.event_time == datetime(2021, 10, 28, 17, 34, 28, 678071, tzinfo=UTC)


def test_v2_is_the_sample_that_the_rest_is_held_against() -> None:
    assert notification.read((SAMPLES / V2).read_bytes()) == read(shaped("v2"))
