"""Is the finding made at all, and does SCC publish it? Tier, detector, modules, notification configs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from responder.doctor.facts import NotificationConfig
from responder.doctor.filters import OURS, TWIN, FilterError, lets_through
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.finding import CATEGORY

MODULE: Final = "LAUNCH_CODE_COMPILER_TOOL_IN_CONTAINER"
SIBLINGS: Final = ("ADDED_BINARY_EXECUTED", "ADDED_LIBRARY_LOADED")
"""Off by default too. They say that what was compiled was run: nothing else corroborates a verdict as well."""

SILENCED: Final = {
    "KTD_BLOCKED_BY_ADMISSION_CONTROLLER": "let container-watcher in kube-system pass the admission controller",
    "KTD_IMAGE_PULL_FAILURE": "let the nodes pull from gcr.io: a firewall or a policy keeps the watcher's image out",
    "KTD_SERVICE_ACCOUNT_MISSING_PERMISSIONS": "give Container Threat Detection's service agent its role back",
    "GKE_SERVICE_ACCOUNT_MISSING_PERMISSIONS": "give GKE's service agent its role back",
}
"""Findings of class SCC_ERROR, and their mends.
https://cloud.google.com/security-command-center/docs/how-to-remediate-security-command-center-errors"""

_MOST_SILENCED: Final = 20
_PAID: Final = {"PREMIUM", "ENTERPRISE"}
_FILTER: Final = f'category="{CATEGORY}" AND state="ACTIVE"'


def tier(case: Case) -> Iterator[Line]:
    """Container Threat Detection takes Premium or Enterprise."""
    parent = case.settings.scc_parent
    check = Check("detector.tier", parent)
    if parent.startswith("folders/"):
        yield check.unchecked("the API tells the tier of an organization or a project, not of a folder")
        return

    def ask() -> Iterator[Line]:
        found = case.sources.tier(parent)
        mend = "activate Security Command Center Premium or Enterprise for it"
        yield check.either(found in _PAID, found.capitalize(), f"the tier is {found or 'unknown'}", mend)

    yield from check.asking(ask)


def modules(case: Case) -> Iterator[Line]:
    """The detector and its module, at the parent and in each project; the siblings as advice."""
    for level in dict.fromkeys((case.settings.scc_parent, *(f"projects/{project}" for project in case.projects))):
        yield from Check("detector.service", level).asking(partial(_modules, case, level))


def _modules(case: Case, level: str) -> Iterator[Line]:
    found = case.sources.detector(level)
    command = f"gcloud scc manage services update container-threat-detection {_flag(level)} --enablement-state=ENABLED"
    state = found.effective_enablement_state
    yield Check("detector.service", level).either(
        state == "ENABLED", "Container Threat Detection is on", f"Container Threat Detection is {_word(state)}", command
    )
    check = Check("detector.module", level)
    with_file = f"{command} --module-config-file=deploy/detector.yaml"
    if MODULE not in found.modules:
        yield check.unchecked(f"the answer does not tell of {MODULE}", with_file)
    else:
        state = found.modules[MODULE].effective_enablement_state
        detail = f"{MODULE} is {_word(state)}: no finding is ever made"
        yield check.either(state == "ENABLED", f"{MODULE} is on", detail, with_file)
    for sibling in SIBLINGS:
        check = Check("detector.sibling", level)
        if sibling not in found.modules:
            yield check.unchecked(f"the answer does not tell of {sibling}")
        elif found.modules[sibling].effective_enablement_state == "ENABLED":
            yield check.ok(f"{sibling} is on")
        else:
            detail = f"{sibling} is off, as it is by default: nothing corroborates a verdict better"
            yield check.advice(detail, with_file)


def _flag(level: str) -> str:
    kind, _, name = level.partition("/")
    return f"--{kind.removesuffix('s')}={name}"


def _word(state: str) -> str:
    return state.lower() or "not told of"


def silenced(case: Case) -> Iterator[Line]:
    """SCC's own findings that say that the detector cannot see into a cluster."""
    parent = case.settings.scc_parent
    check = Check("detector.silenced", parent)

    def ask() -> Iterator[Line]:
        any_of = " OR ".join(f'category="{category}"' for category in SILENCED)
        found = case.sources.findings(parent, f'state="ACTIVE" AND ({any_of})')
        for one in found[:_MOST_SILENCED]:
            told = one.finding
            mend = SILENCED.get(told.category, "see the finding in Security Command Center")
            yield check.wrong(f"{told.category} on {told.resource_name}", mend)
        if not found:
            yield check.ok("SCC tells of no cluster into which it cannot see")

    yield from check.asking(ask)


def configs(case: Case) -> Iterator[Line | NotificationConfig]:
    """The lines, and each notification config that publishes our finding.

    What another team's config beside it keeps out is no fault, and no line.
    """
    parent = case.settings.scc_parent
    check = Check("notification.config", parent)
    found: list[NotificationConfig] = []

    def ask() -> Iterator[Line]:
        every = case.sources.notification_configs(parent)
        lines = [_filtered(config) for config in every]
        found.extend(config for config, line in zip(every, lines, strict=True) if line.outcome != "wrong")
        if not every:
            detail = "there is none: SCC publishes nothing"
            where = f"{_flag(parent)} --location=global --pubsub-topic=projects/PROJECT/topics/TOPIC"
            yield check.wrong(detail, f"gcloud scc notifications create NAME {where} --filter='{_FILTER}'")
        yield from (line for line in lines if not found or line.outcome != "wrong")

    yield from check.asking(ask)
    yield from found


def _filtered(config: NotificationConfig) -> Line:
    check = Check("notification.filter", config.name)
    text = config.streaming_config.filter
    mend = f"gcloud scc notifications update {config.name} --filter='{_FILTER}'"
    try:
        ours, twin = lets_through(text, OURS), lets_through(text, TWIN)
    except FilterError as error:
        return check.unchecked(f"the filter cannot be read: {error}", mend)
    if ours is None:
        return check.unchecked("whether it lets our finding through depends on fields that differ by finding", mend)
    if not ours:
        low = lets_through(text, {**OURS, "severity": "HIGH"})
        why = "our finding is Low, and it takes higher ones only" if low else "it does not let our finding through"
        return check.wrong(why, mend)
    beside = "Cloud Run's of the same category come too, and are left" if twin else "Cloud Run's twin is kept out"
    return check.ok(f"it lets our finding through, Low included; {beside}")
