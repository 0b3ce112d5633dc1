"""SQL of shipping. The rows of an order's promises are locked after the stock rows."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.warehouses.shipping.rules import Promise
from lockstock.warehouses.stock.store import columns

LOCK_PROMISES = """
    SELECT order_id, attempt, variant_id, warehouse_id, quantity, shipped, returned, status
    FROM warehouses.allocations
    WHERE shop_id = $1 AND order_id = ANY($2::uuid[])
    ORDER BY order_id, attempt, variant_id, warehouse_id
    FOR UPDATE
"""


async def lock_promises(
    connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
) -> list[Promise]:
    """Lock and return every allocation of these orders."""
    return [
        Promise(
            row["order_id"],
            row["attempt"],
            (row["variant_id"], row["warehouse_id"]),
            row["quantity"],
            row["shipped"],
            row["returned"],
            row["status"],
        )
        for row in await connection.fetch(LOCK_PROMISES, shop_id, list(order_ids))
    ]


WRITE_PROMISES = """
    UPDATE warehouses.allocations AS a
    SET shipped = p.shipped, returned = p.returned
    FROM unnest($2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[])
        AS p (order_id, attempt, variant_id, warehouse_id, shipped, returned)
    WHERE a.shop_id = $1 AND a.order_id = p.order_id AND a.attempt = p.attempt
        AND a.variant_id = p.variant_id AND a.warehouse_id = p.warehouse_id
"""


async def write_promises(
    connection: Connection, shop_id: UUID, promises: Sequence[Promise]
) -> None:
    """Write what was shipped and returned of locked promises."""
    rows = [(p.order_id, p.attempt, *p.place, p.shipped, p.returned) for p in promises]
    await connection.execute(WRITE_PROMISES, shop_id, *columns(rows, 6))
