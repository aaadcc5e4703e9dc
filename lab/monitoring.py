"""Review, the lab's side: Cloud Monitoring v3, of which the lab has one metric, the backlog of a subscription.

The number is that of the Pub/Sub beside the lab where it tells one (`Lab.backlog`), else the scenario's. As in Google's
it stands at the last full minute, and what is not known there has no series at all.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import grpc
from aiohttp import web

from lab.answers import ApiError, fail, invalid, permission
from lab.estate import Estate
from lab.state import FaultError, Lab

METRIC: Final = "pubsub.googleapis.com/subscription/num_undelivered_messages"
NEEDED: Final = "monitoring.timeSeries.list"
_PART: Final = re.compile(r'\s*([a-z_.]+)\s*=\s*"([^"\\]*)"\s*')


class Monitoring:
    """`projects.timeSeries.list`."""

    def __init__(self, lab: Lab, estate: Estate) -> None:
        self._lab = lab
        self._estate = estate

    async def time_series(self, request: web.Request) -> web.Response:
        """The one series that fits; raw points, newest first."""
        project = request.match_info["project"]
        self._lab.write("monitoring.ListTimeSeries", path=request.path, query=request.query_string)
        denied = permission(NEEDED, f"projects/{project}")
        try:
            await self._lab.fault("monitoring.ListTimeSeries", request.query.get("filter", ""))
        except FaultError as fault:
            if fault.kind == "empty_page":
                return web.json_response({"unit": "1", "nextPageToken": "more"})
            missing = f"Requested entity was not found: {request.path}."
            raise fail(fault, denied=denied, missing=missing, quota="service 'monitoring.googleapis.com'") from fault
        self._estate.require(request, NEEDED, f"projects/{project}")
        self._known(project, denied)
        start, end = (_time(request, name) for name in ("startTime", "endTime"))
        wanted = _filter(request.query.get("filter", ""))
        if wanted.pop("metric.type") != METRIC or wanted.get("resource.labels.project_id", project) != project:
            return web.json_response({"unit": "1"})
        name = wanted.get("resource.labels.subscription_id", "")
        count = self._lab.waiting(f"projects/{project}/subscriptions/{name}")
        at = self._lab.now().replace(second=0, microsecond=0)
        if count is None or not start <= at <= end:
            return web.json_response({"unit": "1"})
        moment = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        labels = {"project_id": project, "subscription_id": name}
        point = {"interval": {"startTime": moment, "endTime": moment}, "value": {"int64Value": str(count)}}
        series = {
            "metric": {"type": METRIC},
            "resource": {"type": "pubsub_subscription", "labels": labels},
            "metricKind": "GAUGE",
            "valueType": "INT64",
            "points": [point],
        }
        return web.json_response({"timeSeries": [series], "unit": "1"})

    def _known(self, project: str, denied: str) -> None:
        plan = self._lab.scenario.deployment
        known = {one.id for one in self._lab.scenario.projects} | ({plan.project} if plan else set())
        if project not in known:
            raise ApiError(grpc.StatusCode.PERMISSION_DENIED, denied)


def _time(request: web.Request, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(request.query[f"interval.{name}"])
    except (KeyError, ValueError) as error:
        message = f"Field interval.{name} had an invalid value."
        raise invalid(message) from error
    if found.tzinfo is None:
        message = f"Field interval.{name} had an invalid value: it has no zone."
        raise invalid(message)
    return found


def _filter(text: str) -> dict[str, str]:
    """`KEY="TEXT" AND …`, of which the lab knows three keys; one metric type must be among them."""
    parts = [_PART.fullmatch(part) for part in text.split(" AND ")]
    found = {part[1]: part[2] for part in parts if part}
    known = {"metric.type", "resource.type", "resource.labels.project_id", "resource.labels.subscription_id"}
    if None in parts or len(found) != len(parts) or not set(found) <= known or "metric.type" not in found:
        message = "Field filter had an invalid value: it must specify a single metric type."
        raise invalid(message)
    return found
