"""Steps 1 and 4, weighed: what happened around it: other findings, sessions, log lines, earlier records. Pure.

Log lines are the words of whoever writes them, an intruder included: they may speak against a container, and never
for it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from responder.evidence import AuditEntry, Found, LogEntry, RelatedFinding
from responder.finding import CATEGORY
from responder.ports import Precedent
from responder.triage.builds import Look
from responder.triage.case import Case
from responder.triage.sign import Sign
from responder.triage.whereabouts import absolute

SESSION: Final = timedelta(minutes=15)
"""How long before the first finding a session still counts as its cause."""
_LOOKED_AT: Final = 1000
"""Characters of a log line that are looked at."""
DAYS: Final = 3
"""On how many different days something must have been seen to be called regular."""

# Security Command Center's own categories (Container Threat Detection's list), by what they hold.
_ATTACKS: Final = (
    (re.compile(r"reverse shell", re.IGNORECASE), ("T1059.004", "T1095")),
    (re.compile(r"container escape|release_agent|core_pattern", re.IGNORECASE), ("T1611",)),
    (re.compile(r"memfd|fileless|/dev/shm", re.IGNORECASE), ("T1620",)),
    (re.compile(r"crypto|mining|miner", re.IGNORECASE), ("T1496",)),
    (re.compile(r"malicious (?:script|binary|library|url|python)", re.IGNORECASE), ()),
    (re.compile(r"rootkit|kernel module", re.IGNORECASE), ("T1014",)),
    (re.compile(r"privilege escalation|setuid|dirty|pwnkit", re.IGNORECASE), ("T1068",)),
    (re.compile(r"preload|library loaded.*malicious", re.IGNORECASE), ("T1574.006",)),
)
_BEFORE: Final = re.compile(r"base64|encoded|curl|wget|ingress|download|web shell|child shell", re.IGNORECASE)
_FEATURE_TESTS: Final = re.compile(
    r"/(?:conftest|a\.out|cmTC_\w+|output\.exe|sanitycheck\w+|build-script-build|_configtest)$"
)

_RUNNER: Final = re.compile(r"^system:serviceaccount:.*(?:runner|jenkins|tekton|argo|buildkite|drone|\bci\b|build)")
"""A CI system's own account: GitLab's and Jenkins' runners open sessions in the pods of their jobs."""

_REQUEST: Final = re.compile(
    r"(?:\"|\b)(?:GET|POST|PUT|HEAD|PATCH) [^\" ]*[?&;][\w\[\]-]{0,30}=[^\" ]*?"
    r"(?:gcc|g%2b%2b|curl|wget|bash|/bin/|%2fbin%2f|"
    r"which|whoami|uname|\bid\b|base64|chmod|python|make|perl|nc(?:%20|\+)|env\b)|\$\{jndi:|%24%7bjndi|\(\)\s*\{\s*:;\s*\}|"
    r"\b(?:system|exec|shell_exec|popen|passthru|proc_open)\(\): |Runtime\.getRuntime\(\)\.exec",
    re.IGNORECASE,
)
_DOWNLOAD: Final = re.compile(r"\b(?:curl|wget|fetch|aria2c)\b[^\n|;]{0,400}?(https?://[^\s'\"]{4,200})")
_REGISTRIES: Final = re.compile(
    r"https?://(?:[\w-]+\.)*(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|nodejs\.org|crates\.io|rust-lang\.org|"
    r"rubygems\.org|golang\.org|debian\.org|ubuntu\.com|alpinelinux\.org|maven\.org|cpan\.org|r-project\.org|"
    r"googleapis\.com|pkg\.dev|gcr\.io|metacpan\.org|nvidia\.com|falco\.org|python\.org|gradle\.org)[/:]",
)
_DECODING: Final = re.compile(
    r"base64 (?:-d|--decode)|\| ?(?:ba)?sh\b.*curl|curl[^\n]{0,300}\| ?(?:ba)?sh\b|echo [A-Za-z0-9+/=]{40,} ?\|"
)
_TOOLCHAIN: Final = re.compile(
    r"(?:apt(?:-get)?|yum|dnf|microdnf) (?:-\S+ )*install\b[^\n]{0,300}"
    r"\b(?:gcc|g\+\+|make|build-essential|clang|tcc)\b|"
    r"apk (?:-\S+ )*add\b[^\n]{0,300}\b(?:gcc|g\+\+|build-base|make|clang|tcc)\b|"
    r"Setting up (?:gcc|g\+\+|build-essential)|Installing (?:gcc|build-base|g\+\+) \(",
)
_POOL: Final = re.compile(
    r"stratum\+(?:tcp|ssl)|xmrig|\bnew job from\b|accepted \(\d+/\d+\)|randomx|\bhashrate\b", re.IGNORECASE
)
_PRELOAD: Final = re.compile(r"ld\.so\.preload|LD_PRELOAD=/(?:tmp|dev/shm|var/tmp)")
_SHELL: Final = re.compile(r"\b(?:ba|da|k|z)?sh -i\b[^\n]{0,80}/dev/(?:tcp|udp)/")
_MODULE: Final = re.compile(
    r"\binsmod\b|\bmodprobe\b|loading out-of-tree module|module verification failed", re.IGNORECASE
)


