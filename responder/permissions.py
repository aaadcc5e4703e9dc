"""What each identity needs, for which step and why: gathered from the adapters, which declare it beside their code.

An adapter has `PERMISSIONS` (IAM) or `RULES` (RBAC), and a `ROLE` where it is not the investigator's. Here each of them
gets its step and its reason; one without a reason is refused, so that nothing is asked for that nobody can explain.
Touches nothing but the modules that it reads. `docs/permissions.md` is made from here; `--check` compares the file.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from responder import live, stores

PATH: Final = Path(__file__).parents[1] / "docs" / "permissions.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role: who holds it, for which feature, and where it is bound. `changes` is what its holder can change."""

    feature: str
    holder: str
    bound: str
    changes: str = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One thing that a role allows: an IAM permission, or one verb on one resource of a cluster (`verb` is set)."""

    role: str
    name: str
    verb: str = ""
    group: str = ""

    @property
    def shown(self) -> str:
        """As the table writes it: `pods/exec create`, `apps/replicasets list`, or the permission."""
        return f"{self.group}{'/' if self.group else ''}{self.name} {self.verb}" if self.verb else self.name


ROLES: Final[dict[str, Role]] = {
    "investigator": Role(
        feature="investigate",
        holder="the service accounts of `respond`, `sweep` and `act`",
        bound="`securitycenter.findings.list` at `RESPONDER_SCC_PARENT`; the others in each project with clusters;"
        " the ClusterRole in each cluster",
    ),
    "records": Role(
        feature="investigate",
        holder="the service accounts of `respond`, `sweep`, `act` and the review service; persons who review records"
        " on a terminal, or replay dead letters",
        bound="the records' database, by a condition",
        changes="records",
    ),
    "publisher": Role(
        feature="records-topic",
        holder="the service accounts of `respond`, `sweep` and `act`, which does not publish to the second topic,"
        " and the review service, which publishes to no other; persons who approve on a terminal, to the second topic",
        bound="the topics of RESPONDER_RECORDS_TOPIC and RESPONDER_ACTION_TOPIC, never a project",
        changes="publishes records, and the ids of those to act on",
    ),
    "collector": Role(
        feature="capture",
        holder="the service account in RESPONDER_COLLECTOR, which `act` takes tokens of",
        bound="a Role in each namespace of a project that opted in to capture; the IAM role in that project",
        changes="runs commands in containers",
    ),
    "evidence": Role(
        feature="capture",
        holder="the service account of `act`",
        bound="the evidence bucket",
        changes="adds objects, replaces and deletes none",
    ),
    "remediator": Role(
        feature="remediate",
        holder="the service account in RESPONDER_REMEDIATOR, which `act` takes tokens of",
        bound="a Role in each namespace of a project that opted in to remediation; the IAM role in that project",
        changes="deletes and evicts pods",
    ),
    "actions": Role(
        feature="remediate",
        holder="the service accounts of `act` and the review service; persons who pull the brake or approve on a"
        " terminal",
        bound="the actions' database, by a condition",
        changes="brakes, approvals, intents",
    ),
    "notifier": Role(
        feature="notices",
        holder="the service accounts of `respond`, `sweep` and `act`",
        bound="each secret that holds a channel's address, never a project",
    ),
    "reporter": Role(
        feature="notices",
        holder="the service accounts of `respond`, `sweep` and `act`",
        bound="where findings are: the level of `RESPONDER_SCC_PARENT`",
        changes="marks and external systems of findings; neither their mute nor their state",
    ),
    "actor": Role(
        feature="act",
        holder="the service account of `act`",
        bound="the service accounts in RESPONDER_COLLECTOR and RESPONDER_REMEDIATOR, never a project",
        changes="acts as the two",
    ),
    "metrics": Role(
        feature="review",
        holder="the service account of the review service",
        bound="the project of the dead-letter subscription: Cloud Monitoring grants nothing smaller",
    ),
    "doctor": Role(
        feature="doctor",
        holder="a person, who runs `responder doctor`",
        bound="at `RESPONDER_SCC_PARENT`, in the projects of the functions and of the clusters",
    ),
    "examiner": Role(
        feature="doctor",
        holder="a person, who runs `responder doctor`",
        bound="each of the responder's service accounts, never a project or anything above it",
        changes="takes short tokens of those accounts, to ask what they may do",
    ),
    "tester": Role(
        feature="doctor",
        holder="a person, for the time of `responder doctor --send-test`",
        bound="the topic of the findings",
        changes="publishes a synthetic finding, which is held",
    ),
    "reader": Role(
        feature="records",
        holder="a person, who looks at records on a terminal",
        bound="the records' database, by a condition",
    ),
    "analyst": Role(
        feature="dead-letters",
        holder="a person",
        bound="the dead-letter subscription",
        changes="takes dead letters",
    ),
}

WHY: Final[dict[str, tuple[str, str]]] = {
    # what: (step of the runbook or of the way, why)
    "securitycenter.findings.list": ("1", "the finding as SCC has it, and other findings at a similar time"),
    "container.clusters.get": ("2", "the cluster, and the way to its control plane"),
    "container.clusters.connect": ("2", "the DNS endpoint asks for it; IP endpoints do not"),
    "compute.instances.get": ("2", "the VM of a node that the cluster no longer tells of"),
    "logging.logEntries.list": ("4", "the logs of the container, of the node, and who opened a session"),
    "resourcemanager.projects.get": ("7", "the project's id, number and labels: whose it is"),
    "resourcemanager.projects.getIamPolicy": ("7", "the holders of roles/owner, where no label names a team"),
    "essentialcontacts.contacts.list": ("7", "the security contacts"),
    "pubsub.topics.publish": (
        "after 7",
        "a finished record to its topic; the id of a record to the action topic",
    ),
    "secretmanager.versions.access": ("after 7", "the address of a channel"),
    "securitycenter.findingsecuritymarks.update": ("after 7", "verdict, outcome and review as marks of the finding"),
    "securitycenter.findingexternalsystems.update": ("after 7", "the record's id, status and link at the finding"),
    "monitoring.timeSeries.list": ("review", "how many dead letters wait, on the page that tells what is wrong"),
    "pubsub.subscriptions.consume": ("by hand", "`responder dead-letters` lists and replays what was given up"),
    "datastore.entities.create": ("between", "a new document: a record, a finding, a review; a brake, an intent"),
    "datastore.entities.get": ("between", "reads and queries"),
    "datastore.entities.list": ("between", "queries ask for it as well"),
    "datastore.entities.update": ("between", "a claim, a saved stage, the state of an intent"),
    "datastore.entities.delete": ("between", "parts of a large record that a later save has replaced"),
    "storage.objects.create": ("5", "a sealed file of evidence; an object that is there is never replaced"),
    "storage.objects.get": ("5", "`responder verify` reads it back"),
    "storage.objects.list": ("5", "the names of a record's evidence"),
    "securitycentermanagement.billingMetadata.get": ("doctor", "the tier: the detector takes Premium or Enterprise"),
    "securitycentermanagement.securityCenterServices.get": ("doctor", "whether the detector and its module are on"),
    "securitycenter.notificationconfig.list": ("doctor", "what SCC publishes, and where"),
    "pubsub.topics.getIamPolicy": ("doctor", "whether SCC's agent may publish, and nobody else who need not"),
    "pubsub.subscriptions.list": ("doctor", "who takes what is published, and where dead letters go"),
    "pubsub.subscriptions.getIamPolicy": ("doctor", "whether Pub/Sub's agent may take what is dead"),
    "cloudfunctions.functions.list": ("doctor", "the functions, their settings and accounts"),
    "run.services.getIamPolicy": ("doctor", "whether the subscription may call the function, and IAP alone the page"),
    "run.services.list": ("doctor", "the review page: IAP, ingress, settings and account"),
    "iap.webServices.getIamPolicy": ("doctor", "whom IAP lets in to the review page"),
    "cloudscheduler.jobs.list": ("doctor", "whether something calls `sweep` every minute"),
    "datastore.databases.getMetadata": ("doctor", "the mode of the database"),
    "datastore.indexes.list": ("doctor", "whether each query has its index"),
    "storage.buckets.get": ("doctor", "whether evidence is closed to the public, and kept"),
    "serviceusage.services.get": ("doctor", "whether the APIs are on"),
    "container.clusters.list": ("doctor", "the clusters of a project, and which logs they write"),
    "logging.sinks.get": ("doctor", "whether what containers write is kept"),
    "iam.serviceAccounts.getAccessToken": ("5, 7", "runs commands as the collector, deletes as the remediator"),
    "examiner: iam.serviceAccounts.getAccessToken": ("doctor", "what each account may do is asked in its own name"),
    "doctor: securitycenter.findings.list": ("doctor", "SCC's own findings that say why a detector is silent"),
    "doctor: container.clusters.get": ("doctor", "the way to a control plane"),
    "doctor: resourcemanager.projects.get": ("doctor", "the project's number, by which Pub/Sub's agent is named"),
    "doctor: resourcemanager.projects.getIamPolicy": ("doctor", "who is bound to which database"),
    "tester: pubsub.topics.publish": ("doctor", "the synthetic finding of `--send-test`"),
    "nodes get": ("2", "the node, and its VM's id"),
    "namespaces get": ("2", "labels that name a team"),
    "pods get": ("3", "the pod that has the name now, and its UID"),
    "events list": ("3", "what happened to the pod"),
    "apps/deployments get": ("3", "the owner of the pod"),
    "apps/replicasets get": ("3", "the owner of the pod"),
    "apps/replicasets list": ("3", "the ReplicaSet of a pod that is gone, by its hash"),
    "apps/statefulsets get": ("3", "the owner of the pod"),
    "apps/daemonsets get": ("3", "the owner of the pod"),
    "batch/jobs get": ("3", "the owner of the pod"),
    "batch/cronjobs get": ("3", "the owner of the pod"),
    "pods/exec get": ("5", "a WebSocket begins with GET"),
    "pods/exec create": ("5", "newer API servers ask for it as well"),
    "pods delete": ("7", "deletes the one pod, by its UID"),
    "pods/eviction create": ("7", "evicts it instead, where the policy says `gentle`"),
}


def grants() -> tuple[Grant, ...]:
    """Everything that an adapter declares, each once, in order. ValueError for a role or a thing without a reason."""
    found = sorted({grant for module in adapters() for grant in _of(module)}, key=lambda g: (g.role, g.shown))
    for grant in found:
        if grant.role not in ROLES:
            message = f"the role {grant.role} is not in responder/permissions.py: say who holds it, and where"
            raise ValueError(message)
        if why(grant) is None:
            message = f"{grant.shown} is not in responder/permissions.py: say for which step it is needed, and why"
            raise ValueError(message)
    return tuple(found)


def why(grant: Grant) -> tuple[str, str] | None:
    """Its step and its reason, by the role where that has one of its own; None where nobody has said."""
    return WHY.get(f"{grant.role}: {grant.shown}") or WHY.get(grant.shown)


def adapters() -> Iterator[Any]:
    """The modules that declare something. All of them are imported: the extras must be installed."""
    for package in (live, stores):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            if hasattr(module, "PERMISSIONS") or hasattr(module, "RULES"):
                yield module


def _of(module: Any) -> Iterator[Grant]:
    role = getattr(module, "ROLE", "investigator")
    for name in getattr(module, "PERMISSIONS", ()):
        yield Grant(role=role, name=name)
    for rule in getattr(module, "RULES", ()):
        for verb in rule.verbs:
            yield Grant(role=role, name=rule.resource, verb=verb, group=rule.group)


def iam_role(role: str, found: tuple[Grant, ...]) -> dict[str, Any]:
    """The custom role, as `gcloud iam roles create --file` reads it; empty where it holds nothing of IAM."""
    names = [grant.name for grant in found if grant.role == role and not grant.verb]
    title = f"GKE compiler responder, {role}"
    return {"title": title, "stage": "GA", "includedPermissions": names} if names else {}


def rbac_role(role: str, found: tuple[Grant, ...]) -> dict[str, Any]:
    """The ClusterRole (of who only reads) or Role; empty where it holds nothing of a cluster."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for grant in found:
        if grant.role == role and grant.verb:
            verbs.setdefault((grant.group, grant.name), []).append(grant.verb)
    if not verbs:
        return {}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole" if ROLES[role].changes == "nothing" else "Role",
        "metadata": {"name": f"gke-compiler-{role}"},
        "rules": [
            {"apiGroups": [group], "resources": [resource], "verbs": held}
            for (group, resource), held in sorted(verbs.items())
        ],
    }


