"""Step 1: rustc and cargo. Pure.

Options as in `rustc --help -v`, the Codegen Options page (https://doc.rust-lang.org/rustc/codegen-options/) and the
Cargo Book (https://doc.rust-lang.org/cargo/commands/).
"""

from __future__ import annotations

from typing import Final

from responder.compiler import linkers
from responder.compiler.build import (
    MAX_ARGUMENTS,
    Draft,
    Grammar,
    Mode,
    keep,
    several,
    skip,
    taking,
    to_directory,
    to_output,
    walk,
    words,
)
from responder.compiler.features import is_feature_test
from responder.compiler.names import is_ordinary


def rustc(draft: Draft, arguments: list[str]) -> None:
    """One crate from one file."""
    draft.language = "rust"
    walk(draft, arguments, _RUSTC)
    walk(draft, draft.linker[:MAX_ARGUMENTS], linkers.HANDED_THROUGH)
    if ":probe" in draft.marks or "print" in draft.values:
        draft.mode = "probe"
    elif not draft.has_input:
        draft.mode = "probe" if ":v" in draft.marks else "unknown"
    else:
        emitted = draft.values.get("emit", "link")
        links = any(one.startswith("link") for one in emitted.split(",", 16))
        draft.mode = "feature_test" if is_feature_test(draft) else "link" if links else "compile"
        if not draft.outputs and "=" not in emitted:
            _crate_output(draft, emitted)


def _crate_output(draft: Draft, emitted: str) -> None:
    """`[--out-dir D/]` and the name of the crate, or else of its file, as "Output" in the manual of rustc has it."""
    kind = draft.values.get("crate_type", "bin").partition(",")[0]
    source = draft.sources[0].rpartition("/")[2].removesuffix(".rs") if draft.sources else "rust_out"
    place = draft.values.get("out_dir", "")
    asked = set(emitted.split(",", 16))
    first = "link" if "link" in asked else next((one for one in _EMITTED if one in asked), "")
    if (first == "link" and kind != "bin") or first == "metadata":
        source = source.replace("-", "_")
    name = (draft.values.get("crate_name") or source) + draft.values.get("extra_filename", "")
    affixes = _CRATE_NAMES.get(kind) if first == "link" else _EMITTED.get(first)
    if affixes is not None:
        before, after = affixes
        draft.outputs.append(f"{place}/{before}{name}{after}" if place else f"{before}{name}{after}")


_EMITTED: Final = {
    "metadata": ("lib", ".rmeta"),
    "obj": ("", ".o"),
    "asm": ("", ".s"),
    "llvm-ir": ("", ".ll"),
    "llvm-bc": ("", ".bc"),
    "mir": ("", ".mir"),
}
_CRATE_NAMES: Final = {
    "bin": ("", ""),
    "lib": ("lib", ".rlib"),
    "rlib": ("lib", ".rlib"),
    "dylib": ("lib", ".so"),
    "cdylib": ("lib", ".so"),
    "proc-macro": ("lib", ".so"),
    "staticlib": ("lib", ".a"),
}


def _rust_input(draft: Draft, argument: str) -> None:
    if argument == "-":
        draft.stdin_source = True
    elif argument[:1] == "@":
        draft.response_file(argument)
    elif argument:
        draft.sources.append(argument)


def _codegen(draft: Draft, value: str) -> None:
    """`-C key=value`."""
    key, _, said = value.partition("=")
    if key == "linker" and not is_ordinary(said):
        draft.runs(said, "linker")
    elif key in {"link-arg", "link-args"}:
        for one in said.split(" ", MAX_ARGUMENTS) if key == "link-args" else (said,):
            draft.linker.extend(one.split(",", MAX_ARGUMENTS)[1:] if one.startswith("-Wl,") else (one,))
    elif key == "extra-filename":
        draft.values["extra_filename"] = said
    elif key in _CODEGEN_FLAGS and said not in {"0", "no", "off", "none", "n", "false"}:
        draft.flags.add(_CODEGEN_FLAGS[key])
    elif key == "target-feature" and "+crt-static" in said:
        draft.flags.add("static")
    elif key == "relocation-model" and said in {"pic", "pie"}:
        draft.flags.add("pic" if said == "pic" else "position_independent")


_CODEGEN_FLAGS: Final = {
    "opt-level": "optimised",
    "debuginfo": "debug",
    "strip": "stripped",
    "prefer-dynamic": "shared",
}


def _unstable(draft: Draft, value: str) -> None:
    """`-Z codegen-backend=x.so` and `-Z pre-link-args=…`: they load and link what they are told."""
    key, _, said = value.partition("=")
    if key == "codegen-backend" and "/" in said:
        draft.runs(said, "plugin")


def _extern(draft: Draft, value: str) -> None:
    """`--extern name=path`; a path that ends in `.so` is a procedural macro, loaded into the compiler."""
    path = value.partition("=")[2]
    if path:
        draft.objects.append(path)


def _crate_type(draft: Draft, value: str) -> None:
    draft.values["crate_type"] = value
    if value in {"dylib", "cdylib", "proc-macro"}:
        draft.flags.add("shared")


def _rust_library(draft: Draft, value: str) -> None:
    """`-l [kind=]name`."""
    draft.libraries.append(value.rpartition("=")[2])


def _pager(draft: Draft, _: str) -> None:
    """`--explain` shows a text in the pager, which may start a shell."""
    draft.flags.add("pager")
    draft.marks.add(":probe")


