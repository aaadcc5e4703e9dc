"""Does a published finding arrive? Topic, SCC's agent, push subscription, dead letters. Pure: asks its ports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from responder.doctor.facts import Binding, NotificationConfig, Subscription
from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.errors import Unanswered

PUBLISHES: Final = {
    "roles/pubsub.publisher",
    "roles/pubsub.editor",
    "roles/pubsub.admin",
    "roles/securitycenter.notificationServiceAgent",
}
SUBSCRIBES: Final = {"roles/pubsub.subscriber", "roles/pubsub.editor", "roles/pubsub.admin"}
EVERYBODY: Final = {"allUsers", "allAuthenticatedUsers"}
_MARGIN: Final = timedelta(seconds=60)
_LEAST_KEPT: Final = 7 * 86400
LEAST_ATTEMPTS: Final = 5
_UPDATE: Final = "gcloud pubsub subscriptions update"


def topic(case: Case, config: NotificationConfig) -> Iterator[Line]:
    """It is there, SCC's agent may publish to it, and nobody else who need not."""
    check = Check("topic", config.pubsub_topic)
    gone = ("the notification config names a topic that is not there", "create it, or name another in the config")
    yield from check.asking(lambda: _publishers(case, check, config), gone=gone)


def _publishers(case: Case, check: Check, config: NotificationConfig) -> Iterator[Line]:
    bindings = case.sources.bindings(config.pubsub_topic)
    yield check.ok("it is there")
    agent = Check("topic.agent", config.pubsub_topic)
    member = f"serviceAccount:{config.service_account}"
    mend = (
        f"gcloud pubsub topics add-iam-policy-binding {config.pubsub_topic} --member={member}"
        " --role=roles/pubsub.publisher"
    )
    if not config.service_account:
        yield agent.unchecked("the config names no account of SCC's")
    else:
        yield _granted(agent, bindings, member, PUBLISHES, "SCC's own agent may publish", mend)
    roles = {member: one.role for one in bindings for member in one.members if member in EVERYBODY}
    public = sorted(roles)
    remove = f"gcloud pubsub topics remove-iam-policy-binding {config.pubsub_topic}"
    yield Check("topic.public", config.pubsub_topic).either(
        not public,
        "nobody is let in without a name",
        f"{', '.join(public)} may use it: findings can be forged",
        "".join(f"{remove} --member={member} --role={roles[member]}" for member in public[:1]),
    )


def _granted(check: Check, bindings: tuple[Binding, ...], member: str, roles: set[str], fine: str, mend: str) -> Line:
    held = {one.role for one in bindings if member in one.members}
    if held & roles:
        return check.ok(fine)
    custom = sorted(role for role in held if not role.startswith("roles/"))
    if custom:
        return check.unchecked(f"{member} holds {custom[0]}, and what that allows was not looked up")
    return check.wrong(f"{member} holds no role there that allows it", mend)


def subscriptions(case: Case, topic_name: str) -> Iterator[Line | Subscription]:
    """The lines, and each subscription of the topic that pushes."""
    project = topic_name.split("/")[1]
    check = Check("subscription", topic_name)
    found: list[Subscription] = []

    def ask() -> Iterator[Line]:
        every = [one for one in case.sources.subscriptions(project) if one.topic == topic_name]
        found.extend(one for one in every if one.push_config.push_endpoint)
        if not found:
            which = "none of its subscriptions pushes" if every else "it has no subscription"
            mend = f"create one in {project} that pushes to the function respond, with an OIDC token"
            yield check.wrong(f"{which}: findings are published and nobody takes them", mend)
        else:
            yield check.ok(f"{len(found)} that pushes")

    yield from check.asking(ask)
    yield from found


