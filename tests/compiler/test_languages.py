"""go, rustc, cargo, javac and others, and the build systems."""

from __future__ import annotations

from typing import Final

import pytest

from tests.compiler.tables import Table, build, understood

LANGUAGES: Final[Table] = {
    "go run /tmp/atomics/T1027.004/src/T1027-004-test.go": build(
        "go", "run", sources=("/tmp/atomics/T1027.004/src/T1027-004-test.go",), language="go"
    ),
    "go run x.go y.go arg z.go": build("go", "run", sources=("x.go", "y.go"), language="go"),
    "go run -race ./cmd/x arg": build("go", "run", sources=("./cmd/x",), language="go"),
    "go build -o /tmp/x -ldflags \"-s -w -extldflags '-static'\" ./cmd/x": build(
        "go", "build", sources=("./cmd/x",), outputs=("/tmp/x",), language="go", flags={"static", "stripped"}
    ),
    "go build -C /src x.go y.go": build(
        "go", "build", sources=("x.go", "y.go"), outputs=("x",), language="go", directory="/src"
    ),
    "go build -buildmode=c-shared -trimpath -tags netgo -o lib.so .": build(
        "go", "build", sources=(".",), outputs=("lib.so",), language="go", flags={"shared"}
    ),
    "go build": build("go", "build", language="go"),
    "go test -run TestX -count=1 ./...": build("go", "run", sources=("./...",), language="go"),
    "go install golang.org/x/tools/cmd/goimports@latest": build(
        "go", "install", sources=("golang.org/x/tools/cmd/goimports@latest",), language="go"
    ),
    "go generate ./...": build("go", "run", sources=("./...",), language="go"),
    (
        "/usr/local/go/pkg/tool/linux_amd64/compile -o $WORK/b001/_pkg_.a -trimpath x -p main -lang=go1.22 "
        "-complete -buildid abc -goversion go1.22.1 -c=4 -nolocalimports -importcfg $WORK/b001/importcfg -pack "
        "./main.go"
    ): build(
        "go tool compile",
        "compile",
        sources=("./main.go",),
        outputs=("$WORK/b001/_pkg_.a",),
        language="go",
        reads=("$WORK/b001/importcfg",),
        is_child=True,
    ),
    (
        "/usr/local/go/pkg/tool/linux_amd64/link -o $WORK/b001/exe/a.out -importcfg f -buildmode=exe -extld=gcc main.a"
    ): build(
        "go tool link",
        "link",
        objects=("main.a",),
        outputs=("$WORK/b001/exe/a.out",),
        language="go",
        reads=("f",),
        is_child=True,
    ),
    "go tool compile -o x.o x.go": build(
        "go tool compile", "compile", sources=("x.go",), outputs=("x.o",), language="go"
    ),
    "rustc x.rs": build("rustc", "link", sources=("x.rs",), outputs=("x",), language="rust"),
    "rustc my-prog.rs": build("rustc", "link", sources=("my-prog.rs",), outputs=("my-prog",), language="rust"),
    "rustc --crate-type lib my-prog.rs": build(
        "rustc", "link", sources=("my-prog.rs",), outputs=("libmy_prog.rlib",), language="rust"
    ),
    (
        "rustc --crate-name svc --edition=2021 src/main.rs --error-format=json --crate-type bin "
        "--emit=dep-info,link -C opt-level=3 -C embed-bitcode=no -C metadata=d1d4 -C "
        "extra-filename=-d1d4f0fc4cff31bd --out-dir /app/target/release/deps -C strip=debuginfo -L "
        "dependency=/app/target/release/deps"
    ): build(
        "rustc",
        "link",
        sources=("src/main.rs",),
        outputs=("/app/target/release/deps/svc-d1d4f0fc4cff31bd",),
        language="rust",
        flags={"optimised", "stripped"},
    ),
    (
        "rustc --crate-name foo --crate-type lib --emit=dep-info,metadata --out-dir /t/deps src/lib.rs --extern "
        "a=/x/liba.rlib"
    ): build(
        "rustc",
        "compile",
        sources=("src/lib.rs",),
        objects=("/x/liba.rlib",),
        outputs=("/t/deps/libfoo.rmeta",),
        language="rust",
    ),
    "rustc -C target-feature=+crt-static -O -g x.rs -l static=z": build(
        "rustc",
        "link",
        sources=("x.rs",),
        outputs=("x",),
        language="rust",
        flags={"debug", "optimised", "static"},
        libraries=("z",),
    ),
    "rustc -": build("rustc", "link", outputs=("rust_out",), stdin_source=True, language="rust"),
    "cargo build --release": build("cargo", "build", outputs=("target/release",), language="rust", flags={"optimised"}),
    "cargo +nightly build --release --target x86_64-unknown-linux-musl --bin svc": build(
        "cargo",
        "build",
        outputs=("target/x86_64-unknown-linux-musl/release/svc",),
        language="rust",
        flags={"optimised"},
    ),
    "cargo build --manifest-path /src/Cargo.toml --target-dir /t": build(
        "cargo", "build", outputs=("/t/debug",), language="rust", directory="/src"
    ),
    "cargo run -- --release": build("cargo", "run", outputs=("target/debug",), language="rust"),
    "cargo test": build("cargo", "run", language="rust"),
    "cargo install ripgrep": build("cargo", "install", sources=("ripgrep",), language="rust", targets=("ripgrep",)),
    "cargo install --git https://x/y": build("cargo", "install", sources=("https://x/y",), language="rust"),
    "javac -d out Hi.java": build("javac", "compile", sources=("Hi.java",), outputs=("out",), language="java"),
    "javac -cp a.jar:b.jar -source 17 -g Hi.java Ho.java": build(
        "javac", "compile", sources=("Hi.java", "Ho.java"), language="java", flags={"debug"}
    ),
    "java Hi.java a": build("java", "run", sources=("Hi.java",), language="java"),
    "java -cp x Main": build("", "unknown"),
    "dotnet fsi x.fsx": build("dotnet", "run", sources=("x.fsx",), language=".net"),
    "dotnet app.dll": build("", "unknown"),
    "ghc -o x x.hs": build("ghc", "link", sources=("x.hs",), outputs=("x",), language="ghc"),
    "llc x.ll -o x.s": build("llc", "compile", sources=("x.ll",), outputs=("x.s",), language="llc"),
}


