"""A function with the settings that it was deployed with: what runs is what counts, not somebody's shell. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from responder import settings
from responder.doctor.facts import Function
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.errors import SettingsError
from responder.settings import Settings

_SHARED: Final = ("scc_parent", "store", "records_topic")
"""All functions must have the same of these; a file's path may differ, since it is mounted."""
_OF_READERS: Final = (*_SHARED, "action_topic")
_OF_ACT: Final = (*_SHARED, "actions", "evidence", "collector", "remediator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """`settings` are None where the function itself would refuse them."""

    function: Function
    settings: Settings | None

    @property
    def account(self) -> str:
        """The e-mail address of the account that it runs as."""
        return self.function.service_config.service_account_email

    @property
    def project(self) -> str:
        """The id of the project that it runs in."""
        return self.function.name.split("/")[1]


def of(function: Function) -> Deployed:
    """The function with its settings."""
    try:
        return Deployed(function=function, settings=_read(function))
    except SettingsError:
        return Deployed(function=function, settings=None)


def _read(function: Function) -> Settings:
    # As on Cloud Run: there a file as a store is refused.
    return settings.read({**function.service_config.environment_variables, "K_SERVICE": "doctor"})


def with_settings(case: Case, one: Deployed) -> Case:
    """The case as that function sees it. Its files stay those of here, since theirs cannot be read."""
    if one.settings is None:
        return case
    here = case.settings
    return replace(case, settings=replace(one.settings, policy=here.policy, triage=here.triage, notices=here.notices))


def checked(case: Case, one: Deployed, *, beside: Deployed | None = None) -> Iterator[Line]:
    """Its settings are right, agree with those that were given here, and with those of the function beside it."""
    check = Check("function.settings", one.function.name)
    mend = "mend the function's environment, or examine it with other settings"
    if one.settings is None:
        try:
            _read(one.function)
        except SettingsError as error:
            yield check.wrong(str(error), "mend the function's environment: it refuses every message until then")
        return
    acts = one.function.build_config.entry_point == "act"
    other = _other(one.settings, case.settings, _OF_ACT if acts else _OF_READERS, given=True)
    apart = [] if beside is None or beside.settings is None else _apart(one.settings, beside.settings, acts=acts)
    if other:
        yield check.wrong(f"it has another {', '.join(other)} than is set here", mend)
    elif apart and beside is not None:
        yield check.wrong(f"it has another {', '.join(apart)} than {beside.function.name.rpartition('/')[2]}", mend)
    elif acts and not one.settings.actions:
        yield check.wrong("it has no RESPONDER_ACTIONS: it can neither read a brake nor keep an intent", mend)
    else:
        yield check.ok("right, and the same as beside it")


def _apart(own: Settings, beside: Settings, *, acts: bool) -> list[str]:
    apart = _other(own, beside, _SHARED if acts else _OF_READERS, given=False)
    return [*apart, *(["RESPONDER_POLICY"] if bool(own.policy) is not bool(beside.policy) else [])]


def _other(own: Settings, than: Settings, names: tuple[str, ...], *, given: bool) -> list[str]:
    """The variables that differ; `given`: of those alone that `than` does not leave as they are by default."""
    default: Any = Settings(scc_parent="")
    return [
        f"RESPONDER_{name.upper()}"
        for name in names
        if getattr(own, name) != getattr(than, name) and not (given and getattr(than, name) == getattr(default, name))
    ]
