"""What the doctor asks, as Protocols. Every method raises `Unanswered`; `not_found` where there is no such thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from responder.doctor.facts import (
    AuditConfig,
    Binding,
    Bucket,
    Database,
    Detector,
    Function,
    Index,
    Job,
    ListedCluster,
    ListedFinding,
    NotificationConfig,
    RunService,
    Sink,
    Subscription,
)
from responder.ports import Access, Brake, Clusters, Projects
from responder.settings import Settings


class Sources(Protocol):
    """Reads of a deployment, as whoever runs the doctor."""

    def tier(self, parent: str) -> str:
        """STANDARD, PREMIUM or ENTERPRISE, of an organization or a project."""

    def detector(self, parent: str) -> Detector:
        """Container Threat Detection at a level."""

    def findings(self, parent: str, filter_: str) -> tuple[ListedFinding, ...]:
        """What SCC has by a filter, of every source."""

    def notification_configs(self, parent: str) -> tuple[NotificationConfig, ...]:
        """All of a level."""

    def bindings(self, resource: str) -> tuple[Binding, ...]:
        """The IAM policy of a topic, a subscription or a project, by its name."""

    def audits(self, project: str) -> tuple[AuditConfig, ...]:
        """What a project's own policy says of data access logs."""

    def invokers(self, service: str) -> tuple[Binding, ...]:
        """The IAM policy of a Cloud Run service: `projects/P/locations/L/services/S`."""

    def services(self, project: str, location: str) -> tuple[RunService, ...]:
        """Those of Cloud Run in one region, the ones behind functions too."""

    def reviewers(self, number: str, location: str, name: str) -> tuple[Binding, ...]:
        """Identity-Aware Proxy's policy of a Cloud Run service; `number` is its project's."""

    def subscriptions(self, project: str) -> tuple[Subscription, ...]:
        """All of a project."""

    def functions(self, project: str) -> tuple[Function, ...]:
        """All of a project, wherever they run."""

    def jobs(self, project: str, location: str) -> tuple[Job, ...]:
        """Those of Cloud Scheduler."""

    def database(self, project: str, name: str) -> Database:
        """A Firestore database."""

    def indexes(self, project: str, name: str) -> tuple[Index, ...]:
        """Its composite indexes."""

    def bucket(self, name: str) -> Bucket:
        """A bucket."""

    def enabled(self, project: str, services: Sequence[str]) -> frozenset[str]:
        """Those of the APIs that are switched on."""

    def clusters(self, project: str) -> tuple[ListedCluster, ...]:
        """All of a project."""

    def sink(self, project: str) -> Sink:
        """The sink `_Default`, which keeps what containers write."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One question to a control plane. No namespace: in all of them."""

    group: str
    resource: str
    verb: str
    namespace: str = ""

    def __str__(self) -> str:
        within = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}{within}"


class Identity(Protocol):
    """What a service account may do, asked in its name."""

    def held(self, resource: str, permissions: Sequence[str]) -> frozenset[str]:
        """Those of the permissions that it has on a resource.

        That is an organization, a folder, a project, a topic, a secret, `buckets/NAME` or `serviceAccounts/EMAIL`.
        """

    def may(self, access: Access, verbs: Iterable[Verb]) -> frozenset[Verb]:
        """Those that RBAC or IAM allows it in a cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the code declares: IAM permissions by role, verbs of a cluster by role, composite indexes by their key.

    `reasons` has for a permission the step that it is for, and why.
    """

    permissions: dict[str, tuple[str, ...]]
    verbs: dict[str, tuple[Verb, ...]]
    indexes: tuple[tuple[str, ...], ...]
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that an examination needs.

    `projects` are those with clusters, `namespaces` those that may be acted in. `become` gives a service account's own
    view. `store` reads the record store, and `brakes` each act on a brake, oldest first: both raise StoreError. `file`
    reads a file of the settings, and raises OSError. `policy_known` is False where the functions have a policy and none
    was given here.
    """

    settings: Settings
    projects: tuple[str, ...]
    namespaces: tuple[str, ...]
    sources: Sources
    project: Projects
    gke: Clusters
    become: Callable[[str], Identity]
    needs: Needs
    store: Callable[[Settings], object]
    brakes: Callable[[Settings], tuple[Brake, ...]]
    file: Callable[[str], bytes]
    now: Callable[[], datetime]
    policy_known: bool = True
