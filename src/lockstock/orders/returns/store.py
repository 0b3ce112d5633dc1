"""Returns in the database. They are written under the lock of their order."""

from dataclasses import dataclass
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.orders.returns.contract import Return, ReturnPart
from lockstock.orders.rules import By
from lockstock.orders.store import by_of


@dataclass(frozen=True)
class Begun:
    """A return, with the request that asked for it."""

    item: Return
    by: By


def _return_of(row: Row) -> Return:
    return Return(
        id=row["id"],
        shop_id=row["shop_id"],
        order_id=row["order_id"],
        parts=[
            ReturnPart(
                variant_id=UUID(part["variant_id"]),
                quantity=part["quantity"],
                from_warehouse_id=UUID(part["from_warehouse_id"]),
                to_warehouse_id=UUID(part["to_warehouse_id"]),
                # What came back before there were conditions was put on the shelf.
                condition=part.get("condition", "good"),
            )
            for part in row["parts"]
        ],
        refund=Money(amount_minor=row["refund_minor"], currency=row["currency"]),
        reason=row["reason"],
        status=row["status"],
        created_at=row["created_at"],
    )


@dataclass(frozen=True)
class Draft:
    """A return to be begun. `refund_minor`: what is to be refunded for it, at most."""

    id: UUID
    parts: list[ReturnPart]
    refund_minor: int
    reason: str | None


BEGIN_RETURN = """
INSERT INTO orders.returns (shop_id, id, order_id, parts, refund_minor, reason, status, actor_id,
    actor_kind, request_id, created_at, next_try_at)
VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9, statement_timestamp(),
    statement_timestamp() + interval '10 seconds')
"""


async def begin_return(
    connection: Connection, shop_id: UUID, order_id: UUID, draft: Draft, by: By
) -> None:
    """Write units of a locked order that are about to come back."""
    await connection.execute(
        BEGIN_RETURN,
        shop_id,
        draft.id,
        order_id,
        [part.model_dump(mode="json") for part in draft.parts],
        draft.refund_minor,
        draft.reason,
        by.actor_id,
        by.actor_kind,
        by.request_id,
    )


LIST_RETURNS = """
SELECT r.*, o.currency FROM orders.returns r
JOIN orders.orders o ON o.shop_id = $1 AND o.id = r.order_id
WHERE r.shop_id = $1 AND r.order_id = $2 ORDER BY r.created_at, r.id
"""


async def list_returns(connection: Connection, shop_id: UUID, order_id: UUID) -> list[Return]:
    """Read the returns of an order, oldest first."""
    rows = await connection.fetch(LIST_RETURNS, shop_id, order_id)
    return [_return_of(row) for row in rows]


FIND_RETURN = """
SELECT r.*, o.currency FROM orders.returns r
JOIN orders.orders o ON o.shop_id = $1 AND o.id = r.order_id
WHERE r.shop_id = $1 AND r.id = $2
"""


async def find_return(connection: Connection, shop_id: UUID, return_id: UUID) -> Begun | None:
    """Read one return."""
    row = await connection.fetchrow(FIND_RETURN, shop_id, return_id)
    return None if row is None else Begun(_return_of(row), by_of(row))


END_RETURN = """
UPDATE orders.returns
SET status = 'done', refund_minor = $3, next_try_at = NULL, done_at = statement_timestamp()
WHERE shop_id = $1 AND id = $2 AND status = 'pending'
RETURNING id
"""


async def end_return(
    connection: Connection, shop_id: UUID, return_id: UUID, refund_minor: int
) -> None:
    """Note that units are back on the books, and what is refunded for them."""
    await connection.execute(END_RETURN, shop_id, return_id, refund_minor)


DROP_RETURN = """
DELETE FROM orders.returns WHERE shop_id = $1 AND id = $2 AND status = 'pending'
"""


async def drop_return(connection: Connection, shop_id: UUID, return_id: UUID) -> None:
    """Forget a return that was refused."""
    await connection.execute(DROP_RETURN, shop_id, return_id)


DUE_RETURNS = """
SELECT shop_id, id FROM orders.returns
WHERE next_try_at <= statement_timestamp() ORDER BY next_try_at LIMIT $1
"""


async def due_returns(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Read which returns were begun a while ago: (shop id, id), over all shops."""
    rows = await connection.fetch(DUE_RETURNS, most)
    return [(row["shop_id"], row["id"]) for row in rows]


POSTPONE_RETURN = """
UPDATE orders.returns SET next_try_at = statement_timestamp() + interval '30 seconds'
WHERE shop_id = $1 AND id = $2 AND status = 'pending'
"""


async def postpone_return(connection: Connection, shop_id: UUID, return_id: UUID) -> None:
    """Try again later."""
    await connection.execute(POSTPONE_RETURN, shop_id, return_id)
