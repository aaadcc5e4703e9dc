"""The function that everybody writes first, kept to show that the judge sees what is wrong with it. Never deployed.

No claims, the message acknowledged before anything is stored, one record a message, errors logged and forgotten.
"""

from __future__ import annotations

import base64
import logging
import os
import sqlite3
import threading
from pathlib import Path

import functions_framework
from cloudevents.http import CloudEvent

from lab.google import from_file
from lab.judge import Kept, KeptRecord
from responder import notification, wiring
from responder.evidence import Window
from responder.record import WINDOW

if "LAB_ENDPOINTS" in os.environ:
    _google = from_file(os.environ["LAB_ENDPOINTS"])
    wiring.install(_google, now=_google.now)


@functions_framework.cloud_event
def respond(event: CloudEvent) -> None:
    """Answer at once, so that Pub/Sub is content; the work is done in the background."""
    threading.Thread(target=_investigate, args=(event["id"], event.data["message"]["data"])).start()


def _investigate(message_id: str, data: str) -> None:
    try:
        finding = notification.read(base64.b64decode(data))
        if finding is None or finding.cluster is None:
            return
        world = wiring.world()
        window = Window(start=finding.event_time - WINDOW, end=finding.event_time + WINDOW)
        world.scc.around(finding, window)
        _, access = world.clusters.cluster(finding.cluster, event_time=finding.event_time)
        pod = world.connect(access).pod(finding.pods[0].namespace, finding.pods[0].name) if access else None
        with sqlite3.connect(os.environ["RESPONDER_STORE"], timeout=30) as store:
            store.execute("CREATE TABLE IF NOT EXISTS records (id, finding, pod)")
            store.execute("INSERT INTO records VALUES (?, ?, ?)", (message_id, finding.key, pod.name if pod else ""))
    except Exception:
        logging.getLogger(__name__).exception("could not investigate")


def kept_in(path: Path) -> Kept:
    """What is in its store, for the judge."""
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE IF NOT EXISTS records (id, finding, pod)")
        rows = store.execute("SELECT id, finding, pod FROM records").fetchall()
    records = tuple(
        KeptRecord(id=row[0], keys=frozenset({row[1]}), shown=1, finished=True, pod_found=row[2]) for row in rows
    )
    return Kept(records=records, rejected=frozenset())
