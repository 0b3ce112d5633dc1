"""Low stock: told once per crossing, by whichever process, whatever made it cross."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest

from lockstock.app import Services
from lockstock.events.low_stock.service import LowStockWatcher
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.ids import new_id
from lockstock.shops.contract import ShopChange
from lockstock.warehouses.contract import Cause, Deactivate
from lockstock.warehouses.low_stock import rules, store
from lockstock.warehouses.low_stock.contract import Look, LowStockList
from lockstock.warehouses.low_stock.rules import Standing
from lockstock.warehouses.stock.contract import Adjust, Adjustment
from tests.conftest import OpenShop, Register
from tests.orders.market import Market
from tests.products.catalogue import post_product

LOW, REPLENISHED = "stock.low", "stock.replenished"
PROCESSES = 8


class Watched:
    """A shop, and those who watch its stock."""

    def __init__(self, market: Market, services: Services) -> None:
        self.market = market
        self.services = services

    @property
    def shop_id(self) -> UUID:
        return self.market.shop.id

    async def adjust(self, delta: int) -> None:
        """Change what is on hand."""
        line = Adjustment(variant_id=self.market.variant_id, delta=delta)
        ask = Adjust(lines=[line], reason="test")
        cause = Cause(change_id=new_id(), actor_id=None, request_id="test")
        await self.market.stock.adjust(self.shop_id, self.market.warehouse_id, ask, cause)

    async def change(self, **settings: Any) -> None:
        """Change settings of the shop."""
        await self.services.shops.change(self.shop_id, ShopChange(**settings))

    async def let_time_pass(self) -> None:
        """Let all that was to be in an hour be a second ago."""

        async def move(connection: Connection) -> None:
            for table, column in (
                ("reservations", "expires_at"),
                ("allocations", "expires_at"),
                ("low_stock", "look_again_at"),
            ):
                await connection.execute(
                    f"UPDATE warehouses.{table}"  # noqa: S608
                    f" SET {column} = statement_timestamp() - interval '1 s'"
                )

        await self.market.database.transaction(move)

    async def look(self) -> None:
        """Do what a process does in the background, until there is nothing more to do."""
        for _ in range(2):
            await self.services.relay.drain()
            await self.services.stock_watch.run_once()
        await self.services.relay.drain()

    async def told(self) -> list[tuple[str, int]]:
        """The crossings that were told of, and how much was available then."""
        events = await self.services.event_log.after(self.shop_id, 0, 10_000, [LOW, REPLENISHED])
        return [(event.kind, event.data["available"]) for event in events]

    async def low(self) -> list[tuple[int, int]]:
        """What is listed as low: available, threshold."""
        page = await self.services.low_stock.low(self.shop_id, LowStockList())
        return [(row.available, row.threshold) for row in page.items]


@pytest.fixture
async def watched(database: Database, services: Services) -> Watched:
    """A shop with ten units and a threshold of three."""
    market = await Market(database).open(low_stock_threshold=3)
    return Watched(market, services)


async def test_it_is_told_once_per_crossing(watched: Watched) -> None:
    await watched.look()
    assert (await watched.told(), await watched.low()) == ([], [])
    await watched.adjust(-6)
    await watched.look()
    assert await watched.told() == []
    await watched.adjust(-1)
    await watched.look()
    await watched.adjust(-1)
    await watched.look()
    assert await watched.told() == [(LOW, 3)]
    assert await watched.low() == [(2, 3)]
    await watched.adjust(+1)
    await watched.look()
    assert await watched.low() == [(3, 3)]
    await watched.adjust(+1)
    await watched.look()
    assert (await watched.told(), await watched.low()) == ([(LOW, 3), (REPLENISHED, 4)], [])


async def test_a_sale_makes_low_and_a_cancellation_replenishes(watched: Watched) -> None:
    order = await watched.market.place(8)
    await watched.look()
    assert await watched.told() == [(LOW, 2)]
    await watched.market.cancel(order)
    await watched.look()
    assert await watched.told() == [(LOW, 2), (REPLENISHED, 10)]


async def test_a_deadline_replenishes_without_a_sweep(watched: Watched) -> None:
    await watched.market.place(8)
    await watched.look()
    assert await watched.told() == [(LOW, 2)]
    await watched.let_time_pass()
    await watched.look()
    assert await watched.told() == [(LOW, 2), (REPLENISHED, 10)]


async def test_another_threshold_is_compared_at_once(watched: Watched) -> None:
    await watched.look()
    await watched.change(low_stock_threshold=10)
    await watched.look()
    assert await watched.told() == [(LOW, 10)]
    await watched.change(low_stock_threshold=12)
    await watched.look()
    assert (await watched.told(), await watched.low()) == ([(LOW, 10)], [(10, 12)])
    await watched.change(low_stock_threshold=9)
    await watched.look()
    assert await watched.told() == [(LOW, 10), (REPLENISHED, 10)]


async def test_without_a_threshold_nothing_is_low(watched: Watched) -> None:
    await watched.adjust(-9)
    await watched.look()
    assert await watched.low() == [(1, 3)]
    await watched.change(low_stock_threshold=None)
    await watched.look()
    assert (await watched.told(), await watched.low()) == ([(LOW, 1)], [])


async def test_a_warehouse_that_is_switched_takes_and_gives_all_of_its_stock(
    watched: Watched,
) -> None:
    market = watched.market
    await market.warehouses.deactivate(market.shop.id, market.warehouse_id, Deactivate())
    await watched.look()
    assert await watched.told() == [(LOW, 0)]
    await market.warehouses.activate(market.shop.id, market.warehouse_id)
    await watched.look()
    assert await watched.told() == [(LOW, 0), (REPLENISHED, 10)]


def _processes(watched: Watched, database: Database) -> list[LowStockWatcher]:
    services = watched.services
    return [
        LowStockWatcher(database, services.streams, services.low_stock, services.shops)
        for _ in range(PROCESSES)
    ]


async def _cross_and_look(watched: Watched, database: Database, rounds: int) -> None:
    """Cross the threshold this often; eight processes see each crossing at the same time."""
    processes = _processes(watched, database)
    for number in range(rounds):
        await watched.adjust(-8 if number % 2 == 0 else 8)
        await watched.services.relay.drain()
        await asyncio.gather(*(process.run_once() for process in processes))
    await watched.services.relay.drain()


async def test_of_eight_processes_one_tells(watched: Watched, database: Database) -> None:
    await _cross_and_look(watched, database, 20)
    assert await watched.told() == [(LOW, 2), (REPLENISHED, 10)] * 10


async def test_without_its_lock_several_tell(
    watched: Watched, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race above can be lost: it is, once the guard is taken out."""
    monkeypatch.setattr(store, "LOCK_LOOK", store.LOCK_LOOK.replace("FOR UPDATE", ""))
    async with asyncio.timeout(60):
        while len(await watched.told()) <= 20:
            await _cross_and_look(watched, database, 20)
            if await watched.told() != [(LOW, 2), (REPLENISHED, 10)] * 10:
                return
    raise AssertionError("the race finds nothing")


