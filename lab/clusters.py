"""Step 2, the lab's side: the clusters as the Container API has them, and the VMs as Compute Engine has them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any, Final

from google.cloud import container_v1

from lab.objects import zone_of
from lab.scenario import ScenarioCluster, ScenarioNode
from lab.state import Lab
from responder.names import location_type

_CLUSTER: Final = container_v1.Cluster.pb()
_PACIFIC: Final = timezone(timedelta(hours=-8))
"""Compute Engine writes its timestamps in Pacific time; who takes them for UTC is off by eight hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where one cluster's control plane answers. Empty: it has no such endpoint.

    `public` is a loopback address with its port; `private` and `dns` are names that whoever connects has to map.
    """

    public: str
    private: str
    dns: str


def endpoints(index: int, cluster: ScenarioCluster, public: str) -> Endpoints:
    """The three endpoints of the scenario's cluster number `index`, with Google's way of naming them."""
    unique = hashlib.sha256(f"{cluster.project}/{cluster.location}/{cluster.name}".encode()).hexdigest()[:32]
    region = "-".join(cluster.location.split("-")[:2])
    return Endpoints(
        public=public if cluster.public else "",
        private=f"10.20.{index}.2" if cluster.private else "",
        dns=f"gke-{unique}.{region}.gke.goog" if cluster.dns else "",
    )


def message(lab: Lab, cluster: ScenarioCluster, where: Endpoints, ca_pem: str) -> Any:
    """The complete `google.container.v1.Cluster` protobuf."""
    zonal = location_type(cluster.location) == "zone"
    unique = hashlib.sha256(f"cluster/{cluster.project}/{cluster.location}/{cluster.name}".encode()).hexdigest()
    place = f"{'zones' if zonal else 'locations'}/{cluster.location}"
    built = _CLUSTER(
        name=cluster.name,
        id=unique,
        location=cluster.location,
        zone=cluster.location,
        locations=sorted({zone_of(cluster, node) for node in cluster.nodes}) or [cluster.location],
        self_link=f"https://container.googleapis.com/v1/projects/{cluster.project}/{place}/clusters/{cluster.name}",
        status="RUNNING",
        create_time=lab.at(cluster.created).isoformat(),
        initial_cluster_version=cluster.version,
        current_master_version=cluster.version,
        current_node_version=cluster.version,
        current_node_count=len(cluster.nodes),
        endpoint=where.public or where.private,
        resource_labels=dict(cluster.labels),
        network="default",
        subnetwork="default",
        cluster_ipv4_cidr="10.56.0.0/14",
        services_ipv4_cidr="10.60.0.0/20",
        logging_service="logging.googleapis.com/kubernetes",
        monitoring_service="monitoring.googleapis.com/kubernetes",
        autopilot={"enabled": cluster.autopilot},
        release_channel={"channel": cluster.release_channel},
        network_policy={"enabled": cluster.network_policy},
        network_config=_network(cluster),
        master_auth={"cluster_ca_certificate": base64.b64encode(ca_pem.encode()).decode()},
        master_authorized_networks_config={"enabled": False},
        node_pools=[_pool(cluster, pool) for pool in sorted({node.pool for node in cluster.nodes})],
    )
    if cluster.workload_identity or cluster.autopilot:
        built.workload_identity_config.workload_pool = f"{cluster.project}.svc.id.goog"
    _add_endpoints(built, cluster, where)
    return built


def _network(cluster: ScenarioCluster) -> dict[str, Any]:
    datapath = "ADVANCED_DATAPATH" if cluster.dataplane_v2 else "LEGACY_DATAPATH"
    network = f"projects/{cluster.project}/global/networks/default"
    return {"network": network, "datapath_provider": datapath}


def _pool(cluster: ScenarioCluster, name: str) -> dict[str, Any]:
    nodes = [node for node in cluster.nodes if node.pool == name]
    return {
        "name": name,
        "version": cluster.version,
        "initial_node_count": len(nodes),
        "locations": sorted({zone_of(cluster, node) for node in nodes}),
        "config": {"machine_type": nodes[0].machine_type, "image_type": "COS_CONTAINERD", "disk_size_gb": 100},
    }


def _add_endpoints(built: Any, cluster: ScenarioCluster, where: Endpoints) -> None:
    if cluster.private:
        built.private_cluster_config.enable_private_nodes = True
        built.private_cluster_config.enable_private_endpoint = not cluster.public
        built.private_cluster_config.private_endpoint = where.private
        built.private_cluster_config.public_endpoint = where.public
    ip = built.control_plane_endpoints_config.ip_endpoints_config
    ip.enabled = cluster.public or cluster.private
    ip.enable_public_endpoint = cluster.public
    ip.public_endpoint = where.public
    ip.private_endpoint = where.private
    dns = built.control_plane_endpoints_config.dns_endpoint_config
    dns.allow_external_traffic = cluster.dns and cluster.dns_external
    dns.endpoint = where.dns


# --- virtual machines -------------------------------------------------------------------------------------------------


def vm_id(node: ScenarioNode) -> str:
    """The VM's id: the annotation's, and one of its own where the node was not annotated yet."""
    return node.instance_id or str(int(hashlib.sha256(node.name.encode()).hexdigest()[:15], 16))


def nodes(lab: Lab) -> Iterator[tuple[ScenarioCluster, ScenarioNode]]:
    """Every node of every cluster."""
    for cluster in lab.scenario.clusters:
        for node in cluster.nodes:
            yield cluster, node


def instance(lab: Lab, cluster: ScenarioCluster, node: ScenarioNode) -> dict[str, Any]:
    """The VM as `compute.v1.instances.get` answers."""
    zone = f"https://www.googleapis.com/compute/v1/projects/{cluster.project}/zones/{zone_of(cluster, node)}"
    return {
        "kind": "compute#instance",
        "id": vm_id(node),
        "name": node.name,
        "creationTimestamp": lab.at(node.created).astimezone(_PACIFIC).isoformat(timespec="milliseconds"),
        "zone": zone,
        "selfLink": f"{zone}/instances/{node.name}",
        "machineType": f"{zone}/machineTypes/{node.machine_type}",
        "status": "RUNNING",
        "cpuPlatform": "Intel Broadwell",
        "labels": {
            "goog-gke-node": "",
            "goog-k8s-cluster-name": cluster.name,
            "goog-k8s-cluster-location": cluster.location,
            "goog-k8s-node-pool-name": node.pool,
        },
        "scheduling": {"preemptible": False, "automaticRestart": True, "onHostMaintenance": "MIGRATE"},
        "disks": [
            {"kind": "compute#attachedDisk", "boot": True, "deviceName": "persistent-disk-0", "diskSizeGb": "100"}
        ],
        "metadata": {"kind": "compute#metadata", "items": [{"key": "cluster-name", "value": cluster.name}]},
    }
