"""docs/threat-model.md: each threat has its control, and the tests that prove it exist, run, and can fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from lab.environment import ROOT

TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
THREATS = {part.partition(".")[0]: part for part in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]}
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
each_threat = pytest.mark.parametrize("threat", THREATS.values(), ids=THREATS)
each_test = pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)), ids=str)


@cache
def functions(path: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def checks(function: ast.FunctionDef, path: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether something in it can fail: an assert, `raises`, or a function of the same file that has one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            known = functions(path).get(called)
            if called == "raises" or called.startswith("assert_"):
                return True
            if known is not None and called not in seen and checks(known, path, seen | {called}):
                return True
    return False


def test_the_nineteen_threats_are_there_in_their_order() -> None:
    assert list(THREATS) == [f"T{n}" for n in range(1, 20)]


@each_threat
def test_each_threat_says_who_and_names_a_test(threat: str) -> None:
    title = threat.partition("\n")[0]
    assert re.search(r"\([A-E](, [A-E])*(,? or chance)?\)$", title), title
    assert "::test_" in threat, title


@each_threat
def test_each_threat_is_told_in_words_before_its_tests(threat: str) -> None:
    _, _, body = threat.partition("\n")
    first = body.strip().partition("\n\n")[0]
    assert not first.startswith("- ")
    assert len(first.split()) >= 15


@each_test
def test_each_named_test_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert name in functions(path)


@each_test
def test_each_named_test_can_fail_and_is_never_skipped_for_good(path: str, name: str) -> None:
    function = functions(path)[name]
    assert checks(function, path)
    marks = {ast.unparse(mark) for mark in function.decorator_list}
    assert not [mark for mark in marks if mark.startswith(("pytest.mark.skip(", "pytest.mark.xfail"))]


def bullets() -> Iterator[str]:
    for line in TEXT.splitlines():
        if line.startswith("- "):
            yield line


def test_no_bullet_is_anything_but_one_test_and_none_stands_twice_in_one_threat() -> None:
    assert [line for line in bullets() if not re.fullmatch(r"- `tests/[\w/]+\.py::test_\w+`", line)] == []
    for title, threat in THREATS.items():
        found = re.findall(r"::(test_\w+)", threat)
        assert sorted(found) == sorted(set(found)), title
