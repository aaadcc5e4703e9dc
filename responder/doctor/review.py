"""The review page: it runs, with the settings that `responder web` wants and its own account. Pure: asks its ports.

A deployment without it is whole: records are read and approvals answered on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from responder import settings
from responder.doctor import own
from responder.doctor.deployed import Deployed
from responder.doctor.facts import RunService
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.errors import SettingsError
from responder.settings import Settings

INVOKER: Final = "roles/run.invoker"
LET_IN: Final = "roles/iap.httpsResourceAccessor"
AUDIENCE: Final = "RESPONDER_IAP_AUDIENCE"
_BUILD: Final = "build its image and set review_image: docs/deploy.md, The review page's image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The service, with its settings (None where it would refuse them) and the number of its project."""

    service: RunService
    project: str
    number: str
    settings: Settings | None
    problem: str = field(default="")

    @property
    def name(self) -> str:
        """Its name alone."""
        return self.service.name.rpartition("/")[2]

    @property
    def region(self) -> str:
        """Where it runs."""
        return self.service.name.split("/")[3]

    @property
    def audience(self) -> str:
        """What IAP signs for where it is switched on at the service itself."""
        return f"/projects/{self.number}/locations/{self.region}/services/{self.name}"

    @property
    def is_balanced(self) -> bool:
        """Whether its settings say that IAP stands on a load balancer."""
        return "/backendServices/" in self.service.environment.get(AUDIENCE, "")

    def update(self, flags: str, *, track: str = "") -> str:
        """The command that changes it."""
        return f"gcloud {track}run services update {self.name} {self._place} {flags}"

    def policy(self, verb: str, member: str) -> str:
        """The command that changes who may call it."""
        return f"gcloud run services {verb} {self.name} {self._place} --role={INVOKER} --member={member}"

    def access(self, verb: str, member: str) -> str:
        """The command that changes whom IAP lets in. Cloud Run is known to gcloud's beta alone."""
        place = f"--project={self.project} --resource-type=cloud-run --region={self.region} --service={self.name}"
        return f"gcloud beta iap web {verb} {place} --member={member} --role={LET_IN}"

    @property
    def described(self) -> str:
        """The command that says why it does not run."""
        return f"gcloud run services describe {self.name} {self._place}"

    @property
    def _place(self) -> str:
        return f"--project={self.project} --region={self.region}"


def pages(case: Case, respond: Deployed) -> Iterator[Line | Page]:
    """The lines, and each service beside `respond`, in its region, that is a page of ours and no function."""
    project, region = respond.project, respond.function.name.split("/")[3]
    check = Check("review", f"projects/{project}")
    found: list[Page] = []

    def ask() -> Iterator[Line]:
        ours = {one.service_config.service for one in case.sources.functions(project)}
        every = case.sources.services(project, region)
        named = [one for one in every if one.name not in ours and _is_page(one)]
        number = case.project.project(project).number if named else ""
        found.extend(_page(one, project, number) for one in named)
        if not found:
            yield check.advice(f"there is none in {region}: records are read on a terminal alone", _BUILD)
        for one in found:
            state = one.service.terminal_condition.state
            fine = state == "CONDITION_SUCCEEDED"
            detail = f"it is {state.lower() or 'in no known state'}"
            yield Check("review", one.service.name).either(fine, "it runs", detail, one.described)

    yield from check.asking(ask)
    yield from found


def _is_page(service: RunService) -> bool:
    """It runs `responder web`, or has an audience. Settings of ours alone make no page: `act` might be run so."""
    has_settings = any(_is_ours(name) for name in service.environment)
    return AUDIENCE in service.environment or ("web" in service.arguments and has_settings)


def _is_ours(name: str) -> bool:
    return name.startswith("RESPONDER_")


def _page(service: RunService, project: str, number: str) -> Page:
    try:
        read = settings.read_for_the_store({**service.environment, "K_SERVICE": "doctor"})
    except SettingsError as error:
        return Page(service=service, project=project, number=number, settings=None, problem=str(error))
    return Page(service=service, project=project, number=number, settings=read)


def told(case: Case, page: Page, respond: Deployed, act: Deployed | None) -> Iterator[Line]:
    """Its settings are those of the functions, and name who may do what."""
    check = Check("review.settings", page.service.name)
    if page.settings is None:
        variable = page.problem.partition(" ")[0]
        mend = page.update(f"--remove-env-vars={variable}") if _is_ours(variable) else page.described
        yield check.wrong(page.problem, mend)
        return
    wrong = [*_apart(page, page.settings, respond, ("store", "action_topic"))]
    if act is not None:
        wrong += _apart(page, page.settings, act, ("actions",))
    for detail, mend in wrong:
        yield check.wrong(detail, mend)
    if respond.settings is not None and respond.settings.policy and not page.settings.policy:
        detail = "it has no RESPONDER_POLICY, and the functions have one: nobody can approve there"
        yield check.wrong(detail, "set policy_file and apply, or mount it and set the variable by hand")
    elif not wrong:
        yield check.ok("right, and the same as beside it")
    yield from _roles(case, page, page.settings)


def _apart(page: Page, read: Settings, beside: Deployed, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in names if beside.settings is not None else ():
        wanted, variable = getattr(beside.settings, name), f"RESPONDER_{name.upper()}"
        if getattr(read, name) != wanted:
            set_it = f"--update-env-vars={variable}={wanted}" if wanted else f"--remove-env-vars={variable}"
            detail = f"it has another {variable} than {beside.function.name.rpartition('/')[2]}"
            yield detail, page.update(set_it)


def _roles(case: Case, page: Page, read: Settings) -> Iterator[Line]:
    """IAP says who comes, and these lists what they may: whoever is in none is refused."""
    check = Check("review.roles", page.service.name)
    if not (read.viewers or read.analysts or read.approvers or read.raw_readers):
        mend = page.update("--update-env-vars=RESPONDER_VIEWERS=ADDRESS")
        yield check.wrong("nobody has a role: whoever comes is refused", mend)
        return
    asked = [email for one in own.policy_of(case).project if one.remediate == "approve" for email in one.approvers]
    named = {one.lower() for one in read.approvers}
    if asked and not any({email.lower(), f"@{email.lower().rpartition('@')[2]}"} & named for email in asked):
        mend = page.update(f"--update-env-vars=RESPONDER_APPROVERS={asked[0]}")
        yield check.advice("no approver of the policy may approve there: they have to on a terminal", mend)
    else:
        yield check.ok("people have roles there")


def account(page: Page, others: Mapping[str, str]) -> Line:
    """It runs as an account of its own. `others` are those of the responder by e-mail address, with whose they are."""
    check, email = Check("review.account", page.service.name), page.service.account
    mend = page.update("--service-account=ACCOUNT")
    if not email:
        return check.wrong("it has no account of its own: the project's default may be able to do anything", mend)
    return check.either(email not in others, email, f"it runs as the account of {others.get(email, '')}", mend)


def with_settings(case: Case, page: Page) -> Case:
    """The case as the page sees it."""
    if page.settings is None:
        return case
    here = case.settings
    return replace(case, settings=replace(page.settings, scc_parent=here.scc_parent, policy=here.policy))
