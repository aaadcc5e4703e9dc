"""Steps 1 to 7, by hand: the pages of the Google Cloud console, of ATT&CK and of the runbook, for one record. Pure.

The console documents none of its addresses. Sources: the finding's is that of Google SecOps' parsers
(github.com/chronicle/content-hub, `urlBackToProduct`), the cluster's that of
github.com/GoogleCloudPlatform/security-response-automation, the workload's that of github.com/backstage/backstage, the
Logs Explorer's that of github.com/vvakame/gcplogurl. A link is there only where every part of it is a valid name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from responder import filters
from responder.errors import Unanswered
from responder.evidence import Found, Window
from responder.finding import CATEGORY
from responder.names import is_valid
from responder.quoting import lql, url_part
from responder.runbook.known import Known

RUNBOOK: Final = (
    "https://cloud.google.com/security-command-center/docs/findings/threats/launch-code-compiler-tool-in-container"
)
ATTACK: Final = "https://attack.mitre.org/techniques/T1027/004/"
ATTACK_PARENT: Final = "https://attack.mitre.org/techniques/T1027/"

STEP_LINKS: Final = {
    1: ("finding", "finding_v1", "related", "runbook"),
    2: ("cluster", "node", "node_vm"),
    3: ("pod", "workload"),
    4: ("logs_pod", "logs_audit", "logs_node"),
    5: ("pod",),
    6: ("attack", "attack_parent"),
    7: ("contact", "workload", "pod"),
}
TITLES: Final = {
    "finding": "the finding in Security Command Center",
    "finding_v1": "the finding, by its name without a location",
    "related": "findings of the cluster at a similar time",
    "runbook": "Google's runbook for this finding",
    "cluster": "the cluster",
    "node": "the node",
    "node_vm": "the node's VM",
    "pod": "the pod of this name",
    "workload": "the workload that owns the pod",
    "logs_pod": "the pod's log",
    "logs_audit": "the cluster's admin activity about the pod",
    "logs_node": "the node's log and serial console",
    "attack": "ATT&CK T1027.004",
    "attack_parent": "ATT&CK T1027",
    "contact": "write to the owner",
}
_WORKLOAD_PAGES: Final = {
    "Deployment": "deployment",
    "StatefulSet": "statefulset",
    "DaemonSet": "daemonset",
    "Job": "job",
    "CronJob": "cronjob",
}


def links(known: Known) -> dict[str, str]:
    """Every link that can be made, by the keys of `TITLES`."""
    made = {
        **_finding(known),
        "related": _related(known),
        **_places(known),
        "workload": _workload(known),
        "logs_pod": _logs(known, pod_filter, known.window),
        "logs_audit": _logs(known, audit_filter, audit_window(known)),
        "logs_node": _logs(known, node_filter, known.window),
        "attack": ATTACK,
        "attack_parent": ATTACK_PARENT,
        "runbook": RUNBOOK,
        "contact": _contact(known),
    }
    return {name: link for name, link in made.items() if link}


def pod_filter(known: Known) -> str:
    """The page's first query for this record; raises Unanswered("invalid") where a name is missing."""
    return filters.pod_log(known.project, known.cluster_ref, known.namespace, known.pod, known.window)


def audit_filter(known: Known) -> str:
    """The page's second query."""
    return filters.audit_log(known.project, known.cluster_ref, known.pod, audit_window(known))


def node_filter(known: Known) -> str:
    """The page's third query."""
    return filters.node_log(known.instance_id, known.window)


def audit_window(known: Known) -> Window:
    """The window that the audit log was asked with: where the pod is gone, it is longer than that of the others."""
    audit = known.evidence.audit_log
    return Window(audit.value.window_start, audit.value.window_end) if isinstance(audit, Found) else known.window


def related_filter(known: Known) -> str:
    """Findings of the window on the cluster, in both spellings of its name; ``""`` where the cluster is not known.

    Where it was asked, the very filter that was asked with. Security Command Center binds OR tighter than AND (its
    notification filter page); the parentheses say so to the reader.
    """
    if isinstance(known.evidence.related, Found):
        asked = known.evidence.related.value.filter
        return asked if asked.isascii() and asked.isprintable() else ""
    if not known.has_cluster:
        return ""
    start, end = (lql(filters.timestamp(time)) for time in known.window)
    prefix = f"//container.googleapis.com/projects/{known.project}"
    spellings = (f"{prefix}/{word}/{known.location}/clusters/{known.cluster}" for word in ("locations", "zones"))
    names = " OR ".join(f"resource_name={lql(name)}" for name in spellings)
    return f"event_time>={start} AND event_time<={end} AND ({names})"


