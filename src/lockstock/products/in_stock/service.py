"""The mark on products that may have units: who is told of a change looks, and marks.

No lock is held while warehouses are asked. What keeps the mark right is the order: a product's mark
is read, then what is on hand, and the new mark is written only where the old one still stands, else
all of it again. Units that came after the look are told of after it: who hears of them reads the
mark that was written, or makes that writing fail.
"""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.products.in_stock import rules, store
from lockstock.products.in_stock.rules import Remark, Standing
from lockstock.warehouses.stock.contract import Stock

AT_ONCE = 200
FIRST = UUID(int=0)


class InStockService:
    """Marks products by what is on hand of their variants."""

    def __init__(self, database: Database, stock: Stock) -> None:
        self.database = database
        self._stock = stock

    async def look(self, shop_id: UUID, variant_ids: Sequence[UUID]) -> None:
        """Look at the products of these variants. Any number of processes may, at any time."""
        for start in range(0, len(variant_ids), AT_ONCE):
            part = variant_ids[start : start + AT_ONCE]
            await self._mark(shop_id, await self._owners(shop_id, part))

    async def look_at_all(self, shop_id: UUID) -> None:
        """Look at all products of a shop, a few at a time."""
        after = FIRST
        while part := await self._products_after(shop_id, after):
            await self._mark(shop_id, part)
            after = part[-1]

    async def look_at_due(self, most: int) -> int:
        """Look at products that it is time to look at, of any shops; return how many."""
        due = await self._due(most)
        for shop_id, product_ids in due.items():
            for start in range(0, len(product_ids), AT_ONCE):
                await self._mark(shop_id, product_ids[start : start + AT_ONCE])
        return sum(map(len, due.values()))

    async def _mark(self, shop_id: UUID, product_ids: Sequence[UUID]) -> None:
        # Somebody else marked those that are left meanwhile, so this ends.
        while product_ids:
            found = await self._standings(shop_id, product_ids)
            variant_ids = [each for standing in found for each in standing.variant_ids]
            there = await self._stock.with_units(shop_id, variant_ids)
            remarks = rules.remarks(found, there)
            product_ids = await self._write(shop_id, remarks) if remarks else []

    @reading
    async def _owners(
        self, connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
    ) -> list[UUID]:
        return await store.owners(connection, shop_id, variant_ids)

    @reading
    async def _products_after(
        self, connection: Connection, shop_id: UUID, after: UUID
    ) -> list[UUID]:
        return await store.products_after(connection, shop_id, after, AT_ONCE)

    @reading
    async def _due(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.due_products(connection, most)

    @reading
    async def _standings(
        self, connection: Connection, shop_id: UUID, product_ids: Sequence[UUID]
    ) -> list[Standing]:
        return await store.standings(connection, shop_id, product_ids)

    @transaction
    async def _write(
        self, connection: Connection, shop_id: UUID, remarks: Sequence[Remark]
    ) -> list[UUID]:
        """Write marks; return the products that somebody else has marked meanwhile."""
        product_ids = [remark.product_id for remark in remarks]
        await store.lock_products(connection, shop_id, product_ids)
        written = await store.write_marks(connection, shop_id, remarks)
        return [each for each in product_ids if each not in written]
