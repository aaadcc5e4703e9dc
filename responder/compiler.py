"""Step 1, read by an expert: what a compiler's command line builds from what, and what else it does. Pure.

Used by triage (is this an attack or a build), and by whoever copies the sources and products out of a container.
Nothing here judges; what is not understood is said in `Build.not_understood`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mode = Literal[
    "compile",  # source to object or assembly (-c, -S, cc1, rustc without link)
    "link",  # objects, or sources, to an executable or a library
    "preprocess",  # -E, -M
    "probe",  # --version, -v, -dumpmachine, -print-…, --print=…, -V: nothing is built
    "feature_test",  # autoconf's conftest, cmake's try_compile, meson's and distutils' checks
    "build",  # a build system that runs compilers: make, cmake --build, ninja, cargo build, go build, node-gyp
    "run",  # builds and runs at once: go run, go test, cargo run, tcc -run
    "install",  # go install, cargo install, make install
    "unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One command line, understood. Paths are as written, relative ones too.

    `tool` is the canonical name (`gcc` for `/usr/bin/x86_64-linux-gnu-gcc-12`, `cc` and `c++` stay themselves), ``""``
    where it is no compiler or build tool. `wrappers` are the programs before it (`ccache`, `env`, `sh -c`), outermost
    first. `flags` are those that matter: static, shared, pic, stripped, nostdlib, nostartfiles, threads, optimised,
    debug, warnings, defines, includes, dependency_file, position_independent. `executes` are programs that the
    compiler itself was told to run or load (`-wrapper`, `-fplugin=`, `-specs=`, `-B`, make's `--eval` and `SHELL=`),
    `reads` files that it takes arguments or text from (`@file`, `-include`, `-imacros`, `-T`), `libraries` the names of
    `-l`. `shape` is the command line without what changes from run to run (temporary names, digits, paths' heads):
    equal for the same build on another day.
    """

    tool: str
    mode: Mode
    wrappers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    stdin_source: bool = False
    language: str = ""
    flags: frozenset[str] = frozenset()
    libraries: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    executes: tuple[str, ...] = ()
    include_dirs: tuple[str, ...] = ()
    directory: str = ""
    is_child: bool = False
    shape: str = ""
    not_understood: tuple[str, ...] = ()


def parse(argv: Sequence[str], *, exe: str = "") -> Build:
    """What `argv` does; `exe` is the binary's path, where it tells more than `argv[0]` (busybox, symlinks, children).

    Linear in the size of `argv`; never raises. `is_child` is True for what a compiler driver starts by itself (`cc1`,
    `collect2`, `as` and `ld` on temporary files of the driver).
    """
    raise NotImplementedError
