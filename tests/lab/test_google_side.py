"""The lab's Google, asked by Google's own clients."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.cloud.container_v1 import ClusterManagerClient
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.securitycenter_v2 import Finding, SecurityCenterClient

from lab.scenario import Scenario
from lab.server import Endpoints, Running, run, serve

SAMPLES = Path(__file__).parent.parent / "samples"
ORG = "organizations/123456789012/sources/-/locations/global"
CLUSTER = "//container.googleapis.com/projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"
NODE = "gke-shop-prod-default-pool-7d6bb7c7-0rru"
POD = "checkout-7d9f8c5b4-x2k9p"
BASE: dict[str, Any] = {
    "title": "the Google side",
    "event_time": "2026-11-20T09:41:07Z",
    "projects": [
        {
            "id": "acme-shop-prod",
            "number": "421458901689",
            "display_name": "Shop",
            "labels": {"team": "web"},
            "owners": ["user:owner@acme.example"],
            "security_contacts": ["security@acme.example"],
        },
        {"id": "acme-data", "number": "7"},
    ],
    "clusters": [
        {
            "name": "shop-prod",
            "project": "acme-shop-prod",
            "location": "europe-west1-b",
            "dns": True,
            "private": True,
            "labels": {"owner": "web"},
            "nodes": [{"name": NODE}, {"name": "gone", "vm": False}],
            "pods": [{"name": POD, "namespace": "shop", "node": NODE, "labels": {"app": "checkout"}}],
        },
        {
            "name": "auto",
            "project": "acme-data",
            "location": "europe-west4",
            "public": False,
            "private": True,
            "autopilot": True,
            "reachable": [],
        },
    ],
    "findings": [
        {"like": "notification"},
        {"category": "Added Binary Executed", "event_time": "+5s", "binary": "/tmp/.x/kworker"},
        {"category": "Reverse Shell", "event_time": "+9s", "appears": "+1h", "severity": "CRITICAL"},
        {"category": "Open Firewall", "pod": "", "resource_name": "//compute.googleapis.com/projects/acme-data/x"},
        {"like": "nothing", "category": "Bare", "data": {"finding": {"state": "INACTIVE"}}},
    ],
    "logs": [
        {"time": "-10s", "pod": f"shop/{POD}", "text": "line", "repeat": 120},
        {"time": "-20s", "pod": f"shop/{POD}", "text": '{"msg": "structured"}'},
        {"time": "-10s", "pod": "shop/checkout-7d9f8c5b4-x2k9pp", "text": "another pod"},
        {"time": "-60s", "audit": "pods.exec.create", "on": f"shop/{POD}", "command": ["sh", "-i"]},
        {"time": "-50s", "audit": "pods.delete", "on": f"shop/{POD}", "severity": "ERROR"},
        {"time": "-40s", "audit": "pods.get", "on": f"shop/{POD}"},
        {"time": "-30s", "node": NODE, "text": "oom-killer", "serial": True},
        {"time": "-30s", "project": "acme-data", "entry": {"textPayload": "of another project"}},
    ],
}
POD_QUERY = (
    'resource.type="k8s_container" AND resource.labels.project_id="acme-shop-prod" '
    'AND resource.labels.location="europe-west1-b" AND resource.labels.cluster_name="shop-prod" '
    f'AND resource.labels.namespace_name="shop" AND resource.labels.pod_name="{POD}"'
)
AUDIT_QUERY = (
    'logName="projects/acme-shop-prod/logs/cloudaudit.googleapis.com%2Factivity"\nresource.type="k8s_cluster"\n'
    'resource.labels.project_id="acme-shop-prod"\nresource.labels.location="europe-west1-b"\n'
    f'resource.labels.cluster_name="shop-prod"\n"{POD}"'
)
NODE_QUERY = 'resource.type="gce_instance" AND resource.labels.instance_id="8108478110475488564"'


class Asking:
    """Google's clients on one lab, each call with a deadline and without retries."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.channel = grpc.insecure_channel(running.endpoints.grpc)
        self.scc: SecurityCenterClient = self._client(SecurityCenterClient)
        self.gke: ClusterManagerClient = self._client(ClusterManagerClient)
        self.logging: LoggingServiceV2Client = self._client(LoggingServiceV2Client)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {running.endpoints.token}"

    def _client(self, kind: Any) -> Any:
        return kind(transport=kind.get_transport_class("grpc")(channel=self.channel))

    def findings(self, filter_: str = "", parent: str = ORG, **more: Any) -> list[Any]:
        request = {"parent": parent, "filter": filter_, **more}
        return [r.finding for r in self.scc.list_findings(request=request, retry=None, timeout=10)]

    def cluster(self, name: str, timeout: float = 10) -> Any:
        return self.gke.get_cluster(name=name, retry=None, timeout=timeout)

    def entries(self, filter_: str = "", project: str = "acme-shop-prod", **more: Any) -> list[Any]:
        request = {"resource_names": [f"projects/{project}"], "filter": filter_, **more}
        return list(self.logging.list_log_entries(request=request, retry=None, timeout=10))

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.running.endpoints.rest + path, timeout=10, **more)

    def post(self, path: str, body: object) -> requests.Response:
        return self.session.post(self.running.endpoints.rest + path, json=body, timeout=10)


