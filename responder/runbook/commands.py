"""Steps 1 to 5 and 7, by hand: the commands that a person pastes into bash, for one record. Pure.

The words are lists; `quoting.shell` writes them. A block that touches the pod compares the pod's UID first and goes on
only where it is the one of this record; it never leaves the shell that it is pasted into. Reading the pod's object is
not touching it. What the finding says is in here only as valid names, and as absolute paths.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from responder.errors import Unanswered
from responder.evidence import Found, Workload
from responder.finding import Finding
from responder.names import is_valid, location_type
from responder.quoting import lql, shell
from responder.record import Command
from responder.runbook.known import Known
from responder.runbook.links import audit_filter, node_filter, pod_filter, related_filter

GRACE_SECONDS: Final = 30
LOG_LIMIT: Final = 1000
MAX_FILES: Final = 10
"""So many paths are turned into copy commands; a command line can hold thousands."""

_SOURCES: Final = (".c", ".cc", ".cpp", ".cxx", ".go", ".rs", ".java", ".s", ".S")
_DEVICES: Final = ("/dev/", "/proc/", "/sys/")
_KIND: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_STOP: Final = "stop: this is not the pod of the record, or it could not be asked; nothing was done"

_UNCONFIRMED: Final = " (SCC has not confirmed the finding: these names are the word of the message alone)"


def commands(known: Known) -> tuple[Command, ...]:
    """Every command that can be made of what is known, in the order of the steps."""
    steps = (_finding, _cluster, _node, _pod, _logs, _files, _shell, _owner, _delete)
    made = tuple(command for make in steps for command in make(known))
    if isinstance(known.evidence.scc, Found):
        return made
    # Whoever may publish to the topic chose these names: the reader must not take the cluster for one of ours.
    return tuple(c if c.step == 1 else c.model_copy(update={"title": c.title + _UNCONFIRMED}) for c in made)


def may_not_delete(known: Known) -> str:
    """Why there is no command that deletes the pod; ``""`` where there is one."""
    if known.untouchable:
        return known.untouchable
    if known.namespace == "kube-system" or known.namespace.startswith("gke-managed-"):
        return f"the namespace {known.namespace} is the platform's own"
    if isinstance(known.evidence.pod, Found) and known.evidence.pod.value.static:
        return "it is the mirror of a static pod: deleting it does nothing"
    return ""


def files_to_copy(finding: Finding) -> tuple[tuple[str, ...], int]:
    """The binaries, then what is plainly an output or a source on the command line; and how many paths were refused.

    Plainly: the word after ``-o`` (or with it), and words that end as sources do. Absolute paths only: what a relative
    one is relative to is not in the finding. Devices and /proc are no files to copy.
    """
    told, arguments = finding.told.get("program_binary", ()), finding.told.get("arguments", ())
    binaries = [process.binary for process in finding.processes] or ([told] if isinstance(told, str) else [*told])
    lines = [process.args for process in finding.processes] or [arguments if isinstance(arguments, tuple) else ()]
    wanted = dict.fromkeys([*binaries, *(path for line in lines for path in _plain_paths(line))])
    usable = [path for path in wanted if _is_file(path)]
    refused = len([path for path in wanted if path and not path.startswith(_DEVICES)]) - len(usable)
    return tuple(usable[:MAX_FILES]), refused + len(usable[MAX_FILES:])


def copy_of(known: Known, path: str, *, number: int) -> Command | None:
    """The `kubectl cp` that takes one file by hand to `NUMBER-NAME`, behind the question for the pod's UID.

    None where no command may touch the pod, or the path is none that a command may name: relative, a directory, with
    `..`, a device, or in /proc.
    """
    if known.untouchable or not known.container or not _is_file(path):
        return None
    return next(_copied(known, path, number))


def shell_beside(known: Known) -> Command | None:
    """The `kubectl debug --target` of step 5, for a container without tar or a shell; None where none may touch it."""
    return None if known.untouchable or not known.container else _beside(known)


def _plain_paths(arguments: Sequence[str]) -> Iterator[str]:
    for before, word in zip(("", *arguments), arguments, strict=False):
        if before == "-o":
            yield word
        elif word.startswith("-o/"):
            yield word.removeprefix("-o")
        elif not word.startswith("-") and word.endswith(_SOURCES):
            yield word


def _is_file(path: str) -> bool:
    if not is_valid("absolute_path", path) or path.endswith("/") or ".." in path.split("/"):
        return False
    if any("\ud800" <= character <= "\udfff" for character in path):
        return False
    return not path.startswith(_DEVICES)


# --- the steps --------------------------------------------------------------------------------------------------------


def _finding(known: Known) -> Iterator[Command]:
    if not known.scc_name:
        return
    parent, _, rest = known.scc_name.partition("/sources/")
    location = re.search(r"/locations/([a-z0-9-]+)/", known.scc_name)
    scope = ("gcloud", "scc", "findings", "list", parent)
    # The location makes gcloud ask version 2 of the API, which is all that newer organizations have.
    place = f"--location={location[1] if location else 'global'}"
    asked = (f"--source={rest.partition('/')[0]}", place, f"--filter=name={lql(known.scc_name)}", "--format=json")
    yield _command(1, "The finding as Security Command Center has it now", (*scope, *asked))
    if related := related_filter(known):
        around = ("--source=-", place, f"--filter={related}", "--format=json")
        yield _command(1, "Other findings at a similar time", (*scope, *around))


def _cluster(known: Known) -> Iterator[Command]:
    if not known.has_cluster:
        return
    where = f"--{location_type(known.location)}={known.location}"
    project = f"--project={known.project}"
    clusters = ("gcloud", "container", "clusters")
    yield _command(2, "The cluster", (*clusters, "describe", known.cluster, where, project, "--format=yaml"))
    yield _command(
        2,
        "Credentials for the cluster: every kubectl command here needs them",
        (*clusters, "get-credentials", known.cluster, where, *_endpoint(known), project),
    )


def _endpoint(known: Known) -> tuple[str, ...]:
    if not isinstance(known.evidence.cluster, Found):
        return ()
    flags = {"dns": ("--dns-endpoint",), "private": ("--internal-ip",)}
    return flags.get(known.evidence.cluster.value.endpoint.kind, ())


def _node(known: Known) -> Iterator[Command]:
    if known.has_cluster and known.node:
        words = _kubectl(known, "get", "node", known.node, "--output=yaml")
        yield _command(2, "The node, with its annotation container.googleapis.com/instance_id", words)
    by_cluster = isinstance(known.evidence.node, Found) and known.evidence.node.value.known_by == "cluster"
    if known.node and known.node_zone and known.node_project and not by_cluster:
        vm = ("gcloud", "compute", "instances", "describe", known.node, f"--zone={known.node_zone}")
        yield _command(
            2,
            "The node's VM, where the cluster does not tell",
            (*vm, f"--project={known.node_project}", "--format=yaml"),
        )


def _pod(known: Known) -> Iterator[Command]:
    if not (known.has_cluster and known.namespace and known.pod):
        return
    here = f"--namespace={known.namespace}"
    yield _command(3, "The pod that has the name now", _kubectl(known, here, "get", "pod", known.pod, "--output=yaml"))
    about = f"--field-selector=involvedObject.kind=Pod,involvedObject.name={known.pod}"
    yield _command(3, "Events about the pod", _kubectl(known, here, "get", "events", about))
    owners = known.evidence.owners
    if isinstance(owners, Found):
        for link in owners.value.links:
            if resource := _resource(link):
                words = _kubectl(known, here, "get", resource, link.name, "--output=yaml")
                yield _command(3, f"The owner: {link.kind} {link.name}", words)
    else:
        reference = known.finding.pod(known.target)
        label = reference.labels.get("pod-template-hash", "") if reference else ""
        if is_valid("pod_template_hash", label):
            words = _kubectl(
                known, here, "get", "replicasets", f"--selector=pod-template-hash={label}", "--output=yaml"
            )
            yield _command(3, "The owner, by the pod's label pod-template-hash", words)
    yield _command(
        3,
        "The namespace, with labels and annotations",
        _kubectl(known, "get", "namespace", known.namespace, "--output=yaml"),
    )


def _resource(link: Workload) -> str:
    """`kind.version.group`, as kubectl tells kinds of one name apart; ``""`` where it is none."""
    group, _, version = link.api_version.rpartition("/")
    if not (_KIND.fullmatch(link.kind) and is_valid("workload", link.name)):
        return ""
    if not group:
        return link.kind.lower()
    return f"{link.kind.lower()}.{version}.{group}" if is_valid("workload", f"{version}.{group}") else ""


def _logs(known: Known) -> Iterator[Command]:
    queries: tuple[tuple[str, Callable[[Known], str]], ...] = (
        ("The pod's log", pod_filter),
        ("The cluster's admin activity about the pod", audit_filter),
        ("The node's log and serial console", node_filter),
    )
    options = (f"--project={known.project}", f"--limit={LOG_LIMIT}", "--order=asc", "--format=json")
    for title, query in queries:
        try:
            text = query(known)
        except Unanswered:
            continue  # a name is missing or none; the step says which
        yield _command(4, title, ("gcloud", "logging", "read", text, *options))


def _files(known: Known) -> Iterator[Command]:
    if known.untouchable or not known.container:
        return
    for number, path in enumerate(files_to_copy(known.finding)[0], 1):
        yield from _copied(known, path, number)


def _copied(known: Known, path: str, number: int) -> Iterator[Command]:
    # A name of our own: kubectl takes a local name with a colon for a pod, and the path is the attacker's.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", posixpath.basename(path))[:60].strip("._-") or "file"
    source = f"{known.namespace}/{known.pod}:{path}"
    # No --retries: with it kubectl has a shell in the container join the path into `tar … | tail`.
    copy = _kubectl(
        known, "cp", f"--container={known.container}", "--", source, f"./evidence-{known.uid[:8]}/{number}-{name}"
    )
    yield _guarded(known, 5, f"Copy {number}-{name} out of the container (needs tar in the image)", shell(copy))


def _shell(known: Known) -> Iterator[Command]:
    if known.untouchable or not known.container:
        return
    here = (f"--namespace={known.namespace}",)
    enter = ("exec", "--stdin", "--tty", known.pod, f"--container={known.container}", "--", "/bin/sh")
    yield _guarded(known, 5, "A shell in the container", shell(_kubectl(known, *here, *enter)))
    yield _beside(known)


def _beside(known: Known) -> Command:
    here = (f"--namespace={known.namespace}",)
    debug = ("debug", "--stdin", "--tty", known.pod, "--image=busybox", f"--target={known.container}")
    return _guarded(
        known,
        5,
        "Where exec says that there is no /bin/sh, or cp that there is no tar: a shell beside the container, its files "
        "below /proc/1/root. It adds a container to the pod for good, and pulls an image",
        shell(_kubectl(known, *here, *debug)),
    )


def _owner(known: Known) -> Iterator[Command]:
    if not known.project:
        return
    projects = ("gcloud", "projects")
    yield _command(7, "The project, with its labels", (*projects, "describe", known.project, "--format=yaml"))
    categories = "--notification-categories=security,all"
    contacts = ("gcloud", "essential-contacts", "compute", f"--project={known.project}", categories, "--format=yaml")
    yield _command(7, "Whom the project names for security", contacts)
    # One line for each member; who inherits the role from a folder or the organization is not in a project's policy.
    members = ("--flatten=bindings[].members", "--filter=bindings.role=roles/owner", "--format=value(bindings.members)")
    yield _command(7, "Who owns the project by its own policy", (*projects, "get-iam-policy", known.project, *members))


def _delete(known: Known) -> Iterator[Command]:
    if may_not_delete(known):
        return
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": known.uid},
        "gracePeriodSeconds": GRACE_SECONDS,
    }
    body = shell(("printf", "%s", json.dumps(options, separators=(",", ":"))))
    raw = f"--raw=/api/v1/namespaces/{known.namespace}/pods/{known.pod}"
    send = shell(_kubectl(known, "delete", raw, "--filename=-"))
    yield _guarded(
        known,
        7,
        "Delete exactly this pod, after steps 3 to 5: what is in it is lost. The API server refuses it (409) for a pod "
        "with another UID",
        f"{body} | {send}",
    )


# --- how a command is written -----------------------------------------------------------------------------------------


def _kubectl(known: Known, *words: str) -> tuple[str, ...]:
    return ("kubectl", f"--context={known.context}", *words)


def _command(step: int, title: str, words: Sequence[str]) -> Command:
    return Command(title=title, step=step, text=shell(words))


def _guarded(known: Known, step: int, title: str, line: str) -> Command:
    """`line` behind the question for the pod's UID: one list of bash, so that it runs as a whole or not at all.

    `A || B && C` is `(A || B) && C`, and B ends in `false`: C runs only where A held, and no shell is left or set up.
    """
    where = ("get", "pod", known.pod, "--output=jsonpath={.metadata.uid}")
    ask = shell(_kubectl(known, f"--namespace={known.namespace}", *where))
    stop = shell(("echo", _STOP))
    text = f'test "$({ask})" = {known.uid} ||\n  {{ {stop} >&2; false; }} &&\n  {line}'
    doubt = f" ({known.doubt})" if known.doubt else ""
    return Command(title=title + doubt, step=step, text=text)
