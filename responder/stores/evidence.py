"""Step 5: opens the evidence store that the setting names. Nothing is asked of it yet."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from responder.errors import SettingsError
from responder.stores.evidence_folder import FolderEvidence

if TYPE_CHECKING:
    from responder.ports import EvidenceStore

_BUCKET: Final = "gs://"


def opened_evidence(place: str) -> EvidenceStore:
    """`gs://BUCKET[/PREFIX]`, or the path of a folder. SettingsError where the extra is missing."""
    if not place.startswith(_BUCKET):
        return FolderEvidence(Path(place))
    if importlib.util.find_spec("google.cloud.storage") is None:
        raise SettingsError(
            f"RESPONDER_EVIDENCE is {place!r}, and google-cloud-storage is not installed: pip install '.[storage]'"
        )
    from google.cloud.storage import Client  # noqa: PLC0415 - an extra: a folder does without

    from responder.stores.evidence_gcs import BucketEvidence  # noqa: PLC0415 - the same

    bucket, _, prefix = place.removeprefix(_BUCKET).partition("/")
    return BucketEvidence(Client(), bucket, prefix)