def notification(name: str = "CONSTRUCTED_ctd_v2_notification.json") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SAMPLES / name).read_text(encoding="utf-8"))
    return read


@pytest.fixture
def start() -> Iterator[Callable[..., Asking]]:
    """Starts a lab of the scenario above, with what the test changes."""
    opened = []

    def begin(message: dict[str, Any] | None = None, **changes: Any) -> Asking:
        scenario = Scenario.model_validate({**BASE, **changes})
        context = serve(scenario, notification() if message is None else message)
        asking = Asking(context.__enter__())
        opened.append((context, asking))
        return asking

    yield begin
    for context, asking in opened:
        asking.channel.close()
        asking.session.close()
        context.__exit__(None, None, None)


# --- Security Command Center ------------------------------------------------------------------------------------------


def test_scc_has_the_finding_and_its_neighbours_in_one_query(start: Callable[..., Asking]) -> None:
    found = start().findings(
        f'event_time>="2026-11-20T08:41:07Z" AND event_time<="2026-11-20T10:41:07Z" AND (resource_name="{CLUSTER}")',
        order_by="event_time desc",
        page_size=1,
    )

    assert [f.category for f in found] == [
        "Added Binary Executed",
        "Bare",
        "Defense Evasion: Launch Code Compiler Tool In Container",
    ]
    assert found[0].processes[0].binary.path == "/tmp/.x/kworker"
    assert found[0].kubernetes.pods[0].name == POD
    assert not found[1].kubernetes.pods
    assert found[2].kubernetes.pods[0].containers[0].name == "checkout"
    assert found[2].severity == Finding.Severity.LOW


@pytest.mark.parametrize(
    "sample",
    [
        "CONSTRUCTED_ctd_v1_notification.json",
        "CONSTRUCTED_ctd_v2_notification.json",
        "CONSTRUCTED_ctd_console_json_tab.json",
    ],
)
def test_a_notification_of_any_shape_is_listed_as_v2(start: Callable[..., Asking], sample: str) -> None:
    asking = start(notification(sample))
    name = "organizations/123456789012/sources/1750894040330370653/locations/global/findings"

    request = {"parent": ORG, "filter": f'name="{name}/0a1b2c3d4e5f60718293a4b5c6d7e8f9"'}
    (result,) = asking.scc.list_findings(request=request, timeout=10)

    assert result.resource.gcp_metadata.project_display_name == "acme-shop-prod"
    assert result.resource.display_name == "shop-prod"
    assert result.finding.parent.endswith("/locations/global")
    assert result.finding.canonical_name.startswith("projects/421458901689/sources/1750894040330370653/locations/")
    assert dict(result.finding.source_properties)["Pod_Name"] == POD


