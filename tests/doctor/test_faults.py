"""One fault at a time in a healthy deployment: each is found, by its own check, with its mend."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest
import yaml

from lab import estate_documents as documents
from lab.environment import ROOT
from lab.rbac import (
    ACT,
    ACT_TOKEN,
    COLLECTOR,
    COLLECTOR_TOKEN,
    DOCTOR,
    INVESTIGATOR,
    INVESTIGATOR_TOKEN,
    REMEDIATOR,
    REMEDIATOR_TOKEN,
    REVIEW,
)
from lab.scenario import ScenarioDeployment, load
from responder.doctor import detector
from responder.doctor.lines import Line
from responder.ports import Brake
from responder.stores.firestore_queries import index_keys
from tests.doctor.sick import PROJECT, Planted, denied, down, examined

ORG: Final = "organizations/123456789012"
SERVICE: Final = "locations/global/securityCenterServices/container-threat-detection"
CONFIGS: Final = f"/v2/{ORG}/locations/global/notificationConfigs"
FINDINGS: Final = "/v1/projects/acme-sec/topics/responder-findings:getIamPolicy"
DEAD: Final = "/v1/projects/acme-sec/topics/responder-dead:getIamPolicy"
SUBSCRIPTIONS: Final = "/v1/projects/acme-sec/subscriptions"
FUNCTIONS: Final = "/v2/projects/acme-sec/locations/-/functions"
JOBS: Final = "/v1/projects/acme-sec/locations/europe-west1/jobs"
INVOKERS: Final = "/v2/projects/acme-sec/locations/europe-west1/services/responder-respond:getIamPolicy"
SWEEPS: Final = INVOKERS.replace("responder-respond", "responder-sweep")
SERVICES: Final = "/v2/projects/acme-sec/locations/europe-west1/services"
REVIEWS: Final = INVOKERS.replace("responder-respond", "responder-review")
LET_IN: Final = "/v1/projects/733120045567/iap_web/cloud_run-europe-west1/services/responder-review:getIamPolicy"
IAP_AGENT: Final = "serviceAccount:service-733120045567@gcp-sa-iap.iam.gserviceaccount.com"
AUDIENCE: Final = "/projects/733120045567/locations/europe-west1/services/responder-review"
RECORDS: Final = "/v1/projects/acme-sec/databases/records"
ACTIONS: Final = "/v1/projects/acme-sec/databases/actions"
CLUSTERS: Final = f"/v1/projects/{PROJECT}/locations/-/clusters"
BUCKET: Final = "/storage/v1/b/acme-sec-evidence"
POLICY: Final = "policy of acme-sec"
INDEXES: Final = len(index_keys())
OF_FINDINGS: Final = str(next(n for n, (group, *_) in enumerate(index_keys()) if group == "findings"))
"""Which of the indexes is the findings' one."""
MODULE: Final = "LAUNCH_CODE_COMPILER_TOOL_IN_CONTAINER"


def off(module: str) -> dict[str, Any]:
    return {"modules": {module: {"effectiveEnablementState": "DISABLED"}}}


def filtered(text: str) -> dict[str, Any]:
    return {CONFIGS: {"notificationConfigs": {"0": {"streamingConfig": {"filter": text}}}}}


def subscribed(**changes: Any) -> dict[str, Any]:
    return {SUBSCRIPTIONS: {"subscriptions": {"0": changes}}}


def function(index: int, **changes: Any) -> dict[str, Any]:
    return {FUNCTIONS: {"functions": {str(index): changes}}}


def page(**changes: Any) -> dict[str, Any]:
    return {SERVICES: {"services": {"0": changes}}}


def told_the_page(**changes: str | None) -> Planted:
    """The page with some of its environment changed; None takes a variable away."""
    given = documents.all_of(load(ROOT / "lab" / "deployment.yaml"), ScenarioDeployment(act=True))[SERVICES]
    environ = {one["name"]: one["value"] for one in given["services"][0]["template"]["containers"][0]["env"]}
    env = [{"name": name, "value": value} for name, value in (environ | changes).items() if value is not None]
    return Planted(change=page(template={"containers": {"0": {"env": env}}}))


def cluster(**changes: Any) -> dict[str, Any]:
    base = {"name": "shop-prod", "project": PROJECT, "location": "europe-west1-b"}
    return {"clusters": [base | changes]}


def rules(token: str, *given: dict[str, list[str]]) -> dict[str, Any]:
    """The file's identities, but that this one has these rules and no others."""
    kept = [one.model_dump() for one in load(ROOT / "lab" / "deployment.yaml").identities if one.token != token]
    user = {INVESTIGATOR_TOKEN: INVESTIGATOR, COLLECTOR_TOKEN: COLLECTOR, REMEDIATOR_TOKEN: REMEDIATOR, ACT_TOKEN: ACT}
    return {"identities": [*kept, {"user": user[token], "token": token, "rules": list(given)}]}


def reader(*given: dict[str, list[str]]) -> dict[str, Any]:
    return rules(INVESTIGATOR_TOKEN, *given)


ALL: Final = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}

NOTICED: Final = {"RESPONDER_NOTICES": "n.toml"}
TOLD: Final = b'[[channel]]\nname = "security"\nkind = "slack"\nwebhook = "env:SLACK"\n'
SECRET: Final = TOLD.replace(b"env:SLACK", b"secret:projects/acme-sec/secrets/slack/versions/latest")
TOKEN: Final = "iam.serviceAccounts.getAccessToken"


def allowed(account: str, permission: str, on: str) -> Planted:
    return Planted(granted=({"account": account, "permission": permission, "on": on},))


