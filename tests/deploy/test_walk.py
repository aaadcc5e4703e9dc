"""docs/deploy.md: the detector's command by the real gcloud, and the arithmetic of what it costs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from lab.environment import ROOT, cleaned
from lab.terraform.core import Core
from responder import cli, settings
from tests.deploy.plans import folder, options
from tests.gcloud import GCLOUD, parsed

EXAMPLE = ROOT / "deploy" / "terraform" / "examples" / "organization"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
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


FACTORS = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TiB": 2**40, "GiB": 2**30, "a million": 1e6, "for 100,000": 1e5}
"""Of amounts and of what a price is for; months and seconds are as they stand."""


def amount(cell: str) -> float:
    """How much a row counts: the product and the sums that it writes down, in bytes where it has a unit of bytes."""
    text = cell.partition(" = ")[0]
    text = re.sub(r"\([^)]*\)|after a year|executions|(?<=\d),(?=\d{3})", "", text)
    terms = []
    for term in text.split("+"):
        value = 1.0
        for factor in term.split("\N{MULTIPLICATION SIGN}"):
            found = re.match(r"\s*([\d.]+)\s*(kB|MB|GB|GiB)?", factor)
            assert found, cell
            value *= float(found[1]) * FACTORS.get(found[2] or "", 1)
        terms.append(value)
    return sum(terms)


def price(cell: str, above: float) -> float:
    """Dollars for one of what is counted; `the same` is the price of the row above."""
    if cell == "the same":
        return above
    numbers = sum(float(one) for one in re.findall(r"\d+\.\d+|^\d+(?= )", cell))
    unit = next((value for name, value in FACTORS.items() if cell.endswith(name)), 1)
    return numbers / unit


def test_the_sum_of_what_it_costs_is_the_sum_of_its_rows_and_each_product_is_right() -> None:
    table = PAGE.partition("| what | how much |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    prices = {row[0]: float(row[3].removesuffix(" $")) for row in rows}
    assert len(rows) >= 14
    assert any(what.startswith("`act`") for what in prices)
    assert round(sum(value for name, value in prices.items() if name != "sum"), 2) == prices["sum"]
    above = 0.0
    for what, much, each, _ in rows[:-1]:
        above = price(each, above)
        assert prices[what] == round(amount(much) * above, 2), what


NAMES = {
    "ORGANIZATION_ID": "123456789012",
    "YOUR_PROJECT": "acme-sec",
    "PROJECT_WITH_CLUSTERS": "acme-shop-prod",
    "KEY_PROJECT": "acme-keys",
    "PROJECT_NUMBER": "421458901689",
}
"""What a reader puts in."""


def commands(page: str = PAGE) -> list[list[str]]:
    """Every command of the page's blocks, as words; what follows a pipe is a command of its own."""
    found = []
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        if kind:
            continue  # a file, not commands
        text = block.replace("\\\n", " ")
        for name, value in NAMES.items():
            text = text.replace(name, value)
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            while "|" in words:
                found.append(words[: words.index("|")])
                words = words[words.index("|") + 1 :]
            found += [words] if words else []
    return found


def evaluated(words: list[str]) -> list[str]:
    """What `eval "$(…)"` runs; the same words otherwise."""
    inner = re.fullmatch(r"\$\((.*)\)", words[1]) if words[0] == "eval" else None
    return shlex.split(inner[1]) if inner else words


