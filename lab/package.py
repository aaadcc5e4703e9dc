"""`python -m lab.package`: the source of the functions as one zip, the same bytes from the same commit.

With `--review` what the image of the review page is built from, as a folder: Dockerfile, requirements.txt, the package.

In it are main.py, the modules that it reaches, and requirements.txt with hashes; no command line, no review page, no
tests. Files are stored, not compressed: compressors differ between machines, and the upload is small all the same.
Names are sorted, times are the zip format's first, and modes are one.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab.environment import ROOT

OUT: Final = ROOT / "dist" / "functions.zip"
REQUIREMENTS: Final = ROOT / "deploy" / "requirements.txt"
REVIEW: Final = ROOT / "deploy" / "review"
REVIEW_OUT: Final = ROOT / "dist" / "review"
_FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)
_PACKAGE: Final = "responder"


def members(root: Path = ROOT) -> dict[str, bytes]:
    """What is in the zip, by its name there."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(reached(root / "main.py", root))}
    found["requirements.txt"] = (root / REQUIREMENTS.relative_to(ROOT)).read_bytes()
    found["LICENSE"] = (root / "LICENSE").read_bytes()
    return found


def packed(root: Path = ROOT) -> bytes:
    """The zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members(root).items()):
            entry = zipfile.ZipInfo(name, date_time=_FIRST_DAY)
            entry.create_system = 3  # Unix, whatever it is made on
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return target.getvalue()


def laid_out(out: Path, root: Path = ROOT) -> None:
    """Writes what the review page's image is built from; what was in `out` before is gone."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / _PACKAGE, out / _PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", "requirements.txt"):
        shutil.copyfile(root / REVIEW.relative_to(ROOT) / name, out / name)
    shutil.copyfile(root / "LICENSE", out / "LICENSE")


def reached(start: Path, root: Path) -> set[Path]:
    """The file and every file of the package that it imports, also within functions; none for type checks alone."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in _imports(ast.parse(path.read_bytes())):
            waiting += _files(name, root)
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    """Full names; of `from a import b` both `a` and `a.b`, since b may be a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imports(node)


def _files(name: str, root: Path) -> Iterator[Path]:
    """The file of a module of ours, and those of the packages that it is in; none where it is no module or not ours."""
    parts = name.split(".")
    if parts[0] != _PACKAGE:
        return
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                yield path


def main() -> None:
    """Writes the zip, and says its hash and size; or the folder of the review page."""
    parser = argparse.ArgumentParser(prog="python -m lab.package", description="the functions' source as a zip")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--review", action="store_true", help="lay out dist/review instead")
    given = parser.parse_args()
    if given.review:
        laid_out(REVIEW_OUT)
        print(REVIEW_OUT.relative_to(ROOT))
        return
    out: Path = given.out
    content = packed()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    print(f"{hashlib.sha256(content).hexdigest()}  {out.name}  {len(content) / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
