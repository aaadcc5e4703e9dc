"""Steps 1 and 7: attack, build or unclear. `judging.judge` gives the verdict; `docs/triage.md` says what is weighed."""

from __future__ import annotations

from responder.triage.happenings import is_telling
from responder.triage.judging import BUILT_IN, NONE, Case, Rules, Tuning, judge, telling

__all__ = ["BUILT_IN", "NONE", "Case", "Rules", "Tuning", "is_telling", "judge", "telling"]
