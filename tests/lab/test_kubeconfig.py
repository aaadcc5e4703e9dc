"""Which API server may take the place of the lab's: loopback, or one whose host was said twice; nothing is run."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from lab import apiserver
from lab.kubeconfig import KubeconfigError, from_environment
from lab.rbac import COLLECTOR, INVESTIGATOR, REMEDIATOR
from lab.scenario import Scenario, load
from lab.staging import granted, stage
from lab.tls import Authority
from tests.scene import SCENARIOS


def written(
    folder: Path, server: str, *, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None
) -> str:
    ca = base64.b64encode(Authority(folder).pem.encode()).decode()
    named = {"certificate-authority-data": ca} if cluster is None else cluster
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "clusters": [{"name": "it", "cluster": {"server": server, **named}}],
        "users": [{"name": "me", "user": user or {"token": "t0ken"}}],
    }
    path = folder / "config"
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("server", ["https://127.0.0.1:6443", "https://[::1]:6443", "https://localhost:6443/"])
def test_a_server_on_loopback_is_taken_with_its_ca_and_token(tmp_path: Path, server: str) -> None:
    found = from_environment({"LAB_KUBECONFIG": written(tmp_path, server)})
    assert found is not None
    assert (found.url, found.authorization) == (server.rstrip("/"), "Bearer t0ken")
    assert found.ca_pem.startswith("-----BEGIN CERTIFICATE-----")


def test_without_the_variable_there_is_none() -> None:
    assert from_environment({"KUBECONFIG": "/etc/kubernetes/admin.conf"}) is None


@pytest.mark.parametrize("repeated", ["", "10.1.2.4", "0.1.2.3", "10.1.2.3:443", "127.0.0.1"])
def test_a_server_elsewhere_is_refused_unless_its_host_is_repeated(tmp_path: Path, repeated: str) -> None:
    environ = {"LAB_KUBECONFIG": written(tmp_path, "https://10.1.2.3:443"), "LAB_KUBECONFIG_HOST": repeated}
    with pytest.raises(KubeconfigError, match=r"10\.1\.2\.3 is not on loopback"):
        from_environment(environ)
    found = from_environment({**environ, "LAB_KUBECONFIG_HOST": "10.1.2.3"})
    assert found is not None
    assert found.url == "https://10.1.2.3:443"


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "127-0-0-1.example", "0.0.0.0"])  # noqa: S104 - not bound
def test_a_host_that_only_looks_like_loopback_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(KubeconfigError, match="is not on loopback"):
        from_environment({"LAB_KUBECONFIG": written(tmp_path, f"https://{host}:6443")})


@pytest.mark.parametrize(
    ("server", "user", "cluster", "why"),
    [
        ("http://127.0.0.1:8080", None, None, "is no https address"),
        ("https://127.0.0.1:6443", None, {}, "no certificate-authority"),
        ("https://127.0.0.1:6443", None, {"insecure-skip-tls-verify": True}, "no certificate-authority"),
        ("https://127.0.0.1:6443", {"auth-provider": {"name": "gcp"}}, None, "are not run"),
    ],
)
def test_what_would_not_be_safe_is_refused(
    tmp_path: Path, server: str, user: dict[str, Any] | None, cluster: dict[str, Any] | None, why: str
) -> None:
    with pytest.raises(KubeconfigError, match=why):
        from_environment({"LAB_KUBECONFIG": written(tmp_path, server, user=user, cluster=cluster)})


def test_no_command_is_run_for_a_files_sake(tmp_path: Path) -> None:
    left = tmp_path / "it ran"
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(left)]}
    with pytest.raises(KubeconfigError, match="are not run"):
        from_environment({"LAB_KUBECONFIG": written(tmp_path, "https://127.0.0.1:6443", user={"exec": command})})
    assert not left.exists()


@pytest.mark.parametrize("text", ["", "[]", "a: [", "apiVersion: v1\nkind: Config\n"])
def test_a_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text, encoding="utf-8")
    for path in (tmp_path / "config", tmp_path / "nowhere"):
        with pytest.raises(KubeconfigError, match=f"{path}: no kubeconfig"):
            from_environment({"LAB_KUBECONFIG": str(path)})


def test_a_scenario_that_needs_controllers_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    upstream = from_environment({"LAB_KUBECONFIG": written(tmp_path, "https://127.0.0.1:1")})
    assert upstream is not None
    given = load(SCENARIOS / "attack-web-pod.yaml").model_dump()
    given["clusters"][0]["budgets"] = [{"name": "checkout", "namespace": "shop"}]
    with (
        pytest.raises(KubeconfigError, match="the budget checkout"),
        stage(upstream, Scenario.model_validate(given), {}),
    ):
        pass


@pytest.mark.parametrize(
    ("role", "email", "kinds"),
    [
        ("investigator", INVESTIGATOR, ["ClusterRole", "ClusterRoleBinding"]),
        ("collector", COLLECTOR, ["Role", "RoleBinding"]),
        ("remediator", REMEDIATOR, ["Role", "RoleBinding"]),
    ],
)
def test_the_roles_that_are_deployed_are_bound_to_the_labs_users(role: str, email: str, kinds: list[str]) -> None:
    made = granted(role)
    assert [one["kind"] for one in made] == kinds
    assert [subject["name"] for subject in made[1]["subjects"]] == [email]


def test_what_is_lacking_for_a_server_of_our_own_is_said(tmp_path: Path) -> None:
    program = tmp_path / "etcd"
    program.touch(mode=0o755)
    assert apiserver.lacking({"ETCD": str(program)}) == "KUBE_APISERVER names no program (it is not set)"
    both = {"ETCD": str(program), "KUBE_APISERVER": str(tmp_path / "none")}
    assert apiserver.lacking(both) == f"KUBE_APISERVER names no program ({tmp_path / 'none'})"
    assert apiserver.lacking({"ETCD": str(program), "KUBE_APISERVER": str(program)}) == ""
