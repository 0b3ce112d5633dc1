"""Shipments in the database. They are written under the lock of their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.orders.rules import By
from lockstock.orders.shipments.contract import Shipment
from lockstock.orders.store import by_of, kept_list
from lockstock.warehouses.contract import Line


@dataclass(frozen=True)
class Begun:
    """A shipment, with the request that asked for it."""

    shipment: Shipment
    action_id: UUID
    by: By


def _shipment_of(row: Row) -> Shipment:
    return Shipment(
        id=row["id"],
        shop_id=row["shop_id"],
        order_id=row["order_id"],
        warehouse_id=row["warehouse_id"],
        status=row["status"],
        lines=[
            Line(variant_id=UUID(item["variant_id"]), quantity=item["quantity"])
            for item in row["lines"]
        ],
        created_at=row["created_at"],
        shipped_at=row["shipped_at"],
    )


@dataclass(frozen=True)
class Parcel:
    """A shipment to be begun."""

    id: UUID
    warehouse_id: UUID
    lines: list[Line]


BEGIN_SHIPMENTS = """
INSERT INTO orders.shipments (shop_id, id, order_id, action_id, warehouse_id, lines, status,
    actor_id, actor_kind, request_id, created_at, next_try_at)
SELECT $1, s.id, $2, $3, s.warehouse_id, s.lines::jsonb, 'pending', $4, $5, $6,
    statement_timestamp(), statement_timestamp() + interval '10 seconds'
FROM unnest($7::uuid[], $8::uuid[], $9::text[]) AS s (id, warehouse_id, lines)
"""


async def begin_shipments(
    connection: Connection,
    order: tuple[UUID, UUID],
    action_id: UUID,
    by: By,
    parcels: Sequence[Parcel],
) -> None:
    """Write parcels of a locked order (shop id, order id) that are about to leave."""
    await connection.execute(
        BEGIN_SHIPMENTS,
        *order,
        action_id,
        by.actor_id,
        by.actor_kind,
        by.request_id,
        [parcel.id for parcel in parcels],
        [parcel.warehouse_id for parcel in parcels],
        [kept_list(parcel.lines) for parcel in parcels],
    )


LIST_SHIPMENTS = """
SELECT * FROM orders.shipments WHERE shop_id = $1 AND order_id = $2 ORDER BY created_at, id
"""


async def list_shipments(connection: Connection, shop_id: UUID, order_id: UUID) -> list[Shipment]:
    """Read the parcels of an order, oldest first."""
    rows = await connection.fetch(LIST_SHIPMENTS, shop_id, order_id)
    return [_shipment_of(row) for row in rows]


FIND_BEGUN = """
SELECT * FROM orders.shipments
WHERE shop_id = $1 AND order_id = $2 AND action_id = $3 ORDER BY id
"""


async def find_begun(
    connection: Connection, shop_id: UUID, order_id: UUID, action_id: UUID
) -> list[Begun]:
    """Read the parcels that one request asked for."""
    rows = await connection.fetch(FIND_BEGUN, shop_id, order_id, action_id)
    return [Begun(_shipment_of(row), row["action_id"], by_of(row)) for row in rows]


END_SHIPMENTS = """
UPDATE orders.shipments
SET status = 'shipped', shipped_at = statement_timestamp(), next_try_at = NULL
WHERE shop_id = $1 AND id = ANY($2::uuid[]) AND status = 'pending'
"""


async def end_shipments(
    connection: Connection, shop_id: UUID, shipment_ids: Sequence[UUID]
) -> None:
    """Note that parcels have left."""
    await connection.execute(END_SHIPMENTS, shop_id, shipment_ids)


DROP_SHIPMENTS = """
DELETE FROM orders.shipments WHERE shop_id = $1 AND id = ANY($2::uuid[]) AND status = 'pending'
"""


async def drop_shipments(
    connection: Connection, shop_id: UUID, shipment_ids: Sequence[UUID]
) -> None:
    """Forget parcels that cannot leave."""
    await connection.execute(DROP_SHIPMENTS, shop_id, shipment_ids)


DUE_SHIPMENTS = """
SELECT shop_id, order_id, action_id FROM orders.shipments
WHERE next_try_at <= statement_timestamp() ORDER BY next_try_at LIMIT $1
"""


async def due_shipments(connection: Connection, most: int) -> set[tuple[UUID, UUID, UUID]]:
    """Read which parcels were begun a while ago: (shop id, order id, action id), over all shops."""
    rows = await connection.fetch(DUE_SHIPMENTS, most)
    return {(row["shop_id"], row["order_id"], row["action_id"]) for row in rows}


POSTPONE_SHIPMENTS = """
UPDATE orders.shipments SET next_try_at = statement_timestamp() + interval '30 seconds'
WHERE shop_id = $1 AND order_id = $2 AND action_id = $3 AND status = 'pending'
"""


async def postpone_shipments(
    connection: Connection, shop_id: UUID, order_id: UUID, action_id: UUID
) -> None:
    """Try again later."""
    await connection.execute(POSTPONE_SHIPMENTS, shop_id, order_id, action_id)
