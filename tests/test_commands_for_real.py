"""Every command of the sheet, pasted into the real bash, kubectl and gcloud against the lab."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

from lab.environment import cleaned
from lab.proxy import proxy
from lab.rbac import ADMIN_TOKEN
from lab.scenario import Scenario
from lab.server import Running, serve
from responder import runbook
from responder.evidence import Endpoint, Evidence, Missing, Related
from responder.finding import Finding, Process
from responder.record import Command
from tests.builders import EVENT_TIME, TARGET
from tests.sheets import (
    CONSOLE,
    CONTEXT,
    END,
    INSTANCE,
    NODE,
    START,
    UID,
    a_cluster,
    a_container,
    a_pod,
    everything,
    found,
    the_finding,
)

SAMPLE = Path(__file__).parent / "samples" / "CONSTRUCTED_ctd_v2_notification.json"
SCC_NAME = json.loads(SAMPLE.read_text())["finding"]["name"]
OTHER_UID = "00000000-0000-4000-8000-000000000001"
KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.slow
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
needs_gcloud = pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")
SOURCE = "int main(void) { return 0; }\n"
ODD = "/tmp/it's $(touch pwned); é\u202e.c"


@dataclass(frozen=True, slots=True)
class Desk:
    """An analyst's machine: a folder, an environment, and the lab on the other side."""

    folder: Path
    environment: dict[str, str]
    running: Running

    def paste(self, text: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        # /bin/sh of the container may hold anything: what it prints is bytes.
        return subprocess.run(
            ["bash", "--norc", "-c", text],
            input=stdin.encode(),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def calls(self, pattern: str) -> list[dict[str, Any]]:
        return self.running.lab.calls(pattern)

    def touched(self) -> list[str]:
        """What was done to pods, beyond reading them."""
        verbs = ("create", "delete", "deletecollection", "patch", "update", "connect")
        made = [entry["call"] for entry in self.calls("kubernetes.*") if entry["call"].split(".")[1] in verbs]
        exec_ = [entry["call"] for entry in self.calls("kubernetes.*.pods/*")]
        return [*made, *exec_]


def scenario(uid: str = UID, *, shell: bool = True) -> Scenario:
    files = {
        "/usr/bin/x86_64-linux-gnu-gcc-12": "a compiler",
        "/tmp/.x/kworker": "\x7fELF",
        "/tmp/.x/k.c": SOURCE,
        ODD: "odd",
    }
    container = {"name": "checkout", "shell": shell, "files": files}
    return Scenario.model_validate(
        {
            "title": "an attack in a web pod",
            "event_time": EVENT_TIME,
            "projects": [
                {
                    "id": "acme-shop-prod",
                    "number": "421458901689",
                    "labels": {"team": "shop"},
                    "owners": ["user:lead@acme.example", "group:shop@acme.example"],
                    "security_contacts": ["security@acme.example"],
                }
            ],
            "clusters": [
                {
                    "name": "shop-prod",
                    "project": "acme-shop-prod",
                    "location": "europe-west1-b",
                    "dns": True,
                    "nodes": [{"name": NODE, "instance_id": INSTANCE}],
                    "namespaces": [{"name": "shop"}],
                    "workloads": [
                        {"kind": "Deployment", "name": "checkout", "namespace": "shop"},
                        {
                            "kind": "ReplicaSet",
                            "name": "checkout-7d9f8c5b4",
                            "namespace": "shop",
                            "owner": "Deployment/checkout",
                        },
                    ],
                    "pods": [
                        {
                            "name": TARGET.pod,
                            "namespace": "shop",
                            "uid": uid,
                            "node": NODE,
                            "owner": "ReplicaSet/checkout-7d9f8c5b4",
                            # Not the first one, which kubectl takes where nobody names one.
                            "containers": [{"name": "proxy"}, container],
                        }
                    ],
                    "events": [{"pod": f"shop/{TARGET.pod}", "reason": "Started"}],
                }
            ],
            "logs": [
                {"time": "-20s", "text": "POST /upload", "pod": f"shop/{TARGET.pod}/checkout"},
                {"time": "-10s", "audit": "pods.exec.create", "on": f"shop/{TARGET.pod}"},
                {"time": "+1s", "text": "kernel: oom", "node": NODE, "serial": True},
            ],
        }
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serve(scenario(), json.loads(SAMPLE.read_text())) as running:
        yield at(tmp_path, running)


@pytest.fixture
def desk_of_a_replaced_pod(tmp_path: Path) -> Iterator[Desk]:
    with serve(scenario(OTHER_UID), json.loads(SAMPLE.read_text())) as running:
        yield at(tmp_path, running)


def at(folder: Path, running: Running) -> Desk:
    """A kubeconfig as gcloud would have written it, a gcloud that asks the lab, and nothing of the machine's own."""
    (address,) = running.endpoints.hosts.values()
    config = folder / "kube config"
    kubeconfig(config, f"https://{address}", running.endpoints.ca_pem_file)
    token = folder / "token"
    token.write_text(running.endpoints.token)
    services = ("CONTAINER", "SECURITYCENTER", "LOGGING", "CLOUDRESOURCEMANAGER")
    rest = running.endpoints.rest
    google = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}": f"{rest}/" for service in services}
    return Desk(
        folder=folder,
        environment={
            **cleaned(os.environ),
            **google,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{rest}/compute/v1/",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "HOME": str(folder),
            "KUBECONFIG": str(config),
            "LC_ALL": "C",
            "PATH": f"{Path(KUBECTL or '/usr/bin/kubectl').parent}:{os.environ.get('PATH', '')}",
        },
        running=running,
    )


def kubeconfig(path: Path, server: str, ca_file: str) -> None:
    # Another context is the current one: a command that does not name its own goes there, and fails.
    named = [("current", "https://127.0.0.1:9"), (CONTEXT, server)]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "current",
        "clusters": [
            {"name": name, "cluster": {"server": url, "certificate-authority": ca_file}} for name, url in named
        ],
        "users": [{"name": "analyst", "user": {"token": ADMIN_TOKEN}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "analyst"}} for name, _ in named],
    }
    path.write_text(yaml.safe_dump(config))


