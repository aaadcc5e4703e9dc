"""The functions beside `respond`: `sweep`, called every minute, and `act`, which is asked. Pure: asks its ports.

Each goes through the checks that `respond` goes through: it runs, is shut, has the time, is called by its caller alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from responder.doctor import delivery, deployed, functions
from responder.doctor.deployed import Deployed
from responder.doctor.facts import Function, Subscription
from responder.doctor.functions import DEPLOY
from responder.doctor.lines import Check, Line
from responder.doctor.own import POLICY_UNKNOWN, opted_in
from responder.doctor.ports import Case

_EVERY_MINUTE: Final = {"* * * * *", "*/1 * * * *", "every 1 minutes", "every 1 mins"}
_SCHEDULE: Final = "--schedule='* * * * *'"


def sweep(case: Case, beside: Deployed) -> Iterator[Line | Deployed]:
    """The lines, and the second function: it is there, and something calls it every minute."""
    one = beside.function
    project, location = one.name.split("/")[1], one.name.split("/")[3]
    check = Check("sweep", f"projects/{project}")
    found: list[Function] = []

    def ask() -> Iterator[Line]:
        found.extend(f for f in case.sources.functions(project) if f.build_config.entry_point == "sweep")
        detail = "there is none: what was cut short is never gone on with"
        yield check.either(bool(found), "it is there", detail, DEPLOY)

    yield from check.asking(ask)
    for function in found[:1]:
        swept = deployed.of(function)
        yield from functions.running(case, swept)
        yield from deployed.checked(case, swept, beside=beside)
        yield from _called(case, function, project, location)
        yield swept


def _called(case: Case, function: Function, project: str, location: str) -> Iterator[Line]:
    check = Check("sweep.job", f"projects/{project}/locations/{location}")
    where, uri = f"--project={project} --location={location}", function.service_config.uri
    callers: list[str] = []

    def ask() -> Iterator[Line]:
        called = [job for job in case.sources.jobs(project, location) if function.answers_at(job.http_target.uri)]
        token = f"--oidc-service-account-email=ACCOUNT --oidc-token-audience={uri}"
        if not called:
            mend = f"gcloud scheduler jobs create http NAME {where} {_SCHEDULE} --uri={uri} {token}"
            yield check.wrong("no job of Cloud Scheduler calls it", mend)
            return
        job, name = called[0], called[0].name.rpartition("/")[2]
        callers.append(job.http_target.oidc_token.service_account_email)
        update = f"gcloud scheduler jobs update http {name} {where}"
        if job.state != "ENABLED":
            yield check.wrong(f"the job is {job.state.lower()}", f"gcloud scheduler jobs resume {name} {where}")
        elif not callers[0]:
            yield check.wrong("the job calls without a token", f"{update} {token}")
        else:
            detail = f"it is called at {job.schedule!r}"
            yield check.either(job.schedule in _EVERY_MINUTE, "every minute", detail, f"{update} {_SCHEDULE}")

    yield from check.asking(ask)
    yield from functions.invoker(case, function, "".join(callers))


def act(case: Case, beside: Deployed) -> Iterator[Line | Deployed]:
    """The third function: there where a project opted in, and nowhere else; and what is published for it reaches it."""
    one = beside.function
    project = one.name.split("/")[1]
    check = Check("act", f"projects/{project}")
    found: list[Function] = []

    def ask() -> Iterator[Line]:
        found.extend(f for f in case.sources.functions(project) if f.build_config.entry_point == "act")
        wanted = opted_in(case)
        if not case.policy_known:
            yield check.unchecked(*POLICY_UNKNOWN)
        elif found and not wanted:
            mend = "remove it, or opt a project in: what may act must not lie about"
            yield check.wrong("it is deployed, and no project opted in to anything", mend)
        elif wanted and not found:
            yield check.wrong(f"{wanted[0]} opted in, and it is not deployed: nothing is ever done", DEPLOY)
        elif found and found[0].service_config.service_account_email == one.service_config.service_account_email:
            yield check.wrong("it runs as the account of respond", "give it a service account of its own")
        else:
            yield check.ok("it is there, with an account of its own" if found else "not deployed: nobody opted in")

    yield from check.asking(ask)
    for function in found:
        acting = deployed.of(function)
        yield from functions.running(case, acting)
        yield from deployed.checked(case, acting, beside=beside)
        yield from _summoned(deployed.with_settings(case, acting), beside, function)
        yield acting


def _summoned(case: Case, beside: Deployed, act_function: Function) -> Iterator[Line]:
    topic = beside.settings.action_topic if beside.settings else ""
    check = Check("act.subscription", topic or act_function.name)
    if not topic:
        mend = "set it to the topic that act is subscribed to"
        yield check.wrong("RESPONDER_ACTION_TOPIC of respond is not set: act is never asked", mend)
        return
    pushing: list[Subscription] = []

    def ask() -> Iterator[Line]:
        every = [one for one in case.sources.subscriptions(topic.split("/")[1]) if one.topic == topic]
        pushing.extend(one for one in every if act_function.answers_at(one.push_config.push_endpoint))
        mend = f"create one that pushes to {act_function.service_config.uri}, with an OIDC token"
        detail = "no subscription of the action topic pushes to act: it is never asked"
        yield check.either(bool(pushing), "it pushes to act", detail, mend)

    yield from check.asking(ask)
    caller = pushing[0].push_config.oidc_token.service_account_email if pushing else ""
    yield from functions.invoker(case, act_function, caller)
    for one in pushing:
        yield from delivery.subscription(case, one)
        yield from delivery.dead_letters(case, one)
