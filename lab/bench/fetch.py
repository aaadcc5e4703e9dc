"""The floor of a finding's cost: its very calls, sent again by the same clients, the replies parsed and no more.

`python -m lab.bench.fetch ENDPOINTS CALLS`; CALLS is what the lab's journal noted while findings were investigated.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from google.cloud.container_v1 import Cluster
from google.cloud.logging_v2.types import ListLogEntriesResponse
from google.cloud.securitycenter_v2 import ListFindingsResponse
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject

from lab.google import LabGoogle
from responder.ports import Access

_TIMEOUT: Final = 20.0


class Fetch:
    """The clients of the product's adapters, each built once."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._google = LabGoogle(endpoints)
        self._scc = self._google.securitycenter()
        self._gke = self._google.container()
        self._logging = self._google.logging()
        self._http = self._google.http()
        self._planes: dict[str, tuple[str, RESTClientObject]] = {}
        self._ca_file = endpoints["ca_pem_file"]
        self.bytes = 0
        self.entries: list[int] = []

    def send(self, call: Mapping[str, Any], *, read: bool = False) -> None:
        """One call of the journal; `read` takes each log entry through its wrapper."""
        match str(call["call"]).split("."):
            case ["scc", _]:
                asked = {key: call[key] for key in ("parent", "filter", "order_by", "page_size", "page_token")}
                pager = self._scc.list_findings(request=asked, timeout=_TIMEOUT)
                self._count(ListFindingsResponse.pb(next(iter(pager.pages))))
            case ["gke", _]:
                cluster = self._gke.get_cluster(request={"name": call["name"]}, timeout=_TIMEOUT)
                self._learn(call["name"], Cluster.pb(cluster))
            case ["logging", _]:
                self._logs(call, read=read)
            case ["kubernetes", *_]:
                self._kubernetes(call)
            case _:
                self._rest(call)

    def _logs(self, call: Mapping[str, Any], *, read: bool) -> None:
        keys = ("resource_names", "filter", "order_by", "page_size", "page_token")
        pager = self._logging.list_log_entries(request={key: call[key] for key in keys}, timeout=_TIMEOUT)
        if read:
            for entry in pager:
                _ = entry.timestamp, entry.severity, entry.log_name, entry.insert_id, entry.text_payload
            return
        page = ListLogEntriesResponse.pb(next(iter(pager.pages)))
        self._count(page)
        # Of every query: which of them comes first is chance, and their entries differ in size.
        self.entries += [entry.ByteSize() for entry in page.entries]

    def _count(self, message: Any) -> None:
        self.bytes += message.ByteSize()

    def _learn(self, name: str, cluster: Any) -> None:
        """The way to a control plane, as the product finds it; a client is built once."""
        self._count(cluster)
        if cluster.name in self._planes:
            return
        access = Access(kind="public", host=cluster.endpoint, ca_pem="", cluster=_ref(name))
        configuration = Configuration(host=self._google.cluster(access).url)
        configuration.ssl_ca_cert = self._ca_file
        configuration.proxy = None
        self._planes[cluster.name] = configuration.host, RESTClientObject(configuration)

    def _kubernetes(self, call: Mapping[str, Any]) -> None:
        url, client = self._planes[call["cluster"]]
        query = f"?{urlencode([(key, value) for key, value in call['query']])}" if call["query"] else ""
        ask: Any = client.request  # the package is typed, this method of it is not
        headers = {"Authorization": f"Bearer {self._google.token()}", "Accept": "application/json"}
        body = ask("GET", f"{url}{call['path']}{query}", headers=headers).response.data
        json.loads(body)
        self.bytes += len(body)

    def _rest(self, call: Mapping[str, Any]) -> None:
        method = "POST" if call["path"].endswith(":getIamPolicy") else "GET"
        query = f"?{call['query']}" if call["query"] else ""
        url = f"{self._google.base_url('')}{call['path']}{query}"
        reply = self._http.request(method, url, timeout=_TIMEOUT, allow_redirects=False)
        reply.raise_for_status()
        reply.json()
        self.bytes += len(reply.content)


def _ref(name: str) -> Any:
    from responder.finding import ClusterRef  # noqa: PLC0415 - the names of one place

    _, project, _, location, _, cluster = name.split("/")
    return ClusterRef(project=project, location=location, name=cluster)


def _seconds(work: Callable[[], object]) -> float:
    """CPU of this process, gRPC's threads included."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> int:
    """One JSON object: CPU seconds of all calls, fetched and parsed; and with every log entry read."""
    endpoints, calls = (json.loads(Path(path).read_text(encoding="utf-8")) for path in sys.argv[1:3])
    # A control plane is known only once its cluster was asked for.
    calls.sort(key=lambda call: call["call"].startswith("kubernetes"))
    fetch = Fetch(endpoints)

    def all_calls(*, read: bool) -> None:
        for call in calls:
            fetch.send(call, read=read)

    all_calls(read=False)  # connections and caches
    fetch.bytes = 0
    told = {"fetch_seconds": _seconds(lambda: all_calls(read=False)), "bytes": fetch.bytes, "calls": len(calls)}
    told |= {"read_seconds": _seconds(lambda: all_calls(read=True))}
    told |= {"entry_bytes": sum(fetch.entries) / len(fetch.entries)}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
