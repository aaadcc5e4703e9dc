"""The Cloud Run functions: decorated, without logic."""

from __future__ import annotations

import gc

import flask
import functions_framework
from cloudevents.http import CloudEvent

from responder import intake, summoned, sweeping


@functions_framework.cloud_event
def respond(event: CloudEvent) -> None:
    """One Pub/Sub message with one SCC notification. Returning acknowledges it; raising has it delivered again."""
    intake.receive(event, flask.request.headers)


@functions_framework.http
def sweep(request: flask.Request) -> sweeping.Reply:
    """Once a minute, by Cloud Scheduler: go on with what was left, ask anew, look again, find what never came."""
    return sweeping.answer(request.headers)


@functions_framework.cloud_event
def act(event: CloudEvent) -> None:
    """One message of the action topic with the id of a record: capture and answer, where its project opted in."""
    summoned.receive(event, flask.request.headers)


# What was imported lives as long as the process: the collector need not walk through it again and again.
gc.freeze()
