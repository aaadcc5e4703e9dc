"""Does a function run, shut to the outside and with enough time, and who may call it? Pure: asks its ports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from responder.doctor import deployed
from responder.doctor.deployed import Deployed
from responder.doctor.facts import Function, Subscription
from responder.doctor.lines import Check, Line
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
DEPLOY: Final = "deploy it: deploy/README.md, The functions"


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
            # An endpoint that is set without an account is pushed to without a token.
            account = one.push_config.oidc_token.service_account_email or "ACCOUNT"
            flags = f"--push-endpoint=URL --push-auth-service-account={account}"
            mend = f"gcloud pubsub subscriptions update {one.name} {flags}"
            yield check.wrong(f"no function of {project} answers there", mend)

    yield from check.asking(ask)
    for function in found:
        caller = one.push_config.oidc_token.service_account_email
        yield from invoker(case, function, caller)
        yield from deployed.checked(case, deployed.of(function))
        yield deployed.of(function)


def running(case: Case, run: Deployed) -> Iterator[Line]:
    """It is deployed, shut to the outside, and has the time that an investigation may take."""
    one, service = run.function, run.function.service_config
    yield Check("function", one.name).either(one.state == "ACTIVE", "it runs", f"it is {one.state.lower()}", DEPLOY)
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


def invoker(case: Case, one: Function, caller: str) -> Iterator[Line]:
    """Its caller may call it, and not everybody. `caller` is empty where none is known, which another line says."""
    service = one.service_config.service
    check = Check("function.invoker", service or one.name)
    if not service:
        yield check.unchecked("the Cloud Run service behind it is not told")
        return
    _, project, _, region, _, name = (service.split("/") + [""] * 6)[:6]

    def ask() -> Iterator[Line]:
        held = [binding for binding in case.sources.invokers(service) if binding.role == "roles/run.invoker"]
        members = {member for binding in held for member in binding.members}
        where = f"{name} --project={project} --region={region} --role=roles/run.invoker"
        public = members & {"allUsers", "allAuthenticatedUsers"}
        if public:
            mend = f"remove {min(public)}: gcloud run services remove-iam-policy-binding {where} --member={min(public)}"
            yield check.wrong("everybody may call it: findings can be forged", mend)
        elif caller and f"serviceAccount:{caller}" not in members:
            mend = f"gcloud run services add-iam-policy-binding {where} --member=serviceAccount:{caller}"
            yield check.wrong(f"{caller} may not call it", mend)
        elif caller:
            yield check.ok(f"{caller} may call it")

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