def evidence(**changes: Any) -> Evidence:
    around = 'event_time>="2026-11-20T08:41:07Z" AND event_time<="2026-11-20T10:41:07Z"'
    related = Related(window_start=START, window_end=END, filter=around, findings=())
    scc = everything().scc
    assert scc.status == "found"
    confirmed = found(scc.value.model_copy(update={"name": SCC_NAME}))
    pod = found(a_pod(containers=(a_container("checkout"), a_container("proxy"))))
    return everything(**({"scc": confirmed, "related": found(related), "pod": pod} | changes))


def commands(finding: Finding | None = None, **changes: Any) -> tuple[Command, ...]:
    return runbook.commands(finding or the_finding(), TARGET, evidence(**changes), CONSOLE)


def the_one(made: tuple[Command, ...], word: str) -> str:
    (text,) = [command.text for command in made if word in command.text]
    return text


# --- kubectl ----------------------------------------------------------------------------------------------------------


@needs_kubectl
def test_the_commands_that_read_answer_with_what_the_cluster_has(desk: Desk) -> None:
    made = [command.text for command in commands() if command.step in {2, 3} and command.text.startswith("kubectl")]
    done = [desk.paste(text) for text in made]
    assert [one.stderr for one in done] == [b""] * 6
    node, pod, events, replica_set, deployment, namespace = (one.stdout.decode() for one in done)
    assert f'container.googleapis.com/instance_id: "{INSTANCE}"' in node
    assert f"uid: {UID}" in pod
    assert f"{TARGET.pod}." in events  # the event's name; a real server prints its reason too
    assert "kind: ReplicaSet" in replica_set
    assert "kind: Deployment" in deployment
    assert "kind: Namespace" in namespace
    assert desk.touched() == []


@needs_kubectl
def test_the_copy_commands_bring_the_files_byte_by_byte(desk: Desk) -> None:
    finding = the_finding(
        processes=(
            Process(
                binary="/usr/bin/x86_64-linux-gnu-gcc-12", args=("gcc", "-o", "/tmp/.x/kworker", "/tmp/.x/k.c", ODD)
            ),
        )
    )
    for command in commands(finding):
        if " cp " in command.text:
            done = desk.paste(command.text)
            assert done.returncode == 0, done.stderr
    copied = {path.name: path.read_bytes() for path in (desk.folder / "evidence-6b3ac2f0").iterdir()}
    assert copied == {
        "1-x86_64-linux-gnu-gcc-12": b"a compiler",
        "2-kworker": b"\x7fELF",
        "3-k.c": SOURCE.encode(),
        "4-it_s_touch_pwned_.c": b"odd",
    }
    assert not list(desk.folder.glob("**/pwned"))
    sent = [entry["query"] for entry in desk.calls("kubernetes.*.pods/exec")]
    assert {dict(query)["container"] for query in sent} == {"checkout"}
    # tar gets the path as a word of its own: no shell in the container reads it.
    assert [["command", word] for word in ("tar", "cf", "-", ODD)] == [
        pair for pair in sent[-1] if pair[0] == "command"
    ]


