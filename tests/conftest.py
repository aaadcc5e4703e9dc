"""What could point a client somewhere else is cleared before any test is imported."""

from __future__ import annotations

from lab.environment import clean_this_process

clean_this_process()
