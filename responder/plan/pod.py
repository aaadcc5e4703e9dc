"""Step 7: the pod and what is in it: copy, delete or keep, rotate, rebuild; and what each does to the service. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from responder.evidence import Found, Missing, Pod, Workload
from responder.plan.case import (
    Case,
    digest_of,
    on_the_node,
    owner_words,
    pointers,
    reason_pointers,
    reasons,
    said,
    the_container,
    word,
)
from responder.plan.pages import INCIDENTS, REMOVE_TOOLS, STEAL_TOKEN
from responder.record import Command, PlannedAction
from responder.runbook.commands import may_not_delete
from responder.runbook.links import RUNBOOK


def refusal(case: Case) -> str:
    """Why the plan proposes no delete; ``""`` where the record has the command for it."""
    return may_not_delete(case.names) or ("" if _delete_command(case) else "the record has no command that deletes it")


def _delete_command(case: Case) -> str:
    return next((c.text for c in case.commands if c.step == 7 and "preconditions" in c.text), "")  # noqa: PLR2004 - step


def contain(case: Case, condition: str = "") -> PlannedAction:
    """Delete the pod after its files are copied; where that may not be done, keep what is left of it."""
    names, pod, refused = case.names, case.pod, refusal(case)
    if refused or pod is None:
        return _keep_what_is_left(case, refused)
    copies = _copies(case)
    first = f"copy {len(copies)} {'file' if len(copies) == 1 else 'files'} out (step 5), then " if copies else ""
    title = f"{condition}{first}delete exactly this pod, {case.where} by its UID"
    doubt = f" But {names.doubt}: look at that first." if names.doubt else ""
    node = " Deleting it is not enough: its node must be looked at as well." if on_the_node(case) else ""
    return PlannedAction(
        title=title[0].upper() + title[1:],
        why=f"{reasons(case)}{node}{doubt} What is not copied before is lost with the container.",
        impact=_impact(case, pod),
        evidence=pointers(*reason_pointers(case), "/evidence/pod", "/evidence/proof", "/evidence/owners"),
        command=_delete_command(case),
        source=RUNBOOK,
    )


def _keep_what_is_left(case: Case, refused: str) -> PlannedAction:
    gone = isinstance(case.evidence.pod, Missing) and case.evidence.pod.why == "not_found"
    replaced = isinstance(case.evidence.proof, Found) and case.evidence.proof.value.verdict == "replaced"
    if gone or replaced:
        title = f"Delete nothing: keep the logs of {case.where}, which is gone"
        impact = "None: the pod is gone already, and whatever has its name now is left alone."
        command = case.command("The pod's log")
        kept: tuple[str, ...] = ("/evidence/deletion", "/evidence/pod_log", "/evidence/node_log")
    else:
        title = f"Do not delete {case.where}: keep it, and its node, for evidence"
        impact = "None by itself; what runs in the container goes on running until somebody with more access stops it."
        command = case.command("The pod that has the name now")
        kept = ("/evidence/pod", "/evidence/proof")
    return PlannedAction(
        title=title,
        why=f"{reasons(case)} No command of this record touches the pod: {refused or 'it was not read'}.",
        impact=impact,
        evidence=pointers(*reason_pointers(case), *kept),
        command=command,
        source=INCIDENTS,
    )


def keep(case: Case) -> PlannedAction:
    """Copy first, and leave the pod: what a doubt deserves."""
    copies = _copies(case)
    if case.pod is None or not copies:
        refused = case.names.untouchable or "nothing on its command line is a path that can be copied"
        return _keep_what_is_left(case, refused)
    binaries = {process.binary for process in case.names.finding.processes}
    made = [c for c in copies if not any(f":{binary} " in c.text or f":{binary}'" in c.text for binary in binaries)]
    files = "file" if len(copies) == 1 else "files"
    return PlannedAction(
        title=f"Copy {len(copies)} {files} out of {case.where}, and leave it running until that is answered",
        why="The source text says what a command line cannot; a pod that is deleted takes it along. "
        "Step 5 has the commands; this is one of them.",
        impact="None: files are read. What was started in the container goes on running meanwhile.",
        evidence=pointers("/findings", "/evidence/pod", "/evidence/proof"),
        command=(made or copies)[0].text,
        source=INCIDENTS,
    )


def _copies(case: Case) -> list[Command]:
    return [c for c in case.commands if c.step == 5 and c.title.startswith("Copy ")]  # noqa: PLR2004 - step


def _impact(case: Case, pod: Pod) -> str:
    """What happens to the service when the pod is deleted: its controller decides that."""
    owners = case.evidence.owners
    if pod.owner is None:
        return "Nobody replaces it: it is a bare pod, and what it does ends until somebody makes it again."
    links = owners.value.links if isinstance(owners, Found) else ()
    direct = links[0] if links else None
    top = links[-1] if links else None
    kind = pod.owner.kind
    said = _REPLACED.get(kind)
    if said is None:
        return f"{word(kind)} {word(pod.owner.name)} decides what comes in its place: ask its owner before."
    whole = top or direct
    name = f"{word(whole.kind)} {word(whole.name)}" if whole else f"{word(kind)} {word(pod.owner.name)}"
    volumes = [mount for c in pod.containers for mount in c.mounts if "persistentVolumeClaim:" in mount]
    kept = " Its volumes outlive it, with all that was written to them." if volumes else ""
    return said(name, whole, pod.node_name) + kept


def _replica_set(name: str, whole: Workload | None, _node: str) -> str:
    wanted = whole.replicas if whole else None
    if wanted is None:
        return f"{name} makes another from the same image at once; how many replicas serve meanwhile was not read."
    if wanted <= 1:
        return f"{name} has no other replica: it does not serve until the new one, of the same image, is ready."
    ready = whole.ready_replicas if whole else None
    serving = (
        f"{max(min(ready, wanted) - 1, 0)} of {wanted}" if ready is not None else f"at most {wanted - 1} of {wanted}"
    )
    return f"{serving} replicas of {name} are left until the new one, of the same image, is ready: seconds."


def _stateful_set(name: str, whole: Workload | None, _node: str) -> str:
    others = f" {whole.replicas - 1} of {whole.replicas} replicas stay." if whole and whole.replicas else ""
    return f"{name} makes it again under the same name and on the same volumes, after it has ended.{others}"


def _daemon_set(name: str, _whole: Workload | None, node: str) -> str:
    return f"{name} makes another on the same node at once; {word(node)} is without what it does until that is ready."


def _job(name: str, whole: Workload | None, _node: str) -> str:
    again = " And its schedule starts the next one: suspend it first." if whole and whole.kind == "CronJob" else ""
    return f"{name} loses this run; a Job tries again in a new pod, up to its backoffLimit.{again}"


def _of_a_node(_name: str, _whole: Workload | None, _node: str) -> str:
    return "Deleting it does nothing: the kubelet runs it from a file of its node."


_REPLACED: Final[dict[str, Callable[[str, Workload | None, str], str]]] = {
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "Node": _of_a_node,
}


def credentials(case: Case) -> Iterator[PlannedAction]:
    """Whatever the pod could read, by name; nothing where the pod was not read."""
    pod = case.pod
    if pod is None:
        return
    account = f"{case.names.namespace}/{word(pod.service_account)}"
    secrets = ", ".join(word(name) for name in pod.secrets)
    token = "Its token is mounted" if pod.automount_token else "Its token is not mounted"
    pool = case.evidence.cluster.value.workload_pool if isinstance(case.evidence.cluster, Found) else None
    google = {
        None: "whether it stands for a Google account was not read",
        "": "without Workload Identity the node's own Google account answers at the metadata server: rotate that too",
    }.get(
        pool, "the Google account in its annotation iam.gke.io/gcp-service-account is to be had at the metadata server"
    )
    titled = f"service account {account}" + (f", secrets {secrets}" if secrets else "")
    yield PlannedAction(
        title=f"Rotate what the pod could read: {titled}",
        why=f"Whoever ran code in {case.where} was {account}. {token}; {google}. "
        + (f"Secrets mounted or referenced: {secrets}." if secrets else "No secret is mounted or referenced."),
        impact="The token that is bound to the pod ends with the pod; a Google access token lives for up to an hour. "
        + (
            "Whatever else uses these secrets needs the new values and a restart." if secrets else "Nothing else stops."
        ),
        evidence=("/evidence/pod/value/service_account", *(("/evidence/pod/value/secrets",) if secrets else ())),
        command=case.command("The pod that has the name now"),
        source=STEAL_TOKEN,
    )


def rebuild(case: Case) -> PlannedAction:
    """The image, by the digest that ran."""
    index, container = the_container(case)
    told = case.names.finding.container(case.names.target)
    image = said(container.image if container else told.image if told else "") or "the image"
    digest = digest_of(container.image_id if container else "") or digest_of(told.image_id if told else "")
    binary = said(next((p.binary for p in case.names.finding.processes if p.binary), "")) or "the compiler"
    runs = f"It ran as {digest}" if digest else "Its digest was not read"
    bare = case.pod is not None and case.pod.owner is None
    rollout = f"A rollout of {owner_words(case)}; nothing before it. A build stage may keep the compiler."
    return PlannedAction(
        title=f"Start {image} again by a digest that you built, or not at all"
        if bare
        else f"Rebuild {image} from a clean digest, without the compiler",
        why=f"{runs}; {binary} is in it, to be used again in each pod that starts from it, or was put there later: "
        "compare the digest with that of your build.",
        impact="None: nothing makes the pod again by itself." if bare else rollout,
        evidence=(f"/evidence/pod/value/containers/{index}",) if container else ("/findings/0",),
        command=case.owner_command(),
        source=REMOVE_TOOLS,
    )
