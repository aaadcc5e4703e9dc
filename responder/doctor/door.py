"""The way to the review page: Identity-Aware Proxy stands before it, and nobody comes past it. Pure: asks its ports.

https://docs.cloud.google.com/run/docs/securing/identity-aware-proxy-cloud-run
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from responder.doctor import review
from responder.doctor.delivery import EVERYBODY
from responder.doctor.facts import Binding
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.doctor.review import Page
from responder.errors import Unanswered

API: Final = "iap.googleapis.com"
"""Looked at here, since it is needed where there is a page alone."""


def shut(case: Case, page: Page) -> Iterator[Line]:
    """Nobody reaches it but through IAP, and IAP lets in who is named."""
    yield from _proxied(case, page)
    yield _ingress(page)
    check = Check("review.invoker", page.service.name)
    yield from check.asking(lambda: _invoked(case, check, page))
    if not page.is_balanced:
        check = Check("review.access", page.service.name)
        yield from check.asking(lambda: _let_in(case, check, page))


def _proxied(case: Case, page: Page) -> Iterator[Line]:
    check = Check("review.iap", page.service.name)
    if page.is_balanced:
        detail = "its audience is that of a load balancer: whether IAP is on there was not asked"
        yield check.unchecked(detail, "see that the balancer has IAP, and that ingress is internal and balanced alone")
        return

    def ask() -> Iterator[Line]:
        audience = page.service.environment.get(review.AUDIENCE, "")
        told = page.update(f"--update-env-vars={review.AUDIENCE}={page.audience}")
        if not case.sources.enabled(page.project, (API,)):
            yield check.wrong(f"{API} is off", f"gcloud services enable {API} --project={page.project}")
        elif not page.service.iap_enabled:
            detail = "Identity-Aware Proxy is off: nobody can open the page, and nothing stands before it"
            yield check.wrong(detail, page.update("--iap", track="beta "))
        elif not page.number:
            raise Unanswered("broken", "the project's number is not told, and the audience is named by it")
        elif not audience:
            yield check.wrong(f"{review.AUDIENCE} is not set: it does not start", told)
        else:
            detail = f"{review.AUDIENCE} is {audience}, and IAP signs for another: it lets nobody in"
            yield check.either(audience == page.audience, "it stands before the page", detail, told)

    yield from check.asking(ask)


def _ingress(page: Page) -> Line:
    check, mend = Check("review.ingress", page.service.name), page.update("--ingress=all")
    ingress = page.service.ingress
    if ingress == "INGRESS_TRAFFIC_NONE":
        return check.wrong("it takes no traffic", mend)
    if ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY":
        return check.advice("it is reached from inside the network only: no browser elsewhere opens it", mend)
    if ingress == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER":
        return check.ok("from inside, and from a load balancer")
    if page.is_balanced:
        mend = page.update("--ingress=internal-and-cloud-load-balancing")
        return check.wrong("it is reached past the load balancer that its IAP stands on", mend)
    known = ingress == "INGRESS_TRAFFIC_ALL"
    return check.ok("from everywhere: IAP stands before it") if known else check.unchecked(f"{ingress} is not known")


def _invoked(case: Case, check: Check, page: Page) -> Iterator[Line]:
    """IAP calls it as its own agent; whoever else may call it needs but a switch to come past IAP."""
    if page.service.invoker_iam_disabled:
        yield check.wrong("it asks nobody who calls it", page.update("--invoker-iam-check"))
        return
    agent = f"serviceAccount:service-{page.number}@gcp-sa-iap.iam.gserviceaccount.com"
    members = _members(case.sources.invokers(page.service.name), review.INVOKER)
    others = sorted(members - {agent}, key=lambda one: (one not in EVERYBODY, one))
    for one in others:
        detail = f"{one} may call it: IAP's own agent alone has to"
        yield check.wrong(detail, page.policy("remove-iam-policy-binding", one))
    if page.number and agent not in members:
        yield check.wrong(f"{agent} may not call it: nobody gets in", page.policy("add-iam-policy-binding", agent))
    elif not others:
        yield check.ok("IAP's own agent alone may call it")


def _let_in(case: Case, check: Check, page: Page) -> Iterator[Line]:
    """At the service, and at the project, which passes it on; what is granted above that is not asked."""
    here = _members(case.sources.reviewers(page.number, page.region, page.name), review.LET_IN)
    above = _members(case.sources.bindings(f"projects/{page.project}"), review.LET_IN)
    for one in sorted(here & EVERYBODY):
        yield check.wrong(f"IAP lets {one} in", page.access("remove-iam-policy-binding", one))
    for one in sorted(above & EVERYBODY):
        mend = f"gcloud projects remove-iam-policy-binding {page.project} --member={one} --role={review.LET_IN} --all"
        yield check.wrong(f"the project lets {one} through IAP", mend)
    if not here | above:
        detail = "IAP lets nobody in, unless something above the project does"
        yield check.advice(detail, page.access("add-iam-policy-binding", "group:ADDRESS"))
    elif not (here | above) & EVERYBODY:
        yield check.ok(f"IAP lets in: {', '.join(sorted(here | above))}")


def _members(bindings: tuple[Binding, ...], role: str) -> set[str]:
    return {member for one in bindings if one.role == role for member in one.members}
