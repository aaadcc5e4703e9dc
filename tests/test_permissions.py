"""What deploy/ grants is what the adapters declare, no more and no less."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from responder import live

DEPLOY = Path(__file__).parents[1] / "deploy"
READING = {"get", "list", "connect", "getIamPolicy"}
ROLES = sorted(path.stem for path in (DEPLOY / "iam").glob("*.yaml"))


def modules() -> list[Any]:
    return [importlib.import_module(f"{live.__name__}.{found.name}") for found in pkgutil.iter_modules(live.__path__)]


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


def test_there_is_a_role_for_every_permission_and_no_other_and_they_share_none() -> None:
    declared = declared_by_role()
    assert sorted(declared) == ROLES
    assert len(declared["investigator"]) >= 8
    everything = [permission for permissions in declared.values() for permission in permissions]
    assert len(everything) == len(set(everything))


def test_publishing_and_taking_dead_letters_are_granted_apart_from_reading() -> None:
    assert custom_role("publisher")["includedPermissions"] == ["pubsub.topics.publish"]
    assert custom_role("analyst")["includedPermissions"] == ["pubsub.subscriptions.consume"]
    assert not any(permission.startswith("pubsub.") for permission in custom_role()["includedPermissions"])


def test_no_permission_of_the_custom_role_changes_anything() -> None:
    for permission in custom_role()["includedPermissions"]:
        assert permission.count(".") == 2
        assert "*" not in permission
        assert permission.rpartition(".")[2] in READING


@pytest.mark.parametrize(("name", "least"), [("investigator", 11), ("collector", 3)])
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
