"""What deploy/ grants is what the adapters declare, no more and no less, and the document says so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from responder import permissions
from responder.cli import app
from responder.live.kubernetes import Rule

DEPLOY = Path(__file__).parents[1] / "deploy"
FORBIDDEN = re.compile(
    r"roles/(?:owner|editor|viewer|browser)\b|roles/[\w.]+[aA]dmin\b|roles/container\.(?:developer|viewer)"
    r"|container\.developer|cluster-admin|allUsers|allAuthenticatedUsers|[\"']\*[\"']"
)
"""Basic roles, admin roles, those that read secrets, wildcards, everybody."""
READING = {"get", "list", "connect", "getIamPolicy"}
ROLES = sorted(path.stem for path in (DEPLOY / "iam").glob("*.yaml"))


WRITING = {"create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "evict"}


def modules() -> list[Any]:
    return list(permissions.adapters())


def cluster_role(name: str = "investigator") -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "rbac" / f"{name}.yaml").read_text(encoding="utf-8"))
    role: dict[str, Any] = next(d for d in documents if d["kind"] in {"ClusterRole", "Role"})
    return role


def custom_role(name: str = "investigator") -> dict[str, Any]:
    role: dict[str, Any] = yaml.safe_load((DEPLOY / "iam" / f"{name}.yaml").read_text(encoding="utf-8"))
    return role


def declared_by_role() -> dict[str, set[str]]:
    """What the adapters need, by whose role it is: the investigator's, unless the module says another's."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for permission in getattr(module, "PERMISSIONS", ()):
            found.setdefault(getattr(module, "ROLE", "investigator"), set()).add(permission)
    return found


@pytest.mark.parametrize("name", ROLES)
def test_each_custom_role_holds_exactly_the_permissions_that_its_adapters_declare(name: str) -> None:
    assert custom_role(name)["includedPermissions"] == sorted(declared_by_role()[name])


def test_there_is_a_role_for_every_permission_and_no_other_and_they_share_none_but_those_of_the_databases() -> None:
    declared = declared_by_role()
    assert sorted(declared) == ROLES
    assert len(declared["investigator"]) >= 8
    assert declared["reader"] < declared["actions"] < declared["records"]  # each is bound to its own database
    # Doctor and tester are persons, who may some of what the responder may; the hands reach clusters as it does.
    assert declared["collector"] == declared["remediator"] < declared["investigator"]
    everything = [
        name
        for role, held in declared.items()
        if role not in {"actions", "collector", "doctor", "examiner", "reader", "remediator", "tester"}
        for name in held
    ]
    assert len(everything) == len(set(everything))


def test_publishing_and_taking_dead_letters_are_granted_apart_from_reading() -> None:
    assert custom_role("publisher")["includedPermissions"] == ["pubsub.topics.publish"]
    assert custom_role("analyst")["includedPermissions"] == ["pubsub.subscriptions.consume"]
    assert not any(permission.startswith("pubsub.") for permission in custom_role()["includedPermissions"])


def test_a_person_who_looks_at_records_can_change_none() -> None:
    assert custom_role("reader")["includedPermissions"] == ["datastore.entities.get", "datastore.entities.list"]
    assert permissions.ROLES["reader"].changes == "nothing"


def test_no_permission_of_the_custom_role_changes_anything() -> None:
    for permission in custom_role()["includedPermissions"]:
        assert permission.count(".") == 2
        assert "*" not in permission
        assert permission.rpartition(".")[2] in READING


