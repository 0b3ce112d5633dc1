"""Which cap holds for an order: the shop's own, or the platform's where it has none."""

import pytest

from lockstock.kernel.database import Database
from lockstock.orders.service import OrdersService
from lockstock.warehouses.reservations.contract import TooManyOpenReservations
from tests.orders.market import Market


@pytest.mark.parametrize(
    ("platform", "own", "most"), [(None, None, 4), (2, None, 2), (2, 3, 3), (None, 1, 1)]
)
async def test_the_cap_of_the_shop_goes_before_that_of_the_platform(
    database: Database, platform: int | None, own: int | None, most: int
) -> None:
    market = await Market(database).open(10, max_open_reservations=own)
    market.orders = OrdersService(
        database,
        market.shops,
        market.products,
        market.reservations,
        max_open_reservations=platform,
    )
    placed = 0
    for _ in range(4):
        try:
            await market.place(1)
        except TooManyOpenReservations as refusal:
            assert refusal.fields["most"] == most  # noqa: PT017 (not each try is refused)
        else:
            placed += 1
    assert placed == most
