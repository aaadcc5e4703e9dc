"""Step 1: the finding as Security Command Center has it, and other findings at a similar time. Reads SCC, no more.

There is no call that gets one finding: it is asked for by its names, in the same query as its neighbours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final

from google.cloud.securitycenter_v2 import ListFindingsRequest, ListFindingsResponse
from google.protobuf import json_format

from responder import names
from responder.errors import MalformedNotification, Unanswered
from responder.evidence import Window
from responder.finding import CATEGORY, ClusterRef, Finding
from responder.live._errors import Asking
from responder.live._patience import Patience
from responder.notification import finding_of, read
from responder.ports import Around, Published
from responder.quoting import lql

PERMISSIONS: Final = ("securitycenter.findings.list",)

_PAGE: Final = 1000  # the API's own maximum
_PAGES: Final = 3
_MOST_PAGES: Final = 1000  # of a backfill: a million findings
_SECONDS: Final = 20.0
_ATTEMPT_SECONDS: Final = 8.0
_NODES: Final = 20
_NAMED: Final = 20
"""Findings that one query asks for by name; each has up to four."""

_log = logging.getLogger(__name__)


class Scc:
    """`client` is a `securitycenter_v2.SecurityCenterClient`; `parent` an organization, a folder or a project."""

    def __init__(self, client: Any, parent: str) -> None:
        self._client = client
        self._parent = parent

    def around(self, finding: Finding, window: Window) -> Around:
        """The finding and its neighbours in one query of at most three pages, newest first.

        Where there is more than that and the finding was not among it, it is asked for once more, by its names alone:
        no number of neighbours makes it look as if SCC did not know it. A neighbour that cannot be read is left out and
        counted; the finding itself, unreadable, is `broken`.
        """
        own = names_of(finding)
        if not own:
            raise Unanswered("invalid", "the finding has no name that Security Command Center would give")
        patience = Patience(total=_SECONDS, attempt=_ATTEMPT_SECONDS)
        query = filter_of(finding, window)
        found, unreadable, truncated = self._list(query, own, patience)
        if truncated and not any(_is_own(f.name, f.canonical_name, own) for f in found):
            found = (*self._list(_any_of("name", own), own, patience)[0], *found)
        return Around(findings=found, filter=query, truncated=truncated, unreadable=unreadable)

    def named(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """Which of these SCC has, asked for by their names alone. One that has no valid name is not asked for.

        Unanswered where a query fails: then nothing is said of any of them.
        """
        patience, found = Patience(total=_SECONDS, attempt=_ATTEMPT_SECONDS), list[Finding]()
        for start in range(0, len(findings), _NAMED):
            own = tuple(name for one in findings[start : start + _NAMED] for name in names_of(one))
            if own:
                had, _, truncated = self._list(_any_of("name", own), own, patience)
                if truncated:
                    raise Unanswered("unavailable", "SCC's answer about findings by name was cut short")
                found += had
        return tuple(found)

    def published(self, since: datetime, until: datetime, *, project: str = "") -> Iterator[Published]:
        """Findings of our category in a span of time, oldest first, page by page; those of GKE only.

        `project` is an id or a number. The category is not GKE's alone, so each is read as a notification would be. A
        finding that cannot be read is left out, and said in the log: it comes as a message too, and is kept there.
        """
        clauses = [f"category={lql(CATEGORY)}", f"event_time>={lql(_time(since))}", f"event_time<={lql(_time(until))}"]
        if names.is_valid("project_number", project):
            whole = f"//cloudresourcemanager.googleapis.com/projects/{project}"
            clauses.append(f"resource.project_name={lql(whole)}")
        elif project:
            # The display name is the project's id: google/cloud/securitycenter/v2/resource.proto.
            clauses.append(f"resource.project_display_name={lql(project)}")
        query, token, unreadable = " AND ".join(clauses), "", 0
        for _ in range(_MOST_PAGES):
            page = self._page(query, token, Patience(total=_SECONDS, attempt=_ATTEMPT_SECONDS), "event_time")
            for result in page.list_findings_results:
                try:
                    data = json.dumps(json_format.MessageToDict(result)).encode()
                    finding = read(data)
                except (MalformedNotification, json_format.Error, ValueError, RecursionError):
                    unreadable += 1
                    continue
                if finding is not None:
                    yield Published(finding=finding, data=data)
            token = page.next_page_token
            if not token:
                break
        _say(unreadable)
        if token:
            raise Unanswered("unavailable", f"{PERMISSIONS[0]} at {self._parent}: the list has no end")

    def _list(self, query: str, own: tuple[str, ...], patience: Patience) -> tuple[tuple[Finding, ...], int, bool]:
        """The findings of a query, how many could not be read, and whether there were more."""
        found: list[Finding] = []
        unreadable, token = 0, ""
        for _ in range(_PAGES):
            page = self._page(query, token, patience)
            for result in page.list_findings_results:
                try:
                    found.append(finding_of(json_format.MessageToDict(result)))
                except (MalformedNotification, json_format.Error, ValueError, RecursionError) as error:
                    if _is_own(result.finding.name, result.finding.canonical_name, own):
                        detail = "the finding as SCC has it cannot be read"
                        raise Unanswered("broken", detail) from error
                    unreadable += 1
            token = page.next_page_token
            if not token:
                break
        _say(unreadable)
        return tuple(found), unreadable, bool(token)

    def _page(self, query: str, token: str, patience: Patience, order: str = "event_time desc") -> Any:
        what = f"{PERMISSIONS[0]} at {self._parent}"
        mend = f"grant the responder {PERMISSIONS[0]} at {self._parent} (roles/securitycenter.findingsViewer)"
        request = ListFindingsRequest(
            parent=f"{self._parent}/sources/-/locations/global",
            filter=query,
            order_by=order,
            page_size=_PAGE,
            page_token=token,
        )
        with Asking(what, mend=mend):
            pager = self._client.list_findings(request=request, retry=patience.retry(), timeout=patience.timeout)
            # The plain protobuf message: reading it through proto-plus costs ten times as much.
            return ListFindingsResponse.pb(next(iter(pager.pages)))


def names_of(finding: Finding) -> tuple[str, ...]:
    """Each valid name of the finding, with and without its location: v2 and v1."""
    found: dict[str, None] = {}
    for name in (finding.name, finding.canonical_name):
        if not names.is_valid("scc_name", name):
            continue
        head, _, finding_id = name.rpartition("/findings/")
        source = head.partition("/locations/")[0]
        found[f"{source}/locations/global/findings/{finding_id}"] = None
        found[f"{source}/findings/{finding_id}"] = None
    return tuple(found)


def filter_of(finding: Finding, window: Window) -> str:
    """The finding by name, or what the window holds of its cluster, its nodes' VMs and its project.

    Everything is in parentheses: in this language OR binds tighter than AND.
    """
    own = _any_of("name", names_of(finding))
    resources = tuple(dict.fromkeys(_resources(finding)))
    if not resources:
        return own
    start, end = lql(_time(window.start)), lql(_time(window.end))
    near = f"event_time>={start} AND event_time<={end} AND ({_any_of('resource_name', resources)})"
    return f"({own}) OR ({near})"


def _resources(finding: Finding) -> Iterator[str]:
    """Full resource names of the neighbourhood, each project by id and by number where both are known."""
    projects = _projects(finding)
    yield from _clusters(finding.cluster, projects)
    for node in finding.nodes[:_NODES]:
        zone = node.zone or (finding.cluster.location if finding.cluster else "")
        if not (names.is_valid("node", node.name) and names.is_valid("zone", zone)):
            continue
        # Only VMs of the finding's own projects: a name in the message must not widen the search to another's.
        for project in projects:
            yield f"//compute.googleapis.com/projects/{project}/zones/{zone}/instances/{node.name}"
    for project in projects:
        yield f"//cloudresourcemanager.googleapis.com/projects/{project}"


def _clusters(ref: ClusterRef | None, projects: Iterable[str]) -> Iterator[str]:
    if ref is None or not (names.is_valid("location", ref.location) and names.is_valid("cluster", ref.name)):
        return
    # One zonal cluster has two names: Event Threat Detection writes `locations`, Security Health Analytics `zones`.
    kinds = ("locations", "zones") if names.location_type(ref.location) == "zone" else ("locations",)
    for project, kind in product(projects, kinds):
        yield f"//container.googleapis.com/projects/{project}/{kind}/{ref.location}/clusters/{ref.name}"


def _projects(finding: Finding) -> tuple[str, ...]:
    told = (finding.project_id, finding.project_number, finding.cluster.project if finding.cluster else "")
    valid = (p for p in told if names.is_valid("project_id", p) or names.is_valid("project_number", p))
    return tuple(dict.fromkeys(valid))


def _say(unreadable: int) -> None:
    if unreadable:
        _log.warning("%d findings of Security Command Center could not be read and were left out", unreadable)


def _any_of(field: str, values: Iterable[str]) -> str:
    return " OR ".join(f"{field}={lql(value)}" for value in values)


def _is_own(name: str, canonical_name: str, own: tuple[str, ...]) -> bool:
    return name in own or canonical_name in own


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
