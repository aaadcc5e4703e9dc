"""deploy/rbac as clusters see it: kubectl renders the overlays, a server takes them, each identity may do its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import rbac
from lab.environment import ROOT
from responder import permissions
from tests.gcloud import GCLOUD, parsed
from tests.lab.api_server import KUBECTL, Running, serve

SCRIPT = ROOT / "deploy" / "rbac" / "overlays.py"
GIVEN: dict[str, Any] = {
    "respond": "responder-respond@acme-sec.iam.gserviceaccount.com",
    "sweep": "responder-sweep@acme-sec.iam.gserviceaccount.com",
    "act": "responder-act@acme-sec.iam.gserviceaccount.com",
    "collector": "responder-collector@acme-sec.iam.gserviceaccount.com",
    "remediator": "responder-remediator@acme-sec.iam.gserviceaccount.com",
    "clusters": [
        {"project": "acme-shop-prod", "location": "europe-west1-b", "name": "shop", "namespaces": ["shop", "default"],
         "capture_namespaces": ["shop"]},
        {"project": "acme-data-prod", "location": "europe-west4", "name": "data", "namespaces": [],
         "capture_namespaces": []},
    ],
}  # fmt: skip
UNTOLD = ("--validate=false",)
"""The lab has no OpenAPI document for kubectl to check against; its server refuses unknown fields in any case."""
needs_kubectl = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is not installed")


def written(folder: Path, given: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(folder), *options]
    return subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)


def rendered(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run([str(KUBECTL), "kustomize", str(folder)], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(done.stdout))


def bound(documents: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """Who holds each role where: `""` is the whole cluster."""
    return {
        (one["roleRef"]["name"], one["metadata"].get("namespace", "")): [who["name"] for who in one["subjects"]]
        for one in documents
        if one["kind"].endswith("Binding")
    }


@needs_kubectl
def test_an_overlay_binds_reading_to_the_cluster_and_the_rest_to_the_namespaces_that_opted_in(tmp_path: Path) -> None:
    done = written(tmp_path, GIVEN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"kubectl --context=gke_{c['project']}_{c['location']}_{c['name']} apply -k"
        f" {tmp_path}/{c['project']}_{c['location']}_{c['name']}"
        for c in GIVEN["clusters"]
    ]
    shop, data = (
        rendered(tmp_path / name) for name in ("acme-shop-prod_europe-west1-b_shop", "acme-data-prod_europe-west4_data")
    )
    everybody = [GIVEN["respond"], GIVEN["sweep"], GIVEN["act"]]
    assert bound(shop) == {
        ("gke-compiler-investigator", ""): everybody,
        ("gke-compiler-collector", "shop"): [GIVEN["collector"]],
        ("gke-compiler-remediator", "shop"): [GIVEN["remediator"]],
        ("gke-compiler-remediator", "default"): [GIVEN["remediator"]],
    }
    assert bound(data) == {("gke-compiler-investigator", ""): everybody}
    assert not any("_EMAIL" in json.dumps(one) for one in (*shop, *data))


@needs_kubectl
def test_what_is_rendered_grants_exactly_what_the_code_declares(tmp_path: Path) -> None:
    written(tmp_path, GIVEN)
    found = permissions.grants()
    for one in rendered(tmp_path / "acme-shop-prod_europe-west1-b_shop"):
        if "rules" in one:
            role = one["metadata"]["name"].removeprefix("gke-compiler-")
            asked = {(group, resource, verb) for rule in one["rules"] for group in rule["apiGroups"]
                     for resource in rule["resources"] for verb in rule["verbs"]}  # fmt: skip
            assert asked == {
                (grant.group, grant.name, grant.verb) for grant in found if grant.role == role and grant.verb
            }
            assert one["kind"] == permissions.rbac_role(role, found)["kind"]


@needs_kubectl
def test_without_act_only_reading_is_bound_and_a_namespace_that_opted_in_is_refused(tmp_path: Path) -> None:
    alone = GIVEN | {"act": "", "clusters": GIVEN["clusters"][1:]}
    assert written(tmp_path, alone).returncode == 0
    readers = [GIVEN["respond"], GIVEN["sweep"]]
    assert bound(rendered(tmp_path / "acme-data-prod_europe-west4_data")) == {
        ("gke-compiler-investigator", ""): readers
    }
    refused = written(tmp_path, GIVEN | {"act": ""})
    assert refused.returncode == 1
    assert "act is not deployed" in refused.stderr


@pytest.mark.parametrize(("way", "flag"), [("dns", " --dns-endpoint"), ("ip", "")])
def test_for_a_fleet_each_cluster_is_reached_before_its_overlay_is_applied(tmp_path: Path, way: str, flag: str) -> None:
    done = written(tmp_path, GIVEN, f"--credentials={way}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    made = "gcloud container clusters get-credentials"
    assert lines[::2] == [
        f"{made} {c['name']} --location={c['location']} --project={c['project']}{flag}" for c in GIVEN["clusters"]
    ]
    assert lines[1::2] == written(tmp_path, GIVEN).stdout.splitlines()
    if GCLOUD:
        wrong = f"{lines[0]} --nope=1"
        found = parsed([lines[0], lines[2], wrong], tmp_path)
        assert found == ["", "", "UnrecognizedArgumentsError"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"respond": "eve@example.com"}, "no e-mail address of a service account"),
        ({"act": "x@y.iam.gserviceaccount.com\n- kind: Group"}, "no e-mail address"),
        ({"clusters": [GIVEN["clusters"][0] | {"name": "../../etc"}]}, "is no cluster"),
        ({"clusters": [GIVEN["clusters"][0] | {"namespaces": ["shop; kubectl delete ns shop"]}]}, "cannot be bound"),
    ],
)  # fmt: skip
def test_what_is_no_plain_name_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    done = written(tmp_path, GIVEN | change)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    with serve(tmp_path) as running:
        yield running


def kubectl(shop: Running, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = shop.ca.parent / f"{token}.json"
    server = {"server": f"https://127.0.0.1:{shop.port}", "certificate-authority": str(shop.ca)}
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": server}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    }))  # fmt: skip
    environ = {"KUBECONFIG": str(config), "HOME": str(shop.ca.parent), "PATH": "/usr/bin:/bin"}
    return subprocess.run([str(KUBECTL), *arguments], env=environ, capture_output=True, text=True, check=False)


@needs_kubectl
def test_a_server_takes_the_overlay_in_a_rehearsal(shop: Running, tmp_path: Path) -> None:
    written(tmp_path / "out", GIVEN)
    folder = tmp_path / "out" / "acme-shop-prod_europe-west1-b_shop"
    done = kubectl(shop, rbac.ADMIN_TOKEN, "apply", "--dry-run=server", *UNTOLD, "-k", str(folder))
    assert done.returncode == 0, done.stderr
    lines = sorted(done.stdout.splitlines())
    assert len(lines) == 8
    assert all(line.endswith(" created (server dry run)") for line in lines)


@needs_kubectl
@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        ("read/investigator.yaml", "verbs: [list]", "verb: [list]", "strict decoding error"),
        ("read/investigator.yaml", "kind: ClusterRole\n  name", "kind: Role\n  name", "roleRef.kind: "),
        ("remediate-shop/kustomization.yaml", '"namespace": "shop"', '"namespace": "nowhere"', '"nowhere" not found'),
    ],
)  # fmt: skip
def test_a_server_refuses_a_role_with_a_mistake(
    shop: Running, tmp_path: Path, file: str, right: str, wrong: str, said: str
) -> None:
    written(tmp_path / "out", GIVEN)
    folder = tmp_path / "out" / "acme-shop-prod_europe-west1-b_shop"
    text = (folder / file).read_text(encoding="utf-8")
    assert right in text
    (folder / file).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    done = kubectl(shop, rbac.ADMIN_TOKEN, "apply", "--dry-run=server", *UNTOLD, "-k", str(folder))
    assert done.returncode == 1
    assert said in done.stderr


ASKED = [
    "get pods", "list pods", "delete pods", "deletecollection pods", "patch pods", "get pods/log", "create pods/exec",
    "create pods/eviction", "get nodes", "create nodes/proxy", "list events", "get secrets", "list secrets",
    "get deployments.apps", "list replicasets.apps", "update deployments.apps", "get jobs.batch",
    "create rolebindings.rbac.authorization.k8s.io", "get configmaps",
]  # fmt: skip
MAY = {
    rbac.INVESTIGATOR_TOKEN: {
        "get pods", "get nodes", "list events", "get deployments.apps", "list replicasets.apps", "get jobs.batch",
    },
    rbac.COLLECTOR_TOKEN: {"get pods", "create pods/exec"},
    rbac.REMEDIATOR_TOKEN: {"get pods", "delete pods", "create pods/eviction"},
}  # fmt: skip


def may(shop: Running, token: str, what: str, namespace: str = "shop") -> bool:
    """A SelfSubjectAccessReview; kubectl's own would come as protobuf, which the lab does not speak."""
    verb, _, named = what.partition(" ")
    plural, _, group = named.partition(".")
    resource, _, subresource = plural.partition("/")
    asked = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace}
    code, answer = shop.http(
        "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", token=token,
        body={"spec": {"resourceAttributes": asked}},
    )  # fmt: skip
    assert code == 201
    allowed: bool = answer["status"]["allowed"]
    return allowed


