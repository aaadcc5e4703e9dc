"""Step 1, read by an expert: who started the compiler. Pure.

A chain of parents is another process's word, not that of the command line which is judged: it counts as a second
source. It can still be forged by whoever already runs code (`exec -a pip`), so it never outweighs what a chain shows
against itself, such as a web server that starts a shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from responder.triage.families import FAMILIES
from responder.triage.whereabouts import several

Role = Literal["shell", "interactive", "web", "application", "tool", "ci", "compiler", "other"]

MAX_WORDS: Final = 500
MAX_TEXT: Final = 2000
"""Characters of an ancestor's command line that are read."""

_SHELLS: Final = several(
    "sh bash dash ash zsh ksh mksh busybox csh tcsh fish",
)
_INTERPRETERS: Final = several(
    "python ruby node nodejs perl php java bun deno R Rscript lua luajit guile env",
)
_WEB: Final = several(
    "nginx apache2 httpd php-fpm php-cgi lighttpd caddy openresty haproxy traefik h2o cherokee w3wp mysqld "
    "mariadbd postgres redis-server mongod memcached exim4 sendmail vsftpd proftpd sshd-session dropbear smbd "
    "elasticsearch zabbix_server zabbix_agentd rsync",
)
_WEB_TEXT: Final = re.compile(
    r"catalina\.startup|org\.apache\.catalina|jetty\.|\bjetty|weblogic|jboss|wildfly|solr|elasticsearch|confluence|jira|"
    r"apache-activemq|activemq|\bliferay|php-fpm|\bcgi-bin\b|mod_wsgi|kafka\.Kafka|struts|ofbiz|nifi",
    re.IGNORECASE,
)
_APPLICATION: Final = several(
    "gunicorn uwsgi uvicorn hypercorn puma unicorn passenger thin daphne waitress",
)
_CI: Final = several(
    "Runner.Worker Runner.Listener gitlab-runner gitlab-runner-helper buildkitd buildctl executor kaniko "
    "tekton entrypoint buildkite-agent drone drone-runner-kube argoexec woodpecker-agent circleci-agent "
    "concourse gcb cloud-build-local earthly earthly-buildkitd buildah img docker-init lifecycle tini-ci",
)
_CI_TEXT: Final = re.compile(
    r"jenkins|agent\.jar|slave\.jar|/_work/|@tmp/durable|actions-runner|gitlab-runner|/tekton/|\.tekton|"
    r"buildkite|/cnb/lifecycle|/drone/src|teamcity|bamboo-agent|/builds/[^/]+/[^/]+|circleci|CODEBUILD|argoexec",
    re.IGNORECASE,
)
_VERSIONED: Final = re.compile(r"(python|ruby|node|perl|php|lua|pip|php-fpm|gem|bundle|clang|gcc|rustc|R)-?\d[\d.]*$")
_BEFORE: Final = re.compile(r"[ (\[]")
_PTY: Final = re.compile(
    r"pty[._ ]*spawn|import[ _]pty|\bscript -q|exec:[^\n]{0,200}\bpty\b|socat\b[^\n]{0,200}\bexec:|"
    r"\b(?:nc|ncat)\b[^|;]{0,200} -e\b|rlwrap|\b(?:use|require|import) [\w,; ]{0,60}[Ss]ocket\b|"
    r"fsockopen|TCPSocket|-rsocket|socket\.socket\(|/dev/tcp/"
)
_SERVING: Final = re.compile(
    r"\.(?:js|jar|war|py|rb|php|mjs|cjs|ts|pl)\b|-jar\b|-m (?:gunicorn|uvicorn|flask|http|aiohttp|celery|hypercorn)|"
    r"runserver|rails|puma|\bserve\b"
)
_COMPILER: Final = re.compile(
    r"(?:.*-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|cpp|collect2|cc1|cc1plus|ld|lld|ld\.lld|tcc)(?:-[\d.]+)?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One parent, understood. `families` are those whose tool it is; `script` is a shell's text (`sh -c …`)."""

    role: Role
    name: str
    text: str
    families: frozenset[str] = frozenset()
    script: str = ""
    pty: bool = False


NOBODY: Final = Ancestor(role="other", name="", text="")


def is_shell(argv: tuple[str, ...]) -> bool:
    """Whether a shell is what runs."""
    return program(argv) in _SHELLS


def program(argv: tuple[str, ...]) -> str:
    """The base name of what runs, without a version: `python` for `/usr/local/bin/python3.11`."""
    if not argv:
        return ""
    name = _BEFORE.split(argv[0][:MAX_TEXT], maxsplit=1)[0].rstrip(":").rpartition("/")[2].lstrip("-")
    match = _VERSIONED.fullmatch(name)
    return match[1] if match else name


def read(argv: tuple[str, ...]) -> Ancestor:
    """What a parent's command line says that it is."""
    name = program(argv)
    text = " ".join(argv[:MAX_WORDS])[:MAX_TEXT]
    script = _script(name, argv)
    pty = bool(_PTY.search(text))
    families = _families(name, argv, text)
    return Ancestor(
        role=_role(name, argv, text, script, families, pty=pty),
        name=name,
        text=text,
        families=families,
        script=script,
        pty=pty,
    )


def _role(name: str, argv: tuple[str, ...], text: str, script: str, families: frozenset[str], *, pty: bool) -> Role:
    if name in _SHELLS:
        return _shell(argv, text, script, families)
    if name in _WEB or (not families and name in {"java", "php", "python", "perl", "uwsgi"} and _WEB_TEXT.search(text)):
        return "web"
    if name in _CI or _CI_TEXT.search(text):
        return "ci"
    if pty or families:
        return "interactive" if pty else "tool"
    if name in _APPLICATION or (name in _INTERPRETERS and _SERVING.search(text)):
        return "application"
    return "compiler" if _COMPILER.fullmatch(name) else "other"


def _shell(argv: tuple[str, ...], text: str, script: str, families: frozenset[str]) -> Role:
    if _CI_TEXT.search(text):
        return "ci"
    if script:
        return "shell"
    words = argv[1:]
    if not any(not word.startswith("-") for word in words) and not any(
        "c" in word for word in words if word[:2] != "--"
    ):
        return "interactive"
    return "tool" if families else "shell"


def _script(name: str, argv: tuple[str, ...]) -> str:
    if name not in _SHELLS:
        return ""
    for n, word in enumerate(argv[1:5], start=1):
        if word.startswith("-") and not word.startswith("--") and word.endswith("c") and n + 1 < len(argv):
            return " ".join(argv[n + 1 :])[:MAX_TEXT]
    return ""


def _families(name: str, argv: tuple[str, ...], text: str) -> frozenset[str]:
    # A shell's -c text names tools that it may never start: only what runs as a program of its own counts.
    is_inline = name in _SHELLS and len(argv) > 1 and argv[1].startswith("-") and argv[1].endswith("c")
    may_script = not is_inline and (name in _INTERPRETERS or name in _SHELLS or name not in _PROGRAMS)
    found = set(_PROGRAMS.get(name, ()))
    if may_script:
        head = " ".join(argv[:8])[:MAX_TEXT] if name in _SHELLS else text
        found.update(family.key for family in FAMILIES if any(script in head for script in family.scripts))
    return frozenset(found)


def _programs() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for family in FAMILIES:
        for name in family.programs:
            table.setdefault(name, []).append(family.key)
    return {name: tuple(keys) for name, keys in table.items()}


_PROGRAMS: Final = _programs()


def tool_of(name: str) -> frozenset[str]:
    """The families whose tool has that base name."""
    return frozenset(_PROGRAMS.get(name, ()))
