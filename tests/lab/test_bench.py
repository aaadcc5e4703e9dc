"""The bench at its smallest: every figure is printed in the agreed form, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.bench import ground, soak
from lab.bench.__main__ import NAMES, measured
from lab.bench.hosts import Bench, Cores, Sizes
from lab.bench.latency import by_hand
from lab.bench.lines import Line
from lab.emulators import missing
from lab.environment import ROOT, cleaned
from responder import notification
from responder.finding import CATEGORY

SMALLEST = Sizes(
    rounds=1, warm=1, singles=1, some=1, many=2, by_hand=1, soak_seconds=0.2, cpu_findings=1, memory_first=1,
    memory_all=2, at_once=2, burst=4, burst_duplicates=2, quota_pods=1, quota_findings=2, store_cycles=1,
    queue_records=(10, 100), queue_requests=1,
)  # fmt: skip


@pytest.mark.slow
def test_each_measurement_prints_its_figure_beside_its_goal(tmp_path: Path) -> None:
    wanted = tuple(name for name in NAMES if name != "by_hand_vs_responder")
    with Bench(Cores.of_this_machine(), SMALLEST, tmp_path / "bench") as bench:
        setup, *lines = (json.loads(line) for line in measured(bench, wanted, quick=True))
    assert setup["name"] == "setup"
    assert setup["latency_ms"]["node_log"] == 1500
    assert {line["name"] for line in lines} == set(wanted)
    if missing("firestore"):
        assert "firestore" in next(line for line in lines if line["name"] == "store_vs_raw_firestore")["skipped"]
    for line in lines:
        if "skipped" in line:
            continue
        assert isinstance(line["value"], float), line
        assert isinstance(line["goal"], float), line
        assert line["unit"] in {"ratio", "MiB", "calls", "us", "ms", "%"}
        assert isinstance(line["ok"], bool)
        assert len(line["rounds"]) == 1
    assert_are_possible({line["name"]: line for line in lines})
    assert not (tmp_path / "bench").exists()


def assert_are_possible(lines: dict[str, dict[str, Any]]) -> None:
    # No machine is faster than the calls that it waits for, and no investigation is free.
    assert lines["latency_vs_critical_path"]["value"] >= 1.0
    assert lines["cold_first_record"]["value"] > 0.0
    # One finding, or a fifth of a second, on a busy machine: how large the ratio is, is the bench's to say.
    assert lines["cpu_per_finding_vs_fetch"]["value"] > 0.0
    assert lines["cpu_per_finding_vs_fetch"]["entry_bytes"] > 1000
    assert lines["rss_mib_after_100"]["value"] > 30.0
    assert lines["burst_vs_floor"]["value"] > 1.0
    assert (lines["burst_vs_floor"]["records"], lines["burst_vs_floor"]["deliveries"]) == (4, 6)
    assert lines["log_reads"]["value"] == 3.0
    assert lines["duplicates_vs_noop"]["value"] > 0.0
    assert lines["store_vs_raw_sqlite"]["record_bytes"] > 300_000


@pytest.mark.slow
def test_a_soak_of_a_moment_loses_nothing_and_watches_the_memory(tmp_path: Path) -> None:
    with Bench(Cores.of_this_machine(), SMALLEST, tmp_path / "bench") as bench:
        p95, lost, growth = soak.soak(bench, minutes=0.05, findings=20)
    assert (p95.name, lost.value, lost.more["findings"]) == ("soak_p95_seconds", 0.0, 6)
    assert p95.value > ground.critical_path()[0]
    assert growth.more["findings"] == 20
    assert growth.more["first_mib"] > 30.0
    # Pages that no file is behind are a part of it.
    assert 0.0 < growth.more["own_last_mib"] < growth.more["last_mib"]
    assert growth.more["own_growth"] > 0.0


def test_by_hand_is_skipped_by_name_where_gcloud_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Bench(Cores.of_this_machine(), SMALLEST, tmp_path / "bench") as bench:
        (line,) = by_hand(bench)
    told = json.loads(line.json())
    assert told["name"] == "by_hand_vs_responder"
    assert "gcloud" in told["skipped"]


def test_the_critical_path_is_the_longest_way_through_the_questions() -> None:
    seconds, way = ground.critical_path()
    assert way == ("scc", "cluster", "node", "node_log")
    assert seconds == pytest.approx(0.200 + 0.150 + 0.060 + 1.500)


def test_a_goal_is_a_limit_or_a_least() -> None:
    assert Line(name="a", value=1.05, unit="ratio", goal=1.05).ok
    assert not Line(name="a", value=1.06, unit="ratio", goal=1.05).ok
    assert Line(name="a", value=0.85, unit="ratio", goal=0.85, at_least=True).ok
    assert not Line(name="a", value=0.84, unit="ratio", goal=0.85, at_least=True).ok


def test_the_messages_are_one_of_ours_each_of_its_own_pod_and_one_of_another_category() -> None:
    findings = [notification.read(json.dumps(ground.message(index)).encode()) for index in range(30)]
    assert {finding.category for finding in findings if finding} == {CATEGORY}
    assert len({(finding.cluster, finding.pods[0].name) for finding in findings if finding}) == 30
    assert len({finding.key for finding in findings if finding}) == 30
    assert len(ground.foreign()) == 8000
    assert notification.read(ground.foreign()) is None


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_running_after_it_was_interrupted(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "lab.bench", "--quick", "--only", "cold_start_vs_noop"]
    started = subprocess.Popen(
        command, cwd=ROOT, env=cleaned(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        children: list[psutil.Process] = []
        until = time.monotonic() + 60
        while not children and started.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
            children = psutil.Process(started.pid).children(recursive=True)
        assert children
        started.send_signal(number)
        assert started.wait(60) == 130
        assert psutil.wait_procs(children, timeout=5)[1] == []
    finally:
        started.kill()
        started.wait()
