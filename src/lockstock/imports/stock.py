"""Importing stock: what came in, per SKU and warehouse."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockstock.client.answers import Shop, Warehouse
from lockstock.client.session import Session
from lockstock.client.transport import ApiError
from lockstock.imports.files import CHUNK_BYTES, NotATable, Table
from lockstock.imports.plain.rules import Delivery, delivery_of, has_stock
from lockstock.imports.products import variants_of
from lockstock.imports.report import Account

# As many lines as one call takes.
MOST_LINES = 500
REASON = "imported"


@dataclass
class Batch:
    """Deliveries for one warehouse, sent together. `number` counts the batches of a file."""

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

    The keys of the calls are made of the file's content: the same file again adds nothing.
    """
    shop_id = shop["id"]
    places = warehouses_by_name(await session.list_warehouses(shop_id))
    variants: dict[str, str] = {}
    async for product in session.products(shop_id):
        variants |= variants_of(product)
    digest = _digest(table.path)
    for warehouse_id, batch in batches(table, places, variants, account):
        units: dict[str, int] = {}
        for delivery in batch.deliveries:
            variant = variants[delivery.sku]
            units[variant] = units.get(variant, 0) + delivery.quantity
        key = f"import-{digest}-{batch.number}"
        reason = await _receive(session, (shop_id, warehouse_id), units, key)
        for delivery in batch.deliveries:
            account.add(delivery.number, delivery.sku, reason)
        progress(account.rows)


async def _receive(
    session: Session, place: tuple[str, str], units: Mapping[str, int], key: str
) -> str | None:
    try:
        await session.receive(place, units, key, REASON)
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


def batches(
    table: Table, places: Mapping[str, str | None], variants: Mapping[str, str], account: Account
) -> Iterator[tuple[str, Batch]]:
    """Gather the rows of a file per warehouse, as many as one call takes; refuse the others."""
    open_batches: dict[str, Batch] = {}
    count = 0
    for row in table.rows():
        delivery = delivery_of(row)
        reason = delivery.refused or _unknown(delivery, places, variants)
        warehouse_id = places.get(delivery.warehouse.casefold())
        if reason is not None or warehouse_id is None:
            account.add(delivery.number, delivery.sku, reason)
            continue
        if warehouse_id not in open_batches:
            count += 1
            open_batches[warehouse_id] = Batch(count)
        batch = open_batches[warehouse_id]
        batch.deliveries.append(delivery)
        if len(batch.deliveries) == MOST_LINES:
            yield warehouse_id, open_batches.pop(warehouse_id)
    yield from open_batches.items()


def _unknown(
    delivery: Delivery, places: Mapping[str, str | None], variants: Mapping[str, str]
) -> str | None:
    name = delivery.warehouse.casefold()
    if name not in places:
        return "the shop has no such warehouse"
    if places[name] is None:
        return "two warehouses have this name: use the id"
    if delivery.sku not in variants:
        return "the shop has no such SKU"
    return None


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()[:32]
