"""Warehouses: opened, named, switched off and on. Their stock is in `stock/`."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.editions import Expected, check_edition, whole_edition_of
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
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: WarehouseChange,
        expected: Expected = None,
    ) -> Warehouse:
        """Change what is given, if it still is of an edition that is `expected`."""
        before = _known(await store.lock_warehouse(connection, shop_id, warehouse_id))
        check_edition(expected, whole_edition_of(before))
        return _known(await store.change_warehouse(connection, shop_id, warehouse_id, ask))

    @transaction
    async def activate(self, connection: Connection, shop_id: UUID, warehouse_id: UUID) -> Switched:
        """Let buyers take from it, at once."""
        warehouse = await store.switch_warehouse(connection, shop_id, warehouse_id, active=True)
        kept = await store.promises_of_warehouse(connection, shop_id, warehouse_id)
        return Switched(
            warehouse=_known(warehouse), dry_run=False, kept_orders=kept, moved=[], stranded=[]
        )

    async def deactivate(self, shop_id: UUID, warehouse_id: UUID, ask: Deactivate) -> Switched:
        """Let no buyer take from it once this has returned; its stock stays as it is.

        Two transactions: while new buyers come, those who have looked at the flag are never all
        gone. So the flag goes down first, and only then is waited for those who saw it up. What was
        promised is kept: holds may still be paid, paid lines still ship.
        """
        if not ask.dry_run:
            await self._lower_flag(shop_id, warehouse_id)
        return await self._switched_off(shop_id, warehouse_id, dry_run=ask.dry_run)

    @transaction
    async def _lower_flag(self, connection: Connection, shop_id: UUID, warehouse_id: UUID) -> None:
        _known(await store.switch_warehouse(connection, shop_id, warehouse_id, active=False))

    @transaction
    async def _switched_off(
        self, connection: Connection, shop_id: UUID, warehouse_id: UUID, *, dry_run: bool
    ) -> Switched:
        if not dry_run:
            await store.await_buyers(connection, shop_id, warehouse_id)
        found = await store.get_warehouses(connection, shop_id, [warehouse_id])
        kept = await store.promises_of_warehouse(connection, shop_id, warehouse_id)
        return Switched(
            warehouse=_known(found.get(warehouse_id)),
            dry_run=dry_run,
            kept_orders=kept,
            moved=[],
            stranded=[],
        )


def _known(warehouse: Warehouse | None) -> Warehouse:
    if warehouse is None:
        raise NoSuchWarehouse("The shop has no such warehouse.")
    return warehouse