class _Sought(NamedTuple):
    """A pattern for log lines, and the words without which no line can match it, lower case: all of any one group.

    Words are found many times faster than patterns, and hardly any line has them.
    """

    pattern: re.Pattern[str]
    words: tuple[tuple[str, ...], ...]

    def search(self, text: str, lower: str) -> re.Match[str] | None:
        """The pattern's match; `lower` is `text` in lower case."""
        for group in self.words:
            for word in group:
                if word not in lower:
                    break
            else:
                return self.pattern.search(text)
        # Outside of ASCII, what a pattern takes for the same letter is more than its lower case.
        return None if lower.isascii() else self.pattern.search(text)


_IN_REQUEST: Final = _Sought(_REQUEST, (("=", "?"), ("=", "&"), ("=", ";"), ("jndi",), ("()",)))
_IN_DOWNLOAD: Final = _Sought(_DOWNLOAD, (("://",),))
_IN_DECODING: Final = _Sought(_DECODING, (("base64 ",), ("|",)))
_IN_TOOLCHAIN: Final = _Sought(_TOOLCHAIN, (("install",), ("apk ",), ("setting up",)))
_IN_POOL: Final = _Sought(
    _POOL, (("stratum+",), ("xmrig",), ("new job from",), ("accepted (",), ("randomx",), ("hashrate",))
)
_IN_PRELOAD: Final = _Sought(_PRELOAD, (("preload",),))
_IN_MODULE: Final = _Sought(_MODULE, (("insmod",), ("modprobe",), ("out-of-tree module",), ("module verification",)))
_IN_SHELL: Final = _Sought(_SHELL, (("/dev/tcp/",), ("/dev/udp/",)))
_TELLING: Final = (_IN_REQUEST, _IN_DOWNLOAD, _IN_DECODING, _IN_TOOLCHAIN, _IN_POOL, _IN_PRELOAD, _IN_MODULE, _IN_SHELL)


# --- other findings ---------------------------------------------------------------------------------------------------


def related(case: Case, looks: Sequence[Look]) -> Iterator[Sign]:
    """R1 to R4, from Security Command Center's other findings of the pod and its image."""
    if case.evidence is None or not isinstance(case.evidence.related, Found):
        return
    products = _products(looks)
    ordinary = {_base(path) for one in looks if one.is_explained for path in one.build.outputs}
    elsewhere = []
    for n, one in enumerate(case.evidence.related.value.findings):
        at = (f"/evidence/related/value/findings/{n}",)
        if one.category == CATEGORY:
            if one.closeness == "image":
                elsewhere.append((one, at[0]))
        elif one.closeness in {"container", "pod"} and one.finding_class in {"", "THREAT"}:
            yield from _neighbour(one, at, products, ordinary)
    pods = {one.pod for one, _ in elsewhere}
    if len(elsewhere) > 1 or len(pods) > 1:
        text = f"other pods of the same image compile too ({len(elsewhere)} findings in {len(pods)} pods)"
        yield Sign(id="R4", text=text, source="related", evidence=tuple(at for _, at in elsewhere)[:8], outside=True)


