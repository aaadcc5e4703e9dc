"""Step 1, weighed: what a compiler was made to do that is no compiling, and the names that attack tools bear. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from responder.triage.builds import KERNEL_MODULE, Look
from responder.triage.sign import Sign
from responder.triage.whereabouts import absolute, place

# Names of public attack tools: T1014, T1496, T1574.006, T1068. A rename defeats them; none is used by a build.
_TOOLS: Final = (
    (
        re.compile(
            r"xmrig|xmr-stak|randomx|cpuminer|minerd|ethminer|nbminer|t-rex-miner|ccminer|cgminer|bfgminer|cryptonight|"
            r"nanominer|lolminer|stratum\+tcp|kdevtmpfsi|kinsing",
            re.IGNORECASE,
        ),
        "T1496",
    ),
    (
        re.compile(
            r"diamorphine|reptile|suterusu|adore-ng|kbeast|knark|rootkit|nuk3gh0st|umbra|drovorub|singularity-lkm|"
            r"brokepkg|kovid|caraxes|puszek|phalanx",
            re.IGNORECASE,
        ),
        "T1014",
    ),
    (
        re.compile(
            r"processhider|process-hider|libprochide|azazel|jynx2?\b|bdvl|bedevil|beurk|vlany|symbiote|hiddenwasp|"
            r"\bfather\.c|libhide|ld_poison|umbreon",
            re.IGNORECASE,
        ),
        "T1574.006",
    ),
    (
        re.compile(
            r"pwnkit|dirty_?-?(?:cow|c0w|pipe|cred|sock|frag)|cve[-_]?\d{4}[-_]?\d{4,}|exploit(?!ab)|\bpoc\.c\b|\bpwn\w*\.c\b|"
            r"overlayfs_?(?:exp|lpe)|looney|gameoverlay|baron_?samedit|\blpe\w*\.c\b|privesc|ptrace_traceme|cowroot|"
            r"raptor_udf|udf2?_?exec|pg_exec|lib_mysqludf",
            re.IGNORECASE,
        ),
        "T1068",
    ),
    (
        re.compile(
            r"mirai|gafgyt|kaiten|tsunami\.c|bashlite|qbot\.c|xorddos|pam_?(?:evil|backdoor|unix_auth|steal)|"
            r"backdoor|rev(?:erse)?_?-?shell|bind_?shell|meterpreter|shellcode|sliver-implant|merlin-agent|"
            r"pupy|keylog|cgroup_release|release_agent|container_?escape|breakout|\bimplant\b",
            re.IGNORECASE,
        ),
        "T1059.004",
    ),
)
# One of these stands in every name above: a quick look before the slow one.
_HINTS: Final = (
    "xmr", "randomx", "miner", "cryptonight", "stratum", "kdev", "kinsing", "morphine", "rept", "suter", "adore",
    "kbeast",
    "knark", "rootkit", "nuk3", "umbr", "drovorub", "singularity", "broke", "kovid", "carax", "pusz", "phalanx", "hid",
    "azazel", "jynx", "bdvl", "bedevil", "beurk", "vlany", "symbiote", "father", "poison", "pwn", "dirty", "cve",
    "exploit", "poc", "overlay", "looney", "samedit", "lpe", "privesc", "ptrace_", "cowroot", "udf", "pg_exec", "mirai",
    "gafgyt", "kaiten", "tsunami", "bashlite", "qbot", "ddos", "pam", "backdoor", "shell", "meterpreter", "sliver",
    "merlin", "pupy", "keylog", "release", "escape", "breakout", "implant",
)  # fmt: skip
_SPEAKING: Final = re.compile(
    r"(?:^|[/_.-])(?:evil|rk|inject(?:or)?|payload|suid|setuid|rootsh|rooter|pwn|hide|hook|sniff(?:er)?|loader|dropper|"
    r"stager|bd|backd|revsh|shell|bot|killer|scanner|flood(?:er)?|ddos|steal(?:er)?|escalate|escape|memfd|"
    r"preload|poc|exp|rev)(?=[\d_.-]|$)",
    re.IGNORECASE,
)
_DISGUISE: Final = re.compile(
    r"/?\[?(?:kworker|kthreadd|ksoftirqd|kswapd\d?|systemd(?:-\w+)?|sysd|crond?|sshd|dbus(?:-daemon)?|syslogd|rsyslogd|"
    r"udevd|initd?|khelper|kdevtmpfs|watchdogd|migration|auditd|networkd|libsys\w*\.so|libc\.so|libnss_\w+)\S{0,6}$"
)
_EVAL: Final = re.compile(r"(?:^| )(?:--eval(?:=|$| )|-E \$)")
_MAKE_SHELL: Final = re.compile(
    r"(?:^| )\.?SHELL=(?!/bin/(?:ba|da)?sh\b|/usr/bin/(?:env )?(?:ba)?sh\b|/nix/store/\S+/bin/(?:ba)?sh\b|"
    r"cmd|sh\b|bash\b)\S+"
)
_LOADS: Final = frozenset({"plugin", "specs", "prefix_dir", "toolexec", "linker"})
_STARTS: Final = re.compile(r"(?:\S*/)?(?:ba|da|z|k)?sh(?: |$)|(?:\S*/)?(?:busybox|python[\d.]*|perl|env)(?: |$)")
_SPECS: Final = ("nano.specs", "nosys.specs", "rdimon.specs")
"""Specs files of newlib, which cross builds for microcontrollers name without a path."""
_OWN: Final = (
    "/usr/lib", "/usr/libexec", "/usr/local/lib", "/usr/share", "/opt/", "/lib/", "/usr/bin", "/usr/local/bin",
)  # fmt: skip


def tool_name(one: Look) -> str:
    """The compiler's name, for a sentence."""
    return one.build.tool or (one.exec.argv[0] if one.exec.argv else "a program")


