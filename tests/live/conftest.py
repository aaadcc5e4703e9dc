"""One shop for the tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.google import LabGoogle
from lab.server import Running
from tests.live.shop import open_shop


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Running, LabGoogle]]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def google(shop: tuple[Running, LabGoogle]) -> LabGoogle:
    return shop[1]