def _neighbour(one: RelatedFinding, at: tuple[str, ...], products: set[str], ordinary: set[str]) -> Iterator[Sign]:
    when = f"{abs(one.offset_seconds):.0f} s {'before' if one.offset_seconds < 0 else 'after'}"
    what = f"{one.category} ({one.severity or 'no severity'}) {when}"
    for pattern, techniques in _ATTACKS:
        if pattern.search(one.category):
            yield Sign(
                id="R1",
                text=f"{what}: an attack by itself",
                source="related",
                evidence=at,
                outside=True,
                techniques=techniques,
                decisive=True,
            )
            return
    if re.search(r"added (?:binary|library)", one.category, re.IGNORECASE):
        yield from _added(one, what, at, products, ordinary)
    elif one.severity in {"HIGH", "CRITICAL"}:
        yield Sign(id="R1", text=f"{what} in the same pod", source="related", evidence=at, outside=True, decisive=True)
    elif _BEFORE.search(one.category):
        yield Sign(
            id="R3",
            text=f"{what}: how source or orders may have come",
            source="related",
            evidence=at,
            outside=True,
            techniques=("T1105",),
        )


def _added(
    one: RelatedFinding, what: str, at: tuple[str, ...], products: set[str], ordinary: set[str]
) -> Iterator[Sign]:
    name = _base(one.binary)
    if one.binary in products or (name and name in {_base(path) for path in products}):
        text = f"{what}: what was built was run, {one.binary}"
        yield Sign(id="R2", text=text, source="related", evidence=at, outside=True)
    elif name not in ordinary and not _FEATURE_TESTS.search(one.binary) and "ibrary" not in one.category:
        yield Sign(
            id="R3",
            text=f"{what}: {one.binary or 'a binary'} was not in the image",
            source="related",
            evidence=at,
            outside=True,
        )


def _products(looks: Sequence[Look]) -> set[str]:
    """What no build explains; what one may explain, if the workload confirms it, is left to a second look."""
    return {
        absolute(path, one.exec.cwd)
        for one in looks
        if one.build.tool and not one.is_explained
        for path in (one.build.outputs or (("a.out",) if one.build.mode == "link" else ()))
        if not path.endswith((".o", ".s"))
    }


def _base(path: str) -> str:
    return path.rpartition("/")[2]


# --- sessions ---------------------------------------------------------------------------------------------------------


def sessions(case: Case, *, is_builder: bool) -> Iterator[Sign]:
    """P1 and P5: who opened a shell in the container, from where, and what for."""
    start = case.start
    if case.evidence is None or start is None or not isinstance(case.evidence.audit_log, Found):
        return
    for n, entry in enumerate(case.evidence.audit_log.value.entries):
        if entry.session not in {"exec", "attach", "debug"} or not start - SESSION <= entry.time <= start:
            continue
        if entry.status and entry.status.upper() not in {"OK", "0", "SUCCESS"} and not entry.status.startswith("10"):
            continue
        if is_builder and _RUNNER.search(entry.principal):
            continue
        at = (f"/evidence/audit_log/value/entries/{n}",)
        yield Sign(id="P1", text=_session(entry, start), source="session", evidence=at, outside=True)
        said = " ".join(entry.command)
        if _DOWNLOAD.search(said) or _DECODING.search(said) or _PRELOAD.search(said) or "/dev/tcp/" in said:
            text = f"{entry.principal} had the session fetch or decode something: {said[:120]}"
            yield Sign(
                id="P5", text=text, source="session", evidence=at, outside=True, decisive=True, techniques=("T1105",)
            )


def _session(entry: AuditEntry, start: datetime) -> str:
    ago = (start - entry.time).total_seconds()
    return f"{entry.principal} opened {entry.session} from {entry.caller_ip or 'nowhere told'} {ago:.0f} s before"


# --- logs -------------------------------------------------------------------------------------------------------------


def is_telling(text: str) -> bool:
    """Whether a log line has what any of the signs below looks for: such a line is worth to be kept before others."""
    text = text[:_LOOKED_AT]
    lower = text.lower()
    return any(sought.search(text, lower) for sought in _TELLING)


