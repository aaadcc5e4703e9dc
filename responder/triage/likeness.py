"""Step 1, across records: what makes one investigation like another. Pure.

The image is known by its digest alone, since a tag can be moved; the owner by the top of its chain, since names of pods
change; a command line by its shape (`compiler.Build.shape`), since temporary names change from run to run.
"""

from __future__ import annotations

from typing import Final

from responder import compiler
from responder.evidence import Found
from responder.record import Traits
from responder.triage.case import Case

MAX_SHAPES: Final = 50


def traits(case: Case) -> Traits:
    """Digest, top owner and shapes; ``""`` and empty where they are not known."""
    built = (compiler.parse(one.argv, exe=one.exe) for one in case.execs)
    shapes = {build.shape for build in built if build.tool and build.shape and not build.is_child}
    return Traits(image_digest=_digest(case), owner=_owner(case), shapes=tuple(sorted(shapes)[:MAX_SHAPES]))


def _digest(case: Case) -> str:
    images = []
    if case.evidence is not None and isinstance(case.evidence.pod, Found):
        images += [one.image_id for one in case.evidence.pod.value.containers if one.name == case.target.container]
    for finding in case.findings:
        container = finding.container(case.target)
        images += [container.image_id, container.image] if container else []
    return next((image.rpartition("@")[2] for image in images if "@sha256:" in image), "")


def _owner(case: Case) -> str:
    owners = case.evidence.owners if case.evidence is not None else None
    finding = next((one for one in case.findings if one.cluster is not None), None)
    if not isinstance(owners, Found) or not owners.value.links or finding is None or finding.cluster is None:
        return ""
    top, cluster = owners.value.links[-1], finding.cluster
    project = finding.project_id or cluster.project
    return f"{project}/{cluster.location}/{cluster.name}/{case.target.namespace}/{top.kind}/{top.name}"