@pytest.mark.parametrize("token", MAY)
def test_a_server_tells_each_identity_what_it_may_do_and_no_more(shop: Running, token: str) -> None:
    assert {what for what in ASKED if may(shop, token, what)} == MAY[token]


def holders(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lab's identities with what those documents bind to them, each user with its name for a token.

    A RoleBinding gives the rules of its role in its own namespace alone, a ClusterRoleBinding everywhere.
    """
    rules = {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one["rules"]
        for one in documents
        if "rules" in one
    }
    held: dict[str, list[dict[str, list[str]]]] = {}
    for one in documents:
        if one["kind"] in {"RoleBinding", "ClusterRoleBinding"}:
            here, role = one["metadata"].get("namespace", ""), one["roleRef"]
            within = {"namespaces": [here]} if one["kind"] == "RoleBinding" else {}
            at = here if role["kind"] == "Role" else ""
            for who in one["subjects"]:
                assert who["kind"] == "User"
                mine = held.setdefault(who["name"], [])
                mine += [rule | within for rule in rules[role["kind"], at, role["name"]]]
    return [{"user": user, "token": user, "rules": mine} for user, mine in held.items()]


OPTED_IN = {"collector": {"shop"}, "remediator": {"shop", "default"}}
"""Where GIVEN opts in to capture and to deletion; `pay` is a namespace that opted in to neither, `""` every one."""


@needs_kubectl
def test_what_is_bound_holds_where_a_namespace_opted_in_and_nowhere_else(tmp_path: Path) -> None:
    written(tmp_path / "out", GIVEN)
    documents = rendered(tmp_path / "out" / "acme-shop-prod_europe-west1-b_shop")
    with serve(tmp_path, identities=holders(documents)) as server:

        def allowed(who: str, namespace: str) -> set[str]:
            return {what for what in ASKED if may(server, GIVEN[who], what, namespace)}

        for hand, token in (("collector", rbac.COLLECTOR_TOKEN), ("remediator", rbac.REMEDIATOR_TOKEN)):
            for namespace in ("shop", "default", "pay", "kube-system", ""):
                here = MAY[token] if namespace in OPTED_IN[hand] else set()
                assert allowed(hand, namespace) == here, (hand, namespace)
        for reader in ("respond", "sweep", "act"):
            assert allowed(reader, "pay") == allowed(reader, "shop") == MAY[rbac.INVESTIGATOR_TOKEN]


@needs_kubectl
def test_where_nobody_opted_in_the_hands_are_nobody(tmp_path: Path) -> None:
    written(tmp_path / "out", GIVEN)
    documents = rendered(tmp_path / "out" / "acme-data-prod_europe-west4_data")
    assert {one["user"] for one in holders(documents)} == {GIVEN[who] for who in ("respond", "sweep", "act")}