_RUSTC: Final = Grammar(
    alone=words(
        """-V=:probe --version=:probe -vV=:probe -Vv=:probe -h=:probe --help=:probe -v=:v --verbose=:v -O=optimised
        -g=debug --test --json""",
    ),
    takes={
        **taking("-o", to_output),
        **taking("--out-dir", keep("out_dir")),
        **taking("--crate-name", keep("crate_name")),
        **taking("--crate-type", _crate_type),
        **taking("--emit", keep("emit")),
        **taking("--print", keep("print")),
        **taking("-C --codegen", _codegen),
        **taking("-Z", _unstable),
        **taking("-l", _rust_library),
        **taking("--extern", _extern),
        **taking("--explain", _pager),
        **taking("-L --edition --cfg --check-cfg --target -A --allow -W --warn -D --deny -F --forbid --force-warn"
                 " --cap-lints --error-format --json --color --sysroot --remap-path-prefix --diagnostic-width"
                 " --env-set",
                 skip),
    },
    equals={},
    joined={
        "-C": _codegen,
        "-Z": _unstable,
        "-l": _rust_library,
        "-o": to_output,
        **taking("-L -A -W -D -F", skip),
    },
    name=_rust_input,
)  # fmt: skip

# --- cargo ------------------------------------------------------------------------------------------------------------

_CARGO_MODES: Final[dict[str, Mode]] = {
    "build": "build", "b": "build", "rustc": "build", "check": "build", "c": "build", "clippy": "build", "doc": "build",
    "d": "build", "rustdoc": "build", "fix": "build", "package": "build", "publish": "build", "zigbuild": "build",
    "run": "run", "r": "run", "test": "run", "t": "run", "bench": "run", "nextest": "run", "miri": "run",
    "install": "install",
}  # fmt: skip
_CARGO_PROBES: Final = several("""metadata locate-project version tree pkgid search fetch update generate-lockfile
    vendor verify-project help clean
    fmt read-manifest config init new add remove rm login logout owner yank uninstall info report""")


def cargo(draft: Draft, arguments: list[str]) -> None:
    """`cargo [+toolchain] [options] SUBCOMMAND`. Its products are named below the workspace's root."""
    draft.language = "rust"
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    walk(draft, own[1:] if own and own[0][:1] == "+" else own, _CARGO)
    verb = draft.targets.pop(0) if draft.targets else ""
    manifest = draft.values.get("manifest", "")
    draft.directory = draft.directory or manifest.rpartition("/")[0]
    if ":probe" in draft.marks or verb in _CARGO_PROBES:
        draft.mode = "probe"
        draft.targets.clear()
    elif verb in _CARGO_MODES:
        draft.mode = _CARGO_MODES[verb]
        if verb in {"build", "b", "run", "r", "rustc"}:
            draft.outputs.append(_cargo_output(draft))
        if verb == "install":
            draft.sources.extend(draft.targets or [draft.values[key] for key in ("path", "git") if key in draft.values])
    else:
        draft.note("an unknown subcommand of cargo" if verb else "no subcommand of cargo", verb)


def _cargo_output(draft: Draft) -> str:
    """`target[/TRIPLE]/release`, with the name of `--bin` where there is one."""
    values = draft.values
    profile = values.get("profile") or ("release" if "optimised" in draft.flags else "debug")
    profile = {"dev": "debug", "test": "debug", "bench": "release"}.get(profile, profile)
    parts = (values.get("target_dir", "target"), values.get("target", ""), profile, values.get("bin", ""))
    return "/".join(part for part in parts if part)


def _cargo_config(draft: Draft, value: str) -> None:
    """`--config KEY=VALUE` or a file; a runner, a linker, a wrapper of rustc is a program that cargo starts."""
    key, equals, said = value.partition("=")
    if not equals:
        draft.read(value)
    elif key.strip().endswith((".runner", ".linker", "rustc-wrapper", "rustc-workspace-wrapper", ".rustc", ".rustdoc")):
        said = said.strip(" \"'")
        if not is_ordinary(said):
            draft.runs(said, "linker" if key.strip().endswith("linker") else "toolexec")
    elif "linker" in said or "runner" in said:
        draft.runs(said, "toolexec")


def _word(draft: Draft, argument: str) -> None:
    if argument:
        draft.targets.append(argument)


_CARGO: Final = Grammar(
    alone=words(
        """--release=optimised -r=optimised -V=:probe --version=:probe -h=:probe --help=:probe --list=:probe -v -vv -q
        --verbose --quiet --locked --offline --frozen --all-features --no-default-features --workspace --all --lib
        --bins
        --examples --tests --benches --all-targets --keep-going --no-run --no-fail-fast --debug --force -f --dry-run
        --ignore-rust-version --message-format --unit-graph --future-incompat-report --timings --doc --no-deps --open
        --no-track --allow-dirty --allow-staged""",
    ),
    takes={
        **taking("-C", to_directory),
        **taking("--config", _cargo_config),
        **{f"--{key}": keep(key.replace("-", "_")) for key in
           ("profile", "target", "target-dir", "bin", "path", "git", "example")},
        **taking("--manifest-path", keep("manifest")),
        **taking("-p --package -F --features -j --jobs --exclude --color -Z --root --rev --branch --tag --version"
                 " --index --format-version"
                 " --registry --test --bench --crate-type --out-dir --artifact-dir --explain --lockfile-path", skip),
    },
    equals=taking("--message-format --timings", skip),
    joined=taking("-p -F -j -Z -v", skip),
    name=_word,
)  # fmt: skip
