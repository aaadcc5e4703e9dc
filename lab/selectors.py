"""Label and field selectors, as an API server reads them. Touches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lab import status
from lab.resources import Resource

Object = dict[str, Any]
_SET = re.compile(r"([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)")
_PLAIN = re.compile(r"(!?)\s*([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*))?")
_FIELD = re.compile(r"([\w./-]+)\s*(==|=|!=)\s*(.*)")

_ANYWHERE = frozenset({"metadata.name", "metadata.namespace"})
_FIELDS = {
    # k8s.io/kubernetes/pkg/apis/core/v1/conversion.go: AddFieldLabelConversionsForX.
    "pods": frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        }
    ),
    "nodes": frozenset({"spec.unschedulable"}),
    "namespaces": frozenset({"status.phase"}),
    "secrets": frozenset({"type"}),
    "jobs": frozenset({"status.successful"}),
    "events": frozenset(
        {
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        }
    ),
}


def select(objects: list[Object], resource: Resource, *, labels: str, fields: str) -> list[Object]:
    """Those that both selectors hold for; `status.ApiError` (400) for what a server would not read."""
    tests = [*_label_tests(labels), *_field_tests(fields, resource, labels)]
    return [item for item in objects if all(test(item) for test in tests)]


def _label_tests(selector: str) -> list[Callable[[Object], bool]]:
    tests: list[Callable[[Object], bool]] = []
    # A comma inside the brackets of `in (a,b)` does not end a requirement.
    for part in filter(None, (p.strip() for p in re.split(r",(?![^(]*\))", selector))):
        chosen = _SET.fullmatch(part)
        plain = _PLAIN.fullmatch(part)
        if chosen:
            values = frozenset(v.strip() for v in chosen[3].split(","))
            tests.append(_in(chosen[1], values, want=chosen[2] == "in"))
        elif plain and plain[3]:
            tests.append(_in(plain[2], frozenset({plain[4]}), want=plain[3] != "!="))
        elif plain:
            tests.append(_has(plain[2], want=not plain[1]))
        else:
            message = f"unable to parse requirement: {part!r}"
            raise status.bad_request(message)
    return tests


def _labels(item: Object) -> dict[str, str]:
    labels: dict[str, str] = item["metadata"].get("labels", {})
    return labels


def _in(key: str, values: frozenset[str], *, want: bool) -> Callable[[Object], bool]:
    return lambda item: (_labels(item).get(key) in values) is want


def _has(key: str, *, want: bool) -> Callable[[Object], bool]:
    return lambda item: (key in _labels(item)) is want


def _field_tests(selector: str, resource: Resource, labels: str) -> list[Callable[[Object], bool]]:
    tests: list[Callable[[Object], bool]] = []
    known = _ANYWHERE | _FIELDS.get(resource.plural, frozenset())
    for part in filter(None, selector.split(",")):
        match = _FIELD.fullmatch(part.strip())
        if not match:
            message = f"invalid selector: {part!r}; can't understand {part!r}"
            raise status.bad_request(message)
        if match[1] not in known:
            path = f"{resource.group}/{resource.version}" if resource.group else f"/{resource.version}"
            message = (
                f'Unable to find "{path}, Resource={resource.plural}" that match label selector "{labels}", '
                f'field selector "{selector}": field label not supported: {match[1]}'
            )
            raise status.bad_request(message)
        tests.append(_field(match[1], match[3], want=match[2] != "!="))
    return tests


def _field(path: str, value: str, *, want: bool) -> Callable[[Object], bool]:
    def test(item: Object) -> bool:
        here: Any = item
        for step in path.split("."):
            here = here.get(step, "") if isinstance(here, dict) else ""
        if isinstance(here, dict):  # `source` of an event is its component
            here = here.get("component", "")
        text = str(here).lower() if isinstance(here, bool) else str(here)
        return (text == value) is want

    return test
