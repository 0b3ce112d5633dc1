"""The demo shop is loaded once, whole, and sound."""

import asyncio
from uuid import UUID

import pytest

from lockstock.app import Services
from lockstock.demo import store
from lockstock.demo.past import Past
from lockstock.demo.service import OPEN_ORDER_IDS, SHOP_ID, load
from lockstock.kernel.database import Connection
from lockstock.orders.contract import OrderList
from tests.demo.rows import BY_REQUEST, assert_sound, content


def silence(_text: str) -> None:
    """Say nothing."""


async def test_loading_it_again_changes_nothing(services: Services, database_url: str) -> None:
    first = await load(services, silence)
    before = await content(database_url)
    empty = {table for table, rows in before.items() if not rows}
    assert {table for table in empty if table.startswith(("warehouses", "orders"))} == BY_REQUEST
    said: list[str] = []
    assert await load(services, said.append) == first
    assert await content(database_url) == before
    assert said == []


async def test_a_first_start_that_dies_leaves_no_half_past(
    services: Services, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(_connection: Connection, *_args: object) -> None:
        msg = "killed"
        raise RuntimeError(msg)

    with monkeypatch.context() as broken:
        broken.setattr(store, "write_returns", die)
        with pytest.raises(RuntimeError, match="killed"):
            await load(services, silence)
    left = await content(database_url)
    for table in ("warehouses.movements", "warehouses.stock", "orders.orders"):
        assert not left[table]
    await load(services, silence)
    await assert_sound(services)
    # What the first start had done was found, not done again.
    after = await content(database_url)
    for table in ("users.users", "shops.shops", "products.variants", "warehouses.warehouses"):
        assert after[table] == left[table]


async def test_two_first_starts_at_once_load_it_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.write

    async def write_late(connection: Connection, shop_id: UUID, rows: Past) -> None:
        # Time for the other one to see that nothing is there yet, if nothing stops it.
        await asyncio.sleep(0.5)
        await write(connection, shop_id, rows)

    monkeypatch.setattr(store, "write", write_late)
    first, second = await asyncio.gather(load(services, silence), load(services, silence))
    assert first == second
    await assert_sound(services)
    waiting = OrderList(status="awaiting_payment", limit=200)
    assert len(await services.orders.list_orders(SHOP_ID, waiting)) == len(OPEN_ORDER_IDS)


async def test_some_orders_wait_for_their_money(services: Services) -> None:
    await load(services, silence)
    ask = OrderList(status="awaiting_payment", limit=200)
    waiting = await services.orders.list_orders(SHOP_ID, ask)
    assert {order.id for order in waiting} == set(OPEN_ORDER_IDS)