def test_the_nested_shape_brings_its_project_along(start: Callable[..., Asking]) -> None:
    asking = start(notification("sra_v1_web_ui_enabled-remediated.json"), findings=[{"like": "notification"}])

    (result,) = asking.scc.list_findings(request={"parent": ORG}, timeout=10)

    assert result.resource.gcp_metadata.project_display_name
    assert result.finding.resource_name == result.resource.name


def test_what_scc_could_not_hold_of_a_hostile_notification_is_left_out(start: Callable[..., Asking]) -> None:
    hostile = notification()
    hostile["finding"] |= {"eventTime": "yesterday", "severity": "DIRE", "description": "\ud800", "kubernetes": [[[]]]}

    (found,) = start(hostile, findings=[{"like": "notification"}]).findings()

    assert found.category == "Defense Evasion: Launch Code Compiler Tool In Container"
    assert not found.kubernetes.pods


def test_a_finding_appears_when_its_time_has_come(start: Callable[..., Asking]) -> None:
    asking = start()
    before = asking.findings('category="Reverse Shell"')

    asking.post("/_lab/advance", {"seconds": 3600})

    assert before == []
    assert [f.severity for f in asking.findings('category="Reverse Shell"')] == [Finding.Severity.CRITICAL]


def test_a_neighbour_is_listed_from_its_event_time_on(start: Callable[..., Asking]) -> None:
    asking = start(findings=[{"event_time": "+1h"}, {"event_time": "+5s"}])
    before = len(asking.findings())

    asking.post("/_lab/advance", {"seconds": 3600})

    assert (before, len(asking.findings())) == (1, 2)


def test_a_project_lists_its_own_findings_only(start: Callable[..., Asking]) -> None:
    asking = start()

    assert [f.category for f in asking.findings(parent="projects/7/sources/-")] == ["Open Firewall"]
    assert len(asking.findings(parent="projects/acme-shop-prod/sources/-/locations/global")) == 3


def test_a_parent_that_is_not_ours_is_denied_in_googles_words(start: Callable[..., Asking]) -> None:
    with pytest.raises(exceptions.PermissionDenied, match=r"'securitycenter\.findings\.list' denied on resource"):
        start().findings(parent="organizations/999/sources/-/locations/global")


