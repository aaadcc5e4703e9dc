"""Steps 6 and 7: what to do next about this record, in order, each action with its reasons and its price. Pure.

Step 6 of Google's runbook asks for a response plan made of the investigation and of MITRE's research; step 7 says what
an answer is: write to the owner, stop or delete the pod. Nothing here is done by the responder. Every action names
facts of this record; a fact that was not read is not guessed at, and no action is made of it. Texts of a log, a label
or a command line are the attacker's: they are cut, and their control characters are written out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from responder import commands as by_hand
from responder.errors import PASSING
from responder.evidence import (
    AuditEntry,
    ContainerState,
    Evidence,
    Found,
    LogEntry,
    Missing,
    OwnerContact,
    Pod,
    Workload,
)
from responder.finding import Finding, Target
from responder.known import Known, known
from responder.links import RUNBOOK
from responder.record import Command, PlannedAction, Triage

INCIDENTS: Final = "https://cloud.google.com/kubernetes-engine/docs/how-to/security-mitigations"
_ATTACK: Final = "https://attack.mitre.org"
REMOVE_TOOLS: Final = f"{_ATTACK}/mitigations/M1042/"  # Disable or Remove Feature or Program, as T1609 advises it
STEAL_TOKEN: Final = f"{_ATTACK}/techniques/T1528/"
EXEC_SESSION: Final = f"{_ATTACK}/techniques/T1609/"
DEPLOY_CONTAINER: Final = f"{_ATTACK}/techniques/T1610/"
ESCAPE: Final = f"{_ATTACK}/techniques/T1611/"
WEB_SHELL: Final = f"{_ATTACK}/techniques/T1505/003/"
PUBLIC_APPLICATION: Final = f"{_ATTACK}/techniques/T1190/"

EXPECTED_FOR: Final = timedelta(days=90)
"""How long a proposed expected-builder entry holds: a quarter, after which somebody looks again."""
MOST: Final = 6

_SHOWN: Final = 120
_REQUEST: Final = re.compile(r'"(GET|POST|PUT|PATCH|DELETE) (/[^" ]{0,300})')
_BEFORE: Final = timedelta(minutes=15)
_GAPS: Final = {
    # Fields of `Evidence`, by how much an answer would say of attack or build; and how the by-hand command begins.
    "scc": ("the finding in Security Command Center", "The finding as Security Command Center"),
    "related": ("the other findings of the container", "Other findings at a similar time"),
    "audit_log": ("the cluster's audit log", "The cluster's admin activity"),
    "pod": ("the pod's object", "The pod that has the name now"),
    "pod_log": ("the pod's log", "The pod's log"),
    "owners": ("the owner chain", "The owner"),
    "cluster": ("the cluster", "The cluster"),
    "node_log": ("the node's log", "The node's log"),
    "node": ("the node", "The node"),
    "namespace": ("the namespace", "The namespace"),
    "project": ("the project", ""),
    "essential_contacts": ("the project's security contacts", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    triage: Triage
    names: Known
    commands: tuple[Command, ...]
    links: dict[str, str]
    contacts: tuple[OwnerContact, ...]

    @property
    def evidence(self) -> Evidence:
        return self.names.evidence

    @property
    def pod(self) -> Pod | None:
        """The finding's pod; None where it was not read, or is another one by now."""
        answer = self.evidence.pod
        return answer.value if isinstance(answer, Found) and not self.names.untouchable else None

    @property
    def where(self) -> str:
        return (
            f"{self.names.namespace}/{self.names.pod}" if self.names.pod else "the pod, which the finding does not name"
        )

    def command(self, begins: str) -> str:
        """The text of the record's first command whose title begins so; ``""`` where it has none."""
        return next((c.text for c in self.commands if begins and c.title.startswith(begins)), "")


