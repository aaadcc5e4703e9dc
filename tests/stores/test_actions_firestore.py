"""The second store in Firestore: the contract on Google's own emulator where it is installed, and lost answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from lab import emulators
from responder.errors import StoreError
from responder.ports import Intended
from responder.stores.actions import opened_actions
from responder.stores.actions_firestore import QUERIES, ActionsDatabase, FirestoreActions
from responder.stores.firestore_calls import Add, Change, Create, Database, Delete, Times
from tests.stores.actions_contract import (
    NOW,
    THREE,
    ActionsContract,
    a_brake,
    a_question,
    an_intent,
    approved,
    began,
    kept,
    minutes,
    state,
)

_numbers = itertools.count()
_needs_the_emulator = pytest.mark.skipif(not emulators.available("firestore"), reason=emulators.missing("firestore"))


@_needs_the_emulator
@pytest.mark.usefixtures("firestore")
class TestFirestore(ActionsContract):
    @pytest.fixture
    def place(self) -> str:
        """A project of the test's own: the emulator keeps them apart."""
        return f"firestore:actions-{next(_numbers)}/(default)"


class Lossy(Database):
    """Each commit is sent again, as the client does where an answer is lost: its own writes are in its way then."""

    def commit(self, *writes: Any) -> Times:
        super().commit(*writes)
        return super().commit(*writes)


@pytest.fixture
def lossy(firestore: emulators.Emulator) -> Iterator[FirestoreActions]:
    assert firestore.process.poll() is None
    store = FirestoreActions(Lossy(f"lossy-actions-{next(_numbers)}", "(default)"))
    yield store
    store.close()


@_needs_the_emulator
def test_what_was_written_and_its_answer_lost_is_there_once_and_counts_as_done(lossy: FirestoreActions) -> None:
    for project in ("", "p"):
        lossy.set_brake(a_brake(project=project))
    lossy.set_brake(a_brake(on=False))
    assert [one.on for one in lossy.brakes()] == [True, True, False]
    key = kept(lossy.intend(an_intent(0), THREE)).intent.key
    assert lossy.send(key, NOW, "delete") is True
    assert lossy.send(key, NOW, "delete") is False
    # A lost answer of this one is not looked into: it may be "no" though it is done, and never the other way round.
    lossy.unsend(key, NOW, "", NOW)
    assert lossy.unsend(key, NOW, "", NOW) is False
    assert state(lossy, key) == ("intended", "held")
    assert lossy.send(key, NOW, "delete") is True
    lossy.settle(key, "unknown", "", NOW)
    lossy.settle(key, "deleted", "", NOW)
    found = lossy.intent(key)
    assert found is not None
    assert (found.state, len(found.steps)) == ("settled", 6)
    assert sum(isinstance(lossy.intend(an_intent(n), THREE), Intended) for n in range(1, 9)) == 2
    assert approved(lossy).by == "alice"
    assert lossy.use("b-1", key, NOW) is True
    assert lossy.use("b-1", "another", NOW) is False


class Breaking(Database):
    """Whose process ends before its n-th commit, as a kill would have it: nothing of that one is written."""

    left = 0

    def commit(self, *writes: Any) -> Times:
        self.left -= 1
        if self.left < 0:
            raise StoreError("the process has ended")
        return super().commit(*writes)


@_needs_the_emulator
def test_an_intent_and_its_counts_are_one_commit_so_that_none_is_there_without_the_other(
    firestore: emulators.Emulator,
) -> None:
    assert firestore.process.poll() is None
    database = Breaking(f"breaking-{next(_numbers)}", "(default)")
    actions = FirestoreActions(database)
    for n in range(5):
        database.left = 0
        with pytest.raises(StoreError):
            actions.intend(an_intent(n), THREE)
        assert actions.intents() == ()
    database.left = 3
    assert [isinstance(actions.intend(an_intent(n), THREE), Intended) for n in range(4)] == [True, True, True, False]
    assert database.left == 0


