"""What is in a database, and whether it is sound."""

import asyncpg

from lockstock.app import Services
from lockstock.audit.service import audit, report

TABLES = """
    SELECT format('%I.%I', schemaname, tablename)
    FROM pg_tables
    WHERE schemaname IN ('users', 'shops', 'products', 'warehouses', 'orders')
"""
# What only the verbs write, and only at a caller's request.
BY_REQUEST = {
    "warehouses.changes",
    "warehouses.capped_customers",
    "warehouses.low_stock",
    "warehouses.low_stock_looks",
    "orders.actions",
} | {f"orders.sandbox_{noun}" for noun in ("payments", "refunds", "deliveries", "faults")}


async def content(database_url: str) -> dict[str, list[str]]:
    """Return every row of every table."""
    connection = await asyncpg.connect(database_url)
    try:
        found = {}
        for [table] in await connection.fetch(TABLES):
            rows = await connection.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")  # noqa: S608
            found[table] = [row[0] for row in rows]
        return found
    finally:
        await connection.close()


async def assert_sound(services: Services) -> None:
    """Check that the audit finds a lived-in shop and nothing else."""
    verdict = await audit(services.warehouses.database)
    assert verdict.holds, "\n".join(report(verdict))
    assert verdict.figures["orders"] > 300