def plan(
    triage: Triage,
    finding: Finding,
    target: Target,
    evidence: Evidence,
    commands: tuple[Command, ...],
    links: dict[str, str],
    contacts: Sequence[OwnerContact],
) -> tuple[PlannedAction, ...]:
    """Three to six actions, in order. `evidence` of each are JSON pointers into the record that all this is of.

    `commands` and `links` are those of the record (`runbook.commands`, `runbook.links`), `contacts` its owner's, best
    first: an action's command is one of them, letter for letter, or ``""``. All of it redacted.
    """
    names = known(finding, target, evidence, "", contacts)
    case = _Case(triage=triage, names=names, commands=commands, links=links, contacts=tuple(contacts))
    match triage.verdict:
        case "malicious":
            made = _malicious(case)
        case "suspicious":
            made = _suspicious(case)
        case "benign":
            made = _benign(case)
        case "insufficient_data":
            made = _insufficient(case)
        case _:
            assert_never(triage.verdict)
    return tuple(action for _, action in zip(range(MOST), made, strict=False))


def _malicious(case: _Case) -> Iterator[PlannedAction]:
    yield _contact(
        case, "Tell", "An attack in their workload is theirs to know first: they say what may stop, and when."
    )
    yield _contain(case)
    yield from _credentials(case)
    yield _way_in(case)
    yield _rebuild(case)
    yield _siblings(case)


def _suspicious(case: _Case) -> Iterator[PlannedAction]:
    yield _contact(case, "Ask", "Only they know whether something is expected to compile here; that answer settles it.")
    yield _keep(case)
    gaps = _gaps(case)
    yield from gaps[:1]
    yield _way_in(case)
    yield _siblings(case)
    yield _contain(case, condition="If the owner does not know of it: ")


def _benign(case: _Case) -> Iterator[PlannedAction]:
    yield _contact(
        case, "Confirm with", "The machine takes it for a build; an entry that expects it needs a person's word."
    )
    yield _expect(case)
    yield _elsewhere(case)
    if _elsewhere_seen(case):
        yield _siblings(case)


def _insufficient(case: _Case) -> Iterator[PlannedAction]:
    gaps = _gaps(case)
    yield from gaps[:3]
    yield _keep(case)
    yield _contact(case, "Ask", "While the evidence is not there, the owner's word is the quickest answer to be had.")
    if len(gaps) < 3:  # noqa: PLR2004 - as many as are given above
        yield _way_in(case)


# --- whom to ask ------------------------------------------------------------------------------------------------------


def _contact(case: _Case, verb: str, why: str) -> PlannedAction:
    impact = "None: a letter."
    if not case.contacts:
        gap = "Neither workload, namespace, project nor Security Command Center names anybody who could be asked."
        return PlannedAction(
            title="Find the owner: nobody is named",
            why=f"{gap} {why}",
            impact=impact,
            evidence=("/owner",),
            command=case.command("The namespace"),
            source=RUNBOOK,
        )
    first = case.contacts[0]
    letter = ("/links/contact",) if "contact" in case.links else ()
    return PlannedAction(
        title=f"{verb} {_said(first.value)}",
        why=f"Named by the {_said(first.source)}. {why}",
        impact=impact,
        evidence=("/owner/contacts/0", *letter),
        source=RUNBOOK,
    )


# --- the pod ----------------------------------------------------------------------------------------------------------


def _contain(case: _Case, condition: str = "") -> PlannedAction:
    names, pod = case.names, case.pod
    delete = next((c.text for c in case.commands if c.step == 7 and "delete" in c.text), "")  # noqa: PLR2004 - step
    refused = by_hand.may_not_delete(names) or ("" if delete else "the record has no command that deletes it")
    if refused or pod is None:
        return _keep_what_is_left(case, refused)
    copies = _copies(case)
    first = f"copy {len(copies)} {'file' if len(copies) == 1 else 'files'} out (step 5), then " if copies else ""
    title = f"{condition}{first}delete exactly this pod, {case.where} by its UID"
    doubt = f" But {names.doubt}: look at that first." if names.doubt else ""
    node = " Deleting it is not enough: its node must be looked at as well." if _on_the_node(case) else ""
    return PlannedAction(
        title=title[0].upper() + title[1:],
        why=f"{_reasons(case)}{node}{doubt} What is not copied before is lost with the container.",
        impact=_impact(case, pod),
        evidence=_pointers(*_reason_pointers(case), "/evidence/pod", "/evidence/proof", "/evidence/owners"),
        command=delete,
        source=RUNBOOK,
    )


