"""SQL of transfers."""

from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.warehouses.contract import Line
from lockstock.warehouses.transfers.contract import NewTransfer, Transfer

KEEP_TRANSFER = """
    INSERT INTO warehouses.transfers
        (shop_id, id, from_warehouse_id, to_warehouse_id, status, lines, reason, actor_id,
         created_at)
    VALUES ($1, $2, $3, $4, 'received', $5, $6, $7, statement_timestamp())
    ON CONFLICT (shop_id, id) DO NOTHING
"""


async def keep_transfer(
    connection: Connection,
    shop_id: UUID,
    transfer_id: UUID,
    ask: NewTransfer,
    actor_id: UUID | None,
) -> None:
    """Keep a transfer that has been made; nothing where it is kept already."""
    await connection.execute(
        KEEP_TRANSFER,
        shop_id,
        transfer_id,
        ask.from_warehouse_id,
        ask.to_warehouse_id,
        [line.model_dump(mode="json") for line in ask.lines],
        ask.reason,
        actor_id,
    )


GET_TRANSFER = """
    SELECT shop_id, id, from_warehouse_id, to_warehouse_id, status, lines, reason, created_at
    FROM warehouses.transfers
    WHERE shop_id = $1 AND id = $2
"""


async def get_transfer(connection: Connection, shop_id: UUID, transfer_id: UUID) -> Transfer | None:
    """One transfer, or None."""
    row = await connection.fetchrow(GET_TRANSFER, shop_id, transfer_id)
    return None if row is None else _transfer_of(row)


TRANSFER_PAGE = """
    SELECT shop_id, id, from_warehouse_id, to_warehouse_id, status, lines, reason, created_at
    FROM warehouses.transfers
    WHERE shop_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
    ORDER BY created_at DESC, id DESC
    LIMIT $4
"""


async def transfer_page(
    connection: Connection, shop_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Transfer]:
    """Transfers of the shop before a point in time, newest first."""
    rows = await connection.fetch(TRANSFER_PAGE, shop_id, *(after or (None, None)), limit)
    return [_transfer_of(row) for row in rows]


def _transfer_of(row: Row) -> Transfer:
    lines = [Line.model_validate(line) for line in row["lines"]]
    return Transfer.model_validate({**row, "lines": lines})
