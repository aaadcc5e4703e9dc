"""Step 7: whom to contact about the workload, best first, each with where it is written. Pure.

Labels and annotations are words of whoever may write them in the cluster: they name somebody to ask, and grant nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from responder.evidence import Evidence, Found, Missing, OwnerContact
from responder.finding import Finding
from responder.record import Owner

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_TEAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/#-]{0,79}")
# What SCC and IAM call the people to ask about security first.
_CATEGORIES = ("SECURITY", "security", "TECHNICAL", "technical", "ALL", "all")


def owner(finding: Finding, evidence: Evidence, keys: Iterable[str]) -> Owner:
    """Workload, namespace, the finding's contacts, Essential Contacts, project labels, last `roles/owner`."""
    wanted = tuple(keys)
    found: dict[str, OwnerContact] = {}
    for contact in _candidates(finding, evidence, wanted):
        found.setdefault(contact.value, contact)
    asked = {
        "owners": "annotations of the workload",
        "namespace": "annotations of the namespace",
        "cluster": "labels of the cluster",
        "essential_contacts": "Essential Contacts",
        "project": "project labels",
        "project_owners": "roles/owner",
    }
    missing = [
        f"{title}: {answer.why}, {answer.detail}" + (f" ({answer.mend})" if answer.mend else "")
        for name, title in asked.items()
        if isinstance(answer := getattr(evidence, name), Missing) and answer.why != "not_asked"
    ]
    return Owner(contacts=tuple(found.values()), missing=tuple(missing))


def _candidates(finding: Finding, evidence: Evidence, keys: tuple[str, ...]) -> Iterator[OwnerContact]:
    yield from _of_the_workload(evidence, keys)
    for category in sorted(finding.contacts, key=lambda c: _CATEGORIES.index(c) if c in _CATEGORIES else 99):
        for mail in finding.contacts[category]:
            yield from _contact(mail, f"contacts of the finding, {category}")
    yield from _of_the_project(evidence, keys)


def _of_the_workload(evidence: Evidence, keys: tuple[str, ...]) -> Iterator[OwnerContact]:
    if isinstance(evidence.owners, Found):
        for link in reversed(evidence.owners.value.links):
            place = f"{link.kind} {link.name}"
            yield from _from_words(link.annotations, keys, f"annotation of {place}")
            yield from _from_words(link.labels, keys, f"label of {place}")
    if isinstance(evidence.namespace, Found):
        space = evidence.namespace.value
        yield from _from_words(space.annotations, keys, f"annotation of namespace {space.name}")
        yield from _from_words(space.labels, keys, f"label of namespace {space.name}")


def _of_the_project(evidence: Evidence, keys: tuple[str, ...]) -> Iterator[OwnerContact]:
    if isinstance(evidence.essential_contacts, Found):
        for mail in evidence.essential_contacts.value:
            yield from _contact(mail, "Essential Contacts, SECURITY")
    if isinstance(evidence.cluster, Found):
        yield from _from_words(evidence.cluster.value.labels, keys, "label of the cluster")
    if isinstance(evidence.project, Found):
        yield from _from_words(evidence.project.value.labels, keys, "label of the project")
    if isinstance(evidence.project_owners, Found):
        for member in evidence.project_owners.value:
            kind, _, name = member.partition(":")
            if kind in {"user", "group"}:  # nobody reads the mail of a service account, and a domain is nobody
                yield from _contact(name, "holder of roles/owner on the project")


def _from_words(words: Mapping[str, str], keys: tuple[str, ...], source: str) -> Iterator[OwnerContact]:
    for key in keys:
        for value in re.split(r"[,;] *", words.get(key, "")):
            yield from _contact(value.strip(" "), f"{source}, {key}")


def _contact(value: str, source: str) -> Iterator[OwnerContact]:
    if _EMAIL.fullmatch(value):
        yield OwnerContact(value=value, kind="email", source=source)
    elif _TEAM.fullmatch(value):
        yield OwnerContact(value=value, kind="team", source=source)
