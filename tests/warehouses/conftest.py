"""Fixtures of the warehouses' tests."""

from collections.abc import AsyncIterator

import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel.database import Database
from tests.warehouses.depot import Depot


@pytest.fixture
async def depot(database: Database) -> AsyncIterator[Depot]:
    """A shop with nothing yet. Whatever the test does, all invariants hold after it."""
    yield Depot(database)
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))
