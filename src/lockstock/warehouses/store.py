"""SQL of warehouses. Nothing else speaks to this table, but for the lock that buyers take.

Locks are taken in one order everywhere: warehouse rows by id, then stock rows by (variant_id,
warehouse_id), then everything else, which the stock rows guard.
"""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.warehouses.contract import Location, NewWarehouse, Warehouse, WarehouseChange


def warehouse_of(row: Row) -> Warehouse:
    """Turn a row into the noun."""
    place = row["latitude"] is not None
    return Warehouse(
        id=row["id"],
        shop_id=row["shop_id"],
        name=row["name"],
        active=row["active"],
        priority=row["priority"],
        location=Location(latitude=row["latitude"], longitude=row["longitude"]) if place else None,
        created_at=row["created_at"],
    )


OPEN_WAREHOUSES = """
    INSERT INTO warehouses.warehouses
        (shop_id, id, name, active, priority, latitude, longitude, created_at)
    SELECT $1, a.id, a.name, true, a.priority, a.latitude, a.longitude, statement_timestamp()
    FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::float8[], $6::float8[])
        AS a (id, name, priority, latitude, longitude)
    ON CONFLICT (shop_id, id) DO NOTHING
    RETURNING id
"""


async def open_warehouses(
    connection: Connection, shop_id: UUID, asks: Sequence[NewWarehouse], ids: Sequence[UUID]
) -> list[UUID]:
    """Insert those that are not there yet; return which."""
    rows = await connection.fetch(
        OPEN_WAREHOUSES,
        shop_id,
        list(ids),
        [ask.name for ask in asks],
        [ask.priority for ask in asks],
        [ask.location and ask.location.latitude for ask in asks],
        [ask.location and ask.location.longitude for ask in asks],
    )
    return [row["id"] for row in rows]


LIST_WAREHOUSES = """
    SELECT shop_id, id, name, active, priority, latitude, longitude, created_at
    FROM warehouses.warehouses
    WHERE shop_id = $1
    ORDER BY priority, created_at, id
"""


async def list_warehouses(connection: Connection, shop_id: UUID) -> list[Warehouse]:
    """All warehouses of a shop, by priority."""
    return [warehouse_of(row) for row in await connection.fetch(LIST_WAREHOUSES, shop_id)]


GET_WAREHOUSES = """
    SELECT shop_id, id, name, active, priority, latitude, longitude, created_at
    FROM warehouses.warehouses
    WHERE shop_id = $1 AND id = ANY($2::uuid[])
"""


async def get_warehouses(
    connection: Connection, shop_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, Warehouse]:
    """Those of these warehouses that exist."""
    rows = await connection.fetch(GET_WAREHOUSES, shop_id, list(ids))
    return {row["id"]: warehouse_of(row) for row in rows}


LOCK_WAREHOUSE = """
    SELECT shop_id, id, name, active, priority, latitude, longitude, created_at
    FROM warehouses.warehouses
    WHERE shop_id = $1 AND id = $2
    FOR NO KEY UPDATE
"""


async def lock_warehouse(
    connection: Connection, shop_id: UUID, warehouse_id: UUID
) -> Warehouse | None:
    """One warehouse, held until the transaction ends, as an update of it would."""
    row = await connection.fetchrow(LOCK_WAREHOUSE, shop_id, warehouse_id)
    return None if row is None else warehouse_of(row)


CHANGE_WAREHOUSE = """
    UPDATE warehouses.warehouses
    SET name = coalesce($3, name),
        priority = coalesce($4, priority),
        latitude = CASE WHEN $5 THEN $6 ELSE latitude END,
        longitude = CASE WHEN $5 THEN $7 ELSE longitude END
    WHERE shop_id = $1 AND id = $2
    RETURNING shop_id, id, name, active, priority, latitude, longitude, created_at
"""


async def change_warehouse(
    connection: Connection, shop_id: UUID, warehouse_id: UUID, ask: WarehouseChange
) -> Warehouse | None:
    """Change what is given; None where there is no such warehouse."""
    row = await connection.fetchrow(
        CHANGE_WAREHOUSE,
        shop_id,
        warehouse_id,
        ask.name,
        ask.priority,
        "location" in ask.model_fields_set,
        ask.location and ask.location.latitude,
        ask.location and ask.location.longitude,
    )
    return None if row is None else warehouse_of(row)


# Waits for nobody: buyers hold the row FOR KEY SHARE. Those who come after see the new flag.
SWITCH_WAREHOUSE = """
    UPDATE warehouses.warehouses
    SET active = $3
    WHERE shop_id = $1 AND id = $2
    RETURNING shop_id, id, name, active, priority, latitude, longitude, created_at
"""


async def switch_warehouse(
    connection: Connection, shop_id: UUID, warehouse_id: UUID, *, active: bool
) -> Warehouse | None:
    """Switch on or off; None where there is no such warehouse."""
    row = await connection.fetchrow(SWITCH_WAREHOUSE, shop_id, warehouse_id, active)
    return None if row is None else warehouse_of(row)


STOCKED_VARIANTS = """
    SELECT variant_id FROM warehouses.stock
    WHERE shop_id = $1 AND warehouse_id = $2 AND on_hand > 0
    LIMIT $3
"""


async def stocked_variants(
    connection: Connection, shop_id: UUID, warehouse_id: UUID, most: int
) -> list[UUID] | None:
    """The variants that a warehouse has units of; None where there are more than so many."""
    rows = await connection.fetch(STOCKED_VARIANTS, shop_id, warehouse_id, most + 1)
    return None if len(rows) > most else [row["variant_id"] for row in rows]


AWAIT_BUYERS = """
    SELECT id FROM warehouses.warehouses WHERE shop_id = $1 AND id = $2 FOR UPDATE
"""


async def await_buyers(connection: Connection, shop_id: UUID, warehouse_id: UUID) -> None:
    """Wait for the buyers who looked at a warehouse before its flag went down."""
    await connection.execute(AWAIT_BUYERS, shop_id, warehouse_id)


PROMISES_OF_WAREHOUSE = """
    SELECT count(DISTINCT order_id)
    FROM (
        SELECT order_id
        FROM warehouses.allocations
        WHERE shop_id = $1 AND warehouse_id = $2
            AND status = 'held' AND expires_at > statement_timestamp()
        UNION ALL
        SELECT order_id
        FROM warehouses.allocations
        WHERE shop_id = $1 AND warehouse_id = $2
            AND status = 'committed' AND shipped < quantity
    ) AS promised
"""


async def promises_of_warehouse(connection: Connection, shop_id: UUID, warehouse_id: UUID) -> int:
    """How many orders were promised something from this warehouse."""
    found: int = await connection.fetchval(PROMISES_OF_WAREHOUSE, shop_id, warehouse_id)
    return found


READY_TRANSFERS = """
    SELECT count(*)
    FROM warehouses.transfers
    WHERE shop_id = $1 AND from_warehouse_id = $2 AND status = 'ready'
"""


async def ready_transfers(connection: Connection, shop_id: UUID, warehouse_id: UUID) -> int:
    """How many transfers are ready to leave from this warehouse."""
    found: int = await connection.fetchval(READY_TRANSFERS, shop_id, warehouse_id)
    return found
