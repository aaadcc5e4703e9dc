"""A provider for the real Terraform core that knows the google provider's schema, and nothing of Google Cloud.

Runs in an environment of its own (`rooms.py`), since the package with Terraform's protocol wants an older protobuf:
`python lab/terraform/provider.py SCHEMA.json SOCKET`. Terraform is told of it with TF_REATTACH_PROVIDERS.

A plan says "known after apply" of everything that only the provider can tell; an apply makes such values up. State is
whatever was applied, so that a second plan shows whether the configuration itself would ever change anything again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

UNKNOWN: Final = msgpack.ExtType(0, b"")
_NESTING: Final = {"list": pb.Schema.NestedBlock.LIST, "single": pb.Schema.NestedBlock.SINGLE}


def _schema(of: dict[str, Any]) -> pb.Schema:
    return pb.Schema(version=0, block=_block(of))


def _block(of: dict[str, Any]) -> pb.Schema.Block:
    attributes = [
        pb.Schema.Attribute(
            name=name, type=json.dumps(type_).encode(),
            required="r" in flags, optional="o" in flags, computed="c" in flags,
        )
        for name, (type_, flags, _values) in of["attributes"].items()
    ]  # fmt: skip
    blocks = [
        pb.Schema.NestedBlock(
            type_name=name, nesting=_NESTING[nesting], block=_block(inner),
            min_items=least if nesting == "list" else 0, max_items=most if nesting == "list" else 0,
        )
        for name, (nesting, least, most, inner) in of["blocks"].items()
    ]  # fmt: skip
    return pb.Schema.Block(attributes=attributes, block_types=blocks)


def _read(value: pb.DynamicValue) -> Any:
    # Code 0 is unknown, code 12 unknown with what is known of it all the same, such as a prefix.
    return msgpack.unpackb(value.msgpack, ext_hook=msgpack.ExtType)


def _written(value: Any) -> pb.DynamicValue:
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def _filled(value: Any, schema: dict[str, Any], fill: Any) -> Any:
    """`value` with `fill(name, type)` wherever something computed is missing, or still unknown."""
    if not isinstance(value, dict):
        return value
    done = dict(value)
    for name, (type_, flags, _values) in schema["attributes"].items():
        if "c" in flags and (done.get(name) is None or isinstance(done[name], msgpack.ExtType)):
            done[name] = fill(name, type_)
    for name, (nesting, _least, _most, inner) in schema["blocks"].items():
        below = done.get(name)
        if nesting == "list" and isinstance(below, list):
            done[name] = [_filled(one, inner, fill) for one in below]
        elif isinstance(below, dict):
            done[name] = _filled(below, inner, fill)
    return done


def _impossible(value: Any, schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Where it is, what it is, what it could be: of each known value that the documentation does not call possible."""
    if not isinstance(value, dict):
        return
    for name, (_type, _flags, possible) in schema["attributes"].items():
        given = value.get(name)
        if possible and isinstance(given, str) and given not in possible:
            yield f"{above}{name}", given, ", ".join(possible)
    for name, (nesting, _least, _most, inner) in schema["blocks"].items():
        below = value.get(name)
        for one in below if nesting == "list" and isinstance(below, list) else [below]:
            yield from _impossible(one, inner, f"{above}{name}.")


def _made_up(name: str, type_: Any) -> Any:
    if isinstance(type_, str):
        return {"number": 1, "bool": False}.get(type_, f"made-up-{name}")
    return {} if type_[0] == "map" else []


class SchemaOnly(rpc.ProviderServicer):  # type: ignore[misc] # the package ships no types
    """Terraform's plugin protocol 6 over the schema. Names of methods are those of the protocol."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def GetMetadata(self, _request: Any, _context: Any) -> Any:
        return pb.GetMetadata.Response(
            server_capabilities=pb.ServerCapabilities(plan_destroy=True),
            resources=[pb.GetMetadata.ResourceMetadata(type_name=name) for name in self._schemas["resources"]],
            data_sources=[pb.GetMetadata.DataSourceMetadata(type_name=name) for name in self._schemas["data"]],
        )

    def GetProviderSchema(self, _request: Any, _context: Any) -> Any:
        return pb.GetProviderSchema.Response(
            provider=_schema(self._schemas["provider"]["google"]),
            resource_schemas={name: _schema(one) for name, one in self._schemas["resources"].items()},
            data_source_schemas={name: _schema(one) for name, one in self._schemas["data"].items()},
            server_capabilities=pb.ServerCapabilities(plan_destroy=True),
        )

    def ValidateProviderConfig(self, _request: Any, _context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, _context: Any) -> Any:
        found = _impossible(_read(request.config), self._schemas["resources"][request.type_name])
        diagnostics = [
            pb.Diagnostic(
                severity=pb.Diagnostic.ERROR, summary=f"{where} cannot be {value!r}", detail=f"Possible: {one}"
            )
            for where, value, one in found
        ]
        return pb.ValidateResourceConfig.Response(diagnostics=diagnostics)

    def ValidateDataResourceConfig(self, _request: Any, _context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, _request: Any, _context: Any) -> Any:
        return pb.ConfigureProvider.Response()

    def UpgradeResourceState(self, request: Any, _context: Any) -> Any:
        state = json.loads(request.raw_state.json)
        return pb.UpgradeResourceState.Response(upgraded_state=_written(state))

    def ReadResource(self, request: Any, _context: Any) -> Any:
        return pb.ReadResource.Response(new_state=request.current_state, private=request.private)

    def PlanResourceChange(self, request: Any, _context: Any) -> Any:
        proposed = _read(request.proposed_new_state)
        schema = self._schemas["resources"][request.type_name]
        planned = _filled(proposed, schema, lambda _name, _type: UNKNOWN)
        return pb.PlanResourceChange.Response(planned_state=_written(planned), legacy_type_system=True)

    def ApplyResourceChange(self, request: Any, _context: Any) -> Any:
        planned = _read(request.planned_state)
        done = _filled(planned, self._schemas["resources"][request.type_name], _made_up)
        return pb.ApplyResourceChange.Response(new_state=_written(done), legacy_type_system=True)

    def ReadDataSource(self, request: Any, _context: Any) -> Any:
        config = _read(request.config)
        schema = self._schemas["data"][request.type_name]
        return pb.ReadDataSource.Response(state=_written(_filled(config, schema, _made_up)))

    def GetFunctions(self, _request: Any, _context: Any) -> Any:
        return pb.GetFunctions.Response()

    def StopProvider(self, _request: Any, _context: Any) -> Any:
        return pb.StopProvider.Response()


def main(schemas: Path, socket: Path) -> None:
    """Serves until the process is ended; prints a line once it listens."""
    server = grpc.server(ThreadPoolExecutor(8))
    rpc.add_ProviderServicer_to_server(SchemaOnly(json.loads(schemas.read_bytes())), server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    print("listening", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
