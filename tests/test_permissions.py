"""What deploy/ grants is what the adapters declare, no more and no less."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import yaml

from responder import live

DEPLOY = Path(__file__).parents[1] / "deploy"
READING = {"get", "list", "connect", "getIamPolicy"}


def modules() -> list[Any]:
    return [importlib.import_module(f"{live.__name__}.{found.name}") for found in pkgutil.iter_modules(live.__path__)]


def cluster_role() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "rbac" / "investigator.yaml").read_text(encoding="utf-8"))
    role: dict[str, Any] = next(d for d in documents if d["kind"] == "ClusterRole")
    return role


def custom_role() -> dict[str, Any]:
    role: dict[str, Any] = yaml.safe_load((DEPLOY / "iam" / "investigator.yaml").read_text(encoding="utf-8"))
    return role


def test_the_custom_role_holds_exactly_the_permissions_that_the_adapters_declare() -> None:
    declared = [permission for module in modules() for permission in getattr(module, "PERMISSIONS", ())]
    assert len(declared) >= 8
    assert custom_role()["includedPermissions"] == sorted(set(declared))


def test_no_permission_of_the_custom_role_changes_anything() -> None:
    for permission in custom_role()["includedPermissions"]:
        assert permission.count(".") == 2
        assert "*" not in permission
        assert permission.rpartition(".")[2] in READING


def test_the_cluster_role_holds_exactly_the_rules_that_the_adapters_declare() -> None:
    declared = {
        (rule.group, rule.resource, verb)
        for module in modules()
        for rule in getattr(module, "RULES", ())
        for verb in rule.verbs
    }
    granted = [
        (group, resource, verb)
        for rule in cluster_role()["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert len(declared) >= 11
    assert sorted(granted) == sorted(declared)


def test_no_rule_of_the_cluster_role_changes_anything_or_reads_secrets() -> None:
    for rule in cluster_role()["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        assert set(rule["verbs"]) <= {"get", "list"}
        words = {*rule["apiGroups"], *rule["resources"]}
        assert not words & {"*", "secrets", "configmaps", "pods/exec", "nodes/proxy"}