def _keep_what_is_left(case: _Case, refused: str) -> PlannedAction:
    gone = isinstance(case.evidence.pod, Missing) and case.evidence.pod.why == "not_found"
    replaced = isinstance(case.evidence.proof, Found) and case.evidence.proof.value.verdict == "replaced"
    if gone or replaced:
        title = f"Delete nothing: keep the logs of {case.where}, which is gone"
        impact = "None: the pod is gone already, and whatever has its name now is left alone."
        command, kept = case.command("The pod's log"), ("/evidence/deletion", "/evidence/pod_log", "/evidence/node_log")
    else:
        title = f"Do not delete {case.where}: keep it, and its node, for evidence"
        impact = "None by itself; what runs in the container goes on running until somebody with more access stops it."
        command, kept = case.command("The pod that has the name now"), ("/evidence/pod", "/evidence/proof")
    return PlannedAction(
        title=title,
        why=f"{_reasons(case)} No command of this record touches the pod: {refused or 'it was not read'}.",
        impact=impact,
        evidence=_pointers(*_reason_pointers(case), *kept),
        command=command,
        source=INCIDENTS,
    )


def _keep(case: _Case) -> PlannedAction:
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
        f"{len(copies)} copy commands are in step 5; this is one of them.",
        impact="None: files are read. What was started in the container goes on running meanwhile.",
        evidence=_pointers("/findings", "/evidence/pod", "/evidence/proof"),
        command=(made or copies)[0].text,
        source=INCIDENTS,
    )


def _copies(case: _Case) -> list[Command]:
    return [c for c in case.commands if c.step == 5 and c.title.startswith("Copy ")]  # noqa: PLR2004 - step


def _impact(case: _Case, pod: Pod) -> str:
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
        return f"{_word(kind)} {_word(pod.owner.name)} decides what comes in its place: ask its owner before."
    whole = top or direct
    name = f"{_word(whole.kind)} {_word(whole.name)}" if whole else f"{_word(kind)} {_word(pod.owner.name)}"
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
    return f"{serving} replicas of {name} serve until the new one, of the same image, is ready: seconds."


def _stateful_set(name: str, whole: Workload | None, _node: str) -> str:
    others = f" {whole.replicas - 1} of {whole.replicas} replicas stay." if whole and whole.replicas else ""
    return f"{name} makes it again under the same name and on the same volumes, after it has ended.{others}"


def _daemon_set(name: str, _whole: Workload | None, node: str) -> str:
    return f"{name} makes another on the same node at once; {_word(node)} is without what it does until that is ready."


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


def _on_the_node(case: _Case) -> str:
    """How the pod reaches its node, in words; ``""`` where nothing says that it does."""
    pod = case.pod
    if pod is None:
        return ""
    ways = [
        "a privileged container" if any(c.privileged for c in pod.containers) else "",
        "the node's processes" if pod.host_pid else "",
        "the node's network" if pod.host_network else "",
        f"the node's {', '.join(_word(path) for path in pod.host_paths[:3])}" if pod.host_paths else "",
    ]
    return ", ".join(way for way in ways if way)


# --- credentials ------------------------------------------------------------------------------------------------------


def _credentials(case: _Case) -> Iterator[PlannedAction]:
    pod = case.pod
    if pod is None:
        return
    account = f"{case.names.namespace}/{_word(pod.service_account)}"
    secrets = ", ".join(_word(name) for name in pod.secrets)
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


# --- the image --------------------------------------------------------------------------------------------------------


def _rebuild(case: _Case) -> PlannedAction:
    index, container = _container(case)
    told = case.names.finding.container(case.names.target)
    image = container.image if container else told.image if told else ""
    digest = _digest(container.image_id if container else "") or _digest(told.image_id if told else "")
    binary = next((p.binary for p in case.names.finding.processes if p.binary), "")
    runs = f"It ran as {digest}" if digest else "Its digest was not read"
    return PlannedAction(
        title=f"Rebuild {_said(image) or 'the image'} from a clean digest, without the compiler",
        why=f"{runs}; {_said(binary) or 'the compiler'} is there to be used again in each pod that starts from it, "
        "or was put there later: compare the digest with that of your build.",
        impact=f"A rollout of {_owner_words(case)}; nothing before it. A build stage keeps the compiler where it is needed.",
        evidence=(f"/evidence/pod/value/containers/{index}",) if container else ("/findings/0",),
        command=case.command("The owner"),
        source=REMOVE_TOOLS,
    )


