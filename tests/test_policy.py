from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from responder.cli import app
from responder.errors import PolicyError
from responder.policy import MOST_BYTES, Policy, parse

HEAD = '[[project]]\nid = "acme-shop-prod"\nnumber = "415104041262"\n'
DEPLOY = Path(__file__).parents[1] / "deploy" / "policy.toml"


def refused(text: str) -> str:
    with pytest.raises(PolicyError) as error:
        parse(text.encode())
    return str(error.value)


def test_nothing_is_allowed_in_a_project_that_is_not_named_or_whose_number_is_another() -> None:
    policy = parse((HEAD + 'remediate = "auto"\n').encode())
    found = policy.of("acme-shop-prod", "415104041262")
    assert found is not None
    assert found.remediate == "auto"
    assert policy.of("acme-shop-prod", "1") is None
    assert policy.of("acme-shop", "415104041262") is None
    assert policy.of("", "") is None
    assert Policy().of("acme-shop-prod", "415104041262") is None


def test_a_project_that_is_only_named_is_off_and_captures_nothing() -> None:
    (project,) = parse(HEAD.encode()).project
    assert (project.remediate, project.capture, project.least_verdict) == ("off", False, "malicious")
    assert project.owner_kinds == ("Deployment",)


def test_the_hash_is_that_of_the_bytes() -> None:
    assert parse(HEAD.encode()).sha256 == hashlib.sha256(HEAD.encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "line", "mend"),
    [
        (HEAD + "remdiate = 'auto'\n", 4, "did you mean remediate?"),
        ("[[projet]]\n", 1, "did you mean project?"),
        (HEAD + "\n[project.per_hour]\nprojct = 3\n", 6, "did you mean project?"),
        (HEAD + 'capture = "true"\n', 4, "write true or false, without quotes"),
        (HEAD + "capture = 1\n", 4, "write true or false, without quotes"),
        (HEAD + 'remediate = "yes"\n', 4, "'off', 'shadow', 'approve' or 'auto'"),
        (HEAD + "remediate = true\n", 4, "'off', 'shadow', 'approve' or 'auto'"),
        (HEAD + "grace_seconds = 0\n", 4, "greater than or equal to 1"),
        (HEAD + "grace_seconds = 31\n", 4, "less than or equal to 30"),
        (HEAD + 'grace_seconds = "5"\n', 4, "write a whole number, without quotes"),
        (HEAD + 'owner_kinds = ["Pod"]\n', 4, "is none of 'Deployment'"),
        (HEAD + 'owner_kinds = "Deployment"\n', 4, "write a list"),
        *(
            (HEAD + f'[[project.exemption]]\nkind = "{kind}"\nwhy = "builds"\n', 5, f"did you mean {meant}?")
            for kind, meant in {"Statefulset": "StatefulSet", "Deploment": "Deployment", "Jobs": "Job"}.items()
        ),
        (HEAD + 'required_evidence = ["pods"]\n', 4, "did you mean pod?"),
        (HEAD + 'remediate = "approve"\n', 1, "needs approvers"),
        (HEAD + 'approvers = ["*@acme.example"]\n', 4, "without * or ?"),
        (HEAD + 'protected_namespaces = ["ci-*"]\n', 4, "without * or ?"),
        (HEAD + '\n[[project.exemption]]\nname = "w?"\nwhy = "x"\n', 6, "without * or ?"),
        (HEAD + '\n[[project.exemption]]\nwhy = "x"\n', 5, "names a cluster, a namespace"),
        (HEAD + '\n[[project.exemption]]\nname = "web"\n', 5, "add it"),
        ('# a\n\n[[project]]\nid = "acme-*"\nnumber = "1"\n', 4, "without * or ?"),
        ('[[project]]\nid = ""\nnumber = "1"\n', 2, "without * or ?"),
        ('[[project]]\nid = "acme-shop-prod"\nnumber = 415104041262\n', 3, "write a text in quotes"),
        ('[[project]]\nid = "acme-shop-prod"\n', 1, "add it"),
        (HEAD + '\n[[project]]\nid = "acme-shop-prod"\nnumber = "2"\n', 6, "named twice, first at line 2"),
        (HEAD + '\n[[project]]\nid = "acme-shop-test"\nnumber = "415104041262"\n', 7, "named twice, first at line 3"),
        (HEAD + '\n[[project]]\nid = "acme-shop-test"\nnumber = "2"\ncapture = "no"\n', 8, "write true or false"),
        (HEAD + 'required_evidence = [\n  "scc",\n  "pod",\n  "prof",\n]\n', 7, "did you mean proof?"),
        (HEAD + 'remediate = "auto"\nrequired_evidence = ["scc", "pod"]\n', 5, 'add "proof"'),
        (HEAD + 'required_evidence = []\nremediate = "approve"\n', 4, 'add "scc", "pod", "proof"'),
        (HEAD + 2 * '\n[[project.exemption]]\nname = "web"\nwhy = "x"\n' + "whi = 1\n", 12, "did you mean why?"),
        (HEAD + '[[project.exemption]]\nname = "a"\nwhy = "x"\n[[project.exemption]]\nname = "b"\n', 7, "says why"),
        (HEAD + '\n[[project.exemption]]\nname = "web"\nwhy = " "\n', 7, "say why in words"),
        (HEAD + '\n[[project.exemption]]\nname = "web"\nwhy = "~"\n', 7, "say why in words"),
        (HEAD + '\n[[project.exemption]]\nname = ""\nwhy = "builds"\n', 6, "without * or ?"),
        ('[[project]]\nid = "acme-shop-prod"\nnumber = "0415"\n', 3, "without a zero before it"),
        (
            '# a\nproject = [\n  {id = "acme-shop-prod", number = "1"},\n  {id = "*", number = "2"},\n]',
            4,
            "without * or ?",
        ),
        ('\nproject = [{id = "acme-shop-prod"}]\n', 2, "needs both its id and its number"),
        (HEAD + '"capture" = 1\nx = """\ncapture = 2"""\n', 4, "write true or false"),
        (HEAD + "per_hour.project = 0\n", 4, "out of range"),
        (HEAD + "grace_seconds = 0\nx = 1\n", 4, "(and 1 more)"),
        ("\ufeff" + HEAD, 1, "save it as UTF-8 without one"),
        (HEAD + "capture = maybe\n", 4, "no TOML"),
        (HEAD + 'approvers = ["a', 4, "no TOML"),
        (f'sha256 = "{"0" * 64}"\n', 1, "remove it"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_mend(text: str, line: int, mend: str) -> None:
    told = refused(text)
    assert told.startswith(f"line {line}:"), told
    assert mend in told


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_a_project_where_nothing_is_deleted_may_ask_for_less_evidence(mode: str) -> None:
    (project,) = parse((HEAD + f'remediate = "{mode}"\nrequired_evidence = ["scc"]\n').encode()).project
    assert project.required_evidence == ("scc",)


def test_what_is_told_of_a_mistake_is_short_however_long_it_is() -> None:
    assert len(refused(HEAD + f'remediate = "{"x" * 100_000}"\n')) < 500
    assert len(refused(HEAD + f"{'x' * 100_000} = 1\ncapture = 1\n")) < 500


def test_a_file_that_is_no_toml_too_large_or_not_utf_8_is_refused() -> None:
    assert "line 1" in refused("[[project]\n")
    assert "at most" in refused("#" * (MOST_BYTES + 1))
    with pytest.raises(PolicyError, match="line 2: not UTF-8"):
        parse(b"# a\n# \xff\n")
    assert "no TOML" in refused("a = " + "[" * 100_000)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEAD + text).encode("utf-8", "ignore")))
