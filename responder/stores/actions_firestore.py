"""Step 7, between steps: brakes, intents, limits and approvals in a Firestore database of their own, and that alone.

Apart from the records' database, which `respond` and `sweep` write. What lies where::

    brakes/{hash of the project}       whether it is pulled now
    brake_acts/{hash}-{n}              an act on it; made once, never changed
    intents/{hash of the key}          the head: what is about to be done, and its state
    intents/{hash}/steps/{n}           a step that it took; made once, never changed
    workloads/{hash of the workload}   key of the intent of its that was kept last: at most this one is open
    limits/{hash of the scope}         when the latest intents of a project, namespace or workload were kept
    approvals/{hash of the binding}    a question, its answer, and what it was spent on
    approvals/{hash}/acts/{n}          an answer, or its use; made once, never changed

No transaction: every change is one commit whose preconditions the server checks. An intent and the count of all of its
limits are in the same commit, so that a killed process leaves both or neither, and there is nothing to give back.
Each query here is answered by the indexes that Firestore makes by itself: the database needs none of ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from responder.errors import StoreError
from responder.ports import ANOTHER_IS_OPEN, SAME_WAS_SENT
from responder.record import FINAL
from responder.stores import actions_words as words
from responder.stores.firestore_calls import Asked, Change, Conflict, Create, Database, Path, Row, Write
from responder.stores.firestore_queries import Query
from responder.stores.words import clean, name_of, shifted, short, stamp

if TYPE_CHECKING:
    from responder.ports import Approval, Brake, Intended, Intent, Limit
    from responder.record import Method

PERMISSIONS: Final = (
    "datastore.entities.create",
    "datastore.entities.get",
    "datastore.entities.list",
    "datastore.entities.update",
)
"""As the records' store, but for deleting: nothing here is ever removed."""
ROLE: Final = "actions"

BRAKE_ACTS: Final = Query(collection="brake_acts")
ANSWERS: Final = Query(collection="intents", equal=("answers",), fields=("key", "sent_at"))
LATEST: Final = Query(collection="intents", order=(("at", "DESCENDING"),))
LATEST_OF: Final = Query(collection="intents", order=(("project_at", "DESCENDING"),))
"""Of one project: `project_at` is a hash of it and the time, so that one field is both ranged and sorted."""
OF_RECORD: Final = Query(collection="intents", equal=("record_id",))
WAITING: Final = Query(collection="approvals", order=(("waits_until", "ASCENDING"),))
"""`waits_until` is empty once a question is answered, so that one field is ranged and tells the state too."""
WAITING_OF: Final = Query(collection="approvals", equal=("state", "record_id"))
QUERIES: Final = (BRAKE_ACTS, ANSWERS, LATEST, LATEST_OF, OF_RECORD, WAITING, WAITING_OF)
"""All of them; none needs a composite index."""

_KEPT: Final = 1_000
"""Times of a scope that are kept at least; those before the latest `most` decide nothing."""


def _new_name() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class ActionsDatabase(Database):
    """The second database, under its own name in what is said of it."""

    def __str__(self) -> str:
        return f"the action store firestore:{self.project}/{self.database}"


