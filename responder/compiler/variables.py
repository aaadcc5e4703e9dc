"""Step 1: variables through which a build is told to run something else: `CC=`, `LD_PRELOAD=`, `MAKEFLAGS=`. Pure.

From the manuals of GNU make (https://www.gnu.org/software/make/manual/html_node/Implicit-Variables.html), GCC
(https://gcc.gnu.org/onlinedocs/gcc/Environment-Variables.html), Cargo
(https://doc.rust-lang.org/cargo/reference/environment-variables.html) and ld.so(8).
"""

from __future__ import annotations

from typing import Final

from responder.compiler.build import Draft, several
from responder.compiler.names import is_ordinary

# Variables whose value a build system, a driver or a shell runs or loads.
_PROGRAMS: Final = several("""CC CXX CPP LD AS AR NM FC F77 OBJC HOSTCC HOSTCXX BUILD_CC LINKER STRIP OBJCOPY
    RANLIB INSTALL PYTHON PERL LEX YACC
    RUSTC RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_BUILD_RUSTC_WRAPPER CARGO_BUILD_RUSTC GOTOOLDIR
    CMAKE_C_COMPILER CMAKE_CXX_COMPILER CMAKE_C_COMPILER_LAUNCHER CMAKE_CXX_COMPILER_LAUNCHER CMAKE_LINKER
    CMAKE_MAKE_PROGRAM CMAKE_AR MAKE PKG_CONFIG CCACHE_PREFIX CCACHE_COMPILER
    LD_PRELOAD LD_AUDIT BASH_ENV ENV PAGER GCC_EXEC_PREFIX COMPILER_PATH SHELL .SHELLFLAGS""")
_SHELLS: Final = several("sh bash dash ash zsh ksh")
_OPTION_VARIABLES: Final = {
    "MAKEFLAGS": ("--eval", "-E", "SHELL="),
    "GNUMAKEFLAGS": ("--eval", "-E", "SHELL="),
    "GOFLAGS": ("-toolexec", "-exec", "-overlay"),
    "RUSTFLAGS": ("linker=", "codegen-backend"),
    "JAVA_TOOL_OPTIONS": ("-javaagent", "-agentpath", "-agentlib"),
    "JDK_JAVAC_OPTIONS": ("-processor", "-Xplugin", "-J"),
    "CFLAGS": ("-wrapper", "-fplugin", "-specs", "-B"),
    "CXXFLAGS": ("-wrapper", "-fplugin", "-specs", "-B"),
    "LDFLAGS": ("-wrapper", "-fplugin", "-specs", "-B", "--plugin"),
    "CPPFLAGS": ("-wrapper", "-fplugin", "-specs", "-B"),
    "CGO_CFLAGS": ("-wrapper", "-fplugin", "-specs", "-B"),
    "CGO_LDFLAGS": ("-wrapper", "-fplugin", "-specs", "-B"),
}


def variable(draft: Draft, name: str, value: str) -> None:
    """`CC=…`, `SHELL=…`, `MAKEFLAGS=…`, given to make, cmake or env: kept where it makes something unusual run."""
    if not value:
        return
    if name in _PROGRAMS or (name.startswith("CARGO_TARGET_") and name.endswith(("_RUNNER", "_LINKER"))):
        shell = name == "SHELL" and value.removeprefix("/usr").removeprefix("/bin/") in _SHELLS
        if not (shell or is_ordinary(value) or (name == ".SHELLFLAGS" and value in {"-c", "-ec", "-euc"})):
            draft.runs(value, "shell" if name in {"SHELL", ".SHELLFLAGS"} else "variable")
    elif any(mark in value for mark in _OPTION_VARIABLES.get(name, ())):
        draft.runs(value, "variable")
