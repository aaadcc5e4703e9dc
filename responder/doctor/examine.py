"""The order of the checks: from the detector along the way of a finding to the clusters. Pure: asks its ports.

Each step is found by the one before it: the notification config names the topic, the topic's subscription the function,
the function its account. So nothing has to be told but the settings, the projects and the namespaces.
"""

from __future__ import annotations

from collections.abc import Iterator

from responder.doctor import clusters, delivery, detector, functions, own, rights
from responder.doctor.facts import Function, NotificationConfig, Subscription
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case


def examine(case: Case) -> Iterator[Line]:
    """Every line, in the order in which one would mend."""
    yield from own.files(case)
    yield from own.store(case)
    yield from own.evidence(case)
    yield from detector.tier(case)
    yield from detector.modules(case)
    found: list[Function] = []
    for one in detector.configs(case):
        if isinstance(one, NotificationConfig):
            yield from delivery.topic(case, one)
            yield from _delivered(case, one.pubsub_topic, found)
        else:
            yield one
    accounts: list[str] = []
    if found:
        yield from _accounts(case, found[0], accounts)
    else:
        detail = "the function respond was not found, so that nothing of it was asked"
        yield Check("function", case.settings.scc_parent).unchecked(detail, "mend what is wrong above first")
    for project in case.projects:
        yield from clusters.project(case, project, tuple(dict.fromkeys(accounts)))


def _accounts(case: Case, respond: Function, accounts: list[str]) -> Iterator[Line]:
    """The other functions, and what the account of each may do; `accounts` is filled with them."""
    accounts.append(respond.service_config.service_account_email)
    yield from functions.apis(case, respond)
    for line in functions.sweep(case, respond):
        if isinstance(line, Function):
            accounts.append(line.service_config.service_account_email)
        else:
            yield line
    for account in dict.fromkeys(accounts):
        yield from rights.investigator(case, account)
    for line in functions.act(case, respond):
        if isinstance(line, Function):
            accounts.append(line.service_config.service_account_email)
            yield from rights.actor(case, accounts[-1])
        else:
            yield line


def _delivered(case: Case, topic: str, found: list[Function]) -> Iterator[Line]:
    for one in delivery.subscriptions(case, topic):
        if not isinstance(one, Subscription):
            yield one
            continue
        yield from delivery.subscription(case, one)
        yield from delivery.dead_letters(case, one)
        for line in functions.respond(case, one):
            if isinstance(line, Function):
                found.append(line)
                yield from rights.no_forging(case, line.service_config.service_account_email, topic)
            else:
                yield line
