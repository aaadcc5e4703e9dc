"""How long a finding takes, in the deployed shape, with the latencies of `ground`: alone, many at once, and by hand."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lab.bench import client, ground
from lab.bench.hosts import Bench, Host, Lab, on
from lab.bench.lines import Line, Skipped, median, rounded, say
from lab.environment import cleaned
from lab.proxy import proxy
from responder.ports import RecordQuery
from responder.record import Command, Record
from responder.stores.sqlite import SqliteRecords
from responder.wiring import utc_now

LATENCY: Final = ("latency_vs_critical_path", "latency_vs_critical_path_10", "latency_vs_critical_path_100")
BY_HAND: Final = "by_hand_vs_responder"
_STEPS: Final = (1, 2, 3, 4, 7)
"""Those of which the responder asks all that their commands ask; of the seventh, those that ask whom to write to."""
_REHEARSED: Final = 20
"""Findings at once in the rehearsal: as many as the lab bears while it searches."""


def request(index: int) -> bytes:
    """Finding `index`, as Pub/Sub pushes it."""
    return client.pushed(json.dumps(ground.message(index)).encode(), str(index))


def warmed(bench: Bench, host: Host) -> None:
    """One finding in each cluster, one after another for the first, so that every client and connection is there."""
    client.send(host.port, [request(0)])
    client.send(host.port, [request(index) for index in range(1, bench.sizes.warm)])


def rehearsed(bench: Bench) -> Lab:
    """The slow lab, once it was asked everything: it searches its logs at the first time, and then remembers."""
    lab = bench.lab(slow=True)
    if not bench.is_rehearsed:
        say("rehearsal")
        with bench.host(lab) as host:
            warmed(bench, host)
            for start in range(bench.sizes.warm, bench.sizes.pods, _REHEARSED):
                end = min(start + _REHEARSED, bench.sizes.pods)
                client.send(host.port, [request(index) for index in range(start, end)])
        bench.is_rehearsed = True
    return lab


def latency(bench: Bench) -> Iterator[Line]:
    """p50 of the findings of each burst / the critical path; each round has a new process and an empty store."""
    sizes, lab = bench.sizes, rehearsed(bench)
    path, _ = ground.critical_path()
    seen: dict[str, list[float]] = {name: [] for name in LATENCY}
    worst: dict[str, list[float]] = {name: [] for name in LATENCY}
    busy: list[float] = []
    server: list[float] = []
    for turn in range(sizes.rounds):
        say(f"latency, round {turn + 1} of {sizes.rounds}")
        with bench.host(lab) as host:
            warmed(bench, host)
            next_ = sizes.warm
            taken = [client.send(host.port, [request(next_ + turn)])[0] for turn in range(sizes.singles)]
            next_ += sizes.singles
            seen[LATENCY[0]].append(statistics.median(taken) / path)
            worst[LATENCY[0]].append(max(taken) / path)
            for name, count in ((LATENCY[1], sizes.some), (LATENCY[2], sizes.many)):
                requests = [request(index) for index in range(next_, next_ + count)]
                next_ += count
                before, cpu, started = lab.cpu(), host.cpu(), time.monotonic()
                taken = client.send(host.port, requests)
                seen[name].append(statistics.median(taken) / path)
                worst[name].append(max(taken) / path)
            elapsed = time.monotonic() - started
            busy.append((lab.cpu() - before) / elapsed)
            server.append((host.cpu() - cpu) / elapsed)
            _check(host, next_)
    goals = zip(LATENCY, (1.05, 1.25, 3.0), (1.05, 1.10, 1.5), (1, sizes.some, sizes.many), strict=True)
    for name, goal, aim, count in goals:
        more = {"aim": aim, "at_once": count, "max": median(worst[name]), "rounds": rounded(seen[name])}
        if name == LATENCY[2]:
            # How much of its core each side used during the burst: near 1 is the bottleneck.
            more |= {"server_busy": median(server, 2), "lab_busy": median(busy, 2)}
        yield Line(name=name, value=median(seen[name]), unit="ratio", goal=goal, more=more)


def _check(host: Host, count: int) -> None:
    """Every finding must have made a record in which nothing is missing, or the figure is of something else."""
    records = SqliteRecords(host.store, now=utc_now)
    try:
        lines = list(records.list(RecordQuery(limit=count + 1)))
    finally:
        records.close()
    if len(lines) != count or any(line.gaps for line in lines):
        gaps = sum(bool(line.gaps) for line in lines)
        raise RuntimeError(f"{count} findings made {len(lines)} records, {gaps} of them with gaps: {host.store}")


# --- by hand ----------------------------------------------------------------------------------------------------------


def by_hand(bench: Bench) -> Iterator[Line | Skipped]:
    """The record's own commands that ask something, pasted one after another / one warm finding, which asks it all.

    Those are all of steps 1 to 4, and those of step 7 that ask for the project, its security contacts and its owners.
    """
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    absent = [program for program in ("gcloud", "kubectl", "bash") if not shutil.which(program, path=path)]
    if absent:
        yield Skipped(name=BY_HAND, reason=f"{', '.join(absent)} not installed")
        return
    lab = bench.lab(slow=True)
    ours: list[float] = []
    theirs: list[dict[int, float]] = []
    commands: list[Command] = []
    for turn in range(bench.sizes.by_hand):
        say(f"by hand, round {turn + 1} of {bench.sizes.by_hand}")
        with bench.host(lab) as host:
            warmed(bench, host)
            ours += client.send(host.port, [request(bench.sizes.warm + turn)])
            record = _newest(host)
        environ = _desk(record, lab, bench.folder, path)
        commands = [command for command in record.commands if command.step in _STEPS and _asks(command)]
        taken = dict.fromkeys(_STEPS, 0.0)
        with proxy(lab.endpoints["rest"], bench.folder) as through:
            for command in commands:
                own = environ | through if "essential-contacts" in command.text else environ
                started = time.monotonic()
                _paste(bench, command, own)
                taken[command.step] += time.monotonic() - started
        theirs.append(taken)
    hands = [sum(taken.values()) for taken in theirs]
    ratios = [hand / own for hand, own in zip(hands, ours, strict=True)]
    later = [(hand - taken[1]) / own for hand, taken, own in zip(hands, theirs, ours, strict=True)]
    more = {
        "commands": len(commands),
        "seconds_by_hand": median(hands),
        "seconds": median(ours),
        "without_step_1": median(later),
        "rounds": rounded(ratios),
    }
    yield Line(name=BY_HAND, value=median(ratios), unit="ratio", goal=5.0, at_least=True, more=more)


def _asks(command: Command) -> bool:
    """Whether it only asks: the rest of step 7 deletes the pod."""
    return command.step in _STEPS[:4] or command.text.startswith("gcloud ")


def _newest(host: Host) -> Record:
    records = SqliteRecords(host.store, now=utc_now)
    try:
        found = [record for line in records.list(RecordQuery(limit=1000)) if (record := records.load(line.id))]
    finally:
        records.close()
    return max(found, key=lambda record: record.provenance.started)


def _desk(record: Record, lab: Lab, folder: Path, path: str) -> dict[str, str]:
    """An analyst's environment: gcloud asks the lab, and kubectl's context is the one of the commands."""
    evidence = record.evidence.cluster
    if evidence.status != "found":
        raise RuntimeError("the bench's record has no cluster")
    told = evidence.value
    host = lab.endpoints["hosts"].get(told.endpoint.host, told.endpoint.host)
    name = f"gke_{told.project_id}_{told.location}_{told.name}"
    entry = {"server": f"https://{host}", "certificate-authority": lab.endpoints["ca_pem_file"]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": entry}],
        "users": [{"name": "analyst", "user": {"token": lab.endpoints["token"]}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "analyst"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config), encoding="utf-8")
    (folder / "token").write_text(lab.endpoints["token"], encoding="utf-8")
    rest = lab.endpoints["rest"]
    services = ("CONTAINER", "SECURITYCENTER", "LOGGING", "CLOUDRESOURCEMANAGER")
    return {
        **cleaned(os.environ),
        **{f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}": f"{rest}/" for service in services},
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{rest}/compute/v1/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(folder / "token"),
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "HOME": str(folder),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "LC_ALL": "C",
        "PATH": path,
    }


def _paste(bench: Bench, command: Command, environ: dict[str, str]) -> None:
    if "get-credentials" in command.text:
        # It would write a context whose token comes from a plugin that need not be here.
        environ = {**environ, "KUBECONFIG": str(bench.folder / "kubeconfig-written")}
    with on(bench.cores.server):
        done = subprocess.run(
            ["bash", "--norc", "-c", command.text], cwd=bench.folder, env=environ, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command.title}: {done.stderr.decode(errors='replace')[-500:]}")