def logs(case: Case, looks: Sequence[Look]) -> Iterator[Sign]:
    """L1 to L3 and W6, from the container's lines, the node's and the serial console's."""
    if case.evidence is None:
        return
    sources = {_base(path) for one in looks for path in one.build.sources if len(_base(path)) > 2}  # noqa: PLR2004 - x.c
    for name, extract in (("pod_log", case.evidence.pod_log), ("node_log", case.evidence.node_log)):
        if isinstance(extract, Found):
            for n, entry in enumerate(extract.value.entries):
                at = (f"/evidence/{name}/value/entries/{n}",)
                yield from _line(entry, at, sources) if name == "pod_log" else _node_line(entry, at)


def _line(entry: LogEntry, at: tuple[str, ...], sources: set[str]) -> Iterator[Sign]:
    text = entry.text[:_LOOKED_AT]
    lower = text.lower()
    if _IN_REQUEST.search(text, lower):
        yield _log("L1", f"a request or an error carries a command: {text[:120]}", at, decisive=True)
    found = _IN_DOWNLOAD.search(text, lower)
    if found and not _REGISTRIES.match(found[1]):
        is_source = any(name in text for name in sources)
        what = "the log shows how the source came" if is_source else "something was downloaded"
        yield _log("L2", f"{what}: {text[:120]}", at, decisive=is_source, techniques=("T1105",))
    elif _IN_DECODING.search(text, lower):
        yield _log("L2", f"encoded text was turned into commands or source: {text[:120]}", at, techniques=("T1140",))
    if _IN_TOOLCHAIN.search(text, lower):
        yield Sign(
            id="W6",
            text=f"a toolchain was installed on the spot: {text[:120]}",
            source="logs",
            evidence=at,
            outside=True,
        )
    if _IN_POOL.search(text, lower):
        yield _log("L3", f"a mining pool's words: {text[:120]}", at, decisive=True, techniques=("T1496",))
    if _IN_PRELOAD.search(text, lower):
        yield _log(
            "L3", f"a library is put before all others: {text[:120]}", at, decisive=True, techniques=("T1574.006",)
        )
    if _IN_SHELL.search(text, lower):
        yield _log("L3", f"a shell talks to another host: {text[:120]}", at, decisive=True, techniques=("T1059.004",))
    if _IN_MODULE.search(text, lower):
        yield _log("L4", f"a kernel module was loaded: {text[:120]}", at, techniques=("T1547.006", "T1014"))


def _node_line(entry: LogEntry, at: tuple[str, ...]) -> Iterator[Sign]:
    text = entry.text[:_LOOKED_AT]
    lower = text.lower()
    if _IN_MODULE.search(text, lower):
        yield _log(
            "L4", f"the node says that a kernel module was loaded: {text[:120]}", at, techniques=("T1547.006", "T1014")
        )


def _log(
    sign: str, text: str, at: tuple[str, ...], *, decisive: bool = False, techniques: tuple[str, ...] = ()
) -> Sign:
    return Sign(id=sign, text=text, source="logs", evidence=at, outside=True, decisive=decisive, techniques=techniques)


# --- earlier records --------------------------------------------------------------------------------------------------


def history(case: Case) -> Iterator[Sign]:
    """H1 to H3. What was suspicious before and that nobody looked at makes nothing regular."""
    alike = [one for one in case.history or () if one.same_shape and (one.same_image or one.same_owner)]
    attacks = [one for one in alike if one.reviewed == "true_positive"]
    builds = [one for one in alike if one.reviewed in {"benign_true_positive", "false_positive"}]
    if attacks:
        yield _past("H3", f"an analyst called the like of it an attack, in record {attacks[0].record_id[:12]}")
        return
    if builds:
        yield _past(
            "H2", f"an analyst called the like of it no attack ({len(builds)} records, the last {_day(builds[0])})"
        )
    quiet = [one for one in alike if one.reviewed is None and one.verdict in {"benign", "insufficient_data"}]
    days = {one.window_start.date() for one in quiet}
    if len(days) >= DAYS and not any(one.verdict == "malicious" and one.reviewed is None for one in alike):
        yield _past("H1", f"the same command line of the same image or owner on {len(days)} days before")


def _past(sign: str, text: str) -> Sign:
    return Sign(id=sign, text=text, source="history", outside=True)


def _day(one: Precedent) -> str:
    return one.window_start.date().isoformat()
