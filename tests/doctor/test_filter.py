"""A notification config's filter is read as Security Command Center reads it."""

from __future__ import annotations

import pytest
from google.cloud import securitycenter_v2

from lab import scc_filter
from responder.doctor.filters import OURS, TWIN, FilterError, lets_through
from responder.finding import CATEGORY

FILTERS = {
    # filter: (our finding, Cloud Run's)
    "": (True, True),
    f'category="{CATEGORY}"': (True, True),
    f'category="{CATEGORY}" AND state="ACTIVE"': (True, True),
    f'category="{CATEGORY}" state="ACTIVE"': (True, True),
    'category:"Compiler Tool"': (True, True),
    'category="Compiler Tool"': (False, False),
    'parent_display_name="Container Threat Detection"': (True, False),
    'parent_display_name:"Run"': (False, True),
    '-severity="LOW"': (False, False),
    'NOT severity="HIGH"': (True, True),
    'severity="HIGH" OR severity="LOW"': (True, True),
    # OR binds tighter than AND.
    'state="ACTIVE" AND severity="HIGH" OR severity="LOW"': (True, True),
    'state="INACTIVE" AND severity="HIGH" OR severity="LOW"': (False, False),
    '(state="INACTIVE" AND severity="HIGH") OR severity="LOW"': (True, True),
    'resource.name="x"': (None, None),
    'resource.name="x" OR severity="LOW"': (True, True),
    'resource.name="x" AND severity="HIGH"': (False, False),
    '-resource.name="x"': (None, None),
    "create_time>1": (None, None),
}


def is_of_both(text: str) -> bool:
    """The lab takes no AND that is left out, and has one source only."""
    return "parent_display_name" not in text and '" state' not in text


@pytest.mark.parametrize("text", FILTERS)
def test_each_filter_has_its_answer_for_our_finding_and_for_cloud_runs_twin(text: str) -> None:
    assert (lets_through(text, OURS), lets_through(text, TWIN)) == FILTERS[text]


@pytest.mark.parametrize("text", [text for text, (ours, _) in FILTERS.items() if ours is not None and is_of_both(text)])
def test_the_labs_security_command_center_answers_the_same(text: str) -> None:
    result = securitycenter_v2.ListFindingsResponse.ListFindingsResult.pb()()
    result.finding.category, result.finding.state, result.finding.severity = CATEGORY, 1, 4  # ACTIVE, LOW
    assert scc_filter.parse(text)(result) is lets_through(text, OURS)


@pytest.mark.parametrize(
    "text",
    ["category", "state!=INACTIVE", "category=", 'category="x', "(state=ACTIVE", "state=ACTIVE)", "= ACTIVE",
     "state ( ACTIVE", "AND", "a=b " * 300, "-" * 500],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_said_to_be_so(text: str) -> None:
    with pytest.raises(FilterError):
        lets_through(text, OURS)
