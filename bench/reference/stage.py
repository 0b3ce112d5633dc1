"""Fills the reference's database with the same shop, and checks that it did not oversell either."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg
from sqlalchemy import create_mock_engine  # noqa: TID251 (this is what most teams use)
from sqlalchemy.schema import ExecutableDDLElement  # noqa: TID251

from bench.driver import Unsound
from bench.postgres import Databases
from bench.reference.models import Base
from bench.seed import FUNCTIONS, LITTLE, MOST, PLENTY
from bench.servers import SIGNING_KEY, Server, uvicorn
from bench.shop import Shop

VARIANTS = """
INSERT INTO variants (id, shop_id, sku, name, price_minor)
SELECT pg_temp.bench_id(2, n), $1, 'SKU-' || lpad(n::text, 8, '0'),
    'Article ' || lpad(n::text, 8, '0'), pg_temp.bench_price(n)
FROM generate_series(0, $2::bigint) AS n
"""

STOCK = """
INSERT INTO stock (variant_id, warehouse_id, on_hand, held)
SELECT pg_temp.bench_id(2, v), w, $4, 0
FROM generate_series($1::bigint, $2::bigint) AS v CROSS JOIN unnest($3::uuid[]) AS w
"""

# Rows that should not be: more held than there is or than was sold, a total that is not its lines'.
FAULTS = """
SELECT 'oversold' AS fault, variant_id AS id FROM stock
LEFT JOIN (
    SELECT variant_id, warehouse_id, sum(quantity) AS promised FROM allocations
    GROUP BY variant_id, warehouse_id
) AS a USING (variant_id, warehouse_id)
WHERE held > on_hand OR held <> coalesce(promised, 0) OR coalesce(promised, 0) > on_hand
UNION ALL
SELECT 'wrong total', o.id FROM orders AS o
LEFT JOIN (
    SELECT order_id, sum(quantity * unit_price_minor) AS total FROM order_lines GROUP BY order_id
) AS l ON l.order_id = o.id
WHERE o.total_minor IS DISTINCT FROM l.total
UNION ALL
SELECT 'not what was bought', l.order_id FROM order_lines AS l
LEFT JOIN allocations AS a ON a.order_id = l.order_id AND a.variant_id = l.variant_id
WHERE a.quantity IS DISTINCT FROM l.quantity
UNION ALL
SELECT 'no event', o.id FROM orders AS o LEFT JOIN events AS e ON e.order_id = o.id
WHERE e.id IS NULL
LIMIT 20
"""


async def fill(databases: Databases, name: str, shop: Shop) -> None:
    """Create a database with the same variants, prices and stock as Lockstock's."""
    connection = await asyncpg.connect(await databases.create(name))
    try:
        for statement in (*_tables(), *FUNCTIONS):
            await connection.execute(statement)
        last = shop.variants + len(shop.scarce)
        await connection.execute(VARIANTS, shop.id, last)
        await connection.execute(STOCK, 0, shop.variants - 1, shop.warehouses, PLENTY)
        one = shop.warehouses[:1]
        await connection.execute(STOCK, shop.variants, shop.variants, one, MOST)
        await connection.execute(STOCK, shop.variants + 1, last, one, LITTLE)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    await databases.settle()


def _tables() -> list[str]:
    """Return the statements that make the tables."""
    said: list[str] = []

    def say(statement: ExecutableDDLElement, *_: object, **__: object) -> None:
        said.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql+asyncpg://", say)
    Base.metadata.create_all(engine, checkfirst=False)
    return said


@asynccontextmanager
async def serving(databases: Databases, name: str, workers: int = 1) -> AsyncIterator[Server]:
    """Run the reference on a database that was filled."""
    parts = urlsplit(databases.url(name))
    found = parse_qs(parts.query)
    # The driver of SQLAlchemy takes the directory of the socket as `host`, as libpq does.
    query = f"host={found['host'][0]}&port={found['port'][0]}"
    env = {
        "REFERENCE_DATABASE_URL": f"postgresql+asyncpg://lockstock@/{name}?{query}",
        "REFERENCE_SIGNING_KEY": SIGNING_KEY,
    }
    async with uvicorn("bench.reference.app:app", env, workers) as server:
        yield server


async def check(databases: Databases, name: str) -> None:
    """Look for what should not be. Raises Unsound."""
    connection = await asyncpg.connect(databases.url(name))
    try:
        faults = await connection.fetch(FAULTS)
    finally:
        await connection.close()
    if faults:
        message = f"the reference: {faults[0]['fault']} ({len(faults)} rows)"
        raise Unsound(message)