def test_any_bytes_are_a_policy_or_an_error_and_never_allow_anything_unnamed(data: bytes) -> None:
    try:
        policy = parse(data)
    except PolicyError:
        policy = Policy()
    assert policy.of("another-project", "1") is None
    assert all(project.id == "acme-shop-prod" for project in policy.project)


def test_the_file_in_deploy_names_no_project_and_is_right_once_its_comments_are_taken_away() -> None:
    assert parse(DEPLOY.read_bytes()).project == ()
    lines = DEPLOY.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line == "# [[project]]")
    (project,) = parse("\n".join(line.removeprefix("# ").removeprefix("#") for line in lines[start:]).encode()).project
    assert project.remediate == "off"
    shown = {line.removeprefix("# ").partition(" =")[0] for line in lines[start:] if " = " in line}
    assert shown >= set(type(project).model_fields) - {"per_hour", "exemption"}


def test_check_and_explain_say_in_words_what_a_file_allows(tmp_path: Path) -> None:
    file, run = tmp_path / "policy.toml", CliRunner()
    file.write_text(
        HEAD + 'remediate = "approve"\napprovers = ["ann@acme.example"]\ncapture = true\n', encoding="utf-8"
    )
    checked = run.invoke(app, ["policy", "check", str(file)])
    assert checked.exit_code == 0
    assert "acme-shop-prod (415104041262): approve, captures\n" in checked.output
    explained = run.invoke(app, ["policy", "explain", "--file", str(file), "--project", "acme-shop-prod"])
    assert "ann@acme.example has approved" in explained.output
    assert "commands are executed in it" in explained.output
    other = run.invoke(app, ["policy", "explain", "--project", "acme-shop"], env={"RESPONDER_POLICY": str(file)})
    assert other.output == "acme-shop is not named: nothing is deleted there, and no command runs in its containers.\n"


def test_check_ends_with_2_and_the_line_where_the_file_is_wrong_or_missing(tmp_path: Path) -> None:
    file, run = tmp_path / "policy.toml", CliRunner()
    missing = run.invoke(app, ["policy", "check", str(file)])
    assert missing.exit_code == 2
    file.write_text(HEAD + 'capture = "true"\n', encoding="utf-8")
    wrong = run.invoke(app, ["policy", "check", str(file)])
    assert wrong.exit_code == 2
    assert "line 4" in wrong.output


def test_explain_without_a_file_and_a_setting_says_that_nothing_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESPONDER_POLICY", raising=False)
    done = CliRunner().invoke(app, ["policy", "explain", "--project", "acme-shop-prod"])
    assert done.exit_code == 3
    assert "nothing is allowed in any project" in done.output


@pytest.mark.parametrize("kind", ["Pod", "CronJob", "CloneSet", "AdvancedStatefulSet", "Rollout", "BroadcastJob"])
def test_an_exemption_may_name_each_kind_of_kubernetes_and_a_foreign_one(kind: str) -> None:
    (project,) = parse((HEAD + f'[[project.exemption]]\nkind = "{kind}"\nwhy = "builds"\n').encode()).project
    assert project.exemption[0].kind == kind