def text() -> str:
    """The document: the roles, and one table for each feature, step by step."""
    found = grants()
    lines = [
        "# What is granted, to whom and why",
        "",
        "Made by `python -m responder.permissions` from what the adapters declare; `make check` holds",
        "the two together, and `tests/test_permissions.py` holds the files below `deploy/` to it. The roles of one",
        "feature as YAML: `responder permissions --feature capture`. Resources of a cluster are written as",
        "`GROUP/RESOURCE VERB`.",
        "",
        "| role | feature | who holds it | where it is bound | what its holder can change |",
        "|---|---|---|---|---|",
        *(f"| {name} | {r.feature} | {r.holder} | {r.bound} | {r.changes} |" for name, r in ROLES.items()),
    ]
    for feature in features():
        lines += ["", f"## {feature}", "", "| step | permission | role | why |", "|---|---|---|---|"]
        own = [(*(why(grant) or ("", "")), grant) for grant in found if ROLES[grant.role].feature == feature]
        own.sort(key=lambda row: (row[0], row[2].role, row[2].shown))
        lines += [f"| {step} | `{grant.shown}` | {grant.role} | {reason} |" for step, reason, grant in own]
    return "\n".join(lines) + "\n"


def features() -> tuple[str, ...]:
    """The features, in the order of the roles."""
    return tuple(dict.fromkeys(role.feature for role in ROLES.values()))


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or compare it; 1 where it is not what the adapters say."""
    parser = argparse.ArgumentParser(prog="python -m responder.permissions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--path", type=Path, default=PATH)
    given = parser.parse_args(arguments)
    if not given.check:
        given.path.write_text(text(), encoding="utf-8")
        return 0
    if given.path.is_file() and given.path.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"{given.path} is not what the adapters say: run `python -m responder.permissions`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
