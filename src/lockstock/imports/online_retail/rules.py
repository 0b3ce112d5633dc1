"""What a row of Online Retail says. Pure decisions on plain values.

Columns: InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice (pounds), CustomerID,
Country; or as in its second edition: Invoice, Price, Customer ID.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from lockstock.imports.files import Row, Table
from lockstock.imports.rules import (
    NO_GOODS,
    UNREADABLE,
    NoPrice,
    Offer,
    one_line,
    price_of,
    whole_number,
)

CURRENCY = "GBP"
PENCE_DECIMALS = 2
COLUMNS = ("stockcode", "description", "quantity", "invoicedate", "country")
# The names of the two editions of the data set.
INVOICE = ("invoiceno", "invoice")
PRICE = ("unitprice", "price")
CUSTOMER = ("customerid",)

# Postage, fees, discounts, samples, vouchers and corrections have codes of words.
_GOODS = re.compile(r"[0-9]{5}[A-Za-z]{0,59}")


@dataclass(frozen=True, slots=True)
class Sale:
    """One line of an invoice. None: the row does not say, or says nothing that can be used.

    `sku` is upper case: codes that differ in case only are one product. `price_minor` is in pence.
    """

    number: int
    invoice: str
    sku: str | None
    name: str
    quantity: int | None
    at: datetime | None
    price_minor: int | None
    no_price: str | None
    customer: str
    fault: str | None = None

    def offer(self) -> Offer:
        """Return what the row says of a product."""
        if self.fault is not None:
            return Offer(self.number, "", refused=self.fault)
        if self.sku is None:
            return Offer(self.number, "", refused=NO_GOODS)
        if self.price_minor is None:
            return Offer(self.number, self.sku, refused=self.no_price)
        return Offer(self.number, self.sku, self.name, self.price_minor)


def is_online_retail(table: Table) -> bool:
    """Whether a table has the columns of Online Retail."""
    columns = set(table.columns)
    return columns.issuperset(COLUMNS) and all(
        columns.intersection(names) for names in (INVOICE, PRICE, CUSTOMER)
    )


def sale_of(row: Row) -> Sale:
    """Read a row. Nothing in it is an error: what cannot be read is left out, and said."""
    cells = row.cells
    if row.fault is not None:
        return Sale(
            row.number, "", None, "", None, None, None, None, "", f"{UNREADABLE}: {row.fault}"
        )
    price, no_price = _price(_first(cells, PRICE))
    return Sale(
        number=row.number,
        # Interned: rows of one invoice come together, and are kept for as long as a replay takes.
        invoice=sys.intern(_first(cells, INVOICE).strip()),
        sku=goods_code(cells["stockcode"]),
        name=one_line(cells["description"]),
        quantity=whole_number(cells["quantity"]),
        at=time_of(cells["invoicedate"].strip()),
        price_minor=price,
        no_price=no_price,
        customer=customer_of(_first(cells, CUSTOMER)),
    )


def _first(cells: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((cells[name] for name in names if name in cells), "")


def _price(text: str) -> tuple[int | None, str | None]:
    try:
        return price_of(text, PENCE_DECIMALS), None
    except NoPrice as error:
        return None, str(error)


@lru_cache(maxsize=16_384)
def goods_code(text: str) -> str | None:
    """Return the SKU of a stock code of goods (five digits, then letters or none), else None."""
    code = text.strip()
    return code.upper() if _GOODS.fullmatch(code) else None


@lru_cache(maxsize=16_384)
def customer_of(text: str) -> str:
    """Return the customer's number; exports write 17850 as 17850.0. Empty: a walk-in."""
    return text.strip().removesuffix(".0")


@lru_cache(maxsize=16_384)
def time_of(text: str) -> datetime | None:
    """Read "2010-12-01 08:26:00" or "12/1/2010 8:26" as UTC; None for anything else."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return datetime.strptime(text, "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
