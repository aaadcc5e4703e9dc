"""The team's figures: counted right, told right, and inert wherever they are shown."""

from __future__ import annotations

import io
import unicodedata
from datetime import timedelta

import pytest
from rich.console import Console

from responder import report
from responder.export import stats_page
from responder.record import Outcome, Record, Review, ReviewEntry, ReviewVerdict, Round, Signal, Traits, Triage, Verdict
from responder.stats import Rule, Span, Stats, agreement, stats, took
from responder.stats_text import print_stats
from tests.builders import EVENT_TIME, a_record
from tests.export.test_export import Outline
from tests.payloads import PAYLOADS

OWNER = "acme/europe-west1/ci/wheels/CronJob/nightly"


def told(
    number: int,
    verdict: Verdict = "suspicious",
    word: ReviewVerdict | None = None,
    *,
    owner: str = OWNER,
    rule: str = "a rule",
    minutes: float = 30,
) -> Record:
    """A record that took 9 seconds, and `minutes` until a person gave that word."""
    entry = ReviewEntry(
        state="closed", verdict=word, note="n", by="kim", at=EVENT_TIME + timedelta(days=number, minutes=minutes)
    )
    record = a_record(
        f"{number:032x}",
        triage=Triage(verdict=verdict, summary="s", rule=rule, signals=(a_signal("P1"), a_signal("P1"))),
        review=Review(state="closed", verdict=word, history=(entry,)) if word else Review(),
    )
    days = timedelta(days=number)
    provenance = record.provenance.model_copy(
        update={
            "traits": Traits(owner=owner),
            "window_start": EVENT_TIME + days,
            "finished": EVENT_TIME + days + timedelta(seconds=9),
        }
    )
    return record.model_copy(update={"provenance": provenance})


def a_signal(name: str) -> Signal:
    return Signal(id=name, title="t", weight=10, source="process", evidence=(), outside=False)


def test_no_records_give_no_figures_and_nothing_fails() -> None:
    empty = stats([])
    assert empty == Stats()
    assert "No records" in stats_page.as_html(empty)
    assert "No records" in stats_page.page(empty)


def test_times_are_by_nearest_rank_and_count_only_what_happened() -> None:
    records = [told(n, word="false_positive" if n < 4 else None, minutes=10 * (n + 1)) for n in range(10)]
    figures = stats(records)
    assert figures.to_record == Span(count=10, median=9, p90=9, longest=9)
    assert figures.to_verdict == Span(count=4, median=1200, p90=2400, longest=2400)
    assert figures.to_outcome == Span()
    assert (figures.records, figures.findings) == (10, 10)
    assert (figures.first, figures.last) == (EVENT_TIME, EVENT_TIME + timedelta(days=9))


def test_the_first_word_counts_and_a_record_told_anew_counts_from_its_first_round() -> None:
    record = told(0, word="undetermined", minutes=5)
    later = record.review.history[0].model_copy(
        update={"verdict": "true_positive", "at": EVENT_TIME + timedelta(hours=3)}
    )
    first = record.review.history[0]
    looked = first.model_copy(update={"state": "acknowledged", "verdict": None, "at": EVENT_TIME})
    rounds = tuple(Round(at=EVENT_TIME + timedelta(seconds=s), asked=(), answered=()) for s in (4, 900))
    record = record.model_copy(
        update={
            "review": Review(state="closed", verdict="true_positive", history=(looked, first, later)),
            "provenance": record.provenance.model_copy(
                update={"rounds": rounds, "finished": EVENT_TIME + timedelta(seconds=905)}
            ),
            "outcome": Outcome(kind="deleted", detail="d", at=EVENT_TIME + timedelta(minutes=2)),
        }
    )
    figures = stats([record])
    assert (figures.to_record.median, figures.to_verdict.median, figures.to_outcome.median) == (4, 300, 120)


def test_a_record_counts_from_the_end_of_its_first_round_however_often_it_was_told_anew() -> None:
    record = told(0)
    rounds = tuple(
        Round(at=EVENT_TIME + timedelta(seconds=at), asked=(), answered=(), done=EVENT_TIME + timedelta(seconds=at + 3))
        for at in (4, 900, 3600)
    )
    provenance = record.provenance.model_copy(update={"rounds": rounds, "finished": rounds[-1].done})
    assert stats([record.model_copy(update={"provenance": provenance})]).to_record.median == 7


def test_an_event_that_is_later_than_its_record_took_no_time() -> None:
    record = told(0)
    early = record.provenance.model_copy(update={"finished": EVENT_TIME - timedelta(seconds=2)})
    assert stats([record.model_copy(update={"provenance": early})]).to_record.median == 0


@pytest.mark.parametrize(
    ("verdict", "word", "said"),
    [
        ("malicious", "true_positive", "agreed"),
        ("suspicious", "true_positive", "agreed"),
        ("benign", "benign_true_positive", "agreed"),
        ("benign", "false_positive", "agreed"),
        ("malicious", "benign_true_positive", "false_alarm"),
        ("suspicious", "false_positive", "false_alarm"),
        ("benign", "true_positive", "missed"),
        ("insufficient_data", "true_positive", "open"),
        ("malicious", "undetermined", "open"),
        ("malicious", None, "open"),
    ],
)
def test_machine_and_person_agree_or_do_not(verdict: Verdict, word: ReviewVerdict | None, said: str) -> None:
    assert agreement(told(0, verdict, word)) == said