class FirestoreActions:
    """`ports.Actions` over a database. Nothing is opened before the first call; `new_name` names each write."""

    def __init__(self, database: Database, *, new_name: Callable[[], str] = _new_name) -> None:
        self._database = database
        self._new_name = new_name

    # --- the brake ----------------------------------------------------------------------------------------------------

    def brake(self, project: str) -> Brake | None:
        """The brake that is on for this project (the one for all goes first), or None where none is."""
        paths = [("brakes", name_of(one)) for one in ("", project)]
        rows = self._database.get_all(paths)
        found = [words.brake_of(rows[path].data) for path in paths if path in rows]
        return next((brake for brake in found if brake.on), None)

    def set_brake(self, brake: Brake) -> None:
        """Pull or let go; who, when and why stay in the history."""
        name, mark, act = name_of(brake.project), self._new_name(), words.written(brake)
        path = ("brakes", name)
        for _ in self._database.rounds("a brake"):
            head = self._database.get(path)
            if head is not None and head.data["written"] == mark:  # by an attempt whose answer was lost
                return
            acts = head.data["acts"] + 1 if head else 1
            data = {**act, "acts": acts, "written": mark}
            put: Write = Change(path, head, data) if head else Create(path, data)
            if self._commit(put, Create(("brake_acts", f"{name}-{_number(acts)}"), {**act, "n": acts})):
                return

    def brakes(self) -> tuple[Brake, ...]:
        """Every act on a brake, oldest first."""
        rows = sorted(self._database.ask(BRAKE_ACTS), key=lambda row: (row.created, row.data["n"]))
        return tuple(words.brake_of(row.data) for row in rows)

    # --- intents ------------------------------------------------------------------------------------------------------

    def intend(self, intent: Intent, limits: Sequence[Limit]) -> Intended | str:
        """Keep the intent once, in one commit with the count of its limits: the intent, or why it is not kept."""
        path, at = _intent_path(intent.key), stamp(intent.at)
        head = {
            **words.written(intent),
            "project_at": f"{name_of(intent.project)}/{at}",
            "state": "intended",
            "outcome": "",
            "steps": 1,
            "written": "",
        }
        own = (Create(path, head), Create((*path, "steps", _number(1)), {"step": words.intended_step(intent)}))
        for _ in self._database.rounds("a limit"):
            found = self.intent(intent.key)
            if found is not None:
                return found
            turn = self._turn(intent)
            if self.answered(intent.workload, intent.image_digest):
                return SAME_WAS_SENT
            counts = self._counts(intent, limits)
            if isinstance(counts, str):
                return counts
            if turn is None:
                return ANOTHER_IS_OPEN
            if self._commit(*own, *counts, turn):
                return self._there(intent.key)
        raise AssertionError  # unreachable: `rounds` raises StoreError

    def _turn(self, intent: Intent) -> Write | None:
        """What makes this intent the last of its workload; None where the one that is the last now is open.

        Read before it is asked what was sent: whoever intends in between makes the commit fail.
        """
        path = ("workloads", name_of(intent.project, intent.workload))
        row, key = self._database.get(path), clean(intent.key)
        if row is None:
            return Create(path, {"key": key})
        last = self._database.get(_intent_path(row.data["key"]))
        if words.is_open(last.data if last else None, intent.key, intent.at):
            return None
        return Change(path, row, {"key": key})

    def _counts(self, intent: Intent, limits: Sequence[Limit]) -> list[Write] | str:
        """What keeps the intent's time in each of its scopes, or which limit is used up."""
        paths = {("limits", name_of(*words.scope_of(intent, limit))): limit for limit in limits}
        rows = self._database.get_all(paths)
        for limit in limits:
            row = rows.get(("limits", name_of(*words.scope_of(intent, limit))))
            since = shifted(intent.at, -limit.within)
            # Those of clocks that are ahead count too: `at` is whatever the instance took for the time.
            if sum(at > since for at in (row.data["at"] if row else ())) >= limit.most:
                return words.used_up(limit)
        kept = max((_KEPT, *(limit.most for limit in limits)))
        return [_timed(path, rows.get(path), stamp(intent.at), kept) for path in paths]

    def intent(self, key: str) -> Intended | None:
        """The intent of a pod, if there is one."""
        head = self._database.get(_intent_path(key))
        return None if head is None else self._whole([head])[0]

    def send(self, key: str, now: datetime, method: Method, approval: str = "") -> bool:
        """`intended` becomes `sent`: True for the one caller that may send the request, False for every other."""
        path, mark = _intent_path(key), self._new_name()
        for _ in self._database.rounds("an intent"):
            head = self._database.get(path)
            if head is None or head.data["state"] != "intended":
                return head is not None and bool(head.data["written"] == mark)  # by an attempt whose answer was lost
            answers = name_of(head.data["workload"], head.data["image_digest"])
            data = {"state": "sent", "answers": answers, "sent_at": stamp(now), "written": mark}
            data |= {"sent_method": clean(method), "sent_approval": clean(approval)}
            if self._commit(*_stepped(path, head, data, words.sent_step(method, now))):
                return True
        raise AssertionError  # unreachable: `rounds` raises StoreError

    def unsend(self, key: str, sent_at: datetime, why: str, now: datetime) -> bool:
        """What this very caller sent at `sent_at` becomes `intended`; False where another did, or it is settled.

        One commit, not tried again: what somebody wrote meanwhile was seen of a request that had left.
        """
        path = _intent_path(key)
        head = self._database.get(path)
        if head is None or (head.data["state"], head.data.get("sent_at")) != ("sent", stamp(sent_at)):
            return False
        data = {"state": "intended", "outcome": "held", "answers": "", "sent_at": "", "written": self._new_name()}
        return self._commit(*_stepped(path, head, data, words.unsent_step(now, why)))

    def settle(self, key: str, outcome: str, detail: str, now: datetime) -> None:
        """What was seen; nothing is written to one that is settled. StoreError where there is no such intent."""
        path, mark = _intent_path(key), self._new_name()
        for _ in self._database.rounds("an intent"):
            head = self._database.get(path)
            if head is None:
                raise _no_intent()
            if head.data["state"] == "settled" or head.data["written"] == mark:
                return
            state = "settled" if outcome in FINAL else head.data["state"]
            data = {"state": state, "outcome": short(outcome), "written": mark}
            if state == "settled" and outcome in words.NOTHING_WAS_DONE:
                data["answers"] = ""
            if self._commit(*_stepped(path, head, data, words.seen_step(state, outcome, detail, now))):
                return

    def answered(self, workload: str, image_digest: str) -> str:
        """Key of the first intent that was sent for this workload with this image, empty where there is none."""
        rows = self._database.ask(ANSWERS, Asked(equal=(name_of(workload, image_digest),)))
        first = min(rows, key=lambda row: (row.data["sent_at"], row.id), default=None)
        return "" if first is None else str(first.data["key"])

    def intents(self, project: str = "", limit: int = 100) -> tuple[Intended, ...]:
        """The latest, newest first."""
        if limit <= 0:
            return ()
        if not project:
            return self._whole(self._database.ask(LATEST, Asked(limit=limit)))
        name = name_of(project)
        # "0" follows "/": between the two is every time of this project.
        asked = Asked(at_least=f"{name}/", below=f"{name}0", limit=limit)
        return self._whole(self._database.ask(LATEST_OF, asked))

    def of_record(self, record_id: str) -> tuple[Intended, ...]:
        """Those of a record, oldest first: a handful."""
        found = self._whole(self._database.ask(OF_RECORD, Asked(equal=(clean(record_id),))))
        return tuple(sorted(found, key=lambda one: one.intent.at))

    def _whole(self, heads: Iterable[Row]) -> tuple[Intended, ...]:
        """Intents with their steps, read in one call."""
        wanted = [(head, _step_paths(head)) for head in heads]
        rows = self._database.get_all(path for _, paths in wanted for path in paths)
        try:
            return tuple(
                words.intended_of(head.data, [rows[path].data["step"] for path in paths]) for head, paths in wanted
            )
        except KeyError:
            message = f"{self._database} failed: a step of an intent is not there"
            raise StoreError(message) from None

    def _there(self, key: str) -> Intended:
        found = self.intent(key)
        if found is None:
            raise _no_intent()
        return found

    # --- approvals ----------------------------------------------------------------------------------------------------

    def ask(self, approval: Approval) -> Approval:
        """Keep the question once, waiting; the one that is there with this binding is returned as it stands."""
        kept = words.asked(approval)
        made = {**kept, "waits_until": kept["until"], "used_by": "", "acts": 0, "written": ""}
        self._commit(Create(_approval_path(approval.binding), made))
        found = self.approval(approval.binding)
        if found is None:
            message = f"{self._database} failed: an approval that was asked for is not there"
            raise StoreError(message)
        return found

    def approval(self, binding: str) -> Approval | None:
        """The question with this binding."""
        row = self._database.get(_approval_path(binding))
        return None if row is None else words.approval_of(row.data)

    def waiting(self, now: datetime, record_id: str = "") -> tuple[Approval, ...]:
        """Questions that nobody answered: those that are open, then those that ran out within a day; oldest first."""
        if record_id:
            rows = self._database.ask(WAITING_OF, Asked(equal=("waiting", clean(record_id))))
        else:
            rows = self._database.ask(WAITING, Asked(above=shifted(now, -words.EXPIRED)))
        return words.waiting((words.approval_of(row.data) for row in rows), now)

    def answer(self, binding: str, *, approve: bool, by: str, why: str, now: datetime) -> Approval:
        """Approve or reject; Refused where there is none, it was answered, or its time is over."""
        path, mark = _approval_path(binding), self._new_name()
        given = {"state": "approved" if approve else "rejected", "by": clean(by), "why": short(why), "at": stamp(now)}
        given["waits_until"] = ""
        for _ in self._database.rounds("an approval"):
            row = self._database.get(path)
            found = words.approval_of(row.data) if row else None
            if found is not None and row is not None and row.data["written"] == mark:  # its answer was lost
                return found
            words.may_answer(found, by, now)
            if row is not None and self._commit(*_acted(path, row, given, mark)):
                return words.approval_of(row.data | given)
        raise AssertionError  # unreachable: `rounds` raises StoreError

    def use(self, binding: str, key: str, now: datetime) -> bool:
        """Spend an approval on the intent `key`: True for the first time before `until`, and for that key again."""
        path, mark = _approval_path(binding), self._new_name()
        spent = {"state": "used", "used_by": clean(key), "used_at": stamp(now)}
        for _ in self._database.rounds("an approval"):
            row = self._database.get(path)
            if row is None:
                return False
            known = words.may_use(words.approval_of(row.data), row.data["used_by"], key, now)
            if known is not None:
                return known
            if self._commit(*_acted(path, row, spent, mark)):
                return True
        raise AssertionError  # unreachable: `rounds` raises StoreError

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._database.close()

    def _commit(self, *writes: Write) -> bool:
        """Write all, or nothing and False where somebody else wrote first, or this very commit did before."""
        try:
            self._database.commit(*writes)
        except Conflict:
            return False
        return True


