"""Fixtures of the orders' tests."""

from collections.abc import AsyncIterator

import pytest

from lockstock.kernel.database import Database
from tests.orders.market import Market


@pytest.fixture
async def market(database: Database) -> AsyncIterator[Market]:
    """A shop with ten units of one variant. Whatever a test does to it, all invariants hold."""
    opened = await Market(database).open()
    yield opened
    await opened.check()