def test_agreement_is_counted_by_rule_and_by_sign_and_a_sign_once_for_each_record() -> None:
    figures = stats(
        [
            told(0, "malicious", "true_positive", rule="one"),
            told(1, "malicious", "false_positive", rule="one"),
            told(2, "benign", "true_positive", rule="two"),
            told(3, "benign", rule="two"),
        ]
    )
    assert figures.rules == (
        Rule(name="one", records=2, agreed=1, false_alarm=1, agreement=0.5),
        Rule(name="two", records=2, missed=1, open=1, agreement=0),
    )
    assert figures.signals == (Rule(name="P1", records=4, agreed=1, false_alarm=1, missed=1, open=1, agreement=0.333),)
    assert figures.verdicts == {"malicious": 2, "benign": 2}
    assert figures.reviews == {"true_positive": 2, "false_positive": 1}
    assert figures.states == {"closed": 3, "open": 1}


def test_a_noisy_workload_that_is_always_harmless_comes_with_its_lines_for_triage_toml() -> None:
    (one,) = stats([told(n, word="benign_true_positive") for n in range(3)]).workloads
    assert (one.name, one.records, one.harmless, one.attack, one.unreviewed) == (OWNER, 3, 3, 0, 0)
    assert "triage.toml" in one.mend
    assert one.toml == '[[expected_builders]]\nproject = "acme"\nnamespace = "wheels"\nworkload = "CronJob/nightly"\n'


def test_a_workload_that_was_attacked_once_is_never_proposed_as_a_builder() -> None:
    records = [told(n, word="benign_true_positive") for n in range(9)]
    (one,) = stats([*records, told(9, word="true_positive")]).workloads
    assert one.toml == ""
    assert "attack" in one.mend


def test_one_record_is_no_noise_and_unreviewed_ones_are_to_be_reviewed() -> None:
    assert stats([told(0)]).workloads == ()
    (one,) = stats([told(0), told(1)]).workloads
    assert "review" in one.mend


@pytest.mark.parametrize("name", ['a"\nexpires = 1', "Cron]/x", "x" * 5])
def test_a_name_that_is_none_is_not_put_into_toml(name: str) -> None:
    records = [told(n, word="false_positive", owner=f"acme/l/c/{name}/CronJob") for n in range(3)]
    assert [one.toml for one in stats(records).workloads] == [""]


def test_the_figures_of_many_records_stay_few() -> None:
    records = [told(n, rule=f"r{n}", owner=f"{OWNER}{n // 2}") for n in range(100)]
    figures = stats(iter(records))
    assert (len(figures.rules), len(figures.workloads), len(figures.days)) == (20, 20, 60)
    assert figures.days[-1].day == (EVENT_TIME + timedelta(days=99)).date()
    assert Stats.model_validate_json(figures.model_dump_json()) == figures


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "none"),
        (4.21, "4.2 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (5969, "99 min"),
        (5970, "1.7 h"),
        (172_799, "48.0 h"),
        (259_200, "3.0 d"),
    ],
)
def test_a_time_is_told_as_one_reads_it(seconds: float | None, said: str) -> None:
    assert took(seconds) == said


def test_the_parts_of_a_picture_make_up_the_whole() -> None:
    figures = stats([told(n // 2, "malicious" if n % 3 else "benign", "true_positive") for n in range(12)])
    bars = stats_page.mix(figures)
    assert sum(bar.width for bar in bars) == pytest.approx(stats_page.WIDE, abs=0.1)
    assert [bar.words for bar in bars] == ["malicious: 8 of 12", "benign: 4 of 12"]
    columns = stats_page.days(figures)
    assert min(bar.y for bar in columns) == 0
    assert all(bar.y >= 0 and bar.y + bar.height <= stats_page.HIGH + 0.1 for bar in columns)
    assert all(bar.x + bar.width <= stats_page.WIDE for bar in columns)
    (rule,) = figures.rules
    assert [bar.words for bar in stats_page.judged(rule)] == ["8 agree", "4 missed"]


def test_the_part_for_another_page_has_no_style_and_no_script_of_its_own() -> None:
    shown = Outline(stats_page.as_html(stats([told(n, word="false_positive") for n in range(3)])))
    assert (shown.wrong, shown.open) == ([], [])
    assert shown.tags[0] == ("section", ("class",))
    assert {tag for tag, _ in shown.tags} & {"style", "script", "link", "html", "body"} == set()
    assert "style" not in {name for _, names in shown.tags for name in names}
    assert 'workload = "CronJob/nightly"' in shown.text


def test_no_name_of_a_workload_or_a_rule_acts_where_it_is_shown() -> None:
    plain = Outline(stats_page.page(stats([told(0, rule="x", owner="x"), told(1, rule="x", owner="x")]))).tags
    for text in PAYLOADS[::5]:
        figures = stats([told(0, rule=text, owner=text), told(1, rule=text, owner=text)])
        page = Outline(stats_page.page(figures))
        assert page.tags == plain, repr(text)
        assert report.visible(text) in page.text
        out = io.StringIO()
        print_stats(figures, Console(file=out, width=100))
        assert {c for c in out.getvalue() if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} <= {"\n"}


def test_a_terminal_shows_every_figure() -> None:
    out = io.StringIO()
    print_stats(stats([told(n, word="benign_true_positive") for n in range(3)]), Console(file=out, width=160))
    for said in (
        "3 records of 3 findings",
        "9.0 s",
        "30 min",
        "suspicious",
        "benign_true_positive",
        "a rule",
        "P1",
        "0%",
    ):
        assert said in out.getvalue()
    assert '\nworkload = "CronJob/nightly"\n' in out.getvalue()
