"""Whom to ask: the narrowest owner first, each with where it is written, and nobody who is no address and no team."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.evidence import Evidence, Missing, Namespace, OwnerContact, Project, Workload
from responder.finding import Finding
from responder.owner import owner
from responder.record import Owner
from tests.builders import a_finding
from tests.sheets import a_chain, a_cluster, found

KEYS = ("owner", "contact", "team")
DENIED = Missing(why="denied", detail="resourcemanager.projects.getIamPolicy", mend="grant roles/browser")


def a_link(kind: str, name: str, **words: dict[str, str]) -> Workload:
    return Workload(api_version="apps/v1", kind=kind, name=name, how_known="ownerReferences", **words)


def chain(*links: Workload) -> Any:
    return found(a_chain(links=links))


def a_project(**labels: str) -> Project:
    return Project(project_id="acme-shop-prod", number="421458901689", display_name="", state="ACTIVE", labels=labels)


def asked(evidence: Evidence | None = None, finding: Finding | None = None, keys: tuple[str, ...] = KEYS) -> Owner:
    return owner(finding or a_finding(), evidence or Evidence(), keys)


def values(made: Owner) -> list[str]:
    return [contact.value for contact in made.contacts]


# --- the order --------------------------------------------------------------------------------------------------------


def test_the_workload_comes_first_and_the_projects_owners_last() -> None:
    evidence = Evidence(
        owners=chain(
            a_link("ReplicaSet", "web-1", labels={"team": "replica"}),
            a_link("Deployment", "web", annotations={"contact": "oncall@acme.example"}, labels={"team": "web"}),
        ),
        namespace=found(
            Namespace(name="shop", annotations={"owner": "space@acme.example"}, labels={"team": "space-team"})
        ),
        essential_contacts=found(("soc@acme.example",)),
        cluster=found(a_cluster(labels={"team": "cluster-team"})),
        project=found(a_project(team="project-team")),
        project_owners=found(("user:boss@acme.example",)),
    )
    finding = a_finding(contacts={"SECURITY": ("finding@acme.example",)})
    assert values(asked(evidence, finding)) == [
        "oncall@acme.example",
        "web",
        "replica",
        "space@acme.example",
        "space-team",
        "finding@acme.example",
        "soc@acme.example",
        "cluster-team",
        "project-team",
        "boss@acme.example",
    ]


def test_the_keys_are_asked_in_the_order_of_the_settings() -> None:
    words = {"team": "web", "owner": "web-owner@acme.example", "note": "nobody"}
    evidence = Evidence(owners=chain(a_link("Deployment", "web", annotations=words)))
    assert values(asked(evidence)) == ["web-owner@acme.example", "web"]
    assert values(asked(evidence, keys=("team", "owner"))) == ["web", "web-owner@acme.example"]
    assert values(asked(evidence, keys=())) == []


def test_of_the_findings_contacts_security_comes_before_technical_and_the_rest() -> None:
    finding = a_finding(
        contacts={
            "BILLING": ("b@a.example",),
            "technical": ("t@a.example",),
            "SECURITY": ("s@a.example", "s2@a.example"),
        }
    )
    assert values(asked(finding=finding)) == ["s@a.example", "s2@a.example", "t@a.example", "b@a.example"]


def test_somebody_who_is_named_twice_stands_once_where_they_were_named_first() -> None:
    evidence = Evidence(
        owners=chain(a_link("Deployment", "web", annotations={"owner": "web@acme.example"})),
        essential_contacts=found(("web@acme.example",)),
    )
    (contact,) = asked(evidence).contacts
    assert contact == OwnerContact(value="web@acme.example", kind="email", source="annotation of Deployment web, owner")


# --- who counts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("web-team@acme.example", "email"),
        ("first.last+gke@sub.acme.example", "email"),
        ("#web-oncall", None),
        ("web/oncall #1", "team"),
        ("Web Platform", "team"),
        ("shop-platform_at_acme_example", "team"),
        ("", None),
        ("-rf", None),
        ("a\nb", None),
        ("web@acme.example\n", None),
        ("web@acme", None),
        ("<b>web</b>", None),
        ("https://oncall.acme.example", None),
        ("x" * 81, None),
    ],
)
def test_only_an_address_or_the_plain_name_of_a_team_is_a_contact(value: str, kind: str | None) -> None:
    evidence = Evidence(owners=chain(a_link("Deployment", "web", annotations={"owner": value})))
    contacts = asked(evidence).contacts
    assert [contact.kind for contact in contacts] == ([kind] if kind else [])
    assert [contact.value for contact in contacts] == ([value] if kind else [])


def test_of_the_projects_owners_people_and_groups_are_asked_without_their_prefix() -> None:
    evidence = Evidence(project_owners=found(("user:a@acme.example", "group:b@acme.example")))
    assert values(asked(evidence)) == ["a@acme.example", "b@acme.example"]


@given(text=st.text(max_size=200))
def test_whatever_a_label_says_no_contact_has_more_than_one_line(text: str) -> None:
    evidence = Evidence(owners=chain(a_link("Deployment", "web", labels={"team": text})))
    for contact in asked(evidence).contacts:
        assert contact.value in text
        assert "\n" not in contact.value
        assert contact.value.isprintable()


# --- what is missing --------------------------------------------------------------------------------------------------


def test_where_nobody_is_named_nobody_is_made_up() -> None:
    empty = Evidence(owners=chain(), essential_contacts=found(()), project=found(a_project()), project_owners=found(()))
    assert asked(empty) == Owner(contacts=(), missing=())


def test_what_could_not_be_read_is_said_with_the_way_to_mend_it() -> None:
    evidence = Evidence(essential_contacts=found(()), project=found(a_project()), project_owners=DENIED)
    assert asked(evidence).missing == (
        "roles/owner: denied, resourcemanager.projects.getIamPolicy (grant roles/browser)",
    )


def test_of_the_holders_of_roles_owner_only_people_and_groups_are_asked() -> None:
    members = (
        "serviceAccount:ci@p.iam.gserviceaccount.com",
        "domain:acme.example",
        "projectOwner:p",
        "group:g@acme.example",
    )
    assert values(asked(Evidence(project_owners=found(members)))) == ["g@acme.example"]


def test_several_addresses_in_one_annotation_are_several_contacts() -> None:
    evidence = Evidence(
        owners=chain(a_link("Deployment", "web", annotations={"owner": "a@acme.example, b@acme.example"}))
    )
    assert values(asked(evidence)) == ["a@acme.example", "b@acme.example"]


def test_a_workload_that_could_not_be_read_is_named_among_what_is_missing() -> None:
    made = asked(Evidence(owners=Missing(why="denied", detail="replicasets.get", mend="apply deploy/rbac/")))
    assert any("annotations of the workload: denied" in line for line in made.missing)
