"""Each cluster: can it be reached, may be read what must be, nothing else, and are its logs kept? Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from responder.doctor.deployed import Deployed
from responder.doctor.facts import ListedCluster
from responder.doctor.lines import Check, Line
from responder.doctor.own import POLICY_UNKNOWN, capturing, removing
from responder.doctor.ports import Case, Verb
from responder.errors import Unanswered
from responder.finding import ClusterRef
from responder.ports import Access

READER_MUST_NOT: Final = (
    Verb("", "pods", "delete"),
    Verb("", "pods", "create"),
    Verb("", "pods/exec", "get"),  # a WebSocket begins with GET: older servers ask for no more
    Verb("", "pods/exec", "create"),
    Verb("", "pods/eviction", "create"),
    Verb("", "secrets", "get"),
    Verb("", "secrets", "list"),
)
_OFF_LIMITS: Final = ("kube-system", "gke-managed-system")
"""Namespaces of what runs the cluster: nobody of ours changes anything there, whatever was named."""
_LOGS: Final = ("SYSTEM_COMPONENTS", "WORKLOADS")
_CONNECT: Final = "container.clusters.connect"
_RBAC: Final = "kubectl apply -f deploy/rbac/{}, bound to {}"


def project(case: Case, name: str, readers: tuple[str, ...], actor: Deployed | None) -> Iterator[Line]:
    """The clusters of a project. `readers` is empty where nobody knows who they are; `actor` is `act`, if any."""
    check = Check("clusters", f"projects/{name}")
    found: list[ListedCluster] = []

    def ask() -> Iterator[Line]:
        found.extend(case.sources.clusters(name))
        yield check.ok(f"{len(found)} of them") if found else check.advice("it has none", "leave it out of --project")

    yield from check.asking(ask)
    yield from logs(case, name)
    yield from audit(case, name)
    for one in found:
        yield from _cluster(case, name, one, readers, actor)


def logs(case: Case, name: str) -> Iterator[Line]:
    """What containers write is kept."""
    check = Check("logs.sink", f"projects/{name}")

    def ask() -> Iterator[Line]:
        sink = case.sources.sink(name)
        left_out = [one.name for one in sink.exclusions if not one.disabled]
        update = f"gcloud logging sinks update _Default --project={name}"
        if sink.disabled:
            yield check.wrong("_Default is disabled: what containers write is not kept", f"{update} --no-disabled")
        elif left_out:
            detail = f"_Default leaves out {', '.join(left_out)}: see that no container's log is in it"
            yield check.advice(detail, f"{update} --remove-exclusions={left_out[0]}")
        else:
            yield check.ok("what containers write is kept")

    yield from check.asking(ask)


def audit(case: Case, name: str) -> Iterator[Line]:
    """Who opened a session: one over a WebSocket begins with GET, which only a data access log has.

    Admin activity is in a log that nobody can switch off.
    """
    check = Check("logs.audit", f"projects/{name}")

    def ask() -> Iterator[Line]:
        every = [one for one in case.sources.audits(name) if one.service in {"container.googleapis.com", "allServices"}]
        kept = {log.log_type for one in every for log in one.audit_log_configs}
        missing = [kind for kind in ("ADMIN_READ", "DATA_READ") if kind not in kept]
        if missing:
            detail = (
                f"its own policy keeps no {', '.join(missing)} of container.googleapis.com: an exec may leave no trace"
            )
            yield check.advice(detail, "add them to auditConfigs of its policy, unless a folder above has them")
        else:
            yield check.ok("data access of clusters is logged")

    yield from check.asking(ask)


def _cluster(
    case: Case, project_id: str, one: ListedCluster, readers: tuple[str, ...], actor: Deployed | None
) -> Iterator[Line]:
    ref = ClusterRef(project=project_id, location=one.location, name=one.name)
    name = ref.api_name
    yield Check("cluster.status", name).either(
        one.status in {"RUNNING", "RECONCILING"}, one.status.lower(), f"it is {one.status.lower()}", "see the console"
    )
    missing = [part for part in _LOGS if part not in one.logging_config.component_config.enable_components]
    yield Check("cluster.logs", name).either(
        not missing,
        "system and workload logs are written",
        f"it does not write {', '.join(missing)}",
        f"gcloud container clusters update {one.name} --project={project_id} --location={one.location}"
        " --logging=SYSTEM,WORKLOAD",
    )
    way = Check("cluster.endpoint", name)
    access: list[Access] = []

    def ask() -> Iterator[Line]:
        cluster, found = case.gke.cluster(ref, event_time=case.now())
        if found is None:
            mend = "open its DNS endpoint to traffic from outside, or give the functions a way into its network"
            yield way.wrong(f"no way in: {cluster.endpoint.reason}", mend)
        else:
            access.append(found)
            yield way.ok(f"{found.kind}: {cluster.endpoint.reason}")

    yield from way.asking(ask)
    for found in access:
        for account in readers or ("",):
            yield from _reader(case, name, found, account)
        if actor is not None:
            yield from _actors(case, ref, found, actor)


def _reader(case: Case, name: str, access: Access, account: str) -> Iterator[Line]:
    check = Check("cluster.rbac", name)
    if not account:
        yield check.unchecked("which account respond runs as is not known", "mend what is wrong above first")
        return

    def ask() -> Iterator[Line]:
        wanted = case.needs.verbs["investigator"]
        allowed = _may(case, account, access, (*wanted, *READER_MUST_NOT))
        missing = [str(verb) for verb in wanted if verb not in allowed]
        mend = _RBAC.format("investigator.yaml", account)
        yield check.either(
            not missing, f"{account} may read all it must", f"{account} may not {', '.join(missing)}", mend
        )
        more = [str(verb) for verb in READER_MUST_NOT if verb in allowed]
        yield Check("cluster.too-much", name).either(
            not more,
            f"{account} changes nothing and reads no secret",
            f"{account} may {', '.join(more)}",
            "find what grants it: a ClusterRoleBinding, or an IAM role with container.* at the project",
        )

    yield from check.asking(ask)


def _may(case: Case, account: str, access: Access, verbs: tuple[Verb, ...]) -> frozenset[Verb]:
    try:
        return case.become(account).may(access, verbs)
    except Unanswered as error:
        if error.why not in {"unavailable", "timeout"}:
            raise
        detail = f"{error.detail}; the {access.kind} endpoint does not answer from here"
        mend = "run the doctor from inside the cluster's network, or use its DNS endpoint"
        raise Unanswered(error.why, detail, mend=mend) from None


def _actors(case: Case, ref: ClusterRef, access: Access, actor: Deployed) -> Iterator[Line]:
    """Collector and remediator: nothing in the whole cluster, and in the namespaces that were named what they take.

    Without a remediator of its own, `act` deletes as itself; without a collector it takes nothing.
    """
    given = actor.settings or case.settings
    remediator = given.remediator or actor.account
    for role, account, projects in (("collector", given.collector, capturing), ("remediator", remediator, removing)):
        check, opted = Check("act.rbac", f"{ref.api_name} {role}"), ref.project in projects(case)
        if account and not case.policy_known:
            yield check.unchecked(*POLICY_UNKNOWN)
        elif account:
            if access.kind == "dns" and opted:
                yield from _connects(case, ref, account)
            yield from check.asking(partial(_acting, case, check, access, (role, account), opted=opted))
        elif opted:
            mend = f"set it to an account that deploy/rbac/{role}.yaml is bound to"
            yield check.wrong(f"RESPONDER_{role.upper()} of act is not set, and the project opted in", mend)


def _connects(case: Case, ref: ClusterRef, account: str) -> Iterator[Line]:
    """The DNS endpoint asks IAM for one permission of whoever comes, before RBAC is asked for anything."""
    check = Check("act.connect", ref.api_name)

    def ask() -> Iterator[Line]:
        held = case.become(account).held(f"projects/{ref.project}", (_CONNECT,))
        mend = f"bind a custom role with {_CONNECT} to it in {ref.project}"
        yield check.either(bool(held), f"{account} may connect", f"{account} lacks {_CONNECT}", mend)

    yield from check.asking(ask)


def _acting(case: Case, check: Check, access: Access, who: tuple[str, str], *, opted: bool) -> Iterator[Line]:
    role, account = who
    wanted = case.needs.verbs[role]
    own = (*_changing(wanted), Verb("", "secrets", "get"))
    system = tuple(Verb(v.group, v.resource, v.verb, n) for n in _OFF_LIMITS for v in _changing(wanted))
    within = tuple(Verb(v.group, v.resource, v.verb, n) for n in case.namespaces for v in wanted)
    allowed = _may(case, account, access, (*own, *system, *within))
    broad = [str(verb) for verb in own if verb in allowed]
    if broad:
        mend = "bind its Role in one namespace at a time, never by a ClusterRoleBinding"
        yield check.wrong(f"{account} may {', '.join(broad)} in every namespace", mend)
    elif misplaced := [str(verb) for verb in system if verb in allowed]:
        mend = "remove its RoleBinding there: what runs the cluster is nobody's to end"
        yield check.wrong(f"{account} may {', '.join(misplaced)}", mend)
    elif not opted:
        more = [str(verb) for verb in _changing(within) if verb in allowed]
        mend = "remove its RoleBindings from a project that has not opted in"
        yield check.either(not more, f"{account} may change nothing", f"{account} may {', '.join(more)}", mend)
    elif not within:
        yield check.unchecked("where it may act was not said", "name the namespaces: --namespace NS")
    else:
        missing = [str(verb) for verb in within if verb not in allowed]
        mend = _RBAC.format(f"{role}.yaml", account)
        yield check.either(not missing, f"{account} may act there", f"{account} may not {', '.join(missing)}", mend)


def _changing(verbs: tuple[Verb, ...]) -> tuple[Verb, ...]:
    return tuple(verb for verb in verbs if verb.verb not in {"get", "list"})
