"""The order of the checks: from the detector along the way of a finding to the clusters. Pure: asks its ports.

Each step is found by the one before it: the notification config names the topic, the topic's subscription the function,
the function its account and its settings. So nothing has to be told but the level, the projects and the namespaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from responder.doctor import beside, clusters, delivery, detector, door, functions, own, review, rights, waiting
from responder.doctor.deployed import Deployed, with_settings
from responder.doctor.facts import NotificationConfig, Subscription
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case


@dataclass(slots=True)
class _Found:
    """The functions, as they are found, and the topics of findings."""

    respond: Deployed | None = None
    sweep: Deployed | None = None
    act: Deployed | None = None
    topics: list[str] = field(default_factory=list)


def examine(case: Case) -> Iterator[Line]:
    """Every line, in the order in which one would mend."""
    found = _Found()
    yield from detector.tier(case)
    yield from detector.modules(case)
    yield from detector.silenced(case)
    for one in detector.configs(case):
        if isinstance(one, NotificationConfig):
            yield from _delivered(case, one, found)
        else:
            yield one
    theirs = found.respond.settings if found.respond else None
    case = replace(case, policy_known=bool(case.settings.policy) or theirs is None or not theirs.policy)
    yield from own.files(case, theirs)
    yield from own.store(with_settings(case, found.respond) if found.respond else case)
    if found.respond:
        yield from _functions(case, found.respond, found)
        yield from _rights(case, found)
        yield from _page(case, found.respond, found)
    else:
        detail = "the function respond was not found, so that nothing of it was asked"
        yield Check("function", case.settings.scc_parent).unchecked(detail, "mend what is wrong above first")
    yield from own.brake(with_settings(case, found.act) if found.act else case)
    accounts = [one.account for one in (found.respond, found.sweep, found.act) if one]
    for project in case.projects:
        yield from clusters.project(case, project, tuple(dict.fromkeys(accounts)), found.act)


def _delivered(case: Case, config: NotificationConfig, found: _Found) -> Iterator[Line]:
    found.topics.append(config.pubsub_topic)
    yield from delivery.topic(case, config)
    for one in delivery.subscriptions(case, config.pubsub_topic):
        if not isinstance(one, Subscription):
            yield one
            continue
        seen = case
        for line in functions.respond(case, one):
            if isinstance(line, Deployed):
                found.respond, seen = found.respond or line, with_settings(case, line)
                yield from rights.no_forging(case, line.account, config.pubsub_topic)
            else:
                yield line
        yield from delivery.subscription(seen, one)
        yield from delivery.dead_letters(case, one)


def _functions(case: Case, respond: Deployed, found: _Found) -> Iterator[Line]:
    """The APIs and the other functions; `found` is filled with them."""
    yield from functions.apis(case, respond)
    for line in beside.sweep(case, respond):
        if isinstance(line, Deployed):
            found.sweep = line
        else:
            yield line
    for line in beside.act(case, respond):
        if isinstance(line, Deployed):
            found.act = line
        else:
            yield line


def _rights(case: Case, found: _Found) -> Iterator[Line]:
    """What the account of each function may do, by that function's own settings."""
    acting = with_settings(case, found.act) if found.act else case
    given, hands = acting.settings, _hands(acting, found)
    readers = {one.account: one for one in (found.sweep, found.respond) if one}
    for one in readers.values():
        yield from rights.investigator(with_settings(case, one), one.account, one.project, given, hands)
    if found.act:
        yield from rights.actor(acting, found.act.account, found.act.project)
    store = with_settings(case, found.respond).settings.store if found.respond else ""
    for place in (store, given.actions):
        yield from rights.people(case, place)
    yield from own.actions(acting)
    yield from own.evidence(acting)


def _hands(acting: Case, found: _Found) -> tuple[str, ...]:
    """The accounts that act."""
    every = (found.act.account if found.act else "", acting.settings.collector, acting.settings.remediator)
    return tuple(one for one in dict.fromkeys(every) if one)


def _page(case: Case, respond: Deployed, found: _Found) -> Iterator[Line]:
    """The review page, and what its account may do."""
    acting = with_settings(case, found.act) if found.act else with_settings(case, respond)
    others = {acting.settings.collector: "RESPONDER_COLLECTOR", acting.settings.remediator: "RESPONDER_REMEDIATOR"}
    others |= {one.account: one.function.name.rpartition("/")[2] for one in (found.act, found.sweep, respond) if one}
    for one in review.pages(case, respond):
        if not isinstance(one, review.Page):
            yield one
            continue
        yield from door.shut(case, one)
        yield from review.told(case, one, respond, found.act)
        yield from waiting.counted(case, one)
        yield review.account(one, others)
        if email := one.service.account:
            seen = review.with_settings(case, one)
            yield from rights.page(seen, email, one.project, acting.settings, _hands(acting, found))
            for topic in found.topics:
                yield from rights.no_forging(case, email, topic)
