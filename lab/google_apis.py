"""Steps 1, 2 and 4, the lab's side: SCC v2, GKE and Cloud Logging over gRPC, as their own clients speak them.

Each service is a class whose methods bear the names of the RPCs, take the request's protobuf and return the reply's,
or raise `ApiError`. `lab.rest` calls the very same methods for the JSON twins. A method that is not here is
UNIMPLEMENTED.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import grpc
from google.cloud import logging_v2, securitycenter_v2

from lab import log_entries, logging_filter, scc_filter
from lab.answers import ApiError, Page, exhausted, fail, invalid, page_size, permission
from lab.scc_writes import Writes, scc_denied
from lab.state import FaultError, Lab

_SCC_PAGE: Final = securitycenter_v2.ListFindingsResponse.pb()
_LOGGING_PAGE: Final = logging_v2.types.ListLogEntriesResponse.pb()
_PARENT: Final = re.compile(r"((?:organizations|folders|projects)/[^/]+)/sources/([^/]+)(?:/locations/([^/]+))?")
_CLUSTER: Final = re.compile(r"projects/([^/]+)/(?:locations|zones)/([^/]+)/clusters/([^/]+)")
_SCC_ORDER: Final = {
    "name": lambda r: r.finding.name,
    "parent": lambda r: r.finding.parent,
    "state": lambda r: r.finding.state,
    "category": lambda r: r.finding.category,
    "resource_name": lambda r: r.finding.resource_name,
    "event_time": lambda r: (r.finding.event_time.seconds, r.finding.event_time.nanos),
}

# --- Security Command Center ------------------------------------------------------------------------------------------


class SecurityCenter(Writes):
    """`google.cloud.securitycenter.v2.SecurityCenter`, of which the lab lists findings and takes write-backs."""

    async def ListFindings(self, request: Any) -> Any:
        """The findings below a parent, by filter and order, page by page: 10 to a page unless told, 1000 at most."""
        told = {"parent": request.parent, "filter": request.filter, "page_token": request.page_token}
        self._lab.write("scc.ListFindings", **told, page_size=request.page_size, order_by=request.order_by)
        query = (request.parent, request.filter, request.order_by)
        try:
            await self._lab.fault("scc.ListFindings", told)
        except FaultError as fault:
            if fault.kind != "empty_page":
                raise self._failed(fault, request.parent) from fault
            page = Page.of(request.page_token, query, self._lab.now())
            return _SCC_PAGE(next_page_token=page.token(page.offset))
        page = Page.of(request.page_token, query, self._lab.now())
        matching = self._matching(request, page.until)
        size = min(page_size(request.page_size, 10), 1000)
        results, token = page.cut(matching, size)
        return _SCC_PAGE(
            list_findings_results=[_masked(result, request.field_mask) for result in results],
            next_page_token=token,
            total_size=len(matching),
        )

    def _matching(self, request: Any, until: datetime) -> list[Any]:
        source, project = self._scope(request.parent)
        try:
            lets_through = scc_filter.parse(request.filter)
        except scc_filter.FilterError as error:
            raise invalid(str(error)) from error
        results = [
            known.result
            for known in self._listed
            if (known.appears is None or known.appears <= until)
            and project in {None, known.project}
            and (source == "-" or f"/sources/{source}/" in known.result.finding.name)
            and lets_through(known.result)
        ]
        for key, descending in reversed(_scc_order(request.order_by)):
            results.sort(key=key, reverse=descending)
        return results

    def _scope(self, parent: str) -> tuple[str, str | None]:
        """The source and the project that a parent names; no project where it is that of the scenario."""
        match = _PARENT.fullmatch(parent)
        if match is None or match[3] not in {None, "global"}:
            message = f"Invalid parent: {parent!r}."
            raise invalid(message)
        scenario = self._lab.scenario
        if match[1] == scenario.scc_parent and not match[1].startswith("projects/"):
            return match[2], None
        for project in scenario.projects:
            if match[1] in {f"projects/{project.id}", f"projects/{project.number}"}:
                return match[2], project.id
        raise ApiError(grpc.StatusCode.PERMISSION_DENIED, scc_denied(match[1]))


def _scc_order(text: str) -> list[tuple[Callable[[Any], Any], bool]]:
    order = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, *direction = part.split()
        if name not in _SCC_ORDER or direction not in ([], ["desc"], ["asc"]):
            message = f"Invalid order_by: {part!r}."
            raise invalid(message)
        order.append((_SCC_ORDER[name], direction == ["desc"]))
    return order


def _masked(result: Any, mask: Any) -> Any:
    if not mask.paths:
        return result
    cut = type(result)()
    try:
        mask.MergeMessage(result, cut)
    except ValueError as error:
        message = f"Invalid field_mask: {error}"
        raise invalid(message) from error
    return cut


# --- GKE --------------------------------------------------------------------------------------------------------------


class ClusterManager:
    """`google.container.v1.ClusterManager`, of which the lab has `GetCluster`.

    `known` maps project id, location and name to the cluster's protobuf.
    """

    def __init__(self, lab: Lab, known: Mapping[tuple[str, str, str], Any]) -> None:
        self._lab = lab
        self._known = known

    async def GetCluster(self, request: Any) -> Any:
        """One cluster; its project may be named by number, its location may be called a zone."""
        name = request.name or (f"projects/{request.project_id}/zones/{request.zone}/clusters/{request.cluster_id}")
        self._lab.write("gke.GetCluster", name=name)
        denied = f'Required "container.clusters.get" permission(s) for "{name}".'
        missing = f"Not found: {name}."
        try:
            await self._lab.fault("gke.GetCluster", name)
        except FaultError as fault:
            quota = "service 'container.googleapis.com'"
            raise fail(fault, denied=denied, missing=missing, quota=quota) from fault
        match = _CLUSTER.fullmatch(name)
        if match is None:
            message = f"Invalid value for field 'name': {name!r}."
            raise invalid(message)
        project = next((p for p in self._lab.scenario.projects if match[1] in {p.id, p.number}), None)
        if project is None:
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, denied)
        cluster = self._known.get((project.id, match[2], match[3]))
        if cluster is None:
            raise ApiError(grpc.StatusCode.NOT_FOUND, missing)
        return cluster


# --- Cloud Logging ----------------------------------------------------------------------------------------------------


class Logging:
    """`google.logging.v2.LoggingServiceV2`, of which the lab has `ListLogEntries`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._kept = log_entries.kept(lab)
        self._reads: defaultdict[str, deque[datetime]] = defaultdict(deque)
        # The log does not change, and the bench asks the same question hundreds of times.
        self._matching = functools.lru_cache(maxsize=4096)(self._search)

    async def ListLogEntries(self, request: Any) -> Any:
        """The entries of some projects, by filter and order, page by page: 50 to a page unless told, 1000 at most."""
        names = list(request.resource_names)
        told = {"resource_names": names, "filter": request.filter, "page_token": request.page_token}
        self._lab.write("logging.ListLogEntries", **told, page_size=request.page_size, order_by=request.order_by)
        query = (*names, request.filter, request.order_by)
        try:
            await self._lab.fault("logging.ListLogEntries", told)
        except FaultError as fault:
            if fault.kind != "empty_page":
                raise self._failed(fault, names) from fault
            page = Page.of(request.page_token, query, self._lab.now())
            return _LOGGING_PAGE(next_page_token=page.token(page.offset))
        projects = self._projects(names)
        self._count(projects)
        size = page_size(request.page_size, 50)
        if size > 1000:
            message = f"page_size must be between 1 and 1000: {size}."
            raise invalid(message)
        page = Page.of(request.page_token, query, self._lab.now())
        until = page.until
        matching = [kept for kept in self._matching(request.filter, projects) if kept.time <= until]
        if _descending(request.order_by):
            matching.reverse()
        entries, token = page.cut(matching, size)
        return _LOGGING_PAGE(entries=[kept.message for kept in entries], next_page_token=token)

    def _search(self, text: str, projects: frozenset[str]) -> tuple[log_entries.Kept, ...]:
        if len(text) > 20_000:
            message = "The filter is longer than 20000 characters."
            raise invalid(message)
        try:
            lets_through = logging_filter.parse(text)
        except logging_filter.FilterError as error:
            raise invalid(str(error)) from error
        return tuple(kept for kept in self._kept if kept.project in projects and lets_through(kept.fields))

    def _projects(self, names: list[str]) -> frozenset[str]:
        if not names:
            message = "Request must contain at least one resource name."
            raise invalid(message)
        found = set()
        for name in names:
            kind, _, rest = name.partition("/")
            given = rest.split("/", maxsplit=1)[0]
            if kind not in {"projects", "organizations", "folders", "billingAccounts"} or not given:
                message = f"Invalid resource name: {name!r}."
                raise invalid(message)
            known = next(
                (p for p in self._lab.scenario.projects if kind == "projects" and given in {p.id, p.number}), None
            )
            if known is None:
                raise ApiError(grpc.StatusCode.PERMISSION_DENIED, _logging_denied([name]))
            found.add(known.id)
        return frozenset(found)

    def _count(self, projects: frozenset[str]) -> None:
        """Hold the reads of each project to the scenario's limit; a read that is refused does not count."""
        limit = self._lab.scenario.log_reads_per_minute
        if not limit:
            return
        now = self._lab.now()
        for project in projects:
            reads = self._reads[project]
            while reads and now - reads[0] > timedelta(minutes=1):
                reads.popleft()
            if len(reads) >= limit:
                raise _logging_quota(project)
        for project in projects:
            self._reads[project].append(now)

    @staticmethod
    def _failed(fault: FaultError, names: list[str]) -> Exception:
        if fault.kind == "quota":
            owner = names[0].removeprefix("projects/") if names else ""
            return _logging_quota(owner)
        return fail(
            fault,
            denied=_logging_denied(names),
            missing=f"Resource not found: {', '.join(names)}.",
            quota="service 'logging.googleapis.com'",
        )


def _logging_denied(names: list[str]) -> str:
    return permission("logging.logEntries.list", f"//logging.googleapis.com/{names[0] if names else ''}")


def _logging_quota(project: str) -> ApiError:
    return exhausted(f"service 'logging.googleapis.com' for consumer 'project:{project}'")


def _descending(order_by: str) -> bool:
    words = order_by.split()
    if words not in ([], ["timestamp"], ["timestamp", "asc"], ["timestamp", "desc"]):
        message = f"order_by must be 'timestamp asc' or 'timestamp desc': {order_by!r}."
        raise invalid(message)
    return words == ["timestamp", "desc"]


# --- all of them ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the lab serves over gRPC, and over JSON."""

    scc: SecurityCenter
    gke: ClusterManager
    logging: Logging