def _finding(known: Known) -> dict[str, str]:
    if not known.scc_name:
        return {}
    base = f"{known.console}/security/command-center/findingsv2;name="
    made = {"finding": base + url_part(known.scc_name) + _scope(known)}
    parent, found, rest = known.scc_name.partition("/locations/")
    if found:
        made["finding_v1"] = base + url_part(f"{parent}/{rest.partition('/')[2]}") + _scope(known)
    return made


def _related(known: Known) -> str:
    text = related_filter(known)
    if not text:
        return ""
    return f"{known.console}/security/command-center/findingsv2;filter={url_part(text)}{_scope(known)}"


def _scope(known: Known) -> str:
    if known.project:
        return f"?project={url_part(known.project)}"
    kind, _, rest = known.scc_name.partition("/")
    return f"?organizationId={url_part(rest.partition('/')[0])}" if kind == "organizations" else ""


def _places(known: Known) -> dict[str, str]:
    made: dict[str, str] = {}
    if known.has_cluster:
        inside = f"{known.location}/{known.cluster}"
        made["cluster"] = _page(known, f"kubernetes/clusters/details/{inside}/details")
        if known.node:
            made["node"] = _page(known, f"kubernetes/node/{inside}/{known.node}/summary")
        if known.namespace and known.pod:
            made["pod"] = _page(known, f"kubernetes/pod/{inside}/{known.namespace}/{known.pod}/details")
    if known.node and known.node_zone and known.node_project:
        path = f"compute/instancesDetail/zones/{known.node_zone}/instances/{known.node}"
        made["node_vm"] = f"{known.console}/{path}?project={url_part(known.node_project)}"
    return made


def _workload(known: Known) -> str:
    owners = known.evidence.owners
    if not known.has_cluster or not known.namespace or not isinstance(owners, Found):
        return ""
    for link in reversed(owners.value.links):  # from the top: the Deployment before its ReplicaSet
        if link.kind in _WORKLOAD_PAGES and is_valid("workload", link.name):
            inside = f"{known.location}/{known.cluster}/{known.namespace}/{link.name}"
            return _page(known, f"kubernetes/{_WORKLOAD_PAGES[link.kind]}/{inside}/overview")
    return ""


def _page(known: Known, path: str) -> str:
    return f"{known.console}/{path}?project={url_part(known.project)}"


def _logs(known: Known, query: Callable[[Known], str], window: Window) -> str:
    if not known.project:
        return ""
    try:
        text = query(known)
    except Unanswered:
        return ""
    start, end = (filters.timestamp(time) for time in window)
    cursor = filters.timestamp(known.finding.event_time)
    parts = f";query={url_part(text)};cursorTimestamp={cursor};timeRange={start}%2F{end}"
    return f"{known.console}/logs/query{parts}?project={url_part(known.project)}"


def _contact(known: Known) -> str:
    """A letter to the first contact that is an e-mail address; it carries names and times, no argument and no log."""
    address = next((contact.value for contact in known.contacts if contact.kind == "email"), "")
    if not address:
        return ""
    place = [
        ("Project", known.project),
        ("Cluster", f"{known.cluster} ({known.location})" if known.has_cluster else ""),
        ("Namespace", known.namespace),
        ("Pod", known.pod),
        ("Container", known.container),
        ("Time", filters.timestamp(known.finding.event_time)),
        ("Finding", _finding(known).get("finding", "")),
    ]
    where = known.pod or known.cluster or known.project or "a container"
    body = [
        f"Security Command Center reports: {CATEGORY}.",
        "",
        *(f"{name}: {text}" for name, text in place if text),
        "",
        "A compiler was started in a running container. Was that you, or something that you expect (a build, a package",
        "that compiles when it is installed)? Please leave the pod as it is until we have talked: its files are",
        "evidence.",
    ]
    subject = f"Did you expect a compiler to run in {where}?"
    # RFC 6068: line breaks are %0D%0A.
    text = url_part("\r\n".join(body))
    return f"mailto:{url_part(address).replace('%40', '@')}?subject={url_part(subject)}&body={text}"