def short(text: str) -> str:
    """The text, cut for a sentence."""
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 - a line of a sentence


# --- the compiler is turned into something else -----------------------------------------------------------------------


def misused(one: Look, at: tuple[str, ...]) -> Iterator[Sign]:
    """A7, A8, A12: GTFOBins lists these forms of gcc, make, ld, as and javac."""
    text, tool = one.text, tool_name(one)
    if "wrapper" in one.build.flags:
        yield Sign(
            id="A7",
            text=f"{tool} -wrapper starts another program instead of compiling",
            evidence=at,
            techniques=("T1218",),
        )
    is_ordered = "variable" in one.build.flags and any(_STARTS.match(said) for said in one.build.executes)
    if tool in {"make", "gmake"} and (is_ordered or _EVAL.search(text) or _MAKE_SHELL.search(text)):
        yield Sign(id="A7", text="make runs commands from its own command line", evidence=at, techniques=("T1059.004",))
    for path in _loaded(one):
        yield Sign(id="A7", text=f"{tool} loads or starts {short(path)}", evidence=at, techniques=("T1574",))
    for path in (*one.build.sources, *_rooted(one)):
        if place(absolute(path, one.exec.cwd)) == "secret":
            yield Sign(
                id="A7",
                text=f"{tool} reads {short(path)}, which is no source code",
                evidence=at,
                techniques=("T1552.001",),
            )
    if _writes_over(one):
        yield Sign(
            id="A7",
            text=f"{tool} compiles nothing into {short(one.build.outputs[0])}: it writes over a file",
            evidence=at,
            techniques=("T1565.001",),
        )
    if KERNEL_MODULE.search(text) and not one.is_explained:
        yield Sign(id="A8", text=f"{tool} builds a kernel module: {short(text)}", evidence=at)


def _rooted(one: Look) -> Iterator[str]:
    """Whatever is a path from the root, `@/file` too."""
    return (
        word[1:] if word[0] == "@" else word
        for word in one.exec.argv[1:200]
        if word[:1] in ("/", "@") and len(word) > 1
    )


def _loaded(one: Look) -> Iterator[str]:
    """What the compiler was told to load or to start, where that is not a part of an installed toolchain."""
    if not one.build.flags & _LOADS:
        return
    for said in one.build.executes:
        where = place(absolute(said, one.exec.cwd))
        # rustc hands its own linker to cc: `-B…/rustlib/<target>/bin/gcc-ld`.
        is_own = said.startswith(_OWN) or said in _SPECS or ("/rustlib/" in said and said.endswith("/gcc-ld"))
        is_odd = where in {"temporary", "memory", "web"} or bool(_STARTS.match(said))
        is_foreign = not is_own and where != "project" and ("/" in said or "specs" in one.build.flags)
        if is_odd or (is_foreign and not one.is_explained):
            yield said


def _writes_over(one: Look) -> bool:
    build = one.build
    if "/dev/null" not in build.sources or len(build.sources) > 1 or build.mode not in {"link", "compile"}:
        return False
    output = next(iter(build.outputs), "")
    return place(output) in {"system", "secret", "web", "other"} and not output.endswith(".o") and output != "/dev/null"


# --- names ------------------------------------------------------------------------------------------------------------


def names(one: Look, at: tuple[str, ...]) -> Iterator[Sign]:
    """A5, A11, A14: what the files and folders are called."""
    said = f"{one.exec.cwd or ''} {one.text}"
    lowered = said.lower()
    for pattern, technique in _TOOLS if any(hint in lowered for hint in _HINTS) else ():
        match = pattern.search(said)
        if match and (technique != "T1059.004" or not one.is_explained):
            yield Sign(
                id="A5", text=f"the name {match[0]!r} is known of attack tools", evidence=at, techniques=(technique,)
            )
    if one.is_explained or not one.is_judged:
        return
    for path in (*one.build.sources, *one.build.outputs):
        match = _SPEAKING.search(path.rpartition("/")[2])
        if match:
            yield Sign(id="A14", text=f"the name {short(path)} speaks of an attack", evidence=at)
    for path in one.build.outputs:
        if _DISGUISE.search(path) and not path.endswith((".o", ".c")):
            yield Sign(id="A11", text=f"{short(path)} is named like a part of the system", evidence=at)
