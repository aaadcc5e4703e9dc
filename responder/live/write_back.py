"""After step 7: tells Security Command Center what became of a finding: our own marks, and where the record is.

No mute and no state is changed: an INACTIVE that a program sets hides an incident. A mask names each mark that is
written, since an empty one replaces the marks of everybody (`UpdateSecurityMarksRequest`). The project's name of the
finding goes first, for where SCC is activated for projects, writes at the organization are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from responder import names
from responder.errors import Unanswered
from responder.live._errors import Asking
from responder.live._patience import Patience

PERMISSIONS: Final = (
    "securitycenter.findingsecuritymarks.update",
    "securitycenter.findingexternalsystems.update",
)
ROLE: Final = "reporter"

_MARKS, _SYSTEMS = PERMISSIONS
_SECONDS: Final = 20.0
_ATTEMPT_SECONDS: Final = 8.0
_KEY: Final = re.compile(r"responder_[a-z0-9_-]{1,200}")
_MOST_VALUE: Final = 4096
_SYSTEM: Final = "gke-compiler-responder"
_MOST_TEXT: Final = 1000
_URI: Final = re.compile(r"https://[!-~]{1,2000}")
_ELSEWHERE: Final = frozenset({"denied", "not_found", "broken"})
"""Answers after which the other name is tried: the finding may be writable by that one."""


class WriteBack:
    """`client` is a `securitycenter_v2.SecurityCenterClient`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def marks(self, name: str, canonical_name: str, marks: Mapping[str, str]) -> None:
        """Set these marks on the finding, and no other; keys begin with `responder_`, values have 1 to 4096 characters.

        Keys and values count as equal in any case; values are trimmed (google/cloud/securitycenter/v2).
        """
        told = {key: value.strip() for key, value in marks.items()}
        for key, value in told.items():
            if not _KEY.fullmatch(key) or not 1 <= len(value) <= _MOST_VALUE:
                raise Unanswered("invalid", f"{_MARKS}: {key[:100]!r} is no mark of ours, or its value none")
        if not told:
            raise Unanswered("invalid", f"{_MARKS}: no mark is given")
        # Paths as a list: of one text, protobuf makes camel case and refuses the underscore.
        mask = {"paths": [f"marks.{key}" for key in sorted(told)]}

        def call(finding: str, **how: Any) -> None:
            marked = {"name": f"{finding}/securityMarks", "marks": told}
            self._client.update_security_marks(request={"security_marks": marked, "update_mask": mask}, **how)

        self._at_either(name, canonical_name, _MARKS, call)

    def external_system(self, name: str, canonical_name: str, *, uid: str, uri: str, status: str) -> None:
        """The record's id, where it can be read (`uri` may be empty), and what became of it."""
        if uri and not _URI.fullmatch(uri):
            raise Unanswered("invalid", f"{_SYSTEMS}: no https address")
        told = {"external_uid": uid[:_MOST_TEXT], "status": status[:_MOST_TEXT], "case_uri": uri}
        told = {key: value for key, value in told.items() if value}

        def call(finding: str, **how: Any) -> None:
            system = {"name": f"{finding}/externalSystems/{_SYSTEM}", **told}
            request = {"external_system": system, "update_mask": {"paths": sorted(told)}}
            self._client.update_external_system(request=request, **how)

        self._at_either(name, canonical_name, _SYSTEMS, call)

    def _at_either(self, name: str, canonical_name: str, permission: str, call: Callable[..., None]) -> None:
        """Call with one name after the other, until one is taken; what the last one said is raised."""
        finding_names = tuple(dict.fromkeys(map(_writable, filter(None, (canonical_name, name)))))
        if not finding_names:
            raise Unanswered("invalid", f"{permission}: the finding has no name")
        patience = Patience(total=_SECONDS, attempt=_ATTEMPT_SECONDS)
        for left, finding in reversed(list(enumerate(reversed(finding_names)))):
            what = f"{permission} on {finding}"
            mend = f"grant the responder {permission} at {_parent(finding)} (deploy/iam/reporter.yaml)"
            try:
                with Asking(what, mend=mend):
                    call(finding, retry=patience.retry(), timeout=patience.timeout)
            except Unanswered as error:
                if not left or error.why not in _ELSEWHERE:
                    raise
            else:
                return


def _writable(name: str) -> str:
    """The name with its location, which writes need. Unanswered where it is no name of SCC's."""
    if not names.is_valid("scc_name", name):
        raise Unanswered("invalid", "the finding has no name that Security Command Center would give")
    head, _, finding_id = name.rpartition("/findings/")
    source, _, location = head.partition("/locations/")
    return f"{source}/locations/{location or 'global'}/findings/{finding_id}"


def _parent(name: str) -> str:
    return name.partition("/sources/")[0]
