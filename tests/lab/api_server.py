"""The lab's API server of a small shop, in a thread, for the tests of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import random
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes import client
from kubernetes.stream import stream

from lab import kubernetes as lab_kubernetes
from lab.scenario import Scenario
from lab.state import Lab

KUBECTL = Path(sys.executable).with_name("kubectl")
BINARY = random.Random(7).randbytes(300_000)  # noqa: S311 - a file's content
INVESTIGATOR = "lab-investigator"
ADMIN = "lab-admin"
POD = "web-7d9f8c5b4-x2k9p"

SCENARIO: dict[str, Any] = {
    "title": "a shop",
    "event_time": "2026-11-20T09:41:07Z",
    "projects": [{"id": "acme-shop-prod", "number": "421458901689"}],
    "identities": [
        {
            "user": "remediator@acme-sec.iam.gserviceaccount.com",
            "token": "remediator",
            "rules": [{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["get", "delete", "create"]}],
        }
    ],
    "logs": [
        {"time": "-20s", "text": "GET /", "pod": "shop/web-7d9f8c5b4-x2k9p"},
        {"time": "-10s", "text": "POST /run", "pod": "shop/web-7d9f8c5b4-x2k9p/app"},
        {"time": "+1h", "text": "later", "pod": "shop/web-7d9f8c5b4-x2k9p"},
    ],
    "clusters": [
        {
            "name": "shop",
            "project": "acme-shop-prod",
            "location": "europe-west1-b",
            "nodes": [{"name": "node-1"}, {"name": "node-2", "deleted": "+10s"}],
            "namespaces": [{"name": "shop", "annotations": {"owner": "shop-team@acme.example"}}],
            "workloads": [
                {"kind": "StatefulSet", "name": "db", "namespace": "shop", "replicas": 1},
                {"kind": "DaemonSet", "name": "agent", "namespace": "shop"},
                {
                    "kind": "Rollout",
                    "name": "front",
                    "namespace": "shop",
                    "api_version": "argoproj.io/v1alpha1",
                    "labels": {"team": "web"},
                },
                {"kind": "ReplicaSet", "name": "front-55c9b", "namespace": "shop", "owner": "Rollout/front"},
            ],
            "pods": [
                {
                    "name": "web-7d9f8c5b4-x2k9p",
                    "namespace": "shop",
                    "owner": "Deployment/web",
                    "containers": [
                        {
                            "name": "app",
                            "env": {"DB_PASSWORD": "hunter2"},
                            "files": {
                                "/tmp/.x/k.c": "int main(){}\n",
                                "/tmp/.x/kworker": f"base64:{base64.b64encode(BINARY).decode()}",
                            },
                        }
                    ],
                },
                {"name": "db-0", "namespace": "shop", "owner": "StatefulSet/db"},
                {"name": "agent-abcde", "namespace": "shop", "owner": "DaemonSet/agent"},
                {"name": "front-55c9b-q7w8e", "namespace": "shop", "owner": "ReplicaSet/front-55c9b"},
                {"name": "bare", "namespace": "shop", "containers": [{"name": "one", "shell": False}, {"name": "two"}]},
                {"name": "stuck", "namespace": "shop", "phase": "Pending"},
                {"name": "leaving", "namespace": "shop", "terminating": "+5s"},
                {"name": "left", "namespace": "shop", "deleted": "+5s"},
            ],
            "events": [{"pod": "shop/bare", "reason": "Pulled", "time": "-1m"}, {"pod": "shop/db-0", "time": "+1h"}],
        }
    ],
}


def certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return made.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def tls_files(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key in a folder, where they are not there yet."""
    files = folder / "ca.pem", folder / "key.pem"
    if not files[0].exists():
        for file, data in zip(files, certificate(), strict=True):
            file.write_bytes(data)
    return files


@dataclass
class Executed:
    """What a command left."""

    stdout: bytes
    stderr: bytes
    status: dict[str, Any]


@dataclass
class Running:
    """The API server of a scenario's first cluster. The clients are untyped here: a test that meets None fails."""

    lab: Lab
    port: int
    ca: Path

    def api(self, token: str = INVESTIGATOR) -> Any:
        config = client.Configuration(
            host=f"https://127.0.0.1:{self.port}",
            api_key={"BearerToken": token},
            api_key_prefix={"BearerToken": "Bearer"},
            ssl_ca_cert=str(self.ca),
        )
        config.retries = False
        return client.ApiClient(config)

    def core(self, token: str = INVESTIGATOR) -> Any:
        return client.CoreV1Api(self.api(token))

    def http(self, method: str, path: str, *, token: str = ADMIN, body: object = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = json.dumps(body).encode() if body is not None else None
        with urllib3.PoolManager(ca_certs=str(self.ca), retries=False, timeout=5.0) as pool:
            answer = pool.request(method, f"https://127.0.0.1:{self.port}{path}", body=sent, headers=headers)
            return answer.status, json.loads(answer.data)

    def kubectl(self, *args: str, token: str = ADMIN, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        folder = self.ca.parent
        where = [f"--server=https://127.0.0.1:{self.port}", f"--certificate-authority={self.ca}", f"--token={token}"]
        command = [str(KUBECTL), *where, f"--cache-dir={folder}/cache", *args]
        environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, env=environ)

    def apps(self, token: str = INVESTIGATOR) -> Any:
        return client.AppsV1Api(self.api(token))

    def execute(self, pod: str, command: list[str], *, token: str = ADMIN, container: str = "") -> Executed:
        """Run argv with the Python client: bytes of stdout and stderr, and the final Status."""
        # A client of its own: opening a stream takes the client over.
        opened = stream(
            self.core(token).connect_get_namespaced_pod_exec,
            name=pod,
            namespace="shop",
            command=command,
            **({"container": container} if container else {}),
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            binary=True,
            _preload_content=False,
        )
        opened.run_forever(timeout=10)
        out, err = opened.read_channel(1), opened.read_channel(2)
        return Executed(out or b"", err or b"", json.loads(opened.read_channel(3)))


@contextlib.contextmanager
def serve(folder: Path, **changes: Any) -> Iterator[Running]:
    """The server in a thread, with the scenario above and changes to it."""
    lab = Lab(Scenario.model_validate(SCENARIO | changes))
    tls = tls_files(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*tls)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    cluster = lab.scenario.clusters[0]
    runner, port = asyncio.run_coroutine_threadsafe(lab_kubernetes.start(lab, cluster, context), loop).result(10)
    try:
        yield Running(lab, port, tls[0])
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
