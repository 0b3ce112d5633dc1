"""Fixtures of the transfers' tests."""

import pytest

from tests.warehouses.depot import Depot
from tests.warehouses.transfers.carrying import Carrier, carrier


@pytest.fixture
async def carry(depot: Depot) -> Carrier:
    """Ten units of tea in the north, one in the south. The audit holds after the test."""
    return await carrier(depot)
