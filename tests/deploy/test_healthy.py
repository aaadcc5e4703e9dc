"""What deploy/terraform would make is what the doctor calls healthy, as far as a plan tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from responder import settings
from responder.doctor import delivery, deployed, detector, door, filters, functions, review
from responder.doctor.deployed import Deployed
from responder.doctor.facts import Binding, Function, NotificationConfig, RunService, Subscription
from responder.doctor.lines import Line
from responder.doctor.ports import Case, Needs, Sources
from responder.evidence import Project
from responder.ports import Clusters, Projects
from tests.deploy.plans import EXAMPLES, of

pytestmark = pytest.mark.slow
each_example = pytest.mark.parametrize("example", EXAMPLES)
PARENTS = {"organization": "organizations/123456789012", "folder": "folders/77", "project": "projects/acme-shop-prod"}
PARENTS["everything"] = PARENTS["organization"]
TOKEN = {"serviceAccountEmail": "invoker@acme-sec.iam.gserviceaccount.com"}


class Planned:
    """The plan's functions, configs and review page, and who is let in there; nothing else is asked here."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan

    def functions(self, _: str) -> tuple[Function, ...]:
        """A URL is known after apply alone: here it is made of the name."""
        made = []
        for one in of(self._plan, "google_cloudfunctions2_function").values():
            (service,), (build,) = one["service_config"], one["build_config"]
            made.append(
                Function.model_validate(
                    {
                        "name": f"projects/acme-sec/locations/l/functions/{one['name']}",
                        "state": "ACTIVE",
                        "url": f"https://{one['name']}.run.app",
                        "buildConfig": {"entryPoint": build["entry_point"]},
                        "serviceConfig": {
                            "service": f"projects/acme-sec/locations/l/services/{one['name']}",
                            "uri": f"https://{one['name']}.run.app",
                            "serviceAccountEmail": f"{one['name']}@acme-sec.iam.gserviceaccount.com",
                            "ingressSettings": service["ingress_settings"],
                            "timeoutSeconds": service["timeout_seconds"],
                            "environmentVariables": service["environment_variables"],
                        },
                    }
                )
            )
        return tuple(made)

    def notification_configs(self, _: str) -> tuple[NotificationConfig, ...]:
        kinds = ("organization", "folder", "project")
        found = [one for kind in kinds for one in of(self._plan, f"google_scc_v2_{kind}_notification_config").values()]
        return tuple(
            NotificationConfig.model_validate(
                {"name": one["config_id"], "streamingConfig": {"filter": one["streaming_config"][0]["filter"]}}
            )
            for one in found
        )

    def services(self, *_: str) -> tuple[RunService, ...]:
        """The account's address and the topic are known after apply alone."""
        made = []
        for one in of(self._plan, "google_cloud_run_v2_service").values():
            (template,) = one["template"]
            known = [one for one in template["containers"][0]["env"] if one.get("value")]
            env = [{"name": each["name"], "value": numbered(each["value"])} for each in known]
            made.append(
                RunService.model_validate(
                    {
                        "name": f"projects/acme-sec/locations/{one['location']}/services/{one['name']}",
                        "ingress": one["ingress"],
                        "iapEnabled": one["iap_enabled"],
                        "invokerIamDisabled": bool(one["invoker_iam_disabled"]),
                        "template": {"serviceAccount": "page@x", "containers": [{"env": env}]},
                        "terminalCondition": {"state": "CONDITION_SUCCEEDED"},
                    }
                )
            )
        return tuple(made)

    def invokers(self, service: str) -> tuple[Binding, ...]:
        found = of(self._plan, "google_cloud_run_v2_service_iam_member").values()
        return bindings(one for one in found if one["name"] == service.rpartition("/")[2])

    def reviewers(self, _number: str, _location: str, name: str) -> tuple[Binding, ...]:
        found = of(self._plan, "google_iap_web_cloud_run_service_iam_member").values()
        return bindings(one for one in found if one["cloud_run_service_name"] == name)

    def bindings(self, _: str) -> tuple[Binding, ...]:
        return bindings(of(self._plan, "google_project_iam_member").values())

    def enabled(self, _: str, services: Sequence[str]) -> frozenset[str]:
        on = {one["service"] for one in of(self._plan, "google_project_service").values()}
        return frozenset(services) & on

    def project(self, _: str) -> Project:
        return Project(project_id="acme-sec", number="1", display_name="", state="ACTIVE", labels={})