@pytest.mark.parametrize("line", LANGUAGES)
def test_other_languages_are_read_by_their_own_options(line: str) -> None:
    assert understood(line) == LANGUAGES[line]


SYSTEMS: Final[Table] = {
    "make": build("make", "build"),
    "make -sf Makefile -kj8 all": build("make", "build", reads=("Makefile",), targets=("all",)),
    "make -j 8 -C /src": build("make", "build", directory="/src"),
    "make -f - all": build("make", "build", stdin_source=True, targets=("all",)),
    "make -C /lib/modules/5.15.0-1051-gke/build M=/root/Diamorphine modules": build(
        "make",
        "build",
        sources=("/root/Diamorphine",),
        flags={"kernel_module"},
        directory="/lib/modules/5.15.0-1051-gke/build",
        targets=("modules",),
    ),
    "make BUILDTYPE=Release -C build": build("make", "build", directory="build"),
    "make install": build("make", "install", targets=("install",)),
    "make /tmp/hello": build("make", "build", outputs=("/tmp/hello",), targets=("/tmp/hello",)),
    "make -n": build("make", "probe"),
    "gmake -f CMakeFiles/cmTC_b363c.dir/build.make CMakeFiles/cmTC_b363c.dir/build": build(
        "make",
        "feature_test",
        reads=("CMakeFiles/cmTC_b363c.dir/build.make",),
        targets=("CMakeFiles/cmTC_b363c.dir/build",),
    ),
    "cmake -S . -B build": build("cmake", "build", sources=(".",), directory="build"),
    "cmake ..": build("cmake", "build", sources=("..",)),
    "cmake --build build --target x -j2": build("cmake", "build", directory="build", targets=("x",)),
    "cmake --install build": build("cmake", "install", directory="build"),
    "cmake -E cmake_link_script CMakeFiles/cmTC_b363c.dir/link.txt --verbose=1": build(
        "cmake", "build", reads=("CMakeFiles/cmTC_b363c.dir/link.txt",), targets=("cmake_link_script",)
    ),
    "ninja -C out x": build("ninja", "build", directory="out", targets=("x",)),
    "node-gyp rebuild": build("node-gyp", "build", outputs=("build/Release",), language="c++", targets=("rebuild",)),
    "node /usr/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js rebuild --debug": build(
        "node-gyp",
        "build",
        wrappers=("node",),
        outputs=("build/Debug",),
        language="c++",
        flags={"debug"},
        targets=("rebuild",),
    ),
    "meson compile -C build": build("meson", "build", targets=("compile", "build")),
    "bazel build //x": build("bazel", "build", targets=("build", "//x")),
}


@pytest.mark.parametrize("line", SYSTEMS)
def test_a_build_system_is_read_for_its_targets_and_place(line: str) -> None:
    assert understood(line) == SYSTEMS[line]
