"""Step 1: the other findings at a similar time, nearest first, each with what it adds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from responder.evidence import Related, Window
from responder.finding import CATEGORY, ClusterRef, Container, Finding, NodeRef, PodRef, Process, Target
from responder.ports import Around
from responder.related import LIMIT, relate
from tests.builders import EVENT_TIME, TARGET, a_finding

WINDOW = Window(EVENT_TIME - timedelta(minutes=60), EVENT_TIME + timedelta(minutes=60))
OURS = a_finding()
ELSEWHERE: dict[str, Any] = {"pods": (), "containers": (), "nodes": (), "processes": ()}


def other(category: str = "Reverse Shell", *, key: str = "2/aa", seconds: float = 9, **changes: Any) -> Finding:
    return a_finding(key=key, category=category, event_time=EVENT_TIME + timedelta(seconds=seconds), **changes)


def relate_to(*others: Finding, target: Target = TARGET, ours: Finding = OURS, truncated: bool = False) -> Related:
    return relate(ours, target, Around(findings=(ours, *others), filter="the filter", truncated=truncated), WINDOW)


def adds(found: Finding, ours: Finding = OURS) -> str:
    (one,) = relate_to(found, ours=ours).findings
    return one.adds


def pod(name: str, *containers: Container, namespace: str = "shop") -> tuple[PodRef, ...]:
    return (PodRef(namespace=namespace, name=name, containers=containers),)


NEIGHBOURS = {
    "container": other(key="2/01"),
    "pod": other(key="2/02", pods=pod(TARGET.pod, Container(name="sidecar")), containers=()),
    "image": other(key="2/03", pods=pod("checkout-2", *OURS.containers), containers=(), nodes=()),
    "node": other(key="2/04", pods=pod("cart-0", Container(name="cart")), containers=()),
    "cluster": other(key="2/05", **ELSEWHERE),
    "project": other(key="2/06", **ELSEWHERE, cluster=None),
}


@pytest.mark.parametrize("closeness", NEIGHBOURS)
def test_a_neighbour_is_as_close_as_the_nearest_thing_that_both_share(closeness: str) -> None:
    (found,) = relate_to(NEIGHBOURS[closeness]).findings
    assert found.closeness == closeness
    assert found.offset_seconds == 9


def test_the_nearest_comes_first_and_then_the_nearest_in_time() -> None:
    late = replace(NEIGHBOURS["pod"], key="2/07", event_time=EVENT_TIME + timedelta(seconds=50))
    early = replace(NEIGHBOURS["pod"], key="2/08", event_time=EVENT_TIME - timedelta(seconds=20))
    found = relate_to(late, *reversed(NEIGHBOURS.values()), early).findings
    assert [f.closeness for f in found] == ["container", "pod", "pod", "pod", "image", "node", "cluster", "project"]
    assert [f.offset_seconds for f in found[1:4]] == [9, -20, 50]


def test_the_finding_itself_is_not_its_own_neighbour_under_any_name() -> None:
    assert relate_to(replace(OURS, name="projects/1/sources/2/findings/x")).findings == ()


@pytest.mark.parametrize(("seconds", "inside"), [(-3600, True), (3600, True), (-3600.1, False), (3600.1, False)])
def test_both_ends_of_the_window_count(seconds: float, inside: bool) -> None:
    assert bool(relate_to(other(seconds=seconds)).findings) is inside


def test_a_finding_of_another_project_is_dropped() -> None:
    place = ClusterRef(project="acme-bank-prod", location="europe-west1-b", name="shop-prod")
    stranger = other(project_id="acme-bank-prod", project_number="9", cluster=place)
    assert relate_to(stranger).findings == ()


def test_a_pod_of_the_same_name_in_another_cluster_is_not_ours() -> None:
    place = ClusterRef(project="acme-shop-prod", location="europe-west1-b", name="shop-test")
    (found,) = relate_to(other(cluster=place, nodes=(), containers=(), pods=pod(TARGET.pod))).findings
    assert found.closeness == "project"


def test_a_pod_of_the_same_name_in_another_namespace_is_not_ours() -> None:
    neighbour = other(nodes=(), containers=(), pods=pod(TARGET.pod, namespace="bank"))
    (found,) = relate_to(neighbour).findings
    assert found.closeness == "cluster"


def test_one_cluster_by_id_and_by_number_is_one_cluster() -> None:
    ours = a_finding(project_number="")
    place = ClusterRef(project="421458901689", location="europe-west1-b", name="shop-prod")
    (found,) = relate_to(other(**ELSEWHERE, project_id="", cluster=place), ours=ours).findings
    assert found.closeness == "cluster"


def test_an_image_is_matched_by_its_digest_and_not_by_a_tag_that_can_move() -> None:
    moved = replace(OURS.containers[0], image_id="x@sha256:" + "0" * 64)
    (found,) = relate_to(other(pods=pod("web-0", moved), containers=(), nodes=())).findings
    assert found.closeness == "cluster"


def test_a_finding_of_the_node_vm_is_close_by_its_resource_name() -> None:
    name = f"//compute.googleapis.com/projects/acme-shop-prod/zones/europe-west1-b/instances/{OURS.nodes[0].name}"
    (found,) = relate_to(other(**ELSEWHERE, cluster=None, resource_name=name)).findings
    assert found.closeness == "node"


def test_where_no_pod_is_named_the_node_is_the_nearest() -> None:
    ours = a_finding(pods=(), containers=())
    neighbour = other(pods=(), containers=(), nodes=(NodeRef(name=OURS.nodes[0].name),))
    (found,) = relate_to(neighbour, ours=ours, target=Target()).findings
    assert found.closeness == "node"


def test_more_than_the_limit_are_cut_and_said() -> None:
    many = [other(key=f"3/{i:04x}", seconds=i) for i in range(LIMIT + 1)]
    related = relate_to(*many)
    assert len(related.findings) == LIMIT
    assert related.truncated
    assert not relate_to(*many[:LIMIT]).truncated


def test_what_scc_cut_or_could_not_say_is_said() -> None:
    assert relate_to(truncated=True).truncated
    around = Around(findings=(), filter="", truncated=False, unreadable=1)
    assert relate(OURS, TARGET, around, WINDOW).truncated


def test_what_it_saw_is_kept() -> None:
    (found,) = relate_to(other("Added Binary Executed")).findings
    assert (found.binary, found.args) == (OURS.processes[0].binary, OURS.processes[0].args)
    assert found.pod == f"shop/{TARGET.pod}"


# --- what it adds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "binary", "made"),
    [
        (("gcc", "-o", "/tmp/.x/kworker", "k.c"), "/tmp/.x/kworker", True),
        (("gcc", "-o/tmp/.x/kworker", "k.c"), "/tmp/.x/kworker", True),
        (("clang", "--output=/tmp/.x/kworker", "k.c"), "/tmp/.x/kworker", True),
        (('"gcc"', '"-o"', '"/tmp/.x/kworker"'), "/tmp/.x/kworker", True),
        (("gcc", "-o", "kworker", "k.c"), "/tmp/.x/kworker", True),
        (("gcc", "-o", "/tmp/.x/kworker", "k.c"), "/opt/kworker", False),
        (("gcc", "-o", "/tmp/.x/kworker", "k.c"), "/usr/bin/curl", False),
        (("gcc", "k.c"), "/tmp/kworker", False),
        (("gcc", "-o"), "", False),
    ],
)
def test_an_added_binary_is_the_compilers_product_where_our_command_line_names_it(
    args: tuple[str, ...], binary: str, made: bool
) -> None:
    sentence = adds(other("Added Binary Executed", processes=(Process(binary=binary),)), a_finding(args=args))
    assert sentence.startswith("A binary that was not in the image ran")
    assert sentence.endswith("the product of the compiler was executed.") is made


def test_an_added_library_is_the_compilers_product_where_our_command_line_names_it() -> None:
    ours = a_finding(args=("gcc", "-shared", "-o", "/tmp/h.so", "h.c"))
    process = Process(binary="/usr/bin/python3", libraries=("/tmp/h.so",))
    assert "the product of the compiler is in use" in adds(other("Added Library Loaded", processes=(process,)), ours)
    assert "if the names match" in adds(other("Added Library Loaded", processes=()), ours)


@pytest.mark.parametrize(
    ("category", "word"),
    [
        ("Reverse Shell", "held a shell"),
        ("Execution: Container Escape", "node itself"),
        ("Malicious Script Executed", "script"),
        ("Execution: Added Malicious Binary Executed", "malware"),
        ("Execution: Fileless Execution in /memfd:", "from memory"),
        ("Defense Evasion: Base64 ELF File Command Line", "encoded"),
        ("Command and Control: Piped Encoded Code Execution Detected", "encoded"),
        ("Execution: Cryptocurrency Mining Combined Detection", "miners"),
        ("Unexpected Child Shell", "way in"),
        ("Credential Access: Search Private Keys or Passwords", "searched"),
        ("Persistence: IAM Anomalous Grant", "grants of the project"),
        ("Something: New", "not known to say more"),
    ],
)
def test_each_kind_says_what_it_adds(category: str, word: str) -> None:
    assert word in adds(other(category))


def test_the_same_detection_is_the_same_burst_only_in_the_same_container() -> None:
    assert "same burst" in adds(other(CATEGORY))
    assert "elsewhere" in adds(other(CATEGORY, **ELSEWHERE))


def test_a_misconfiguration_adds_little_whatever_its_name() -> None:
    finding = other("GKE_ROLE_BINDING", finding_class="MISCONFIGURATION")
    assert "adds little" in adds(finding)


def test_a_finding_of_the_audit_log_says_that_somebody_called_an_api() -> None:
    assert "audit log" in adds(other("Persistence: New API Method", provider="Event Threat Detection"))


def test_no_sentence_quotes_the_finding() -> None:
    hostile = Process(binary="/tmp/$(id)", args=("`id`",))
    assert "id" not in adds(other("Added Binary Executed $(id)", processes=(hostile,))).split()
    assert "$" not in adds(other("Added Binary Executed $(id)", processes=(hostile,)))
