"""Steps 2 to 4, weighed: what the workload is for, and whether that is known from two sources. Pure.

One source can be a stranger's word: a pod may call itself anything. The owner chain and the namespace come from the
cluster, the image from whoever deployed, the command from the pod's own specification, the rest from what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from responder.evidence import ContainerState, Found, Pod, Workload
from responder.triage import happenings
from responder.triage.builds import PLAIN, Look
from responder.triage.case import Case
from responder.triage.families import FAMILIES
from responder.triage.sign import Sign, merged
from responder.triage.tuning import Tuning

AT_START: Final = timedelta(minutes=10)
OLD: Final = timedelta(hours=24)
ENOUGH: Final = 2
"""How many sources must agree."""

_BUILDER_KINDS: Final = frozenset(
    (
        "TaskRun",
        "PipelineRun",
        "Workflow",
        "CronWorkflow",
        "Build",
        "BuildRun",
        "BuildConfig",
        "EphemeralRunner",
        "EphemeralRunnerSet",
        "AutoscalingRunnerSet",
        "Runner",
        "RunnerDeployment",
        "RunnerReplicaSet",
        "RunnerSet",
        "Notebook",
        "DevWorkspace",
        "RayJob",
        "KafkaConnect",
        "Image",
    ),
)
_BUILDER_WORDS: Final = re.compile(
    r"(?:^|[-_./])(?:ci|cd|build(?:s|er|ers|kit|kitd|x|ah|bot)?|tekton(?:-\w+)?|jenkins|gitlab-runner|actions-runner|arc-runner\w*|"
    r"runners?|kaniko|argo(?:-workflows)?|buildkite|drone|woodpecker|cloud-?build|bazel|compil(?:e|er|ers|ation)|"
    r"code-?(?:runner|execution|exec|server)|playground|sandbox(?:es)?|judges?|grader|jupyter(?:hub)?|notebooks?|dev-?containers?|"
    r"codespaces?|workspaces?|coder|ide|toolchain|wheel(?:s|house)?|packag(?:e|er|ing)|nightly)(?=$|[-_./:@\d])",
    re.IGNORECASE,
)
_DRIVER_WORDS: Final = re.compile(
    r"(?:^|[-_./])(?:nvidia|gpu|drivers?|driver-loader|falco|dkms|kmod|kmm|ofed|mofed|lustre|zfs|weka|portworx|sysdig|"
    r"gasket|tpu|rdma|habana|device-plugin)(?=$|[-_./:@\d])",
    re.IGNORECASE,
)
_TOOL_IMAGE: Final = re.compile(
    r"(?:^|/)(?:gcc|golang|rust|maven|gradle|sbt|buildpack-deps|emscripten|emsdk|clang|llvm|haskell|ocaml|opam|nim|zig|swift|"
    r"erlang|elixir|openjdk|eclipse-temurin|dotnet/sdk|sdk|jdk|cuda|pytorch|tensorflow|vllm\S*|triton\S*|jupyter|"
    r"\w*notebook|code-server|devcontainers?|manylinux\S*|musllinux\S*|conda\S*|mambaforge|micromamba|cmake|kernel-builder|"
    r"crystal|r-base|rocker|tidyverse|julia|cross|muslrust|cibuildwheel|golang-\w+)(?=[:@/_-]|$)|-devel(?=[:@-]|$)|"
    r"(?:^|/)node:\d[\w.]*(?:-(?:bookworm|bullseye|buster|trixie))?(?=$|@)|(?:^|/)python:\d[\w.]*(?:-(?:bookworm|bullseye|buster|trixie))?(?=$|@)|"
    r"(?:^|/)ruby:\d[\w.]*(?:-(?:bookworm|bullseye|buster|trixie))?(?=$|@)",
)
_BARE_IMAGE: Final = re.compile(
    r"distroless|[:-](?:alpine|slim|scratch|minimal|micro|chiseled)(?=$|[-@\d.])|chainguard|ubi\d?-micro"
)
_BUILD_COMMAND: Final = re.compile(
    r"\b(?:make|cmake|ninja|bazel|cargo (?:build|install|test|run)|go (?:build|install|test)|mvn|gradle|"
    r"npm (?:ci|install|rebuild|run build)|yarn (?:install|build)|pnpm (?:i|install)|pip3? (?:install|wheel)|"
    r"poetry install|uv (?:sync|pip)|python3? -m (?:pip|build)|bundle install|gem install|gcc|g\+\+|cc|"
    r"clang|rustc|javac|"
    r"kaniko|buildkitd?|buildctl|conda-build|spack install|tekton/bin/entrypoint|Runner\.Listener|gitlab-runner|"
    r"run\.sh|jupyter|code-server|rpmbuild|dpkg-buildpackage|nvidia-driver|falco-driver-loader|falcoctl driver|dkms|"
    r"\w*runner\w*|judge\w*|R CMD|Rscript|cpanm|luarocks|opam)\b",
)
_CAPABILITIES: Final = frozenset({"SYS_MODULE", "SYS_ADMIN", "SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_ADMIN", "ALL"})
_NODE_PATHS: Final = re.compile(
    r"/?$|/(?:etc|root|boot|proc|var/run|run|var/lib/kubelet|var/lib/docker|usr|var)(?:/|$)|.*(?:docker|containerd|crio)\.sock$"
)


_CALLED: Final = {
    "workload": "its owner", "namespace": "its namespace", "image": "its image", "command": "its own command",
    "driver": "its DaemonSet", "expected": "triage.toml", "recurrence": "its siblings", "history": "earlier records",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The surroundings: their signs, and the sources that call the workload a builder, each with its pointers."""

    signs: tuple[Sign, ...] = ()
    sources: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    is_driver: bool = False
    reaches_node: bool = False

    @property
    def is_attack(self) -> bool:
        """Whether something is an attack by itself, whatever was compiled."""
        return any(sign.id == "R1" for sign in self.signs)

    @property
    def is_against(self) -> bool:
        """Whether something from outside decides against it: then no builder's look excuses anything."""
        return any(sign.decisive for sign in self.signs)

    @property
    def is_builder(self) -> bool:
        """Whether two sources agree that it builds for a living, and nothing decides against it."""
        expected = any(name == "expected" for name, _, _ in self.sources)
        return (expected or len(self.sources) >= ENOUGH) and not self.is_against

    @property
    def explains(self) -> frozenset[str]:
        """Signs of deeds, not of looks, that this workload's work explains."""
        return frozenset({"A8", "L4"}) if self.is_driver else frozenset()

    @property
    def why(self) -> str:
        """The sources, in words: one in full, several by what they are, since each is a sign of its own."""
        if len(self.sources) == 1:
            return self.sources[0][1]
        names = [_CALLED.get(name, name) for name, _, _ in self.sources]
        return f"{', '.join(names[:-1])} and {names[-1]} say that this workload builds" if names else ""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Where the sources stand in the record."""
        return tuple(at for _, _, pointers in self.sources for at in pointers)

    @property
    def confirms(self) -> frozenset[str]:
        """The families of builds for which the workload or its image is a second source."""
        if self.is_against or not self.sources:
            return frozenset()
        known = (one for one in FAMILIES if self.is_builder or one.key not in PLAIN)
        return frozenset(one.key for one in known if one.kind != "driver" or self.is_driver)

    def builder(self) -> Sign:
        """B3: what the command line looks like is what the workload does."""
        text = f"{self.why}: what its command lines look like speaks against nobody"
        return Sign(id="B3", text=text, source="pod", evidence=self.evidence, outside=True)


def read(case: Case, looks: Sequence[Look], tuning: Tuning) -> Place:
    """Everything around the command lines; an empty place where there is no record."""
    if case.evidence is None:
        return Place()
    pod, container = _pod(case)
    links = case.evidence.owners.value.links if isinstance(case.evidence.owners, Found) else ()
    sources = list(_sources(case, pod, container, links))
    around = [
        *happenings.related(case, looks),
        *happenings.sessions(case, is_builder=bool(sources)),
        *happenings.logs(case, looks),
        *happenings.history(case),
    ]
    sources += _seen(around)
    is_driver = _is_driver(case, links, container)
    if is_driver:
        sources.append(("driver", f"DaemonSet {links[-1].name} loads drivers", ("/evidence/owners/value/links/0",)))
        sources.append(
            ("driver image", f"and so does its image, {container.image if container else ''}", ("/evidence/pod",))
        )
    expected = _expected(case, container, links, tuning)
    if expected:
        sources = [expected, *sources]
    signs = [*around, *_signs(sources), *_times(case, container), *_image(case, container)]
    reach = _reach(pod, container)
    if reach:
        signs.append(
            Sign(
                id="X1",
                text=f"the container can reach the node: {reach}",
                source="pod",
                evidence=("/evidence/pod",),
                outside=True,
                techniques=("T1611",),
            )
        )
    knows = isinstance(case.evidence.pod, Found) or isinstance(case.evidence.owners, Found)
    signs = [_decided(sign, is_driver=is_driver, may_run=bool(sources) or not knows) for sign in signs]
    return Place(signs=merged(signs), sources=tuple(sources), is_driver=is_driver, reaches_node=bool(reach))


def _decided(sign: Sign, *, is_driver: bool, may_run: bool) -> Sign:
    """What decides only here: a module that no driver's workload loads, a product that ran where nothing builds.

    Where neither the pod nor its owner could be read, a code runner cannot be told from an intruder.
    """
    decides = (sign.id == "L4" and not is_driver) or (sign.id == "R2" and not may_run)
    return replace(sign, decisive=True) if decides else sign


def _pod(case: Case) -> tuple[Pod | None, ContainerState | None]:
    evidence = case.evidence
    if evidence is None or not isinstance(evidence.pod, Found):
        return None, None
    if isinstance(evidence.proof, Found) and evidence.proof.value.verdict == "replaced":
        return None, None
    pod = evidence.pod.value
    return pod, next((one for one in pod.containers if one.name == case.target.container), None)


# --- who says that it builds ------------------------------------------------------------------------------------------

Source = tuple[str, str, tuple[str, ...]]


def _sources(
    case: Case, pod: Pod | None, container: ContainerState | None, links: Sequence[Workload]
) -> Iterator[Source]:
    for n, link in enumerate(links):
        at = (f"/evidence/owners/value/links/{n}",)
        words = (link.name, *link.labels.values())
        is_kind = link.kind in _BUILDER_KINDS
        if is_kind or any(_BUILDER_WORDS.search(word) for word in words):
            by = "kind" if is_kind else "name or labels"
            yield "workload", f"its owner is a builder by its {by}: {link.kind} {link.name}", at
            break
    evidence = case.evidence
    if evidence is not None and isinstance(evidence.namespace, Found):
        space = evidence.namespace.value
        said = next((word for word in (space.name, *space.labels.values()) if _BUILDER_WORDS.search(word)), "")
        if said:
            yield (
                "namespace",
                f"its namespace is a place for builds by its name or labels: {space.name} ({said})",
                ("/evidence/namespace/value",),
            )
    if pod is None or container is None:
        return
    n = pod.containers.index(container)
    if _TOOL_IMAGE.search(container.image) or _BUILDER_WORDS.search(container.image):
        yield (
            "image",
            f"its image is a builder's, or brings compilers: {container.image}",
            (f"/evidence/pod/value/containers/{n}/image",),
        )
    command = " ".join((*container.command, *container.args))
    found = _BUILD_COMMAND.search(command)
    if found:
        yield (
            "command",
            f"the container's own command starts builds: {command[:80]}",
            (f"/evidence/pod/value/containers/{n}/command",),
        )


def _seen(around: Sequence[Sign]) -> Iterator[Source]:
    for sign in around:
        if sign.id == "R4":
            yield "recurrence", sign.text, sign.evidence
        if sign.id in {"H1", "H2"}:
            yield "history", sign.text, sign.evidence


def _expected(case: Case, container: ContainerState | None, links: Sequence[Workload], tuning: Tuning) -> Source | None:
    top = links[-1] if links else None
    image = container.image_id if container else ""
    project = next((one.project_id for one in case.findings if one.project_id), "")
    found = tuning.builder(
        project=project,
        namespace=case.target.namespace,
        owner=f"{top.kind}/{top.name}" if top else "",
        digest=image.rpartition("@")[2],
        at=case.now or case.start,
    )
    return ("expected", f"an expected builder: {found.named()}", ("/evidence/owners",)) if found else None


def _signs(sources: Sequence[Source]) -> Iterator[Sign]:
    ids = {"workload": "W1", "namespace": "W1", "driver": "W1", "image": "W2", "command": "W5", "expected": "W3"}
    for name, text, at in sources:
        if name in ids:
            yield Sign(
                id=ids[name], text=text, source="policy" if name == "expected" else "pod", evidence=at, outside=True
            )


def _is_driver(case: Case, links: Sequence[Workload], container: ContainerState | None) -> bool:
    del case
    top = links[-1] if links else None
    if top is None or top.kind != "DaemonSet" or container is None:
        return False
    return bool(_DRIVER_WORDS.search(top.name) and _DRIVER_WORDS.search(container.image))


# --- when, on what ----------------------------------------------------------------------------------------------------


def _times(case: Case, container: ContainerState | None) -> Iterator[Sign]:
    started, event = (container.started_at if container else None), case.start
    if started is None or event is None or container is None or event < started:
        return
    age = event - started
    at = ("/evidence/pod/value/containers",)
    if age <= AT_START and not container.restarts:
        text = f"the container had started {age.total_seconds():.0f} s before"
        yield Sign(id="T1", text=text, source="pod", evidence=at, outside=True)
    elif age >= OLD and case.history == ():
        days = "a day" if age.days == 1 else f"{age.days} days"
        text = f"the container had run for {days}, and no earlier record is like it"
        yield Sign(id="T2", text=text, source="pod", evidence=at)


def _image(case: Case, container: ContainerState | None) -> Iterator[Sign]:
    images = [one.image for finding in case.findings for one in finding.containers if one.name == case.target.container]
    image = container.image if container else next(iter(images), "")
    if _BARE_IMAGE.search(image):
        text = f"the image {image} is of a kind that brings no compiler"
        yield Sign(id="W4", text=text, source="pod", evidence=("/evidence/pod",))


def _reach(pod: Pod | None, container: ContainerState | None) -> str:
    if pod is None:
        return ""
    said = []
    if container is not None and container.privileged:
        said.append("privileged")
    if pod.host_pid:
        said.append("hostPID")
    if container is not None:
        said += sorted(_CAPABILITIES & {name.upper() for name in container.capabilities_added})
    said += [f"hostPath {path}" for path in pod.host_paths if _NODE_PATHS.match(path)]
    return ", ".join(said)
