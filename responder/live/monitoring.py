"""Review: how many messages wait in a subscription, as Cloud Monitoring counts them. Reads only.

Pub/Sub itself tells no number. Its metric is sampled once a minute and seen up to two minutes later
(https://cloud.google.com/monitoring/api/metrics_gcp_p_z), so that a number has a time. A subscription that nobody uses
for long has no points at all, like one that does not exist: that is no zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from responder.errors import Unanswered
from responder.live import _reply
from responder.live._errors import Asking
from responder.live._rest import Rest
from responder.ports import Backlog
from responder.settings import SUBSCRIPTION

if TYPE_CHECKING:
    from responder.live.google import Google

PERMISSIONS: Final = ("monitoring.timeSeries.list",)
ROLE: Final = "metrics"
"""Of the review page alone."""

METRIC: Final = "pubsub.googleapis.com/subscription/num_undelivered_messages"
_COUNT: Final = re.compile(r"[0-9]{1,18}")
_BACK: Final = timedelta(minutes=10)
_AHEAD: Final = timedelta(minutes=2)
"""Clocks differ; a point beyond that is of no clock."""


class Monitoring:
    """Cloud Monitoring v3, `projects.timeSeries.list`. The session is made at the first question."""

    def __init__(self, google: Google) -> None:
        self._rest = Rest(google)

    def backlog(self, subscription: str, now: datetime) -> Backlog:
        """The newest count of the last ten minutes of `projects/P/subscriptions/S`; Unanswered where there is none.

        https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list
        """
        named = SUBSCRIPTION.fullmatch(subscription)
        if named is None:
            raise Unanswered("invalid", "not the name of a subscription")
        project, name = named.groups()
        asking = Asking(
            f"{PERMISSIONS[0]} on project {project}",
            mend=f"grant the review page's account {PERMISSIONS[0]} in project {project} (deploy/iam/metrics.yaml), and"
            " switch the API on: gcloud services enable monitoring.googleapis.com",
        )
        query = {
            # The project too: a project that others are monitored in has their series as well.
            "filter": f'metric.type="{METRIC}" AND resource.labels.project_id="{project}"'
            f' AND resource.labels.subscription_id="{name}"',
            "interval.startTime": _written(now - _BACK),
            "interval.endTime": _written(now),
        }
        reply = self._rest.ask("GET", "monitoring", f"/v3/projects/{project}/timeSeries", asking, params=query)
        with asking:
            return _newest(_series(reply, project, name, asking), now, asking)


def _series(reply: Mapping[str, Any], project: str, name: str, asking: Asking) -> Mapping[str, Any]:
    """The one series of that subscription."""
    if _reply.items(reply, "executionErrors") or _reply.text(reply, "nextPageToken"):
        raise asking.endless()
    found = _reply.items(reply, "timeSeries")
    if not found:
        raise Unanswered(
            "not_found",
            f"Cloud Monitoring has no count of {name} from the last ten minutes, as where nobody has used it for long,"
            " or where there is none of that name",
        )
    if len(found) > 1:
        raise asking.broken("the answer has several series")
    told = (
        _reply.text(found[0], "metric", "type"),
        _reply.text(found[0], "resource", "labels", "project_id"),
        _reply.text(found[0], "resource", "labels", "subscription_id"),
    )
    if told != (METRIC, project, name):
        raise asking.broken("the answer is of something else")
    return found[0]


def _newest(series: Mapping[str, Any], now: datetime, asking: Asking) -> Backlog:
    points = []
    for point in _reply.items(series, "points"):
        at, count = _reply.moment(point, "interval", "endTime"), _reply.text(point, "value", "int64Value")
        if at is None or not now - _BACK - _AHEAD <= at <= now + _AHEAD or not _COUNT.fullmatch(count):
            raise asking.broken("a point has no count, or another time than was asked for")
        points.append(Backlog(count=int(count), at=at))
    if not points:
        raise asking.broken("the series has no points")
    return max(points, key=lambda one: one.at)


def _written(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}Z"