async def test_processes_that_look_while_stock_changes_have_the_last_word_right(
    watched: Watched, database: Database
) -> None:
    processes = _processes(watched, database)
    selling = True

    async def look_on(process: LowStockWatcher) -> None:
        while selling:
            await watched.services.relay.run_once()
            await process.run_once()

    looking = [asyncio.create_task(look_on(process)) for process in processes[:3]]
    for number in range(40):
        await watched.adjust(-8 if number % 2 == 0 else 8)
    await watched.adjust(-9)
    selling = False
    await asyncio.gather(*looking)
    await watched.look()
    told = [kind for kind, _ in await watched.told()]
    # One after the other and never two of a kind, however many of them nobody has seen.
    assert told == [LOW, REPLENISHED] * (len(told) // 2) + [LOW]
    assert await watched.low() == [(1, 3)]


async def test_a_look_that_knows_less_than_the_one_before_does_nothing(watched: Watched) -> None:
    await watched.adjust(-9)
    variant_ids = [watched.market.variant_id]
    newer = Look(sequence=7, threshold=None, variant_ids=variant_ids)
    older = Look(sequence=6, threshold=3, variant_ids=variant_ids)
    assert await watched.services.low_stock.look(watched.shop_id, newer)
    assert not await watched.services.low_stock.look(watched.shop_id, older)
    assert await watched.low() == []


def test_what_crosses_is_told_and_what_stays_is_only_remembered() -> None:
    a, b, c = (new_id() for _ in range(3))
    now = [Standing(a, 3, None), Standing(b, 2, None), Standing(c, 4, None)]
    found = rules.crossings(now, {b, c}, 3)
    assert [event.kind for event in found.events] == [LOW, REPLENISHED]
    assert [event.subject_id for event in found.events] == [a, c]
    assert ([each.variant_id for each in found.low], found.risen) == ([a, b], [c])


async def test_the_list_is_for_who_works_in_the_shop(
    client: httpx2.AsyncClient, services: Services, register: Register, open_shop: OpenShop
) -> None:
    owner, stranger = await register(), await register()
    shop = await open_shop(owner, low_stock_threshold=5)
    variants = [{"sku": f"S{number}", "price_minor": 1} for number in range(3)]
    product = await post_product(client, owner.headers, shop, variants=variants)
    warehouse = shop["warehouses"][0]["id"]
    lines = [
        {"variant_id": variant["id"], "quantity": quantity}
        for variant, quantity in zip(product["variants"], (5, 6, 1), strict=True)
    ]
    await client.post(
        f"/v1/shops/{shop['id']}/warehouses/{warehouse}/receive",
        json={"lines": lines},
        headers=owner.headers,
    )
    await services.relay.drain()
    await services.stock_watch.run_once()
    path = f"/v1/shops/{shop['id']}/stock/low"
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=stranger.headers)).status_code == 404
    first = (await client.get(path, headers=owner.headers, params={"limit": 1})).json()
    second = (
        await client.get(path, headers=owner.headers, params={"limit": 1, "cursor": first["next"]})
    ).json()
    assert second["next"] is None
    listed = {row["variant_id"]: row["available"] for row in first["items"] + second["items"]}
    assert listed == {lines[0]["variant_id"]: 5, lines[2]["variant_id"]: 1}
    assert first["items"][0]["threshold"] == 5
