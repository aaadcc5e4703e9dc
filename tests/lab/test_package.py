"""The zip of the functions: the same bytes from the same files, what functions need and nothing else."""

from __future__ import annotations

import io
import os
import re
import shutil
import time
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lab import package
from lab.environment import ROOT

LOCK = ROOT / "requirements.lock"
EXTRAS = ("firestore", "capture", "storage")
LINUX = {"python_version": "3.13", "sys_platform": "linux", "platform_machine": "x86_64", "os_name": "posix",
         "platform_system": "Linux", "python_full_version": "3.13.0", "implementation_name": "cpython",
         "platform_python_implementation": "CPython"}  # fmt: skip


def pins(path: Path) -> dict[str, set[str]]:
    """Hashes by name and version."""
    found: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        pin = re.match(r"([a-z0-9._-]+)==(\S+)", line)
        if pin:
            name = f"{pin[1]}=={pin[2]}"
            found[name] = set()
        found[name] |= set(re.findall(r"sha256:[0-9a-f]{64}", line))
    return found


def bare(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_same_files_are_the_same_bytes_wherever_and_whenever_they_lie(tmp_path: Path) -> None:
    first = package.packed()
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "responder", copy / "responder", ignore=ignored)
    (copy / "deploy").mkdir()
    for name in ("main.py", "LICENSE", "deploy/requirements.txt"):
        shutil.copyfile(ROOT / name, copy / name)
    for path in copy.rglob("*"):
        os.utime(path, (time.time() - 1e6, time.time() - 1e6))
        path.chmod(0o700)
    assert package.packed(copy) == first
    main = copy / "main.py"
    main.write_bytes(main.read_bytes() + b"\n")
    assert package.packed(copy) != first


def test_it_holds_what_the_functions_reach_and_no_command_line_no_page_and_no_test() -> None:
    with zipfile.ZipFile(io.BytesIO(package.packed())) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert {(entry.date_time, entry.external_attr) for entry in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o100644 << 16)
        }
    assert {name.partition("/")[0] for name in names} == {"LICENSE", "main.py", "requirements.txt", "responder"}
    assert {"responder/__init__.py", "responder/live/kubernetes.py", "responder/stores/firestore.py"} < set(names)
    assert [name for name in names if re.match(r"responder/(cli|web|terminal|schema|exits)", name)] == []


def test_a_module_that_is_imported_within_a_function_is_reached_and_one_for_type_checks_is_not(tmp_path: Path) -> None:
    own = tmp_path / "responder"
    (own / "deep").mkdir(parents=True)
    for name in ("__init__", "lazy", "typed", "unused", "deep/__init__", "deep/down"):
        (own / f"{name}.py").write_text("", encoding="utf-8")
    (tmp_path / "main.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from responder import typed\n"
        "def f():\n    from responder import lazy\n    import responder.deep.down\n",
        encoding="utf-8",
    )
    found = {str(path.relative_to(tmp_path)) for path in package.reached(tmp_path / "main.py", tmp_path)}
    wanted = {"__init__", "lazy", "deep/__init__", "deep/down"}
    assert found == {"main.py"} | {f"responder/{name}.py" for name in wanted}


def test_its_requirements_are_those_of_the_lock_with_their_hashes() -> None:
    of_zip, of_lock = pins(package.REQUIREMENTS), pins(LOCK)
    assert len(of_zip) >= 60
    assert {name: hashes for name, hashes in of_zip.items() if of_lock.get(name) != hashes or not hashes} == {}
    # No address of an index, no option: whoever builds decides where packages come from.
    assert (
        re.findall(r"^\s*-(?!-hash)\S+|https?://", package.REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE) == []
    )


def test_its_requirements_are_what_the_functions_need_and_no_tool_of_development() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["project"]["dependencies"])
    for extra in EXTRAS:
        wanted += project["project"]["optional-dependencies"][extra]
    waiting = [Requirement(text) for text in wanted]
    seen: set[tuple[str, str]] = set()
    while waiting:
        one = waiting.pop()
        for extra in ("", *sorted(one.extras)):
            if (bare(one.name), extra) in seen:
                continue
            seen.add((bare(one.name), extra))
            for text in requires(one.name) or ():
                below = Requirement(text)
                if below.marker is None or below.marker.evaluate(LINUX | {"extra": extra}):
                    waiting.append(below)
    named = {name.partition("==")[0] for name in pins(package.REQUIREMENTS)}
    assert named == {name for name, _ in seen}


@pytest.mark.parametrize("tool", ["pytest", "mypy", "ruff", "hypothesis", "typer", "rich"])
def test_no_tool_of_development_is_deployed(tool: str) -> None:
    assert f"\n{tool}==" not in package.REQUIREMENTS.read_text(encoding="utf-8")
    assert f"\n{tool}==" in LOCK.read_text(encoding="utf-8")
