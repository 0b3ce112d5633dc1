"""A house with the usual limits. Tests of the limits open one of their own."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from lockstock.kernel.database import Database
from tests.users.accounts import House, house


@pytest.fixture
async def home(database: Database) -> AsyncIterator[House]:
    """A users service on the test's database."""
    async with house(database) as opened:
        yield opened


@pytest.fixture
def caller(home: House) -> httpx2.AsyncClient:
    """A client of it."""
    return home.client()