@pytest.mark.parametrize(
    "request_",
    [
        {"filter_": 'kubernetes.pods.name="x"'},
        {"filter_": 'category="'},
        {"order_by": "importance"},
        {"parent": "organizations/1"},
        {"page_token": "made-up"},
    ],
)
def test_scc_refuses_what_it_cannot_read(start: Callable[..., Asking], request_: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        start().findings(**request_)


def test_a_page_token_belongs_to_its_filter(start: Callable[..., Asking]) -> None:
    asking = start()
    pager = asking.scc.list_findings(request={"parent": ORG, "page_size": 1}, timeout=10)

    with pytest.raises(exceptions.InvalidArgument, match="does not belong"):
        asking.findings('state="ACTIVE"', page_token=pager.next_page_token)


# --- GKE --------------------------------------------------------------------------------------------------------------


def test_a_cluster_is_complete_by_project_id_and_by_number(start: Callable[..., Asking]) -> None:
    asking = start()
    cluster = asking.cluster("projects/421458901689/locations/europe-west1-b/clusters/shop-prod")

    assert cluster == asking.cluster("projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod")
    assert cluster.endpoint.startswith("127.0.0.1:")
    assert "/zones/europe-west1-b/" in cluster.self_link
    assert cluster.create_time == "2026-05-04T09:41:07+00:00"
    assert cluster.workload_identity_config.workload_pool == "acme-shop-prod.svc.id.goog"
    assert cluster.network_config.datapath_provider.name == "ADVANCED_DATAPATH"
    assert cluster.release_channel.channel.name == "REGULAR"
    assert dict(cluster.resource_labels) == {"owner": "web"}
    assert cluster.private_cluster_config.private_endpoint == "10.20.0.2"
    dns = cluster.control_plane_endpoints_config.dns_endpoint_config
    assert dns.allow_external_traffic
    assert dns.endpoint.endswith(".europe-west1.gke.goog")


def test_a_private_regional_cluster_has_no_public_endpoint(start: Callable[..., Asking]) -> None:
    cluster = start().cluster("projects/acme-data/locations/europe-west4/clusters/auto")

    assert cluster.endpoint == "10.20.1.2"
    assert cluster.private_cluster_config.enable_private_endpoint
    assert cluster.autopilot.enabled
    assert "/locations/europe-west4/" in cluster.self_link


def test_a_cluster_that_is_not_there_is_not_found(start: Callable[..., Asking]) -> None:
    name = "projects/acme-shop-prod/locations/europe-west1-b/clusters/none"
    with pytest.raises(exceptions.NotFound, match=f"Not found: {name}"):
        start().cluster(name)


def test_a_control_plane_answers_over_tls_where_it_is_reachable(start: Callable[..., Asking]) -> None:
    endpoints = start().running.endpoints
    context = ssl.create_default_context(cafile=endpoints.ca_pem_file)
    (dns,) = (host for host in endpoints.hosts if host.endswith(".gke.goog"))
    host, port = endpoints.hosts[dns].split(":")

    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=dns) as secure,
    ):
        assert secure.version() == "TLSv1.3"


def test_a_control_plane_that_is_not_reachable_refuses(start: Callable[..., Asking]) -> None:
    host, port = start().running.endpoints.hosts["10.20.1.2"].split(":")

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


# --- Cloud Logging ----------------------------------------------------------------------------------------------------


def test_the_pod_query_of_the_runbook_finds_the_pods_lines_oldest_first(start: Callable[..., Asking]) -> None:
    asking = start(now="+10m")
    window = ' AND timestamp>="2026-11-20T08:41:07Z" AND timestamp<="2026-11-20T10:41:07Z"'

    entries = asking.entries(POD_QUERY + window, page_size=50)

    assert len(entries) == 121
    assert entries[0].json_payload["msg"] == "structured"
    assert entries[1].text_payload == "line"
    assert dict(entries[1].resource.labels)["container_name"] == "app"
    assert entries[1].labels["k8s-pod/app"] == "checkout"
    assert len(asking.running.lab.calls("logging.ListLogEntries")) == 3


def test_the_audit_query_of_the_runbook_finds_who_ran_what_in_the_pod(start: Callable[..., Asking]) -> None:
    entries = start().entries(AUDIT_QUERY)

    assert [entry.labels["authorization.k8s.io/decision"] for entry in entries] == ["allow", "forbid"]
    body = start().post("/v2/entries:list", {"resourceNames": ["projects/acme-shop-prod"], "filter": AUDIT_QUERY})
    executed, refused = body.json()["entries"]
    assert executed["protoPayload"]["methodName"] == "io.k8s.core.v1.pods.exec.create"
    assert executed["protoPayload"]["resourceName"] == f"core/v1/namespaces/shop/pods/{POD}/exec"
    assert executed["protoPayload"]["authenticationInfo"]["principalEmail"] == "dev@acme.example"
    assert executed["protoPayload"]["requestMetadata"]["callerIp"] == "203.0.113.7"
    assert executed["labels"]["command.gke.io/command"] == "sh -i"
    assert refused["protoPayload"]["status"]["code"] == 7


