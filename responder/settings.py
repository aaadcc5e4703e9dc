"""The environment, read once. Nothing dangerous has a default that switches it on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from responder.errors import SettingsError

_PARENT = re.compile(r"organizations/[0-9]+|folders/[0-9]+|projects/[a-z0-9.:-]+")
_TOPIC = re.compile(r"projects/[a-z0-9.:-]+/topics/(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](?:/[A-Za-z0-9._-]+)*")
_ACCOUNT = re.compile(r"[a-z0-9-]{1,63}@[a-z0-9.-]{1,190}\.gserviceaccount\.com")
_FIRESTORE = re.compile(r"firestore:[a-z0-9.:-]+/(?:\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])")

SUBSCRIPTION = re.compile(r"projects/([a-z0-9.:-]+)/subscriptions/([A-Za-z][A-Za-z0-9._~+%-]{2,254})")
"""https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names; its project, and its own name."""

_AUDIENCE = re.compile(
    r"/projects/[0-9]+/(?:(?:global|regions/[a-z0-9-]+)/backendServices/[0-9]+|locations/[a-z0-9-]+/services/[a-z0-9-]+)"
)
# An address, a whole domain, or a user of this machine: exactly, since it is compared and never searched.
_PERSON = re.compile(r"[A-Za-z0-9._%+'-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can set; `README.md` has the table, and a test compares the two."""

    scc_parent: str
    store: str = "responder.db"
    related_window: timedelta = timedelta(minutes=60)
    log_window: timedelta = timedelta(minutes=60)
    deadline: timedelta = timedelta(seconds=120)
    owner_keys: tuple[str, ...] = ("owner", "team", "contact", "app.kubernetes.io/managed-by-team")
    console: str = "https://console.cloud.google.com"
    endpoints: tuple[str, ...] = ("dns", "public", "private")
    records_topic: str = ""
    triage: str = ""
    notices: str = ""
    evidence: str = "evidence"
    policy: str = ""
    action_topic: str = ""
    actions: str = ""
    read_only: bool = False
    iap_audience: str = ""
    viewers: tuple[str, ...] = ()
    analysts: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    raw_readers: tuple[str, ...] = ()
    collector: str = ""
    remediator: str = ""
    dead_letters: str = ""


def read(environ: Mapping[str, str]) -> Settings:
    """`RESPONDER_*` of `environ` as Settings; SettingsError with the variable's name where one is wrong.

    A variable `RESPONDER_*` that is not known is refused: a misspelt setting must not be silently the default.
    """
    given = {name: text.strip() for name, text in environ.items() if name.startswith("RESPONDER_") and text.strip()}
    unknown = sorted(given.keys() - _READERS.keys())
    if unknown:
        message = f"{unknown[0]} is not a setting; known: {', '.join(sorted(_READERS))}"
        raise SettingsError(message)
    if "RESPONDER_SCC_PARENT" not in given:
        message = "RESPONDER_SCC_PARENT is not set: organizations/ID, folders/ID or projects/ID"
        raise SettingsError(message)
    if "K_SERVICE" in environ and not given.get("RESPONDER_STORE", "").startswith("firestore:"):
        # Cloud Run's file system is in memory, and each instance has its own: findings would be lost, and pods acted on
        # twice. https://cloud.google.com/run/docs/container-contract
        message = "RESPONDER_STORE must be firestore:PROJECT/DATABASE on Cloud Run: a file is lost with its instance"
        raise SettingsError(message)
    if "K_SERVICE" in environ and given.get("RESPONDER_ACTIONS", "firestore:").partition(":")[0] != "firestore":
        message = "RESPONDER_ACTIONS must be firestore:PROJECT/DATABASE on Cloud Run: a file is lost with its instance"
        raise SettingsError(message)
    if given.get("RESPONDER_ACTIONS") is not None and given["RESPONDER_ACTIONS"] == given.get("RESPONDER_STORE"):
        message = "RESPONDER_ACTIONS must not be RESPONDER_STORE: who writes records may not write approvals"
        raise SettingsError(message)
    values: dict[str, Any] = {_READERS[name][0]: _READERS[name][1](name, text) for name, text in given.items()}
    return Settings(**values)


def read_for_the_store(environ: Mapping[str, str]) -> Settings:
    """The same for who looks at records only and asks nothing of SCC: its parent may be absent."""
    return read({"RESPONDER_SCC_PARENT": "organizations/0"} | dict(environ))


def _parent(name: str, text: str) -> str:
    if not _PARENT.fullmatch(text):
        message = f"{name} is {text!r}: it must be organizations/ID, folders/ID or projects/ID"
        raise SettingsError(message)
    return text


def _text(_name: str, text: str) -> str:
    return text


def _store(name: str, text: str) -> str:
    if text.startswith("firestore:") and not _FIRESTORE.fullmatch(text):
        message = f"{name} is {text!r}: it must be firestore:PROJECT/DATABASE, or the path of a SQLite file"
        raise SettingsError(message)
    return text


