"""What could point a client somewhere else is cleared before any test is imported."""

from __future__ import annotations

import pytest

from lab.environment import clean_this_process

clean_this_process()

# The contract's asserts explain themselves as those of any test do; said here, before any test module imports it.
pytest.register_assert_rewrite("tests.stores.contract")