def wrong(words: list[str], at: Path) -> str:
    """Why the command cannot be run in that folder; empty where it can. gcloud's are not looked at here."""
    texts = "".join(path.read_text(encoding="utf-8") for path in at.glob("*.tf")) if at.is_dir() else ""
    if words[0] == "make":
        return (
            "" if re.search(rf"^{words[1]}:", (at / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) else "target"
        )
    if words[0] == "python3":
        return "" if (at / words[1]).is_file() else "file"
    if words[0] == ".venv/bin/responder":
        return asked(words[1:]) if (at / "pyproject.toml").is_file() else "folder"
    if words[:2] in (["terraform", "init"], ["terraform", "apply"]):
        given = [word.partition("=")[0] for word in words[2:] if word != "-var"]
        return "" if all(f'variable "{name}"' in texts for name in given) else "variable"
    if words[:2] == ["terraform", "output"]:
        return "" if f'output "{words[-1]}"' in texts else "output"
    return "" if words[0] == "gcloud" or words == ["sh"] else "unknown"


def asked(words: list[str]) -> str:
    """What the command line has against these words; empty where it takes them. Nothing is run."""
    done = CliRunner().invoke(cli.app, [*words, "--help"])
    return "" if done.exit_code == 0 else done.output


def failing() -> list[tuple[str, str]]:
    """The commands of the page that cannot be run where the page has led to, and why."""
    at, found = ROOT, []
    for words in map(evaluated, commands()):
        if words[0] == "cd":
            at = (at / words[1]).resolve()
            found += [] if at.is_dir() else [("cd", words[1])]
            continue
        # A section begins at the top of the repository where it says so: only the walk itself leads elsewhere.
        why = wrong(words, at) and wrong(words, ROOT)
        found += [(" ".join(words), why)] if why else []
    return found


def test_every_command_of_the_page_can_be_run_where_the_page_has_led_to() -> None:
    assert len(commands()) >= 20
    assert failing() == []
    # The words of an earlier version of the page, and what is wrong with them.
    assert wrong(["responder", "doctor"], ROOT) == "unknown"
    assert "No such option" in asked(["doctor", "--nope"])
    assert wrong(["terraform", "apply", "-var", "nope=1"], ROOT / "deploy/terraform/examples/folder") == "variable"


def test_the_example_for_config_sync_applies_the_folder_that_is_written_for_a_cluster() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    given = yaml.safe_load(text)
    assert (given["apiVersion"], given["kind"]) == ("configsync.gke.io/v1beta1", "RootSync")
    spec = given["spec"]
    assert spec["sourceFormat"] == "unstructured"  # kustomize; the default is a hierarchy of its own
    assert spec["override"]["namespaceStrategy"] == "explicit"  # no namespace is made, or taken over
    root, _, cluster = spec["git"]["dir"].partition("/")
    clusters = (EXAMPLE / "example.tfvars").read_text(encoding="utf-8")
    found = re.findall(r'project = "([^"]+)", location = "([^"]+)", name = "([^"]+)"', clusters)
    assert (root, tuple(cluster.split("_"))) == ("rbac", found[0])


@pytest.mark.slow
@pytest.mark.skipif(GCLOUD is None, reason="gcloud is not installed")
def test_gcloud_parses_every_command_of_the_page(tmp_path: Path) -> None:
    lines = list(dict.fromkeys(shlex.join(words) for words in commands() if words[0] == "gcloud"))
    assert len(lines) >= 8
    assert parsed([*lines, "gcloud builds submit dist/review --nope=1"], tmp_path)[1:] == [
        *[""] * (len(lines) - 1),
        "UnrecognizedArgumentsError",
    ]


AGENTS = {
    "google_pubsub_topic": "gcp-sa-pubsub",
    "google_firestore_database": "gcp-sa-firestore",
    "google_storage_bucket": "gs-project-accounts",
    "google_secret_manager_secret": "gcp-sa-secretmanager",
    "google_artifact_registry_repository": "gcp-sa-artifactregistry",
    "google_cloudfunctions2_function": "gcf-admin-robot",
    "google_cloud_run_v2_service": "serverless-robot-prod",
}
"""Who uses the key for a type: https://docs.cloud.google.com/functions/docs/securing/cmek, and each product's page."""
BESIDE = {"gcp-sa-eventarc"}
"""Google's page on functions names Eventarc's agent for all of them, beside those above."""


def test_each_agent_that_uses_the_key_is_made_and_granted_before_it_is_used() -> None:
    module = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy" / "terraform").glob("*.tf"))
    blocks = re.findall(r'^resource "(\w+)" "\w+" \{\n(.*?)^\}', module, flags=re.MULTILINE | re.DOTALL)
    assert {kind for kind, block in blocks if "var.kms_key" in block} == set(AGENTS)
    section = PAGE.partition("\n## Keys of your own\n")[2].partition("\n## ")[0]
    block = [shlex.join(words) for words in commands(section)]
    agents = {*AGENTS.values()} | BESIDE
    assert set(re.findall(r"service-PROJECT_NUMBER@([a-z-]+)\.iam\.gserviceaccount\.com", section)) == agents
    made = {one for line in block for one in re.findall(r"services identity create --service=(\w+)", line)}
    assert made == {"pubsub", "firestore", "secretmanager", "artifactregistry", "cloudfunctions", "run", "eventarc"}
    assert [line for line in block if line.startswith("gcloud storage service-agent ")]
    on = next(line for line in block if line.startswith("gcloud services enable "))
    assert made == set(re.findall(r" (\w+)\.googleapis\.com", on)) - {"cloudkms", "storage"}
    assert [line for line in block if "keys add-iam-policy-binding" in line and "cryptoKeyEncrypterDecrypter" in line]


@pytest.mark.slow
def test_the_settings_that_the_root_puts_out_are_those_that_the_command_line_needs(core: Core, module: Path) -> None:
    root = folder(module, "organization")
    assert core.run(root, "init", "-backend=false").code == 0
    notices = root / "people's.toml"
    notices.write_text("", encoding="utf-8")
    ran = core.run(
        root, "apply", "-auto-approve", "-no-color", *options("organization"), f"-var=notices_file={notices}"
    )
    assert ran.code == 0, ran.said[-2000:]
    script = core.run(root, "output", "-raw", "exports").said
    command = ["bash", "-c", 'eval "$1"; env', "sh", script]
    seen = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    read = settings.read(dict(line.split("=", 1) for line in seen.splitlines() if line.startswith("RESPONDER_")))
    assert (read.scc_parent, read.store) == ("organizations/123456789012", "firestore:acme-sec/responder-records")
    assert read.actions == "firestore:acme-sec/responder-actions"
    assert read.evidence == "gs://acme-sec-responder-evidence"
    assert read.action_topic
    assert Path(read.policy).is_file()
    assert Path(read.notices).is_file()
    doctor = json.loads(core.run(root, "output", "-json", "next").said)["doctor"]
    assert shlex.split(doctor)[1:] == ["doctor", "--project=acme-data-prod", "--project=acme-shop-prod"]
    assert asked(shlex.split(doctor)[1:]) == ""
