"""Writes a kustomize overlay for each cluster: `terraform output -json rbac | python3 deploy/rbac/overlays.py FOLDER`.

Each binds the roles beside this file to the service accounts' e-mail addresses: `read` for the cluster, `collect` and
`remediate` in the namespaces that opted in, and nowhere else. Prints the command that applies each; with
`--credentials=dns` (or `ip`) also the one that makes its context, by that endpoint. Only the standard library; asks no
cluster. Input, as the Terraform module puts it out::

    {"respond": EMAIL, "sweep": EMAIL, "act": EMAIL or "", "collector": EMAIL or "", "remediator": EMAIL or "",
     "clusters": [{"project", "location", "name", "namespaces": [...], "capture_namespaces": [...]}]}
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EMAIL = re.compile(r"[a-z0-9-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.gserviceaccount\.com")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9.:-]{0,61}[a-z0-9])?")
"""Of a project, a location, a cluster, a namespace: all become parts of paths and of YAML."""


def overlay(role: str, kind: str, emails: list[str], namespace: str = "") -> str:
    """The kustomization that binds that role to these users; in one namespace, where it is given."""
    for text, form in [(email, EMAIL) for email in emails] + ([(namespace, NAME)] if namespace else []):
        if not form.fullmatch(text):
            raise SystemExit(f"{text!r} cannot be bound: it is no e-mail address of a service account, or no name")
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": email} for email in emails]
    patch = [{"op": "replace", "path": "/subjects", "value": subjects}]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": namespace} if namespace else {}),
        "resources": [f"{role}.yaml"],
        "patches": [{"target": {"kind": kind}, "patch": json.dumps(patch)}],
    }
    return json.dumps(kustomization, indent=1) + "\n"


def place(folder: Path, role: str, text: str) -> None:
    """The overlay, and a copy of the role, which kustomize takes from its own folder alone."""
    folder.mkdir(parents=True)
    shutil.copy(HERE / f"{role}.yaml", folder)
    (folder / "kustomization.yaml").write_text(text, encoding="utf-8")


def written(cluster: dict[str, Any], given: dict[str, Any], out: Path) -> Path:
    """The folder of one cluster, made anew."""
    parts = [cluster[part] for part in ("project", "location", "name")]
    if not all(NAME.fullmatch(part) for part in parts):
        raise SystemExit(f"{parts} is no cluster: project, location and name are plain names")
    folder = out / "_".join(parts).replace(":", "-")
    shutil.rmtree(folder, ignore_errors=True)
    act = [given["act"]] if given.get("act") else []
    spaces = {"collector": cluster.get("capture_namespaces", []), "remediator": cluster.get("namespaces", [])}
    if any(spaces.values()) and not act:
        raise SystemExit(f"{'/'.join(parts)}: namespaces opted in, but act is not deployed")
    hands = {"collector": [given.get("collector", "")], "remediator": [given.get("remediator", "")]}
    readers = [given["respond"], given["sweep"], *act]
    place(folder / "read", "investigator", overlay("investigator", "ClusterRoleBinding", readers))
    folders = ["read"]
    for role, names in spaces.items():
        word = {"collector": "collect", "remediator": "remediate"}[role]
        for name in sorted(set(names)):
            folders.append(f"{word}-{name}")
            place(folder / folders[-1], role, overlay(role, "RoleBinding", hands[role], name))
    whole = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": folders}
    (folder / "kustomization.yaml").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    """Reads the standard input; SystemExit with the reason where it is not what it should be."""
    parser = argparse.ArgumentParser(
        usage="terraform output -json rbac | python3 deploy/rbac/overlays.py FOLDER [--credentials={dns,ip}]"
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--credentials", choices=("dns", "ip"))
    asked = parser.parse_args()
    given = json.load(sys.stdin)
    for cluster in given["clusters"]:
        folder = written(cluster, given, asked.folder)
        project, location, name = (cluster[part] for part in ("project", "location", "name"))
        if asked.credentials:
            way = ["--dns-endpoint"] if asked.credentials == "dns" else []
            where = [f"--location={location}", f"--project={project}", *way]
            print(shlex.join(["gcloud", "container", "clusters", "get-credentials", name, *where]))
        print(shlex.join(["kubectl", f"--context=gke_{project}_{location}_{name}", "apply", "-k", str(folder)]))


if __name__ == "__main__":
    main()