def _intent_path(key: str) -> Path:
    return ("intents", name_of(key))


def _approval_path(binding: str) -> Path:
    return ("approvals", name_of(binding))


def _number(n: int) -> str:
    return f"{n:06}"


def _step_paths(head: Row) -> list[Path]:
    return [("intents", head.id, "steps", _number(n)) for n in range(1, head.data["steps"] + 1)]


def _stepped(path: Path, head: Row, data: dict[str, Any], step: str) -> tuple[Write, Write]:
    """A change of an intent's head, and the step that it is."""
    number = head.data["steps"] + 1
    return Change(path, head, {**data, "steps": number}), Create((*path, "steps", _number(number)), {"step": step})


def _acted(path: Path, row: Row, data: dict[str, Any], mark: str) -> tuple[Write, Write]:
    """A change of an approval, and the act that it is."""
    number = row.data["acts"] + 1
    head = Change(path, row, {**data, "acts": number, "written": mark})
    return head, Create((*path, "acts", _number(number)), data)


def _timed(path: Path, row: Row | None, at: str, kept: int) -> Write:
    """A scope's times with one more, the latest `kept` of them."""
    times = sorted([*(row.data["at"] if row else ()), at])[-kept:]
    return Change(path, row, {"at": times}) if row else Create(path, {"at": times})


def _no_intent() -> StoreError:
    return StoreError("there is no intent of this key")