@needs_kubectl
def test_the_shell_command_opens_a_shell_in_that_container(desk: Desk) -> None:
    done = desk.paste(the_one(commands(), "-- /bin/sh"), stdin="cat /tmp/.x/k.c\n")
    assert SOURCE.encode() in done.stdout
    (entry,) = desk.calls("kubernetes.*.pods/exec")
    query = entry["query"]
    assert ["command", "/bin/sh"] in query
    assert ["container", "checkout"] in query


@needs_kubectl
def test_the_debug_command_puts_a_shell_beside_a_container_that_has_none(tmp_path: Path) -> None:
    with serve(scenario(shell=False), json.loads(SAMPLE.read_text())) as running:
        desk = at(tmp_path, running)
        refused = desk.paste(the_one(commands(), "-- /bin/sh"))
        assert b"/bin/sh" in refused.stderr
        desk.paste(the_one(commands(), " debug "), stdin="cat /proc/1/root/tmp/.x/k.c\n")
        (entry,) = desk.calls("kubernetes.*.pods/ephemeralcontainers")
        added = entry["body"]["spec"]["ephemeralContainers"][0]
        assert (added["image"], added["targetContainerName"]) == ("busybox", "checkout")


@needs_kubectl
def test_the_delete_command_deletes_the_pod_by_its_uid(desk: Desk) -> None:
    done = desk.paste(the_one(commands(), " delete "))
    assert done.returncode == 0, done.stderr
    (entry,) = desk.calls("kubernetes.delete.*")
    assert (entry["namespace"], entry["name"]) == ("shop", TARGET.pod)
    assert entry["body"]["preconditions"] == {"uid": UID}
    assert entry["body"]["gracePeriodSeconds"] == 30


@needs_kubectl
def test_nothing_is_done_to_a_pod_that_has_taken_the_name(desk_of_a_replaced_pod: Desk) -> None:
    desk = desk_of_a_replaced_pod
    touching = [command.text for command in commands() if command.step in {5, 7} and "gcloud" not in command.text]
    assert len(touching) == 6
    for text in touching:
        done = desk.paste(text, stdin="touch pwned\n")
        assert done.returncode == 1
        assert b"stop: this is not the pod of the record" in done.stderr
    assert len(desk.calls("kubernetes.get.pods")) == 6
    assert desk.touched() == []


@needs_kubectl
def test_a_pod_that_takes_the_name_after_the_question_is_saved_by_the_server(desk_of_a_replaced_pod: Desk) -> None:
    desk = desk_of_a_replaced_pod
    # What is left of the block when the question was answered a moment before the pod was replaced.
    send = the_one(commands(), " delete ").rpartition("&&\n")[2]
    done = desk.paste(send)
    assert done.returncode != 0
    assert OTHER_UID.encode() in done.stderr
    assert f"uid: {OTHER_UID}" in desk.paste(the_one(commands(), f"get pod {TARGET.pod} --output=yaml")).stdout.decode()


@needs_kubectl
def test_an_unreachable_cluster_stops_every_block(desk: Desk) -> None:
    kubeconfig(desk.folder / "kube config", "https://127.0.0.1:9", desk.running.endpoints.ca_pem_file)
    done = desk.paste(the_one(commands(), " delete "))
    assert done.returncode == 1
    assert b"nothing was done" in done.stderr
    assert desk.calls("kubernetes.*") == []


@needs_kubectl
def test_a_refused_block_does_not_close_the_shell_that_it_is_pasted_into(desk_of_a_replaced_pod: Desk) -> None:
    desk = desk_of_a_replaced_pod
    texts = [command.text for command in commands() if command.step in {5, 7} and "gcloud" not in command.text]
    shown = typed_into_bash("\n".join([*texts, "echo still $((40+2)) here", "exit", ""]), desk)
    assert "still 42 here" in shown
    assert shown.count("\nstop: this is not the pod of the record") == len(texts)
    assert desk.touched() == []


