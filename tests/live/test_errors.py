"""What each exception of each SDK means for the record."""

from __future__ import annotations

import importlib
import json
import socket
import ssl
from typing import Any

import google.api_core.exceptions
import google.auth.exceptions
import grpc
import pydantic
import pytest
import requests
import urllib3
from kubernetes.client.exceptions import ApiException
from requests import exceptions as http

from responder.errors import Unanswered
from responder.live import _errors
from responder.live._reply import WrongFormError

# Their constructors have no types.
api: Any = google.api_core.exceptions
auth: Any = google.auth.exceptions
CANARY = "Bearer ya29.canary"
CODES: list[tuple[Any, str]] = [
    (api.Cancelled, "unavailable"),
    (api.Unknown, "unavailable"),
    (api.InvalidArgument, "broken"),
    (api.DeadlineExceeded, "timeout"),
    (api.NotFound, "not_found"),
    (api.AlreadyExists, "broken"),
    (api.PermissionDenied, "denied"),
    (api.ResourceExhausted, "quota"),
    (api.FailedPrecondition, "broken"),
    (api.Aborted, "unavailable"),
    (api.OutOfRange, "broken"),
    (api.MethodNotImplemented, "broken"),
    (api.InternalServerError, "unavailable"),
    (api.ServiceUnavailable, "unavailable"),
    (api.DataLoss, "unavailable"),
    (api.Unauthenticated, "denied"),
]
POOL: Any = urllib3.HTTPSConnectionPool("127.0.0.1")


