"""Warehouses: opened, named, switched off and on. Their stock is in `stock/`."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.warehouses import store
from lockstock.warehouses.contract import (
    Deactivate,
    NewWarehouse,
    NoSuchWarehouse,
    Switched,
    Warehouse,
    WarehouseChange,
)


class WarehousesService:
    """The buildings of a shop."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transaction
    async def open(
        self,
        connection: Connection,
        shop_id: UUID,
        asks: Sequence[NewWarehouse],
        ids: Sequence[UUID],
    ) -> list[Warehouse]:
        """Open warehouses under these ids. The same ids again: the same warehouses."""
        await store.open_warehouses(connection, shop_id, asks, ids)
        found = await store.get_warehouses(connection, shop_id, ids)
        return [found[warehouse_id] for warehouse_id in ids]

    @reading
    async def list_warehouses(self, connection: Connection, shop_id: UUID) -> list[Warehouse]:
        """All warehouses of the shop, by priority."""
        return await store.list_warehouses(connection, shop_id)

    @reading
    async def get(self, connection: Connection, shop_id: UUID, warehouse_id: UUID) -> Warehouse:
        """One warehouse."""
        found = await store.get_warehouses(connection, shop_id, [warehouse_id])
        return _known(found.get(warehouse_id))

    @transaction
    async def change(
        self, connection: Connection, shop_id: UUID, warehouse_id: UUID, ask: WarehouseChange
    ) -> Warehouse:
        """Change what is given."""
        return _known(await store.change_warehouse(connection, shop_id, warehouse_id, ask))

    @transaction
    async def activate(self, connection: Connection, shop_id: UUID, warehouse_id: UUID) -> Switched:
        """Let buyers take from it, at once."""
        warehouse = await store.switch_warehouse(connection, shop_id, warehouse_id, active=True)
        kept = await store.promises_of_warehouse(connection, shop_id, warehouse_id)
        return Switched(
            warehouse=_known(warehouse), dry_run=False, kept_orders=kept, moved=[], stranded=[]
        )

    @transaction
    async def deactivate(
        self, connection: Connection, shop_id: UUID, warehouse_id: UUID, ask: Deactivate
    ) -> Switched:
        """Let no buyer take from it once this has returned; its stock stays as it is.

        The update waits for the buyers who have looked at the flag; those who come later see it
        down. What was promised is kept: holds may still be paid, paid lines still ship.
        """
        if ask.dry_run:
            found = await store.get_warehouses(connection, shop_id, [warehouse_id])
            warehouse = found.get(warehouse_id)
        else:
            warehouse = await store.switch_warehouse(
                connection, shop_id, warehouse_id, active=False
            )
        kept = await store.promises_of_warehouse(connection, shop_id, warehouse_id)
        return Switched(
            warehouse=_known(warehouse),
            dry_run=ask.dry_run,
            kept_orders=kept,
            moved=[],
            stranded=[],
        )


def _known(warehouse: Warehouse | None) -> Warehouse:
    if warehouse is None:
        raise NoSuchWarehouse("The shop has no such warehouse.")
    return warehouse