@pytest.mark.parametrize(("name", "least"), [("investigator", 11), ("collector", 3), ("remediator", 3)])
def test_each_role_of_a_cluster_holds_exactly_the_rules_that_its_adapters_declare(name: str, least: int) -> None:
    declared = {
        (rule.group, rule.resource, verb)
        for module in modules()
        if getattr(module, "ROLE", "investigator") == name
        for rule in getattr(module, "RULES", ())
        for verb in rule.verbs
    }
    granted = [
        (group, resource, verb)
        for rule in cluster_role(name)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert len(declared) >= least
    assert sorted(granted) == sorted(declared)


def test_no_role_that_is_bound_above_a_single_account_can_take_anybodys_token() -> None:
    taking = [g.role for g in permissions.grants() if g.name.startswith("iam.")]
    assert taking == ["actor", "examiner"]
    assert all("account" in permissions.ROLES[role].bound for role in taking)


def test_every_role_that_needs_something_of_a_cluster_has_its_file() -> None:
    needing = {grant.role for grant in permissions.grants() if grant.verb}
    assert needing == {path.stem for path in (DEPLOY / "rbac").glob("*.yaml")}


def test_exec_is_granted_in_one_namespace_at_a_time_and_to_the_collector_alone() -> None:
    kinds = [
        document["kind"]
        for document in yaml.safe_load_all((DEPLOY / "rbac" / "collector.yaml").read_text(encoding="utf-8"))
    ]
    assert kinds == ["Role", "RoleBinding"]
    assert not any("pods/exec" in rule["resources"] for rule in cluster_role()["rules"])


def test_no_rule_of_the_cluster_role_changes_anything_or_reads_secrets() -> None:
    for rule in cluster_role()["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        assert set(rule["verbs"]) <= {"get", "list"}
        words = {*rule["apiGroups"], *rule["resources"]}
        assert not words & {"*", "secrets", "configmaps", "pods/exec", "nodes/proxy"}


def test_whoever_only_reads_holds_no_verb_that_writes_to_a_cluster_and_reads_no_secret() -> None:
    reading = {name for name, role in permissions.ROLES.items() if role.changes == "nothing"}
    assert "investigator" in reading
    held = [grant for grant in permissions.grants() if grant.role in reading and grant.verb]
    assert len(held) >= 11
    assert [grant.shown for grant in held if grant.verb in WRITING or "secrets" in grant.name] == []


def test_no_file_of_the_deployment_grants_a_basic_or_admin_role_a_wildcard_or_anything_to_everybody() -> None:
    paths = [path for path in DEPLOY.rglob("*") if path.suffix in {".yaml", ".yml", ".tf", ".json"}]
    assert len(paths) >= 9
    found = []
    for path in paths:
        code = re.sub(r"(?m)^\s*#.*$", "", path.read_text(encoding="utf-8"))
        found += [f"{path.name}: {word}" for word in FORBIDDEN.findall(code)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ['role = "roles/owner"', "role: roles/editor", "roles/viewer", "roles/container.admin", "allUsers",
     "allAuthenticatedUsers", 'verbs: ["*"]', "- '*'", "container.developer", "cluster-admin"],
)  # fmt: skip
def test_what_is_forbidden_is_recognised_in_each_of_its_spellings(text: str) -> None:
    assert FORBIDDEN.search(text)


def test_the_document_is_what_the_adapters_declare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert permissions.main(["--check"]) == 0, capsys.readouterr().err
    other = tmp_path / "permissions.md"
    other.write_text(permissions.text().replace("pods delete", "pods get"), encoding="utf-8")
    assert permissions.main(["--check", "--path", str(other)]) == 1
    assert permissions.main(["--path", str(other)]) == 0
    assert permissions.main(["--check", "--path", str(other)]) == 0


def test_every_permission_of_the_document_has_a_reason_and_no_reason_is_left_over() -> None:
    used = {
        next(key for key in (f"{grant.role}: {grant.shown}", grant.shown) if key in permissions.WHY)
        for grant in permissions.grants()
    }
    assert used == set(permissions.WHY)
    assert {grant.role for grant in permissions.grants()} == set(permissions.ROLES)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (SimpleNamespace(PERMISSIONS=("pubsub.topics.delete",)), "pubsub.topics.delete is not in"),
        (SimpleNamespace(RULES=(Rule("", "secrets", ("get",)),)), "secrets get is not in"),
        (SimpleNamespace(PERMISSIONS=("pubsub.topics.publish",), ROLE="stranger"), "the role stranger is not in"),
    ],
)
def test_a_permission_without_a_reason_and_a_role_without_a_holder_are_refused(
    module: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permissions, "adapters", lambda: iter([module]))
    with pytest.raises(ValueError, match=message):
        permissions.grants()


def test_the_command_prints_the_roles_of_one_feature_as_yaml_that_is_what_deploy_has() -> None:
    done = CliRunner().invoke(app, ["permissions", "--feature", "capture"])
    assert done.exit_code == 0
    connect, role, iam = yaml.safe_load_all(done.output)
    assert connect["includedPermissions"] == custom_role("collector")["includedPermissions"]
    assert (role["kind"], role["metadata"]) == ("Role", {"name": "gke-compiler-collector"})
    assert sorted_rules(role) == sorted_rules(cluster_role("collector"))
    assert iam["includedPermissions"] == custom_role("evidence")["includedPermissions"]


def sorted_rules(role: dict[str, Any]) -> list[tuple[list[str], list[str], list[str]]]:
    return sorted((rule["apiGroups"], rule["resources"], sorted(rule["verbs"])) for rule in role["rules"])


def test_the_command_tells_the_step_and_the_reason_of_every_permission_as_json() -> None:
    done = CliRunner().invoke(app, ["permissions", "--json"])
    lines = [json.loads(line) for line in done.output.splitlines()]
    assert len(lines) == len(permissions.grants())
    assert {line["feature"] for line in lines} == set(permissions.features())
    assert all(line["step"] and line["why"] for line in lines)


def test_a_feature_that_there_is_not_is_wrong_usage_and_the_known_ones_are_named() -> None:
    done = CliRunner().invoke(app, ["permissions", "--feature", "everything"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "everything is not a feature; there are: investigate, records-topic, capture" in done.stderr


@pytest.mark.parametrize("name", ["collector", "remediator"])
def test_the_hands_reach_a_cluster_with_a_dns_endpoint_and_the_table_says_so(name: str) -> None:
    role = permissions.iam_role(name, permissions.grants())
    assert role["includedPermissions"] == ["container.clusters.connect"]
    assert "IAM role" in permissions.ROLES[name].bound
