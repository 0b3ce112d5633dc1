"""Exporting: go through the pages of the API, write each row as it comes."""

from collections.abc import Callable
from pathlib import Path

from babel.numbers import get_currency_precision

from lockstock.client.answers import Shop, StockRow
from lockstock.client.session import Session
from lockstock.exports import rules
from lockstock.exports.files import Writer, table

# As many as one call finds.
MOST_FOUND = 500
Progress = Callable[[int], None]


async def export_products(session: Session, shop: Shop, path: Path, progress: Progress) -> int:
    """Write all variants of a shop, published or not; return how many rows. Raises CannotWrite."""
    decimals = get_currency_precision(shop["currency"])
    rows = 0
    with table(path, rules.PRODUCT_COLUMNS) as writer:
        async for product in session.products(shop["id"]):
            for row in rules.rows_of_product(product, decimals):
                writer.write(row)
                rows += 1
            progress(rows)
    return rows


async def export_stock(session: Session, shop: Shop, path: Path, progress: Progress) -> int:
    """Write all stock rows of a shop; return how many. Raises CannotWrite."""
    places = rules.names_of(await session.list_warehouses(shop["id"]))
    rows = 0
    waiting: list[StockRow] = []
    with table(path, rules.STOCK_COLUMNS) as writer:
        async for row in session.all_stock(shop["id"]):
            waiting.append(row)
            rows += 1
            if len(waiting) == MOST_FOUND:
                await _write(session, shop["id"], waiting, places, writer)
                waiting = []
                progress(rows)
        await _write(session, shop["id"], waiting, places, writer)
        progress(rows)
    return rows


async def _write(
    session: Session, shop_id: str, stock: list[StockRow], places: dict[str, str], writer: Writer
) -> None:
    ids = sorted({row["variant_id"] for row in stock})
    found = await session.find_variants(shop_id, variant_ids=ids) if ids else []
    variants = {one["variant_id"]: one for one in found}
    for row in stock:
        writer.write(rules.row_of_stock(row, variants, places))
