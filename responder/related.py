"""Step 1: the other findings at a similar time: is this an attack, or a broken habit? Pure.

SCC's filter cannot ask for a pod, a container or an image, so it is asked for cluster, node and project within a
window, and what it answers is matched here. The sentences say what kind of thing was seen and never quote it: names
and paths are the attacker's text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, get_args

from responder.evidence import Closeness, Related, RelatedFinding, Window

if TYPE_CHECKING:
    from responder.finding import Finding, Process, Target
    from responder.ports import Around

LIMIT: Final = 200
"""Related findings that a record keeps, nearest first."""

_CLOSENESS: Final[tuple[Closeness, ...]] = get_args(Closeness)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_VM: Final = re.compile(r"//compute\.googleapis\.com/projects/[^/]+/zones/[^/]+/instances/([^/]+)")
_OUTPUT_OPTION: Final = re.compile(r"-o(?P<short>.+)|--output=(?P<long>.+)", re.DOTALL)


def relate(finding: Finding, target: Target, around: Around, window: Window) -> Related:
    """Every other finding of `around` within `window`, by closeness and then by distance in time; `LIMIT` at most."""
    made = _outputs(finding)
    found = [
        _related(finding, other, closeness, made)
        for other in around.findings
        if other.key != finding.key and window.start <= other.event_time <= window.end
        if (closeness := _closeness(finding, target, other)) is not None
    ]
    found.sort(key=lambda r: (_CLOSENESS.index(r.closeness), abs(r.offset_seconds), r.event_time, r.name))
    return Related(
        window_start=window.start,
        window_end=window.end,
        filter=around.filter,
        findings=tuple(found[:LIMIT]),
        truncated=around.truncated or around.unreadable > 0 or len(found) > LIMIT,
    )


def _related(finding: Finding, other: Finding, closeness: Closeness, made: frozenset[str]) -> RelatedFinding:
    process = next((p for p in other.processes if p.binary or p.args), None)
    pod = next(iter(other.pods), None)
    return RelatedFinding(
        name=other.name,
        category=other.category,
        severity=other.severity,
        state=other.state,
        finding_class=other.finding_class,
        event_time=other.event_time,
        offset_seconds=(other.event_time - finding.event_time).total_seconds(),
        closeness=closeness,
        binary=process.binary if process else "",
        args=process.args if process else (),
        pod=f"{pod.namespace}/{pod.name}" if pod else "",
        adds=_adds(finding, other, closeness, made),
    )


# --- how close --------------------------------------------------------------------------------------------------------


def _closeness(finding: Finding, target: Target, other: Finding) -> Closeness | None:
    """The nearest thing that both share; None where they are known to share nothing, not even the project."""
    if finding.same_project(other) is False:
        return None
    same_cluster = finding.same_cluster(other)
    if same_cluster is None and finding.cluster and other.cluster:
        same_cluster = True  # one has the project's id, the other its number, and all else is equal
    if same_cluster is not False and target.has_pod:
        theirs = other.targets()
        if target.container and target in theirs:
            return "container"
        if any((t.namespace, t.pod) == (target.namespace, target.pod) for t in theirs):
            return "pod"
    if _images(finding, target) & _images(other):
        return "image"
    if _nodes(finding) & _nodes(other):
        return "node"
    return "cluster" if same_cluster else "project"


def _images(finding: Finding, target: Target | None = None) -> frozenset[str]:
    """The digests of the images, and the references where no digest is known (a tag can move)."""
    own = finding.container(target) if target else None
    containers = [own] if own else [*(c for pod in finding.pods for c in pod.containers), *finding.containers]
    digests = ((_DIGEST.search(c.image_id) or _DIGEST.search(c.image), c.image) for c in containers)
    return frozenset(digest[0] if digest else image for digest, image in digests if digest or image)


def _nodes(finding: Finding) -> frozenset[str]:
    """The names of the node VMs, also where the finding is one of the VM itself."""
    names = {node.name for node in finding.nodes}
    match = _VM.fullmatch(finding.resource_name)
    return frozenset(names | ({match[1]} if match else set()))


# --- what it adds -----------------------------------------------------------------------------------------------------


def _adds(finding: Finding, other: Finding, closeness: Closeness, made: frozenset[str]) -> str:
    if other.category == finding.category:
        if closeness == "container":
            return "The same detection in this container: one more compiler execution, of the same burst."
        return "The same detection elsewhere: whatever compiles here is not in this container alone."
    in_class = _CLASSES.get(other.finding_class)
    if in_class:
        return in_class
    for pattern, sentence in _SENTENCES:
        if re.search(pattern, other.category, re.IGNORECASE):
            return sentence(other, made)
    if other.provider == "Event Threat Detection":
        return "An API call that the audit log shows and SCC finds suspicious: what somebody did from outside the pod."
    return "Another finding at a similar time; this kind is not known to say more."


def _binary(other: Finding, made: frozenset[str]) -> str:
    if any(_is_made(process.binary, made) for process in other.processes):
        return (
            "A binary that was not in the image ran, and it is an output on our command line: "
            "the product of the compiler was executed."
        )
    return (
        "A binary that was not in the image ran: the product of the compiler if the names match, "
        "which they do not as far as our command line tells."
    )


def _library(other: Finding, made: frozenset[str]) -> str:
    if any(_is_made(path, made) for p in other.processes for path in (*p.libraries, p.binary)):
        return (
            "A library that was not in the image was loaded, and it is an output on our command line: "
            "the product of the compiler is in use."
        )
    return "A library that was not in the image was loaded: the product of the compiler if the names match."


def _says(sentence: str) -> Callable[[Finding, frozenset[str]], str]:
    return lambda _other, _made: sentence


_CLASSES: Final = {
    "MISCONFIGURATION": (
        "A standing misconfiguration: adds little about this event, says how well the place was guarded."
    ),
    "VULNERABILITY": "A known vulnerability: a way in, if it can be reached.",
    "SCC_ERROR": "SCC itself could not see everything here: what is not found may still have happened.",
}
# By what the category holds; the first that fits speaks.
_SENTENCES: Final[tuple[tuple[str, Callable[[Finding, frozenset[str]], str]], ...]] = (
    (r"reverse shell", _says("A process had its input and output on a remote socket: somebody held a shell here.")),
    (r"container escape", _says("Somebody tried to break out of the container: the node itself may be lost.")),
    (r"added binary executed", _binary),
    (r"added library loaded", _library),
    (r"malicious script", _says("A script that was judged malicious ran: the likely sender of the source code.")),
    (r"malicious (binary|library|url)", _says("Known malware was seen: hardly a broken habit.")),
    (
        r"memfd|fileless",
        _says("Code ran from memory without a file: the usual step to hide what was built or fetched."),
    ),
    (
        r"base64|encoded",
        _says("Code arrived encoded on a command line: how source or binary was delivered past the eye."),
    ),
    (r"cryptocurrency|mining", _says("Mining was seen: miners are often built on the spot for the host's processor.")),
    (r"child shell", _says("A service that starts no shells started one: the likely way in.")),
    (r"private keys|passwords|find gcp credentials", _says("Somebody searched this place for keys and passwords.")),
    (
        r"\biam\b|service account|permission|\brole|\bgrant",
        _says("Identities or grants of the project were touched: how far whoever is in the container has come."),
    ),
)


def _outputs(finding: Finding) -> frozenset[str]:
    """What the compiler was told to write, as far as `-o` says; a rough reading, the compiler's own is elsewhere."""
    return frozenset(path for process in finding.processes for path in _outputs_of(process))


def _outputs_of(process: Process) -> set[str]:
    # An argument may arrive as a JSON string with its quotes.
    args = [arg.strip('"') for arg in process.args]
    named = {following for arg, following in itertools.pairwise(args) if arg in ("-o", "--output")}
    for arg in args:
        match = _OUTPUT_OPTION.fullmatch(arg)
        if match:
            named.add(match["short"] or match["long"])
    return named - {"", "-", "/dev/null"}


def _is_made(path: str, made: frozenset[str]) -> bool:
    """Equal, or the same file name where the command line has it relative to a directory that nobody tells."""
    return bool(path) and any(
        path == output or (not output.startswith("/") and path.rpartition("/")[2] == output.rpartition("/")[2])
        for output in made
    )
