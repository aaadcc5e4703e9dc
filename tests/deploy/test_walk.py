"""docs/deploy.md: the detector's command by the real gcloud, and the arithmetic of what it costs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from lab.environment import ROOT, cleaned

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
GCLOUD = shutil.which("gcloud")
MODULES = ["LAUNCH_CODE_COMPILER_TOOL_IN_CONTAINER", "ADDED_BINARY_EXECUTED", "ADDED_LIBRARY_LOADED"]


@pytest.fixture
def management() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of something that takes any change to a service of SCC, and what it was sent."""
    sent: list[dict[str, Any]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            url = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent.append({"path": url.path, "query": parse_qs(url.query), "body": body})
            answer = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", sent
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")
def test_the_detectors_command_asks_scc_to_switch_on_those_modules(
    management: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    address, sent = management
    found = re.search(r"^gcloud scc manage services update .*?[^\\]$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found
    command = shlex.split(found[0].replace("\\\n", " ").replace("ORGANIZATION_ID", "123456789012"))
    token = tmp_path / "token"
    token.write_text("a-token", encoding="utf-8")
    environ = cleaned(os.environ) | {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECURITYCENTERMANAGEMENT": address,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
    }
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (one,) = sent
    service = "organizations/123456789012/locations/global/securityCenterServices/container-threat-detection"
    assert one["path"] == f"/v1/{service}"
    assert set(one["query"]["updateMask"][0].split(",")) == {"intended_enablement_state", "modules"}
    assert one["body"]["intendedEnablementState"] == "ENABLED"
    assert one["body"]["modules"] == {name: {"intendedEnablementState": "ENABLED"} for name in MODULES}


def test_the_file_of_the_detector_switches_on_those_modules_and_touches_no_other() -> None:
    given = yaml.safe_load((ROOT / "deploy" / "detector.yaml").read_text(encoding="utf-8"))
    assert given == {name: {"intendedEnablementState": "ENABLED"} for name in MODULES}


def test_the_sum_of_what_it_costs_is_the_sum_of_its_rows_and_each_product_is_right() -> None:
    table = PAGE.partition("| what | how much |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    prices = {row[0]: float(row[3].removesuffix(" $")) for row in rows}
    assert round(sum(value for name, value in prices.items() if name != "sum"), 2) == prices["sum"]
    assert prices["`sweep`, the same size"] == round(30 * 24 * 60 * (0.0000240 + 0.0000025), 2)
    assert prices["Firestore, reads"] == round((1_000 * 60 + 43_200 * 6) / 100_000 * 0.03, 2)
    assert prices["Firestore, writes"] == round(1_000 * 40 / 100_000 * 0.09, 2)
