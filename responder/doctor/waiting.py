"""What tells the review page how many dead letters wait: the subscription that it is told of, and the metric's API.

The right to ask is among those of its account (`rights.page`). Pure: asks its ports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from responder.doctor.lines import Check, Line
from responder.doctor.ports import Case
from responder.doctor.review import Page

API: Final = "monitoring.googleapis.com"
"""Looked at here, since it is needed where there is a page alone."""
_VARIABLE: Final = "RESPONDER_DEAD_LETTERS"


def counted(case: Case, page: Page) -> Iterator[Line]:
    """It is told of a subscription that takes dead letters: another name has no count, or that of something else."""
    check = Check("review.dead-letters", page.service.name)
    if page.settings is None:  # another line says so
        return
    name = page.settings.dead_letters

    def ask() -> Iterator[Line]:
        every = case.sources.subscriptions(page.project)
        dead = {one.dead_letter_policy.dead_letter_topic for one in every} - {""}
        kept = [one.name for one in every if one.topic in dead]
        mend = page.update(f"--update-env-vars={_VARIABLE}={kept[0] if kept else 'SUBSCRIPTION'}")
        if not name:
            yield check.advice(f"{_VARIABLE} is not set: the page cannot say how many dead letters wait", mend)
        elif name not in kept:
            yield check.wrong(f"{_VARIABLE} is {name}, which takes no dead letters", mend)
        elif not case.sources.enabled(page.project, (API,)):
            yield check.wrong(f"{API} is off", f"gcloud services enable {API} --project={page.project}")
        else:
            yield check.ok("it is told of them")

    yield from check.asking(ask)
