"""The doctor's adapters against a server that answers what it likes: nothing of it passes for health."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from responder.doctor.facts import Subscription
from responder.errors import Unanswered
from responder.live.deployment import Deployment
from responder.live.google import Google
from responder.live.identity import Impersonated
from tests.live.test_rest import OneAnswer, as_json

PROJECT = "acme-sec"
ACCOUNT = "act@acme-sec.iam.gserviceaccount.com"
Read = Callable[[Deployment], Any]


class Posing(OneAnswer):
    """The same, as whichever account is asked for; without a token where `refused`."""

    refused = False

    def as_account(self, _: str) -> Posing:
        return self

    def token(self) -> str:
        if self.refused:
            raise Unanswered("denied", "an access token: HTTP 403 Forbidden")
        return "token"


def deployment(server: OneAnswer) -> Deployment:
    return Deployment(cast("Google", server))


READS: dict[str, tuple[Read, dict[str, Any]]] = {
    # what is asked: (the read, an answer of another form)
    "tier": (lambda d: d.tier("organizations/1"), {"billingTier": 3}),
    "detector": (lambda d: d.detector("organizations/1"), {"modules": ["x"]}),
    "configs": (lambda d: d.notification_configs("organizations/1"), {"notificationConfigs": {"x": 1}}),
    "topic": (lambda d: d.bindings("projects/p/topics/t"), {"bindings": "x"}),
    "project": (lambda d: d.bindings("projects/p"), {"bindings": [{"members": "allUsers"}]}),
    "invokers": (lambda d: d.invokers("projects/p/locations/l/services/s"), {"bindings": [1]}),
    "subscriptions": (lambda d: d.subscriptions(PROJECT), {"subscriptions": [{"ackDeadlineSeconds": "soon"}]}),
    "functions": (lambda d: d.functions(PROJECT), {"functions": [{"serviceConfig": []}]}),
    "jobs": (lambda d: d.jobs(PROJECT, "l"), {"jobs": [{"httpTarget": 1}]}),
    "database": (lambda d: d.database(PROJECT, "records"), {"type": {}}),
    "indexes": (lambda d: d.indexes(PROJECT, "records"), {"indexes": [{"fields": "x"}]}),
    "bucket": (lambda d: d.bucket("b"), {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": "perhaps"}}}),
    "apis": (lambda d: d.enabled(PROJECT, ["run.googleapis.com"]), {"services": [{"state": 1}]}),
    "clusters": (lambda d: d.clusters(PROJECT), {"clusters": [{"loggingConfig": 1}]}),
    "sink": (lambda d: d.sink(PROJECT), {"exclusions": {}}),
}


def test_an_answer_of_another_form_is_broken_and_never_an_empty_one() -> None:
    with OneAnswer(*(as_json(wrong) for _, wrong in READS.values())).serve() as server:
        for name, (read, _) in READS.items():
            with pytest.raises(Unanswered) as error:
                read(deployment(server))
            assert (name, error.value.why) == (name, "broken")


@pytest.mark.parametrize(("status", "why"), [(401, "denied"), (403, "denied"), (404, "not_found"), (429, "quota"),
                                             (302, "broken"), (500, "unavailable"), (504, "timeout")])  # fmt: skip
def test_a_refusal_is_told_by_its_kind_and_a_redirect_is_not_followed(status: int, why: str) -> None:
    elsewhere = {"Location": "http://198.51.100.1/"}
    with OneAnswer((status, elsewhere, b"{}")).serve() as server:
        for name, (read, _) in READS.items():
            with pytest.raises(Unanswered) as error:
                read(deployment(server))
            assert (name, error.value.why) == (name, why)
            assert ("deploy/iam/doctor.yaml" in error.value.mend) is (why == "denied")
        assert len(server.seen) == len(READS)


def test_a_list_is_read_to_its_last_page() -> None:
    pages = [
        as_json({"subscriptions": [{"name": "a"}], "nextPageToken": "n"}),
        as_json({"subscriptions": [{"name": "b"}]}),
    ]
    with OneAnswer(*pages).serve() as server:
        assert deployment(server).subscriptions(PROJECT) == (Subscription(name="a"), Subscription(name="b"))
        assert [path.partition("?")[2] for _, path, _ in server.seen] == ["", "pageToken=n"]


def test_a_list_without_an_end_is_no_answer() -> None:
    with OneAnswer(as_json({"nextPageToken": "n"})).serve() as server, pytest.raises(Unanswered) as error:
        deployment(server).subscriptions(PROJECT)
    assert error.value.why == "unavailable"
    assert len(server.seen) == 20


@pytest.mark.parametrize("part", [{"unreachable": ["us-east1"]}, {"missingZones": ["europe-west1-b"]}])
def test_a_list_that_leaves_places_out_is_no_answer(part: dict[str, Any]) -> None:
    with OneAnswer(as_json(part)).serve() as server, pytest.raises(Unanswered) as error:
        deployment(server).clusters(PROJECT)
    assert error.value.why == "unavailable"


@pytest.mark.parametrize("name", ["../../v1/projects/other", "a b", "t?x=1", "t#x", "", "t\x00", "té"])
def test_a_name_that_leads_elsewhere_is_never_sent(name: str) -> None:
    with Posing(as_json({})).serve() as server:
        for ask in (
            lambda: deployment(server).bindings(f"projects/p/topics/{name}"),
            lambda: Impersonated(server, ACCOUNT).held(f"projects/p/topics/{name}", ["x"]),
        ):
            with pytest.raises(Unanswered) as error:
                ask()
            assert error.value.why == "invalid"
        assert server.seen == []


@pytest.mark.parametrize("account", ["", "me@acme.example", "a/b@p.iam.gserviceaccount.com", "x@gserviceaccount.com:y"])
def test_only_a_service_account_is_asked_for(account: str) -> None:
    with Posing(as_json({})).serve() as server, pytest.raises(Unanswered) as error:
        Impersonated(server, account)
    assert error.value.why == "invalid"


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("organizations/1", "/cloudresourcemanager/v3/organizations/1:testIamPermissions"),
        ("projects/p/topics/t", "/pubsub/v1/projects/p/topics/t:testIamPermissions"),
        (f"serviceAccounts/{ACCOUNT}", f"/iam/v1/projects/-/serviceAccounts/{ACCOUNT}:testIamPermissions"),
        ("buckets/b", "/storage/storage/v1/b/b/iam/testPermissions?permissions=x.y.z&permissions=x.y.a"),
    ],
)
def test_each_kind_of_resource_is_asked_of_its_own_service(resource: str, path: str) -> None:
    with Posing(as_json({"permissions": ["x.y.z", "not.asked.for"]})).serve() as server:
        assert Impersonated(server, ACCOUNT).held(resource, ["x.y.z", "x.y.a"]) == {"x.y.z"}
        assert [seen for _, seen, _ in server.seen] == [path]


def test_without_the_right_to_take_a_token_the_right_is_named_and_nothing_is_asked() -> None:
    with Posing(as_json({})).serve() as server:
        server.refused = True
        with pytest.raises(Unanswered) as error:
            Impersonated(server, ACCOUNT).held("organizations/1", ["x"])
        assert f"iam.serviceAccounts.getAccessToken on {ACCOUNT}" in error.value.mend
        assert server.seen == []
