"""Lists of orders in the database, newest or oldest first, each by an index in this order.

A statement for each filter: with all of them optional in one, no plan could use the right index.
Where a list begins is a bound that is always there: before it, nothing is newer than infinity.
"""

from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.orders.contract import Order, OrderList, Position
from lockstock.orders.store import kept_of

LIST_ORDERS = """
SELECT o.*, CASE WHEN o.status = 'awaiting_payment' AND o.expires_at <= statement_timestamp()
        THEN 'expired' ELSE o.status END AS status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM orders.orders o
WHERE o.shop_id = $1
    AND (o.created_at, o.id) < (COALESCE($2::timestamptz, 'infinity'),
        COALESCE($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND o.created_at >= COALESCE($5::timestamptz, '-infinity')
ORDER BY o.created_at DESC, o.id DESC
LIMIT $4
"""


async def list_orders(connection: Connection, shop_id: UUID, ask: OrderList) -> list[Order]:
    """Read a shop's orders, newest first, one more than asked for."""
    rows = await connection.fetch(LIST_ORDERS, shop_id, *_newest(ask))
    return [kept_of(row).order for row in rows]


# What reads `expired` is kept so, or as waiting for a payment whose time is up: a list of each,
# merged. Of what else is kept as waiting, only what is not past its deadline is.
LIST_ORDERS_IN_STATUS = """
SELECT o.*, $2::text AS status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM (
    (SELECT k.* FROM orders.orders k
    WHERE k.shop_id = $1 AND k.status = $2
        AND (k.status <> 'awaiting_payment' OR k.expires_at > statement_timestamp())
        AND (k.created_at, k.id) < (COALESCE($3::timestamptz, 'infinity'),
            COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        AND k.created_at >= COALESCE($6::timestamptz, '-infinity')
    ORDER BY k.created_at DESC, k.id DESC
    LIMIT $5)
    UNION ALL
    (SELECT k.* FROM orders.orders k
    WHERE $2 = 'expired' AND k.shop_id = $1 AND k.status = 'awaiting_payment'
        AND k.expires_at <= statement_timestamp()
        AND (k.created_at, k.id) < (COALESCE($3::timestamptz, 'infinity'),
            COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
        AND k.created_at >= COALESCE($6::timestamptz, '-infinity')
    ORDER BY k.created_at DESC, k.id DESC
    LIMIT $5)
) o
ORDER BY o.created_at DESC, o.id DESC
LIMIT $5
"""


async def list_orders_in_status(
    connection: Connection, shop_id: UUID, ask: OrderList
) -> list[Order]:
    """Read those of a shop in `ask.status`, as of now, newest first."""
    rows = await connection.fetch(LIST_ORDERS_IN_STATUS, shop_id, ask.status, *_newest(ask))
    return [kept_of(row).order for row in rows]


# A customer has few orders, so a status is looked for among them.
LIST_ORDERS_OF_CUSTOMER = """
SELECT o.*, s.status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM orders.orders o
CROSS JOIN LATERAL (SELECT CASE WHEN o.status = 'awaiting_payment'
    AND o.expires_at <= statement_timestamp() THEN 'expired' ELSE o.status END AS status_now) s
WHERE o.shop_id = $1 AND o.customer_id = $2 AND s.status_now = COALESCE($3::text, s.status_now)
    AND (o.created_at, o.id) < (COALESCE($4::timestamptz, 'infinity'),
        COALESCE($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND o.created_at >= COALESCE($7::timestamptz, '-infinity')
ORDER BY o.created_at DESC, o.id DESC
LIMIT $6
"""


async def list_orders_of_customer(
    connection: Connection, shop_id: UUID, ask: OrderList
) -> list[Order]:
    """Read those of a shop of `ask.customer_id`, newest first."""
    rows = await connection.fetch(
        LIST_ORDERS_OF_CUSTOMER, shop_id, ask.customer_id, ask.status, *_newest(ask)
    )
    return [kept_of(row).order for row in rows]