def test_the_node_query_of_the_runbook_finds_the_serial_console(start: Callable[..., Asking]) -> None:
    (entry,) = start().entries(NODE_QUERY)

    assert entry.log_name == "projects/acme-shop-prod/logs/serialconsole.googleapis.com%2Fserial_port_1_output"
    assert entry.text_payload == "oom-killer"


def test_entries_of_the_future_and_of_other_projects_are_not_there(start: Callable[..., Asking]) -> None:
    asking = start()

    early = len(asking.entries(POD_QUERY))
    asking.post("/_lab/advance", {"seconds": 600})

    assert early < 60
    assert len(asking.entries(POD_QUERY)) == 121
    assert asking.entries('"of another project"') == []
    assert len(asking.entries('"of another project"', project="7")) == 1


def test_the_newest_come_first_where_that_is_asked(start: Callable[..., Asking]) -> None:
    times = [entry.timestamp for entry in start().entries(order_by="timestamp desc", page_size=7)]

    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    "request_",
    [{"filter_": "resource.type="}, {"filter_": 'pod="x"'}, {"page_size": 1001}, {"order_by": "severity"}],
)
def test_logging_refuses_what_it_cannot_read(start: Callable[..., Asking], request_: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        start().entries(**request_)


def test_logging_asks_for_a_resource_name(start: Callable[..., Asking]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        start().logging.list_log_entries(request={"filter": ""}, timeout=10)


def test_reads_above_the_limit_are_refused_for_that_project_until_a_minute_is_over(
    start: Callable[..., Asking],
) -> None:
    asking = start(log_reads_per_minute=2)
    asking.entries(NODE_QUERY)
    asking.entries(NODE_QUERY)

    with pytest.raises(exceptions.ResourceExhausted, match="Read requests per minute"):
        asking.entries(NODE_QUERY)
    assert len(asking.entries(project="acme-data")) == 1
    asking.post("/_lab/advance", {"seconds": 61})
    assert len(asking.entries(NODE_QUERY)) == 1


# --- faults -----------------------------------------------------------------------------------------------------------

ASKED: dict[str, Callable[[Asking], object]] = {
    "scc.ListFindings": lambda asking: asking.findings(),
    "gke.GetCluster": lambda asking: asking.cluster(
        "projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"
    ),
    "logging.ListLogEntries": lambda asking: asking.entries(),
}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("deny", exceptions.PermissionDenied),
        ("quota", exceptions.ResourceExhausted),
        ("unavailable", exceptions.ServiceUnavailable),
        ("not_found", exceptions.NotFound),
        ("reset", exceptions.ServiceUnavailable),
        ("lie", exceptions.InternalServerError),
    ],
)
@pytest.mark.parametrize("call", sorted(ASKED))
def test_a_fault_reaches_the_client_as_googles_own_error(
    start: Callable[..., Asking], call: str, kind: str, expected: type[Exception]
) -> None:
    asking = start(faults=[{"call": call, "kind": kind, "times": 1}])

    with pytest.raises(expected):
        ASKED[call](asking)
    assert ASKED[call](asking)
    assert len(asking.running.lab.calls(call)) == 2


@pytest.mark.parametrize("call", ["scc.ListFindings", "logging.ListLogEntries"])
def test_an_empty_page_with_a_token_is_not_the_end(start: Callable[..., Asking], call: str) -> None:
    asking = start(faults=[{"call": call, "kind": "empty_page", "after": 1, "times": 2}])
    listings: dict[str, Callable[[], list[str]]] = {
        "scc.ListFindings": lambda: [f.name for f in asking.findings(page_size=2)],
        "logging.ListLogEntries": lambda: [e.insert_id for e in asking.entries(page_size=10)],
    }
    whole = listings[call]

    read = whole()

    assert len(read) == len(set(read)) > 3
    assert read == whole()
    journal = asking.running.lab.calls(call)
    assert journal[1]["page_token"] == journal[2]["page_token"] == journal[3]["page_token"] != ""