def subscription(case: Case, one: Subscription) -> Iterator[Line]:
    """Its own settings, each of which loses findings where it is wrong."""
    update = f"{_UPDATE} {one.name}"
    yield Check("subscription.state", one.name).either(
        one.state == "ACTIVE" and not one.detached, "active", f"it is {one.state.lower()}", "repair its push endpoint"
    )
    account = one.push_config.oidc_token.service_account_email
    yield Check("subscription.token", one.name).either(
        bool(account),
        f"pushes with a token of {account}",
        "it pushes without a token",
        # Without the endpoint beside it gcloud warns, and changes nothing.
        f"{update} --push-endpoint={one.push_config.push_endpoint} --push-auth-service-account=ACCOUNT",
    )
    needed = int(min(case.settings.deadline + _MARGIN, timedelta(seconds=600)).total_seconds())
    yield Check("subscription.deadline", one.name).either(
        one.ack_deadline_seconds >= needed,
        f"{one.ack_deadline_seconds} s",
        f"{one.ack_deadline_seconds} s, and an investigation may take {needed}: it is delivered again meanwhile",
        f"{update} --ack-deadline={needed}",
    )
    kept = _seconds(one.message_retention_duration)
    yield Check("subscription.retention", one.name).either(
        kept >= _LEAST_KEPT,
        "7 days",
        f"messages are kept for {kept:g} s only",
        f"{update} --message-retention-duration=7d",
    )
    yield Check("subscription.expiration", one.name).either(
        one.expiration_policy is not None and not one.expiration_policy.ttl,
        "never",
        "it is deleted after some weeks without a finding",
        f"{update} --expiration-period=never",
    )
    yield Check("subscription.retry", one.name).either(
        one.retry_policy is not None and bool(one.retry_policy.maximum_backoff),
        "it waits longer between attempts",
        "it has no retry policy: a refused message comes back at once",
        f"{update} --min-retry-delay=10s --max-retry-delay=600s",
    )


def _seconds(duration: str) -> float:
    try:
        return float(duration.removesuffix("s") or 0)
    except ValueError:
        return 0.0


def dead_letters(case: Case, one: Subscription) -> Iterator[Line]:
    """The policy, the rights of Pub/Sub's agent that it takes, and a subscription that keeps what is dead."""
    policy = one.dead_letter_policy
    check = Check("dead-letter.policy", one.name)
    if not policy.dead_letter_topic or policy.max_delivery_attempts < LEAST_ATTEMPTS:
        detail = "it has none: what can never be taken comes back for ever"
        mend = f"{_UPDATE} {one.name} --dead-letter-topic=TOPIC --max-delivery-attempts=10"
        yield check.wrong(detail, mend)
        return
    yield check.ok(f"after {policy.max_delivery_attempts} attempts")
    check = Check("dead-letter.agent", policy.dead_letter_topic)
    gone = ("the dead-letter topic is not there", "create it: without it nothing is taken out of the way")
    yield from check.asking(lambda: _agent(case, check, one), gone=gone)
    kept = Check("dead-letter.subscription", policy.dead_letter_topic)
    yield from kept.asking(lambda: _kept(case, kept, policy.dead_letter_topic))


def _agent(case: Case, check: Check, one: Subscription) -> Iterator[Line]:
    number = case.project.project(one.name.split("/")[1]).number
    if not number:
        detail = "the project's number is not told, and Pub/Sub's agent is named by it"
        raise Unanswered("broken", detail)
    member = f"serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    dead = one.dead_letter_policy.dead_letter_topic
    grant = f"add-iam-policy-binding {{}} --member={member} --role=roles/pubsub.{{}}"
    yield _granted(
        check, case.sources.bindings(dead), member, PUBLISHES, "Pub/Sub's agent may publish to it",
        f"gcloud pubsub topics {grant.format(dead, 'publisher')}",
    )  # fmt: skip
    taking = Check("dead-letter.agent", one.name)
    yield _granted(
        taking, case.sources.bindings(one.name), member, SUBSCRIBES, "Pub/Sub's agent may take from it",
        f"gcloud pubsub subscriptions {grant.format(one.name, 'subscriber')}",
    )  # fmt: skip


def _kept(case: Case, check: Check, dead: str) -> Iterator[Line]:
    project = dead.split("/")[1]
    held = [one for one in case.sources.subscriptions(project) if one.topic == dead]
    mend = f"gcloud pubsub subscriptions create NAME --project={project} --topic={dead} --expiration-period=never"
    yield check.either(bool(held), "a subscription keeps them", "it has no subscription: dead letters are lost", mend)
