"""Roles and bindings that somebody wants to make: checked as an API server checks them, and never kept.

Only rehearsals (`dryRun=All`) are answered, as created: the lab's own rights are those of `lab.rbac`. The fields are
those of the Kubernetes client's models, which are made from the server's own description.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from aiohttp import web
from kubernetes import client
from pydantic import BaseModel, ValidationError

from lab import status
from lab.cluster_state import ClusterState
from lab.pod_calls import Call
from lab.resources import RBAC, Asked

_MODELS: Final[dict[str, type[BaseModel]]] = {
    "roles": client.V1Role,
    "rolebindings": client.V1RoleBinding,
    "clusterroles": client.V1ClusterRole,
    "clusterrolebindings": client.V1ClusterRoleBinding,
}


async def _absent(_state: ClusterState, _request: web.Request, wanted: Asked, _body: Any) -> web.StreamResponse:
    raise status.not_found(wanted.plural, wanted.name, group=wanted.group)


async def _rehearsed(state: ClusterState, request: web.Request, wanted: Asked, body: Any) -> web.StreamResponse:
    if "All" not in request.query.getall("dryRun", []):
        raise status.ApiError(405, "MethodNotAllowed", "the lab keeps no roles: rehearse with dryRun=All")
    if not isinstance(body, dict):
        raise status.bad_request("the body is no object")
    namespaces = next(one for one in state.resources if one.plural == "namespaces")
    if wanted.namespace and not state.objects(namespaces, name=wanted.namespace):
        raise status.not_found("namespaces", wanted.namespace)
    try:
        _MODELS[wanted.plural].model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise status.bad_request(f"strict decoding error: {where}: {first['msg']}") from None
    _check_binding(body)
    made = {**body["metadata"], "uid": str(uuid.uuid4()), "resourceVersion": "1"}
    return web.json_response({**body, "metadata": made}, status=201)


def _check_binding(body: dict[str, Any]) -> None:
    """What a server says of a binding beyond its fields: kubernetes/pkg/apis/rbac/validation/validation.go."""
    if not body["kind"].endswith("Binding"):
        return
    allowed = {"ClusterRole"} if body["kind"] == "ClusterRoleBinding" else {"ClusterRole", "Role"}
    if body["roleRef"]["kind"] not in allowed:
        raise status.ApiError(422, "Invalid", f"roleRef.kind: Unsupported value: supported values: {sorted(allowed)}")
    for subject in body.get("subjects", ()):
        if subject["kind"] == "User" and subject.get("apiGroup") != "rbac.authorization.k8s.io":
            raise status.ApiError(422, "Invalid", "subjects.apiGroup: Unsupported value")


CALLS: Final[dict[tuple[str, str], Call]] = {
    **{(one.plural, "get"): _absent for one in RBAC},
    **{(one.plural, "create"): _rehearsed for one in RBAC},
}
