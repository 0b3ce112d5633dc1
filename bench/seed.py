"""Fills a shop by SQL: a million variants and ten million past orders cannot be sent one by one.

Everything is arithmetic on numbers. The n-th order is for one unit of variant n mod V from
warehouse (n / V) mod W, so each stock row knows how many orders it has had, and the ledger is
dense. The audit holds afterwards, as it must after everything else.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from bench.shop import Shop

PLENTY = 1_000_000
# The most that a counter of stock can be.
MOST = 2_000_000_000
LITTLE = 5

FUNCTIONS = (
    """
    CREATE FUNCTION pg_temp.bench_id(kind integer, number bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex(1717986918400 + number), 12, '0') || '7' || lpad(to_hex(kind), 3, '0')
            || '8000000000000000')::uuid
    $$
    """,
    """
    CREATE FUNCTION pg_temp.bench_price(number bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE AS $$ SELECT 100 + number % 900 $$
    """,
    # How many of the orders `first` to `first + orders - 1` are for a stock row.
    """
    CREATE FUNCTION pg_temp.bench_share(cell bigint, cells bigint, orders bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE AS $$ SELECT orders / cells + (cell < orders % cells)::integer $$
    """,
    # A second ago at the latest, and a year ago at the earliest.
    """
    CREATE FUNCTION pg_temp.bench_moment(number bigint, orders bigint) RETURNS timestamptz
    LANGUAGE sql STABLE AS $$
        SELECT transaction_timestamp() - interval '1 second'
            - interval '365 days' * (1 - (number + 1)::double precision / (orders + 1))
    $$
    """,
)

# Of the numbers of variants $2 to $3: a product each, named so that the order by name is that by
# number. All of them get units, so the watch on what is in stock need not look at them.
PRODUCTS = """
INSERT INTO products.products (shop_id, id, name, name_key, description, published, currency,
    lowest_price_minor, highest_price_minor, search, request_digest, created_at, updated_at,
    stock_check_at)
SELECT $1, pg_temp.bench_id(1, n), 'Article ' || lpad(n::text, 8, '0'),
    'article ' || lpad(n::text, 8, '0'), 'One of many.', true, $4, pg_temp.bench_price(n),
    pg_temp.bench_price(n), to_tsvector('simple', 'article ' || n), '\\x00'::bytea,
    transaction_timestamp(), transaction_timestamp(), NULL
FROM generate_series($2::bigint, $3::bigint) AS n
"""

VARIANTS = """
INSERT INTO products.variants (shop_id, id, product_id, sku, price_minor, attributes, position,
    created_at)
SELECT $1, pg_temp.bench_id(2, n), pg_temp.bench_id(1, n), 'SKU-' || lpad(n::text, 8, '0'),
    pg_temp.bench_price(n), '{}', 0, transaction_timestamp()
FROM generate_series($2::bigint, $3::bigint) AS n
"""

# $5 units are on hand, beyond those that the $6 past orders took; $7 orders are open.
STOCK = """
INSERT INTO warehouses.stock (shop_id, variant_id, warehouse_id, on_hand, held, committed, incoming,
    sequence)
SELECT $1, pg_temp.bench_id(2, v), w.id, $5::bigint,
    pg_temp.bench_share((w.place - 1) * $8 + v, $8 * cardinality($4::uuid[]), $7::bigint), 0, 0,
    1 + pg_temp.bench_share((w.place - 1) * $8 + v, $8 * cardinality($4::uuid[]), $6::bigint)
FROM generate_series($2::bigint, $3::bigint) AS v
CROSS JOIN unnest($4::uuid[]) WITH ORDINALITY AS w (id, place)
"""

RECEIVED = """
INSERT INTO warehouses.movements (shop_id, variant_id, warehouse_id, sequence, delta, balance, kind,
    request_id, occurred_at)
SELECT shop_id, variant_id, warehouse_id, 1, on_hand + sequence - 1, on_hand + sequence - 1,
    'receive', 'bench', transaction_timestamp() - interval '366 days'
FROM warehouses.stock
WHERE shop_id = $1 AND variant_id = ANY(
    SELECT pg_temp.bench_id(2, v) FROM generate_series($2::bigint, $3::bigint) AS v)
"""

# $2: past orders, of $4 variants from the warehouses $3, of which $5 are on hand.
SHIPPED = """
INSERT INTO warehouses.movements (shop_id, variant_id, warehouse_id, sequence, delta, balance, kind,
    cause_id, request_id, occurred_at)
SELECT $1, pg_temp.bench_id(2, v), w.id, 2 + k, -1, $5 + share.orders - k - 1, 'ship',
    pg_temp.bench_id(3, n), 'bench', pg_temp.bench_moment(n, $2)
FROM generate_series(0::bigint, $4::bigint - 1) AS v
CROSS JOIN unnest($3::uuid[]) WITH ORDINALITY AS w (id, place)
CROSS JOIN LATERAL (SELECT pg_temp.bench_share(
    (w.place - 1) * $4 + v, $4 * cardinality($3::uuid[]), $2::bigint) AS orders) AS share
CROSS JOIN LATERAL generate_series(0::bigint, share.orders - 1) AS k
CROSS JOIN LATERAL (SELECT (k * cardinality($3::uuid[]) + w.place - 1) * $4 + v AS n) AS o
"""

# Orders $2 to $3: shipped when $6 is null, else open until then. $7: of how many they are part.
ORDERS = """
INSERT INTO orders.orders (shop_id, id, customer_id, status, currency, total_minor, digest, attempt,
    allocations, created_at, expires_at, paid_at, paid_by, late, transitions)
SELECT $1, pg_temp.bench_id(3, n), pg_temp.bench_id(5, n % 20000),
    CASE WHEN $6::timestamptz IS NULL THEN 'shipped' ELSE 'awaiting_payment' END, $8,
    pg_temp.bench_price(n % $4), '\\x00'::bytea, 1,
    jsonb_build_array(jsonb_build_object('warehouse_id', w.id, 'variant_id',
        pg_temp.bench_id(2, n % $4), 'quantity', 1)),
    t.at, coalesce($6, t.at + interval '15 minutes'),
    CASE WHEN $6 IS NULL THEN t.at END, CASE WHEN $6 IS NULL THEN pg_temp.bench_id(4, n) END, false,
    CASE WHEN $6 IS NULL THEN 2 ELSE 0 END
FROM generate_series($2::bigint, $3::bigint) AS n
CROSS JOIN LATERAL (SELECT ($5::uuid[])[1 + (n / $4) % cardinality($5::uuid[])] AS id) AS w
CROSS JOIN LATERAL (SELECT pg_temp.bench_moment(n, $7) AS at) AS t
"""

LINES = """
INSERT INTO orders.lines (shop_id, order_id, line, variant_id, product_id, sku, name, quantity,
    unit_price_minor)
SELECT $1, pg_temp.bench_id(3, n), 1, pg_temp.bench_id(2, n % $4), pg_temp.bench_id(1, n % $4),
    'SKU-' || lpad((n % $4)::text, 8, '0'), 'Article ' || lpad((n % $4)::text, 8, '0'), 1,
    pg_temp.bench_price(n % $4)
FROM generate_series($2::bigint, $3::bigint) AS n
"""

TRANSITIONS = """
INSERT INTO orders.transitions (shop_id, order_id, sequence, from_status, to_status, at)
SELECT $1, pg_temp.bench_id(3, n), s.sequence, s.before, s.after, pg_temp.bench_moment(n, $4)
FROM generate_series($2::bigint, $3::bigint) AS n
CROSS JOIN (VALUES (1, 'awaiting_payment', 'paid'), (2, 'paid', 'shipped'))
    AS s (sequence, before, after)
"""

PAYMENTS = """
INSERT INTO orders.payments (shop_id, id, order_id, provider, status, amount_minor, currency,
    captured_minor, captured_currency, review, created_at)
SELECT $1, pg_temp.bench_id(4, n), pg_temp.bench_id(3, n), 'sandbox',
    CASE WHEN $5::boolean THEN 'pending' ELSE 'captured' END, pg_temp.bench_price(n % $4), $6,
    CASE WHEN NOT $5 THEN pg_temp.bench_price(n % $4) END, CASE WHEN NOT $5 THEN $6 END, false,
    pg_temp.bench_moment(n, $7)
FROM generate_series($2::bigint, $3::bigint) AS n
"""

RESERVATIONS = """
INSERT INTO warehouses.reservations (shop_id, order_id, attempt, customer_id, digest, status,
    created_at, expires_at)
SELECT $1, pg_temp.bench_id(3, n), 1, pg_temp.bench_id(5, n % 20000), '\\x00'::bytea,
    CASE WHEN $4::timestamptz IS NULL THEN 'committed' ELSE 'held' END, t.at,
    coalesce($4, t.at + interval '15 minutes')
FROM generate_series($2::bigint, $3::bigint) AS n
CROSS JOIN LATERAL (SELECT pg_temp.bench_moment(n, $5) AS at) AS t
"""

ALLOCATIONS = """
INSERT INTO warehouses.allocations (shop_id, order_id, attempt, variant_id, warehouse_id, quantity,
    shipped, returned, status, expires_at)
SELECT $1, pg_temp.bench_id(3, n), 1, pg_temp.bench_id(2, n % $4),
    ($5::uuid[])[1 + (n / $4) % cardinality($5::uuid[])], 1,
    CASE WHEN $6::timestamptz IS NULL THEN 1 ELSE 0 END, 0,
    CASE WHEN $6 IS NULL THEN 'committed' ELSE 'held' END,
    coalesce($6, pg_temp.bench_moment(n, $7) + interval '15 minutes')
FROM generate_series($2::bigint, $3::bigint) AS n
"""

# What was told of orders $2 to $3, in the log after event $6. $5: whether they are shipped.
TOLD = """
INSERT INTO events.log (shop_id, sequence, id, kind, subject_id, data, occurred_at)
SELECT $1, place.at, pg_temp.bench_id(7, place.at), 'order.' || e.after, pg_temp.bench_id(3, n),
    CASE WHEN e.step = 0 THEN jsonb_build_object('expires_at', t.at, 'total',
        jsonb_build_object('amount_minor', pg_temp.bench_price(n % $4), 'currency', $8::text))
    ELSE jsonb_build_object('transition', e.step, 'from_status', e.before) END
    || jsonb_build_object('variant_ids', jsonb_build_array(pg_temp.bench_id(2, n % $4))), t.at
FROM generate_series($2::bigint, $3::bigint) AS n
CROSS JOIN (VALUES (0, NULL, 'placed'), (1, 'awaiting_payment', 'paid'), (2, 'paid', 'shipped'))
    AS e (step, before, after)
CROSS JOIN LATERAL (SELECT $6::bigint + 1 + e.step
    + n * CASE WHEN $5::boolean THEN 3 ELSE 1 END AS at) AS place
CROSS JOIN LATERAL (SELECT pg_temp.bench_moment(n, $7) AS at) AS t
WHERE $5 OR e.step = 0
"""

LAST_TOLD = "SELECT coalesce(max(last), 0) FROM events.counters WHERE shop_id = $1"

COUNT_TOLD = """
INSERT INTO events.counters (shop_id, last) VALUES ($1, $2)
ON CONFLICT (shop_id) DO UPDATE SET last = excluded.last
"""

ENDS = "SELECT transaction_timestamp() + make_interval(secs => $1)"

# Indexes that no constraint needs: made again after the rows, which is many times faster.
SECONDARY_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
WHERE c.relnamespace::regnamespace::text IN ('products', 'warehouses', 'orders', 'events')
    AND NOT i.indisunique
"""


@dataclass(frozen=True)
class Past:
    """Orders there are before anything is measured, by number: first the shipped, then the open.

    Of the open ones, `due` end `due_seconds` after the database was filled, the others in a day.
    """

    shipped: int = 0
    open: int = 0
    due: int = 0
    due_seconds: float = 0.0


async def fill(url: str, shop: Shop, past: Past = Past()) -> None:
    """Fill an empty shop. The numbers of open orders start at 0 if nothing was shipped."""
    assert not (past.shipped and past.open), "the shares of stock rows are of one kind of order"
    connection = await asyncpg.connect(url, command_timeout=None)
    try:
        async with _without_indexes(connection), connection.transaction():
            for function in FUNCTIONS:
                await connection.execute(function)
            await _fill(connection, shop, past)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


@asynccontextmanager
async def _without_indexes(connection: asyncpg.Connection) -> AsyncIterator[None]:
    found = await connection.fetch(SECONDARY_INDEXES)
    for index in found:
        await connection.execute(f"DROP INDEX {index['name']}")
    yield
    await connection.execute("SET maintenance_work_mem = '512MB'")
    for index in found:
        await connection.execute(index["definition"])


async def _fill(connection: asyncpg.Connection, shop: Shop, past: Past) -> None:
    last = shop.variants + len(shop.scarce)
    await connection.execute(PRODUCTS, shop.id, 0, last, shop.currency)
    await connection.execute(VARIANTS, shop.id, 0, last)
    parts = [
        (0, shop.variants - 1, shop.warehouses, PLENTY, past.shipped, past.open),
        (shop.variants, shop.variants, shop.warehouses[:1], MOST, 0, 0),
        (shop.variants + 1, last, shop.warehouses[:1], LITTLE, 0, 0),
    ]
    for first, end, *others in parts:
        await connection.execute(STOCK, shop.id, first, end, *others, shop.variants)
        await connection.execute(RECEIVED, shop.id, first, end)
    told = await connection.fetchval(LAST_TOLD, shop.id)
    if past.shipped:
        await connection.execute(
            SHIPPED, shop.id, past.shipped, shop.warehouses, shop.variants, PLENTY
        )
        await _orders(connection, shop, range(past.shipped), (past.shipped, told), None)
    for numbers, seconds in (
        (range(past.due), past.due_seconds),
        (range(past.due, past.open), 86_400),
    ):
        if numbers:
            await _orders(connection, shop, numbers, (past.open, told), seconds)


async def _orders(
    connection: asyncpg.Connection,
    shop: Shop,
    numbers: range,
    counts: tuple[int, int],
    seconds: float | None,
) -> None:
    """Write orders. `counts`: of how many they are part, and how many events there are before."""
    total, told = counts
    ends = None
    if seconds is not None:
        ends = await connection.fetchval(ENDS, seconds)
    span: Sequence[UUID | int] = (shop.id, numbers[0], numbers[-1])
    of, places = shop.variants, shop.warehouses
    await connection.execute(ORDERS, *span, of, places, ends, total, shop.currency)
    await connection.execute(LINES, *span, of)
    await connection.execute(PAYMENTS, *span, of, seconds is not None, shop.currency, total)
    await connection.execute(RESERVATIONS, *span, ends, total)
    await connection.execute(ALLOCATIONS, *span, of, places, ends, total)
    if seconds is None:
        await connection.execute(TRANSITIONS, *span, total)
    is_shipped = seconds is None
    await connection.execute(TOLD, *span, of, is_shipped, told, total, shop.currency)
    last = told + (numbers[-1] + 1) * (3 if is_shipped else 1)
    await connection.execute(COUNT_TOLD, shop.id, last)
