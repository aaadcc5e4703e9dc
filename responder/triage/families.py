"""Step 1, read by an expert: builds that are known by name, and what each leaves on a command line. Pure data.

A family is recognised by its tool among the ancestors, and by its marks in the arguments or the working directory. The
marks are in public sources of the tools and can be forged by anybody, so that alone they prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["installer", "project", "just_in_time", "runner", "driver"]
"""`installer` builds what a registry gave it, in temporary folders of its own; `project` what lies in a source tree;
`just_in_time` compiles for itself while it runs; `runner` compiles what others hand in; `driver` builds kernel modules.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of build. `title` may hold ``{}`` for what is built.

    `programs` are base names of the tool; `scripts` stand in the arguments of an interpreter that runs it; `marks`
    stand in the arguments of the compiler, `places` in its working directory. `alone`: the tool among the ancestors is
    enough, since it runs no stranger's code by itself.
    """

    key: str
    title: str
    kind: Kind
    programs: frozenset[str] = frozenset()
    scripts: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    alone: bool = False


def _family(
    key: str, title: str, kind: Kind, *, programs: str = "", scripts: str = "", marks: str = "", places: str = ""
) -> Family:
    return Family(
        key=key,
        title=title,
        kind=kind,
        programs=frozenset(programs.split()),
        scripts=tuple(scripts.split("|")) if scripts else (),
        marks=tuple(marks.split("|")) if marks else (),
        places=tuple(places.split("|")) if places else (),
        alone=kind in {"installer", "runner"},
    )


FAMILIES: Final[tuple[Family, ...]] = (
    # --- kernel modules (before the package managers that start them) ---
    _family(
        "dkms",
        "kernel module {}",
        "driver",
        programs="dkms nvidia-installer nvidia-driver nvidia-ctk akmods "
        "falco-driver-loader falcoctl scap-driver-loader sysdig-probe-loader kmodtool weak-modules ofed_info "
        "mlnxofedinstall gasket-dkms stap staprun",
        scripts="/sbin/dkms|/bin/dkms|nvidia-driver|falco-driver-loader|nvidia-installer|cos-gpu-installer|"
        "NVIDIA-Linux|driver-loader|probe-loader|akmods|"
        "load-nvidia|install-nvidia",
        marks="/lib/modules/|/linux-headers-|/usr/src/kernels/|-D__KERNEL__|/var/lib/dkms/|KBUILD_MODNAME=|KBUILD_BASENAME=|scripts/mod/modpost",
        places="/var/lib/dkms/|/usr/src/",
    ),
    # --- compilers that run inside a program ---
    _family(
        "torch.compile",
        "torch.compile",
        "just_in_time",
        programs="python",
        marks="torchinductor|TORCH_INDUCTOR|/aotinductor/",
        places="torchinductor",
    ),
    _family(
        "torch_extension",
        "PyTorch building extension {}",
        "just_in_time",
        programs="python ninja",
        marks="TORCH_EXTENSION_NAME|TORCH_API_INCLUDE_EXTENSION_H|torch_extensions/",
        places="torch_extensions",
    ),
    _family(
        "triton",
        "Triton building its launcher",
        "just_in_time",
        programs="python ray vllm",
        marks="triton/backends/|triton/common/../|"
        "triton/third_party/|.triton/cache|__triton_launcher|cuda_utils.cpython",
    ),
    _family(
        "flashinfer",
        "FlashInfer compiling its kernels",
        "just_in_time",
        programs="python ninja",
        marks="/.cache/flashinfer/|/flashinfer/data/",
        places="/.cache/flashinfer/",
    ),
    _family("pytensor", "PyTensor (Theano) compiling a graph", "just_in_time", programs="python", marks="/compiledir_"),
    _family(
        "pythran",
        "Pythran compiling a kernel",
        "just_in_time",
        programs="pythran python",
        scripts="/pythran",
        marks="__PYTHRAN__|ENABLE_PYTHON_MODULE|site-packages/pythran",
    ),
    _family(
        "cython",
        "Cython compiling {}",
        "just_in_time",
        programs="python cython cythonize",
        marks="_cython_inline|_cython_magic|/.pyxbld/|.cython/inline|brian_extensions",
        places="/.cython/",
    ),
    _family("numba", "Numba compiling ahead of time", "just_in_time", programs="python", marks="pycc-build-|numba/_"),
    _family(
        "tvm", "TVM compiling a model", "just_in_time", programs="python", marks="/tvm_tmp|tvm/include|dlpack/include"
    ),
    _family(
        "stan",
        "Stan compiling a model",
        "just_in_time",
        programs="python R make stanc httpstan",
        marks="stan/lib/stan_math|stan_model|httpstan/|STAN_THREADS|rstan/include|StanHeaders",
        places="/cmdstan",
    ),
    _family(
        "openfoam",
        "OpenFOAM compiling dynamic code",
        "just_in_time",
        scripts="openfoam",
        marks="-DOPENFOAM=|/lnInclude|codeStreamTemplate",
        places="/dynamicCode/",
    ),
    _family(
        "pyop2", "Firedrake compiling a kernel", "just_in_time", programs="python", marks="/.cache/pyop2/|/pyop2-cache"
    ),
    _family(
        "varnish",
        "Varnish compiling its VCL",
        "just_in_time",
        programs="varnishd",
        marks="vgc.c|vcl_",
        places="/var/lib/varnish/",
    ),
    _family(
        "bpf",
        "{} compiling an eBPF program",
        "just_in_time",
        programs="cilium-agent cilium tetragon bpftrace falco pixie pem parca-agent",
        marks="--target=bpf|-target bpf|.bpf.c|bpf_",
    ),
    _family(
        "cuda",
        "Python compiling a CUDA kernel",
        "just_in_time",
        programs="python",
        marks="tmpxft_|.cudafe1.|__CUDACC__|__NVCC__",
    ),
    _family(
        "nvcc",
        "nvcc building {}",
        "project",
        programs="nvcc cicc ptxas cudafe++ hipcc icpx dpcpp",
        marks="tmpxft_|.cudafe1.|__CUDACC__|__NVCC__|__HIP_PLATFORM|--cuda-gpu-arch",
    ),
    _family(
        "native-image",
        "GraalVM native-image building {}",
        "project",
        programs="native-image",
        scripts="svm/builder|NativeImageGenerator|native-image",
        marks="/SVM-|svm/clibraries|graalvm",
    ),
    _family(
        "inline",
        "an interpreter's inline C",
        "just_in_time",
        programs="perl ruby python tclsh",
        marks="/_Inline/|.ruby_inline|_ruby_mjit_|/.inline/",
    ),
    _family("pocl", "OpenCL compiling a kernel", "just_in_time", programs="python", marks="/pocl/kcache|pocl/uncached"),
    _family(
        "julia",
        "Julia building a package image",
        "just_in_time",
        programs="julia",
        marks="/.julia/|PackageCompiler",
        places="/.julia/",
    ),
    _family(
        "octave",
        "Octave compiling a module",
        "project",
        programs="mkoctfile octave octave-cli",
        marks="/include/octave|/tmp/oct-",
    ),
    _family(
        "jank",
        "a database compiling its queries",
        "just_in_time",
        programs="impalad clickhouse-server clickhouse kdb singlestore memsqld",
        marks="/clickhouse/|/memsql",
    ),
    _family(
        "hls",
        "HDL simulator building its model",
        "project",
        programs="verilator vcs vsim xrun ghdl iverilog",
        marks="/verilator/include|obj_dir|Vtop",
    ),
    # --- what hands code in on purpose ---
    _family(
        "judge",
        "a code runner ({}) compiling a submission",
        "runner",
        programs="isolate nsjail judger judge0 piston "
        "libjudger.so judgedaemon dmoj judge-server runguard firejail codex-sandbox domjudge sandbox-runner epicbox "
        "cms-worker cmsWorker go-judge bwrap minijail0 runsc code-runner coderunner",
        scripts="judgedaemon|dmoj|judge0|piston|runguard|/usr/local/bin/isolate|libjudger|jupyter_c_kernel|godbolt|"
        "judge|grader|coderunner|code-runner|code_runner|playground|online-compiler|compiler-explorer|/opt/judge",
        marks="-DONLINE_JUDGE|ONLINE_JUDGE",
    ),
    _family(
        "editor",
        "a developer's editor ({})",
        "runner",
        programs="code-server openvscode-server theia coder gitpod cloudcode-cli rstudio rsession",
        scripts=".vscode-server/|.cursor-server/|code-server|openvscode-server|"
        "theia|/.vscode/|jetbrains|remote-dev-server",
    ),
    _family(
        "notebook",
        "a notebook compiling {}",
        "just_in_time",
        programs="jupyter jupyterhub-singleuser xcpp marimo",
        scripts="ipykernel|jupyter|colab_kernel_launcher|rstudio",
        marks=".cache/ipython|_cython_magic|ipython/cython",
    ),
    # --- package managers of languages ---
    _family(
        "maturin",
        "maturin building {}",
        "installer",
        programs="maturin setuptools-rust",
        scripts="bin/maturin|maturin pep517",
        marks="/target/release/deps|--crate-type cdylib",
    ),
    _family(
        "pip",
        "pip building {}",
        "installer",
        programs="pip pip3 pipx uv poetry pipenv pdm hatch cibuildwheel tox nox flit build rye pip-compile pip-sync",
        scripts="/bin/pip|-m pip|pip/__pip-runner__|pyproject_hooks|"
        "_in_process.py|setup.py|bdist_wheel|build_ext|-m build|bin/uv |bin/poetry|cibuildwheel|import setuptools|"
        "import_setuptools|get_requires_for_build|build_wheel|meson-python|mesonpy|scikit_build",
        marks="build/temp.|build/lib.|/tmp/pip-|pip-build-env|/include/python|.cache/uv/|DCYTHON_|numpy/core/include|"
        "numpy/_core/include",
        places="/pip-install-|/pip-req-build|/pip-wheel|/.cache/uv/|/sdists-|/pip-build-env",
    ),
    _family(
        "versions",
        "a version manager building {}",
        "installer",
        programs="pyenv rbenv asdf mise nodenv phpenv kerl python-build ruby-build",
        scripts="bin/python-build|bin/ruby-build|libexec/pyenv-install|libexec/rbenv-install|kerl build",
        places="/python-build.|/ruby-build.|/kerl-home/",
    ),
    _family(
        "precommit",
        "pre-commit installing a hook",
        "just_in_time",
        programs="pre-commit",
        scripts="bin/pre-commit",
        places="/.cache/pre-commit/",
    ),
    _family("language_server", "a language server ({})", "runner", programs="clangd rust-analyzer gopls ccls jdtls"),
    _family(
        "cythonize",
        "cythonize building {}",
        "project",
        programs="cython cythonize",
        scripts="bin/cythonize|Cython/Build",
        marks="/include/python|.cpython-3|build/temp.",
    ),
    _family(
        "extension",
        "Python building extension {} while it runs",
        "just_in_time",
        programs="python",
        marks="/include/python|.cpython-3|_cffi_",
    ),
    _family(
        "gem",
        "gem building {}",
        "installer",
        programs="gem bundle bundler rake",
        scripts="extconf.rb|/bin/bundle|/bin/gem|mkmf|rake-compiler|bin/rake",
        marks="/include/ruby-|RUBY_EXTCONF_H|-lruby",
        places="/gems/|/bundler/gems/|/extensions/",
    ),
    _family(
        "php",
        "PHP extension {}",
        "installer",
        programs="pecl phpize pear pie docker-php-ext-install docker-php-ext-configure install-php-extensions",
        scripts="peclcmd.php|docker-php-ext-|install-php-extensions|/bin/pecl|/bin/phpize|/pear/temp/|pie.phar",
        marks="/include/php|-DZEND_|DCOMPILE_DL_|ZEND_DEBUG|/pear/temp/",
        places="/pear/temp/|/usr/src/php/ext",
    ),
    _family(
        "perl",
        "CPAN module {}",
        "installer",
        programs="cpan cpanm cpm carton xsubpp perlbrew",
        scripts="/bin/cpan|Makefile.PL|Build.PL|Module::Build|ExtUtils::|./Build|/bin/cpm|bin/carton",
        marks='-DXS_VERSION|-DVERSION=\\"|/CORE|blib/arch',
        places="/.cpanm/work|/.cpan/build|/.cpm/",
    ),
    _family(
        "r",
        "R package {}",
        "installer",
        programs="R Rscript Rcmd renv rig r littler install2.r",
        scripts="/R/etc/Makeconf|R CMD INSTALL|install.packages|tools:::|shlib.mk|pak::|Rcpp::",
        marks="/share/R/include|/lib/R/include|/R/site-library|-lR|Rcpp/include",
        places="/R.INSTALL|/Rtmp|/site-library/",
    ),
    _family(
        "luarocks",
        "LuaRocks building {}",
        "installer",
        programs="luarocks",
        scripts="bin/luarocks|luarocks.loader",
        marks="/include/lua|/luarocks|/luajit",
        places="/luarocks_|/luarocks-",
    ),
    _family(
        "ocaml",
        "OCaml building {}",
        "installer",
        programs="opam dune ocamlfind ocamlopt ocamlc ocamlbuild esy ocamlopt.opt ocamlc.opt ocamlmklib jbuilder",
        marks="/lib/ocaml|/.opam/|camlasm|camlstartup",
        places="/.opam|/_build/default",
    ),
    _family(
        "npm",
        "npm building {}",
        "installer",
        programs="node-gyp prebuild-install node-pre-gyp cmake-js npm yarn pnpm "
        "npx lerna neon electron-rebuild bun prebuildify corepack",
        scripts="node-gyp|/npm/|npm-cli|yarn.js|/pnpm|cmake-js|"
        "prebuild-install|node-pre-gyp|electron-rebuild|yarn install|npm install|npm ci",
        marks="BUILDTYPE=|obj.target|NODE_GYP_MODULE_NAME|/node-gyp/|include/node|NAPI_|BUILDING_NODE_EXTENSION",
        places="/node_modules/",
    ),
    _family(
        "erlang",
        "Erlang/Elixir NIF {}",
        "installer",
        programs="mix rebar rebar3 erlang.mk beam.smp elixir",
        scripts="mix deps|mix compile|rebar3|elixir_make|mix release|-- mix",
        marks="/erts-|erl_interface|/priv/|erl_nif",
        places="/deps/|/_build/",
    ),
    _family(
        "conda",
        "conda-build of {}",
        "installer",
        programs="conda-build boa rattler-build mamba-build",
        scripts="conda-build|conda_build.sh|conda build|boa build|rattler-build|/conda-bld/",
        marks="conda-bld/|-conda-linux-gnu|_h_env|/src/conda/",
        places="/conda-bld/|/rattler-build",
    ),
    _family(
        "spack",
        "Spack building {}",
        "installer",
        programs="spack",
        scripts="/bin/spack|/spack/env/|spack install|spack-build",
        marks="/spack/opt/|spack-stage|SPACK_",
        places="/spack-stage",
    ),
    _family(
        "haskell",
        "Haskell building {}",
        "installer",
        programs="cabal stack ghc runghc hpc ghc-pkg",
        scripts="/ghc-|Setup.hs",
        marks="TABLES_NEXT_TO_CODE|dist-newstyle|/ghc|.stack-work",
        places="/dist-newstyle|/.stack",
    ),
    _family(
        "vcpkg",
        "{} building a dependency",
        "installer",
        programs="vcpkg conan brew nix-build nix-daemon guix guix-daemon "
        "bitbake buildroot ebuild emerge makepkg abuild rpmbuild mock dpkg-buildpackage debuild sbuild dh "
        "dpkg-deb apk-build melange pkgbuild pbuilder kaniko ebuild.sh",
        scripts="dpkg-buildpackage|debian/rules|rpmbuild|/bin/abuild|makepkg|bitbake|vcpkg|nix-daemon|ebuild.sh|"
        "/portage/|/var/tmp/rpm-tmp|/bin/conan",
        marks="-ffile-prefix-map=/build/|-fdebug-prefix-map=/build/|"
        "/rpmbuild/|/nix/store/|/vcpkg/buildtrees|redhat-hardened-cc1",
        places="/rpmbuild/|/nix/|/buildtrees/|/.conan",
    ),
    # --- languages whose compiler drives a C compiler ---
    _family(
        "cargo",
        "cargo build of {}",
        "project",
        programs="cargo rustc build-script-build cargo-build cross wasm-pack trunk "
        "cargo-zigbuild cargo-chef sccache rustup rust-analyzer cargo-watch bacon",
        scripts="build-script-build|bin/cargo|bin/rustc|build-script-main",
        marks="target/release/|target/debug/|/rustlib/|.rcgu.o|/.cargo/registry|/cargo/registry|"
        "-linux-musl/release/|--crate-name ",
        places="/cargo/registry/|/.cargo/|/target/release|/target/debug",
    ),
    _family(
        "go",
        "go build of {}",
        "project",
        programs="go cgo goreleaser ko gobuild gopls golangci-lint dlv air CompileDaemon reflex gow",
        scripts="/pkg/tool/|bin/goreleaser",
        marks="/go-build|/cgo-gcc-input-|_cgo_|-gno-record-gcc-switches|/pkg/tool/|/go/pkg/mod/",
        places="/go-build|/go/pkg/mod/|/go/src/",
    ),
    _family(
        "nim",
        "Nim building {}",
        "project",
        programs="nim nimble",
        marks="/cache/nim/|.nim.c|nimcache|/nim/lib",
        places="/nimcache",
    ),
    _family(
        "ada",
        "Ada building {}",
        "project",
        programs="gnatmake gprbuild gprlib gnatlink gnatbind alr",
        scripts="gnatlink",
        marks="-gnat|/adalib/|b~",
    ),
    _family("pascal", "Free Pascal building {}", "project", programs="fpc ppcx64 ppca64 lazbuild", marks=".res|/fpc/"),
    _family("vala", "Vala building {}", "project", programs="valac", marks="/include/glib-2.0|.vala.c"),
    _family(
        "scheme",
        "Scheme building {}",
        "project",
        programs="csc chicken-install gsc",
        marks="HAVE_CHICKEN_CONFIG_H|-lchicken|-lgambit",
    ),
    _family(
        "zig", "Zig building {}", "project", programs="zig", marks="zig-cache|.zig|--zig-lib-dir", places="zig-cache"
    ),
    _family(
        "d",
        "D building {}",
        "project",
        programs="dub dmd ldc2 gdc rdmd",
        marks="-lphobos|-ldruntime|.dub/|-Xlinker",
        places="/.dub/",
    ),
    _family(
        "crystal",
        "Crystal building {}",
        "project",
        programs="crystal shards",
        marks="/cache/crystal/|/lib/crystal|-lgc",
    ),
    _family(
        "swift",
        "Swift building {}",
        "project",
        programs="swift swift-build swiftc swift-frontend",
        scripts="swift-build",
        marks=".build/release|.build/debug|swift/usr/lib|-lswift|.build/x86_64|.build/aarch64",
        places="/.build/",
    ),
    _family(
        "dotnet",
        ".NET building {}",
        "project",
        programs="dotnet msbuild ilc",
        scripts="MSBuild.dll|dotnet publish|dotnet build",
        marks="/.nuget/packages|ilcompiler|obj/Release|obj/Debug",
    ),
    _family(
        "java",
        "{} compiling Java",
        "project",
        programs="mvn mvnw gradle gradlew ant sbt bazelisk kotlinc javac",
        scripts="plexus-classworlds|ant-launcher.jar|org.gradle|gradle-wrapper|apache-ant|sbt-launch|maven",
        marks="target/classes|target/test-classes|build/classes|-processorpath|.m2/repository|.gradle/caches",
        places="/target/classes",
    ),
    _family(
        "bazel",
        "Bazel building {}",
        "project",
        programs="bazel bazelisk linux-sandbox process-wrapper buck buck2 buck2d buckd pants please",
        scripts="bazel(|A-server.jar|process-wrapper|linux-sandbox",
        marks="bazel-out/|buck-out/|/execroot/|_bazel_",
        places="/execroot/|/_bazel_|/buck-out/|/bazel-working",
    ),
    _family(
        "emscripten",
        "Emscripten building {}",
        "project",
        programs="emcc em++ emmake emcmake",
        scripts="emcc.py",
        marks="wasm32-unknown-emscripten|/emscripten/",
    ),
    _family(
        "platformio",
        "PlatformIO building {}",
        "project",
        programs="pio platformio arduino-cli idf.py west scons",
        scripts="bin/scons|bin/west|/platformio|/.platformio/|bin/pio ",
        marks=".pio/build|/.arduino15/|/esp-idf/",
        places="/.pio/",
    ),
    # --- build systems of C and C++ ---
    _family(
        "waf",
        "waf or SCons building {}",
        "project",
        programs="waf scons",
        scripts="/waf |./waf|bin/scons|bin/waf",
    ),
    _family(
        "autoconf",
        "autoconf's configure",
        "project",
        programs="configure autoreconf autoconf config.status",
        scripts="configure|config.status|config.guess",
        marks="/dummy.|conftest.c|conftest.o|conftest.er|-o conftest|objs/autotest|-o objs/|_configtest|ac_nonexistent",
        places="/confdefs",
    ),
    _family(
        "cmake",
        "CMake building {}",
        "project",
        programs="cmake ctest cmake3 cpack",
        marks="CMakeFiles/|CMakeCCompilerId|CMakeCXXCompilerId|/CMakeScratch/|CMakeTmp|cmTC_",
        places="/CMakeFiles/|/CMakeScratch|/CMakeTmp",
    ),
    _family(
        "meson",
        "Meson and Ninja building {}",
        "project",
        programs="meson ninja samu ninja-build muon",
        scripts="bin/meson|mesonbuild|meson.py",
        marks="meson-private|.p/|sanitycheckc|meson-log",
        places="/meson-private",
    ),
    _family(
        "libtool",
        "make (libtool) building {}",
        "project",
        programs="libtool",
        scripts="libtool",
        marks=".libs/|.deps/|.lo|HAVE_CONFIG_H",
    ),
    _family(
        "pgxs",
        "PostgreSQL extension {}",
        "project",
        programs="pg_config",
        scripts="pgxs",
        marks="/include/postgresql|pgxs/",
    ),
    _family("make", "make building {}", "project", programs="make gmake remake bmake kbuild fakeroot"),
)
BY_KEY: Final = {family.key: family for family in FAMILIES}