FAULTS: Final[dict[str, tuple[Planted, str, str, str]]] = {
    # name: (what is planted, the check that must say so, words of its detail, words of its mend)
    "the policy has a misspelt key": (
        Planted(files={"policy.toml": b'[[project]]\nid = "acme-shop-prod"\nnumber = "1"\nremediat = "off"\n'}),
        "policy", "remediat", "nothing is acted on",
    ),
    "the policy is not mounted": (
        Planted(settings={"RESPONDER_POLICY": "/etc/other.toml"}), "policy", "FileNotFoundError", "mount the file",
    ),
    "the tuning is no TOML": (
        Planted(settings={"RESPONDER_TRIAGE": "t.toml"}, files={"t.toml": b"base = ["}), "tuning", "", "built-in rules",
    ),
    "the notices have a misspelt key": (
        Planted(settings=NOTICED, files={"n.toml": TOLD + b"webhok = 1\n"}),
        "notices", "channel.1.webhok", "nobody is told",
    ),
    "the notices are not mounted": (
        Planted(settings=NOTICED), "notices", "FileNotFoundError", "RESPONDER_NOTICES",
    ),
    "the investigator may not write marks and the notices say that it does": (
        Planted(
            settings=NOTICED,
            files={"n.toml": b"write_back = true\n" + TOLD},
            granted=({"account": INVESTIGATOR, "permission": "securitycenter.findingexternalsystems.update"},),
        ),
        "rights", f"{INVESTIGATOR} lacks securitycenter.findingsecuritymarks.update", "custom role",
    ),
    "the store does not answer": (Planted(store=down), "store", "DEADLINE_EXCEEDED", "role reader"),
    "the brake cannot be read": (Planted(brakes=down), "brake", "counts as on", "RESPONDER_ACTIONS"),
    "the database is in Datastore mode": (
        Planted(change={RECORDS: {"type": "DATASTORE_MODE"}}), "store.database", "DATASTORE_MODE", "FIRESTORE_NATIVE",
    ),
    "the database is not there": (
        Planted(change={RECORDS: None}), "store.database", "no such database", "--location=LOCATION",
    ),
    "an index is missing": (
        Planted(change={f"{RECORDS}/collectionGroups/-/indexes": {"indexes": {OF_FINDINGS: None}}}),
        "store.indexes", f"1 of {INDEXES} are missing: findings: event_time ASCENDING", "deploy/firestore.indexes.json",
    ),
    "an index is still built": (
        Planted(change={f"{RECORDS}/collectionGroups/-/indexes": {"indexes": {"0": {"state": "CREATING"}}}}),
        "store.indexes", f"1 of {INDEXES} are not ready", "wait",
    ),
    "evidence may be public": (
        Planted(change={BUCKET: {"iamConfiguration": {"publicAccessPrevention": "inherited"}}}),
        "evidence.bucket", "public access", "--public-access-prevention",
    ),
    "evidence may be deleted": (
        Planted(change={BUCKET: {"retentionPolicy": None}}), "evidence.bucket", "deleted at once", "--retention-period",
    ),
    "evidence has rights of single objects": (
        Planted(change={BUCKET: {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}}),
        "evidence.bucket", "single objects", "--uniform-bucket-level-access",
    ),
    "the evidence bucket is not there": (
        Planted(change={BUCKET: None}), "evidence.bucket", "no such bucket", "buckets create gs://acme-sec-evidence",
    ),
    "the tier is Standard": (
        Planted(change={f"/v1/{ORG}/locations/global/billingMetadata": {"billingTier": "STANDARD"}}),
        "detector.tier", "STANDARD", "Premium",
    ),
    "the detector is off": (
        Planted(change={f"/v1/{ORG}/{SERVICE}": {"effectiveEnablementState": "DISABLED"}}),
        "detector.service", "disabled", "--organization=123456789012 --enablement-state=ENABLED",
    ),
    "the module is off": (
        Planted(change={f"/v1/{ORG}/{SERVICE}": off(MODULE)}),
        "detector.module", f"{MODULE} is disabled: no finding is ever made",
        "--organization=123456789012 --enablement-state=ENABLED --module-config-file=deploy/detector.yaml",
    ),
    "the module is off in one project": (
        Planted(change={f"/v1/projects/{PROJECT}/{SERVICE}": off(MODULE)}),
        "detector.module", "no finding is ever made", f"--project={PROJECT}",
    ),
    "the watcher is kept out of a cluster": (
        Planted(scenario={"findings": [{"category": "KTD_BLOCKED_BY_ADMISSION_CONTROLLER", "event_time": "-1h",
                                        "resource_name": f"//container.googleapis.com/projects/{PROJECT}/x"}]}),
        "detector.silenced", "KTD_BLOCKED_BY_ADMISSION_CONTROLLER on //container", "admission controller",
    ),
    "no notification config": (
        Planted(change={CONFIGS: {"notificationConfigs": {"0": None}}}),
        "notification.config", "publishes nothing", "scc notifications create",
    ),
    "the filter takes high severities only": (
        Planted(change=filtered('severity="HIGH" OR severity="CRITICAL"')),
        "notification.filter", "our finding is Low", "scc notifications update",
    ),
    "the filter is for another category": (
        Planted(change=filtered('category="Reverse Shell" AND state="ACTIVE"')),
        "notification.filter", "does not let our finding through", "Launch Code Compiler",
    ),
    "the filter keeps the source out": (
        Planted(change=filtered('-parent_display_name="Container Threat Detection"')),
        "notification.filter", "does not let our finding through", "scc notifications update",
    ),
    "the topic is not there": (Planted(change={FINDINGS: None}), "topic", "a topic that is not there", "create it"),
    "SCC's agent may not publish": (
        Planted(change={FINDINGS: {"bindings": []}}),
        "topic.agent", "gcp-sa-scc-notification", "add-iam-policy-binding",
    ),
    "everybody may publish": (
        Planted(change={FINDINGS: {"bindings": {"0": {"members": [
            "serviceAccount:service-org-123456789012@gcp-sa-scc-notification.iam.gserviceaccount.com", "allUsers",
        ]}}}}),
        "topic.public", "allUsers may use it",
        "--member=allUsers --role=roles/securitycenter.notificationServiceAgent",
    ),
    "the topic has no subscription": (
        Planted(change={SUBSCRIPTIONS: {"subscriptions": {"0": None}}}),
        "subscription", "nobody takes them", "pushes to the function respond",
    ),
    "the subscription is pulled": (
        Planted(change=subscribed(pushConfig={"pushEndpoint": None})),
        "subscription", "none of its subscriptions pushes", "pushes to the function respond",
    ),
    "pushes carry no token": (
        Planted(change=subscribed(pushConfig={"oidcToken": None})),
        "subscription.token", "without a token",
        "--push-endpoint=https://respond-7hq3zkx2aq-ew.a.run.app --push-auth-service-account=ACCOUNT",
    ),
    "the ack deadline is too short": (
        Planted(change=subscribed(ackDeadlineSeconds=10)),
        "subscription.deadline", "delivered again", "--ack-deadline=180",
    ),
    "messages are kept for an hour": (
        Planted(change=subscribed(messageRetentionDuration="3600s")),
        "subscription.retention", "3600 s only", "--message-retention-duration=7d",
    ),
    "the subscription expires": (
        Planted(change=subscribed(expirationPolicy=None)),
        "subscription.expiration", "deleted after", "--expiration-period=never",
    ),
    "the subscription expires after a day": (
        Planted(change=subscribed(expirationPolicy={"ttl": "86400s"})),
        "subscription.expiration", "deleted after", "--expiration-period=never",
    ),
    "no retry policy": (
        Planted(change=subscribed(retryPolicy=None)), "subscription.retry", "comes back at once", "--max-retry-delay",
    ),
    "the subscription's push has failed for good": (
        Planted(change=subscribed(state="RESOURCE_ERROR")), "subscription.state", "resource_error", "push endpoint",
    ),
    "no dead-letter policy": (
        Planted(change=subscribed(deadLetterPolicy=None)), "dead-letter.policy", "it has none", "--dead-letter-topic",
    ),
    "the dead-letter topic is not there": (
        Planted(change={DEAD: None}), "dead-letter.agent", "not there", "create it",
    ),
    "Pub/Sub's agent may not publish dead letters": (
        Planted(change={DEAD: {"bindings": []}}),
        "dead-letter.agent", "service-733120045567@gcp-sa-pubsub", "--role=roles/pubsub.publisher",
    ),
    "Pub/Sub's agent may not take what is dead": (
        Planted(change={"/v1/projects/acme-sec/subscriptions/responder-respond:getIamPolicy": {"bindings": []}}),
        "dead-letter.agent", "service-733120045567@gcp-sa-pubsub", "--role=roles/pubsub.subscriber",
    ),
    "nobody keeps dead letters": (
        Planted(change={SUBSCRIPTIONS: {"subscriptions": {"1": None}}}),
        "dead-letter.subscription", "are lost", "subscriptions create",
    ),
    "the push goes to no function": (
        Planted(change=subscribed(pushConfig={"pushEndpoint": "https://old-7hq3zkx2aq-ew.a.run.app"})),
        "function", "no function of acme-sec answers there",
        "--push-endpoint=URL --push-auth-service-account=pusher@acme-sec.iam.gserviceaccount.com",
    ),
    "the function failed to deploy": (Planted(change=function(0, state="FAILED")), "function", "failed", "deploy it"),
    "the function is open to the internet": (
        Planted(change=function(0, serviceConfig={"ingressSettings": "ALLOW_ALL"})),
        "function.ingress", "anybody", "internal",
    ),
    "the function's timeout is too short": (
        Planted(change=function(0, serviceConfig={"timeoutSeconds": 60})), "function.timeout", "may take 180", "180 s",
    ),
    "the subscription may not call the function": (
        Planted(change={INVOKERS: {"bindings": []}}),
        "function.invoker", "pusher@acme-sec.iam.gserviceaccount.com may not call it", "--region=europe-west1",
    ),
    "everybody may call the function": (
        Planted(change={INVOKERS: {"bindings": {"0": {"members": ["allUsers"]}}}}),
        "function.invoker", "can be forged", "remove allUsers",
    ),
    "the function has a misspelt setting": (
        Planted(change=function(0, serviceConfig={"environmentVariables": {"RESPONDER_STOR": "x"}})),
        "function.settings", "RESPONDER_STOR is not a setting", "environment",
    ),
    "the function keeps its records elsewhere than is set here": (
        Planted(settings={"RESPONDER_STORE": "firestore:acme-sec/other"}),
        "function.settings", "another RESPONDER_STORE than is set here", "environment",
    ),
    "sweep publishes records elsewhere than respond": (
        Planted(change=function(1, serviceConfig={"environmentVariables": {
            "RESPONDER_RECORDS_TOPIC": "projects/acme-sec/topics/responder-actions"}})),
        "function.settings", "another RESPONDER_RECORDS_TOPIC than responder-respond", "environment",
    ),
    "act has no policy": (
        Planted(change=function(2, serviceConfig={"environmentVariables": {"RESPONDER_POLICY": None}})),
        "function.settings", "another RESPONDER_POLICY than responder-respond", "environment",
    ),
    "act has no second database": (
        Planted(change=function(2, serviceConfig={"environmentVariables": {"RESPONDER_ACTIONS": None}})),
        "function.settings", "no RESPONDER_ACTIONS", "environment",
    ),
    "respond does not ask act": (
        Planted(change={FUNCTIONS: {"functions": {
            "0": {"serviceConfig": {"environmentVariables": {"RESPONDER_ACTION_TOPIC": None}}},
            "1": {"serviceConfig": {"environmentVariables": {"RESPONDER_ACTION_TOPIC": None}}}}}}),
        "act.subscription", "RESPONDER_ACTION_TOPIC of respond is not set", "the topic that act is subscribed to",
    ),
    "nothing is pushed to act": (
        Planted(change={SUBSCRIPTIONS: {"subscriptions": {"2": None}}}),
        "act.subscription", "never asked", "pushes to https://act-",
    ),
    "the functions have no policy": (
        Planted(change={FUNCTIONS: {"functions": {str(number): {"serviceConfig": {"environmentVariables": {
            "RESPONDER_POLICY": None}}} for number in range(3)}}}),
        "policy", "the functions have none", "mount it",
    ),
    "there is no sweep": (
        Planted(change={FUNCTIONS: {"functions": {"1": None}}}), "sweep", "never gone on with", "deploy it",
    ),
    "nothing calls sweep": (
        Planted(change={JOBS: {"jobs": {"0": None}}}), "sweep.job", "no job", "--oidc-service-account-email",
    ),
    "sweep's job is paused": (
        Planted(change={JOBS: {"jobs": {"0": {"state": "PAUSED"}}}}), "sweep.job", "paused", "scheduler jobs resume",
    ),
    "sweep is called once a day": (
        Planted(change={JOBS: {"jobs": {"0": {"schedule": "0 4 * * *"}}}}), "sweep.job", "0 4 * * *", "* * * * *",
    ),
    "act is missing where a project opted in": (
        Planted(change={FUNCTIONS: {"functions": {"2": None}}}), "act", "nothing is ever done", "deploy it",
    ),
    "act is deployed and nobody opted in": (
        Planted(files={"policy.toml": b""}), "act", "no project opted in", "remove it",
    ),
    "act runs as the investigator": (
        Planted(change=function(2, serviceConfig={"serviceAccountEmail": INVESTIGATOR})),
        "act", "runs as the account of respond", "its own",
    ),
    "an API is off": (
        Planted(change={"/v1/projects/acme-sec/services:batchGet": {"services": {"4": {"state": "DISABLED"}}}}),
        "apis", "off: container.googleapis.com", "gcloud services enable container.googleapis.com",
    ),
    "the investigator cannot list findings": (
        Planted(withheld=({"account": INVESTIGATOR, "permission": "securitycenter.findings.list"},)),
        "rights", "lacks securitycenter.findings.list", "custom role with securitycenter.findings.list",
    ),
    "the investigator cannot read logs in one project": (
        Planted(withheld=(
            {"account": INVESTIGATOR, "permission": "logging.logEntries.list", "on": f"projects/{PROJECT}"},
        )),
        "rights", "lacks logging.logEntries.list (step 4: the logs of the container", "docs/permissions.md",
    ),
    "the investigator cannot read clusters": (
        Planted(withheld=({"account": INVESTIGATOR, "permission": "container.clusters.get"},)),
        "rights", "lacks container.clusters.get (step 2: the cluster, and the way to its control plane)", "custom role",
    ),
    "the investigator cannot publish records": (
        Planted(withheld=({"account": INVESTIGATOR, "permission": "pubsub.topics.publish"},)),
        "rights", "lacks pubsub.topics.publish", "custom role",
    ),
    "the records topic is not there": (
        Planted(change={"/v1/projects/acme-sec/topics/responder-records:getIamPolicy": None}),
        "rights", "no such thing", "the setting that names it",
    ),
    "the investigator can publish findings": (
        Planted(granted=({"account": INVESTIGATOR, "permission": "pubsub.topics.publish"},)),
        "rights.forging", "can publish findings", "never to the project",
    ),
    "the investigator can exec by IAM": (
        Planted(granted=({"account": INVESTIGATOR, "permission": "container.pods.exec"},)),
        "rights.too-much", "container.pods.exec", "take it away",
    ),
    "act can read secrets by IAM": (
        Planted(granted=({"account": ACT, "permission": "container.secrets.get"},)),
        "rights.too-much", f"{ACT} has container.secrets.get", "take it away",
    ),
    "act cannot write evidence": (
        Planted(withheld=({"account": ACT, "permission": "storage.objects.create"},)),
        "rights", f"{ACT} lacks storage.objects.create", "custom role",
    ),
    "the investigator is not bound to the records": (
        Planted(change={POLICY: {"bindings": {"0": {"members": [f"serviceAccount:{ACT}"]}}}}),
        "rights.database", f"{INVESTIGATOR} is not bound to it", "with a condition",
    ),
    "the investigator may release a brake": (
        Planted(change={POLICY: {"bindings": {"1": {"members": [
            f"serviceAccount:{ACT}", f"serviceAccount:{INVESTIGATOR}",
        ]}}}}),
        "rights.database", "could release a brake", "take the binding away",
    ),
    "the investigator has every database": (
        Planted(change={POLICY: {"bindings": {"0": {"role": "roles/datastore.user", "condition": None,
                                                    "members": [f"serviceAccount:{INVESTIGATOR}"]}}}}),
        "rights.database", "on every database", "with a condition",
    ),
    "container logs are dropped": (
        Planted(change={f"/v2/projects/{PROJECT}/sinks/_Default": {"disabled": True}}),
        "logs.sink", "not kept", "--no-disabled",
    ),
    "the cluster writes no workload logs": (
        Planted(change={CLUSTERS: {"clusters": {"0": {"loggingConfig": {"componentConfig": {
            "enableComponents": ["SYSTEM_COMPONENTS"]}}}}}}),
        "cluster.logs", "does not write WORKLOADS", "--logging=SYSTEM,WORKLOAD",
    ),
    "the cluster is broken": (
        Planted(change={CLUSTERS: {"clusters": {"0": {"status": "ERROR"}}}}), "cluster.status", "error", "console",
    ),
    "there is no way into the cluster": (
        Planted(scenario=cluster(public=False, dns=True, dns_external=False)),
        "cluster.endpoint", "closed to traffic from outside", "DNS endpoint",
    ),
    "the investigator has no RBAC": (
        Planted(scenario=reader()),
        "cluster.rbac", "list events, get namespaces, get nodes, get pods", "investigator.yaml",
    ),
    "the investigator cannot read nodes": (
        Planted(scenario=reader({"apiGroups": ["", "apps", "batch"], "verbs": ["get", "list"],
                                 "resources": ["pods", "namespaces", "events", "replicasets", "deployments",
                                               "statefulsets", "daemonsets", "jobs", "cronjobs"]})),
        "cluster.rbac", "may not get nodes", "kubectl apply -f deploy/rbac/investigator.yaml",
    ),
    "the investigator reads secrets in the cluster": (
        Planted(scenario=reader(ALL)), "cluster.too-much", "get secrets, list secrets", "ClusterRoleBinding",
    ),
    "the investigator deletes pods in the cluster": (
        Planted(scenario=reader(ALL | {"verbs": ["get", "list", "delete"]})),
        "cluster.too-much", "delete pods", "ClusterRoleBinding",
    ),
    "act cannot read the cluster": (
        Planted(scenario=rules(ACT_TOKEN)), "cluster.rbac", f"{ACT} may not get daemonsets.apps", f"bound to {ACT}",
    ),
    "act cannot list findings": (
        Planted(withheld=({"account": ACT, "permission": "securitycenter.findings.list"},)),
        "rights", f"{ACT} lacks securitycenter.findings.list", "custom role",
    ),
    "act cannot take the collector's token": (
        Planted(withheld=(
            {"account": ACT, "permission": "iam.serviceAccounts.getAccessToken",
             "on": f"projects/-/serviceAccounts/{COLLECTOR}"},
        )),
        "rights", f"{ACT} lacks iam.serviceAccounts.getAccessToken", "custom role",
    ),
    "the collector has no RBAC": (
        Planted(scenario=rules(COLLECTOR_TOKEN)), "act.rbac", "may not get pods in shop", "collector.yaml",
    ),
    "the remediator has no RBAC": (
        Planted(scenario=rules(REMEDIATOR_TOKEN)), "act.rbac", "get pods in shop", "remediator.yaml",
    ),
    "the remediator may delete in every namespace": (
        Planted(scenario=rules(REMEDIATOR_TOKEN, {"apiGroups": [""], "resources": ["pods", "pods/eviction"],
                                                  "verbs": ["get", "create", "delete"]})),
        "act.rbac", "may delete pods, create pods/eviction in every namespace", "one namespace at a time",
    ),
    "the collector may exec in every namespace": (
        Planted(scenario=rules(COLLECTOR_TOKEN, {"apiGroups": [""], "resources": ["pods", "pods/exec"],
                                                 "verbs": ["get", "create"]})),
        "act.rbac", "create pods/exec in every namespace", "one namespace at a time",
    ),
    "the remediator has rights where the project did not opt in": (
        Planted(files={"policy.toml": b""}), "act.rbac", "delete pods in shop", "remove its RoleBindings",
    ),
    "the remediator cannot come in by the DNS endpoint": (
        Planted(
            scenario=cluster(dns=True),
            granted=({"account": COLLECTOR, "permission": "container.clusters.connect"},),
        ),
        "act.connect", f"{REMEDIATOR} lacks container.clusters.connect", f"in {PROJECT}",
    ),
    "no collector is named where a project captures": (
        Planted(change=function(2, serviceConfig={"environmentVariables": {"RESPONDER_COLLECTOR": None}})),
        "act.rbac", "RESPONDER_COLLECTOR of act is not set", "collector.yaml",
    ),
    "act failed to deploy": (Planted(change=function(2, state="FAILED")), "function", "failed", "deploy it"),
    "act is open to the internet": (
        Planted(change=function(2, serviceConfig={"ingressSettings": "ALLOW_ALL"})),
        "function.ingress", "anybody", "internal",
    ),
    "act's timeout is too short": (
        Planted(change=function(2, serviceConfig={"timeoutSeconds": 1})), "function.timeout", "may take 180", "180 s",
    ),
    "sweep failed to deploy": (Planted(change=function(1, state="FAILED")), "function", "failed", "deploy it"),
    "sweep is open to the internet": (
        Planted(change=function(1, serviceConfig={"ingressSettings": "ALLOW_ALL"})),
        "function.ingress", "anybody", "internal",
    ),
    "sweep's timeout is too short": (
        Planted(change=function(1, serviceConfig={"timeoutSeconds": 10})), "function.timeout", "may take 180", "180 s",
    ),
    "everybody may call sweep": (
        Planted(change={SWEEPS: {"bindings": {"0": {"members": ["allUsers"]}}}}),
        "function.invoker", "everybody may call it", "remove allUsers",
    ),
    "nobody may call sweep": (
        Planted(change={SWEEPS: {"bindings": []}}),
        "function.invoker", "pusher@acme-sec.iam.gserviceaccount.com may not call it", "--region=europe-west1",
    ),
    "sweep is called without a token": (
        Planted(change={JOBS: {"jobs": {"0": {"httpTarget": {"oidcToken": None}}}}}),
        "sweep.job", "without a token", "--oidc-service-account-email",
    ),
    "what is for act is refused for ever": (
        Planted(change={SUBSCRIPTIONS: {"subscriptions": {"2": {"deadLetterPolicy": None}}}}),
        "dead-letter.policy", "it has none", "responder-act --dead-letter-topic",
    ),
    "what is for act comes back at once": (
        Planted(change={SUBSCRIPTIONS: {"subscriptions": {"2": {"retryPolicy": None}}}}),
        "subscription.retry", "comes back at once", "responder-act --min-retry-delay",
    ),
    "Pub/Sub's agent may not take what is dead of act": (
        Planted(change={"/v1/projects/acme-sec/subscriptions/responder-act:getIamPolicy": {"bindings": []}}),
        "dead-letter.agent", "service-733120045567@gcp-sa-pubsub", "--role=roles/pubsub.subscriber",
    ),
    "the investigator can take the remediator's token": (
        allowed(INVESTIGATOR, TOKEN, f"projects/-/serviceAccounts/{REMEDIATOR}"),
        "rights.too-much", f"{INVESTIGATOR} has {TOKEN}", "take it away",
    ),
    "the investigator can take act's token": (
        allowed(INVESTIGATOR, TOKEN, f"projects/-/serviceAccounts/{ACT}"),
        "rights.too-much", f"{INVESTIGATOR} has {TOKEN}", "take it away",
    ),
    "the investigator can take any account's token": (
        allowed(INVESTIGATOR, TOKEN, "projects/acme-sec"),
        "rights.too-much", f"{INVESTIGATOR} has {TOKEN}", "take it away",
    ),
    "act can take any account's token": (
        allowed(ACT, TOKEN, "projects/acme-sec"), "rights.too-much", f"{ACT} has {TOKEN}", "take it away",
    ),
    "the investigator can write evidence": (
        allowed(INVESTIGATOR, "storage.objects.create", "buckets/acme-sec-evidence"),
        "rights.too-much", f"{INVESTIGATOR} has storage.objects.create", "take it away",
    ),
    "act can delete evidence": (
        allowed(ACT, "storage.objects.delete", "buckets/acme-sec-evidence"),
        "rights.too-much", f"{ACT} has storage.objects.delete", "take it away",
    ),
    "the investigator can write every database by a custom role": (
        allowed(INVESTIGATOR, "datastore.entities.update", "projects/acme-sec"),
        "rights.too-much", f"{INVESTIGATOR} has datastore.entities.update", "take it away",
    ),
    "the second database is not there": (
        Planted(change={ACTIONS: None}), "actions.database", "no such database", "--database=actions",
    ),
    "the second database is in Datastore mode": (
        Planted(change={ACTIONS: {"type": "DATASTORE_MODE"}}),
        "actions.database", "DATASTORE_MODE", "FIRESTORE_NATIVE",
    ),
    "an index is of collection groups": (
        Planted(change={f"{RECORDS}/collectionGroups/-/indexes": {"indexes": {
            OF_FINDINGS: {"queryScope": "COLLECTION_GROUP"}}}}),
        "store.indexes", f"1 of {INDEXES} are missing: findings: event_time ASCENDING", "deploy/firestore.indexes.json",
    ),
    "a channel's address cannot be read": (
        Planted(
            settings=NOTICED,
            files={"n.toml": SECRET},
            withheld=({"account": INVESTIGATOR, "permission": "secretmanager.versions.access"},),
        ),
        "rights", f"{INVESTIGATOR} lacks secretmanager.versions.access", "custom role",
    ),
    "the remediator may delete in kube-system": (
        Planted(scenario=rules(REMEDIATOR_TOKEN, {"apiGroups": [""], "resources": ["pods", "pods/eviction"],
                                                  "verbs": ["get", "create", "delete"],
                                                  "namespaces": ["shop", "kube-system"]})),
        "act.rbac", "may delete pods in kube-system, create pods/eviction in kube-system", "RoleBinding",
    ),
    "a whole domain may read records": (
        Planted(change={POLICY: {"bindings": {"2": {"members": ["domain:acme.example"]}}}}),
        "rights.people", "domain:acme.example holds organizations/1/roles/gkeCompilerReader",
        "gcloud projects remove-iam-policy-binding acme-sec --member=domain:acme.example",
    ),
    "everybody may approve": (
        Planted(change={POLICY: {"bindings": {"3": {"members": ["user:lead@acme.example", "allAuthenticatedUsers"]}}}}),
        "rights.people", "allAuthenticatedUsers", "--role=organizations/1/roles/gkeCompilerActions",
    ),
    "everybody of the world may read records": (
        Planted(change={POLICY: {"bindings": {"2": {"members": ["principalSet://goog/public:all"]}}}}),
        "rights.people", "principalSet://goog/public:all", "--role=organizations/1/roles/gkeCompilerReader",
    ),
    "a person may write every database": (
        Planted(change={POLICY: {"bindings": {"3": {"role": "roles/datastore.user", "condition": None}}}}),
        "rights.people", "user:lead@acme.example holds roles/datastore.user on every database",
        "--member=user:lead@acme.example --role=roles/datastore.user",
    ),
    "the page failed to deploy": (
        Planted(change=page(terminalCondition={"state": "CONDITION_FAILED"})),
        "review", "condition_failed", "gcloud run services describe responder-review",
    ),
    "the page has no Identity-Aware Proxy": (
        Planted(change=page(iapEnabled=None)), "review.iap", "is off", "update responder-review --project=acme-sec",
    ),
    "IAP's API is off": (
        Planted(change={"/v1/projects/acme-sec/services:batchGet": {"services": {"8": {"state": "DISABLED"}}}}),
        "review.iap", "iap.googleapis.com is off", "gcloud services enable iap.googleapis.com",
    ),
    "the page is told of another audience": (
        told_the_page(RESPONDER_IAP_AUDIENCE=AUDIENCE.replace("review", "other")),
        "review.iap", "services/responder-other", f"--update-env-vars=RESPONDER_IAP_AUDIENCE={AUDIENCE}",
    ),
    "the page is told of no audience": (
        told_the_page(RESPONDER_IAP_AUDIENCE=None),
        "review.iap", "is not set", f"--update-env-vars=RESPONDER_IAP_AUDIENCE={AUDIENCE}",
    ),
    "no traffic reaches the page": (
        Planted(change=page(ingress="INGRESS_TRAFFIC_NONE")), "review.ingress", "no traffic", "--ingress=all",
    ),
    "everybody may call the page": (
        Planted(change={REVIEWS: {"bindings": {"0": {"members": [IAP_AGENT, "allUsers"]}}}}),
        "review.invoker", "allUsers", "--member=allUsers",
    ),
    "everybody with an account may call the page": (
        Planted(change={REVIEWS: {"bindings": {"0": {"members": [IAP_AGENT, "allAuthenticatedUsers"]}}}}),
        "review.invoker", "allAuthenticatedUsers", "--member=allAuthenticatedUsers",
    ),
    "somebody may call the page beside IAP": (
        Planted(change={REVIEWS: {"bindings": {"0": {"members": [IAP_AGENT, "user:ana@acme.example"]}}}}),
        "review.invoker", "user:ana@acme.example may call it", "--member=user:ana@acme.example",
    ),
    "the page asks nobody who calls it": (
        Planted(change=page(invokerIamDisabled=True)), "review.invoker", "who calls it", "--invoker-iam-check",
    ),
    "IAP may not call the page": (
        Planted(change={REVIEWS: {"bindings": []}}),
        "review.invoker", "gcp-sa-iap.iam.gserviceaccount.com may not call it", f"--member={IAP_AGENT}",
    ),
    "IAP lets everybody in": (
        Planted(change={LET_IN: {"bindings": {"0": {"members": ["allAuthenticatedUsers"]}}}}),
        "review.access", "allAuthenticatedUsers", "gcloud beta iap web remove-iam-policy-binding",
    ),
    "the project lets everybody through IAP": (
        Planted(change={POLICY: {"bindings": {"0": {"role": "roles/iap.httpsResourceAccessor", "condition": None,
                                                    "members": ["allUsers"]}}}}),
        "review.access", "allUsers", "gcloud projects remove-iam-policy-binding acme-sec",
    ),
    "the page has a misspelt setting": (
        told_the_page(RESPONDER_VIEWER="x"), "review.settings", "RESPONDER_VIEWER is not a setting",
        "--remove-env-vars=RESPONDER_VIEWER",
    ),
    "the page shows other records": (
        told_the_page(RESPONDER_STORE="firestore:acme-sec/other"),
        "review.settings", "another RESPONDER_STORE than responder-respond",
        "--update-env-vars=RESPONDER_STORE=firestore:acme-sec/records",
    ),
    "the page has no second database": (
        told_the_page(RESPONDER_ACTIONS=None),
        "review.settings", "another RESPONDER_ACTIONS than responder-act",
        "--update-env-vars=RESPONDER_ACTIONS=firestore:acme-sec/actions",
    ),
    "the page does not ask act": (
        told_the_page(RESPONDER_ACTION_TOPIC=None),
        "review.settings", "another RESPONDER_ACTION_TOPIC than responder-respond",
        "--update-env-vars=RESPONDER_ACTION_TOPIC=projects/acme-sec/topics/responder-actions",
    ),
    "the page has no policy": (
        told_the_page(RESPONDER_POLICY=None), "review.settings", "no RESPONDER_POLICY", "mount it",
    ),
    "nobody has a role on the page": (
        told_the_page(RESPONDER_VIEWERS=None, RESPONDER_APPROVERS=None),
        "review.roles", "nobody has a role", "--update-env-vars=RESPONDER_VIEWERS=ADDRESS",
    ),
    "the page counts another subscription's messages": (
        told_the_page(RESPONDER_DEAD_LETTERS="projects/acme-sec/subscriptions/responder-respond"),
        "review.dead-letters", "responder-respond, which takes no dead letters",
        "--update-env-vars=RESPONDER_DEAD_LETTERS=projects/acme-sec/subscriptions/responder-dead",
    ),
    "the API of metrics is off": (
        Planted(change={"/v1/projects/acme-sec/services:batchGet": {"services": {"10": {"state": "DISABLED"}}}}),
        "review.dead-letters", "monitoring.googleapis.com is off", "gcloud services enable monitoring.googleapis.com",
    ),
    "the page may not count dead letters": (
        Planted(withheld=({"account": REVIEW, "permission": "monitoring.timeSeries.list"},)),
        "rights", f"{REVIEW} lacks monitoring.timeSeries.list (step review: how many dead letters wait", "custom role",
    ),
    "the page runs as the investigator": (
        Planted(change=page(template={"serviceAccount": INVESTIGATOR})),
        "review.account", "the account of responder-respond", "--service-account=ACCOUNT",
    ),
    "the page runs as what acts": (
        Planted(change=page(template={"serviceAccount": REMEDIATOR})),
        "review.account", "the account of RESPONDER_REMEDIATOR", "--service-account=ACCOUNT",
    ),
    "the page runs as the project's default account": (
        Planted(change=page(template={"serviceAccount": None})),
        "review.account", "no account of its own", "--service-account=ACCOUNT",
    ),
    "the page is not bound to the records": (
        Planted(change={POLICY: {"bindings": {"0": {"members": [
            f"serviceAccount:{ACT}", f"serviceAccount:{INVESTIGATOR}",
        ]}}}}),
        "rights.database", f"{REVIEW} is not bound to it", "with a condition",
    ),
    "the page is not bound to the actions": (
        Planted(change={POLICY: {"bindings": {"1": {"members": [f"serviceAccount:{ACT}"]}}}}),
        "rights.database", f"{REVIEW} is not bound to it", "with a condition",
    ),
    "the page cannot ask act": (
        Planted(withheld=({"account": REVIEW, "permission": "pubsub.topics.publish"},)),
        "rights", f"{REVIEW} lacks pubsub.topics.publish", "custom role",
    ),
    "the page can publish findings": (
        allowed(REVIEW, "pubsub.topics.publish", "projects/acme-sec/topics/responder-findings"),
        "rights.forging", f"{REVIEW} can publish findings", "never to the project",
    ),
    "the page can publish records": (
        allowed(REVIEW, "pubsub.topics.publish", "projects/acme-sec/topics/responder-records"),
        "rights.too-much", f"{REVIEW} has pubsub.topics.publish", "take it away",
    ),
    "the page can take the remediator's token": (
        allowed(REVIEW, TOKEN, f"projects/-/serviceAccounts/{REMEDIATOR}"),
        "rights.too-much", f"{REVIEW} has {TOKEN}", "take it away",
    ),
    "the page can exec by IAM": (
        allowed(REVIEW, "container.pods.exec", f"projects/{PROJECT}"),
        "rights.too-much", f"{REVIEW} has container.pods.exec", "take it away",
    ),
    "the page can delete evidence": (
        allowed(REVIEW, "storage.objects.delete", "buckets/acme-sec-evidence"),
        "rights.too-much", f"{REVIEW} has storage.objects.delete", "take it away",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_by_its_own_check_with_its_mend(name: str) -> None:
    planted, check, detail, mend = FAULTS[name]
    wrong = [line for line in examined(planted) if line.outcome == "wrong"]
    found = [line for line in wrong if line.check == check and detail in line.detail]
    assert found, [(line.check, line.detail) for line in wrong]
    assert any(mend in line.mend for line in found), [line.mend for line in found]


def test_a_cluster_with_a_dns_endpoint_is_healthy_where_both_accounts_may_connect() -> None:
    granted = tuple({"account": one, "permission": "container.clusters.connect"} for one in (COLLECTOR, REMEDIATOR))
    lines = examined(Planted(scenario=cluster(dns=True), granted=granted))
    assert [line for line in lines if line.outcome != "ok"] == []
    assert [line.about.rpartition("/")[2] for line in lines if line.check == "act.connect"] == ["shop-prod"] * 2


def test_a_healthy_deployment_has_no_fault_and_nothing_that_was_not_checked() -> None:
    lines = examined(Planted())
    assert [line for line in lines if line.outcome != "ok"] == []
    missing = {check for _, check, _, _ in FAULTS.values()} - {line.check for line in lines}
    # The one is a line only where it is wrong, the other only where a cluster has a DNS endpoint.
    assert missing == {"notification.config", "act.connect"}


UNASKED: Final[list[tuple[Planted, str, str]]] = [
    *(
        (Planted(withheld=({"account": DOCTOR, "permission": name},)), check, "denied")
        for name, check in {
            "securitycentermanagement.billingMetadata.get": "detector.tier",
            "securitycentermanagement.securityCenterServices.get": "detector.service",
            "securitycenter.notificationconfig.list": "notification.config",
            "securitycenter.findings.list": "detector.silenced",
            "pubsub.topics.getIamPolicy": "topic",
            "pubsub.subscriptions.list": "subscription",
            "pubsub.subscriptions.getIamPolicy": "dead-letter.agent",
            "cloudfunctions.functions.list": "function",
            "run.services.getIamPolicy": "function.invoker",
            "run.services.list": "review",
            "iap.webServices.getIamPolicy": "review.access",
            "cloudscheduler.jobs.list": "sweep.job",
            "datastore.databases.getMetadata": "store.database",
            "datastore.indexes.list": "store.indexes",
            "storage.buckets.get": "evidence.bucket",
            "serviceusage.services.get": "apis",
            "container.clusters.list": "clusters",
            "logging.sinks.get": "logs.sink",
            "iam.serviceAccounts.getAccessToken": "rights",
        }.items()
    ),
    (Planted(scenario=cluster(reachable=[])), "cluster.rbac", "unavailable: "),
    (Planted(store=denied), "store", "denied"),
    (Planted(brakes=denied), "brake", "denied"),
    (Planted(namespaces=()), "act.rbac", "not said"),
    (Planted(settings={"RESPONDER_POLICY": ""}), "policy", "who opted in"),
    (Planted(settings={"RESPONDER_POLICY": ""}), "act", "who opted in"),
    (Planted(settings={"RESPONDER_POLICY": ""}), "act.rbac", "who opted in"),
    (Planted(change=filtered('resource.name="//x" AND category="y')), "notification.filter", "cannot be read"),
    (Planted(change=filtered("create_time>5")), "notification.filter", "differ by finding"),
    (Planted(change={f"/v1/{ORG}/{SERVICE}": {"modules": {MODULE: None}}}), "detector.module", "not tell of"),
    (
        Planted(scenario={"faults": [{"call": "estate.GET", "kind": "unavailable", "match": "/functions"}]}),
        "function",
        "unavailable: ",
    ),
    (
        Planted(change={FUNCTIONS: {"unreachable": ["projects/acme-sec/locations/us-east1"]}}),
        "function",
        "some locations",
    ),
]


@pytest.mark.parametrize(("planted", "check", "reason"), UNASKED)
def test_what_cannot_be_asked_is_not_checked_with_its_reason_and_never_fine(
    planted: Planted, check: str, reason: str
) -> None:
    lines = [line for line in examined(planted) if line.check == check]
    told = [line for line in lines if line.outcome == "not_checked"]
    assert told, lines
    assert reason in told[0].detail
    assert reason != "denied" or "grant yourself" in told[0].mend


def test_what_acts_is_not_checked_by_whoever_may_not_take_its_token_and_the_mend_is_a_right_that_ends() -> None:
    changing = (ACT, COLLECTOR, REMEDIATOR, REVIEW)
    lines = examined(Planted(withheld=tuple({"account": DOCTOR, "permission": TOKEN, "on": one} for one in changing)))
    assert [line for line in lines if line.outcome == "wrong"] == []
    untold = [line for line in lines if line.outcome == "not_checked"]
    for account in changing:
        mends = {line.mend for line in untold if f"to ask as {account}" in line.detail}
        # Not a role that holds five rights more, for good.
        assert mends == {f"grant yourself {TOKEN} on {account} for this hour (`engineers`, `examine_until`)"}
    assert [line for line in untold if INVESTIGATOR in line.detail] == []


def test_a_brake_that_is_on_is_advice_with_who_and_how_it_is_let_go_of() -> None:
    pulled = tuple(
        Brake(on=on, project=project, why="a drill", by="ana@acme.example", at=datetime(2026, 11, 20, tzinfo=UTC))
        for on, project in ((True, ""), (True, PROJECT), (False, ""))
    )
    (line,) = (line for line in examined(Planted(brakes=lambda: pulled)) if line.check == "brake")
    assert (line.outcome, line.mend) == ("advice", f"responder brake off --project {PROJECT} --why TEXT")
    assert f"The brake is on for {PROJECT}: a drill (ana@acme.example" in line.detail
    (line,) = (line for line in examined(Planted()) if line.check == "brake")
    assert (line.outcome, line.detail) == ("ok", "no brake is on")


def test_channels_of_which_none_is_the_teams_are_advice_and_what_is_right_says_who_is_told() -> None:
    def told(text: bytes) -> Line:
        (line,) = (
            line for line in examined(Planted(settings=NOTICED, files={"n.toml": text})) if line.check == "notices"
        )
        return line

    owners = told(TOLD + b'audience = "owner"\n')
    assert (owners.outcome, "for the team" in owners.mend) == ("advice", True)
    right = told(b"write_back = true\n" + TOLD)
    assert (right.outcome, right.detail) == ("ok", "right; channels: security; SCC gets our marks")


def test_a_sibling_that_is_off_is_advice_and_no_fault() -> None:
    lines = examined(Planted(change={f"/v1/{ORG}/{SERVICE}": off("ADDED_BINARY_EXECUTED")}))
    told = [line for line in lines if line.outcome != "ok"]
    assert [(line.check, line.outcome) for line in told] == [("detector.sibling", "advice")]
    assert "ADDED_BINARY_EXECUTED is off" in told[0].detail
    assert told[0].mend.endswith("--module-config-file=deploy/detector.yaml")


def test_an_exec_that_no_log_would_have_is_advice() -> None:
    lines = examined(
        Planted(change={f"audits of {PROJECT}": {"auditConfigs": {"0": {"auditLogConfigs": {"1": None}}}}})
    )
    told = [line for line in lines if line.outcome != "ok"]
    assert [(line.check, line.outcome) for line in told] == [("logs.audit", "advice")]
    assert "keeps no DATA_READ of container.googleapis.com" in told[0].detail
    assert "auditConfigs" in told[0].mend


ADVICE: Final[tuple[tuple[Planted, str, str, str], ...]] = (
    (Planted(change={SERVICES: {"services": {"0": None}}}), "review", "there is none", "docs/deploy.md"),
    (Planted(change={LET_IN: {"bindings": []}}), "review.access", "lets nobody in",
     "gcloud beta iap web add-iam-policy-binding --project=acme-sec --resource-type=cloud-run --region="),
    (Planted(change=page(ingress="INGRESS_TRAFFIC_INTERNAL_ONLY")),
     "review.ingress", "from inside the network only", "--ingress=all"),
    (told_the_page(RESPONDER_APPROVERS="other@acme.example"), "review.roles", "no approver of the policy",
     "--update-env-vars=RESPONDER_APPROVERS=lead@acme.example"),
)  # fmt: skip


@pytest.mark.parametrize(("planted", "check", "detail", "mend"), ADVICE)
def test_what_keeps_people_from_the_page_is_advice(planted: Planted, check: str, detail: str, mend: str) -> None:
    told = [line for line in examined(planted) if line.outcome != "ok"]
    assert [(line.check, line.outcome) for line in told] == [(check, "advice")]
    assert detail in told[0].detail
    assert mend in told[0].mend


def test_a_service_with_settings_of_ours_that_is_no_page_is_not_taken_for_one() -> None:
    lines = examined(Planted(change={FUNCTIONS: {"functions": {"2": None}}}))
    assert {line.about.rpartition("/")[2] for line in lines if line.check.startswith("review")} == {"responder-review"}


def test_a_page_behind_a_load_balancers_proxy_is_not_taken_for_examined() -> None:
    behind = told_the_page(RESPONDER_IAP_AUDIENCE="/projects/733120045567/global/backendServices/42")
    told = [line for line in examined(behind) if line.check == "review.iap" and line.outcome != "ok"]
    assert [(line.outcome, "load balancer" in line.detail) for line in told] == [("not_checked", True)]


def test_the_file_that_the_mend_names_switches_on_what_the_doctor_asks_for() -> None:
    switched = yaml.safe_load((ROOT / "deploy" / "detector.yaml").read_text(encoding="utf-8"))
    assert switched == {name: {"intendedEnablementState": "ENABLED"} for name in (MODULE, *detector.SIBLINGS)}


def test_the_people_of_each_database_are_named() -> None:
    told = {line.about: line.detail for line in examined(Planted()) if line.check == "rights.people"}
    assert told == {
        "firestore:acme-sec/records": "people: group:soc@acme.example",
        "firestore:acme-sec/actions": "people: user:lead@acme.example",
    }
    nobody = examined(Planted(change={POLICY: {"bindings": {"2": {"members": []}}}}))
    told = {line.about: line.detail for line in nobody if line.check == "rights.people"}
    assert told["firestore:acme-sec/records"] == "no person is bound to it"


def test_who_may_not_look_into_a_database_is_told_which_list_of_the_module_lets_them() -> None:
    lines = {line.check: line for line in examined(Planted(store=denied, brakes=denied))}
    assert "people.readers" in lines["store"].mend
    assert "deploy/iam/reader.yaml" in lines["store"].mend
    assert "people.operators" in lines["brake"].mend
    assert "deploy/iam/actions.yaml" in lines["brake"].mend
