"""The mark on products that may have units: never missing from one that was just received."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from lockstock.app import Services
from lockstock.events.in_stock.service import InStockWatcher
from lockstock.kernel.database import Database
from lockstock.kernel.ids import new_id
from lockstock.kernel.outbox import PendingEvent
from lockstock.products.contract import Product
from lockstock.products.in_stock.rules import AGAIN, KEPT, Mark, marked
from lockstock.products.in_stock.service import InStockService
from lockstock.products.listing.in_stock import store as listing
from lockstock.warehouses.contract import Cause
from lockstock.warehouses.stock.contract import Adjust, Adjustment, Stock
from tests.orders.test_plans import plan_of
from tests.products.catalogue import create, names, new_product, stock_up

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("before", "has_units", "after"),
    [
        (Mark(in_stock=True, check_at=None), True, Mark(in_stock=True, check_at=None)),
        (Mark(in_stock=True, check_at=LATER), True, Mark(in_stock=True, check_at=None)),
        (Mark(in_stock=False, check_at=LATER), True, Mark(in_stock=True, check_at=None)),
        (Mark(in_stock=True, check_at=None), False, Mark(in_stock=True, check_at=NOW + KEPT)),
        (Mark(in_stock=True, check_at=LATER), False, Mark(in_stock=True, check_at=LATER)),
        (Mark(in_stock=True, check_at=EARLIER), False, Mark(in_stock=False, check_at=NOW + AGAIN)),
        (Mark(in_stock=False, check_at=LATER), False, Mark(in_stock=False, check_at=LATER)),
    ],
)
def test_a_mark_is_kept_for_a_while_and_is_back_at_once(
    before: Mark, has_units: bool, after: Mark
) -> None:
    assert marked(before, NOW, has_units=has_units) == after


async def look(services: Services) -> None:
    """Do what a process does in the background, until there is nothing more to do."""
    await services.relay.drain()
    while await services.in_stock_watch.run_once():
        pass


async def let_time_pass(database: Database) -> None:
    """Let all that was to be looked at later be due."""
    await database.transaction(
        lambda connection: connection.execute(
            "UPDATE products.products SET stock_check_at = statement_timestamp()"
            " WHERE stock_check_at IS NOT NULL"
        )
    )


async def take_all_marks_away(database: Database) -> None:
    """Let every product be marked as who had looked before would mark it."""
    await database.transaction(
        lambda connection: connection.execute(
            "UPDATE products.products SET in_stock = false,"
            " stock_check_at = statement_timestamp() + interval '1 day'"
        )
    )


async def marks(database: Database) -> dict[str, bool]:
    """Which products have the mark, by name."""
    rows = await database.read(
        lambda connection: connection.fetch("SELECT name, in_stock FROM products.products")
    )
    return {row["name"]: row["in_stock"] for row in rows}


async def adjust(services: Services, product: Product, warehouse_id: UUID, delta: int) -> None:
    """Change what is on hand of the first variant."""
    line = Adjustment(variant_id=product.variants[0].id, delta=delta)
    cause = Cause(change_id=new_id(), actor_id=None, request_id="test")
    ask = Adjust(lines=[line], reason="test")
    await services.stock.adjust(product.shop_id, warehouse_id, ask, cause)


async def test_what_never_had_units_loses_its_mark_after_a_while(
    services: Services, database: Database
) -> None:
    await create(services, new_id(), new_product("Tea", "t"))
    await look(services)
    assert await marks(database) == {"Tea": True}
    await let_time_pass(database)
    await look(services)
    assert await marks(database) == {"Tea": False}


async def test_what_is_restocked_is_listed_when_it_was_told(
    services: Services, database: Database
) -> None:
    shop_id = new_id()
    tea, _ = await create(services, shop_id, new_product("Tea", "t", "u"), new_product("Pot", "p"))
    await let_time_pass(database)
    await look(services)
    assert await marks(database) == {"Tea": False, "Pot": False}
    await stock_up(services, tea, 3)
    assert await names(services, shop_id=shop_id, in_stock=True) == []
    await look(services)
    assert await names(services, shop_id=shop_id, in_stock=True) == ["Tea"]
    assert await names(services, in_stock=True, sort="newest") == ["Tea"]
    assert await names(services, in_stock=True, q="tea") == ["Tea"]
    assert await marks(database) == {"Tea": True, "Pot": False}


async def test_what_is_sold_out_and_restocked_soon_is_never_missing(
    services: Services, database: Database
) -> None:
    shop_id = new_id()
    [tea] = await create(services, shop_id, new_product("Tea", "t"))
    warehouse_id = await stock_up(services, tea, 1)
    await look(services)
    await adjust(services, tea, warehouse_id, -1)
    await look(services)
    assert await names(services, shop_id=shop_id, in_stock=True) == []
    await adjust(services, tea, warehouse_id, 1)
    # Nobody has looked yet.
    assert await names(services, shop_id=shop_id, in_stock=True) == ["Tea"]
    await look(services)
    await let_time_pass(database)
    await look(services)
    assert await marks(database) == {"Tea": True}
    await adjust(services, tea, warehouse_id, -1)
    await look(services)
    await let_time_pass(database)
    await look(services)
    assert await marks(database) == {"Tea": False}


async def test_units_in_a_shut_warehouse_keep_the_mark(
    services: Services, database: Database
) -> None:
    [tea] = await create(services, new_id(), new_product("Tea", "t"))
    warehouse_id = await stock_up(services, tea, 1)
    await database.transaction(
        lambda connection: connection.execute(
            "UPDATE warehouses.warehouses SET active = false WHERE id = $1", warehouse_id
        )
    )
    await let_time_pass(database)
    await look(services)
    assert await marks(database) == {"Tea": True}


async def test_an_event_that_names_no_variants_is_of_all(
    services: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_id = new_id()
    teas = await create(services, shop_id, *(new_product(f"Tea {n}", f"t{n}") for n in range(5)))
    await let_time_pass(database)
    await look(services)
    monkeypatch.setattr("lockstock.products.in_stock.service.AT_ONCE", 2)
    for tea in teas:
        await stock_up(services, tea, 1)
    await look(services)
    await take_all_marks_away(database)
    named = PendingEvent(
        "warehouses", new_id(), "warehouse.activated", shop_id, '{"variant_ids": []}', NOW
    )
    unnamed = replace(named, id=new_id(), data='{"variant_ids": null}')
    await services.event_log.append(shop_id, [named])
    await look(services)
    assert set((await marks(database)).values()) == {False}
    await services.event_log.append(shop_id, [unnamed])
    await look(services)
    assert set((await marks(database)).values()) == {True}


async def test_more_events_than_are_read_at_once_are_all_read(
    services: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop_id = new_id()
    teas = await create(services, shop_id, *(new_product(f"Tea {n}", f"t{n}") for n in range(5)))
    await let_time_pass(database)
    await look(services)
    assert set((await marks(database)).values()) == {False}
    for tea in teas:
        await stock_up(services, tea, 1)
    monkeypatch.setattr("lockstock.events.in_stock.service.MOST_EVENTS", 1)
    await look(services)
    assert set((await marks(database)).values()) == {True}


class Meanwhile:
    """Warehouses where something happens right after somebody has looked there, once."""

    def __init__(self, stock: Stock, happens: Any) -> None:
        self._stock = stock
        self._happens = happens

    async def with_units(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> set[UUID]:
        found = await self._stock.with_units(shop_id, variant_ids)
        if self._happens is not None:
            happens, self._happens = self._happens, None
            await happens()
        return found


async def test_who_looked_before_units_came_does_not_have_the_last_word(
    services: Services, database: Database
) -> None:
    [tea] = await create(services, new_id(), new_product("Tea", "t"))
    await let_time_pass(database)

    async def units_come_and_are_seen() -> None:
        await stock_up(services, tea, 1)
        await look(services)

    slow: Any = Meanwhile(services.stock, units_come_and_are_seen)
    await InStockService(database, slow).look_at_due(10)
    assert await marks(database) == {"Tea": True}


async def test_who_heard_of_units_is_not_undone_by_who_had_not(
    services: Services, database: Database
) -> None:
    [tea] = await create(services, new_id(), new_product("Tea", "t"))
    await let_time_pass(database)
    await stock_up(services, tea, 1)
    await services.relay.drain()

    slow: Any = Meanwhile(services.stock, partial(take_all_marks_away, database))
    await InStockWatcher(database, InStockService(database, slow)).run_once()
    assert await marks(database) == {"Tea": True}


async def test_many_processes_at_once_agree(services: Services, database: Database) -> None:
    shop_id = new_id()
    teas = await create(services, shop_id, *(new_product(f"Tea {n}", f"t{n}") for n in range(30)))
    await let_time_pass(database)
    for tea in teas[::3]:
        await stock_up(services, tea, 1)
    await services.relay.drain()
    watchers = [
        InStockWatcher(database, InStockService(database, services.stock)) for _ in range(6)
    ]
    await asyncio.gather(*(watcher.run_once() for watcher in watchers))
    assert await marks(database) == {tea.name: n % 3 == 0 for n, tea in enumerate(teas)}


MANY = 20_000
LOADED = (
    # 20,000 products in each of two shops, ten of them with units.
    f"""
    INSERT INTO products.products (shop_id, id, name, name_key, published, currency,
        lowest_price_minor, highest_price_minor, search, request_digest, created_at, updated_at,
        in_stock)
    SELECT ('00000000-0000-0000-0000-00000000000' || n % 2)::uuid, gen_random_uuid(), 'P ' || n,
        'p ' || n, true, 'EUR', n, n, '', '', '2026-01-01'::timestamptz + n * interval '1 s',
        '2026-01-01', n % {MANY // 10} < 2
    FROM generate_series(1, {2 * MANY}) AS n
    """,  # noqa: S608
    "ANALYZE products.products",
    "SET plan_cache_mode = force_generic_plan",
)


async def test_a_page_of_the_little_that_is_in_stock_is_led_to_by_an_index(
    database_url: str,
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for statement in LOADED:
            await connection.execute(statement)
        for in_shop, statements in listing.STATEMENTS.items():
            for sort, statement in statements.items():
                await check_plan(connection, f"{sort} {in_shop}", statement)
    finally:
        await connection.close()


async def check_plan(connection: asyncpg.Connection, which: str, statement: str) -> None:
    nodes = await plan_of(connection, statement)
    seen = [(node["Node Type"], node.get("Index Name")) for node in nodes]
    [led] = [node for node in nodes if "Index Name" in node]
    assert led["Node Type"] == "Index Scan", (which, seen)
    assert "in_stock" in led["Index Name"], (which, seen)
    assert "Index Cond" in led, (which, seen)
    assert "Sort" not in dict(seen), (which, seen)