def _topic(name: str, text: str) -> str:
    # https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
    if not _TOPIC.fullmatch(text):
        message = f"{name} is {text!r}: it must be projects/PROJECT/topics/TOPIC"
        raise SettingsError(message)
    return text


def _subscription(name: str, text: str) -> str:
    if not SUBSCRIPTION.fullmatch(text):
        message = f"{name} is {text!r}: it must be projects/PROJECT/subscriptions/NAME"
        raise SettingsError(message)
    return text


def _file(name: str, text: str) -> str:
    if not text.endswith(".toml"):
        message = f"{name} is {text!r}: it must be the path of a .toml file"
        raise SettingsError(message)
    return text


def _evidence(name: str, text: str) -> str:
    if text.startswith("gs:") and not _BUCKET.fullmatch(text):
        message = f"{name} is {text!r}: it must be gs://BUCKET or gs://BUCKET/PREFIX, or the path of a folder"
        raise SettingsError(message)
    return text


def _account(name: str, text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        message = f"{name} is {text!r}: it must be the e-mail address of a service account"
        raise SettingsError(message)
    return text


def _yes(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        message = f"{name} is {text!r}: it must be true or false"
        raise SettingsError(message)
    return text == "true"


def _list(_name: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _people(name: str, text: str) -> tuple[str, ...]:
    people = _list(name, text)
    wrong = [one for one in people if not _PERSON.fullmatch(one)]
    if wrong:
        message = f"{name} has {wrong[0]!r}: it must list addresses, or @DOMAIN for everybody of a domain"
        raise SettingsError(message)
    return people


def _audience(name: str, text: str) -> str:
    # https://cloud.google.com/iap/docs/signed-headers-howto
    if not _AUDIENCE.fullmatch(text):
        message = (
            f"{name} is {text!r}: it must be /projects/NUMBER/global/backendServices/ID, or"
            " /projects/NUMBER/locations/REGION/services/NAME"
        )
        raise SettingsError(message)
    return text


def _endpoints(name: str, text: str) -> tuple[str, ...]:
    kinds = _list(name, text)
    if not kinds or not set(kinds) <= {"dns", "public", "private"}:
        message = f"{name} is {text!r}: it must list dns, public or private, in the order to try"
        raise SettingsError(message)
    return kinds


def _console(name: str, text: str) -> str:
    if not re.fullmatch(r"https://[a-z0-9.-]+(?:/[a-z0-9./-]*)?", text):
        message = f"{name} is {text!r}: it must be an https:// address"
        raise SettingsError(message)
    return text.rstrip("/")


def _seconds(name: str, text: str, least: float, most: float, unit: float) -> timedelta:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        message = f"{name} is {text!r}: it must be a number from {least:g} to {most:g}"
        raise SettingsError(message)
    return timedelta(seconds=number * unit)


def _minutes(name: str, text: str) -> timedelta:
    return _seconds(name, text, 1, 1440, 60)


def _deadline(name: str, text: str) -> timedelta:
    return _seconds(name, text, 5, 480, 1)


_READERS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "RESPONDER_SCC_PARENT": ("scc_parent", _parent),
    "RESPONDER_STORE": ("store", _store),
    "RESPONDER_RELATED_WINDOW_MINUTES": ("related_window", _minutes),
    "RESPONDER_LOG_WINDOW_MINUTES": ("log_window", _minutes),
    "RESPONDER_DEADLINE_SECONDS": ("deadline", _deadline),
    "RESPONDER_OWNER_KEYS": ("owner_keys", _list),
    "RESPONDER_TRIAGE": ("triage", _file),
    "RESPONDER_NOTICES": ("notices", _file),
    "RESPONDER_CONSOLE": ("console", _console),
    "RESPONDER_ENDPOINTS": ("endpoints", _endpoints),
    "RESPONDER_RECORDS_TOPIC": ("records_topic", _topic),
    "RESPONDER_EVIDENCE": ("evidence", _evidence),
    "RESPONDER_POLICY": ("policy", _file),
    "RESPONDER_ACTION_TOPIC": ("action_topic", _topic),
    "RESPONDER_ACTIONS": ("actions", _store),
    "RESPONDER_READ_ONLY": ("read_only", _yes),
    "RESPONDER_IAP_AUDIENCE": ("iap_audience", _audience),
    "RESPONDER_VIEWERS": ("viewers", _people),
    "RESPONDER_ANALYSTS": ("analysts", _people),
    "RESPONDER_APPROVERS": ("approvers", _people),
    "RESPONDER_RAW_READERS": ("raw_readers", _people),
    "RESPONDER_COLLECTOR": ("collector", _account),
    "RESPONDER_REMEDIATOR": ("remediator", _account),
    "RESPONDER_DEAD_LETTERS": ("dead_letters", _subscription),
}
