"""A healthy deployment as the JSON of Google's APIs: path -> what GET answers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lab.rbac import ACT, COLLECTOR, INVESTIGATOR, REMEDIATOR, REVIEW
from lab.scenario import Scenario, ScenarioDeployment

_PUSHER: Final = "pusher@{}.iam.gserviceaccount.com"
_MODULES: Final = ("LAUNCH_CODE_COMPILER_TOOL_IN_CONTAINER", "ADDED_BINARY_EXECUTED", "ADDED_LIBRARY_LOADED")
_APIS: Final = (
    "cloudfunctions", "cloudresourcemanager", "cloudscheduler", "compute", "container", "essentialcontacts",
    "firestore", "iamcredentials", "iap", "logging", "monitoring", "pubsub", "run", "secretmanager", "securitycenter",
    "securitycentermanagement", "serviceusage", "storage",
)  # fmt: skip


def topic(plan: ScenarioDeployment, name: str) -> str:
    """`findings`, `dead`, `records` or `actions`."""
    return f"projects/{plan.project}/topics/responder-{name}"


def bucket(plan: ScenarioDeployment) -> str:
    """The evidence's."""
    return f"{plan.project}-evidence"


def environment(scenario: Scenario, plan: ScenarioDeployment, name: str) -> dict[str, str]:
    """The settings that one of the functions was deployed with: what it does not need it does not have."""
    found = {
        "RESPONDER_SCC_PARENT": scenario.scc_parent,
        "RESPONDER_STORE": f"firestore:{plan.project}/records",
        "RESPONDER_RECORDS_TOPIC": topic(plan, "records"),
    }
    if name == "act":
        return found | {
            "RESPONDER_POLICY": "/etc/responder/policy/policy.toml",
            "RESPONDER_ACTIONS": f"firestore:{plan.project}/actions",
            "RESPONDER_EVIDENCE": f"gs://{bucket(plan)}",
            "RESPONDER_COLLECTOR": COLLECTOR,
            "RESPONDER_REMEDIATOR": REMEDIATOR,
        }
    acting = {
        "RESPONDER_POLICY": "/etc/responder/policy/policy.toml",
        "RESPONDER_ACTION_TOPIC": topic(plan, "actions"),
        "RESPONDER_READ_ONLY": "true",
    }
    return found | (acting if plan.act else {})


def all_of(scenario: Scenario, plan: ScenarioDeployment) -> dict[str, Any]:
    """Every resource."""
    found = _security(scenario, plan) | _pubsub(scenario, plan) | _functions(scenario, plan) | _stores(plan)
    found |= _services(scenario, plan)
    for project in scenario.projects:
        clusters = [
            {
                "name": cluster.name,
                "location": cluster.location,
                "status": "RUNNING",
                "loggingConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}},
            }
            for cluster in scenario.clusters
            if cluster.project == project.id
        ]
        found[f"/v1/projects/{project.id}/locations/-/clusters"] = {"clusters": clusters} if clusters else {}
        kinds = ("ADMIN_READ", "DATA_READ")
        logged = {"service": "container.googleapis.com", "auditLogConfigs": [{"logType": kind} for kind in kinds]}
        found[f"audits of {project.id}"] = {"auditConfigs": [logged]}
        found[f"/v2/projects/{project.id}/sinks/_Default"] = {
            "name": "_Default",
            "destination": f"logging.googleapis.com/projects/{project.id}/locations/global/buckets/_Default",
            "filter": 'NOT LOG_ID("cloudaudit.googleapis.com/activity")',
        }
    return found


def _security(scenario: Scenario, plan: ScenarioDeployment) -> dict[str, Any]:
    parent = scenario.scc_parent
    detector = {
        "effectiveEnablementState": "ENABLED",
        "modules": {name: {"effectiveEnablementState": "ENABLED"} for name in _MODULES},
    }
    levels = (parent, *(f"projects/{project.id}" for project in scenario.projects))
    service = "locations/global/securityCenterServices/container-threat-detection"
    number = parent.partition("/")[2]
    config = {
        "name": f"{parent}/locations/global/notificationConfigs/responder",
        "pubsubTopic": topic(plan, "findings"),
        "serviceAccount": f"service-org-{number}@gcp-sa-scc-notification.iam.gserviceaccount.com",
        "streamingConfig": {
            "filter": 'category="Defense Evasion: Launch Code Compiler Tool In Container" AND state="ACTIVE"'
        },
    }
    return {
        f"/v1/{parent}/locations/global/billingMetadata": {"billingTier": "PREMIUM"},
        f"/v2/{parent}/locations/global/notificationConfigs": {"notificationConfigs": [config]},
        **{f"/v1/{level}/{service}": {"name": f"{level}/{service}", **detector} for level in levels},
    }


