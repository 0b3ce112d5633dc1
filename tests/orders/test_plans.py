"""Lists stay fast: with every filter, the plan that is made once for all values uses an index.

A prepared statement is planned for all values after a few uses. So the generic plan is looked at,
on tables that are loaded with many rows.
"""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg

from lockstock.orders.listing import store as listing
from lockstock.orders.payments import store as payments
from lockstock.warehouses.stock import store as stock
from lockstock.warehouses.stock.ledger import store as ledger

MANY = 50_000
# Rows of one shop among five, in five years, of a thousand customers.
_ROWS = f"FROM generate_series(1, {MANY}) AS n"
_SHOP = "('00000000-0000-0000-0000-00000000000' || n % 5)::uuid"
_AT = "'2021-01-01'::timestamptz + n * interval '1 hour'"
_CUSTOMER = "('00000000-0000-0000-0000-' || lpad((n % 1000)::text, 12, '0'))::uuid"
LOADED = (
    f"""
    INSERT INTO orders.orders (shop_id, id, customer_id, status, currency, total_minor, digest,
        attempt, allocations, created_at, expires_at, late, transitions, paid_at, paid_by)
    SELECT {_SHOP}, gen_random_uuid(), {_CUSTOMER},
        CASE WHEN n % 100 = 0 THEN 'paid' WHEN n % 100 = 1 THEN 'awaiting_payment'
            ELSE 'completed' END,
        'EUR', 100, '', 1, '[]', {_AT}, {_AT}, false, 1, {_AT}, gen_random_uuid() {_ROWS}
    """,
    f"""
    INSERT INTO orders.payments (shop_id, id, order_id, provider, status, amount_minor, currency,
        review, created_at)
    SELECT {_SHOP}, gen_random_uuid(), gen_random_uuid(), 'sandbox', 'pending', 1, 'EUR',
        n % 1000 = 0, {_AT} {_ROWS}
    """,
    f"""
    INSERT INTO warehouses.stock (shop_id, variant_id, warehouse_id, on_hand, held, committed,
        incoming, sequence)
    SELECT {_SHOP}, gen_random_uuid(), {_SHOP}, 1, 0, 0, 0, 0 {_ROWS}
    """,
    f"""
    INSERT INTO warehouses.movements (shop_id, variant_id, warehouse_id, sequence, delta, balance,
        kind, request_id, occurred_at)
    SELECT {_SHOP}, {_CUSTOMER}, {_SHOP}, n, 1, n, 'receive', '', {_AT} {_ROWS}
    """,
    """
    INSERT INTO warehouses.warehouses (shop_id, id, name, active, priority, created_at)
    SELECT u, u, 'A', true, 1, now()
    FROM (SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid AS u
        FROM generate_series(0, 4) AS n) AS s
    """,
    "ANALYZE orders.orders, orders.payments, warehouses.stock, warehouses.movements",
    "SET plan_cache_mode = force_generic_plan",
)
STATEMENTS = {
    # The statement, the indexes that may lead to a page, and whether a few rows may be sorted.
    "orders": (listing.LIST_ORDERS, {"orders_newest"}, False),
    "orders in a status": (listing.LIST_ORDERS_IN_STATUS, {"orders_by_status"}, True),
    "orders of a customer": (listing.LIST_ORDERS_OF_CUSTOMER, {"orders_of_customer"}, True),
    "own orders": (listing.LIST_OWN_ORDERS, {"orders_of_customer"}, True),
    "oldest orders": (listing.LIST_ORDERS_OLDEST, {"orders_newest"}, False),
    "oldest orders in a status": (
        listing.LIST_ORDERS_IN_STATUS_OLDEST,
        {"orders_by_status"},
        True,
    ),
    "payments": (payments.LIST_PAYMENTS_OF_SHOP, {"payments_newest"}, False),
    "payments to review": (payments.LIST_PAYMENTS_TO_REVIEW, {"payments_to_review"}, False),
    "stock": (stock.STOCK_PAGE, {"stock_pkey"}, False),
    "stock of a variant": (stock.STOCK_PAGE_OF_VARIANT, {"stock_pkey"}, True),
    "past stock": (ledger.PAST_STOCK_PAGE, {"stock_pkey"}, False),
    "past stock of a variant": (ledger.PAST_STOCK_PAGE_OF_VARIANT, {"stock_pkey"}, True),
    "ledger": (ledger.MOVEMENT_PAGE, {"movements_by_time"}, False),
    "ledger of a variant": (
        ledger.MOVEMENT_PAGE_OF_VARIANT,
        {"movements_as_of", "movements_pkey"},
        True,
    ),
}
TABLES = {"orders", "payments", "stock", "movements"}


async def test_each_list_is_led_to_its_page_by_an_index(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for statement in LOADED:
            await connection.execute(statement)
        for name, (statement, indexes, is_sorted) in STATEMENTS.items():
            nodes = await plan_of(connection, statement)
            seen = [(node["Node Type"], node.get("Index Name")) for node in nodes]
            whole = [node for node in nodes if node["Node Type"] == "Seq Scan"]
            assert TABLES.isdisjoint(node["Relation Name"] for node in whole), (name, seen)
            led = [node for node in nodes if node.get("Index Name") in indexes]
            assert led, (name, seen)
            assert all("Index Cond" in node for node in led), name
            # Sorted are only the few rows of what is asked for, never those of the shop.
            assert is_sorted or "Sort" not in dict(seen), (name, seen)
    finally:
        await connection.close()


async def plan_of(connection: asyncpg.Connection, statement: str) -> list[dict[str, Any]]:
    """The nodes of the generic plan of a statement."""
    await connection.execute(f"PREPARE looked_at AS {statement}")
    try:
        count = await connection.fetchval(
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements"
            " WHERE name = 'looked_at'"
        )
        nulls = ", ".join(["NULL"] * count)
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at ({nulls})")
    finally:
        await connection.execute("DEALLOCATE looked_at")
    return list(nodes_of(json.loads(text)[0]["Plan"]))


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes_of(below)
