"""What a row of plain CSV says. Pure decisions on plain values."""

import re
from dataclasses import dataclass

from lockstock.imports.files import Row, Table
from lockstock.imports.formulas import unguarded
from lockstock.imports.rules import UNREADABLE, NoPrice, Offer, one_line, price_of, whole_number

PRODUCT_COLUMNS = ("sku", "name", "price")
STOCK_COLUMNS = ("sku", "warehouse", "quantity")
MOST_UNITS = 2**31 - 1
LONGEST_TEXT = 10_000

BAD_SKU = "SKU is not 1 to 64 visible ASCII characters"
BAD_DESCRIPTION = "description has control characters, or more than 10,000 characters"

_SKU = re.compile(r"[\x21-\x7e]{1,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Delivery:
    """So many units of a SKU for a warehouse, named by its name or id. `refused`: why not."""

    number: int
    sku: str = ""
    warehouse: str = ""
    quantity: int = 0
    refused: str | None = None


def has_products(table: Table) -> bool:
    """Whether a table has the columns of plain products."""
    return set(table.columns).issuperset(PRODUCT_COLUMNS)


def has_stock(table: Table) -> bool:
    """Whether a table has the columns of plain stock."""
    return set(table.columns).issuperset(STOCK_COLUMNS)


def product_of(row: Row, decimals: int) -> Offer:
    """Read a product; `decimals`: those of the shop's currency."""
    if row.fault is not None:
        return Offer(row.number, "", refused=f"{UNREADABLE}: {row.fault}")
    sku, name = _text(row, "sku"), one_line(unguarded(row.cells["name"]))
    if not sku:
        return Offer(row.number, "", refused="no SKU")
    if not _SKU.fullmatch(sku):
        return Offer(row.number, sku, refused=BAD_SKU)
    if not name:
        return Offer(row.number, sku, refused="no name")
    try:
        price = price_of(row.cells["price"], decimals)
    except NoPrice as error:
        return Offer(row.number, sku, refused=str(error))
    description = _text(row, "description")
    if len(description) > LONGEST_TEXT or _CONTROL.search(description):
        return Offer(row.number, sku, refused=BAD_DESCRIPTION)
    return Offer(row.number, sku, name, price, description)


def _text(row: Row, column: str) -> str:
    return unguarded(row.cells.get(column, "").strip()).strip()


def delivery_of(row: Row) -> Delivery:
    """Read a line of stock."""
    if row.fault is not None:
        return Delivery(row.number, refused=f"{UNREADABLE}: {row.fault}")
    sku, warehouse = _text(row, "sku"), _text(row, "warehouse")
    quantity = whole_number(row.cells["quantity"])
    refused = None
    if not _SKU.fullmatch(sku):
        refused = BAD_SKU
    elif quantity is None or not 0 < quantity <= MOST_UNITS:
        refused = "quantity is not a whole number above zero"
    return Delivery(row.number, sku, warehouse, quantity or 0, refused)