def _pubsub(scenario: Scenario, plan: ScenarioDeployment) -> dict[str, Any]:
    project = plan.project
    number = next(one.number for one in scenario.projects if one.id == project)
    agent = f"serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    scc = f"serviceAccount:service-org-{scenario.scc_parent.partition('/')[2]}@gcp-sa-scc-notification"
    names = ("findings", "dead", "records", *(("actions",) if plan.act else ()))
    publishers = {
        "findings": [("roles/securitycenter.notificationServiceAgent", f"{scc}.iam.gserviceaccount.com")],
        "dead": [("roles/pubsub.publisher", agent)],
    }
    found: dict[str, Any] = {
        f"/v1/{topic(plan, name)}:getIamPolicy": {
            "version": 1,
            "bindings": [{"role": role, "members": [who]} for role, who in publishers.get(name, [])],
        }
        for name in names
    }
    for name in ("respond", *(("act",) if plan.act else ())):
        found[f"/v1/projects/{project}/subscriptions/responder-{name}:getIamPolicy"] = {
            "bindings": [{"role": "roles/pubsub.subscriber", "members": [agent]}]
        }
    found[f"/v1/projects/{project}/subscriptions"] = {
        "subscriptions": [
            _pushing(plan, "findings", "respond"),
            {
                "name": f"projects/{project}/subscriptions/responder-dead",
                "topic": topic(plan, "dead"),
                "pushConfig": {},
                "ackDeadlineSeconds": 600,
                "messageRetentionDuration": "604800s",
                "expirationPolicy": {},
                "state": "ACTIVE",
            },
            *([_pushing(plan, "actions", "act")] if plan.act else []),
        ]
    }
    return found


def _pushing(plan: ScenarioDeployment, of: str, to: str) -> dict[str, Any]:
    return {
        "name": f"projects/{plan.project}/subscriptions/responder-{to}",
        "topic": topic(plan, of),
        "pushConfig": {
            "pushEndpoint": _url(to),
            "oidcToken": {"serviceAccountEmail": _PUSHER.format(plan.project), "audience": _url(to)},
        },
        "ackDeadlineSeconds": 600,
        "messageRetentionDuration": "604800s",
        "expirationPolicy": {},
        "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
        "deadLetterPolicy": {"deadLetterTopic": topic(plan, "dead"), "maxDeliveryAttempts": 10},
        "state": "ACTIVE",
    }


def _url(name: str) -> str:
    return f"https://{name}-7hq3zkx2aq-ew.a.run.app"


def _functions(scenario: Scenario, plan: ScenarioDeployment) -> dict[str, Any]:
    place = f"projects/{plan.project}/locations/{plan.region}"
    accounts = {"respond": INVESTIGATOR, "sweep": INVESTIGATOR} | ({"act": ACT} if plan.act else {})
    functions = [
        {
            "name": f"{place}/functions/responder-{name}",
            "state": "ACTIVE",
            "environment": "GEN_2",
            "url": f"https://{plan.region}-{plan.project}.cloudfunctions.net/responder-{name}",
            "buildConfig": {"runtime": "python313", "entryPoint": name},
            "serviceConfig": {
                "service": f"{place}/services/responder-{name}",
                "uri": _url(name),
                "serviceAccountEmail": account,
                "ingressSettings": "ALLOW_INTERNAL_ONLY",
                "timeoutSeconds": 540,
                "environmentVariables": environment(scenario, plan, name),
            },
        }
        for name, account in accounts.items()
    ]
    invoker = {"role": "roles/run.invoker", "members": [f"serviceAccount:{_PUSHER.format(plan.project)}"]}
    job = {
        "name": f"{place}/jobs/responder-sweep",
        "state": "ENABLED",
        "schedule": "* * * * *",
        "timeZone": "Etc/UTC",
        "httpTarget": {"uri": _url("sweep"), "oidcToken": {"serviceAccountEmail": _PUSHER.format(plan.project)}},
    }
    return {
        f"/v2/projects/{plan.project}/locations/-/functions": {"functions": functions},
        f"/v1/{place}/jobs": {"jobs": [job]},
        f"/v1/projects/{plan.project}/services:batchGet": {
            "services": [
                {"name": f"projects/{plan.project}/services/{name}.googleapis.com", "state": "ENABLED"}
                for name in _APIS
            ]
        },
        **{f"/v2/{place}/services/responder-{name}:getIamPolicy": {"bindings": [invoker]} for name in accounts},
    }


