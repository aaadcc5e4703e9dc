"""What could point a client somewhere else is cleared before any test is imported.

Property tests draw the same examples at every run, so a change is judged by its own lines and not by the day's luck;
HYPOTHESIS_PROFILE=anew draws others.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from lab.environment import clean_this_process

clean_this_process()

settings.register_profile("same", derandomize=True)
settings.register_profile("anew")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# The contract's asserts explain themselves as those of any test do; said here, before any test module imports it.
pytest.register_assert_rewrite("tests.stores.contract")