LIST_ORDERS_OLDEST = """
SELECT o.*, CASE WHEN o.status = 'awaiting_payment' AND o.expires_at <= statement_timestamp()
        THEN 'expired' ELSE o.status END AS status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM orders.orders o
WHERE o.shop_id = $1
    AND (o.created_at, o.id) > (COALESCE($2::timestamptz, '-infinity'),
        COALESCE($3::uuid, '00000000-0000-0000-0000-000000000000'))
    AND o.created_at < COALESCE($5::timestamptz, 'infinity')
ORDER BY o.created_at, o.id
LIMIT $4
"""


async def list_orders_oldest(connection: Connection, shop_id: UUID, ask: OrderList) -> list[Order]:
    """Read a shop's orders, oldest first, one more than asked for."""
    rows = await connection.fetch(LIST_ORDERS_OLDEST, shop_id, *_oldest(ask))
    return [kept_of(row).order for row in rows]


LIST_ORDERS_IN_STATUS_OLDEST = """
SELECT o.*, $2::text AS status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM (
    (SELECT k.* FROM orders.orders k
    WHERE k.shop_id = $1 AND k.status = $2
        AND (k.status <> 'awaiting_payment' OR k.expires_at > statement_timestamp())
        AND (k.created_at, k.id) > (COALESCE($3::timestamptz, '-infinity'),
            COALESCE($4::uuid, '00000000-0000-0000-0000-000000000000'))
        AND k.created_at < COALESCE($6::timestamptz, 'infinity')
    ORDER BY k.created_at, k.id
    LIMIT $5)
    UNION ALL
    (SELECT k.* FROM orders.orders k
    WHERE $2 = 'expired' AND k.shop_id = $1 AND k.status = 'awaiting_payment'
        AND k.expires_at <= statement_timestamp()
        AND (k.created_at, k.id) > (COALESCE($3::timestamptz, '-infinity'),
            COALESCE($4::uuid, '00000000-0000-0000-0000-000000000000'))
        AND k.created_at < COALESCE($6::timestamptz, 'infinity')
    ORDER BY k.created_at, k.id
    LIMIT $5)
) o
ORDER BY o.created_at, o.id
LIMIT $5
"""


async def list_orders_in_status_oldest(
    connection: Connection, shop_id: UUID, ask: OrderList
) -> list[Order]:
    """Read those of a shop in `ask.status`, as of now, oldest first."""
    rows = await connection.fetch(LIST_ORDERS_IN_STATUS_OLDEST, shop_id, ask.status, *_oldest(ask))
    return [kept_of(row).order for row in rows]


LIST_ORDERS_OF_CUSTOMER_OLDEST = """
SELECT o.*, s.status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = $1 AND l.order_id = o.id) AS lines
FROM orders.orders o
CROSS JOIN LATERAL (SELECT CASE WHEN o.status = 'awaiting_payment'
    AND o.expires_at <= statement_timestamp() THEN 'expired' ELSE o.status END AS status_now) s
WHERE o.shop_id = $1 AND o.customer_id = $2 AND s.status_now = COALESCE($3::text, s.status_now)
    AND (o.created_at, o.id) > (COALESCE($4::timestamptz, '-infinity'),
        COALESCE($5::uuid, '00000000-0000-0000-0000-000000000000'))
    AND o.created_at < COALESCE($7::timestamptz, 'infinity')
ORDER BY o.created_at, o.id
LIMIT $6
"""


async def list_orders_of_customer_oldest(
    connection: Connection, shop_id: UUID, ask: OrderList
) -> list[Order]:
    """Read those of a shop of `ask.customer_id`, oldest first."""
    rows = await connection.fetch(
        LIST_ORDERS_OF_CUSTOMER_OLDEST, shop_id, ask.customer_id, ask.status, *_oldest(ask)
    )
    return [kept_of(row).order for row in rows]


