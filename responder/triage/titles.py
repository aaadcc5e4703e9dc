"""Step 1: what a build is called: `pip building psutil`, by what its command line, folder or parents say. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from responder.triage.whereabouts import several

if TYPE_CHECKING:
    from responder.triage.builds import Look
    from responder.triage.families import Family

_NAME: Final = re.compile(r"[A-Za-z0-9_][\w.+@-]{0,59}")
_NAMES: Final[Mapping[str, tuple[re.Pattern[str], ...]]] = {
    "pip": (
        re.compile(r"/pip-(?:install|wheel)-[^/]+/([\w.-]+?)_[0-9a-f]{3,}"),
        re.compile(r"/pypi/([\w.-]+)/"),
        re.compile(r"--no-binary[ =](?!:)([\w.-]+)"),
        re.compile(
            r"\b(?:pip[\d.]*|pip/__pip-runner__\.py) (?:install|wheel)(?: --?[\w-]+(?:=\S+)?)* ([A-Za-z][\w.-]+)"
        ),
        re.compile(r"build/lib\.[^/ ]+/([\w-]+)"),
        re.compile(r"build/temp\.[^/ ]+/(?:src/)?([\w-]+)"),
        re.compile(r"-c (?:\./)?([\w-]+)(?:/[\w./-]+)?\.c"),
    ),
    "gem": (re.compile(r"/gems/([\w-]+?)-\d[\w.]*(?:/|$)"), re.compile(r"gem install ([\w-]+)")),
    "npm": (
        re.compile(r"NODE_GYP_MODULE_NAME=([\w-]+)"),
        re.compile(r"obj\.target/([\w-]+)"),
        re.compile(r"node_modules/((?:@[\w.-]+/)?[\w.-]+)"),
    ),
    "php": (
        re.compile(r"(?:install|docker-php-ext-install) (?:-\S+ )*([a-z]\w+)"),
        re.compile(r"/ext/(\w+)"),
        re.compile(r"/([a-z]\w+)-\d[\d.]*(?:/|$)"),
    ),
    "perl": (re.compile(r"/([A-Z]\w*(?:-\w+)+)-v?\d"), re.compile(r"\bcpanm? (?:-\S+ )*([A-Z][\w:]+)")),
    "cargo": (
        re.compile(r"--crate-name ([\w-]+)"),
        re.compile(r"/registry/src/[^/]+/([\w-]+?)-\d"),
        re.compile(r"release/build/([\w-]+?)-[0-9a-f]+/"),
        re.compile(r"/deps/(?:lib)?([\w]+?)(?:-[0-9a-f]{6,}|\.)"),
    ),
    "go": (re.compile(r"-p ([\w./@-]+)"), re.compile(r"/go/pkg/mod/(\S+?)@"), re.compile(r"\./cmd/([\w-]+)")),
    "cmake": (re.compile(r"CMakeFiles/([\w.+-]+)\.dir"),),
    "torch_extension": (re.compile(r"TORCH_EXTENSION_NAME=(\w+)"),),
    "r": (re.compile(r"R\.INSTALL[^/]*/([\w.]+)"), re.compile(r"-o ([\w.]+)\.so")),
    "luarocks": (re.compile(r"luarocks[_-]([a-z]\w+)"), re.compile(r"install ([a-z]\w+)")),
    "ocaml": (re.compile(r"/build/([\w-]+)[./]"),),
    "conda": (re.compile(r"conda-bld/([\w-]+?)_\d"),),
    "spack": (re.compile(r"spack-stage-([\w-]+?)-\d"),),
    "dkms": (re.compile(r"(?:-m |/usr/src/|/var/lib/dkms/)([A-Za-z][\w]+)"),),
}


_NAMELESS: Final = several(
    "build release debug Release Debug out dist bin src source app work tmp obj obj_dir objs target deps meson-private"
)
"""Folders whose name is not that of what is built in them."""


def title(family: Family, one: Look) -> str:
    """The family's title with the name of what is built."""
    if "{}" not in family.title:
        return family.title
    texts = (one.text, f"{one.exec.cwd or ''}/", *(parent.text for parent in one.ancestors))
    for pattern in _NAMES.get(family.key, ()):
        for text in texts:
            match = pattern.search(text)
            if match:
                return family.title.format(match[1][:60])
    if family.kind == "runner" or family.key in {"bpf", "java"}:
        tool = next((p.name for p in one.ancestors if family.key in p.families), family.key)
        return family.title.format(tool)
    folders = (one.exec.cwd or "").rstrip("/").split("/")[:0:-1]
    output = next((path.rpartition("/")[2] for path in one.build.outputs), "")
    said = [text for text in (*folders[:3], output) if _NAME.fullmatch(text) and text not in _NAMELESS]
    name = next(iter(said), "a program")
    return family.title.format(name)
