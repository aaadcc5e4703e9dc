"""The environment is read once, and a wrong word in it is said, never guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder import settings
from responder.errors import SettingsError

PARENT = {"RESPONDER_SCC_PARENT": "organizations/123456789012"}


def test_the_parent_alone_is_enough() -> None:
    assert settings.read(PARENT | {"PATH": "/usr/bin"}) == settings.Settings(scc_parent="organizations/123456789012")


@pytest.mark.parametrize(
    "parent", ["organizations/1", "folders/22", "projects/acme-shop-prod", "projects/421458901689"]
)
def test_organizations_folders_and_projects_can_be_the_parent(parent: str) -> None:
    assert settings.read({"RESPONDER_SCC_PARENT": parent}).scc_parent == parent


def test_everything_that_can_be_set_is_read() -> None:
    read = settings.read(
        PARENT
        | {
            "RESPONDER_STORE": "/var/lib/responder.db",
            "RESPONDER_RELATED_WINDOW_MINUTES": "30",
            "RESPONDER_LOG_WINDOW_MINUTES": " 90 ",
            "RESPONDER_DEADLINE_SECONDS": "7.5",
            "RESPONDER_OWNER_KEYS": "owner, squad ,,",
            "RESPONDER_CONSOLE": "https://console.example.test/",
            "RESPONDER_ENDPOINTS": "private,dns",
            "RESPONDER_RECORDS_TOPIC": "projects/acme-sec/topics/records",
        }
    )
    assert read == settings.Settings(
        scc_parent="organizations/123456789012",
        store="/var/lib/responder.db",
        related_window=timedelta(minutes=30),
        log_window=timedelta(minutes=90),
        deadline=timedelta(seconds=7.5),
        owner_keys=("owner", "squad"),
        console="https://console.example.test",
        endpoints=("private", "dns"),
        records_topic="projects/acme-sec/topics/records",
    )


def test_an_empty_variable_is_not_set() -> None:
    assert settings.read(PARENT | {"RESPONDER_STORE": "  "}).store == "responder.db"


def test_a_variable_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(
        SettingsError, match=r"RESPONDER_DEADLINE is not a setting; known: .*RESPONDER_DEADLINE_SECONDS"
    ):
        settings.read(PARENT | {"RESPONDER_DEADLINE": "5"})


def test_a_missing_parent_is_said_with_what_it_must_hold() -> None:
    with pytest.raises(SettingsError, match="RESPONDER_SCC_PARENT is not set: organizations/ID"):
        settings.read({})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RESPONDER_SCC_PARENT", "organizations/acme"),
        ("RESPONDER_SCC_PARENT", "acme-shop-prod"),
        ("RESPONDER_SCC_PARENT", "projects/a/sources/-"),
        ("RESPONDER_RELATED_WINDOW_MINUTES", "0"),
        ("RESPONDER_RELATED_WINDOW_MINUTES", "1441"),
        ("RESPONDER_LOG_WINDOW_MINUTES", "an hour"),
        ("RESPONDER_DEADLINE_SECONDS", "nan"),
        ("RESPONDER_DEADLINE_SECONDS", "inf"),
        ("RESPONDER_DEADLINE_SECONDS", "4"),
        ("RESPONDER_CONSOLE", "http://console.example.test"),
        ("RESPONDER_CONSOLE", "https://console.example.test/?q"),
        ("RESPONDER_ENDPOINTS", "dns,anything"),
        ("RESPONDER_ENDPOINTS", ","),
        ("RESPONDER_RECORDS_TOPIC", "records"),
        ("RESPONDER_RECORDS_TOPIC", "projects/acme-sec/subscriptions/records"),
        ("RESPONDER_RECORDS_TOPIC", "projects/acme-sec/topics/goog-records"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings.read(PARENT | {name: text})


@pytest.mark.parametrize("store", ["firestore:acme-sec/(default)", "firestore:example.com:acme/records", "/var/r.db"])
def test_the_store_is_a_firestore_database_or_a_file(store: str) -> None:
    assert settings.read(PARENT | {"RESPONDER_STORE": store}).store == store


@pytest.mark.parametrize("rest", ["", "acme", "acme/", "acme/A", "acme/a/b", "a/.."])
def test_a_firestore_database_that_is_none_is_refused(rest: str) -> None:
    with pytest.raises(SettingsError, match=r"RESPONDER_STORE .* must be firestore:PROJECT/DATABASE, or the path"):
        settings.read(PARENT | {"RESPONDER_STORE": f"firestore:{rest}"})


@pytest.mark.parametrize("store", [{}, {"RESPONDER_STORE": "/tmp/r.db"}, {"RESPONDER_STORE": ""}])
def test_a_file_is_refused_on_cloud_run_where_it_would_be_lost(store: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="RESPONDER_STORE must be firestore:PROJECT/DATABASE on Cloud Run") as said:
        settings.read(PARENT | store | {"K_SERVICE": "respond"})
    assert "\n" not in str(said.value)
    here = PARENT | {"RESPONDER_STORE": "firestore:acme-sec/(default)", "K_SERVICE": "respond"}
    assert settings.read(here).store == "firestore:acme-sec/(default)"


def test_evidence_lies_in_a_folder_or_in_a_bucket_and_a_bucket_is_spelt_in_full() -> None:
    given = {"RESPONDER_SCC_PARENT": "organizations/1"}
    assert settings.read(given).evidence == "evidence"
    for place in ("/srv/evidence", "gs://acme-evidence", "gs://acme-evidence/gke/prod"):
        assert settings.read({**given, "RESPONDER_EVIDENCE": place}).evidence == place
    for place in ("gs:acme", "gs://", "gs://A", "gs://acme/../other//x"):
        with pytest.raises(SettingsError, match="RESPONDER_EVIDENCE"):
            settings.read({**given, "RESPONDER_EVIDENCE": place})
