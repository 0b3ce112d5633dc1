"""Warehouses: opened, named, switched off and on. Their stock is in `stock/`."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.editions import Expected, check_edition, whole_edition_of
from lockstock.kernel.outbox import changed_fields
from lockstock.warehouses import store
from lockstock.warehouses.contract import (
    AllocationPolicy,
    Deactivate,
    NewWarehouse,
    NoSuchWarehouse,
    Switched,
    Warehouse,
    WarehouseChange,
)
from lockstock.warehouses.events import event, tell, texts
from lockstock.warehouses.reallocation.rules import NOTHING, Outcome
from lockstock.warehouses.reallocation.service import ReallocationService

# Named one by one in an event; of more it says null.
MOST_VARIANTS = 500


class WarehousesService:
    """The buildings of a shop."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._reallocation = ReallocationService(database)

    @transaction
    async def open(
        self,
        connection: Connection,
        shop_id: UUID,
        asks: Sequence[NewWarehouse],
        ids: Sequence[UUID],
    ) -> list[Warehouse]:
        """Open warehouses under these ids. The same ids again: the same warehouses."""
        opened = await store.open_warehouses(connection, shop_id, asks, ids)
        await tell(connection, shop_id, [event("warehouse.opened", each) for each in opened])
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
        after = _known(await store.change_warehouse(connection, shop_id, warehouse_id, ask))
        if changed := changed_fields(before, after):
            told = event("warehouse.changed", warehouse_id, changed=changed)
            await tell(connection, shop_id, [told])
        return after

    @transaction
    async def activate(self, connection: Connection, shop_id: UUID, warehouse_id: UUID) -> Switched:
        """Let buyers take from it, at once."""
        await _switch(connection, shop_id, warehouse_id, active=True)
        return await _switched(connection, shop_id, warehouse_id)

    async def deactivate(
        self,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: Deactivate,
        policy: AllocationPolicy | None = None,
    ) -> Switched:
        """Let no buyer take from it once this has returned; its stock stays as it is.

        More than one transaction: while new buyers come, those who have looked at the flag are
        never all gone. So the flag goes down first, and only then is waited for those who saw it
        up. What was promised is kept (holds may still be paid, paid lines still ship), or it moves,
        some orders at a time: should the process die in between, the same again moves the rest.
        """
        if not ask.dry_run:
            await self._lower_flag(shop_id, warehouse_id)
            await self._await_buyers(shop_id, warehouse_id)
        outcome = NOTHING
        if ask.promises == "reallocate":
            outcome = await self._reallocation.reallocate(
                shop_id, warehouse_id, policy or AllocationPolicy(), dry_run=ask.dry_run
            )
        return await self._switched_off(shop_id, warehouse_id, outcome, dry_run=ask.dry_run)

    @transaction
    async def _lower_flag(self, connection: Connection, shop_id: UUID, warehouse_id: UUID) -> None:
        await _switch(connection, shop_id, warehouse_id, active=False)

    @transaction
    async def _await_buyers(
        self, connection: Connection, shop_id: UUID, warehouse_id: UUID
    ) -> None:
        await store.await_buyers(connection, shop_id, warehouse_id)

    @reading
    async def _switched_off(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        outcome: Outcome,
        *,
        dry_run: bool,
    ) -> Switched:
        found = await _switched(connection, shop_id, warehouse_id)
        told = {"moved": outcome.moved, "stranded": outcome.stranded}
        if not dry_run:
            return found.model_copy(update=told)
        # As it would be: switched off, and without the orders that would have moved.
        off = found.warehouse.model_copy(update={"active": False})
        kept = max(0, found.kept_orders - len(outcome.moved))
        return found.model_copy(
            update=told | {"dry_run": True, "warehouse": off, "kept_orders": kept}
        )


async def _switch(
    connection: Connection, shop_id: UUID, warehouse_id: UUID, *, active: bool
) -> None:
    """Switch on or off, and tell of it if it was not so already."""
    before = _known(await store.lock_warehouse(connection, shop_id, warehouse_id))
    if before.active == active:
        return
    await store.switch_warehouse(connection, shop_id, warehouse_id, active=active)
    variants = await store.stocked_variants(connection, shop_id, warehouse_id, MOST_VARIANTS)
    told = event(
        "warehouse.activated" if active else "warehouse.deactivated",
        warehouse_id,
        variant_ids=None if variants is None else texts(variants),
    )
    await tell(connection, shop_id, [told])


async def _switched(connection: Connection, shop_id: UUID, warehouse_id: UUID) -> Switched:
    found = await store.get_warehouses(connection, shop_id, [warehouse_id])
    return Switched(
        warehouse=_known(found.get(warehouse_id)),
        dry_run=False,
        kept_orders=await store.promises_of_warehouse(connection, shop_id, warehouse_id),
        kept_transfers=await store.ready_transfers(connection, shop_id, warehouse_id),
        moved=[],
        stranded=[],
    )


def _known(warehouse: Warehouse | None) -> Warehouse:
    if warehouse is None:
        raise NoSuchWarehouse("The shop has no such warehouse.")
    return warehouse
