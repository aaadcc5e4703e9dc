"""What an exception of Google's client means for the record store. Touches nothing.

Classes are named by their full names and looked up along the exception's MRO, so that no SDK is imported for it.
Whatever is not told apart here is a bug of ours and goes on as it is. Nothing of a reply's text is repeated.
"""

from __future__ import annotations

from typing import Final

PASSING: Final = frozenset(
    {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNAVAILABLE"}
)
"""Canonical codes worth another try: https://cloud.google.com/firestore/docs/understand-error-codes."""

CONFLICTS: Final = frozenset({"ALREADY_EXISTS", "FAILED_PRECONDITION"})
"""Those with which a commit says that a precondition does not hold."""

MEND: Final = {
    # What a person can do about a code; the rest pass by themselves or are ours.
    "PERMISSION_DENIED": "grant the responder roles/datastore.user",
    "UNAUTHENTICATED": "give the responder credentials: its service account, or gcloud auth application-default login",
    "NOT_FOUND": "make the database: gcloud firestore databases create",
    "FAILED_PRECONDITION": "make the indexes of deploy/firestore.indexes.json, and the database in native mode",
}

CLASSES: Final = {
    # name of the class: (what happened, whether another try may help). The first that is met along the MRO counts.
    "google.auth.exceptions.DefaultCredentialsError": (f"there are no credentials: {MEND['UNAUTHENTICATED']}", False),
    "google.auth.exceptions.RefreshError": (f"the credentials were refused: {MEND['UNAUTHENTICATED']}", False),
    "google.auth.exceptions.TransportError": ("the token service could not be reached", True),
    "google.auth.exceptions.GoogleAuthError": (f"the credentials cannot be used: {MEND['UNAUTHENTICATED']}", False),
    "builtins.TimeoutError": ("no answer in time", True),
    "builtins.ConnectionError": ("the connection failed", True),
}

_TRANSACTION: Final = "Failed to commit transaction"
"""How the client's transactions end under contention: in a ValueError with this text, which is no class of Google's."""


def code(error: BaseException) -> str:
    """The canonical code of an exception of google.api_core or gRPC; empty where it has none."""
    found = getattr(error, "grpc_status_code", None)
    if found is None:
        own = getattr(error, "code", None)
        found = own() if callable(own) else None
    name = getattr(found, "name", "")
    return name if isinstance(name, str) else ""


def is_passing(error: BaseException) -> bool:
    """Whether the same call may be answered in a moment."""
    row = _row(error)
    return code(error) in PASSING or _is_transaction(error) or bool(row and row[1])


def is_conflict(error: BaseException) -> bool:
    """Whether a commit was refused since somebody else wrote first."""
    return code(error) in CONFLICTS


def said(error: BaseException) -> str | None:
    """What happened, in words of ours; None where the exception is none of Google's: then it is a bug."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception) and (told := said(cause)):  # of RetryError
        return told
    name = code(error)
    if name:
        return f"{name}: {MEND[name]}" if name in MEND else name
    row = _row(error)
    if row is not None:
        return row[0]
    if _is_transaction(error):
        return "ABORTED"
    names = _names(error)
    return (
        names[0].rpartition(".")[2] if any(name.startswith("google.api_core.exceptions.") for name in names) else None
    )


def _row(error: BaseException) -> tuple[str, bool] | None:
    return next((CLASSES[name] for name in _names(error) if name in CLASSES), None)


def _names(error: BaseException) -> list[str]:
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]


def _is_transaction(error: BaseException) -> bool:
    return isinstance(error, ValueError) and _TRANSACTION in str(error)
