"""Do the functions run, with the settings that are examined here, and are they called? Pure: asks its ports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from responder.doctor import deployed
from responder.doctor.deployed import Deployed
from responder.doctor.facts import Function, Subscription
from responder.doctor.lines import Check, Line
from responder.doctor.own import POLICY_UNKNOWN, opted_in
from responder.doctor.ports import Case

INSIDE: Final = {"ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"}
APIS: Final = (
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "essentialcontacts.googleapis.com",
    "firestore.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "securitycenter.googleapis.com",
    "securitycentermanagement.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
)
"""Of the project that the functions run in: a service account's calls count there, whatever project they ask about."""

_MARGIN: Final = timedelta(seconds=60)
_EVERY_MINUTE: Final = {"* * * * *", "*/1 * * * *", "every 1 minutes", "every 1 mins"}
_DEPLOY: Final = "deploy it: deploy/README.md, The functions"


def respond(case: Case, one: Subscription) -> Iterator[Line | Deployed]:
    """The lines, and the function that the subscription pushes to."""
    project, endpoint = one.name.split("/")[1], one.push_config.push_endpoint
    check = Check("function", endpoint)
    found: list[Function] = []

    def ask() -> Iterator[Line]:
        found.extend(function for function in case.sources.functions(project) if function.answers_at(endpoint))
        if found:
            yield from running(case, deployed.of(found[0]))
        else:
            mend = f"gcloud pubsub subscriptions update {one.name} --push-endpoint=URL of the function"
            yield check.wrong(f"no function of {project} answers there", mend)

    yield from check.asking(ask)
    for function in found:
        caller = one.push_config.oidc_token.service_account_email
        yield from _invoker(case, function, caller)
        yield from deployed.checked(case, deployed.of(function))
        yield deployed.of(function)


def running(case: Case, run: Deployed) -> Iterator[Line]:
    """It is deployed, shut to the outside, and has the time that an investigation may take."""
    one, service = run.function, run.function.service_config
    yield Check("function", one.name).either(one.state == "ACTIVE", "it runs", f"it is {one.state.lower()}", _DEPLOY)
    inside = service.ingress_settings in INSIDE
    yield Check("function.ingress", one.name).either(
        inside, "from inside only", "anybody on the internet may knock", "set its ingress to internal"
    )
    needed = int(((run.settings or case.settings).deadline + _MARGIN).total_seconds())
    yield Check("function.timeout", one.name).either(
        service.timeout_seconds >= needed,
        f"{service.timeout_seconds} s",
        f"{service.timeout_seconds} s, and an investigation may take {needed}",
        f"set its timeout to {needed} s at least",
    )


def _invoker(case: Case, one: Function, caller: str) -> Iterator[Line]:
    service = one.service_config.service
    check = Check("function.invoker", service or one.name)
    if not (service and caller):
        return

    def ask() -> Iterator[Line]:
        held = [binding for binding in case.sources.invokers(service) if binding.role == "roles/run.invoker"]
        members = {member for binding in held for member in binding.members}
        mend = f"gcloud run services add-iam-policy-binding {service.rpartition('/')[2]} --role=roles/run.invoker"
        public = members & {"allUsers", "allAuthenticatedUsers"}
        if public:
            yield check.wrong(
                "everybody may call it: findings can be forged", f"remove {min(public)} from its invokers"
            )
        elif f"serviceAccount:{caller}" not in members:
            yield check.wrong(f"{caller} may not call it", f"{mend} --member=serviceAccount:{caller}")
        else:
            yield check.ok(f"{caller} may call it")

    yield from check.asking(ask)


def sweep(case: Case, beside: Deployed) -> Iterator[Line | Deployed]:
    """The lines, and the second function: it is there, and something calls it every minute."""
    one = beside.function
    project, location = one.name.split("/")[1], one.name.split("/")[3]
    check = Check("sweep", f"projects/{project}")
    found: list[Function] = []

    def ask() -> Iterator[Line]:
        swept = [f for f in case.sources.functions(project) if f.build_config.entry_point == "sweep"]
        if not swept:
            detail = "there is none: what was cut short is never gone on with"
            yield check.wrong(detail, _DEPLOY)
            return
        found.append(swept[0])
        state = swept[0].state
        yield check.either(state == "ACTIVE", "it runs", f"it is {state.lower()}", _DEPLOY)
        yield from deployed.checked(case, deployed.of(swept[0]), beside=beside)
        called = [job for job in case.sources.jobs(project, location) if swept[0].answers_at(job.http_target.uri)]
        job = Check("sweep.job", f"projects/{project}/locations/{location}")
        if not called:
            mend = f"gcloud scheduler jobs create http NAME --schedule='* * * * *' --uri={swept[0].service_config.uri}"
            yield job.wrong("no job of Cloud Scheduler calls it", mend)
        elif called[0].state != "ENABLED":
            yield job.wrong(f"the job is {called[0].state.lower()}", f"gcloud scheduler jobs resume {called[0].name}")
        else:
            mend = f"gcloud scheduler jobs update http {called[0].name} --schedule='* * * * *'"
            schedule = called[0].schedule
            yield job.either(schedule in _EVERY_MINUTE, "every minute", f"it is called at {schedule!r}", mend)

    yield from check.asking(ask)
    yield from (deployed.of(function) for function in found)


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
            yield check.wrong(f"{wanted[0]} opted in, and it is not deployed: nothing is ever done", _DEPLOY)
        elif found and found[0].service_config.service_account_email == one.service_config.service_account_email:
            yield check.wrong("it runs as the account of respond", "give it a service account of its own")
        else:
            yield check.ok("it is there, with an account of its own" if found else "not deployed: nobody opted in")

    yield from check.asking(ask)
    for function in found:
        yield from deployed.checked(case, deployed.of(function), beside=beside)
        yield from _summoned(case, beside, function)
        yield deployed.of(function)


def _summoned(case: Case, beside: Deployed, act_function: Function) -> Iterator[Line]:
    topic = beside.settings.action_topic if beside.settings else ""
    check = Check("act.subscription", topic or act_function.name)
    if not topic:
        mend = "set it to the topic that act is subscribed to"
        yield check.wrong("RESPONDER_ACTION_TOPIC of respond is not set: act is never asked", mend)
        return

    def ask() -> Iterator[Line]:
        every = [one for one in case.sources.subscriptions(topic.split("/")[1]) if one.topic == topic]
        pushing = [one for one in every if act_function.answers_at(one.push_config.push_endpoint)]
        if not pushing:
            mend = f"create one that pushes to {act_function.service_config.uri}, with an OIDC token"
            yield check.wrong("no subscription of the action topic pushes to act: it is never asked", mend)
            return
        yield check.ok("it pushes to act")
        yield from _invoker(case, act_function, pushing[0].push_config.oidc_token.service_account_email)

    yield from check.asking(ask)


def apis(case: Case, beside: Deployed) -> Iterator[Line]:
    """The APIs are on, in the project of the function."""
    project = beside.function.name.split("/")[1]
    check = Check("apis", f"projects/{project}")

    def ask() -> Iterator[Line]:
        off = sorted(set(APIS) - case.sources.enabled(project, APIS))
        mend = f"gcloud services enable {' '.join(off)} --project={project}"
        yield check.either(not off, f"all {len(APIS)} are on", f"off: {', '.join(off)}", mend)

    yield from check.asking(ask)
