"""After step 7, the lab's side: what Security Command Center is told about a finding, and how it refuses.

The lab keeps marks and external systems in the findings that it lists. It takes less than Google does: a mask that
would replace marks of others is an error here.
"""

from __future__ import annotations

import re
from typing import Any, Final

import grpc
from google.protobuf import json_format

from lab import findings
from lab.answers import ApiError, Dropped, fail, invalid, permission
from lab.state import FaultError, Lab

_WRITTEN: Final = re.compile(
    r"(?P<owner>(?:organizations|folders|projects)/[^/]+)/sources/[^/]+/locations/global/findings/(?P<id>[^/]+)/(?P<kind>\w+)"
)
_MARK: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Writes:
    """The writing half of `google.cloud.securitycenter.v2.SecurityCenter`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._listed = findings.listed(lab)

    async def UpdateSecurityMarks(self, request: Any) -> Any:
        """Set the marks that the mask names (`marks.KEY`); one that names none would replace everybody's: refused."""
        name, kind = request.security_marks.name, "securityMarks"
        paths, is_lost = await self._written("scc.UpdateSecurityMarks", name, request)
        keys = {path.partition("marks.")[2] for path in paths}
        given = dict(request.security_marks.marks)
        if not keys or "" in keys or keys != set(given):
            raise invalid("The lab takes marks.KEY for each mark that is given, and for no other.")
        if not all(_MARK.fullmatch(key) and 1 <= len(given[key].strip()) <= 4096 for key in keys):
            raise invalid("Invalid security mark.")
        finding = self._finding(name, kind)
        finding.security_marks.name = f"{finding.name}/{kind}"
        finding.security_marks.marks.update(given)
        if is_lost:
            raise Dropped
        return finding.security_marks

    async def UpdateExternalSystem(self, request: Any) -> Any:
        """Set the fields that the mask names of one external system."""
        given = request.external_system
        paths, is_lost = await self._written("scc.UpdateExternalSystem", given.name, request)
        if not paths:
            raise invalid("The lab takes an update mask that names its fields.")
        owner, _, system = given.name.rpartition("/externalSystems/")
        finding = self._finding(f"{owner}/externalSystems", "externalSystems")
        kept = finding.external_systems[system]
        try:
            request.update_mask.MergeMessage(given, kept)
        except ValueError as error:
            raise invalid(f"Invalid update_mask: {error}") from error
        kept.name = given.name
        if is_lost:
            raise Dropped
        return kept

    async def _written(self, call: str, name: str, request: Any) -> tuple[list[str], bool]:
        """Write the call down and fail as planned; the mask's paths, and whether the reply will be lost."""
        paths = list(request.update_mask.paths)
        self._lab.write(call, name=name, paths=paths, body=json_format.MessageToDict(request))
        try:
            await self._lab.fault(call, name)
        except FaultError as fault:
            if fault.kind == "drop_reply":
                return paths, True
            raise self._failed(fault, name) from fault
        return paths, False

    def _finding(self, name: str, kind: str) -> Any:
        """The finding of a write; at an organization where SCC is activated for projects, refused in Google's words."""
        match = _WRITTEN.fullmatch(name)
        if match is None or match["kind"] != kind:
            raise invalid(f"Invalid name: {name!r}.")
        scenario, owner = self._lab.scenario, match["owner"]
        if scenario.scc_parent.startswith("projects/") and not owner.startswith("projects/"):
            raise invalid("Security Command Center Legacy has been permanently disabled.")
        project = next((p.id for p in scenario.projects if owner in {f"projects/{p.id}", f"projects/{p.number}"}), None)
        if project is None and owner != scenario.scc_parent:
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, scc_denied(owner))
        for known in self._listed:
            is_visible = known.appears is None or known.appears <= self._lab.now()
            is_it = known.result.finding.name.endswith(f"/findings/{match['id']}")
            if is_visible and is_it and project in {None, known.project}:
                return known.result.finding
        raise ApiError(grpc.StatusCode.NOT_FOUND, "Requested entity was not found.")

    @staticmethod
    def _failed(fault: FaultError, parent: str) -> Exception:
        owner = parent.split("/sources/", maxsplit=1)[0]
        return fail(
            fault,
            denied=scc_denied(owner),
            missing=f"Requested entity was not found: {parent}.",
            quota=f"service 'securitycenter.googleapis.com' for consumer '{owner}'",
        )


def scc_denied(owner: str) -> str:
    """Google's text for a project or an organization whose findings may not be seen."""
    return permission("securitycenter.findings.list", f"//cloudresourcemanager.googleapis.com/{owner}")
