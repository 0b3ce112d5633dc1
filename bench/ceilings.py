"""What PostgreSQL does by itself: hand-written SQL under pgbench, no HTTP and no Python."""

import asyncio
import re
import subprocess
from dataclasses import dataclass

import asyncpg

from bench.stage import Stage, scratch
from bench.workloads import LIST_LIMIT

NAME = "ceiling"
VARIANTS = 1_000
WAREHOUSES = 5
CLIENTS = (1, 2, 4, 8, 16, 32)

TABLES = """
CREATE TABLE stock (variant_id bigint, warehouse_id bigint, on_hand bigint NOT NULL,
    held bigint NOT NULL CHECK (held <= on_hand), PRIMARY KEY (variant_id, warehouse_id))
    WITH (fillfactor = 70);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL, status text NOT NULL, total_minor bigint NOT NULL,
    created_at timestamptz NOT NULL, expires_at timestamptz NOT NULL);
CREATE TABLE lines (order_id bigint, variant_id bigint, quantity bigint NOT NULL,
    price_minor bigint NOT NULL, PRIMARY KEY (order_id, variant_id));
CREATE TABLE allocations (order_id bigint, variant_id bigint, warehouse_id bigint,
    quantity bigint NOT NULL, PRIMARY KEY (order_id, variant_id, warehouse_id));
INSERT INTO stock
    SELECT v, w, 2000000000, 0 FROM generate_series(1, 1000) AS v, generate_series(1, 5) AS w;
"""

# The rows first and the counter last: it is locked for no longer than it must be.
ONE_LINE = """
\\set customer random(1, 20000)
{choose}
BEGIN;
INSERT INTO orders (customer_id, status, total_minor, created_at, expires_at)
    VALUES (:customer, 'awaiting_payment', 100, now(), now() + interval '1 day')
    RETURNING id AS order_id \\gset
INSERT INTO lines VALUES (:order_id, :variant, 1, 100);
INSERT INTO allocations VALUES (:order_id, :variant, :warehouse, 1);
UPDATE stock SET held = held + 1
    WHERE variant_id = :variant AND warehouse_id = :warehouse AND held < on_hand;
COMMIT;
"""
HOT = ONE_LINE.format(choose="\\set variant 1\n\\set warehouse 1")
ALIKE = ONE_LINE.format(choose="\\set variant random(1, 1000)\n\\set warehouse random(1, 5)")

# The same as one statement: one trip to the server, and nobody writes it like this.
HOT_AT_ONCE = """
\\set customer random(1, 20000)
WITH o AS (INSERT INTO orders (customer_id, status, total_minor, created_at, expires_at)
    VALUES (:customer, 'awaiting_payment', 100, now(), now() + interval '1 day') RETURNING id),
l AS (INSERT INTO lines SELECT id, 1, 1, 100 FROM o),
a AS (INSERT INTO allocations SELECT id, 1, 1, 1 FROM o)
UPDATE stock SET held = held + 1 WHERE variant_id = 1 AND warehouse_id = 1 AND held < on_hand;
"""

# A page of Lockstock's own tables, with exact availability: an expired hold counts as free.
LIST = """
\\set first random(0, 39) * {limit}
SELECT p.id, p.name, p.description, v.id, v.sku, v.price_minor, s.available
FROM (SELECT id, name, description, name_key FROM products.products
    WHERE shop_id = '{shop}' AND published
        AND (name_key, id) >= ('article ' || lpad((:first)::text, 8, '0'),
            '00000000-0000-0000-0000-000000000000'::uuid)
    ORDER BY name_key, id LIMIT {limit}) AS p
JOIN products.variants AS v ON v.shop_id = '{shop}' AND v.product_id = p.id
CROSS JOIN LATERAL (SELECT coalesce(sum(s.on_hand - s.held - s.committed
    + coalesce((SELECT sum(a.quantity) FROM warehouses.allocations AS a
        WHERE a.shop_id = '{shop}' AND a.variant_id = s.variant_id
            AND a.warehouse_id = s.warehouse_id AND a.status = 'held' AND a.expires_at <= now()),
        0)), 0) AS available
    FROM warehouses.stock AS s
    JOIN warehouses.warehouses AS w ON w.shop_id = s.shop_id AND w.id = s.warehouse_id
    WHERE s.shop_id = '{shop}' AND s.variant_id = v.id AND w.active) AS s
ORDER BY p.name_key, p.id;
"""


@dataclass(frozen=True)
class Ceiling:
    """A script and the client count at which it does most."""

    script: str
    database: str
    clients: int


async def prepare(stage: Stage) -> None:
    """Create the ceilings' own tables."""
    connection = await asyncpg.connect(await stage.databases.create(NAME))
    try:
        await connection.execute(TABLES)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def list_script(stage: Stage) -> str:
    """The page of the list as hand-written SQL."""
    return LIST.format(shop=stage.shop_id, limit=LIST_LIMIT)


async def best(stage: Stage, script: str, database: str = NAME, seconds: int = 2) -> Ceiling:
    """Find the client count at which a script does most."""
    found = [
        (await run(stage, Ceiling(script, database, clients), seconds), clients)
        for clients in CLIENTS
    ]
    return Ceiling(script, database, max(found)[1])


async def run(stage: Stage, ceiling: Ceiling, seconds: int = 3) -> float:
    """Run a script; return transactions per second."""
    path = scratch(stage, "pgbench.sql")
    path.write_text(ceiling.script)
    words = ["-n", "-M", "prepared", "-f", str(path), "-T", str(seconds)]
    words += ["-c", str(ceiling.clients), "-j", str(min(2, ceiling.clients))]
    process = await asyncio.create_subprocess_exec(
        stage.databases.bin_dir / "pgbench",
        *words,
        *stage.databases.words(ceiling.database),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, errors = await process.communicate()
    figure = re.search(r"^tps = ([0-9.]+)", said.decode(), re.MULTILINE)
    if process.returncode or figure is None:
        message = f"pgbench ended with {process.returncode}: {errors.decode()[-500:]}"
        raise RuntimeError(message)
    return float(figure[1])