class Watching(Database):
    """Which documents were made, and which were changed."""

    def commit(self, *writes: Any) -> Times:
        times = super().commit(*writes)
        for write in writes:
            assert not isinstance(write, Add | Delete)
            self.seen.append((type(write), write.path))
        return times

    seen: list[tuple[type, tuple[str, ...]]] = []  # noqa: RUF012 - one test alone has this class


@_needs_the_emulator
def test_the_past_is_made_and_never_changed_and_nothing_is_removed(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Watching(f"watching-{next(_numbers)}", "(default)")
    actions = FirestoreActions(database)
    for on in (True, False):
        actions.set_brake(a_brake(on=on))
    for n in range(2):
        kept(actions.intend(an_intent(n), THREE))
        actions.send(an_intent(n).key, NOW, "delete")
        actions.settle(an_intent(n).key, "deleted", "404", NOW)
    approved(actions)
    actions.use("b-1", "k", NOW)
    past = [(how, path) for how, path in database.seen if path[0] == "brake_acts" or path[-2] in {"steps", "acts"}]
    assert len(past) == len(set(past)) == 2 + 6 + 2
    assert {how for how, _ in past} == {Create}
    assert {path[0] for how, path in database.seen if how is Change} == {"brakes", "intents", "limits", "approvals"}


@_needs_the_emulator
def test_times_before_those_that_decide_are_let_go(
    firestore: emulators.Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert firestore.process.poll() is None
    monkeypatch.setattr("responder.stores.actions_firestore._KEPT", 3)
    database = Database(f"times-{next(_numbers)}", "(default)")
    actions = FirestoreActions(database)
    for n in range(8):
        kept(actions.intend(an_intent(n, at=minutes(n * 25)), THREE))
    (path,) = [("limits", name) for name in _names(database, "limits")]
    row = database.get(path)
    assert row is not None
    assert len(row.data["at"]) == 3
    assert isinstance(actions.intend(an_intent(8, at=minutes(186)), THREE), Intended)
    assert actions.intend(an_intent(9, at=minutes(187)), THREE) == "project: 3 within 60 minutes"


def _names(database: Database, collection: str) -> list[str]:
    from responder.stores.firestore_queries import Query  # noqa: PLC0415 - this question is the test's alone

    return [row.id for row in database.ask(Query(collection=collection))]


@_needs_the_emulator
def test_a_document_that_cannot_be_read_is_a_store_error(firestore: emulators.Emulator) -> None:
    assert firestore.process.poll() is None
    database = Database(f"unreadable-{next(_numbers)}", "(default)")
    actions = FirestoreActions(database)
    actions.set_brake(a_brake())
    key = began(actions)
    actions.ask(a_question())
    for collection in ("brakes", "intents", "approvals"):
        (name,) = _names(database, collection)
        row = database.get((collection, name))
        assert row is not None
        database.commit(Change((collection, name), row, {"at": "no time"}))
    for ask, of in ((actions.brake, ""), (actions.intent, key), (actions.approval, "b-1")):
        with pytest.raises(StoreError, match="cannot be read"):
            ask(of)


@_needs_the_emulator
def test_a_settled_intent_is_not_written_to(lossy: FirestoreActions) -> None:
    key = began(lossy)
    lossy.settle(key, "failed", "refused", NOW)
    lossy.settle(key, "deleted", "404", NOW)
    assert state(lossy, key) == ("settled", "failed")
    with pytest.raises(StoreError, match="no intent"):
        lossy.settle("x", "deleted", "", NOW)


def test_no_query_needs_an_index_of_ours() -> None:
    assert [query for query in QUERIES if query.index() is not None] == []


def test_a_store_that_cannot_be_reached_is_a_store_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    actions = FirestoreActions(ActionsDatabase("gone", "actions"))
    with pytest.raises(StoreError, match="the action store firestore:gone/actions failed: read: UNAVAILABLE"):
        actions.brake("p")
    actions.close()


def test_a_database_is_opened_by_its_name_and_not_asked_anything() -> None:
    store = opened_actions("firestore:acme-sec/actions")
    assert isinstance(store, FirestoreActions)
    assert str(store._database) == "the action store firestore:acme-sec/actions"
