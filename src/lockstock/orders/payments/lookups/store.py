"""When payments are closed and looked up at their providers."""

from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.orders.payments.contract import Payment
from lockstock.orders.payments.store import payment_of

DUE_CLOSINGS = """
SELECT shop_id, id FROM orders.payments
WHERE close_at <= statement_timestamp() ORDER BY close_at LIMIT $1
"""


async def due_closings(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Read which attempts are to be closed, with their shops, over all shops."""
    rows = await connection.fetch(DUE_CLOSINGS, most)
    return [(row["shop_id"], row["id"]) for row in rows]


CLAIM_CLOSING = """
UPDATE orders.payments SET close_at = statement_timestamp() + make_interval(secs => $3)
WHERE shop_id = $1 AND id = $2 AND close_at <= statement_timestamp()
RETURNING *
"""


async def claim_closing(
    connection: Connection, shop_id: UUID, payment_id: UUID, seconds: float
) -> Payment | None:
    """Take an attempt that is due; it is due again in so many seconds. None: another has it."""
    row = await connection.fetchrow(CLAIM_CLOSING, shop_id, payment_id, seconds)
    return None if row is None else payment_of(row)


END_CLOSING = """
UPDATE orders.payments
SET status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END, close_at = NULL,
    look_up_at = NULL
WHERE shop_id = $1 AND id = $2
"""


async def end_closing(connection: Connection, shop_id: UUID, payment_id: UUID) -> None:
    """Note that an attempt is closed at its provider. Its order is locked."""
    await connection.execute(END_CLOSING, shop_id, payment_id)


DUE_LOOK_UPS = """
SELECT shop_id, id FROM orders.payments
WHERE look_up_at <= statement_timestamp() ORDER BY look_up_at LIMIT $1
"""


async def due_look_ups(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Read which payments are to be asked about, with their shops, over all shops."""
    rows = await connection.fetch(DUE_LOOK_UPS, most)
    return [(row["shop_id"], row["id"]) for row in rows]


# Each look-up doubles the time until the next, to a day.
CLAIM_LOOK_UP = """
UPDATE orders.payments
SET look_ups = look_ups + 1,
    look_up_at = statement_timestamp()
        + make_interval(secs => LEAST($3 * power(2, LEAST(look_ups + 1, 20)), 86400))
WHERE shop_id = $1 AND id = $2 AND look_up_at <= statement_timestamp()
RETURNING *
"""


async def claim_look_up(
    connection: Connection, shop_id: UUID, payment_id: UUID, seconds: float
) -> Payment | None:
    """Take a payment that is due; `seconds` is the time to the first look-up. None: another's."""
    row = await connection.fetchrow(CLAIM_LOOK_UP, shop_id, payment_id, seconds)
    return None if row is None else payment_of(row)
