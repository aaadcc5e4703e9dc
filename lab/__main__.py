"""`python -m lab`: serve a scenario, run the function against one, the demo, and the proofs of delivery."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lab.environment import clean_this_process


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve a scenario on loopback and print its endpoints")
    serve.add_argument("scenario", type=Path)
    serve.add_argument("notification", type=Path, nargs="?", help="default: the one that the scenario names")
    respond = commands.add_parser("respond", help="run the function against a scenario and print the record as JSON")
    respond.add_argument("scenario", type=Path)
    respond.add_argument("notification", type=Path, nargs="?", help="default: the one that the scenario names")
    respond.add_argument("--store", type=Path, help="keep the record store here")
    respond.add_argument("--journal", type=Path, help="write what was done to the lab here, as JSON")
    commands.add_parser("demo", help="a finding in, a record out, shown in the terminal")
    doctor = commands.add_parser("doctor", help="the doctor against a healthy deployment, or a changed one")
    doctor.add_argument("--change", default="", help="JSON: path of a REST resource -> what is merged over it")
    contest = commands.add_parser("contest", help="head to head: situations in which a responder ends the wrong pod")
    contest.add_argument("--command", dest="contestant", default="ours", help="ours, naive, or a command to start")
    commands.add_parser("demo-web", help="the demo's record in the review page, until it is ended")
    commands.add_parser("picture", help="the picture of the review page in the documents, by Chromium")
    commands.add_parser("e2e", help="real Pub/Sub (or its stand-in), function host and store, and a short chaos")
    chaos = commands.add_parser("chaos", help="kills, faults and a bad day's traffic, and a judge at the end")
    chaos.add_argument("--seconds", type=float, default=600.0)
    chaos.add_argument("--kills", type=int, default=200)
    chaos.add_argument("--faults", type=int, default=1000)
    chaos.add_argument("--messages", type=int, default=2000)
    chaos.add_argument("--seed", type=int, default=None, help="default: another each time; it is printed")
    chaos.add_argument("--outage", type=float, default=30.0, help="seconds for which the store is down meanwhile")
    _store_argument(chaos)
    chaos.add_argument("--act", action="store_true", help="every project opted in: act deletes pods meanwhile")
    chaos.add_argument("--naive", action="store_true", help="the naive function instead, which the judge must refuse")
    _store_argument(commands.add_parser("points", help="a worker dies at every named point, once and twice"))
    _store_argument(commands.add_parser("holes", help="each dependency in turn accepts and never answers"))
    _store_argument(commands.add_parser("faults", help="each call fails once in each way, one at a time"))
    return parser.parse_args()


def _store_argument(parser: argparse.ArgumentParser) -> None:
    text = "default: SQLite, then Firestore where its emulator is installed"
    parser.add_argument("--store", choices=("sqlite", "firestore"), default="", help=text)


def main() -> int:
    """Exit codes: 0 done, 1 no record was made or something did not hold, 2 a file is wrong."""
    arguments = _arguments()
    clean_this_process()
    # SIGTERM unwinds like Ctrl-C, so that every process that was started ends with this one.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        programs = {"contest", "demo", "demo-web", "picture", "doctor", "e2e", "chaos", "points", "holes", "faults"}
        if arguments.command in programs:
            return _program(arguments)
        from pydantic import ValidationError  # noqa: PLC0415 - the same
        from yaml import YAMLError  # noqa: PLC0415 - the same

        try:
            scenario, notification = _read(arguments)
        except (OSError, ValueError, ValidationError, YAMLError) as error:
            print(f"lab: {error}", file=sys.stderr)
            return 2
        if arguments.command == "serve":
            return _serve(scenario, notification)
        return _respond(scenario, notification, arguments)
    except KeyboardInterrupt:
        return 130


def _program(arguments: argparse.Namespace) -> int:
    """A command that brings its own scenario."""
    if arguments.command == "contest":
        from lab import contest  # noqa: PLC0415 - each command imports what it needs

        return contest.main(arguments.contestant)
    if arguments.command in {"demo", "demo-web", "picture"}:
        return _shown(arguments.command)
    if arguments.command == "doctor":
        from lab.doctor import doctor  # noqa: PLC0415 - the same

        return doctor(arguments.change)
    if arguments.command == "e2e":
        from lab.e2e import e2e  # noqa: PLC0415 - the same

        return e2e()
    if arguments.command == "chaos":
        from lab.chaos import run  # noqa: PLC0415 - the same

        return run(arguments)
    from lab import faults, holes, points  # noqa: PLC0415 - the same

    return {"faults": faults.run, "holes": holes.run, "points": points.run}[arguments.command](arguments.store)


def _shown(command: str) -> int:
    """The demo, its record in the review page, or the picture of that."""
    from lab.demo import demo  # noqa: PLC0415 - each command imports what it needs
    from lab.demo_web import demo_web  # noqa: PLC0415 - the same
    from lab.picture import picture  # noqa: PLC0415 - the same

    return {"demo": demo, "demo-web": demo_web, "picture": picture}[command]()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _read(arguments: argparse.Namespace) -> tuple[Any, bytes]:
    from lab.scenario import load  # noqa: PLC0415 - the same

    scenario = load(arguments.scenario)
    path = arguments.notification
    if path is None and scenario.notification:
        path = arguments.scenario.parent / scenario.notification
    return scenario, path.read_bytes() if path else b""


def _document(notification: bytes) -> dict[str, Any]:
    """The notification for the lab's SCC, which then has the finding too; nothing where the bytes are no JSON."""
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(notification)
        if isinstance(document, dict):
            return document
    return {}


