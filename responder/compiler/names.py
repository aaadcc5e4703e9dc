"""Step 1: which tool a program's name stands for: cross prefixes, version suffixes, aliases. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple


class Tool(NamedTuple):
    """`name` is canonical, ``""`` where it is none that is known; `family` says who reads its arguments."""

    name: str
    family: str


UNKNOWN: Final = Tool("", "")

_LONGEST: Final = 64

_FAMILIES: Final = {
    "driver": """gcc g++ cc c++ clang clang++ cpp c89 c99 c11 tcc gfortran f77 f95 gdc gccgo gnatgcc icc icpc icx icpx
        pcc chibicc nvcc hipcc emcc=clang em++=clang++ egcc=gcc eg++=g++ clang-cpp=cpp mpicc=cc mpicxx=c++
        mpic++=c++""",
    "frontend": "cc1 cc1plus cc1obj cc1objplus cc1gm2 cc1d=d21 d21 f951 gnat1 go1 lto1 lto-wrapper",
    "linker": """ld ld.bfd=ld gold ld.gold=gold lld ld.lld=lld rust-lld=lld wasm-ld=lld lld-link=lld ld64.lld=lld mold
        ld.mold=mold collect2""",
    "assembler": "as gas=as llvm-as",
    "nasm": "nasm yasm",
    "archiver": "ar ranlib gcc-ar=ar gcc-ranlib=ranlib llvm-ar=ar llvm-ranlib=ranlib",
    "binutil": """strip objcopy llvm-strip=strip llvm-objcopy=objcopy nm gcc-nm=nm llvm-nm=nm objdump
        llvm-objdump=objdump""",
    "go": "go",
    "rustc": "rustc clippy-driver=rustc rustdoc",
    "cargo": "cargo cross=cargo",
    "javac": "javac ecj=javac",
    "java": "java",
    "subcommand": "dotnet zig nim swift dart",
    "other": """llc opt llvm-link lli ghc runghc=ghc swiftc fpc ocamlc ocamlopt kotlinc scalac csc mcs fsc vbc rdmd dmd
        ldc2 v crystal valac f2c cython cython3=cython groovyc tsc gnatmake""",
    "make": "make gmake=make mingw32-make=make bmake=make pmake=make remake=make",
    "cmake": "cmake cmake3=cmake",
    "ninja": "ninja ninja-build=ninja samu=ninja",
    "node-gyp": "node-gyp",
    "system": "meson scons bazel bazelisk=bazel mvn gradle ant xmake waf msbuild dkms ctest",
    "shell": "sh bash dash ash zsh ksh mksh busybox.sh=sh rbash=bash",
    "wrapper": """ccache sccache distcc icecc env nice ionice nohup timeout time sudo doas setsid stdbuf chrt taskset
        xargs exec command strace ltrace chroot gosu su-exec setpriv tini dumb-init catchsegv libtool fakeroot busybox
        toybox unbuffer catatonit builtin bear scan-build proot numactl flock""",
    "interpreter": "node python perl nodejs=node",
}

_TOOLS: Final = {
    alias: Tool(name or alias, family)
    for family, names in _FAMILIES.items()
    for alias, _, name in (item.partition("=") for item in names.split())
}

# `x86_64-linux-gnu-gcc`, `musl-gcc`: any prefix is a cross or a specs wrapper. `x86_64-linux-gnu-as`: a triple only,
# for `run-as` is another program.
_ANY_PREFIX: Final = frozenset({"gcc", "g++", "clang", "clang++", "gfortran"})
_TRIPLE_PREFIX: Final = frozenset({"cc", "c++", "cpp", "as", "ld", "ld.bfd", "ld.gold", "gold", "ar", "ranlib", "strip",
                                   "objcopy", "nm", "objdump", "tcc", "gccgo", "gdc", "pkg-config"})  # fmt: skip
_VERSION: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+){0,3}\Z")
_GO_TOOLS: Final = frozenset({"compile", "link", "asm", "cgo", "pack", "buildid", "cover", "vet"})
_LOADERS: Final = ("ld-linux", "ld-musl", "ld.so", "ld64.so")
_NEVER_ORDINARY: Final = frozenset({"", "shell", "interpreter"})
_CACHES: Final = frozenset({"ccache", "sccache", "distcc", "icecc", "libtool"})
_ORDINARY_NAMES: Final = frozenset({"true", ":", "install", "/usr/bin/install", "pkg-config", "bison", "flex", "m4"})
_ORDINARY_PLACES: Final = frozenset(
    {"", "/bin", "/usr/bin", "/usr/local/bin", "/usr/lib/ccache", "/usr/local/go/bin", "/usr/local/cargo/bin", "/sbin",
     "/usr/sbin"},
)  # fmt: skip


def identify(path: str) -> Tool:
    """The tool behind `/usr/bin/x86_64-linux-gnu-gcc-12`; `UNKNOWN` where it is none."""
    head, _, base = path.rpartition("/")
    if len(base) > _LONGEST:
        return UNKNOWN
    if base in _GO_TOOLS and "pkg/tool/" in head[-_LONGEST:] + "/":
        return Tool(f"go tool {base}", "go tool")
    return _of_base(base)


def is_ordinary(command: str) -> bool:
    """Whether a value such as `ccache gcc` of `CC=` names only what everybody's `CC` names, in its usual place."""
    parts = command.split(maxsplit=1)
    if not parts:
        return True
    head = parts[0].rpartition("/")[0]
    dangerous = ("-wrapper", "-fplugin", "-specs", "-B", "-load", "$(", "`", ";", "|", "&")
    tool = identify(parts[0])
    known = tool.family not in _NEVER_ORDINARY and (tool.family != "wrapper" or tool.name in _CACHES)
    known = known or parts[0] in _ORDINARY_NAMES or (tool.family == "interpreter" and len(parts) == 1)
    return known and head in _ORDINARY_PLACES and not any(mark in command for mark in dangerous)


@lru_cache(maxsize=512)
def _of_base(base: str) -> Tool:
    tool = _TOOLS.get(base)
    if tool is not None:
        return tool
    if base.startswith(_LOADERS):
        return Tool("ld.so", "wrapper")
    for ending in (".exe", ".js", ".real", ".orig", ".py"):
        base = base.removesuffix(ending)
    base = _VERSION.sub("", base)
    return _TOOLS.get(base) or _crossed(base)


def _crossed(base: str) -> Tool:
    if base.startswith("llvm-"):
        return Tool(base, "other")
    prefix, _, last = base.rpartition("-")
    if prefix.endswith("-gcc") and last in {"ar", "nm", "ranlib"}:
        return _TOOLS[last]
    if (prefix and last in _ANY_PREFIX) or ("-" in prefix and last in _TRIPLE_PREFIX):
        return _TOOLS.get(last, UNKNOWN)
    return UNKNOWN
