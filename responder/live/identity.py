"""What a service account may do, asked in its own name: IAM's testIamPermissions, and SelfSubjectAccessReviews.

The account is impersonated with a short token, which takes `iam.serviceAccounts.getAccessToken` on it. Both questions
are POSTs that change nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import urllib3

from responder import __version__
from responder.doctor.ports import Verb
from responder.errors import Unanswered
from responder.live import _reply
from responder.live._errors import Asking
from responder.live._rest import Rest
from responder.live.kubernetes import tls

if TYPE_CHECKING:
    from responder.live.google import Google
    from responder.ports import Access

PERMISSIONS: Final = ("iam.serviceAccounts.getAccessToken",)
ROLE: Final = "examiner"
"""Apart from the doctor's reads, which are bound high up: there this one would be every account's token."""

_ACCOUNT: Final = re.compile(r"[a-z0-9-]{1,63}@[a-z0-9.-]{1,100}\.gserviceaccount\.com")
_PATH: Final = re.compile(r"[A-Za-z0-9_~+%.:@-]+(?:/[A-Za-z0-9_~+%.:@-]+)+")
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CREATED: Final = 201
_TIMEOUT: Final = urllib3.Timeout(connect=3.0, read=10.0)
_BODY: Final = 1024 * 1024


class Impersonated:
    """`doctor.ports.Identity` of one service account. `google` is the doctor's own."""

    def __init__(self, google: Google, account: str) -> None:
        if not _ACCOUNT.fullmatch(account):
            raise Unanswered("invalid", "not the e-mail address of a service account")
        self._account = account
        self._mend = f"grant yourself {PERMISSIONS[0]} on {account} for this hour (`engineers`, `examine_until`)"
        self._google = google.as_account(account)
        self._rest = Rest(self._google)

    def held(self, resource: str, permissions: Sequence[str]) -> frozenset[str]:
        """Those that IAM says it has."""
        self._ready()
        if not _PATH.fullmatch(resource) or ".." in resource:
            raise Unanswered("invalid", "not a name that Google Cloud would give")
        asking = Asking(f"testIamPermissions on {resource} as {self._account}", mend=self._mend)
        kind, _, name = resource.partition("/")
        if kind == "buckets":
            query = [("permissions", permission) for permission in permissions]
            reply = self._rest.ask("GET", "storage", f"/storage/v1/b/{name}/iam/testPermissions", asking, params=query)
        else:
            service, version = ("pubsub", "v1") if "/topics/" in resource else ("cloudresourcemanager", "v3")
            if "/secrets/" in resource:
                service, version = "secretmanager", "v1"
            if kind == "serviceAccounts":
                service, version, resource = "iam", "v1", f"projects/-/{resource}"
            body = {"permissions": list(permissions)}
            reply = self._rest.ask("POST", service, f"/{version}/{resource}:testIamPermissions", asking, json=body)
        with asking:
            return frozenset(_reply.texts(reply, "permissions")) & frozenset(permissions)

    def may(self, access: Access, verbs: Iterable[Verb]) -> frozenset[Verb]:
        """Those that the cluster says it may do, each asked for on its own."""
        self._ready()
        asking = Asking(f"a SelfSubjectAccessReview of {access.cluster.api_name} as {self._account}", mend=self._mend)
        allowed = set()
        with asking:
            address = self._google.cluster(access)
            # Neither a proxy of the environment nor a redirect: the token goes to the control plane alone.
            with urllib3.PoolManager(ssl_context=tls(address.ca_pem), retries=False, timeout=_TIMEOUT) as pool:
                for verb in verbs:
                    if self._review(pool, address.url, verb, asking):
                        allowed.add(verb)
        return frozenset(allowed)

    def _ready(self) -> None:
        """A token first: where there is none, what is missing is the right to ask for one."""
        try:
            self._google.token()
        except Unanswered as error:
            raise Unanswered(error.why, f"to ask as {self._account}: {error.detail}", mend=self._mend) from None

    def _review(self, pool: urllib3.PoolManager, url: str, verb: Verb, asking: Asking) -> bool:
        resource, _, subresource = verb.resource.partition("/")
        attributes = {
            "group": verb.group,
            "resource": resource,
            "subresource": subresource,
            "verb": verb.verb,
            "namespace": verb.namespace,
        }
        body: dict[str, Any] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        headers = {
            "Authorization": f"Bearer {self._google.token()}",
            "Content-Type": "application/json",
            "User-Agent": f"gke-compiler-responder/{__version__}",
        }
        reply = pool.request(
            "POST", f"{url}{_REVIEWS}", body=json.dumps(body), headers=headers, preload_content=False, redirect=False
        )
        with closing(reply):
            if reply.status != _CREATED:
                raise asking.status(reply.status)
            document = json.loads(reply.read(_BODY))
        if not isinstance(document, dict) or document.get("kind") != "SelfSubjectAccessReview":
            raise asking.broken("the answer is not a SelfSubjectAccessReview")
        return _reply.flag(document, "status", "allowed") is True
