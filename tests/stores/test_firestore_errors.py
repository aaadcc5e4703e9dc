"""What Google's client raises becomes a sentence of ours, row by row."""

from __future__ import annotations

import traceback
from typing import Any

import grpc
import pytest
from google.api_core import exceptions as google_exceptions
from google.auth import exceptions as auth_exceptions

from responder.errors import StoreDenied, StoreError
from responder.stores.firestore_calls import Conflict, Database
from responder.stores.firestore_errors import MEND, is_conflict, is_passing, said

exceptions: Any = google_exceptions  # they ship no types
auth: Any = auth_exceptions  # the same
SECRET = "Bearer ya29.secret"

ROWS = [
    # exception, what is said, whether it is tried again, whether it is a conflict
    (exceptions.Cancelled(SECRET), "CANCELLED", True, False),
    (exceptions.Unknown(SECRET), "UNKNOWN", True, False),
    (exceptions.InvalidArgument(SECRET), "INVALID_ARGUMENT", False, False),
    (exceptions.DeadlineExceeded(SECRET), "DEADLINE_EXCEEDED", True, False),
    (exceptions.NotFound(SECRET), f"NOT_FOUND: {MEND['NOT_FOUND']}", False, False),
    (exceptions.AlreadyExists(SECRET), "ALREADY_EXISTS", False, True),
    (exceptions.PermissionDenied(SECRET), f"PERMISSION_DENIED: {MEND['PERMISSION_DENIED']}", False, False),
    (exceptions.ResourceExhausted(SECRET), "RESOURCE_EXHAUSTED", True, False),
    (exceptions.FailedPrecondition(SECRET), f"FAILED_PRECONDITION: {MEND['FAILED_PRECONDITION']}", False, True),
    (exceptions.Aborted(SECRET), "ABORTED", True, False),
    (exceptions.OutOfRange(SECRET), "OUT_OF_RANGE", False, False),
    (exceptions.MethodNotImplemented(SECRET), "UNIMPLEMENTED", False, False),
    (exceptions.InternalServerError(SECRET), "INTERNAL", True, False),
    (exceptions.ServiceUnavailable(SECRET), "UNAVAILABLE", True, False),
    (exceptions.DataLoss(SECRET), "DATA_LOSS", False, False),
    (exceptions.Unauthenticated(SECRET), f"UNAUTHENTICATED: {MEND['UNAUTHENTICATED']}", False, False),
    (exceptions.RetryError(SECRET, exceptions.ServiceUnavailable(SECRET)), "UNAVAILABLE", False, False),
    (exceptions.RetryError(SECRET, None), "RetryError", False, False),
    (auth.DefaultCredentialsError(SECRET), f"there are no credentials: {MEND['UNAUTHENTICATED']}", False, False),
    (auth.RefreshError(SECRET), f"the credentials were refused: {MEND['UNAUTHENTICATED']}", False, False),
    (auth.TransportError(SECRET), "the token service could not be reached", True, False),
    (TimeoutError(SECRET), "no answer in time", True, False),
    (ConnectionResetError(SECRET), "the connection failed", True, False),
    (ValueError("Failed to commit transaction in 5 attempts."), "ABORTED", True, False),
]


@pytest.mark.parametrize(("error", "text", "passing", "conflict"), ROWS, ids=[type(row[0]).__name__ for row in ROWS])
def test_each_exception_is_told_in_our_words(error: Exception, text: str, passing: bool, conflict: bool) -> None:
    assert (said(error), is_passing(error), is_conflict(error)) == (text, passing, conflict)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_of_grpc_is_told(code: grpc.StatusCode) -> None:
    told = said(exceptions.from_grpc_status(code, SECRET))
    assert told is not None
    assert SECRET not in told


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x"), AssertionError("x")])
def test_a_bug_is_seen_as_one(error: Exception) -> None:
    assert said(error) is None
    assert not is_passing(error)


def test_what_may_pass_is_tried_again_and_what_may_not_is_said_without_a_word_of_the_reply() -> None:
    database = Database("acme", "(default)")
    left = [exceptions.ServiceUnavailable(SECRET)] * 2

    def call() -> str:
        if left:
            raise left.pop()
        return "answer"

    assert database._call("query", call) == "answer"

    def denied() -> None:
        raise exceptions.PermissionDenied(SECRET)

    with pytest.raises(StoreDenied, match=r"^the record store firestore:acme/\(default\) failed: read: PERM") as caught:
        database._call("read", denied)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_failed_precondition_is_a_conflict_of_a_commit_and_a_missing_index_of_a_query() -> None:
    def call() -> None:
        raise exceptions.FailedPrecondition(SECRET)

    with pytest.raises(Conflict):
        Database("p", "d")._call("commit", call, conflicts=True)
    with pytest.raises(StoreError, match=r"firestore\.indexes\.json"):
        Database("p", "d")._call("query", call)


def test_a_change_that_is_always_overtaken_ends_with_a_store_error() -> None:
    waited: list[float] = []
    with pytest.raises(StoreError, match="too many write record r at once"):
        list(Database("p", "d", sleep=waited.append).rounds("record r"))
    assert 5 < sum(waited) < 60
