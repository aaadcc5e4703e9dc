"""What could point a client somewhere else is cleared before anything of ours is started."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CLEARED: Final = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "google_*",
    "gcloud_*",
    "cloudsdk_*",
    "kubeconfig",
    "*_emulator_host",
    "gce_metadata_*",
    "grpc_default_ssl_roots_file_path",
    "responder_*",
    "lab_*",
    "function_*",
    "k_service",
    "workers",
    "threads",
    "port",
)
"""Patterns of names, in lower case; both cases are cleared."""

KEPT: Final = ("LAB_KUBECONFIG", "LAB_KUBECONFIG_HOST")
"""What whoever starts us says on purpose: a real API server in the place of the lab's, by `lab.kubeconfig`'s rules."""


def cleaned(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would point a client elsewhere, and with this tree first on the path."""
    kept = {
        name: text
        for name, text in environ.items()
        if name in KEPT or not any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in CLEARED)
    }
    kept["PYTHONPATH"] = str(ROOT)
    return kept


def clean_this_process() -> None:
    """The same, for this process."""
    kept = cleaned(os.environ)
    for name in set(os.environ) - set(kept):
        del os.environ[name]
