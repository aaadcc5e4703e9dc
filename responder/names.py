"""Which words of a finding may be asked for: validate first, quote later. Pure.

Everything in a finding, a label or a log line is the attacker's text. A name that does not match the grammar of its
owner (Kubernetes' RFC 1123, Google's resource naming) is never put into a URL, a filter or a command.
"""

from __future__ import annotations

import re
from typing import Final

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_GRAMMAR: Final = {
    # Kubernetes, Object Names and IDs: RFC 1123 label (63) and subdomain (253).
    "namespace": (re.compile(_LABEL), 63),
    "container": (re.compile(_LABEL), 63),
    "pod": (re.compile(rf"{_LABEL}(?:\.{_LABEL})*"), 253),
    "node": (re.compile(rf"{_LABEL}(?:\.{_LABEL})*"), 253),
    "workload": (re.compile(rf"{_LABEL}(?:\.{_LABEL})*"), 253),
    "uid": (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"), 36),
    "pod_template_hash": (re.compile(r"[a-z0-9]+"), 63),
    # GKE cluster names: lower case letters, digits, hyphens, at most 40.
    "cluster": (re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?"), 40),
    "location": (re.compile(r"[a-z]+-[a-z]+[0-9]+(?:-[a-z])?"), 40),
    "zone": (re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]"), 40),
    "instance_id": (re.compile(r"[0-9]+"), 20),
    # Project ids: 6 to 30, and the older form `domain.com:id`.
    "project_id": (re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"), 100),
    "project_number": (re.compile(r"[0-9]+"), 20),
    "scc_name": (
        re.compile(
            r"(?:organizations|folders|projects)/[a-z0-9.:-]+/sources/[0-9]+(?:/locations/[a-z0-9-]+)?/findings/[A-Za-z0-9]+",
        ),
        300,
    ),
    "absolute_path": (re.compile(r"/[\x20-\x7e\xa0-\U0010ffff]*"), 4096),
}


def is_valid(kind: str, text: str) -> bool:
    """Whether `text` is a name of that `kind`; an unknown kind is a KeyError, not a no."""
    grammar, limit = _GRAMMAR[kind]
    return len(text) <= limit and grammar.fullmatch(text) is not None


def location_type(location: str) -> str:
    """`zone` for `europe-west1-b`, `region` for `europe-west1`."""
    return "zone" if location.count("-") == 2 else "region"  # noqa: PLR2004 - region and zone letter