class RpcFailure(grpc.RpcError):  # type: ignore[misc] # grpc ships no types
    """What a channel raises: an RpcError that is a Call, too."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__(CANARY)
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


def validation_error() -> Exception:
    try:
        pydantic.TypeAdapter(int).validate_python(CANARY)
    except pydantic.ValidationError as error:
        return error
    raise AssertionError


def refresh_error(*, retryable: bool) -> Exception:
    error: Exception = auth.RefreshError(CANARY, retryable=retryable)
    return error


def asked(error: BaseException) -> Unanswered:
    with pytest.raises(Unanswered) as caught, _errors.Asking("get pods shop/web", mend="grant it"):
        raise error
    return caught.value


@pytest.mark.parametrize(("kind", "why"), CODES, ids=lambda value: getattr(value, "__name__", value))
def test_a_canonical_code_means_the_same_from_gapic_and_from_grpc(kind: Any, why: str) -> None:
    error = kind(CANARY)
    code = kind.grpc_status_code
    assert code is not None
    for told in (asked(error), asked(RpcFailure(code))):
        assert (told.why, told.detail) == (why, f"get pods shop/web: {code.name}")
    assert len(CODES) == len(_errors.STATUSES)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (api.RetryError(CANARY, cause=None), "timeout"),
        (api.RetryError(CANARY, cause=api.ServiceUnavailable(CANARY)), "unavailable"),
        (api.RetryError(CANARY, cause=api.ResourceExhausted(CANARY)), "quota"),
        (api.RetryError(CANARY, cause=KeyError(CANARY)), "timeout"),
        (api.TooManyRequests(CANARY), "quota"),
        (api.BadGateway(CANARY), "unavailable"),
        (api.Forbidden(CANARY), "denied"),
        (api.InternalServerError(_errors.UNDECODED), "broken"),
        (auth.DefaultCredentialsError(CANARY), "denied"),
        (refresh_error(retryable=False), "denied"),
        (refresh_error(retryable=True), "unavailable"),
        (auth.TimeoutError(CANARY), "timeout"),
        (auth.TransportError(CANARY), "unavailable"),
        (auth.GoogleAuthError(CANARY), "denied"),
        (http.ConnectTimeout(CANARY), "timeout"),
        (http.ReadTimeout(CANARY), "timeout"),
        (http.SSLError(CANARY), "broken"),
        (http.TooManyRedirects(CANARY), "broken"),
        (http.JSONDecodeError(CANARY, CANARY, 0), "broken"),
        (http.ConnectionError(CANARY), "unavailable"),
        (http.ChunkedEncodingError(CANARY), "unavailable"),
        (urllib3.exceptions.MaxRetryError(POOL, CANARY, urllib3.exceptions.SSLError(CANARY)), "broken"),
        (urllib3.exceptions.MaxRetryError(POOL, CANARY, urllib3.exceptions.ConnectTimeoutError(CANARY)), "timeout"),
        (urllib3.exceptions.MaxRetryError(POOL, CANARY, None), "unavailable"),
        (urllib3.exceptions.ReadTimeoutError(POOL, CANARY, CANARY), "timeout"),
        (urllib3.exceptions.NewConnectionError(POOL, CANARY), "unavailable"),
        (urllib3.exceptions.ProtocolError(CANARY), "unavailable"),
        (urllib3.exceptions.LocationParseError(CANARY), "broken"),
        (ApiException(status=0, reason=CANARY), "broken"),
        (ApiException(status=403, reason=CANARY), "denied"),
        (ApiException(status=503, reason=CANARY), "unavailable"),
        (json.JSONDecodeError(CANARY, CANARY, 0), "broken"),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY), "broken"),
        (OverflowError(CANARY), "broken"),
        (RecursionError(CANARY), "broken"),
        (validation_error(), "broken"),
        (WrongFormError("spec.containers"), "broken"),
        (ssl.SSLError(CANARY), "broken"),
        (TimeoutError(CANARY), "timeout"),
        (ConnectionResetError(CANARY), "unavailable"),
        (socket.gaierror(CANARY), "unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_an_exception_becomes_a_reason_without_a_word_of_its_text(error: Exception, why: str) -> None:
    told = asked(error)
    assert told.why == why
    assert "canary" not in f"{told} {told.detail} {told.mend}"
    # A traceback prints neither the cause nor the context.
    assert told.__suppress_context__
    assert told.__cause__ is None


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (302, "broken"),
        (400, "broken"),
        (401, "denied"),
        (403, "denied"),
        (404, "not_found"),
        (408, "timeout"),
        (409, "broken"),
        (410, "not_found"),
        (429, "quota"),
        (499, "unavailable"),
        (500, "unavailable"),
        (501, "broken"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "timeout"),
        (599, "unavailable"),
    ],
)
def test_an_http_status_becomes_a_reason(code: int, why: str) -> None:
    told = _errors.of_status(code, what="get pods", mend="grant it")
    assert told.why == why
    assert told.mend == ("grant it" if why == "denied" else "")


def test_a_denied_answer_names_the_grant_and_no_other_does() -> None:
    assert asked(api.PermissionDenied(CANARY)).mend == "grant it"
    assert asked(api.NotFound(CANARY)).mend == ""
    assert "gcloud auth" in asked(api.Unauthenticated(CANARY)).mend


def test_a_bug_is_not_taken_for_an_answer() -> None:
    with pytest.raises(KeyError), _errors.Asking("get pods", mend=""):
        raise KeyError(CANARY)


def test_an_answer_that_was_already_translated_is_left_alone() -> None:
    with pytest.raises(Unanswered) as caught, _errors.Asking("get pods", mend=""):
        raise Unanswered("invalid", "its own words")
    assert caught.value.detail == "its own words"


@pytest.mark.parametrize("name", sorted({*_errors.CLASSES, *_errors._WRAPPED, *_errors._CODED}))
def test_every_class_that_the_table_names_exists(name: str) -> None:
    module, _, cls = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), cls), BaseException)


def test_requests_own_timeouts_are_told_apart_from_its_connection_errors() -> None:
    assert issubclass(http.ConnectTimeout, requests.ConnectionError)
    assert asked(http.ConnectTimeout()).why == "timeout"
