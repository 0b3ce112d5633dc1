"""Fixtures of the tests of webhooks: a shop, a receiver on the loopback, who looks after both."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from lockstock.app import Services
from lockstock.settings import Settings
from tests.events.webhooks.desk import Desk
from tests.events.webhooks.receiver import Receiver, receiving
from tests.shops.people import shop_of, somebody


@pytest.fixture
def settings() -> Settings:
    """Nothing runs by itself, webhooks may lead to the loopback, two tries follow the first."""
    return Settings(
        _env_file=None,
        sweep_seconds=0,
        sandbox_payments=True,
        webhooks_allow_private=True,
        webhooks_timeout_seconds=20,
        webhooks_retry_seconds=[300, 3600],
    )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on the loopback."""
    async with receiving() as made:
        yield made


@pytest.fixture
async def desk(client: httpx2.AsyncClient, services: Services, receiver: Receiver) -> Desk:
    """A shop, and its owner at work."""
    owner = somebody()
    shop = await shop_of(client, owner, "Corner shop")
    return Desk(client, services, receiver, shop["id"], owner.headers)
