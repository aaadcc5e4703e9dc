"""The contract's asserts explain themselves as those of any test do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.stores.contract")