def test_a_call_that_hangs_ends_at_the_clients_deadline_and_does_not_hold_up_the_end(
    start: Callable[..., Asking],
) -> None:
    asking = start(faults=[{"call": "gke.*", "kind": "hang"}])

    with pytest.raises(exceptions.DeadlineExceeded):
        asking.cluster("projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod", timeout=0.3)


def test_latencies_run_side_by_side(start: Callable[..., Asking]) -> None:
    asking = start(faults=[{"call": "gke.*", "kind": "latency", "seconds": 0.5}])
    name = "projects/acme-shop-prod/locations/europe-west1-b/clusters/shop-prod"
    started = time.monotonic()

    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: asking.cluster(name).name, range(60)))

    assert answers == ["shop-prod"] * 60
    # One after another would be 30 s.
    assert time.monotonic() - started < 10


def test_a_method_that_the_lab_has_not_is_unimplemented(start: Callable[..., Asking]) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        start().gke.list_clusters(parent="projects/acme-shop-prod/locations/-", retry=None, timeout=5)


# --- REST -------------------------------------------------------------------------------------------------------------


def test_resource_manager_knows_the_project_by_id_and_by_number(start: Callable[..., Asking]) -> None:
    asking = start()
    project = asking.get("/v3/projects/421458901689").json()

    assert project == asking.get("/v3/projects/acme-shop-prod").json()
    assert (project["projectId"], project["name"], project["labels"]) == (
        "acme-shop-prod",
        "projects/421458901689",
        {"team": "web"},
    )
    assert asking.get("/v1/projects/acme-shop-prod").json()["projectNumber"] == "421458901689"


def test_owners_and_contacts_are_those_of_the_scenario(start: Callable[..., Asking]) -> None:
    asking = start()
    bindings = asking.post("/v3/projects/acme-shop-prod:getIamPolicy", {}).json()["bindings"]
    path = "/v1/projects/acme-shop-prod/contacts:compute"

    assert {b["role"]: b["members"] for b in bindings}["roles/owner"] == ["user:owner@acme.example"]
    (contact,) = asking.get(path, params={"notificationCategories": "SECURITY"}).json()["contacts"]
    assert contact["email"] == "security@acme.example"
    assert asking.get(path, params={"notificationCategories": "BILLING"}).json() == {}
    assert asking.post("/v1/projects/acme-shop-prod:getIamPolicy", {}).json()["bindings"] == bindings


def test_compute_knows_the_vm_of_a_node(start: Callable[..., Asking]) -> None:
    asking = start()
    path = "/compute/v1/projects/acme-shop-prod/zones/europe-west1-b/instances"
    machine = asking.get(f"{path}/{NODE}").json()

    assert machine["id"] == "8108478110475488564"
    created = datetime.fromisoformat(machine["creationTimestamp"])
    assert created.utcoffset() == timedelta(hours=-8)
    assert created.astimezone(UTC) == datetime(2026, 10, 31, 9, 41, 7, tzinfo=UTC)
    assert asking.get(f"{path}/gone").status_code == 404


def test_the_json_twins_answer_as_grpc_does(start: Callable[..., Asking]) -> None:
    asking = start()
    by_zone = asking.get("/v1/projects/acme-shop-prod/zones/europe-west1-b/clusters/shop-prod").json()
    listed = asking.get(f"/v2/{ORG}/findings", params={"filter": 'state="INACTIVE"', "pageSize": "5"}).json()

    assert by_zone["masterAuth"]["clusterCaCertificate"]
    assert [r["finding"]["category"] for r in listed["listFindingsResults"]] == ["Bare"]
    missing = asking.get("/v1/projects/acme-shop-prod/locations/europe-west1-b/clusters/none")
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ("resourcemanager.GetProject", "/v3/projects/acme-shop-prod"),
        ("essentialcontacts.Compute", "/v1/projects/acme-shop-prod/contacts:compute"),
        ("compute.InstancesGet", f"/compute/v1/projects/acme-shop-prod/zones/europe-west1-b/instances/{NODE}"),
    ],
)
def test_rest_denies_as_google_does(start: Callable[..., Asking], call: str, path: str) -> None:
    answer = start(faults=[{"call": call, "kind": "deny"}]).get(path)

    assert answer.status_code == 403
    assert answer.json()["error"]["status"] == "PERMISSION_DENIED"
    assert "denied on resource" in answer.json()["error"]["message"]


