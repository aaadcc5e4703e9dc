"""For the team: how fast records, words and outcomes come, where triage and analysts differ, what is noisy. Pure."""

from responder.stats.counting import agreement, stats
from responder.stats.model import Agreement, Day, Rule, Span, Stats, Workload, took

__all__ = ["Agreement", "Day", "Rule", "Span", "Stats", "Workload", "agreement", "stats", "took"]
