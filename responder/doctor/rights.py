"""What the service accounts may do: all that a step needs, and nothing that it must not. Pure: asks its ports.

Each is asked in the account's own name. A database's rights are bound by a condition, which testIamPermissions on the
project does not see, so that they are read from its policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from responder.doctor import own
from responder.doctor.delivery import EVERYBODY
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.settings import Settings

_TAKES_TOKENS: Final = (
    "iam.serviceAccounts.actAs",
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
)
TOO_MUCH: Final = (
    *_TAKES_TOKENS,
    "container.clusterRoleBindings.create",
    "container.pods.attach",
    "container.pods.delete",
    "container.pods.evict",
    "container.pods.exec",
    "container.secrets.get",
    "container.secrets.list",
    "datastore.entities.create",
    "datastore.entities.delete",
    "datastore.entities.update",
    "iam.serviceAccountKeys.create",
    "resourcemanager.projects.setIamPolicy",
    "storage.objects.create",
    "storage.objects.delete",
)
"""None of ours has any of them in a whole project: what `act` may do in a cluster it has by RBAC, one namespace at a
time, and tokens, databases and buckets are granted one by one.
"""

_REMOVES: Final = (
    "storage.buckets.delete",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
    "storage.objects.delete",
    "storage.objects.update",
)
"""What evidence must be safe from, `act` itself included."""

_DATASTORE: Final = {"roles/datastore.user", "roles/datastore.owner"}
_EVERY_DATABASE: Final = {*_DATASTORE, "roles/owner", "roles/editor"}
_CROWDS: Final = ("domain:", "principalSet://goog/")
"""How members begin that are no person and no group of persons; beside them `allUsers` and `allAuthenticatedUsers`."""


def investigator(case: Case, account: str, home: str, acting: Settings, hands: Sequence[str]) -> Iterator[Line]:
    """Of `respond` or `sweep`, by their settings; `home` is the project that it runs in.

    `acting` are the settings of `act`, and `hands` the accounts that act: to what is theirs these have no rights.
    """
    yield from _reads(case, account, home)
    for email in hands:
        if email != account:
            yield from has_not(case, account, f"serviceAccounts/{email}", _TAKES_TOKENS)
    if bucket := _bucket(acting):
        yield from has_not(case, account, bucket, (*case.needs.permissions["evidence"], *_REMOVES))
    if acting.actions:
        yield from _database(case, account, acting.actions, wanted=False)


def _reads(case: Case, account: str, home: str) -> Iterator[Line]:
    """What all three functions take: `act` looks up everything anew."""
    parent = case.settings.scc_parent
    wanted = case.needs.permissions["investigator"]
    findings = tuple(name for name in wanted if name.startswith("securitycenter."))
    if own.notices_of(case).write_back:
        findings += case.needs.permissions["reporter"]
    yield from _has(case, account, parent, findings)
    for project in case.projects:
        yield from _has(case, account, f"projects/{project}", tuple(name for name in wanted if name not in findings))
    for project in dict.fromkeys((*case.projects, home)):
        yield from has_not(case, account, f"projects/{project}")
    for topic in (case.settings.records_topic, case.settings.action_topic):
        if topic:
            yield from _has(case, account, topic, case.needs.permissions["publisher"])
    for secret in own.secrets(case):
        yield from _has(case, account, secret, case.needs.permissions["notifier"])
    yield from _database(case, account, case.settings.store, wanted=True)


def actor(case: Case, account: str, home: str) -> Iterator[Line]:
    """Of `act`, by its settings, as far as IAM goes."""
    yield from _reads(case, account, home)
    for email in dict.fromkeys((case.settings.collector, case.settings.remediator)):
        if email and email != account:
            yield from _has(case, account, f"serviceAccounts/{email}", case.needs.permissions["actor"])
    if bucket := _bucket(case.settings):
        yield from _has(case, account, bucket, case.needs.permissions["evidence"])
        yield from has_not(case, account, bucket, _REMOVES)
    yield from _database(case, account, case.settings.actions, wanted=True)


def page(case: Case, account: str, home: str, acting: Settings, hands: Sequence[str]) -> Iterator[Line]:
    """Of the review page, by its settings: it writes records and answers, asks `act` to look, and no more.

    `acting` are the settings of `act`, and `hands` the accounts that act.
    """
    publishes = case.needs.permissions["publisher"]
    for project in dict.fromkeys((*case.projects, home)):
        yield from has_not(case, account, f"projects/{project}")
    for email in hands:
        if email != account:
            yield from has_not(case, account, f"serviceAccounts/{email}", _TAKES_TOKENS)
    if bucket := _bucket(acting):
        yield from has_not(case, account, bucket, (*case.needs.permissions["evidence"], *_REMOVES))
    if acting.records_topic:
        yield from has_not(case, account, acting.records_topic, publishes)
    if case.settings.action_topic:
        yield from _has(case, account, case.settings.action_topic, publishes)
    if case.settings.dead_letters:
        project = case.settings.dead_letters.split("/")[1]
        yield from _has(case, account, f"projects/{project}", case.needs.permissions["metrics"])
    yield from _database(case, account, case.settings.store, wanted=True)
    if case.settings.actions:
        yield from _database(case, account, case.settings.actions, wanted=True)


def _bucket(settings: Settings) -> str:
    """`buckets/NAME` of the evidence; empty where none is kept in Cloud Storage."""
    scheme, _, rest = settings.evidence.partition("gs://")
    return f"buckets/{rest.partition('/')[0]}" if rest and not scheme else ""


def no_forging(case: Case, account: str, topic: str) -> Iterator[Line]:
    """Whoever investigates must not be able to publish what it will investigate."""
    check = Check("rights.forging", topic)

    def ask() -> Iterator[Line]:
        held = case.become(account).held(topic, case.needs.permissions["publisher"])
        mend = "bind the role publisher to its own topics alone, never to the project"
        yield check.either(not held, f"{account} cannot publish findings", f"{account} can publish findings", mend)

    yield from check.asking(ask)


def _has(case: Case, account: str, resource: str, wanted: Sequence[str]) -> Iterator[Line]:
    check = Check("rights", resource)

    def ask() -> Iterator[Line]:
        missing = sorted(set(wanted) - case.become(account).held(resource, wanted))
        yield check.either(
            not missing,
            f"{account} has all {len(wanted)} that it needs",
            f"{account} lacks {', '.join(_for_what(case, name) for name in missing)}",
            f"bind the custom role with {missing[0] if missing else 'them'} to it there; docs/permissions.md says why",
        )

    yield from check.asking(ask, gone=("there is no such thing", "create it, or mend the setting that names it"))


def _for_what(case: Case, name: str) -> str:
    reason = case.needs.reasons.get(name)
    return f"{name} ({reason})" if reason else name


def has_not(case: Case, account: str, resource: str, forbidden: Sequence[str] = TOO_MUCH) -> Iterator[Line]:
    """It has nothing there of what it must not have."""
    check = Check("rights.too-much", resource)

    def ask() -> Iterator[Line]:
        held = sorted(case.become(account).held(resource, forbidden))
        mend = "find the role that grants it, and take it away: roles/container.developer and roles/editor do"
        yield check.either(not held, f"{account} has nothing beyond it", f"{account} has {', '.join(held)}", mend)

    yield from check.asking(ask)


def _database(case: Case, account: str, place: str, *, wanted: bool) -> Iterator[Line]:
    """The rights on a database, from the bindings of its project."""
    if not place.startswith("firestore:"):
        return
    project, _, name = place.removeprefix("firestore:").partition("/")
    check = Check("rights.database", place)
    member = f"serviceAccount:{account}"

    def ask() -> Iterator[Line]:
        own = [one for one in case.sources.bindings(f"projects/{project}") if member in one.members]
        there = [one for one in own if f'/databases/{name}"' in one.condition.expression]
        everywhere = [one for one in own if one.role in _EVERY_DATABASE and not one.condition.expression]
        if everywhere:
            mend = f'bind it with a condition: resource.name=="projects/{project}/databases/…"'
            yield check.wrong(f"{account} holds {everywhere[0].role} on every database of {project}", mend)
        elif wanted:
            mend = f"bind the custom role to it in {project}, with a condition that names the database"
            yield check.either(bool(there), f"{account} is bound to it", f"{account} is not bound to it", mend)
        else:
            detail = f"{account} may write there, and could release a brake"
            yield check.either(not there, f"{account} is kept out", detail, "take the binding away")

    yield from check.asking(ask)


def people(case: Case, place: str) -> Iterator[Line]:
    """Who works with a database beside the service accounts: persons and groups that are named, on that database alone.

    A project's owners and editors are not looked at: they can do all that there is.
    """
    if not place.startswith("firestore:"):
        return
    project, _, name = place.removeprefix("firestore:").partition("/")
    check = Check("rights.people", place)

    def ask() -> Iterator[Line]:
        every = case.sources.bindings(f"projects/{project}")
        here = [
            (one.role, m) for one in every if f'/databases/{name}"' in one.condition.expression for m in one.members
        ]
        wide = [(one.role, m) for one in every if one.role in _DATASTORE for m in one.members]
        wide = [pair for pair in wide if pair not in here]
        named = []
        for role, member in (*here, *wide):
            mend = f"gcloud projects remove-iam-policy-binding {project} --member={member} --role={role} --all"
            if member in EVERYBODY or member.startswith(_CROWDS):
                yield check.wrong(f"{member} holds {role}: nobody can say who that is", mend)
            elif member.startswith("serviceAccount:"):
                continue
            elif (role, member) in wide:
                yield check.wrong(f"{member} holds {role} on every database of {project}", mend)
            else:
                named.append(member)
        told = ", ".join(sorted(set(named)))
        yield check.ok(f"people: {told}" if told else "no person is bound to it")

    yield from check.asking(ask)
