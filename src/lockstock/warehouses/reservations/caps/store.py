"""SQL of customers with a cap: one waits for their own other orders, and what they have is counted.

Their rows are locks and nothing else: one that is gone is written anew by who needs it next.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection

# A row for each of them, written anew to hold its lock until the transaction ends. They are locked
# in order, and before anything else, so that a customer who sends many orders at once waits here
# and keeps nobody else waiting. Only who reserves locks them, so there is nothing to meet.
LOCK_CUSTOMERS = """
    INSERT INTO warehouses.capped_customers (shop_id, customer_id)
    SELECT $1, c.customer_id
    FROM unnest($2::uuid[]) WITH ORDINALITY AS c (customer_id, place)
    ORDER BY c.place
    ON CONFLICT (shop_id, customer_id) DO UPDATE SET customer_id = excluded.customer_id
"""


async def lock_customers(
    connection: Connection, shop_id: UUID, customer_ids: Sequence[UUID]
) -> None:
    """Let the reservations of customers with a cap wait for each other, customer by customer."""
    await connection.execute(LOCK_CUSTOMERS, shop_id, sorted(set(customer_ids)))


OPEN_RESERVATIONS = """
    SELECT customer_id, order_id, expires_at
    FROM warehouses.reservations
    WHERE shop_id = $1 AND customer_id = ANY($2::uuid[]) AND status = 'held' AND expires_at > $3
"""


async def open_reservations(
    connection: Connection, shop_id: UUID, customer_ids: Sequence[UUID], now: datetime
) -> dict[UUID, dict[UUID, datetime]]:
    """The deadlines of the open reservations of these customers, by customer and order."""
    found: dict[UUID, dict[UUID, datetime]] = {}
    for row in await connection.fetch(OPEN_RESERVATIONS, shop_id, list(customer_ids), now):
        found.setdefault(row["customer_id"], {})[row["order_id"]] = row["expires_at"]
    return found


# A customer, after their shop.
Place = tuple[UUID, UUID]

CAPPED_CUSTOMERS = """
    SELECT shop_id, customer_id
    FROM warehouses.capped_customers
    WHERE (shop_id, customer_id) > ($1, $2)
    ORDER BY shop_id, customer_id
    LIMIT $3
"""


async def capped_customers(connection: Connection, after: Place, most: int) -> list[Place]:
    """Return (shop, customer) of rows that are there, by id, those after one of them."""
    rows = await connection.fetch(CAPPED_CUSTOMERS, *after, most)
    return [(row["shop_id"], row["customer_id"]) for row in rows]


# Whoever reserves at this moment holds the row, and is skipped. Who comes while it is being deleted
# waits, finds it gone and writes it anew: at any time one of a customer's orders holds it.
FORGET_CUSTOMERS = """
    WITH idle AS (
        SELECT c.customer_id
        FROM warehouses.capped_customers AS c
        WHERE c.shop_id = $1 AND c.customer_id = ANY($2::uuid[])
            AND NOT EXISTS (
                SELECT FROM warehouses.reservations AS r
                WHERE r.shop_id = $1 AND r.customer_id = c.customer_id AND r.status = 'held'
                    AND r.expires_at > statement_timestamp()
            )
        ORDER BY c.customer_id
        FOR UPDATE OF c SKIP LOCKED
    )
    DELETE FROM warehouses.capped_customers AS c
    USING idle AS i
    WHERE c.shop_id = $1 AND c.customer_id = i.customer_id
    RETURNING c.customer_id
"""


async def forget_customers(
    connection: Connection, shop_id: UUID, customer_ids: Sequence[UUID]
) -> int:
    """Delete the rows of those of these customers who have nothing open; return how many."""
    rows = await connection.fetch(FORGET_CUSTOMERS, shop_id, list(customer_ids))
    return len(rows)