def _serve(scenario: Any, notification: bytes) -> int:
    from lab.server import serve  # noqa: PLC0415 - the same

    with serve(scenario, _document(notification)) as running:
        print(running.endpoints.model_dump_json(indent=2), flush=True)
        threading.Event().wait()
    return 0


def _respond(scenario: Any, notification: bytes, arguments: argparse.Namespace) -> int:
    from lab.server import serve  # noqa: PLC0415 - the same

    with tempfile.TemporaryDirectory() as folder, serve(scenario, _document(notification)) as running:
        store = arguments.store or Path(folder) / "records.db"
        with contextlib.redirect_stdout(sys.stderr):  # standard output is the record's alone
            status, found = _run(running, scenario.scc_parent, store, notification)
        if arguments.journal:
            arguments.journal.write_text(json.dumps(running.lab.journal, indent=1, default=str), encoding="utf-8")
    if not found:
        print(f"lab: the function answered {status} and made no record; its reason is above", file=sys.stderr)
        return 1
    print(found[0] if len(found) == 1 else "[" + ",\n".join(found) + "]")
    return 0


def _run(running: Any, scc_parent: str, store: Path, notification: bytes) -> tuple[int, list[str]]:
    """Post the notification to the framework's own application, in this process; the records it made, as JSON."""
    import os  # noqa: PLC0415 - the same

    import functions_framework  # noqa: PLC0415 - the same

    from lab.environment import ROOT  # noqa: PLC0415 - the same
    from lab.google import LabGoogle  # noqa: PLC0415 - the same
    from lab.serving import push_body  # noqa: PLC0415 - the same
    from responder import wiring  # noqa: PLC0415 - the same
    from responder.ports import RecordQuery  # noqa: PLC0415 - the same

    os.environ["RESPONDER_SCC_PARENT"], os.environ["RESPONDER_STORE"] = scc_parent, str(store)
    wiring.install(LabGoogle(running.endpoints.model_dump(mode="json")), now=running.lab.now)
    application = functions_framework.create_app("respond", str(ROOT / "main.py"))  # type: ignore[no-untyped-call] # it has no types
    response = application.test_client().post("/", json=push_body(notification, "1"))
    records = wiring.store()
    lines = list(records.list(RecordQuery(limit=1000)))
    found = [record.model_dump_json(indent=2) for line in lines if (record := records.load(line.id))]
    for rejected in records.rejected():
        print(f"lab: rejected: {rejected.reason}")
    records.close()
    return response.status_code, found


if __name__ == "__main__":
    sys.exit(main())