def _container(case: _Case) -> tuple[int, ContainerState | None]:
    containers = case.pod.containers if case.pod else ()
    found = ((n, c) for n, c in enumerate(containers) if c.name == case.names.container)
    return next(found, (0, None))


def _digest(image_id: str) -> str:
    match = re.search(r"sha256:[0-9a-f]{64}", image_id)
    return match[0] if match else ""


def _owner_words(case: _Case) -> str:
    owners = case.evidence.owners
    links = owners.value.links if isinstance(owners, Found) else ()
    if links:
        return f"{_word(links[-1].kind)} {_word(links[-1].name)}"
    return "whatever makes this pod"


# --- the way in -------------------------------------------------------------------------------------------------------


def _way_in(case: _Case) -> PlannedAction:
    sessions, requests, makers = _sessions(case), _requests(case), _makers(case)
    if sessions:
        pointer, entry = sessions[0]
        return _close_session(case, pointer, entry, len(sessions), requests)
    if requests:
        pointer, line, method, path = requests[-1]
        source = WEB_SHELL if "T1505.003" in case.triage.techniques else PUBLIC_APPLICATION
        return PlannedAction(
            title=f"Close the way in: {method} {_said(path, 60)}",
            why=f"{len(requests)} requests of the quarter of an hour before stand in the pod's log; the last came at "
            f"{_time(line.time)}: {_said(line.text)}",
            impact="Whoever uses that path of the service is without it while it is blocked.",
            evidence=tuple(p for p, *_ in requests[-3:]) or (pointer,),
            command=case.command("The pod's log"),
            source=source,
        )
    if makers:
        pointer, entry = makers[0]
        return PlannedAction(
            title=f"Ask {_said(entry.principal)}, who made the pod, and take the right to make pods away meanwhile",
            why=f"No controller made it: {_said(entry.principal)} did at {_time(entry.time)} from {_said(entry.caller_ip)}.",
            impact=f"{_said(entry.principal)} can deploy nothing until that is clear.",
            evidence=(pointer,),
            command=case.command("The cluster's admin activity"),
            source=DEPLOY_CONTAINER,
        )
    return _find_way_in(case)


def _close_session(
    case: _Case,
    pointer: str,
    entry: AuditEntry,
    count: int,
    requests: list[tuple[str, LogEntry, str, str]],
) -> PlannedAction:
    ran = f", running {_said(' '.join(entry.command))}" if entry.command else ""
    more = f" {count - 1} more sessions are in the audit log." if count > 1 else ""
    web = f" The pod's log has {len(requests)} requests before it too." if requests else ""
    hard = case.triage.verdict == "malicious"
    return PlannedAction(
        title=f"{'Revoke the access of' if hard else 'Ask'} {_said(entry.principal)}, who opened a session into the pod",
        why=f"{_word(entry.session or 'session')} at {_time(entry.time)} from {_said(entry.caller_ip)} with "
        f"{_said(entry.user_agent, 60)}{ran}.{more}{web}",
        impact=f"{_said(entry.principal)} cannot work in the cluster until that is clear."
        if hard
        else "None: a question.",
        evidence=(pointer, *(p for p, *_ in requests[-2:])),
        command=case.command("The cluster's admin activity"),
        source=EXEC_SESSION,
    )


def _find_way_in(case: _Case) -> PlannedAction:
    unread = [_GAPS[name][0] for name in ("audit_log", "pod_log") if isinstance(getattr(case.evidence, name), Missing)]
    nothing = f"Not read: {', '.join(unread)}." if unread else "No session and no request stands in what was read."
    return PlannedAction(
        title="Find the way in: who or what started the compiler",
        why=f"{nothing} The process above the compiler tells a request, a session and a start-up script apart.",
        impact="None: logs are read.",
        evidence=_pointers("/evidence/audit_log", "/evidence/pod_log"),
        command=case.command("The pod's log" if "the pod's log" not in unread else "The cluster's admin activity"),
        source=RUNBOOK,
    )


