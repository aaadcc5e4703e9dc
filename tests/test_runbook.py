"""The seven steps, their links and commands: what is said of each, and what is never printed."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder import filters, runbook
from responder.evidence import Endpoint, Evidence, Missing, Node, OwnerContact, Window, Workload
from responder.finding import ClusterRef, Conflict, Finding, Mitre, Process, Target
from responder.record import Command, Step
from responder.runbook.commands import copy_of, files_to_copy, shell_beside
from responder.runbook.known import Known, known
from tests.builders import EVENT_TIME, TARGET
from tests.sheets import (
    CONSOLE,
    CONTEXT,
    END,
    INSTANCE,
    NODE,
    SCC_NAME,
    START,
    UID,
    a_chain,
    a_cluster,
    a_container,
    a_log,
    a_pod,
    a_proof,
    everything,
    found,
    the_finding,
)

DENIED = Missing(why="denied", detail="pods.get on shop", mend="grant roles/container.viewer")
GONE = Missing(why="not_found", detail="no pod of that name in shop")
MAIL = (OwnerContact(value="shop-team@acme.example", kind="email", source="annotation"),)
HOSTILE = ('x"; touch pwned', "$(touch pwned)", "`id`", "a\nb", "../..", "\x1b[2J", "web\u202e", "-rf", "", "A" * 300)


def steps(
    evidence: Evidence | None = None, finding: Finding | None = None, target: Target = TARGET
) -> tuple[Step, ...]:
    return runbook.steps(finding or the_finding(), target, evidence or everything(), CONSOLE, contacts=MAIL)


def commands(
    evidence: Evidence | None = None, finding: Finding | None = None, target: Target = TARGET
) -> tuple[Command, ...]:
    return runbook.commands(finding or the_finding(), target, evidence or everything(), CONSOLE)


def links(evidence: Evidence | None = None, finding: Finding | None = None, target: Target = TARGET) -> dict[str, str]:
    return runbook.links(finding or the_finding(), target, evidence or everything(), CONSOLE, contacts=MAIL)


def words_of(step: int, with_word: str, evidence: Evidence | None = None) -> list[str]:
    return [command.text for command in commands(evidence) if command.step == step and with_word in command.text]


# --- steps ------------------------------------------------------------------------------------------------------------


def test_there_are_the_seven_steps_of_googles_page_in_its_order() -> None:
    assert [(step.n, step.title) for step in steps()] == [
        (1, "Review finding details"),
        (2, "Review cluster and node"),
        (3, "Review pod"),
        (4, "Check logs"),
        (5, "Investigate running container"),
        (6, "Research attack and response methods"),
        (7, "Implement your response"),
    ]


def test_with_every_answer_found_the_first_four_are_done_and_the_rest_is_for_a_person() -> None:
    assert [step.status for step in steps()] == ["done", "done", "done", "done", "human", "done", "human"]
    assert all(not step.missing for step in steps()[:5])


def test_with_no_answer_nothing_is_done_and_each_step_says_why() -> None:
    sheet = steps(Evidence())
    assert [step.status for step in sheet] == ["impossible"] * 5 + ["partly", "human"]
    assert all(step.missing for step in sheet)


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("scc", 1),
        ("related", 1),
        ("cluster", 2),
        ("node", 2),
        ("pod", 3),
        ("proof", 3),
        ("owners", 3),
        ("pod_log", 4),
        ("audit_log", 4),
        ("node_log", 4),
    ],
)
def test_one_missing_answer_makes_its_own_step_partly_done_and_says_what_mends_it(field: str, step: int) -> None:
    sheet = steps(everything(**{field: DENIED}))
    assert sheet[step - 1].status == "partly"
    assert f"/evidence/{field}" not in sheet[step - 1].evidence
    assert any(
        "pods.get on shop" in words and "grant roles/container.viewer" in words for words in sheet[step - 1].missing
    )
    assert [s.status for s in sheet[:4] if s.n != step] == ["done"] * 3


@pytest.mark.parametrize(
    ("changes", "step", "word"),
    [
        ({"cluster": found(a_cluster(newer_than_event=True))}, 2, "after the event"),
        (
            {"node": found(Node(name=NODE, known_by="cluster", instance_id=INSTANCE, recreated=True))},
            2,
            "after the event",
        ),
        ({"node": found(Node(name=NODE, known_by="cluster"))}, 2, "no instance id"),
        ({"owners": found(a_chain(complete=False, broken_by="ReplicaSet: denied"))}, 3, "ReplicaSet: denied"),
        ({"proof": found(a_proof("unproven"))}, 3, "not proven"),
        ({"proof": found(a_proof("replaced"))}, 3, "came after the event"),
        ({"pod_log": found(a_log(truncated=True, read=1000))}, 4, "1000"),
    ],
)
def test_an_answer_that_is_less_than_was_asked_for_is_not_done(changes: dict[str, Any], step: int, word: str) -> None:
    found_step = steps(everything(**changes))[step - 1]
    assert found_step.status == "partly"
    assert any(word in words for words in found_step.missing)


def test_evidence_is_named_by_pointers_that_exist_in_the_evidence() -> None:
    evidence = everything()
    for step in steps(evidence):
        for pointer in step.evidence:
            place: Any = {"evidence": evidence.model_dump(), "findings": [], "plan": {}, "owner": {}}
            for key in pointer.split("/")[1:]:
                place = place[key]


def test_what_is_done_by_hand_is_the_records_own_commands_and_links() -> None:
    texts, urls = {c.text for c in commands()}, set(links().values())
    sheet = steps()
    for step in sheet:
        for way in step.by_hand:
            assert way.value in (texts if way.kind == "command" else urls)
    listed = {way.value for step in sheet for way in step.by_hand}
    assert listed == texts | urls


def the_known(evidence: Evidence | None = None) -> Known:
    return known(the_finding(), TARGET, evidence or everything(), CONSOLE)


def test_a_path_of_the_capture_gets_the_very_command_that_a_path_of_the_finding_gets() -> None:
    path = files_to_copy(the_finding())[0][0]
    (first,) = [command for command in commands() if "/1-" in command.text]
    assert copy_of(the_known(), path, number=1) == first
    assert shell_beside(the_known()) == next(command for command in commands() if " debug " in command.text)


@pytest.mark.parametrize("path", ["", "a.out", "/tmp/d/", "/tmp/../etc/shadow", "/proc/7/exe", "/dev/sda", "/a\nb"])
def test_what_is_no_file_of_the_container_gets_no_copy_command(path: str) -> None:
    assert copy_of(the_known(), path, number=1) is None


def test_a_pod_that_no_command_may_touch_gets_neither_copy_nor_shell() -> None:
    gone = the_known(everything(pod=GONE))
    assert copy_of(gone, "/tmp/a", number=1) is None
    assert shell_beside(gone) is None


# --- the pod is touched only by its UID -------------------------------------------------------------------------------


def test_every_block_that_touches_the_pod_asks_for_its_uid_first() -> None:
    touching = [c.text for c in commands() if any(f" {verb} " in c.text for verb in ("exec", "cp", "debug", "delete"))]
    assert len(touching) == 6
    for text in touching:
        guard, _, rest = text.partition(" ||\n")
        assert guard == (
            f'test "$(kubectl --context={CONTEXT} --namespace=shop get pod {TARGET.pod} '
            f"'--output=jsonpath={{.metadata.uid}}')\" = {UID}"
        )
        assert rest.startswith("  { echo 'stop: ") and " >&2; false; } &&\n  " in rest  # noqa: PT018 - one form


@pytest.mark.parametrize(
    "changes",
    [
        {"pod": GONE, "proof": GONE},
        {"proof": found(a_proof("replaced"))},
        {"proof": found(a_proof(uid="00000000-0000-4000-8000-000000000000"))},
        {"pod": found(a_pod(uid="x; touch pwned"))},
        {"pod": found(a_pod(name="another"))},
        {"pod": Missing(why="unverified", detail="SCC did not confirm the finding"), "proof": GONE},
    ],
)
def test_without_the_pods_own_uid_no_command_touches_it_and_the_steps_say_why(changes: dict[str, Any]) -> None:
    evidence = everything(**changes)
    assert not [c for c in commands(evidence) if c.step in {5, 7} and "kubectl" in c.text]
    fifth, seventh = steps(evidence)[4], steps(evidence)[6]
    assert fifth.status == "impossible"
    assert any("no command enters the pod" in words for words in fifth.missing)
    assert any("no command deletes the pod" in words for words in seventh.missing)


def test_a_uid_that_is_not_proven_is_used_and_each_title_says_so() -> None:
    evidence = everything(proof=found(a_proof("unproven")))
    touching = [c for c in commands(evidence) if c.step in {5, 7} and "kubectl" in c.text]
    assert len(touching) == 6
    assert all("not proven that this is the finding's pod (node)" in command.title for command in touching)


@pytest.mark.parametrize(
    ("evidence", "target"),
    [
        (everything(pod=found(a_pod(static=True))), TARGET),
        (everything(pod=found(a_pod(namespace="kube-system"))), Target(namespace="kube-system", pod=TARGET.pod)),
        (
            everything(pod=found(a_pod(namespace="gke-managed-cim"))),
            Target(namespace="gke-managed-cim", pod=TARGET.pod),
        ),
    ],
)
def test_a_pod_of_the_platform_has_no_delete_command(evidence: Evidence, target: Target) -> None:
    assert not [c for c in commands(evidence, target=target) if c.step == 7 and "kubectl" in c.text]
    assert any("no command deletes the pod" in words for words in steps(evidence, target=target)[6].missing)


def test_the_delete_carries_the_uid_as_a_precondition_to_exactly_that_path() -> None:
    (text,) = words_of(7, "delete")
    send = shlex.split(text.rpartition("&&\n")[2])
    assert json.loads(send[2]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": UID},
        "gracePeriodSeconds": 30,
    }
    path = f"/api/v1/namespaces/shop/pods/{TARGET.pod}"
    assert send[3:] == ["|", "kubectl", f"--context={CONTEXT}", "delete", f"--raw={path}", "--filename=-"]


def test_the_project_is_asked_for_whom_to_write_to_and_nothing_is_asked_of_one_whose_id_is_not_known() -> None:
    asked = [shlex.split(c.text) for c in commands() if c.step == 7 and "kubectl" not in c.text]
    assert [words[:3] for words in asked] == [
        ["gcloud", "projects", "describe"],
        ["gcloud", "essential-contacts", "compute"],
        ["gcloud", "projects", "get-iam-policy"],
    ]
    assert all(words[3] in {"acme-shop-prod", "--project=acme-shop-prod"} for words in asked)
    nobody = the_finding(project_id="acme; rm -rf /", cluster=None)
    assert not [c for c in commands(Evidence(), finding=nobody) if c.step == 7]


def test_the_container_is_never_left_to_kubectl_to_choose() -> None:
    two = found(a_pod(containers=(a_container("checkout"), a_container("proxy"))))
    nobody = Target(namespace="shop", pod=TARGET.pod)
    assert not [c for c in commands(everything(pod=two), target=nobody) if c.step == 5]
    assert steps(everything(pod=two), target=nobody)[4].status == "impossible"
    (text,) = [c.text for c in commands(target=nobody) if " exec " in c.text]
    assert "--container=checkout -- /bin/sh" in text


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        ({}, "--zone=europe-west1-b --project="),
        ({"location": "europe-west1", "location_type": "region"}, "--region=europe-west1 --project="),
        (
            {"endpoint": Endpoint(kind="dns", host="gke-x.goog", reason="")},
            "--zone=europe-west1-b --dns-endpoint --project=",
        ),
        (
            {"endpoint": Endpoint(kind="private", host="10.0.0.2", reason="")},
            "--zone=europe-west1-b --internal-ip --project=",
        ),
    ],
)
def test_credentials_are_asked_for_as_the_clusters_location_and_endpoint_need(
    cluster: dict[str, Any], words: str
) -> None:
    (text,) = words_of(2, "get-credentials", everything(cluster=found(a_cluster(**cluster))))
    assert text == f"gcloud container clusters get-credentials shop-prod {words}acme-shop-prod"


def test_the_finding_is_asked_for_by_its_name_in_version_two_of_the_api() -> None:
    texts = words_of(1, "gcloud scc findings list organizations/123456789012 --source=1750894040330370653")
    (text,) = texts
    assert text.endswith(f"3 --location=global '--filter=name=\"{SCC_NAME}\"' --format=json")


def test_the_logs_are_asked_for_with_the_very_filters_of_the_investigation() -> None:
    cluster, window = ClusterRef(project="", location="europe-west1-b", name="shop-prod"), Window(START, END)
    asked = [shlex.split(text)[3] for text in words_of(4, "gcloud logging read")]
    assert asked == [
        filters.pod_log("acme-shop-prod", cluster, "shop", TARGET.pod, window),
        filters.audit_log("acme-shop-prod", cluster, TARGET.pod, window),
        filters.node_log(INSTANCE, window),
    ]


def test_without_an_asked_window_the_logs_are_asked_for_around_the_event() -> None:
    missing = everything(pod_log=DENIED, audit_log=DENIED, node_log=DENIED)
    made = runbook.commands(the_finding(), TARGET, missing, CONSOLE, log_window=timedelta(minutes=5))
    texts = [command.text for command in made if command.step == 4]
    assert len(texts) == 3
    assert all(filters.timestamp(EVENT_TIME - timedelta(minutes=5)) in text for text in texts)


def test_a_custom_owner_is_asked_for_by_its_full_kind() -> None:
    rollout = Workload(api_version="argoproj.io/v1alpha1", kind="Rollout", name="front", how_known="ownerReferences")
    (text,) = words_of(3, "rollout", everything(owners=found(a_chain(links=(rollout,)))))
    assert "--namespace=shop get rollout.v1alpha1.argoproj.io front --output=yaml" in text


def test_an_owner_that_could_not_be_read_is_asked_for_by_the_pods_hash() -> None:
    (text,) = words_of(3, "replicasets", everything(owners=DENIED))
    assert "--selector=pod-template-hash=7d9f8c5b4" in text


def test_the_binary_the_output_and_the_sources_are_copied_to_names_of_our_own() -> None:
    copies = [shlex.split(text.rpartition("&&\n")[2])[-2:] for text in words_of(5, " cp ")]
    assert copies == [
        [f"shop/{TARGET.pod}:/usr/bin/x86_64-linux-gnu-gcc-12", "./evidence-6b3ac2f0/1-x86_64-linux-gnu-gcc-12"],
        [f"shop/{TARGET.pod}:/tmp/.x/kworker", "./evidence-6b3ac2f0/2-kworker"],
        [f"shop/{TARGET.pod}:/tmp/.x/k.c", "./evidence-6b3ac2f0/3-k.c"],
    ]


@pytest.mark.parametrize(
    ("args", "paths", "refused"),
    [
        (("gcc", "-o", "/tmp/a", "/tmp/a.c"), ("/tmp/a", "/tmp/a.c"), 0),
        (("gcc", "-o/tmp/a", "/tmp/b.cc", "/tmp/c.cpp"), ("/tmp/a", "/tmp/b.cc", "/tmp/c.cpp"), 0),
        (("go", "build", "-o", "/tmp/a", "/src/main.go"), ("/tmp/a", "/src/main.go"), 0),
        (("rustc", "/src/main.rs"), ("/src/main.rs",), 0),
        (("gcc", "-o", "a", "a.c"), (), 2),
        (("gcc", "-o", "-rf", "--x.c"), (), 1),
        (("gcc", "-o", "/dev/null", "/proc/self/fd/0.c"), (), 0),
        (("gcc", "-o", "/tmp/../etc/shadow", "/tmp/\ud800.c", "/tmp/a\n.c", "/tmp/d/"), (), 3),
        (("gcc", "-o"), (), 0),
        (tuple(f"/tmp/{n}.c" for n in range(12)), tuple(f"/tmp/{n}.c" for n in range(10)), 2),
    ],
)
def test_only_plain_absolute_paths_become_copies(args: tuple[str, ...], paths: tuple[str, ...], refused: int) -> None:
    assert files_to_copy(the_finding(processes=(Process(args=args),))) == (paths, refused)


def test_without_processes_the_told_binary_and_arguments_are_what_there_is_to_copy() -> None:
    told: dict[str, str | tuple[str, ...]] = {"program_binary": "/usr/bin/gcc", "arguments": ("gcc", "-o", "/tmp/a")}
    assert files_to_copy(the_finding(processes=(), told=told)) == (("/usr/bin/gcc", "/tmp/a"), 0)
    assert files_to_copy(the_finding(processes=(), told={})) == ((), 0)


def test_a_hostile_path_stays_one_word_in_printable_ascii() -> None:
    path = "/tmp/it's $(touch pwned)\u202e;`id`.c"
    finding = the_finding(processes=(Process(args=("gcc", path)),))
    (text,) = [c.text for c in commands(finding=finding) if " cp " in c.text]
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert r"$'shop/checkout-7d9f8c5b4-x2k9p:/tmp/it\x27s $(touch pwned)\xe2\x80\xae;`id`.c' ./evidence-" in text


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "place", ["namespace", "pod", "container", "cluster", "location", "project", "node", "uid", "name"]
)
def test_a_hostile_name_is_in_no_command_and_no_link(place: str, hostile: str) -> None:
    cluster = {"project": "acme-shop-prod", "location": "europe-west1-b", "name": "shop-prod"}
    names = {"namespace": "shop", "pod": TARGET.pod, "container": "checkout"}
    finding, target = the_finding(), TARGET
    if place in names:
        target = Target(**(names | {place: hostile}))
    elif place == "name":
        finding = the_finding(name=hostile)
    elif place == "node":
        finding = the_finding(nodes=(), told={"VM_Instance_Name": hostile})
    else:
        key = {"cluster": "name"}.get(place, place)
        finding = the_finding(cluster=ClusterRef(**(cluster | ({key: hostile} if key != "uid" else {}))), project_id="")
    evidence = Evidence(pod=found(a_pod(uid=hostile if place == "uid" else UID)))
    texts = [c.text for c in commands(evidence, finding, target)] + list(links(evidence, finding, target).values())
    said = " ".join(words for step in steps(evidence, finding, target) for words in (step.detail, *step.missing))
    for text in (*texts, said):
        assert not hostile or hostile not in text
        assert text.isascii()
        assert text.replace("\n", "").isprintable()


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(), st.text(), st.lists(st.text(), max_size=5), st.text())
def test_whatever_the_finding_says_there_is_a_sheet(ns: str, pod: str, name: str, args: list[str], node: str) -> None:
    finding = the_finding(
        name=name,
        cluster=ClusterRef(project=ns, location=node, name=pod),
        processes=(Process(binary=node, args=tuple(args)),),
        told={"VM_Instance_Name": node},
        mitre=Mitre(primary_tactic=name),
    )
    target = Target(namespace=ns, pod=pod, container=name)
    sheet = runbook.steps(finding, target, everything(pod=found(a_pod(namespace=ns, name=pod))), CONSOLE)
    assert len(sheet) == 7
    for way in (way for step in sheet for way in step.by_hand):
        assert way.value.replace("\n", "").isprintable()
        assert way.value.isascii()


# --- links ------------------------------------------------------------------------------------------------------------


def test_the_links_go_to_the_pages_of_the_console() -> None:
    made = {name: link.replace(CONSOLE, "") for name, link in links().items()}
    inside = "europe-west1-b/shop-prod"
    quoted = "organizations%2F123456789012%2Fsources%2F1750894040330370653%2F"
    finding = f"/security/command-center/findingsv2;name={quoted}"
    assert made["finding"] == f"{finding}locations%2Fglobal%2Ffindings%2F0a1b2c3d?project=acme-shop-prod"
    assert made["finding_v1"] == f"{finding}findings%2F0a1b2c3d?project=acme-shop-prod"
    assert made["cluster"] == f"/kubernetes/clusters/details/{inside}/details?project=acme-shop-prod"
    assert made["node"] == f"/kubernetes/node/{inside}/{NODE}/summary?project=acme-shop-prod"
    assert made["node_vm"] == f"/compute/instancesDetail/zones/europe-west1-b/instances/{NODE}?project=acme-shop-prod"
    assert made["pod"] == f"/kubernetes/pod/{inside}/shop/{TARGET.pod}/details?project=acme-shop-prod"
    assert made["workload"] == f"/kubernetes/deployment/{inside}/shop/checkout/overview?project=acme-shop-prod"
    assert made["attack"] == "https://attack.mitre.org/techniques/T1027/004/"
    assert made["attack_parent"] == "https://attack.mitre.org/techniques/T1027/"


def test_a_logs_explorer_link_carries_the_query_and_its_range() -> None:
    cluster, window = ClusterRef(project="", location="europe-west1-b", name="shop-prod"), Window(START, END)
    url = urlsplit(links()["logs_audit"])
    path, *matrix = url.path.split(";")
    values = dict(part.split("=", 1) for part in matrix)
    assert (path, parse_qs(url.query)) == ("/logs/query", {"project": ["acme-shop-prod"]})
    assert unquote(values["query"]) == filters.audit_log("acme-shop-prod", cluster, TARGET.pod, window)
    assert values["timeRange"] == "2026-11-20T08:41:07.482113Z%2F2026-11-20T10:11:07.482113Z"
    assert values["cursorTimestamp"] == "2026-11-20T09:41:07.482113Z"
    # The log's id has a %2F of its own, which must arrive as such.
    assert "cloudaudit.googleapis.com%252Factivity" in values["query"]


def test_only_links_whose_parts_are_known_are_made() -> None:
    bare = the_finding(cluster=None, nodes=(), pods=(), told={}, project_id="", name="x")
    assert sorted(runbook.links(bare, Target(), Evidence(), CONSOLE)) == ["attack", "attack_parent", "runbook"]


def test_the_letter_to_the_owner_says_where_and_when_and_nothing_of_the_command_line() -> None:
    url = urlsplit(links()["contact"])
    assert (url.scheme, url.path) == ("mailto", "shop-team@acme.example")
    letter = parse_qs(url.query)
    assert letter["subject"] == [f"Did you expect a compiler to run in {TARGET.pod}?"]
    for said in ("acme-shop-prod", "shop-prod (europe-west1-b)", TARGET.pod, "2026-11-20T09:41:07.482113Z"):
        assert said in letter["body"][0]
    assert "kworker" not in letter["body"][0]


def test_a_team_without_an_address_gets_no_letter_and_the_step_says_so() -> None:
    team = (OwnerContact(value="shop team", kind="team", source="label"),)
    assert "contact" not in runbook.links(the_finding(), TARGET, everything(), CONSOLE, contacts=team)
    seventh = runbook.steps(the_finding(), TARGET, everything(), CONSOLE, contacts=team)[6]
    assert (seventh.status, seventh.evidence) == ("human", ("/owner",))
    assert any("e-mail" in words for words in seventh.missing)


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_the_plan_names_both_techniques_with_both_names_of_the_tactic() -> None:
    plan = runbook.plan(the_finding(), TARGET, everything(), CONSOLE)
    assert [(t.id, t.name) for t in plan.techniques] == [
        ("T1027.004", "Compile After Delivery"),
        ("T1027", "Obfuscated Files or Information"),
    ]
    assert set(plan.techniques[0].tactics.values()) == {"TA0005 Defense Evasion", "TA0005 Stealth"}
    assert plan.techniques[0].said_by == "Security Command Center, and Google's runbook"
    assert "names other techniques" in plan.techniques[1].said_by


def test_what_scc_says_of_attack_is_repeated_only_where_it_is_a_word_of_its_own() -> None:
    said = Mitre(primary_tactic="EXECUTION", primary_techniques=("<b>T1</b>", "NATIVE_API"))
    assert "SCC says EXECUTION, NATIVE_API." in steps(finding=the_finding(mitre=said))[5].detail


def test_a_contradiction_in_the_finding_is_told_in_step_1_and_its_text_is_not_repeated() -> None:
    conflicts = (
        Conflict(field="Pod_Name", values={"message: finding.x": "web-1", "SCC: finding.y": "$(touch pwned)"}),
        Conflict(field="project_id", values={"resource.name": "acme-shop-prod", "finding.resourceName": "evil-shop"}),
    )
    first = steps(finding=the_finding(conflicts=conflicts))[0]
    assert first.status == "partly"
    assert "Pod_Name: told differently by message: finding.x and SCC: finding.y" in first.missing
    assert "project_id: told differently by resource.name and finding.resourceName" in first.missing
    assert "pwned" not in str(first.missing)


def test_commands_of_a_finding_that_scc_did_not_confirm_say_so_in_their_titles() -> None:
    refused = everything(scc=Missing(why="not_found", detail="SCC has no such finding"))
    assert all("word of the message alone" in c.title for c in commands(refused) if c.step > 1)
    assert not any("word of the message alone" in c.title for c in commands())


def test_a_pod_that_is_not_the_findings_is_not_called_so() -> None:
    third = steps(everything(proof=found(a_proof("replaced"))))[2]
    assert third.status == "partly"
    assert "proof that it is" not in third.detail
    assert "whether it is the finding's pod: the finding's pod is gone" in " ".join(third.missing)
