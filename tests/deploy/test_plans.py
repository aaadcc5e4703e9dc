"""What deploy/terraform would make, in each of its examples, by the plan of the real core."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.environment import ROOT
from lab.terraform.core import Core
from responder import permissions, settings
from responder.evidence import Evidence
from tests.deploy.conftest import copied
from tests.deploy.plans import ACTING, EXAMPLES, before, folder, of, options, resources, texts

pytestmark = pytest.mark.slow
each_example = pytest.mark.parametrize("example", EXAMPLES)
IAM = ROOT / "deploy" / "iam"


def granted(name: str) -> list[str]:
    held: list[str] = yaml.safe_load((IAM / f"{name}.yaml").read_text(encoding="utf-8"))["includedPermissions"]
    return held


@each_example
def test_every_subscription_keeps_a_week_never_expires_and_is_given_up_to_a_topic_that_somebody_reads(
    plans: dict[str, Any], example: str
) -> None:
    found = of(plans[example], "google_pubsub_subscription")
    pushed = {name: one for name, one in found.items() if one["push_config"]}
    assert set(found) - set(pushed) == {"dead_letters"}
    assert "findings" in pushed
    for one in found.values():
        assert one["message_retention_duration"] == "604800s"
        assert one["expiration_policy"] == [{"ttl": ""}]
        assert one["ack_deadline_seconds"] == 600
    for one in pushed.values():
        assert one["dead_letter_policy"][0]["max_delivery_attempts"] == 10
        assert one["retry_policy"] == [{"minimum_backoff": "10s", "maximum_backoff": "600s"}]
        assert len(one["push_config"][0]["oidc_token"]) == 1
    # Pub/Sub's own agent may publish what it gives up, and acknowledge it in each subscription it takes it from.
    agent = "serviceAccount:service-made-up-number@gcp-sa-pubsub.iam.gserviceaccount.com"
    assert of(plans[example], "google_pubsub_topic_iam_member")["dead_letters"]["member"] == agent
    members = of(plans[example], "google_pubsub_subscription_iam_member").values()
    assert {one["subscription"] for one in members if one["member"] == agent} == {
        one["name"] for one in pushed.values()
    }


@each_example
def test_each_function_is_internal_has_its_own_account_and_as_many_threads_as_requests(
    plans: dict[str, Any], example: str
) -> None:
    found = of(plans[example], "google_cloudfunctions2_function")
    names = {"respond", "sweep"} | ({"act"} if example in ACTING else set())
    assert set(found) == {f'this["{name}"]' for name in names}
    for address, one in found.items():
        config = one["service_config"][0]
        assert config["ingress_settings"] == "ALLOW_INTERNAL_ONLY"
        assert config["min_instance_count"] == 0
        assert config["environment_variables"]["THREADS"] == str(config["max_instance_request_concurrency"])
        assert one["build_config"][0]["runtime"] == "python313"
        assert one["build_config"][0]["entry_point"] == address.split('"')[1]
        assert config["timeout_seconds"] <= 600
    accounts = {one["account_id"] for one in of(plans[example], "google_service_account").values()}
    assert accounts == {f"responder-{word}" for word in ("respond", "sweep", "invoker", "build")} | (
        {"responder-act", "responder-collector", "responder-remediator"} if example in ACTING else set()
    ) | ({"responder-review"} if example == "everything" else set())


@each_example
def test_the_environment_of_each_function_is_one_that_it_starts_with(plans: dict[str, Any], example: str) -> None:
    for address, one in of(plans[example], "google_cloudfunctions2_function").items():
        name = address.split('"')[1]
        given = one["service_config"][0]["environment_variables"] | {"K_SERVICE": name}
        # What is known after apply only is not in the plan: the topics' names.
        read = settings.read(given)
        assert read.store == "firestore:acme-sec/responder-records"
        assert read.read_only is (name in {"respond", "sweep"})
        assert bool(read.actions) is (name == "act")


@each_example
def test_only_the_invoker_may_call_a_function(plans: dict[str, Any], example: str) -> None:
    found = of(plans[example], "google_cloud_run_v2_service_iam_member")
    functions = {one["name"] for one in of(plans[example], "google_cloudfunctions2_function").values()}
    page = {"responder-review"} if example == "everything" else set()  # IAP's agent alone
    assert {one["name"] for one in found.values()} == functions | page
    assert {one["role"] for one in found.values()} == {"roles/run.invoker"}


@each_example
def test_no_role_but_the_expected_is_granted_and_nothing_to_everybody(plans: dict[str, Any], example: str) -> None:
    roles = {one["values"].get("role") for one in resources(plans[example]) if one["type"].endswith("_iam_member")}
    own = {None}  # custom roles, whose names are known after apply
    assert roles - own <= {
        "roles/run.invoker", "roles/pubsub.publisher", "roles/pubsub.subscriber",
        "roles/iam.serviceAccountTokenCreator", "roles/artifactregistry.writer", "roles/storage.objectViewer",
        "roles/logging.logWriter", "roles/secretmanager.secretAccessor", "roles/serviceusage.serviceUsageConsumer",
        "roles/iap.httpsResourceAccessor",
    }  # fmt: skip
    everything = set(texts(plans[example]["planned_values"]))
    assert not everything & {"allUsers", "allAuthenticatedUsers", "roles/owner", "roles/editor", "roles/viewer"}
    # Additive alone: a binding or a policy would take away what somebody else has granted. The one exception takes the
    # place of the project's own audit config of Cloud Storage; audit_storage = false leaves it out.
    kinds = {one["type"] for one in resources(plans[example])}
    whole = {kind for kind in kinds if re.search(r"_iam_(?!member$|custom_role$)", kind)}
    assert whole == ({"google_project_iam_audit_config"} if example in ACTING else set())


@each_example
def test_the_custom_roles_hold_exactly_what_the_code_declares(plans: dict[str, Any], example: str) -> None:
    held: dict[str, list[str]] = {}
    for kind in ("google_organization_iam_custom_role", "google_project_iam_custom_role"):
        for one in of(plans[example], kind).values():
            held[one["role_id"].removeprefix("Responder")] = one["permissions"]
    assert sorted(held.pop("Findings") + held.pop("Reads")) == granted("investigator")
    if example in ACTING:
        assert held.pop("Connect") == granted("collector") == granted("remediator")
        assert held.pop("DoctorTokens") == granted("examiner")
        assert held.pop("Doctor") == granted("doctor")
    names = {"Publisher": "publisher", "DeadLetters": "analyst", "Records": "records"}
    if example in ACTING:
        assert held.pop("Reader") == granted("reader")
        names |= {
            "Actions": "actions",
            "Evidence": "evidence",
            "Notifier": "notifier",
            "Reporter": "reporter",
            "Actor": "actor",
        }
    if example == "everything":
        names |= {"Metrics": "metrics"}
    assert held == {role: granted(name) for role, name in names.items()}
    if example in ACTING:  # which has everything; a tester is bound by hand, for the time of a test
        assert {path.stem for path in IAM.glob("*.yaml")} == {
            "investigator", "doctor", "examiner", "tester", "collector", "remediator", "reader", "metrics",
            *names.values(),
        }  # fmt: skip


def test_without_act_nothing_that_acts_is_there(plans: dict[str, Any]) -> None:
    for example in ("folder", "project"):
        words = " ".join(texts(plans[example]["planned_values"]))
        assert "responder-act" not in words
        assert "evidence" not in words


def test_only_those_that_act_may_write_the_actions_and_each_right_on_a_database_names_it(plans: dict[str, Any]) -> None:
    found = of(plans["organization"], "google_project_iam_member")
    assert {name for name in found if name.startswith("actions")} == {'actions["act"]'}
    assert {name for name in found if name.startswith("records")} == {
        f'records["{one}"]' for one in ("act", "respond", "sweep")
    }
    for name, one in found.items():
        if name.startswith(("actions", "records")):
            (condition,) = one["condition"]
            assert condition["expression"].startswith('resource.name == "projects/acme-sec/databases/responder-')
            assert condition["expression"].endswith(f'-{name.partition("[")[0]}"')


READER, WRITER, OPERATOR = "group:soc@acme.example", "user:analyst@acme.example", "user:lead@acme.example"


def test_people_have_the_rights_of_their_commands_on_the_database_of_their_commands_and_no_others(
    plans: dict[str, Any],
) -> None:
    def at(kind: str, name: str) -> dict[str, Any]:
        return {
            at.partition('["')[2].removesuffix('"]'): one
            for at, one in of(plan, kind).items()
            if at.partition("[")[0] == name
        }

    plan = plans["organization"]
    reading, writing = at("google_project_iam_member", "readers"), at("google_project_iam_member", "writers")
    acting, asking = at("google_project_iam_member", "operators"), at("google_pubsub_topic_iam_member", "operators")
    assert (set(reading), set(writing), set(acting)) == ({READER, OPERATOR}, {WRITER}, {OPERATOR})
    for bound, database in ((reading, "records"), (writing, "records"), (acting, "actions")):
        for member, one in bound.items():
            (condition,) = one["condition"]
            assert condition["expression"] == f'resource.name == "projects/acme-sec/databases/responder-{database}"'
            assert (one["member"], one["project"]) == (member, "acme-sec")
    assert {one["topic"] for one in asking.values()} == {"responder-actions"}
    assert set(asking) == {OPERATOR}
    roles = plan["configuration"]["root_module"]["module_calls"]["responder"]["module"]["resources"]
    bound_to = {
        one["address"]: one["expressions"]["role"]["references"][-1].removesuffix("[0]")
        for one in roles
        if one["address"].partition(".")[2] in {"readers", "writers", "operators"}
    }
    assert bound_to == {
        "google_project_iam_member.readers": "google_project_iam_custom_role.reader",
        "google_project_iam_member.writers": "google_project_iam_custom_role.records",
        "google_project_iam_member.operators": "google_project_iam_custom_role.actions",
        "google_pubsub_topic_iam_member.operators": "google_project_iam_custom_role.publisher",
    }
    # Everybody's calls count in the responder's project; nobody of them is anywhere else.
    assert set(at("google_project_iam_member", "quota")) == {READER, WRITER, OPERATOR, "user:engineer@acme.example"}


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ({"readers": ["allUsers"]}, "must be user: or group:"),
        ({"readers": ["allAuthenticatedUsers"]}, "must be user: or group:"),
        ({"readers": ["domain:acme.example"]}, "must be user: or group:"),
        ({"readers": ["user:*@acme.example"]}, "must be user: or group:"),
        ({"writers": ["serviceAccount:x@acme-sec.iam.gserviceaccount.com"]}, "must be user: or group:"),
        ({"readers": ["ana@acme.example"]}, "must be user: or group:"),
        ({"operators": ["principalSet://goog/public:all"]}, "must be user: or group:"),
        ({"operators": ["user:lead@acme.example"]}, "needs with_act"),
        ({"readers": ["user:a@acme.example"]}, ""),
    ],
)
def test_people_are_single_users_and_groups_and_operators_need_something_to_stop(
    core: Core, module: Path, people: dict[str, list[str]], why: str
) -> None:
    root = module / "examples" / "organization"
    (root / "people.auto.tfvars.json").write_text(json.dumps({"people": people}), encoding="utf-8")
    assert core.run(root, "init", "-backend=false").code == 0
    given = [f"-var={name}={value}" for name, value in EXAMPLES["organization"][1].items()]
    ran = core.run(root, "plan", "-no-color", "-input=false", *given)
    assert (ran.code == 0) is (not why), ran.said[-2000:]
    assert why in " ".join(ran.said.split())


def test_the_filter_hides_no_low_finding_and_the_config_is_of_the_second_api(plans: dict[str, Any]) -> None:
    for example in ("organization", "folder", "project"):
        (one,) = of(plans[example], f"google_scc_v2_{example}_notification_config").values()
        (streaming,) = one["streaming_config"]
        assert 'category="Defense Evasion: Launch Code Compiler Tool In Container"' in streaming["filter"]
        assert "severity" not in streaming["filter"]


def test_the_database_has_each_index_of_the_file_and_expires_what_came_raw(plans: dict[str, Any]) -> None:
    wanted = json.loads((ROOT / "deploy" / "firestore.indexes.json").read_text(encoding="utf-8"))
    planned = [
        (one["collection"], [(field["field_path"], field["order"] or field["array_config"]) for field in one["fields"]])
        for one in of(plans["project"], "google_firestore_index").values()
    ]
    of_file = [
        (
            one["collectionGroup"],
            [(field["fieldPath"], field.get("order") or field["arrayConfig"]) for field in one["fields"]],
        )
        for one in wanted["indexes"]
    ]
    assert sorted(planned) == sorted(of_file)
    fields = of(plans["project"], "google_firestore_field").values()
    assert sorted((one["collection"], one["field"]) for one in fields if one["index_config"]) == sorted(
        (one["collectionGroup"], one["fieldPath"]) for one in wanted["fieldOverrides"]
    )
    expiring = {one["collection"]: one["ttl_config"][0]["expiration_offset"] for one in fields if one["ttl_config"]}
    assert expiring == {"raw": "7776000s", "rejected": "7776000s"}


def test_the_evidence_can_be_read_by_nobody_else_and_deleted_by_nobody(plans: dict[str, Any]) -> None:
    (bucket,) = (
        one for one in of(plans["organization"], "google_storage_bucket").values() if one["name"].endswith("evidence")
    )
    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "enforced"
    assert bucket["force_destroy"] is False
    assert bucket["retention_policy"] == [{"retention_period": "7776000", "is_locked": False}]


def test_who_reads_evidence_adds_to_it_or_deletes_it_is_written_down_where_there_is_any(plans: dict[str, Any]) -> None:
    for example, plan in plans.items():
        found = of(plan, "google_project_iam_audit_config")
        assert set(found) == ({"evidence[0]"} if example in ACTING else set())
        for one in found.values():
            assert one["service"] == "storage.googleapis.com"
            assert sorted(given["log_type"] for given in one["audit_log_config"]) == ["DATA_READ", "DATA_WRITE"]


def test_a_project_with_an_audit_config_of_its_own_keeps_it_where_that_is_said(core: Core, module: Path) -> None:
    plan = core.planned(folder(module, "organization"), *options("organization"), audit_storage="false")
    assert of(plan, "google_project_iam_audit_config") == {}
    assert set(of(plan, "google_storage_bucket")) == {"evidence[0]", "source"}


def test_the_alert_on_denied_gaps_knows_every_source_of_a_record(plans: dict[str, Any]) -> None:
    found = of(plans["project"], "google_logging_metric")['lines["denied"]']["filter"]
    assert set(re.findall(r"gaps\.(\w+)\.denied", found)) == set(Evidence.model_fields) - {"told"}


@pytest.mark.parametrize("example", sorted(ACTING))
def test_the_hands_reach_the_clusters_of_the_projects_where_a_namespace_opted_in_and_no_other(
    plans: dict[str, Any], example: str
) -> None:
    bound = of(plans[example], "google_project_iam_member")
    assert {(name, one["project"]) for name, one in bound.items() if name.startswith("hands")} == {
        (f'hands["{hand}-acme-shop-prod"]', "acme-shop-prod") for hand in ("collector", "remediator")
    }
    wide = of(plans[example], "google_organization_iam_member") | of(plans[example], "google_folder_iam_member")
    assert [name for name in wide if name.startswith("hands")] == []


def test_the_page_may_read_the_file_that_it_mounts_and_no_other(plans: dict[str, Any]) -> None:
    bound = of(plans["everything"], "google_secret_manager_secret_iam_member")
    assert {name for name in bound if name.endswith('-review"]')} == {'files["policy-review"]'}
    assert {'files["notices-act"]', 'files["triage-sweep"]'} <= set(bound)
    (page,) = of(plans["everything"], "google_cloud_run_v2_service").values()
    (container,) = page["template"][0]["containers"]
    assert [one["name"] for one in container["volume_mounts"]] == ["policy"]


def test_the_page_starts_with_the_environment_that_it_is_given(plans: dict[str, Any]) -> None:
    (page,) = of(plans["everything"], "google_cloud_run_v2_service").values()
    (container,) = page["template"][0]["containers"]
    given = {one["name"]: one["value"].replace("made-up-number", "1") for one in container["env"] if one.get("value")}
    read = settings.read(given)
    assert (read.store, read.actions) == (
        "firestore:acme-sec/responder-records",
        "firestore:acme-sec/responder-actions",
    )
    assert read.dead_letters == "projects/acme-sec/subscriptions/responder-dead-letters"
    assert page["template"][0]["encryption_key"]
    assert page["iap_enabled"] is True


def test_the_image_of_the_page_has_a_repository_that_the_build_may_write_to(plans: dict[str, Any]) -> None:
    for plan in plans.values():
        assert of(plan, "google_artifact_registry_repository")["review"]["format"] == "DOCKER"
        writers = of(plan, "google_artifact_registry_repository_iam_member")
        assert writers["build_review"]["repository"] == "responder-review"
        assert {one["role"] for one in writers.values()} == {"roles/artifactregistry.writer"}


BUILDING = {
    "google_artifact_registry_repository_iam_member.build",
    "google_project_iam_member.build_logs",
    "google_project_iam_member.build_source",
    "google_storage_bucket_iam_member.build",
}


@pytest.fixture(scope="module")
def earlier(core: Core, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """All that is made before each resource of the module."""
    root = copied(tmp_path_factory.mktemp("graph"))
    assert core.run(root, "init", "-backend=false").code == 0
    return before(core.run(root, "graph").said)


@each_example
def test_the_build_may_read_the_source_where_google_copies_it_to_and_in_no_other_bucket(
    plans: dict[str, Any], example: str
) -> None:
    # https://docs.cloud.google.com/functions/docs/building: …-CMEK_KEY_HASH behind it where there is a key.
    one = of(plans[example], "google_project_iam_member")["build_source"]
    assert (one["project"], one["role"]) == ("acme-sec", "roles/storage.objectViewer")
    copies = "projects/_/buckets/gcf-v2-sources-made-up-number-europe-west1"
    assert [given["expression"] for given in one["condition"]] == [f'resource.name.startsWith("{copies}")']
    (ours,) = of(plans[example], "google_storage_bucket_iam_member").keys() - {'evidence["act"]'}
    assert ours == "build"  # the page's image is built from what is staged there


def test_no_function_is_built_before_the_build_may_do_its_work(earlier: dict[str, set[str]]) -> None:
    assert earlier["google_cloudfunctions2_function.this"] >= BUILDING


def test_a_metric_is_made_before_the_functions_are_built_and_its_alerts_after(earlier: dict[str, set[str]]) -> None:
    # Cloud Monitoring may know a new metric of a log ten minutes late, and takes no alert of one that it does not know.
    functions = "google_cloudfunctions2_function.this"
    metrics = {name for name in earlier if name.startswith("google_logging_metric.")}
    assert metrics == {"google_logging_metric.lines", "google_logging_metric.calls"}
    assert [name for name in metrics if functions in earlier[name]] == []
    waiting = {name for name, first in earlier.items() if metrics & first}
    assert waiting == {f"google_monitoring_alert_policy.{name}" for name in ("lines", "silence")}
    assert [name for name in waiting if functions not in earlier[name]] == []


@each_example
def test_the_metrics_count_the_lines_of_each_function(plans: dict[str, Any], example: str) -> None:
    names = {one["name"] for one in of(plans[example], "google_cloudfunctions2_function").values()}
    found = of(plans[example], "google_logging_metric")
    calls = found.pop("calls")
    for one in found.values():
        assert set(re.findall(r'service_name="([^"]+)"', one["filter"])) == names
    (job,) = of(plans[example], "google_cloud_scheduler_job").values()
    assert calls["filter"] == (
        f'resource.type="cloud_scheduler_job" AND resource.labels.job_id="{job["name"]}" AND severity>=ERROR'
    )


def test_a_sweep_that_never_ended_once_is_silent_too(plans: dict[str, Any]) -> None:
    # An absence is seen after a first point alone: https://docs.cloud.google.com/monitoring/alerts/metric-absence.
    first, second = of(plans["project"], "google_monitoring_alert_policy")["silence"]["conditions"]
    (absent,), (failing,) = first["condition_absent"], second["condition_threshold"]
    assert (absent["duration"], '"logging.googleapis.com/user/responder/swept"' in absent["filter"]) == ("900s", True)
    assert '"logging.googleapis.com/user/responder/calls"' in failing["filter"]
    assert 'resource.type="cloud_scheduler_job"' in failing["filter"]
    (per,) = failing["aggregations"]
    # One that fails is made up for a minute later; of those that hang, two end within a quarter of an hour.
    assert (failing["comparison"], failing["threshold_value"]) == ("COMPARISON_GT", 1)
    assert per["alignment_period"] == "900s"


def examined(plan: dict[str, Any]) -> dict[str, list[str]]:
    """The accounts whose tokens an engineer may take, and the conditions of it."""
    bound = of(plan, "google_service_account_iam_member")
    return {
        name.removeprefix('doctors["').partition("/")[0]: [given["expression"] for given in one["condition"]]
        for name, one in bound.items()
        if name.startswith("doctors")
    }


READING = {"respond", "sweep"}
CHANGING = {"act", "collector", "remediator", "review"}
"""Whoever has a token of one of these can run a command in a container, end a pod, or write an approval."""


def test_an_engineer_may_ask_in_the_name_of_what_reads_alone_and_of_the_others_until_a_time_that_is_said(
    plans: dict[str, Any], core: Core, module: Path
) -> None:
    always: dict[str, list[str]] = {account: [] for account in READING}
    assert examined(plans["everything"]) == always
    root = folder(module, "everything")
    for_now = examined(core.planned(root, *options("everything"), examine_until="2026-12-01T18:00:00Z"))
    until = 'request.time < timestamp("2026-12-01T18:00:00Z")'
    assert for_now == always | {account: [until] for account in CHANGING}


BOUND = {
    "investigator": ("google_organization_iam_member", r'investigators\["(\w+)-(?:scc|reads)"\]'),
    "records": ("google_project_iam_member", r'records\["(\w+)"\]'),
    "publisher": ("google_pubsub_topic_iam_member", r'(?:records|actions)\["(\w+)"\]'),
    "collector": ("google_project_iam_member", r'hands\["(collector)-[\w-]+"\]'),
    "evidence": ("google_storage_bucket_iam_member", r'evidence\["(\w+)"\]'),
    "remediator": ("google_project_iam_member", r'hands\["(remediator)-[\w-]+"\]'),
    "actions": ("google_project_iam_member", r'actions\["(\w+)"\]'),
    "notifier": ("google_secret_manager_secret_iam_member", r'webhooks\["[\w-]+/(\w+)"\]'),
    "reporter": ("google_organization_iam_member", r'reporters\["(\w+)"\]'),
    "metrics": ("google_project_iam_member", r'metrics\["(\w+)"\]'),
    "actor": ("google_service_account_iam_member", r'(?:collector|remediator)\["(\w+)"\]'),
}
"""Where each role of a service account is bound: the type, and the holder in the address."""


@pytest.mark.parametrize("role", BOUND)
def test_each_role_is_held_by_those_that_the_table_of_permissions_names(plans: dict[str, Any], role: str) -> None:
    kind, form = BOUND[role]
    matched = (re.fullmatch(form, address) for address in of(plans["everything"], kind))
    holders = {one[1] for one in matched if one}
    text = permissions.ROLES[role].holder
    if role in {"collector", "remediator"}:
        assert (holders, f"RESPONDER_{role.upper()}" in text) == ({role}, True)
        return
    named = set(re.findall(r"`(\w+)`", text)) | ({"review"} if "review service" in text else set())
    assert holders == named
    people = {name for name, one in permissions.ROLES.items() if "person" in one.holder}
    assert set(BOUND) | people == set(permissions.ROLES)