LIST_OWN_ORDERS = """
SELECT o.*, s.status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = o.shop_id AND l.order_id = o.id) AS lines
FROM orders.orders o
CROSS JOIN LATERAL (SELECT CASE WHEN o.status = 'awaiting_payment'
    AND o.expires_at <= statement_timestamp() THEN 'expired' ELSE o.status END AS status_now) s
WHERE o.customer_id = $1 AND s.status_now = COALESCE($2::text, s.status_now)
    AND (o.created_at, o.id) < (COALESCE($3::timestamptz, 'infinity'),
        COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    AND o.created_at >= COALESCE($6::timestamptz, '-infinity')
ORDER BY o.created_at DESC, o.id DESC
LIMIT $5
"""


async def list_own_orders(connection: Connection, customer_id: UUID, ask: OrderList) -> list[Order]:
    """Read a customer's orders over all shops, newest first, one more than asked for."""
    rows = await connection.fetch(LIST_OWN_ORDERS, customer_id, ask.status, *_newest(ask))
    return [kept_of(row).order for row in rows]


LIST_OWN_ORDERS_OLDEST = """
SELECT o.*, s.status_now,
    (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line) FROM orders.lines l
        WHERE l.shop_id = o.shop_id AND l.order_id = o.id) AS lines
FROM orders.orders o
CROSS JOIN LATERAL (SELECT CASE WHEN o.status = 'awaiting_payment'
    AND o.expires_at <= statement_timestamp() THEN 'expired' ELSE o.status END AS status_now) s
WHERE o.customer_id = $1 AND s.status_now = COALESCE($2::text, s.status_now)
    AND (o.created_at, o.id) > (COALESCE($3::timestamptz, '-infinity'),
        COALESCE($4::uuid, '00000000-0000-0000-0000-000000000000'))
    AND o.created_at < COALESCE($6::timestamptz, 'infinity')
ORDER BY o.created_at, o.id
LIMIT $5
"""


async def list_own_orders_oldest(
    connection: Connection, customer_id: UUID, ask: OrderList
) -> list[Order]:
    """Read a customer's orders over all shops, oldest first, one more than asked for."""
    rows = await connection.fetch(LIST_OWN_ORDERS_OLDEST, customer_id, ask.status, *_oldest(ask))
    return [kept_of(row).order for row in rows]


async def list_of_shop(connection: Connection, shop_id: UUID, ask: OrderList) -> list[Order]:
    """Read the shop's orders that are asked for, one more than asked for."""
    newest = ask.sort == "newest"
    if ask.customer_id is not None:
        read = list_orders_of_customer if newest else list_orders_of_customer_oldest
    elif ask.status is not None:
        read = list_orders_in_status if newest else list_orders_in_status_oldest
    else:
        read = list_orders if newest else list_orders_oldest
    return await read(connection, shop_id, ask)


async def list_own(connection: Connection, customer_id: UUID, ask: OrderList) -> list[Order]:
    """Read a customer's orders over all shops that are asked for, one more than asked for."""
    read = list_own_orders if ask.sort == "newest" else list_own_orders_oldest
    return await read(connection, customer_id, ask)


Bounds = tuple[datetime | None, UUID | None, int, datetime | None]


def _newest(ask: OrderList) -> Bounds:
    """Where the list goes on, how many it takes, and where it ends: at `since`."""
    # The least id there is: what was placed at `until` is not before it.
    start = ask.after or (ask.until and Position(created_at=ask.until, id=UUID(int=0)))
    return (*_columns(start or None), ask.limit + 1, ask.since)


def _oldest(ask: OrderList) -> Bounds:
    """Where the list goes on, how many it takes, and where it ends: before `until`."""
    start = ask.after or (ask.since and Position(created_at=ask.since, id=UUID(int=0)))
    return (*_columns(start or None), ask.limit + 1, ask.until)


def _columns(start: Position | None) -> tuple[datetime | None, UUID | None]:
    return (None, None) if start is None else (start.created_at, start.id)
