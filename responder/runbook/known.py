"""Steps 1 to 7, by hand: what of a finding and its evidence may be put into a command or a link. Pure.

Everything here has passed `responder.names`; a name that did not is ``""``, and `refused` says which it was. The word
of the cluster goes before that of the message. The project is always the id: gcloud takes no number for it, and neither
do the labels that Cloud Logging is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from responder.evidence import Evidence, Found, Missing, OwnerContact, Proof, Window
from responder.finding import ClusterRef, Finding, Target
from responder.names import is_valid

LOG_WINDOW: Final = timedelta(minutes=60)
"""Either side of the event, where no query was made whose window could be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The validated names of one record; ``""`` for what is not known.

    `untouchable` says why no command may touch the pod (``""``: one may, and `uid` is set); `doubt` what speaks against
    `uid` being that of the finding's pod (``""``: it is proven).
    """

    finding: Finding
    target: Target
    evidence: Evidence
    console: str
    contacts: tuple[OwnerContact, ...]
    window: Window
    scc_name: str
    project: str
    location: str
    cluster: str
    node: str
    node_zone: str
    node_project: str
    instance_id: str
    namespace: str
    pod: str
    container: str
    uid: str
    untouchable: str
    doubt: str
    refused: tuple[str, ...]

    @property
    def context(self) -> str:
        """The kubectl context that `gcloud container clusters get-credentials` writes (its `kubeconfig` module)."""
        return f"gke_{self.project}_{self.location}_{self.cluster}" if self.has_cluster else ""

    @property
    def has_cluster(self) -> bool:
        """Whether project, location and cluster are all known."""
        return bool(self.project and self.location and self.cluster)

    @property
    def cluster_ref(self) -> ClusterRef:
        """The cluster for a Logging filter; its parts may be empty, which the filter refuses."""
        return ClusterRef(project=self.project, location=self.location, name=self.cluster)


def known(
    finding: Finding,
    target: Target,
    evidence: Evidence,
    console: str,
    contacts: Sequence[OwnerContact] = (),
    log_window: timedelta = LOG_WINDOW,
) -> Known:
    """Read and validate the names of one record."""
    names = _Names()
    project, location, cluster = _cluster(names, finding, evidence)
    node, node_zone, node_project = _node(names, finding, evidence)
    namespace = names.take("namespace", target.namespace)
    pod = names.take("pod", target.pod)
    uid, untouchable, doubt = _uid(names, evidence, namespace if cluster and project and location else "", pod)
    return Known(
        finding=finding,
        target=target,
        evidence=evidence,
        console=console.rstrip("/"),
        contacts=tuple(contacts),
        window=_window(finding, evidence, log_window),
        scc_name=names.take("scc_name", evidence.scc.value.name if isinstance(evidence.scc, Found) else finding.name),
        project=project,
        location=location,
        cluster=cluster,
        node=node,
        node_zone=node_zone,
        node_project=node_project or project,
        instance_id=names.take("instance_id", evidence.node.value.instance_id)
        if isinstance(evidence.node, Found)
        else "",
        namespace=namespace,
        pod=pod,
        container=_container(names, target, evidence),
        uid=uid,
        untouchable=untouchable,
        doubt=doubt,
        refused=tuple(names.refused),
    )


class _Names:
    """Takes names one by one, and keeps a note of those that were there and are none."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def take(self, kind: str, *texts: str) -> str:
        """The first text that is a name of that kind, or ``""``."""
        given = [text for text in texts if text]
        name = next((text for text in given if is_valid(kind, text)), "")
        if given and not name:
            # Never the text itself: it is whatever somebody wrote into the finding.
            self.refused.append(f"the {kind.replace('_', ' ')} is not a valid name, so nothing is made of it")
        return name


def _cluster(names: _Names, finding: Finding, evidence: Evidence) -> tuple[str, str, str]:
    told = finding.cluster
    number = bool(told and told.project.isdigit())
    ids = [finding.project_id, "" if told is None or number else told.project]
    if isinstance(evidence.project, Found):
        ids.insert(0, evidence.project.value.project_id)
    location, name = (told.location, told.name) if told else ("", "")
    if isinstance(evidence.cluster, Found):
        ids.insert(0, evidence.cluster.value.project_id)
        location, name = evidence.cluster.value.location, evidence.cluster.value.name
    return names.take("project_id", *ids), names.take("location", location), names.take("cluster", name)


def _node(names: _Names, finding: Finding, evidence: Evidence) -> tuple[str, str, str]:
    told = finding.nodes[0] if finding.nodes else None
    vm = finding.told.get("VM_Instance_Name", "")
    texts = [told.name if told else "", vm if isinstance(vm, str) else ""]
    zone = told.zone if told else ""
    if isinstance(evidence.node, Found):
        texts.insert(0, evidence.node.value.name)
        zone = evidence.node.value.zone or zone
    return names.take("node", *texts), names.take("zone", zone), names.take("project_id", told.project if told else "")


def _container(names: _Names, target: Target, evidence: Evidence) -> str:
    if target.container:
        return names.take("container", target.container)
    if isinstance(evidence.pod, Found):
        running = [c.name for c in evidence.pod.value.containers if c.kind == "container"]
        # The only one is the one; of several, kubectl would take its own default, which may be another.
        return names.take("container", running[0]) if len(running) == 1 else ""
    return ""


def _uid(names: _Names, evidence: Evidence, namespace: str, pod: str) -> tuple[str, str, str]:
    """UID, why the pod may not be touched, and what speaks against the UID."""
    if not pod or not namespace:
        return "", "cluster, namespace and pod are not all known by valid names", ""
    if not isinstance(evidence.pod, Found):
        answer = evidence.pod
        return "", f"the pod's UID is not known ({answer.why}: {answer.detail})", ""
    here = evidence.pod.value
    uid = names.take("uid", here.uid)
    if not uid or (here.namespace, here.name) != (namespace, pod):
        return "", "the cluster gave no UID for this pod", ""
    return _proven(uid, evidence.proof)


def _proven(uid: str, proof: Found[Proof] | Missing) -> tuple[str, str, str]:
    if not isinstance(proof, Found):
        return uid, "", f"it was not checked that this is the finding's pod ({proof.why})"
    if proof.value.verdict == "replaced":
        return "", "the finding's pod is gone: a pod that came after the event has its name now", ""
    if proof.value.uid != uid:
        return "", "the cluster and the proof speak of different pods", ""
    if proof.value.verdict == "proven":
        return uid, "", ""
    open_checks = ", ".join(check.name for check in proof.value.checks if not check.ok)
    return uid, "", f"it is not proven that this is the finding's pod ({open_checks or 'no check was made'})"


def _window(finding: Finding, evidence: Evidence, log_window: timedelta) -> Window:
    for answer in (evidence.pod_log, evidence.node_log):
        if isinstance(answer, Found):
            return Window(answer.value.window_start, answer.value.window_end)
    return Window(finding.event_time - log_window, finding.event_time + log_window)
