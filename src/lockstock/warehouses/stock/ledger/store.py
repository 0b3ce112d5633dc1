"""Pages of the ledger, newest first, and of what it says was there at a past moment.

Where a page begins is a bound that is always there, so that an index leads to it.
"""

from datetime import UTC, datetime
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.warehouses.stock.contract import Movement, MovementList, PastStockRow
from lockstock.warehouses.stock.rules import Place

# The place of a movement: when, of which variant, in which warehouse, which one there.
Point = tuple[datetime, UUID, UUID, int]

# No movement is after the end of time; and before a moment means before the first one of it.
_END = datetime.max.replace(tzinfo=UTC)
_FIRST = (UUID(int=0), UUID(int=0), 0)

# By time; the other filters are looked for on the way, as every index more would cost each change.
MOVEMENT_PAGE = """
    SELECT warehouse_id, variant_id, sequence, delta, balance, kind, cause_id, actor_id, reason,
        request_id, occurred_at
    FROM warehouses.movements
    WHERE shop_id = $1
        AND ($2::uuid IS NULL OR warehouse_id = $2)
        AND ($3::text IS NULL OR kind = $3)
        AND occurred_at >= coalesce($4::timestamptz, '-infinity')
        AND (occurred_at, variant_id, warehouse_id, sequence) < ($5::timestamptz, $6, $7, $8)
    ORDER BY occurred_at DESC, variant_id DESC, warehouse_id DESC, sequence DESC
    LIMIT $9
"""


async def movement_page(
    connection: Connection, shop_id: UUID, ask: MovementList, after: Point | None, limit: int
) -> list[Movement]:
    """The movements that are asked for, before a point of the ledger, newest first."""
    filters = (ask.warehouse_id, ask.kind, ask.since)
    rows = await connection.fetch(MOVEMENT_PAGE, shop_id, *filters, *_before(ask, after), limit)
    return [Movement(**row) for row in rows]


# Of one variant among a million: by its own index, and sorted.
MOVEMENT_PAGE_OF_VARIANT = """
    SELECT warehouse_id, variant_id, sequence, delta, balance, kind, cause_id, actor_id, reason,
        request_id, occurred_at
    FROM warehouses.movements
    WHERE shop_id = $1
        AND variant_id = $2
        AND ($3::uuid IS NULL OR warehouse_id = $3)
        AND ($4::text IS NULL OR kind = $4)
        AND occurred_at >= coalesce($5::timestamptz, '-infinity')
        AND (occurred_at, variant_id, warehouse_id, sequence) < ($6::timestamptz, $7, $8, $9)
    ORDER BY occurred_at DESC, variant_id DESC, warehouse_id DESC, sequence DESC
    LIMIT $10
"""


async def movement_page_of_variant(
    connection: Connection, shop_id: UUID, ask: MovementList, after: Point | None, limit: int
) -> list[Movement]:
    """The movements of `ask.variant_id`, before a point of the ledger, newest first."""
    filters = (ask.variant_id, ask.warehouse_id, ask.kind, ask.since)
    rows = await connection.fetch(
        MOVEMENT_PAGE_OF_VARIANT, shop_id, *filters, *_before(ask, after), limit
    )
    return [Movement(**row) for row in rows]


def _before(ask: MovementList, after: Point | None) -> Point:
    return after or (ask.until or _END, *_FIRST)


# Per stock row its last balance by then: one look at the index for each.
PAST_STOCK_PAGE = """
    SELECT s.warehouse_id, s.variant_id, m.balance AS on_hand
    FROM warehouses.stock AS s
    CROSS JOIN LATERAL (
        SELECT l.balance
        FROM warehouses.movements AS l
        WHERE l.shop_id = s.shop_id AND l.variant_id = s.variant_id
            AND l.warehouse_id = s.warehouse_id AND l.occurred_at <= $5
        ORDER BY l.occurred_at DESC, l.sequence DESC
        LIMIT 1
    ) AS m
    WHERE s.shop_id = $1
        AND ($2::uuid IS NULL OR s.warehouse_id = $2)
        AND (s.variant_id, s.warehouse_id) > (
            coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'),
            coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
    ORDER BY s.variant_id, s.warehouse_id
    LIMIT $6
"""


async def past_stock_page(
    connection: Connection,
    shop_id: UUID,
    warehouse_id: UUID | None,
    after: Place | None,
    as_of: datetime,
    limit: int,
) -> list[PastStockRow]:
    """What was on hand at `as_of`, after a place; of one warehouse, if not None."""
    page = (warehouse_id, *(after or (None, None)), as_of, limit)
    rows = await connection.fetch(PAST_STOCK_PAGE, shop_id, *page)
    return [PastStockRow(**row, as_of=as_of) for row in rows]


PAST_STOCK_PAGE_OF_VARIANT = """
    SELECT s.warehouse_id, s.variant_id, m.balance AS on_hand
    FROM warehouses.stock AS s
    CROSS JOIN LATERAL (
        SELECT l.balance
        FROM warehouses.movements AS l
        WHERE l.shop_id = s.shop_id AND l.variant_id = s.variant_id
            AND l.warehouse_id = s.warehouse_id AND l.occurred_at <= $6
        ORDER BY l.occurred_at DESC, l.sequence DESC
        LIMIT 1
    ) AS m
    WHERE s.shop_id = $1 AND s.variant_id = $2
        AND ($3::uuid IS NULL OR s.warehouse_id = $3)
        AND ($4::uuid IS NULL OR (s.variant_id, s.warehouse_id) > ($4, $5))
    ORDER BY s.variant_id, s.warehouse_id
    LIMIT $7
"""


async def past_stock_page_of_variant(
    connection: Connection,
    shop_id: UUID,
    places: tuple[UUID | None, UUID],
    after: Place | None,
    as_of: datetime,
    limit: int,
) -> list[PastStockRow]:
    """What was on hand at `as_of` of `places`: in one warehouse, if not None, of one variant."""
    warehouse_id, variant_id = places
    page = (variant_id, warehouse_id, *(after or (None, None)), as_of, limit)
    rows = await connection.fetch(PAST_STOCK_PAGE_OF_VARIANT, shop_id, *page)
    return [PastStockRow(**row, as_of=as_of) for row in rows]


async def past_stock(
    connection: Connection,
    shop_id: UUID,
    filters: tuple[UUID | None, UUID | None],
    after: Place | None,
    as_of: datetime,
    limit: int,
) -> list[PastStockRow]:
    """What was on hand at `as_of`. `filters`: warehouse_id and variant_id, where not None."""
    warehouse_id, variant_id = filters
    if variant_id is None:
        return await past_stock_page(connection, shop_id, warehouse_id, after, as_of, limit)
    places = (warehouse_id, variant_id)
    return await past_stock_page_of_variant(connection, shop_id, places, after, as_of, limit)


async def movements(
    connection: Connection, shop_id: UUID, ask: MovementList, after: Point | None, limit: int
) -> list[Movement]:
    """The movements that are asked for, before a point of the ledger, newest first."""
    read = movement_page if ask.variant_id is None else movement_page_of_variant
    return await read(connection, shop_id, ask, after, limit)