def typed_into_bash(text: str, desk: Desk) -> str:
    """What an interactive bash on a terminal shows, until it ends."""
    ours, its = pty.openpty()
    started = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=desk.folder,
        env={**desk.environment, "TERM": "dumb", "HISTFILE": "/dev/null", "PS1": "$ ", "PS2": "> "},
        start_new_session=True,
    )
    os.close(its)
    shown = _until(ours, b"$ ")
    try:
        # Line by line, as a terminal holds no more than 4,096 bytes that nobody has read yet.
        for line in text.splitlines(keepends=True):
            os.write(ours, line.encode())
            shown += _until(ours, b"> " if line.endswith(("||\n", "&&\n")) else b"$ ")
    finally:
        started.kill()
        started.wait()
        os.close(ours)
    return shown.decode(errors="replace")


def _until(terminal: int, prompt: bytes) -> bytes:
    """What a terminal shows up to the next prompt, or until bash has ended; TimeoutError where neither comes."""
    shown = b""
    while not shown.endswith(prompt):
        ready, _, _ = select.select([terminal], [], [], 30)
        if not ready:
            raise TimeoutError(shown)
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # Linux answers so when the other side of a terminal is closed
            break
    return shown


# --- gcloud -----------------------------------------------------------------------------------------------------------


@needs_gcloud
@needs_kubectl
def test_gcloud_takes_every_command_and_its_context_is_the_one_that_kubectl_is_given(desk: Desk) -> None:
    config = desk.folder / "kube config"
    config.unlink()
    answers = {}
    made = commands()
    with proxy(desk.running.endpoints.rest, desk.folder) as through:
        behind = replace(desk, environment=desk.environment | through)
        for command in made:
            if not command.text.startswith("gcloud"):
                continue
            # No setting of gcloud's points this service elsewhere.
            done = (behind if "essential-contacts" in command.text else desk).paste(command.text)
            assert done.returncode == 0, (command.text, done.stderr)
            answers[command.title] = done.stdout.decode()
    written = yaml.safe_load(config.read_text())
    assert written["current-context"] == CONTEXT
    assert [context["name"] for context in written["contexts"]] == [CONTEXT]
    (finding,) = json.loads(answers["The finding as Security Command Center has it now"])
    assert finding["finding"]["name"] == SCC_NAME
    assert "name: shop-prod" in answers["The cluster"]
    (line,) = json.loads(answers["The pod's log"])
    assert line["textPayload"] == "POST /upload"
    (call,) = json.loads(answers["The cluster's admin activity about the pod"])
    assert call["protoPayload"]["methodName"] == "io.k8s.core.v1.pods.exec.create"
    (serial,) = json.loads(answers["The node's log and serial console"])
    assert serial["resource"]["labels"]["instance_id"] == INSTANCE
    assert "team: shop" in answers["The project, with its labels"]
    (contact,) = yaml.safe_load_all(answers["Whom the project names for security"])
    assert contact["email"] == "security@acme.example"
    (asked,) = desk.calls("essentialcontacts.*")
    assert [pair for pair in parse_qsl(asked["query"]) if pair[0] == "notificationCategories"] == [
        ("notificationCategories", "SECURITY"),
        ("notificationCategories", "ALL"),
    ]
    owners = answers["Who owns the project by its own policy"].split()
    assert owners == ["user:lead@acme.example", "group:shop@acme.example"]


@needs_gcloud
def test_gcloud_tells_of_the_nodes_vm_where_the_cluster_does_not(desk: Desk) -> None:
    text = the_one(commands(node=Missing(why="denied", detail="nodes.get")), "compute instances describe")
    done = desk.paste(text)
    assert done.returncode == 0, done.stderr
    assert INSTANCE in done.stdout.decode()


@needs_gcloud
@needs_kubectl
def test_gcloud_writes_the_dns_endpoint_under_the_same_context(desk: Desk) -> None:
    dns = found(a_cluster(endpoint=Endpoint(kind="dns", host="", reason="")))
    text = the_one(commands(cluster=dns), "get-credentials")
    done = desk.paste(text)
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load((desk.folder / "kube config").read_text())
    (server,) = [c["cluster"]["server"] for c in written["clusters"] if c["name"] == CONTEXT]
    assert server.endswith(".gke.goog")


@needs_gcloud
def test_other_findings_are_found_by_a_filter_of_our_own_where_scc_was_not_asked(desk: Desk) -> None:
    missing = Missing(why="timeout", detail="securitycenter.findings.list")
    done = desk.paste(the_one(commands(related=missing), "--source=-"))
    assert done.returncode == 0, done.stderr
    assert [one["finding"]["name"] for one in json.loads(done.stdout)] == [SCC_NAME]
