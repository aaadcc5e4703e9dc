"""The responder that everybody writes first, for the head to head: the first container, and the pod's name.

It retries, as its client does by itself. Never deployed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from pathlib import Path

import functions_framework
from cloudevents.http import CloudEvent
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError

from lab.google import from_file
from lab.rbac import ADMIN_TOKEN
from responder import notification, wiring

_google = from_file(os.environ["LAB_ENDPOINTS"])
wiring.install(_google, now=_google.now)


@functions_framework.cloud_event
def respond(event: CloudEvent) -> None:
    """Take the file, delete the pod that has the name."""
    finding = notification.read(base64.b64decode(event.data["message"]["data"]))
    if finding is None or finding.cluster is None:
        return
    _, access = wiring.world().clusters.cluster(finding.cluster, event_time=finding.event_time)
    if access is None:
        return
    address = _google.cluster(access)
    with tempfile.TemporaryDirectory() as folder:
        ca = Path(folder) / "ca.pem"
        ca.write_text(address.ca_pem, encoding="ascii")
        pods = _client(address.url, ca)
        name, namespace = finding.pods[0].name, finding.pods[0].namespace
        with contextlib.suppress(ApiException):
            found = pods.read_namespaced_pod(name, namespace)
            container = found.spec.containers[0].name if found.spec else ""
            # A client of its own: `stream` changes the one that it is given.
            argv = ["cat", finding.processes[0].binary]
            stream(
                _client(address.url, ca).connect_get_namespaced_pod_exec,
                name, namespace, container=container, command=argv, stdout=True, stderr=True, stdin=False, tty=False,
            )  # fmt: skip
        for _ in range(2):
            with contextlib.suppress(ApiException, HTTPError):
                pods.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
                return


def _client(url: str, ca: Path) -> client.CoreV1Api:
    configuration = client.Configuration(host=url)
    configuration.ssl_ca_cert = str(ca)
    configuration.api_key = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    return client.CoreV1Api(client.ApiClient(configuration))
