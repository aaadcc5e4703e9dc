"""Step 1, read by an expert: what a path says about those who chose it. Pure.

World-writable places are where an intruder without rights can write; they are where half of all build tools work too
(pip, conda, torch, cffi), so a place alone decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

Place = Literal["memory", "temporary", "web", "secret", "system", "project", "other", "relative"]


def several(words: str) -> frozenset[str]:
    """A set of words, written as one text."""
    return frozenset(words.split())


_PATH_MAX: Final = 4096
"""Linux opens no longer path; what is longer is somebody's attempt, and its end is not read."""
_MEMORY: Final = ("/dev/shm/", "/run/shm/", "/proc/self/fd/", "/memfd:")  # noqa: S108 - what is looked for
_TEMPORARY: Final = ("/tmp/", "/var/tmp/", "/var/lock/", "/run/lock/", "/dev/mqueue/")  # noqa: S108 - what is looked for
_WEB: Final = ("/var/www/", "/srv/www/", "/usr/share/nginx/", "/htdocs/", "/wp-content/", "/webapps/", "/public_html/")
_SECRET: Final = re.compile(
    r"/etc/(?:shadow|gshadow|passwd|sudoers|kubernetes|ssl/private|ssh/ssh_host)|/\.ssh/|/\.aws/|/\.kube/|\.docker/config|"
    r"/var/run/secrets/|/run/secrets/|/proc/(?:self|\d+)/(?:environ|mem|root)|/root/flag|id_[rd]sa|\.pgpass|\.netrc|/var/lib/kubelet/",
)
_SYSTEM: Final = re.compile(
    r"/(?:usr/)?(?:s?bin|lib(?:32|64|x32)?)/|/usr/local/(?:s?bin|lib)/|/etc/|/boot/|/lib/security/|/host/|/mnt/host/"
)
_PROJECT: Final = re.compile(
    r"/(?:app|application|service|server|api|backend|frontend|usr/app|opt/app|var/app|src|source|sources|usr/src|build|builds|workspaces?|code|project|projects|repo|go/src|work|io|function|"
    r"layers|home/jenkins|home/runner/_?work|github/workspace|buildroot|recipe|checkout|drone/src|var/jenkins[^/]*|"
    r"data/jenkins[^/]*|usr/local/src|(?:home/[\w.-]+|root|srv)/(?:project|app|src|source|workspace|code|repo|work)s?|home/build(?:er)?|home/circleci|opt/build)(?:/|$)",
)
# Directories that begin with a dot, and that tools make for themselves.
_KNOWN_DOTS: Final = several(
    ".libs .deps .cache .cargo .rustup .nuget .m2 .local .npm .nvm .theano .pytensor .cython .ipython .opam "
    ".opam-switch .cpanm .cpan .cpm .dub .zig-cache .build .stack .stack-work .cabal .ghcup .gradle .config "
    ".git .hg .vscode-server .vscode .cursor-server .tox .venv .nox .eggs .pyenv .rbenv .gem .bundle .nimble "
    ".triton .julia .conda .mozbuild .ccache .sccache .objs .obj .bin .tmp_versions .elixir .mix .hex .asdf "
    ".sdkman .dotnet .jupyter .gnupg .tmp .pyxbld .numba_cache .ruby_inline .yarn .pnpm .pnpm-store .spack "
    ".nix-profile .linuxbrew .deno .jenkins .wasmer .emscripten_cache .flutter-plugins .swiftpm .konan .dapper "
    ".terraform .inline .mkoctfile .virtualenvs .dep .ext .pio .platformio .arduino15 .scons",
)
_OBJECTS: Final = (".o", ".d", ".lo", ".obj", ".a", ".s", ".i", ".ii", ".gch", ".pch", ".su", ".gcno", ".tmp", ".cmd")


# The first that holds.
_KINDS: Final[tuple[tuple[Place, Callable[[str], object]], ...]] = (
    ("memory", lambda path: path.startswith(_MEMORY)),
    ("secret", _SECRET.search),
    ("temporary", lambda path: path.startswith(_TEMPORARY)),
    ("web", lambda path: any(mark in path for mark in _WEB)),
    ("project", _PROJECT.match),
    ("system", _SYSTEM.match),
)


def place(path: str) -> Place:
    """Which kind of place it is; `relative` where it does not say by itself."""
    if not path.startswith("/"):
        return "relative"
    slashed = path[:_PATH_MAX] if path.endswith("/") else path[:_PATH_MAX] + "/"
    return next((kind for kind, is_there in _KINDS if is_there(slashed)), "other")


def absolute(path: str, cwd: str | None) -> str:
    """The path from the root, where the working directory is known; as written where it is not."""
    if path.startswith("/") or not cwd or not path:
        return path
    return f"{cwd.rstrip('/')}/{path.removeprefix('./')}"


def is_hidden(path: str) -> bool:
    """Whether a part of it begins with a dot that no known tool put there."""
    if "/." not in path and not path.startswith("."):
        return False
    path = path[:_PATH_MAX]
    parts = path.split("/")
    return (
        any(
            len(part) > 1
            and part[0] == "."
            and part not in {"..", "..."}
            and part.lower() not in _KNOWN_DOTS
            and part != ".R"
            and not (n == len(parts) - 1 and part.endswith(_OBJECTS))
            and not part.startswith((".tmp", ".python", ".ruby", ".ccache", ".stack"))
            for n, part in enumerate(parts)
        )
        or "/.../" in path
    )


def is_hidden_product(path: str) -> bool:
    """Whether the file itself is hidden, and is no object or dependency file (kbuild writes `.x.o.d`)."""
    name = path.rpartition("/")[2]
    return len(name) > 1 and name[0] == "." and name != ".." and not name.endswith((*_OBJECTS, ".dwo"))