def _sessions(case: _Case) -> list[tuple[str, AuditEntry]]:
    """Sessions into the pod, the nearest before the compiler first; port forwards are none."""
    audit, moment = case.evidence.audit_log, case.names.finding.event_time
    entries = audit.value.entries if isinstance(audit, Found) else ()
    found = [
        (f"/evidence/audit_log/value/entries/{n}", entry)
        for n, entry in enumerate(entries)
        if entry.session in {"exec", "attach", "debug"}
    ]
    return sorted(found, key=lambda pair: (pair[1].time > moment, abs((pair[1].time - moment).total_seconds())))


def _makers(case: _Case) -> list[tuple[str, AuditEntry]]:
    audit = case.evidence.audit_log
    entries = audit.value.entries if isinstance(audit, Found) else ()
    return [
        (f"/evidence/audit_log/value/entries/{n}", entry)
        for n, entry in enumerate(entries)
        if entry.method.endswith("pods.create") and not entry.principal.startswith("system:")
    ]


def _requests(case: _Case) -> list[tuple[str, LogEntry, str, str]]:
    """Requests in the quarter of an hour before the compiler, oldest first; those of the kubelet and of probes not."""
    log, moment = case.evidence.pod_log, case.names.finding.event_time
    found = []
    for n, line in enumerate(log.value.entries if isinstance(log, Found) else ()):
        match = _REQUEST.search(line.text)
        if match and "kube-probe" not in line.text and moment - _BEFORE <= line.time <= moment:
            found.append((f"/evidence/pod_log/value/entries/{n}", line, match[1], match[2]))
    return found


# --- the others -------------------------------------------------------------------------------------------------------


def _elsewhere_seen(case: _Case) -> list[tuple[str, str]]:
    """Pointer and pod of each related finding of the same category that is of another pod."""
    related = case.evidence.related
    found = related.value.findings if isinstance(related, Found) else ()
    return [
        (f"/evidence/related/value/findings/{n}", other.pod)
        for n, other in enumerate(found)
        if other.category == case.names.finding.category and other.closeness not in {"container", "pod"} and other.pod
    ]


def _siblings(case: _Case) -> PlannedAction:
    seen = _elsewhere_seen(case)
    pods = ", ".join(dict.fromkeys(_said(pod, 80) for _, pod in seen[:3]))
    reach = _on_the_node(case)
    node = case.names.node
    owner = _owner_words(case)
    same = f"The same detection came from {pods}." if seen else "No other pod has the same detection in the window."
    if reach and node:
        title = f"Cordon node {node}, keep its disk, and look at every pod on it"
        impact = f"Nothing new is scheduled on {node}; what runs there stays until it is drained."
        why = f"The pod has {reach}: what was compiled may have reached the node. {same}"
        source = ESCAPE
    else:
        title = f"Look at the siblings: other pods of {owner}, of the same image" + (
            f", on node {node}" if node else ""
        )
        impact = "None: findings and pods are read."
        why = f"{same} They come from the same image, and whoever found a way into one can take it into the others."
        source = INCIDENTS
    return PlannedAction(
        title=title,
        why=why,
        impact=impact,
        evidence=tuple(p for p, _ in seen[:5]) or _pointers("/evidence/related", "/evidence/owners", "/evidence/node"),
        command=case.command("Other findings at a similar time"),
        source=source,
    )


# --- a build ----------------------------------------------------------------------------------------------------------


def _expect(case: _Case) -> PlannedAction:
    _, container = _container(case)
    digest = _digest(container.image_id) if container else ""
    until = (case.names.finding.event_time + EXPECTED_FOR).date().isoformat()
    what = case.triage.builds[0] if case.triage.builds else "this build"
    place = f"project {case.names.project}, namespace {case.names.namespace}, owner {_owner_words(case)}"
    return PlannedAction(
        title=f"Expect {_said(what)} here: an expected-builder entry until {until}",
        why=f"{_reasons(case)} In triage.toml: {place}"
        + (f", image {digest}" if digest else "")
        + ". It names whoever "
        "answers for it, the reason, and that day; never a whole cluster.",
        impact="None for the service. An attack that hides in this very workload is judged more kindly until then.",
        evidence=_pointers(*_reason_pointers(case), "/evidence/owners", "/evidence/namespace"),
        source=RUNBOOK,
    )


