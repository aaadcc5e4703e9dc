"""Who a bearer token is, and what RBAC allows it in the lab's clusters. Reads deploy/rbac.

The investigator, the collector and the remediator may do what the files in deploy/rbac grant them, and nothing else:
what the product does in the lab, it can do with those. The admin is the analyst who pastes commands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from lab import status
from lab.environment import ROOT
from lab.resources import BUILT_IN, Asked, Resource
from lab.scenario import Scenario

INVESTIGATOR_TOKEN: Final = "lab-investigator"  # noqa: S105 - a made-up credential of a loopback server
COLLECTOR_TOKEN: Final = "lab-collector"  # noqa: S105 - the same
REMEDIATOR_TOKEN: Final = "lab-remediator"  # noqa: S105 - the same
DOCTOR_TOKEN: Final = "lab-doctor"  # noqa: S105 - the same
ACT_TOKEN: Final = "lab-act"  # noqa: S105 - the same
REVIEW_TOKEN: Final = "lab-review"  # noqa: S105 - the same
ADMIN_TOKEN: Final = "lab-admin"  # noqa: S105 - the same
INVESTIGATOR: Final = "investigator@acme-sec.iam.gserviceaccount.com"
COLLECTOR: Final = "collector@acme-sec.iam.gserviceaccount.com"
REMEDIATOR: Final = "remediator@acme-sec.iam.gserviceaccount.com"
DOCTOR: Final = "engineer@acme.example"
ACT: Final = "act@acme-sec.iam.gserviceaccount.com"
REVIEW: Final = "review@acme-sec.iam.gserviceaccount.com"
ADMIN: Final = "analyst@acme.example"
EMAIL_SCOPE: Final = "https://www.googleapis.com/auth/userinfo.email"
_UNNAMED: Final = "unnamed:"

Rule = dict[str, list[str]]
_READ: Final = ["get", "list"]
# Bound to every authenticated user of a real cluster: system:basic-user.
_EVERYBODY: Final[tuple[Rule, ...]] = (
    {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A user and the rules that are bound to it."""

    user: str
    rules: tuple[Rule, ...]

    def may(self, asked: Asked) -> bool:
        """Whether a rule allows it. A session may be opened by `get` too: WebSocket begins with GET."""
        verbs = {asked.verb, "get"} if asked.subresource in {"exec", "attach"} else {asked.verb}
        return any(_allows(rule, asked, verbs) for rule in (*self.rules, *_EVERYBODY))


def _allows(rule: Rule, asked: Asked, verbs: set[str]) -> bool:
    def holds(key: str, values: set[str]) -> bool:
        allowed = rule.get(key)
        return allowed is None or "*" in allowed or bool(values & set(allowed))

    return (
        holds("apiGroups", {asked.group})
        and holds("resources", {asked.resource})
        and holds("verbs", verbs)
        and holds("resourceNames", {asked.name})
        and holds("namespaces", {asked.namespace})
    )


@cache
def granted(role: str) -> tuple[Rule, ...]:
    """The rules of deploy/rbac/{role}.yaml."""
    documents = yaml.safe_load_all((ROOT / "deploy" / "rbac" / f"{role}.yaml").read_text(encoding="utf-8"))
    return tuple(rule for document in documents for rule in document.get("rules", ()))


def identities(scenario: Scenario, resources: tuple[Resource, ...]) -> dict[str, Identity]:
    """Token -> identity. A token that the scenario gives replaces ours of the same name."""
    custom = sorted({r.group for r in resources if r not in BUILT_IN})
    reading: tuple[Rule, ...] = ({"apiGroups": custom, "resources": ["*"], "verbs": _READ},)
    known = {
        INVESTIGATOR_TOKEN: Identity(user=INVESTIGATOR, rules=(*granted("investigator"), *reading)),
        COLLECTOR_TOKEN: Identity(user=COLLECTOR, rules=granted("collector")),
        REMEDIATOR_TOKEN: Identity(user=REMEDIATOR, rules=granted("remediator")),
        ADMIN_TOKEN: Identity(user=ADMIN, rules=({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},)),
    }
    given = {i.token: Identity(user=i.user, rules=i.rules) for i in scenario.identities}
    return known | given


def scoped(token: str, scopes: Collection[str]) -> str:
    """An account's token as it is given for those scopes."""
    return token if EMAIL_SCOPE in scopes else f"{_UNNAMED}{token}"


def unscoped(token: str) -> str:
    """The account's token, whatever it was given for: IAM knows the account all the same."""
    return token.removeprefix(_UNNAMED)


def unique_id(email: str) -> str:
    """The number of a service account, 21 digits as Google's are."""
    return f"1{int(hashlib.sha256(email.encode()).hexdigest(), 16) % 10**20:020}"


def authenticate(known: dict[str, Identity], authorization: str) -> Identity:
    """The identity behind an `Authorization` header; `status.ApiError` (401) where there is none.

    As on GKE, an account whose token may not tell its e-mail is its number: to RBAC it is somebody else.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or unscoped(token) not in known:
        raise status.unauthorized()
    identity = known[unscoped(token)]
    return identity if token in known else Identity(user=unique_id(identity.user), rules=())


def forbidden(identity: Identity, asked: Asked) -> status.ApiError:
    """The refusal in RBAC's words."""
    return status.forbidden(
        user=identity.user,
        verb=asked.verb,
        resource=asked.resource,
        group=asked.group,
        namespace=asked.namespace,
        name=asked.name,
    )


def access_review(identity: Identity, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a SelfSubjectAccessReview."""
    spec = body.get("spec") or {}
    wanted = spec.get("resourceAttributes")
    # Discovery is open to every authenticated user (system:discovery).
    allowed = bool(spec.get("nonResourceAttributes"))
    if wanted:
        allowed = identity.may(
            Asked(
                verb=wanted.get("verb", ""),
                group=wanted.get("group", ""),
                plural=wanted.get("resource", ""),
                subresource=wanted.get("subresource", ""),
                namespace=wanted.get("namespace", ""),
                name=wanted.get("name", ""),
            )
        )
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": {"allowed": allowed, **({} if allowed else {"reason": "no rule allows it"})},
    }
