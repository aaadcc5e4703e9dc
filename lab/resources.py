"""What the lab's API server serves: its resources, its discovery, and what a request asks for. Touches nothing.

Discovery is the plain kind (`APIGroupList`, `APIResourceList`); kubectl falls back to it where a server has no
aggregated one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.scenario import ScenarioCluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of the API. `group` is empty for the core API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ("get", "list", "watch")

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version


def _core(plural: str, kind: str, *short: str, namespaced: bool = True, verbs: str = "get list watch") -> Resource:
    return Resource(
        group="",
        version="v1",
        plural=plural,
        kind=kind,
        short=short,
        namespaced=namespaced,
        verbs=tuple(verbs.split()),
    )


RBAC: Final = tuple(
    Resource(
        group="rbac.authorization.k8s.io",
        version="v1",
        plural=f"{kind.lower()}s",
        kind=kind,
        namespaced=not kind.startswith("Cluster"),
        verbs=("create", "get"),
    )
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
)
"""Never kept: `lab.rehearsed`."""
BUILT_IN: Final = (
    *RBAC,
    _core("nodes", "Node", "no", namespaced=False),
    _core("namespaces", "Namespace", "ns", namespaced=False),
    _core("pods", "Pod", "po", verbs="get list watch delete deletecollection patch"),
    _core("pods/log", "Pod", verbs="get"),
    _core("pods/exec", "PodExecOptions", verbs="create get"),
    _core("pods/attach", "PodAttachOptions", verbs="create get"),
    _core("pods/ephemeralcontainers", "Pod", verbs="get patch"),
    _core("pods/eviction", "Eviction", verbs="create"),
    _core("events", "Event", "ev"),
    _core("secrets", "Secret"),
    _core("configmaps", "ConfigMap", "cm"),
    _core("services", "Service", "svc"),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    Resource(group="apps", version="v1", plural="deployments", kind="Deployment", short=("deploy",)),
    Resource(group="apps", version="v1", plural="replicasets", kind="ReplicaSet", short=("rs",)),
    Resource(group="apps", version="v1", plural="statefulsets", kind="StatefulSet", short=("sts",)),
    Resource(group="apps", version="v1", plural="daemonsets", kind="DaemonSet", short=("ds",)),
    Resource(group="batch", version="v1", plural="jobs", kind="Job"),
    Resource(group="batch", version="v1", plural="cronjobs", kind="CronJob", short=("cj",)),
    Resource(
        group="authorization.k8s.io",
        version="v1",
        plural="selfsubjectaccessreviews",
        kind="SelfSubjectAccessReview",
        namespaced=False,
        verbs=("create",),
    ),
)


def api_version_of(kind: str, given: str) -> str:
    """A workload's `apiVersion`: as the scenario gives it, else that of the built-in kind.

    ValueError for a custom kind without one.
    """
    if given:
        return given
    for resource in BUILT_IN:
        if resource.kind == kind and "/" not in resource.plural:
            return resource.api_version
    message = f"workload kind {kind} is not a built-in one: give its api_version"
    raise ValueError(message)


def plural_of(kind: str) -> str:
    """The plural of a custom kind, by English rules: `rollouts`, `policies`, `classes`."""
    word = kind.lower()
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def resources_of(cluster: ScenarioCluster) -> tuple[Resource, ...]:
    """The built-in resources, and a custom one for each other kind of workload."""
    found = {(r.api_version, r.kind): r for r in BUILT_IN}
    for workload in cluster.workloads:
        api_version = api_version_of(workload.kind, workload.api_version)
        if (api_version, workload.kind) not in found:
            group, _, version = api_version.rpartition("/")
            found[api_version, workload.kind] = Resource(
                group=group, version=version, plural=plural_of(workload.kind), kind=workload.kind
            )
    custom = [r for r in found.values() if r not in BUILT_IN]
    return (*BUILT_IN, *custom)


# --- discovery --------------------------------------------------------------------------------------------------------


def discovery(  # noqa: PLR0911 - one document a line
    path: str, resources: tuple[Resource, ...], version: str
) -> dict[str, Any] | None:
    """The discovery document at a path (`/api`, `/apis`, `/apis/apps/v1`, `/version`), or None where there is none."""
    groups = {r.group: r.version for r in resources if r.group}
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["version"]:
            return _version(version)
        case ["healthz" | "livez" | "readyz"]:
            return {}
        case ["openapi", "v3"]:
            return {"paths": {}}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            listed = [_group(name, groups[name]) for name in groups]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        case ["apis", name] if name in groups:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, groups[name])}
        case ["api", "v1"]:
            return _resource_list("v1", resources)
        case ["apis", group, number] if any(r.api_version == f"{group}/{number}" for r in resources):
            return _resource_list(f"{group}/{number}", resources)
    return None


def _group(name: str, version: str) -> dict[str, Any]:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def _resource_list(api_version: str, resources: tuple[Resource, ...]) -> dict[str, Any]:
    listed = [
        {
            "name": r.plural,
            "singularName": "" if "/" in r.plural else r.kind.lower(),
            "namespaced": r.namespaced,
            "kind": r.kind,
            "verbs": list(r.verbs),
            **({"shortNames": list(r.short)} if r.short else {}),
        }
        for r in resources
        if r.api_version == api_version
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def _version(version: str) -> dict[str, str]:
    major, minor = version.split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{version}",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2026-10-01T00:00:00Z",
        "goVersion": "go1.24.6",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


# --- what is asked ----------------------------------------------------------------------------------------------------

_SESSIONS: Final = frozenset({"exec", "attach"})
_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as RBAC sees it. `plural` is empty for a path that is no resource (`/version`)."""

    verb: str
    group: str = ""
    version: str = ""
    plural: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def resource(self) -> str:
        """`pods`, `pods/exec`; `discovery` for what is no resource."""
        if not self.plural:
            return "discovery"
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def asked(method: str, path: str, query: Mapping[str, str]) -> Asked:
    """What a request asks for, as k8s.io/apiserver's requestinfo.go resolves it.

    The path is trimmed first: `DELETE …/pods/` is the verb `deletecollection`. A session (exec, attach) is a `create`,
    although WebSocket opens it with GET: that is what servers check since Kubernetes 1.35.
    """
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return Asked(verb=method.lower())
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2:
            rest = rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    if plural == "namespaces":
        namespace = name
    if method == "GET":
        watching = query.get("watch", "") in {"1", "true"}
        verb = "watch" if watching else "get" if name else "list"
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    else:
        verb = _VERBS.get(method, method.lower())
    if subresource in _SESSIONS:
        verb = "create"
    return Asked(
        verb=verb,
        group=group,
        version=version,
        plural=plural,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )
