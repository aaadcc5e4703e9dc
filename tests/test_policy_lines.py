"""Where the values of a TOML text stand, held to what `tomllib` reads from the same text."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from responder.policy.lines import Place, line_of, lines

ROOT = Path(__file__).parents[1]
OURS = sorted(path for path in (*ROOT.glob("*.toml"), *ROOT.glob("deploy/**/*.toml"), *ROOT.glob("lab/**/*.toml")))


def places(value: Any, place: Place = ()) -> set[Place]:
    """The way to everything in what `tomllib` has read."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {place} - {()} | {each for key, item in inner for each in places(item, (*place, key))}


LEAVES = (
    "1",
    "-1.5e3",
    "true",
    "1979-05-27 07:32:00Z",
    "07:32:00",
    '""',
    r'"a \\ \" # ]"',
    "'[[x]]'",
    '"""\n[x]\n# a\\\n  ""b"""""',
    "'''\n}'\n''''",
)
GAPS = st.sampled_from(["", " ", "\n", "\r\n\t", " # ],[ \n", "\n\n"])
KEYS = st.sampled_from(["a", "b", "c-1", '"d.e"', "'f g'", r'"\u0067"', "a.b", "b . 'x'", '"[".a'])


def _list(of: tuple[list[tuple[str, str, str]], bool, str]) -> str:
    items, comma_last, gap = of
    return "[" + ",".join("".join(one) for one in items) + ("," if items and comma_last else "") + gap + "]"


def _table(pairs: list[tuple[str, str]]) -> str:
    return "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(GAPS, inner, GAPS), max_size=3)
    return st.tuples(items, st.booleans(), GAPS).map(_list) | st.lists(st.tuples(KEYS, inner), max_size=3).map(_table)


VALUES = st.recursive(st.sampled_from(LEAVES), _nested, max_leaves=6)
STATEMENTS = (
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}")
    | KEYS.map(lambda key: f"[ {key} ]")
    | KEYS.map(lambda key: f"[[{key}]]")
)


@given(st.lists(st.tuples(GAPS, STATEMENTS), max_size=8))
def test_each_value_that_tomllib_reads_has_a_line_and_nothing_else_has_one(parts: list[tuple[str, str]]) -> None:
    text = "\n".join(gap + statement for gap, statement in parts)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        reject()
    found = lines(text)
    assert found.keys() == places(table)
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@pytest.mark.parametrize("leaf", LEAVES)
def test_a_value_ends_where_tomllib_ends_it(leaf: str) -> None:
    text = f"a = {leaf}\nb = [{leaf}, {leaf}]\nc = {{d = {leaf}, e = 1}}\nf = 1\n"
    found = lines(text)
    assert found.keys() == places(tomllib.loads(text))
    assert found["f",] == text.count("\n")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_each_key_of_a_file_of_ours_is_found_on_a_line_that_has_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found, read = lines(text), text.split("\n")
    assert found.keys() == places(tomllib.loads(text))
    assert all(str(place[-1]) in read[line - 1] for place, line in found.items() if isinstance(place[-1], str))


def test_a_line_is_that_of_the_key_the_item_or_the_header() -> None:
    text = "# one\n[[a]]\nb = [\n  1,\n\n  {c = 2},\n]\n[a.d]\n[[a]]\n"
    found = lines(text)
    assert found == {
        ("a",): 2,
        ("a", 0): 2,
        ("a", 0, "b"): 3,
        ("a", 0, "b", 0): 4,
        ("a", 0, "b", 1): 6,
        ("a", 0, "b", 1, "c"): 6,
        ("a", 0, "d"): 8,
        ("a", 1): 9,
    }
    assert line_of(found, ("a", 1, "missing")) == 9
    assert line_of(found, ("z",)) == 1