def numbered(text: str | None) -> str:
    """With a number of a project: it is known after apply alone."""
    return (text or "").replace("made-up-number", "1")


def bindings(members: Iterable[dict[str, Any]]) -> tuple[Binding, ...]:
    """As the API would have them."""
    return tuple(Binding(role=one.get("role") or "", members=(numbered(one.get("member")),)) for one in members)


def the_subscription(plan: dict[str, Any]) -> Subscription:
    """That of the findings, in the API's own words."""
    one = of(plan, "google_pubsub_subscription")["findings"]
    (retry,), (dead,), (expires,) = one["retry_policy"], one["dead_letter_policy"], one["expiration_policy"]
    return Subscription.model_validate(
        {
            "name": f"projects/acme-sec/subscriptions/{one['name']}",
            "pushConfig": {"pushEndpoint": "https://responder-respond.run.app", "oidcToken": TOKEN},
            "ackDeadlineSeconds": one["ack_deadline_seconds"],
            "messageRetentionDuration": one["message_retention_duration"],
            "expirationPolicy": expires,
            "retryPolicy": {"minimumBackoff": retry["minimum_backoff"], "maximumBackoff": retry["maximum_backoff"]},
            "deadLetterPolicy": {"maxDeliveryAttempts": dead["max_delivery_attempts"]},
        }
    )


def a_case(plan: dict[str, Any], example: str = "organization") -> Case:
    asked = Planned(plan)
    return Case(
        settings=settings.read({"RESPONDER_SCC_PARENT": PARENTS[example]}),
        projects=(),
        namespaces=(),
        sources=cast("Sources", asked),
        project=cast("Projects", asked),
        gke=cast("Clusters", asked),
        become=lambda account: pytest.fail(f"{account} was asked"),
        needs=Needs(permissions={}, verbs={}, indexes=()),
        store=lambda _: None,
        brakes=lambda _: (),
        file=lambda path: pytest.fail(f"{path} was read"),
        now=lambda: datetime.now(UTC),
    )


def told(lines: list[object]) -> list[tuple[str, str]]:
    return [(one.check, one.detail) for one in lines if isinstance(one, Line) and one.outcome != "ok"]


@each_example
def test_the_filter_the_subscription_and_the_functions_are_healthy(plans: dict[str, Any], example: str) -> None:
    case = a_case(plans[example], example)
    assert told(list(detector.configs(case))) == []
    one = the_subscription(plans[example])
    run = [deployed.of(function) for function in case.sources.functions("acme-sec")]
    respond = next(f for f in run if f.function.build_config.entry_point == "respond")
    seen = deployed.with_settings(case, respond)
    assert told([*delivery.subscription(seen, one), *functions.running(seen, respond)]) == []
    assert one.dead_letter_policy.max_delivery_attempts >= delivery.LEAST_ATTEMPTS
    for other in run:
        assert told(list(deployed.checked(case, other, beside=respond))) == [], other.function.name


def test_the_filter_is_read_and_not_taken_as_it_comes(plans: dict[str, Any]) -> None:
    (config,) = Planned(plans["organization"]).notification_configs("")
    assert filters.lets_through(config.streaming_config.filter, {**filters.OURS, "category": "Reverse Shell"}) is False


def test_a_function_of_the_plan_with_another_store_is_seen(plans: dict[str, Any]) -> None:
    case = a_case(plans["organization"])
    run = [deployed.of(function) for function in case.sources.functions("acme-sec")]
    assert run[0].settings is not None
    moved = Deployed(function=run[0].function, settings=replace(run[0].settings, store="firestore:acme-sec/other"))
    assert [check for check, _ in told(list(deployed.checked(case, moved, beside=run[1])))] == ["function.settings"]


def test_the_review_page_is_shut_but_for_iap_and_has_the_settings_of_the_functions(plans: dict[str, Any]) -> None:
    case = a_case(plans["everything"])
    run = {one.function.build_config.entry_point: one for one in map(deployed.of, case.sources.functions("acme-sec"))}
    lines = list(review.pages(case, run["respond"]))
    (page,) = (one for one in lines if isinstance(one, review.Page))
    assert told([*lines, *door.shut(case, page), *review.told(case, page, run["respond"], run["act"])]) == []
    assert page.settings is not None
    assert page.settings.actions
    assert told(list(review.pages(a_case(plans["organization"]), run["respond"])))[0][0] == "review"
