"""The documents say what is so: links, tables, names of tests and files, and what the demo prints."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer.main
from rich.console import Console

from lab.environment import ROOT, cleaned
from responder import cli, settings
from responder.decision import GUARDS
from responder.errors import SettingsError
from responder.record import Record
from responder.terminal import print_record

DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)  # fmt: skip
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARENT = {"RESPONDER_SCC_PARENT": "organizations/1"}


def rows(header: str) -> list[list[str]]:
    """The rows of the README's table whose first column has that header, below its ruler."""
    lines = iter(README.splitlines())
    for line in lines:
        if line.startswith(f"| {header} |"):
            next(lines)
            table = takewhile(lambda text: text.startswith("|"), lines)
            return [[cell.strip() for cell in text.strip("|").split("|")] for text in table]
    message = f"the README has no table that begins with {header!r}"
    raise AssertionError(message)


def prose(document: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_every_link_within_the_repository_leads_somewhere(document: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@each_document
def test_every_file_that_is_named_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))
    named = re.findall(r"(?<![\w./-])((?:responder|lab|tests|deploy|docs)/[\w./-]*\w)", code)
    assert [path for path in named if not ((ROOT / path).exists() or (document.parent / path).exists())] == []


@each_document
def test_every_test_that_is_named_exists(document: Path) -> None:
    missing = []
    text = document.read_text(encoding="utf-8")
    for path, name in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))", text):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{path}::{name}")
    assert missing == []


@each_document
def test_nothing_is_left_of_the_machine_that_it_was_written_on(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:home|root|Users|mnt|work|workspace|builds)/\S*", text) == []
    assert re.findall(r"https?://(?:127\.|localhost)[\w.]*(?::\d|/)\S*", text) == []
    assert re.findall(r"\]\((?:\.\./){3,}", text) == []


@each_document
def test_every_make_target_that_is_named_can_be_made(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([-.\w/]+):", makefile, flags=re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([-.\w]*\w)", text, flags=re.MULTILINE))
    assert named - targets == set()


def test_the_two_commands_of_a_new_user_are_named_and_can_be_made() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert re.search(rf"^make {command}$", README, flags=re.MULTILINE)
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE)


def test_the_configuration_table_has_each_setting_and_its_default() -> None:
    with pytest.raises(SettingsError) as refused:
        settings.read(PARENT | {"RESPONDER_": "x"})
    known = str(refused.value).partition("known: ")[2].split(", ")
    table = {name.strip("`"): default for name, default, _ in rows("variable")}
    assert sorted(table) == sorted(known)
    assert {name for name, default in table.items() if default == "required"} == set(PARENT)
    for name, default in table.items():
        if name not in PARENT:
            assert settings.read(PARENT | {name: default.strip("`")}) == settings.read(PARENT), name


def test_the_command_line_table_has_each_command_and_its_options() -> None:
    table: dict[str, set[str]] = {}
    for command, words in rows("command"):
        called = command.strip("`").removeprefix("responder ")
        name = " ".join(takewhile(lambda word: re.fullmatch("[a-z][a-z-]*", word), called.split()))
        table.setdefault(name, set()).update(re.findall(r"--[a-z-]+", command + words))
    assert table == dict(commands(typer.main.get_command(cli.app)))


def commands(command: Any, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command of typer's tree by its full name, with its long options."""
    for name, below in getattr(command, "commands", {}).items():
        if hasattr(below, "commands"):
            yield from commands(below, f"{before}{name} ")
        else:
            options = {opt for param in below.params for opt in param.opts if opt.startswith("--")}
            yield f"{before}{name}", options - {"--help"}


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    table = rows("exit code")
    assert [int(code) for code, _ in table] == sorted(cli.ExitCode)
    said = re.split(
        r"; (?=\d )", " ".join((typer.main.get_command(cli.app).help or "").split()).partition("codes: ")[2]
    )
    assert [f"{code} {meaning}" for code, meaning in table] == [text.rstrip(".") for text in said]


def test_each_threat_has_a_test_or_says_that_there_is_none() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    threats = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert [threat.split(".")[0] for threat in threats] == [f"T{n}" for n in range(1, 20)]
    assert [threat[:60] for threat in threats if "::test_" not in threat and "Not yet" not in threat] == []


def test_the_tables_of_the_documents_are_even() -> None:
    for document in DOCUMENTS:
        width = 0
        for line in prose(document).splitlines():
            cells = len(re.split(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (width and cells) or cells == width, f"{document.name}: {line[:80]}"
            width = cells


def test_the_license_is_apaches_with_its_holder() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert re.search(r"Copyright 20\d\d the project's authors", text)


@pytest.mark.slow
def test_what_the_readme_shows_of_the_demo_is_what_the_demo_prints() -> None:
    block = re.search(r"<!-- demo:.*?```\n(.*?)```\n<!-- /demo -->", README, flags=re.DOTALL)
    assert block
    shown = [line.rstrip() for line in block[1].splitlines() if line.strip() and line != "..."]
    printed = iter(demo_lines())
    # In this order, though not one after another.
    assert [line for line in shown if line not in printed] == []


def demo_lines() -> list[str]:
    """The lines of the demo's record, in a terminal of 110 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "respond", str(ROOT / "lab" / "scenarios" / "attack-web-pod.yaml")],
        cwd=ROOT, env=cleaned(os.environ), capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    page = io.StringIO()
    print_record(Record.model_validate_json(done.stdout), Console(file=page, width=110))
    return [line.rstrip() for line in page.getvalue().splitlines()]


def test_the_readme_counts_the_guards_that_there_are() -> None:
    assert f"each of the {len(GUARDS)} guards with its answer" in README