def _elsewhere(case: _Case) -> PlannedAction:
    if case.triage.builds and _is_builder(case):
        title = f"Leave the build where it is, and keep {_owner_words(case)} apart from what serves"
        why = (
            "It is made for building: its own node pool and service account keep a build that was tampered with small."
        )
    else:
        title = f"Build in CI instead of in {case.where}, and ship an image without the compiler"
        why = "A container that compiles while it runs needs a compiler in its image: the next finding looks the same."
    return PlannedAction(
        title=title,
        why=why,
        impact=f"A rollout of {_owner_words(case)}, when it suits; nothing before it.",
        evidence=_pointers("/evidence/pod", "/evidence/owners"),
        command=case.command("The owner"),
        source=REMOVE_TOOLS,
    )


def _is_builder(case: _Case) -> bool:
    owners = case.evidence.owners
    kinds = {link.kind for link in owners.value.links} if isinstance(owners, Found) else set()
    return bool(kinds & {"Job", "CronJob", "TaskRun", "PipelineRun", "Workflow", "EphemeralRunner", "DaemonSet"})


# --- what is missing --------------------------------------------------------------------------------------------------


def _gaps(case: _Case) -> list[PlannedAction]:
    """One action for each way to mend a gap that somebody can mend, in the order of what it would settle."""
    ways: dict[str, list[tuple[str, Missing]]] = {}
    missing = case.evidence.missing()
    for name in sorted((n for n in missing if n in _GAPS), key=lambda n: _worth(case, n)):
        gap = missing[name]
        if gap.mend or gap.why in PASSING or gap.why == "broken":
            ways.setdefault(gap.mend or gap.why, []).append((name, gap))
    return [_mend(case, gaps) for gaps in ways.values()]


def _worth(case: _Case, name: str) -> tuple[int, int]:
    label = _GAPS[name][0].removeprefix("the ")
    told = [n for n, text in enumerate(case.triage.would_settle) if label in text or name.replace("_", " ") in text]
    return (told[0] if told else len(case.triage.would_settle), list(_GAPS).index(name))


def _mend(case: _Case, gaps: list[tuple[str, Missing]]) -> PlannedAction:
    name, gap = gaps[0]
    what = ", ".join(_GAPS[other][0] for other, _ in gaps[:4])
    again = f" It is asked again after {_time(gap.retry_at)}." if gap.retry_at else ""
    way = f" To mend it: {_said(gap.mend, 300)}." if gap.mend else ""
    return PlannedAction(
        title=f"Get {what}",
        why=f"Missing ({gap.why}): {_said(gap.detail, 200)}.{way}{again} Without it the verdict stays open.",
        impact="None: it is read. A grant lets the responder read more from then on."
        if gap.mend
        else "None: it is read.",
        evidence=tuple(f"/evidence/{other}" for other, _ in gaps),
        command=case.command(_GAPS[name][1]),
        source=RUNBOOK,
    )


# --- words ------------------------------------------------------------------------------------------------------------


def _reasons(case: _Case) -> str:
    """The two heaviest signals that point the way of the verdict, those from outside the command line first."""
    weighty = _weighty(case)
    said = "; ".join(_said(signal_title, 200) for signal_title, _ in weighty)
    return f"{said.rstrip('.')}." if said else _said(case.triage.summary, 200)


def _reason_pointers(case: _Case) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pointer for _, pointers in _weighty(case) for pointer in pointers))[:6]


def _weighty(case: _Case) -> list[tuple[str, tuple[str, ...]]]:
    way = -1 if case.triage.verdict == "benign" else 1
    ours = [signal for signal in case.triage.signals if signal.weight * way > 0]
    ours.sort(key=lambda signal: (not signal.outside, -abs(signal.weight)))
    return [(signal.title, signal.evidence) for signal in ours[:2]]


def _pointers(*pointers: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pointers))


def _said(text: str, limit: int = _SHOWN) -> str:
    """Text of others in one line: what is not printable is written out, and a long one is cut."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _word(text: str) -> str:
    """A name in a sentence."""
    return _said(text, 80)


def _time(time: datetime) -> str:
    return f"{time:%H:%M:%S} UTC"
