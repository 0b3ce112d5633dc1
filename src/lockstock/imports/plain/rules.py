"""What a row of plain CSV says. Pure decisions on plain values."""

from dataclasses import dataclass

from lockstock.imports.files import Row, Table
from lockstock.imports.rules import UNREADABLE, NoPrice, Offer, one_line, price_of, whole_number

PRODUCT_COLUMNS = ("sku", "name", "price")
STOCK_COLUMNS = ("sku", "warehouse", "quantity")
MOST_UNITS = 2**31 - 1


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
    sku, name = row.cells["sku"].strip(), one_line(row.cells["name"])
    if not sku:
        return Offer(row.number, "", refused="no SKU")
    if not name:
        return Offer(row.number, sku, refused="no name")
    try:
        price = price_of(row.cells["price"], decimals)
    except NoPrice as error:
        return Offer(row.number, sku, refused=str(error))
    return Offer(row.number, sku, name, price, row.cells.get("description", "").strip())


def delivery_of(row: Row) -> Delivery:
    """Read a line of stock."""
    if row.fault is not None:
        return Delivery(row.number, refused=f"{UNREADABLE}: {row.fault}")
    sku, warehouse = row.cells["sku"].strip(), row.cells["warehouse"].strip()
    quantity = whole_number(row.cells["quantity"])
    refused = None
    if quantity is None or not 0 < quantity <= MOST_UNITS:
        refused = "quantity is not a whole number above zero"
    return Delivery(row.number, sku, warehouse, quantity or 0, refused)
