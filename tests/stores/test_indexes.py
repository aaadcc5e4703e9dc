"""Production answers a query from an index or not at all, and the emulator asks for none: so they are compared here."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client

from responder.stores import firestore_queries
from responder.stores.firestore_calls import Asked, build
from responder.stores.firestore_queries import QUERIES, UNINDEXED, Query, declared

ROOT = Path(__file__).parents[2]
FILE = json.loads((ROOT / "deploy" / "firestore.indexes.json").read_text(encoding="utf-8"))
EQUAL, IN = 5, 8  # StructuredQuery.FieldFilter.Operator
CONTAINS, CONTAINS_ANY = 7, 9
RANGES = (1, 2, 3, 4)


def sent(query: Query) -> Any:
    """The query as it goes to the server, with some value for everything that it takes."""
    client = Client(project="p", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]  # it ships none
    asked = Asked(
        equal=tuple("x" for _ in query.equal),
        any_of=("x",) if query.any_of else (),
        contains="x",
        contains_any=("x",),
        above="x" if query.order else None,
        within=("records", "r") if query.collection == "findings" else (),
        limit=1,
    )
    return build(client, query, asked)._to_protobuf()


def needed(query: Query) -> dict[str, Any] | None:
    """The composite index that the query on the wire needs, read from its protobuf and from nothing else."""
    proto = sent(query)
    where = proto.where
    filters = [one.field_filter for one in where.composite_filter.filters] or [where.field_filter]
    by_operator = [(one.field.field_path, int(one.op)) for one in filters if one.field.field_path]
    array = [name for name, operator in by_operator if operator in (CONTAINS, CONTAINS_ANY)]
    equal = [name for name, operator in by_operator if operator in (EQUAL, IN)]
    order = [(one.field.field_path, one.direction.name) for one in proto.order_by]
    assert {name for name, operator in by_operator if operator in RANGES} <= {name for name, _ in order[:1]}
    if not order or len({*array, *equal, *(name for name, _ in order)}) == 1:
        return None
    fields: list[dict[str, str]] = [{"fieldPath": name, "arrayConfig": "CONTAINS"} for name in array]
    fields += [{"fieldPath": name, "order": "ASCENDING"} for name in equal]
    fields += [{"fieldPath": name, "order": direction} for name, direction in order]
    collection = proto.from_[0].collection_id
    return {"collectionGroup": collection, "queryScope": "COLLECTION", "fields": fields}


def test_the_declared_indexes_are_those_that_the_queries_on_the_wire_need_and_no_others() -> None:
    wanted = [index for query in QUERIES if (index := needed(query))]
    assert sorted(map(str, FILE["indexes"])) == sorted(map(str, wanted))


def test_the_file_is_what_the_store_declares() -> None:
    assert declared() == FILE, "python -m responder.stores.firestore_queries > deploy/firestore.indexes.json"


def test_no_field_that_a_query_filters_or_sorts_by_is_without_an_index() -> None:
    used = {
        (query.collection, name)
        for query in QUERIES
        for name in (*query.equal, query.any_of, query.contains, query.contains_any, *(name for name, _ in query.order))
    }
    assert used & set(UNINDEXED) == set()


def test_every_query_of_the_store_is_among_those_that_are_declared() -> None:
    """`ask` and `count` take a value of `firestore_queries` by its name, or `listing(…)`, or one that was handed on."""
    named = {name for name, value in vars(firestore_queries).items() if isinstance(value, Query)}
    assert {id(getattr(firestore_queries, name)) for name in named} <= {id(query) for query in QUERIES}
    asked = set()
    for path in sorted((ROOT / "responder" / "stores").glob("firestore*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        asked |= {
            ast.unparse(call.args[0]).removeprefix("firestore_queries.")
            for call in calls
            if ast.unparse(call.func) in {"self._database.ask", "self._database.count"}
        }
        built = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & {"where", "order_by", "start_after"}
        assert not built or path.name == "firestore_calls.py"
    assert {"KNOWN", "NEAR", "OCCURRENCES"} <= asked <= named | {"query"}
