"""The state of a shop: what is in its rows, and holds that have ended."""

import json
from uuid import UUID

from lockstock.kernel.database import Connection, Database
from tests.warehouses.depot import Depot


async def snapshot(depot: Depot) -> str:
    """Every row of the schema, as text."""

    async def read(connection: Connection) -> str:
        tables = ("warehouses", "stock", "movements", "reservations", "allocations", "outbox")
        rows = {
            table: [
                str(tuple(row))
                for row in await connection.fetch(f"SELECT * FROM warehouses.{table}")  # noqa: S608
            ]
            for table in tables
        }
        return json.dumps({table: sorted(found) for table, found in rows.items()})

    return await depot.database.read(read)


async def past_deadline(database: Database, *order_ids: UUID) -> None:
    """Let holds be past their deadline, as if time had gone by."""

    async def age(connection: Connection) -> None:
        for table in ("reservations", "allocations"):
            await connection.execute(
                f"UPDATE warehouses.{table} SET expires_at = expires_at - interval '1 day'"  # noqa: S608
                " WHERE order_id = ANY($1::uuid[])",
                list(order_ids),
            )

    await database.transaction(age)
