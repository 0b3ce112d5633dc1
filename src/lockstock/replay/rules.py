"""What an invoice of the past asks of the shop today. Pure decisions on plain values."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lockstock.client.answers import OrderId
from lockstock.imports.online_retail.rules import Sale
from lockstock.imports.rules import NO_GOODS

# A leading C marks a cancellation. Other letters ("A": adjust bad debt) are sales of no goods.
RETURN_LETTER = "C"
MOST_UNITS = 2**31 - 1

NOT_POSITIVE_UNITS = "quantity is zero or less"
TOO_MANY_UNITS = "quantity is too large"
NO_QUANTITY = "quantity is not a whole number"
NOT_NEGATIVE_UNITS = "quantity of a return is not below zero"
NO_TIME = "no readable date"
NO_INVOICE = "no invoice number"
NOT_IMPORTED = "the product was refused"

# Units by SKU.
Units = dict[str, int]


@dataclass(frozen=True)
class Invoice:
    """An invoice as it was. `customer` is empty for a walk-in."""

    number: str
    at: datetime
    customer: str
    lines: list[Sale]

    @property
    def is_return(self) -> bool:
        """Whether goods came back, or an order was taken back."""
        return self.number[:1].upper() == RETURN_LETTER


@dataclass(frozen=True)
class Past:
    """A file of invoices, in the order of time. `refused`: the rows that belong to none."""

    invoices: list[Invoice]
    refused: "Counter[str]"


def past_of(sales: Iterable[Sale]) -> Past:
    """Gather rows to invoices. An invoice is as old as its first row that has a readable date."""
    refused: Counter[str] = Counter()
    gathered: dict[str, list[Sale]] = {}
    for sale in sales:
        if sale.fault is not None or not sale.invoice:
            refused[sale.fault or NO_INVOICE] += 1
        else:
            gathered.setdefault(sale.invoice, []).append(sale)
    invoices = []
    for number, lines in gathered.items():
        times = [line.at for line in lines if line.at is not None]
        if not times:
            refused[NO_TIME] += len(lines)
            continue
        customer = next((line.customer for line in lines if line.customer), "")
        invoices.append(Invoice(number, min(times), customer, lines))
    # Sorting is stable: of one instant, as the file has them.
    invoices.sort(key=lambda invoice: invoice.at)
    return Past(invoices, refused)


def sale_refusal(line: Sale) -> str | None:
    """Return why a line of a sale cannot be ordered, None if it can."""
    if line.sku is None:
        return NO_GOODS
    if line.quantity is None:
        return NO_QUANTITY
    if line.quantity <= 0:
        return NOT_POSITIVE_UNITS
    if line.quantity > MOST_UNITS:
        return TOO_MANY_UNITS
    return line.no_price


def return_refusal(line: Sale) -> str | None:
    """Return why a line of a return cannot come back, None if it can."""
    if line.sku is None:
        return NO_GOODS
    if line.quantity is None:
        return NO_QUANTITY
    return NOT_NEGATIVE_UNITS if line.quantity >= 0 else None


@dataclass
class Wanted:
    """What is left of an invoice: units by SKU, the rows behind each, and the rows refused."""

    units: Units = field(default_factory=dict)
    rows: "Counter[str]" = field(default_factory=Counter)
    refused: "Counter[str]" = field(default_factory=Counter)


def wanted_of(invoice: Invoice, known: Mapping[str, str]) -> Wanted:
    """Return what an invoice asks for; `known`: the variants that the shop has, by SKU."""
    refusal = return_refusal if invoice.is_return else sale_refusal
    wanted = Wanted()
    for line in invoice.lines:
        reason = refusal(line)
        if reason is not None or line.sku is None or line.quantity is None:
            wanted.refused[reason or NO_GOODS] += 1
        elif line.sku not in known:
            wanted.refused[NOT_IMPORTED] += 1
        elif (total := wanted.units.get(line.sku, 0) + abs(line.quantity)) > MOST_UNITS:
            wanted.refused[TOO_MANY_UNITS] += 1
        else:
            wanted.units[line.sku] = total
            wanted.rows[line.sku] += 1
    return wanted


def parts_of(units: Mapping[str, int], most_lines: int) -> list[Units]:
    """Split what is wanted into orders of as many lines as one may have."""
    items = list(units.items())
    return [dict(items[at : at + most_lines]) for at in range(0, len(items), most_lines)]


def opening_stock(invoices: Iterable[Invoice], known: Mapping[str, str]) -> Units:
    """Return the units that these invoices sell, by SKU."""
    total: Units = {}
    for invoice in invoices:
        if invoice.is_return:
            continue
        for sku, quantity in wanted_of(invoice, known).units.items():
            total[sku] = min(total.get(sku, 0) + quantity, MOST_UNITS)
    return total


def share_per_warehouse(total: int) -> int:
    """Return how much of a SKU each of three warehouses gets.

    Any two of them cover what will be sold, so that the shop can sell on while one is closed.
    Half of what a stock row can hold is the most, so that returns and transfers still fit in.
    """
    return min(-(-total // 2), MOST_UNITS // 2)


@dataclass
class Bought:
    """An order of a customer, and the units of it that they could bring back, by SKU."""

    order: OrderId
    units: Units
    is_paid: bool


@dataclass(frozen=True)
class Match:
    """Units that come back from one order."""

    order: OrderId
    units: Units


def match_return(wanted: Mapping[str, int], bought: Sequence[Bought]) -> list[Match]:
    """Find the orders that goods come back from: the newest first, no more than was shipped.

    `bought` is in the order of time. Nothing is changed; see `take_off`.
    """
    left = dict(wanted)
    matches = []
    for item in reversed(bought):
        if not item.is_paid:
            continue
        units = {}
        for sku in item.units.keys() & left.keys():
            taken = min(item.units[sku], left[sku])
            if taken:
                units[sku] = taken
                left[sku] -= taken
        if units:
            # As the return has them, so that the same return is the same request.
            matches.append(Match(item.order, {sku: units[sku] for sku in wanted if sku in units}))
    return matches


def take_off(match: Match, bought: Iterable[Bought]) -> None:
    """Note that units have come back, so that they cannot come back twice."""
    for item in bought:
        if item.order["id"] == match.order["id"]:
            for sku, quantity in match.units.items():
                item.units[sku] -= quantity


def cancelled_order(wanted: Mapping[str, int], bought: Sequence[Bought]) -> Bought | None:
    """Return the newest unpaid order that a return takes back whole, if there is one."""
    for item in reversed(bought):
        if not item.is_paid and item.units == wanted:
            return item
    return None