def _services(scenario: Scenario, plan: ScenarioDeployment) -> dict[str, Any]:
    """Cloud Run's v2 lists the services behind functions too. IAP names a service by the project's number."""
    place = f"projects/{plan.project}/locations/{plan.region}"
    number = next(one.number for one in scenario.projects if one.id == plan.project)
    agent = f"serviceAccount:service-{number}@gcp-sa-iap.iam.gserviceaccount.com"
    page = {
        "RESPONDER_SCC_PARENT": scenario.scc_parent,
        "RESPONDER_STORE": f"firestore:{plan.project}/records",
        "RESPONDER_IAP_AUDIENCE": f"/projects/{number}/locations/{plan.region}/services/responder-review",
        "RESPONDER_DEAD_LETTERS": f"projects/{plan.project}/subscriptions/responder-dead",
        "RESPONDER_VIEWERS": "@acme.example",
        "RESPONDER_APPROVERS": "lead@acme.example",
    }
    if plan.act:
        page |= {
            "RESPONDER_POLICY": "/etc/responder/policy/policy.toml",
            "RESPONDER_ACTION_TOPIC": topic(plan, "actions"),
            "RESPONDER_ACTIONS": f"firestore:{plan.project}/actions",
        }
    of_functions = {name: environment(scenario, plan, name) for name in ("respond", *(("act",) if plan.act else ()))}
    services = [
        {
            **_service(f"{place}/services/responder-review", REVIEW, page, "review", ["web", "--host=0.0.0.0"]),
            "ingress": "INGRESS_TRAFFIC_ALL",
            "iapEnabled": True,
        },
        *(
            _service(f"{place}/services/responder-{name}", INVESTIGATOR if name == "respond" else ACT, given, name)
            for name, given in of_functions.items()
        ),
    ]
    reviewers = {"role": "roles/iap.httpsResourceAccessor", "members": ["group:soc@acme.example"]}
    return {
        f"/v2/{place}/services": {"services": services},
        f"/v2/{place}/services/responder-review:getIamPolicy": {
            "bindings": [{"role": "roles/run.invoker", "members": [agent]}]
        },
        f"/v1/projects/{number}/iap_web/cloud_run-{plan.region}/services/responder-review:getIamPolicy": {
            "version": 3,
            "bindings": [reviewers],
        },
    }


def _service(name: str, account: str, environ: dict[str, str], of: str, args: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "name": name,
        "uri": _url(of),
        "ingress": "INGRESS_TRAFFIC_INTERNAL_ONLY",
        "template": {
            "serviceAccount": account,
            "containers": [
                {"args": list(args), "env": [{"name": key, "value": value} for key, value in environ.items()]}
            ],
        },
        "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
    }


def _stores(plan: ScenarioDeployment) -> dict[str, Any]:
    from responder.stores.firestore_queries import declared  # noqa: PLC0415 - only where there is a deployment

    base = f"/v1/projects/{plan.project}/databases"
    names = ("records", *(("actions",) if plan.act else ()))
    indexes = [
        {
            "name": f"{base[4:]}/records/collectionGroups/{one['collectionGroup']}/indexes/CICAgOjX{number}",
            "queryScope": "COLLECTION",
            "state": "READY",
            "fields": [*one["fields"], {"fieldPath": "__name__", "order": "ASCENDING"}],
        }
        for number, one in enumerate(declared()["indexes"])
    ]
    holders = {"records": [INVESTIGATOR, *([ACT] if plan.act else []), REVIEW], "actions": [ACT, REVIEW]}
    bindings = [
        {
            "role": f"organizations/1/roles/gkeCompiler{name.capitalize()}",
            "members": [f"serviceAccount:{account}" for account in holders[name]],
            "condition": {"title": name, "expression": f'resource.name=="{base[4:]}/{name}"'},
        }
        for name in names
    ]
    people = {"records": ("Reader", "group:soc@acme.example"), "actions": ("Actions", "user:lead@acme.example")}
    bindings += [
        {
            "role": f"organizations/1/roles/gkeCompiler{people[name][0]}",
            "members": [people[name][1]],
            "condition": {"title": name, "expression": f'resource.name=="{base[4:]}/{name}"'},
        }
        for name in names
    ]
    return {
        **{f"{base}/{name}": {"name": f"{base[4:]}/{name}", "type": "FIRESTORE_NATIVE"} for name in names},
        f"{base}/records/collectionGroups/-/indexes": {"indexes": indexes},
        f"policy of {plan.project}": {"bindings": bindings},
        f"/storage/v1/b/{bucket(plan)}": {
            "name": bucket(plan),
            "iamConfiguration": {
                "uniformBucketLevelAccess": {"enabled": True},
                "publicAccessPrevention": "enforced",
            },
            "retentionPolicy": {"retentionPeriod": "31536000"},
        },
    }