def test_an_iam_policy_can_be_denied_alone(start: Callable[..., Asking]) -> None:
    asking = start(faults=[{"call": "resourcemanager.GetIamPolicy", "kind": "deny"}])

    assert asking.post("/v3/projects/acme-shop-prod:getIamPolicy", {}).status_code == 403
    assert asking.get("/v3/projects/acme-shop-prod").status_code == 200


def test_rest_answers_each_fault_by_its_status(start: Callable[..., Asking]) -> None:
    faults = [
        {"call": "resourcemanager.*", "kind": kind, "after": 0, "times": 1} for kind in ("quota", "unavailable", "lie")
    ]
    asking = start(faults=faults)
    answers = [asking.get("/v3/projects/acme-shop-prod") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 503, 200]
    with pytest.raises(ValueError, match="Expecting value"):
        answers[2].json()


def test_rest_drops_the_connection_where_a_reset_is_planned(start: Callable[..., Asking]) -> None:
    asking = start(faults=[{"call": "compute.*", "kind": "reset"}])

    with pytest.raises(requests.ConnectionError):
        asking.get(f"/compute/v1/projects/acme-shop-prod/zones/europe-west1-b/instances/{NODE}")


def test_rest_without_a_token_is_refused(start: Callable[..., Asking]) -> None:
    asking = start()
    del asking.session.headers["Authorization"]

    assert asking.get("/v3/projects/acme-shop-prod").json()["error"]["status"] == "UNAUTHENTICATED"
    assert asking.get("/_lab/journal").status_code == 200


# --- the whole --------------------------------------------------------------------------------------------------------


def test_the_journal_tells_each_call_and_its_request(start: Callable[..., Asking]) -> None:
    asking = start()
    asking.findings('state="ACTIVE"')
    asking.get("/v3/projects/acme-shop-prod")

    first, second = asking.get("/_lab/journal").json()["journal"]

    assert (first["call"], first["filter"], first["parent"]) == ("scc.ListFindings", 'state="ACTIVE"', ORG)
    assert (second["call"], second["path"]) == ("resourcemanager.GetProject", "/v3/projects/acme-shop-prod")
    assert asking.get("/_lab/endpoints").json() == asking.running.endpoints.model_dump(mode="json")


def test_nothing_is_left_when_the_lab_has_ended() -> None:
    before = set(threading.enumerate())
    with serve(Scenario.model_validate(BASE), notification()) as running:
        folder = Path(running.endpoints.ca_pem_file).parent
        ports = [running.endpoints.grpc, running.endpoints.rest.removeprefix("http://")]

    assert not folder.exists()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "lab"]
    for address in ports:
        host, port = address.split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)


def test_a_scenario_that_is_wrong_fails_at_the_start_and_says_what() -> None:
    scenario = Scenario.model_validate({**BASE, "logs": [{"time": "-1s", "node": "nobody", "text": "x"}]})

    with pytest.raises(ValueError, match="node 'nobody'"), serve(scenario, notification()):
        pass


def test_run_serves_until_it_is_told_to_end() -> None:
    served = []

    def ready(endpoints: Endpoints) -> None:
        with socket.create_connection(("127.0.0.1", int(endpoints.grpc.split(":")[1])), timeout=5):
            served.append(endpoints.grpc)
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    run(Scenario.model_validate(BASE), {}, ready=ready)

    assert len(served) == 1
    assert signal.getsignal(signal.SIGTERM) is before
