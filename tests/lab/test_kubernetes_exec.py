"""Commands in the lab's containers, the real kubectl, and planned faults."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
import websocket
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from lab.exec_files import Inside
from tests.lab.api_server import ADMIN, BINARY, KUBECTL, POD, Running, serve

needs_kubectl = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture
def shop(folder: Path) -> Iterator[Running]:
    with serve(folder) as running:
        yield running


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_binary_comes_out_byte_for_byte(shop: Running) -> None:
    done = shop.execute(POD, ["cat", "/tmp/.x/kworker"])
    assert done.stdout == BINARY
    assert done.status["status"] == "Success"


def test_a_tar_of_a_path_holds_the_file_under_its_name(shop: Running) -> None:
    done = shop.execute(POD, ["tar", "cf", "-", "--", "/tmp/.x/kworker"])
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        (member,) = archive.getmembers()
        extracted = archive.extractfile(member)
        assert extracted is not None
        assert (member.name, extracted.read()) == ("tmp/.x/kworker", BINARY)


@pytest.mark.parametrize(
    ("command", "code", "stdout"),
    [
        (["true"], "0", b""),
        (["sh", "-c", "exit 3"], "3", b""),
        (["sh", "-c", "cat /nothing 2>/dev/null || echo none"], "0", b"none\n"),
        (["sh", "-c", "cat /tmp/.x/k.c | wc -c"], "0", b"13\n"),
        (["ls", "-A", "/tmp"], "0", b".x\n"),
        (["ls", "-d", "--", "/tmp", "/tmp/.x"], "0", b"/tmp\n/tmp/.x\n"),
        (["sha256sum", "/tmp/.x/kworker"], "0", f"{hashlib.sha256(BINARY).hexdigest()}  /tmp/.x/kworker\n".encode()),
        (["cat", "/nothing"], "1", b""),
        (["test", "-f", "/tmp/.x/k.c"], "0", b""),
        (
            ["printenv"],
            "0",
            b"HOSTNAME=" + POD.encode() + b"\nPATH=/usr/local/bin:/usr/bin:/bin\nDB_PASSWORD=hunter2\n",
        ),
    ],
)
def test_a_command_leaves_its_output_and_its_exit_code(
    shop: Running, command: list[str], code: str, stdout: bytes
) -> None:
    done = shop.execute(POD, command)
    causes = done.status.get("details", {}).get("causes", [{"message": "0"}])
    assert (causes[0]["message"], done.stdout) == (code, stdout)


def test_an_older_client_gets_the_protocol_that_it_offers(shop: Running) -> None:
    url = f"wss://127.0.0.1:{shop.port}/api/v1/namespaces/shop/pods/{POD}/exec?command=sh&command=-c&command=exit+2"
    opened = websocket.create_connection(
        url,
        subprotocols=["v4.channel.k8s.io"],
        header=[f"Authorization: Bearer {ADMIN}"],
        sslopt={"ca_certs": str(shop.ca)},
        timeout=5,
    )
    with closing(opened):
        assert opened.getsubprotocol() == "v4.channel.k8s.io"
        message = opened.recv()
    assert message[:1] == b"\x03"
    assert json.loads(message[1:])["reason"] == "NonZeroExitCode"


def test_an_argument_is_not_a_shell_text(shop: Running) -> None:
    done = shop.execute(POD, ["cat", "$(id); /tmp/.x/k.c"])
    assert done.stderr == b"cat: $(id); /tmp/.x/k.c: No such file or directory\n"


@pytest.mark.parametrize("program", ["sh", "tar", "cat"])
def test_a_container_without_a_shell_answers_like_a_distroless_one(shop: Running, program: str) -> None:
    done = shop.execute("bare", [program], container="one")
    assert (done.status["status"], done.status["reason"]) == ("Failure", "InternalError")
    assert f'exec: "{program}": executable file not found in $PATH' in done.status["message"]


@pytest.mark.parametrize(
    ("pod", "container", "token", "code", "text"),
    [
        ("bare", "zz", ADMIN, 400, "container zz is not valid for pod bare"),
        ("stuck", "", ADMIN, 500, "container not found"),
        ("nobody", "", ADMIN, 404, 'pods \\"nobody\\" not found'),
        ("bare", "two", "lab-investigator", 403, 'cannot create resource \\"pods/exec\\"'),
    ],
)
def test_a_command_that_cannot_start_is_refused_at_the_handshake(
    shop: Running, pod: str, container: str, token: str, code: int, text: str
) -> None:
    with pytest.raises(ApiException) as raised:
        shop.execute(pod, ["id"], container=container, token=token)
    # The Python client leaves the code in the text of the handshake's failure.
    assert f"Handshake status {code}" in str(raised.value)
    assert text in str(raised.value)


def test_text_and_base64_files_and_paths_with_dots_are_read() -> None:
    inside = Inside(hostname="h", files={"/a/b": b"x" * 100})
    assert inside.run(["cat", "/a/./c/../b"]).stdout == b"x" * 100
    encoded = inside.run(["base64", "-w", "0", "/a/b"]).stdout
    assert inside.run(["base64", "-d"], encoded).stdout == b"x" * 100
    assert inside.run(["dd", "if=/a/b", "bs=30", "skip=3"]).stdout == b"x" * 10
    assert inside.run(["head", "-c", "5", "/a/b"]).stdout == b"x" * 5


# --- the real kubectl -------------------------------------------------------------------------------------------------


@needs_kubectl
def test_kubectl_gets_and_describes(shop: Running) -> None:
    listed = shop.kubectl("get", "pods", "-n", "shop", "-o", "json")
    assert {p["metadata"]["name"] for p in json.loads(listed.stdout)["items"]} >= {POD, "bare"}
    assert b"front" in shop.kubectl("get", "rollouts.argoproj.io", "-n", "shop").stdout
    described = shop.kubectl("describe", "pod", "bare", "-n", "shop")
    assert b"Pulled" in described.stdout, described.stderr
    assert json.loads(shop.kubectl("get", "--raw", "/api/v1/namespaces/shop").stdout)["kind"] == "Namespace"


@needs_kubectl
def test_kubectl_reads_logs_and_runs_commands_with_their_exit_code(shop: Running) -> None:
    assert shop.kubectl("logs", "-n", "shop", POD).stdout == b"GET /\nPOST /run\n"
    done = shop.kubectl("exec", "-n", "shop", POD, "-c", "app", "--", "cat", "/tmp/.x/k.c")
    assert (done.stdout, done.returncode) == (b"int main(){}\n", 0), done.stderr
    assert shop.kubectl("exec", "-n", "shop", POD, "--", "sh", "-c", "exit 4").returncode == 4
    typed = shop.kubectl("exec", "-i", "-n", "shop", POD, "--", "sh", stdin=b"id -u\ncat /tmp/.x/k.c\n")
    assert typed.stdout == b"0\nint main(){}\n"
    assert shop.kubectl("exec", "-i", "-n", "shop", POD, "--", "cat", stdin=b"abc").stdout == b"abc"


@needs_kubectl
def test_kubectl_copies_a_binary_byte_for_byte(shop: Running, tmp_path: Path) -> None:
    done = shop.kubectl("cp", "-n", "shop", "-c", "app", f"{POD}:/tmp/.x/kworker", str(tmp_path / "kworker"))
    assert (tmp_path / "kworker").read_bytes() == BINARY, done.stderr


@needs_kubectl
def test_kubectl_debugs_a_container_without_a_shell(shop: Running) -> None:
    command = ("debug", "-i", "-q", "-n", "shop", "bare", "--image=busybox", "--target=one", "--", "id", "-u")
    done = shop.kubectl(*command)
    assert done.stdout == b"0\n", done.stderr
    pod = shop.core().read_namespaced_pod(name="bare", namespace="shop")
    assert pod.spec.ephemeral_containers[0].target_container_name == "one"


@needs_kubectl
def test_kubectl_deletes_by_uid_and_by_name(shop: Running) -> None:
    uid = shop.core().read_namespaced_pod(name="bare", namespace="shop").metadata.uid
    path = "/api/v1/namespaces/shop/pods/bare"
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "wrong"}}
    refused = shop.kubectl("delete", "--raw", path, "-f", "-", stdin=json.dumps(body).encode())
    assert b"the UID in the precondition (wrong) does not match" in refused.stderr
    body["preconditions"] = {"uid": uid}
    done = shop.kubectl("delete", "--raw", path, "-f", "-", stdin=json.dumps(body).encode())
    assert json.loads(done.stdout)["metadata"]["deletionTimestamp"], done.stderr
    waited = shop.kubectl("delete", "pod", "stuck", "-n", "shop", "--grace-period=1")
    assert (waited.returncode, waited.stdout) == (0, b'pod "stuck" deleted from shop namespace\n'), waited.stderr


@needs_kubectl
def test_kubectl_tells_a_user_what_is_forbidden(shop: Running) -> None:
    forbidden = shop.kubectl("get", "secrets", "-n", "shop", token="lab-investigator")
    assert b'cannot list resource "secrets" in API group "" in the namespace "shop"' in forbidden.stderr


# --- faults -----------------------------------------------------------------------------------------------------------


def planned(call: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"faults": [{"call": call, "kind": kind, **more}]}


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("deny", 403, "Forbidden"),
        ("quota", 429, "TooManyRequests"),
        ("unavailable", 503, "ServiceUnavailable"),
        ("not_found", 404, "NotFound"),
    ],
)
def test_a_planned_refusal_is_a_status(folder: Path, kind: str, code: int, reason: str) -> None:
    with serve(folder, **planned("kubernetes.get.pods", kind)) as shop:
        answered, body = shop.http("GET", "/api/v1/namespaces/shop/pods/bare")
        assert (answered, body["kind"], body["reason"]) == (code, "Status", reason)
        assert shop.http("GET", "/api/v1/namespaces/shop/pods")[0] == 200


def test_a_lie_is_a_page_for_an_object_and_another_kind_for_a_list(folder: Path) -> None:
    with serve(folder, **planned("kubernetes.*.pods", "lie")) as shop:
        assert shop.http("GET", "/api/v1/namespaces/shop/pods")[1]["kind"] == "ConfigMap"
        with pytest.raises(json.JSONDecodeError):
            shop.http("GET", "/api/v1/namespaces/shop/pods/bare")


def test_an_empty_page_says_that_more_comes(folder: Path) -> None:
    with serve(folder, **planned("kubernetes.list.pods", "empty_page", times=1)) as shop:
        page = shop.core(ADMIN).list_namespaced_pod(namespace="shop")
        assert page.items == []
        rest = shop.core(ADMIN).list_namespaced_pod(namespace="shop", _continue=page.metadata._continue)
        assert len(rest.items) == 7


def test_a_reset_closes_the_connection_without_an_answer(folder: Path) -> None:
    with serve(folder, **planned("kubernetes.get.nodes", "reset")) as shop, pytest.raises(urllib3.exceptions.HTTPError):
        shop.http("GET", "/api/v1/nodes/node-1")


def test_a_dropped_reply_comes_after_the_effect(folder: Path) -> None:
    with serve(folder, **planned("kubernetes.delete.pods", "drop_reply", times=1)) as shop:
        with pytest.raises(urllib3.exceptions.HTTPError):
            shop.http("DELETE", "/api/v1/namespaces/shop/pods/bare")
        pod = shop.core().read_namespaced_pod(name="bare", namespace="shop")
        assert pod.metadata.deletion_timestamp is not None
        assert len(shop.lab.calls("cluster.pod.terminating")) == 1


def test_latency_is_waited_out_and_a_hanging_call_does_not_keep_the_server_from_ending(folder: Path) -> None:
    faults = [
        {"call": "kubernetes.get.pods", "kind": "latency", "seconds": 0.3},
        {"call": "kubernetes.list.events", "kind": "hang"},
    ]
    begun = time.monotonic()
    with serve(folder, faults=faults) as shop:
        shop.core().read_namespaced_pod(name="bare", namespace="shop")
        assert time.monotonic() - begun >= 0.3
        with pytest.raises(urllib3.exceptions.HTTPError):
            shop.core().list_namespaced_event(namespace="shop", _request_timeout=0.3)
    assert time.monotonic() - begun < 10


def test_a_fault_hits_only_requests_that_hold_its_text(folder: Path) -> None:
    with serve(folder, **planned("kubernetes.get.*", "deny", match="db-0")) as shop:
        assert shop.http("GET", "/api/v1/namespaces/shop/pods/bare")[0] == 200
        assert shop.http("GET", "/api/v1/namespaces/shop/pods/db-0")[0] == 403


def test_a_watch_tells_of_a_pod_that_goes(shop: Running) -> None:
    version = shop.core(ADMIN).list_namespaced_pod(namespace="shop").metadata.resource_version
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=3&fieldSelector=metadata.name%3Dbare"
    headers = {"Authorization": f"Bearer {ADMIN}"}
    with urllib3.PoolManager(ca_certs=str(shop.ca), retries=False, timeout=5.0) as pool:
        url = f"https://127.0.0.1:{shop.port}/api/v1/namespaces/shop/pods?{query}"
        answer = pool.request("GET", url, headers=headers, preload_content=False)
        shop.http("DELETE", "/api/v1/namespaces/shop/pods/bare?gracePeriodSeconds=10")
        time.sleep(0.3)
        shop.lab.advance(timedelta(seconds=11))
        kinds = [json.loads(line)["type"] for line in answer.read().splitlines()]
    assert kinds == ["MODIFIED", "DELETED"]


def test_the_client_reads_a_success_status_as_an_error_of_its_own(shop: Running) -> None:
    # Known of the client: its return type is the pod. Whoever deletes with grace 0 must read the bytes.
    core: Any = client.CoreV1Api(shop.api(ADMIN))
    raw = core.delete_namespaced_pod(name="bare", namespace="shop", grace_period_seconds=0, _preload_content=False)
    assert json.loads(raw.data)["kind"] == "Status"
