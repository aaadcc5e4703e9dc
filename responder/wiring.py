"""Settings in, World out: the only module that builds clients, and none before it is called.

Importing this module imports nothing of Google, gRPC or Kubernetes: a message of another category never pays for them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import os
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from responder import settings as settings_module
from responder.errors import SettingsError, Unanswered
from responder.policing import Policed
from responder.reread import Reread

if TYPE_CHECKING:
    from responder.doctor.ports import Case
    from responder.doctor.trial import Trial
    from responder.live.dead_letters import DeadLetters
    from responder.live.google import Google
    from responder.live.iap import Iap
    from responder.notices.config import ChannelConfig
    from responder.ports import Access, Acting, Actions, Brake, Clock, Kubernetes, Records, Summons, Telling, World
    from responder.recent import Recent
    from responder.settings import Settings
    from responder.triage import Tuning

    Wrap = Callable[[str, Any], Any]

_lock = threading.RLock()


def utc_now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


def now() -> datetime:
    """The time by the clock that is wired."""
    return _Installed.now()


class _Installed:
    """What `install` has set: the way to Google and the clock. One for the process."""

    google: Google | None = None
    now: Clock = staticmethod(utc_now)
    wrap: Wrap = staticmethod(lambda _name, port: port)
    world: World | None = None
    acting: Acting | None = None
    store: Records | None = None


def install(google: Google, *, now: Clock = utc_now, wrap: Wrap = lambda _name, port: port) -> None:
    """Wire another Google than the live one. For whoever runs the product against a stand-in, in code.

    `wrap` is handed each port of the world by its name in `World` once it is built; what it returns is used instead.
    """
    with _lock:
        _Installed.google, _Installed.now, _Installed.wrap = google, staticmethod(now), staticmethod(wrap)
        _Installed.world = _Installed.store = _Installed.acting = None


def store(settings: Settings | None = None) -> Records:
    """The record store of the settings (the environment's, unless given); opened once."""
    with _lock:
        if _Installed.store is None:
            from responder.stores import opened  # noqa: PLC0415 - only once it is needed

            chosen = settings or settings_module.read(os.environ)
            _Installed.store = _Installed.wrap("records", opened(chosen.store, now=_Installed.now))
        return _Installed.store


def world(settings: Settings | None = None) -> World:
    """Everything outside, as the settings say; built once."""
    with _lock:
        if _Installed.world is None:
            _Installed.world = _build(settings or settings_module.read(os.environ))
        return _Installed.world


class _Later:
    """An adapter that is imported and built at its first use, once, by whichever thread comes first."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._guard = threading.Lock()
        self._made: Any = None

    def make(self) -> Any:
        """The adapter."""
        with self._guard:
            if self._made is None:
                self._made = self._build()
            return self._made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.make(), name)


def _build(settings: Settings) -> World:
    from responder.ports import World  # noqa: PLC0415 - pydantic only once it is needed

    google, wrap = _Installed.google or _live(), _Installed.wrap
    gke = _Later(lambda: _gke(google, settings))
    logs = _Later(lambda: _logs(google))
    projects = _Later(lambda: _rest(google, "ResourceManager"))
    instances = _Later(lambda: _rest(google, "Compute"))
    outbox = _Later(lambda: _topic(google, settings.records_topic)) if settings.records_topic else None

    def scc() -> Any:
        from responder.live.scc import Scc  # noqa: PLC0415 - heavy

        made = Scc(google.securitycenter(), settings.scc_parent)
        # The other clients are imported while SCC is waited for: nothing else is asked before it has answered.
        threading.Thread(target=_warm, args=(gke, logs, projects), daemon=True, name="warm").start()
        return made

    return World(
        settings=settings,
        scc=wrap("scc", _Later(scc)),
        clusters=wrap("clusters", gke),
        connect=wrap("connect", _Connections(google)),
        logs=wrap("logs", logs),
        projects=wrap("projects", projects),
        instances=wrap("instances", instances),
        records=_watched(store(settings)),
        now=_Installed.now,
        outbox=wrap("outbox", outbox) if outbox else None,
        tuning=_Tuned(settings.triage) if settings.triage else None,
        policy=policy(settings),
        telling=_telling(google, settings) if settings.notices else None,
        summons=wrap("summons", _summons(google, settings)) if settings.action_topic else None,
    )


def acting() -> World:
    """The world with what `act` alone has; SettingsError where RESPONDER_ACTIONS is not set.

    Where RESPONDER_READ_ONLY is set, nothing that could run a command or delete is built.
    """
    outside = world()
    with _lock:
        if _Installed.acting is None:
            _Installed.acting = _acting(outside.settings)
        return dataclasses.replace(outside, act=_Installed.acting)


def _acting(settings: Settings) -> Acting:
    from responder.ports import Acting  # noqa: PLC0415 - pydantic only once it is needed
    from responder.stores.evidence import opened_evidence  # noqa: PLC0415 - the same

    google, wrap = _Installed.google or _live(), _Installed.wrap
    collect = wrap("collect", _collect(google, settings.collector)) if settings.collector else None
    return Acting(
        actions=actions(settings),
        evidence=wrap("evidence", opened_evidence(settings.evidence)),
        collect=None if settings.read_only else collect,
        remove=None if settings.read_only else wrap("remove", _remove(google, settings.remediator)),
        identity=settings.collector,
        sleep=time.sleep,
    )


def _collect(google: Google, email: str) -> Any:
    def collect(access: Access) -> Any:
        from responder.live.exec import Exec  # noqa: PLC0415 - heavy

        return Exec(google.cluster(access), lambda: google.token_as(email))

    return collect


def _remove(google: Google, email: str) -> Any:
    def remove(access: Access) -> Any:
        from responder.live.remover import Deleter  # noqa: PLC0415 - heavy

        return Deleter(google.cluster(access), (lambda: google.token_as(email)) if email else google.token)

    return remove


def dead_letters(subscription: str) -> DeadLetters:
    """Those of a subscription, for a person: no part of the world, since the responder has no right to them."""
    from responder.live.dead_letters import DeadLetters  # noqa: PLC0415 - heavy

    return DeadLetters((_Installed.google or _live()).subscriber(), subscription)


def actions(settings: Settings) -> Actions:
    """The second store: brakes, intents, approvals. Opened once for each caller; SettingsError where none is named."""
    from responder.stores.actions import opened_actions  # noqa: PLC0415 - only once it is needed

    if not settings.actions:
        message = "RESPONDER_ACTIONS is not set: a second SQLite file, or firestore:PROJECT/DATABASE"
        raise SettingsError(message)
    made: Actions = _Installed.wrap("actions", opened_actions(settings.actions))
    return made


def policy(settings: Settings) -> Policed | None:
    """What tells the policy in force, at most a minute old; None where no file is named: nothing is allowed."""
    return Policed(settings.policy) if settings.policy else None


def summons(settings: Settings) -> Summons:
    """The way to `act`, for a person who approved; SettingsError where no topic is named."""
    if not settings.action_topic:
        message = "RESPONDER_ACTION_TOPIC is not set: projects/PROJECT/topics/TOPIC, which `act` is asked through"
        raise SettingsError(message)
    made: Summons = _Installed.wrap("summons", _summons(_Installed.google or _live(), settings))
    return made


def email() -> str:
    """The address of whoever runs the command line, as Google says; Unanswered where it does not."""
    from responder.live import person  # noqa: PLC0415 - heavy

    return person.email(_Installed.google or _live())


def proxy(audience: str) -> Iap:
    """The door of the review page where it stands behind Identity-Aware Proxy, for that audience alone."""
    from responder.live.iap import GoogleKeys, Iap  # noqa: PLC0415 - for the review page alone

    return Iap(audience, GoogleKeys())


def backlog(settings: Settings) -> Recent[Any] | None:
    """What tells how many dead letters wait (`ports.Backlog`), for the review page; None where none are named."""
    from responder.recent import Recent  # noqa: PLC0415 - pydantic only once it is needed

    if not settings.dead_letters:
        return None
    made = _Later(lambda: _monitoring(_Installed.google or _live()))
    return Recent(lambda: made.backlog(settings.dead_letters, _Installed.now()), "Cloud Monitoring")


def doctor(settings: Settings, projects: tuple[str, ...], namespaces: tuple[str, ...]) -> Case:
    """What `responder doctor` asks, as whoever runs it; the service accounts' own views are taken when needed."""
    from responder import permissions  # noqa: PLC0415 - imports every adapter
    from responder.doctor.ports import Case, Needs, Verb  # noqa: PLC0415 - only for the doctor
    from responder.live.deployment import Deployment  # noqa: PLC0415 - the same
    from responder.live.identity import Impersonated  # noqa: PLC0415 - the same
    from responder.stores.firestore_queries import index_keys  # noqa: PLC0415 - the same

    google = _Installed.google or _live()
    held: dict[str, tuple[str, ...]] = dict.fromkeys(permissions.ROLES, ())
    verbs: dict[str, tuple[Verb, ...]] = dict.fromkeys(permissions.ROLES, ())
    reasons: dict[str, str] = {}
    for grant in permissions.grants():
        if grant.verb:
            verbs[grant.role] += (Verb(grant.group, grant.name, grant.verb),)
        else:
            held[grant.role] += (grant.name,)
            reason = permissions.why(grant)
            if reason and permissions.ROLES[grant.role].feature != "doctor":  # whose own rights are named by its lines
                reasons.setdefault(grant.name, f"step {reason[0]}: {reason[1]}")
    return Case(
        settings=settings,
        projects=projects,
        namespaces=namespaces,
        sources=Deployment(google),
        project=_rest(google, "ResourceManager"),
        gke=_Later(lambda: _gke(google, settings)),
        become=functools.cache(lambda account: Impersonated(google, account)),
        needs=Needs(permissions=held, verbs=verbs, indexes=index_keys(), reasons=reasons),
        store=_looked,
        brakes=_brakes,
        file=lambda path: Path(path).read_bytes(),
        now=_Installed.now,
    )


def _looked(settings: Settings) -> object:
    """One look into the store; a SQLite file that is not there is not made by it."""
    from responder.errors import StoreError  # noqa: PLC0415 - only for the doctor
    from responder.ports import RecordQuery  # noqa: PLC0415 - the same

    if not settings.store.startswith("firestore:") and not Path(settings.store).exists():
        message = f"the record store {settings.store} is not there"
        raise StoreError(message)
    return next(store(settings).list(RecordQuery(limit=1)), None)


def _brakes(settings: Settings) -> tuple[Brake, ...]:
    """Each act on a brake, oldest first; a SQLite file that is not there is not made by it."""
    from responder.errors import StoreError  # noqa: PLC0415 - only for the doctor

    if not settings.actions.startswith("firestore:") and not Path(settings.actions).exists():
        message = f"the action store {settings.actions} is not there"
        raise StoreError(message)
    with contextlib.closing(actions(settings)) as found:
        return found.brakes()


def trial(settings: Settings, seconds: float) -> Trial:
    """What `responder doctor --send-test` publishes with, and where it looks for the record."""
    from responder.doctor.trial import Trial  # noqa: PLC0415 - only for the doctor
    from responder.live.trial import Findings  # noqa: PLC0415 - heavy

    return Trial(
        publish=Findings(_Installed.google or _live()).publish,
        records=lambda: store(settings),
        token=uuid.uuid4().hex,
        seconds=seconds,
        monotonic=time.monotonic,
        sleep=time.sleep,
    )


def _watched(records: Records) -> Records:
    """The store, whose stages are told and whose claims are let go of when the process ends."""
    from responder.ending import Held  # noqa: PLC0415 - only for a finding of ours
    from responder.stages import Told  # noqa: PLC0415 - the same
    from responder.tally import counts  # noqa: PLC0415 - the same

    def ended() -> None:
        counts.say()
        counts.save(records, now=True)

    return cast("Records", Told(cast("Records", Held(records, ended=ended)), counts))


def _warm(*adapters: _Later) -> None:
    import responder.live.kubernetes  # noqa: F401, PLC0415 - imported for the threads that come next

    for adapter in adapters:
        with contextlib.suppress(Unanswered):  # said by whoever asks
            adapter.make()
    gc.freeze()  # as in main.py: the clients and what they are made of stay


def _live() -> Google:
    from responder.live.google import LiveGoogle  # noqa: PLC0415 - heavy

    return LiveGoogle()


def _gke(google: Google, settings: Settings) -> Any:
    from responder.live.gke import Gke  # noqa: PLC0415 - heavy

    return Gke(google.container(), settings.endpoints)


def _logs(google: Google) -> Any:
    from responder.live.logs import CloudLogging  # noqa: PLC0415 - heavy

    return CloudLogging(google.logging())


def _topic(google: Google, topic: str) -> Any:
    from responder.live.outbox import Topic  # noqa: PLC0415 - heavy

    return Topic(google.publisher(), topic)


def _summons(google: Google, settings: Settings) -> Any:
    def build() -> Any:
        from responder.live.summons import Summons  # noqa: PLC0415 - heavy

        return Summons(google.publisher(), settings.action_topic)

    return _Later(build)


def _telling(google: Google, settings: Settings) -> Telling:
    from responder.notices.in_force import Noticed  # noqa: PLC0415 - only where somebody is told
    from responder.ports import Telling  # noqa: PLC0415 - pydantic only once it is needed

    def webhooks() -> Any:
        from responder.live.webhooks import Webhooks  # noqa: PLC0415 - heavy

        return Webhooks(google, os.environ)

    def write_back() -> Any:
        from responder.live.write_back import WriteBack  # noqa: PLC0415 - heavy

        return WriteBack(google.securitycenter())

    hooks, wrap = _Later(webhooks), _Installed.wrap

    def channel_of(config: ChannelConfig) -> Any:
        return hooks.make()(config)

    return Telling(
        notices=Noticed(settings.notices),
        channel=wrap("channel", channel_of),
        write_back=wrap("write_back", _Later(write_back)),
    )


def _monitoring(google: Google) -> Any:
    from responder.live.monitoring import Monitoring  # noqa: PLC0415 - for the review page alone

    return Monitoring(google)


def _rest(google: Google, name: str) -> Any:
    from responder.live import rest  # noqa: PLC0415 - heavy

    return getattr(rest, name)(google)


class _Tuned(Reread["Tuning"]):
    """What `triage.toml` says, read again once a minute; a file that cannot be read is said in each record."""

    def _read(self, path: Path) -> Tuning:
        from responder.triage.tuning import Tuning, read  # noqa: PLC0415 - pydantic only once it is needed

        try:
            return read(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            return Tuning(problem=f"triage.toml cannot be read: {type(error).__name__}")


class _Connections:
    """One set of connections for each control plane, kept as long as the process."""

    def __init__(self, google: Google) -> None:
        self._google = google
        self._guard = threading.Lock()
        self._open: dict[Access, Kubernetes] = {}

    def __call__(self, access: Access) -> Kubernetes:
        """Reads of the cluster behind `access`."""
        from responder.live.kubernetes import Cluster  # noqa: PLC0415 - heavy

        with self._guard:
            if access not in self._open:
                self._open[access] = Cluster(self._google.cluster(access), self._google.token)
            return self._open[access]
