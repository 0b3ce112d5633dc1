"""Importing stock: what came in, per SKU and warehouse. A stream: a block of rows at a time."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockstock.client.answers import Shop, Warehouse
from lockstock.client.session import Session
from lockstock.client.transport import ApiError
from lockstock.imports.files import CHUNK_BYTES, NotATable, Table
from lockstock.imports.plain.rules import Delivery, delivery_of, has_stock
from lockstock.imports.report import Account

# As many lines as one call takes.
MOST_LINES = 500
# Blocks that are sent at the same time.
AT_ONCE = 4
REASON = "imported"


@dataclass
class Block:
    """Rows of a file that name one warehouse, sent together. `number` counts them per name.

    Which rows are in it depends on the file alone, and never on what the shop has by now: so a
    block that is sent again under its key is the same block, or it is refused.
    """

    warehouse: str
    number: int
    deliveries: list[Delivery] = field(default_factory=list)


def open_stock(path: Path) -> Table:
    """Open a file with stock. Raises NotATable."""
    table = Table.open(path)
    if not has_stock(table):
        found = ", ".join(table.columns)
        raise NotATable(
            f"{path} does not have the columns sku, warehouse, quantity. It has: {found}"
        )
    return table


async def import_stock(
    session: Session,
    shop: Shop,
    table: Table,
    account: Account,
    progress: Callable[[int], None],
) -> None:
    """Receive the stock of a file; `progress` is told the rows that are done.

    The keys of the calls are made of the file's content: the same file again adds nothing. With an
    account of a dry run nothing is received.
    """
    receiving = _Receiving(session, shop["id"], _digest(table.path), account, progress)
    places = warehouses_by_name(await session.list_warehouses(shop["id"]))
    waiting: list[tuple[str, Block]] = []
    for item in blocks(table, places, account):
        waiting.append(item)
        if len(waiting) == AT_ONCE:
            await receiving.take(waiting)
            waiting = []
    await receiving.take(waiting)


@dataclass(frozen=True)
class _Receiving:
    """One import of one file."""

    session: Session
    shop_id: str
    digest: str
    account: Account
    progress: Callable[[int], None]

    async def take(self, items: list[tuple[str, Block]]) -> None:
        """Receive some blocks at once. Raises ApiError where the server fails."""
        try:
            async with asyncio.TaskGroup() as group:
                for warehouse_id, block in items:
                    group.create_task(self._take(warehouse_id, block))
        except ExceptionGroup as failed:
            # They all failed of the same.
            raise failed.exceptions[0] from None

    async def _take(self, warehouse_id: str, block: Block) -> None:
        skus = sorted({delivery.sku for delivery in block.deliveries})
        found = await self.session.find_variants(self.shop_id, skus=skus)
        variants = {one["sku"]: one["variant_id"] for one in found}
        units: dict[str, int] = {}
        for delivery in block.deliveries:
            if delivery.sku in variants:
                variant = variants[delivery.sku]
                units[variant] = units.get(variant, 0) + delivery.quantity
        reason = await self._receive(warehouse_id, block, units) if units else None
        for delivery in block.deliveries:
            known = delivery.sku in variants
            self.account.add(
                delivery.number, delivery.sku, reason if known else "the shop has no such SKU"
            )
        self.progress(self.account.rows)

    async def _receive(
        self, warehouse_id: str, block: Block, units: Mapping[str, int]
    ) -> str | None:
        if self.account.dry_run:
            return None
        named = hashlib.sha256(block.warehouse.encode()).hexdigest()[:16]
        key = f"import-{self.digest}-{named}-{block.number}"
        try:
            await self.session.receive((self.shop_id, warehouse_id), units, key, REASON)
        except ApiError as error:
            if error.status not in (409, 422):
                raise
            return f"refused: {error.code}"
        return None


def warehouses_by_name(warehouses: list[Warehouse]) -> dict[str, str | None]:
    """Return the ids of warehouses by id and by name; None for a name that two of them have."""
    places: dict[str, str | None] = {}
    for warehouse in warehouses:
        name = warehouse["name"].casefold()
        places[name] = None if name in places else warehouse["id"]
    return places | {warehouse["id"]: warehouse["id"] for warehouse in warehouses}


def blocks(
    table: Table, places: Mapping[str, str | None], account: Account
) -> Iterator[tuple[str, Block]]:
    """Gather the rows of a file by the warehouse they name, with its id; refuse the others."""
    numbers: Counter[str] = Counter()
    filling: dict[str, Block] = {}
    for row in table.rows():
        delivery = delivery_of(row)
        name = delivery.warehouse.casefold()
        reason = delivery.refused or _unknown(name, places)
        warehouse_id = places.get(name)
        if reason is not None or warehouse_id is None:
            account.add(delivery.number, delivery.sku, reason)
            continue
        if name not in filling:
            numbers[name] += 1
            filling[name] = Block(name, numbers[name])
        filling[name].deliveries.append(delivery)
        if len(filling[name].deliveries) == MOST_LINES:
            yield warehouse_id, filling.pop(name)
    for name, block in filling.items():
        if (warehouse_id := places[name]) is not None:
            yield warehouse_id, block


def _unknown(name: str, places: Mapping[str, str | None]) -> str | None:
    if name not in places:
        return "the shop has no such warehouse"
    if places[name] is None:
        return "two warehouses have this name: use the id"
    return None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()[:32]
