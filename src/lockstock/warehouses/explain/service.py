"""Explanations: read the figures, say what they come to."""

from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading
from lockstock.kernel.errors import InvalidInput
from lockstock.warehouses.contract import NoSuchWarehouse
from lockstock.warehouses.explain import rules, store
from lockstock.warehouses.explain.contract import (
    NothingReserved,
    WhyAvailable,
    WhyOnHand,
    WhyWarehouses,
)
from lockstock.warehouses.store import list_warehouses


class ExplanationsService:
    """Answers why, for a shop's own people."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @reading
    async def available(
        self, connection: Connection, shop_id: UUID, variant_id: UUID
    ) -> WhyAvailable:
        """Why so much is available of a variant, now."""
        now, places = await store.available_here(connection, shop_id, variant_id)
        return rules.why_available(variant_id, now, places)

    @reading
    async def on_hand(
        self,
        connection: Connection,
        shop_id: UUID,
        variant_id: UUID,
        warehouse_id: UUID,
        as_of: datetime | None,
    ) -> WhyOnHand:
        """Why so much is on hand, now or as of a moment that has passed."""
        ledger = await store.on_hand(connection, shop_id, variant_id, warehouse_id, as_of)
        if ledger is None:
            raise NoSuchWarehouse("There is no such warehouse.")
        if as_of is not None and as_of > ledger.now:
            raise InvalidInput.at("as_of", "is still to come")
        return rules.why_on_hand(variant_id, warehouse_id, ledger, as_of)

    @reading
    async def order(self, connection: Connection, shop_id: UUID, order_id: UUID) -> WhyWarehouses:
        """Why an order comes from these warehouses."""
        decided = await store.reservation(connection, shop_id, order_id)
        if decided is None:
            raise NothingReserved("No stock was ever reserved for such an order in this shop.")
        # A warehouse is never removed, so whoever gave something has a name.
        warehouses = await list_warehouses(connection, shop_id)
        names = {warehouse.id: warehouse.name for warehouse in warehouses}
        return rules.why_warehouses(order_id, decided, names)
