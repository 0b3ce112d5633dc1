"""Which units may come back, and for how much. Pure decisions on plain values."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from lockstock.orders.contract import Order
from lockstock.orders.payments.contract import RefundTooMuch
from lockstock.orders.returns.contract import (
    Condition,
    NewReturn,
    NotReturnable,
    Return,
    ReturnLine,
    ReturnPart,
)
from lockstock.orders.shipments.contract import Shipment
from lockstock.orders.shipments.rules import Places, shipped_units


def returnable(shipments: Sequence[Shipment], returns: Sequence[Return]) -> Places:
    """Return the units that have left and not come back, by where they left from."""
    units = shipped_units([shipment for shipment in shipments if shipment.status == "shipped"])
    for item in returns:
        for part in item.parts:
            units[part.from_warehouse_id, part.variant_id] -= part.quantity
    return +units


def unpack(
    there: Places, lines: Sequence[ReturnLine], to_warehouse_id: UUID | None
) -> list[ReturnPart]:
    """Return which units come back to where, and how. Raises NotReturnable."""
    _check_returnable(there, lines)
    left = Counter(there)
    parts = []
    for (variant_id, to_id, condition), quantity in _wanted(lines, to_warehouse_id).items():
        missing = quantity
        for warehouse_id, _ in [place for place in left if place[1] == variant_id]:
            taken = min(left[warehouse_id, variant_id], missing)
            if not taken:
                continue
            left[warehouse_id, variant_id] -= taken
            missing -= taken
            parts.append(
                ReturnPart(
                    variant_id=variant_id,
                    quantity=taken,
                    from_warehouse_id=warehouse_id,
                    to_warehouse_id=to_id or warehouse_id,
                    condition=condition,
                )
            )
    return parts


def _wanted(
    lines: Sequence[ReturnLine], to_warehouse_id: UUID | None
) -> Counter[tuple[UUID, UUID | None, Condition]]:
    wanted: Counter[tuple[UUID, UUID | None, Condition]] = Counter()
    for line in lines:
        to_id = line.warehouse_id or to_warehouse_id
        wanted[line.variant_id, to_id, line.condition] += line.quantity
    return wanted


def _check_returnable(there: Places, lines: Sequence[ReturnLine]) -> None:
    asked: Counter[UUID] = Counter()
    for line in lines:
        asked[line.variant_id] += line.quantity
    out: Counter[UUID] = Counter()
    for (_, variant_id), units in there.items():
        out[variant_id] += units
    short = [
        {"variant_id": str(variant_id), "requested": units, "returnable": out[variant_id]}
        for variant_id, units in asked.items()
        if units > out[variant_id]
    ]
    if short:
        raise NotReturnable("More than was shipped and not returned yet.", lines=short)


def price_of(order: Order, parts: Sequence[ReturnPart]) -> int:
    """Return what was paid for these units, in minor units."""
    # Lines that name the same variant were priced at the same moment, so they agree.
    prices = {line.variant_id: line.unit_price.amount_minor for line in order.lines}
    return sum(prices[part.variant_id] * part.quantity for part in parts)


def refund_of(ask: NewReturn, order: Order, parts: Sequence[ReturnPart], left_minor: int) -> int:
    """Return what is refunded for a return, in minor units. `left_minor`: of the order's money.

    Raises RefundTooMuch where more is asked for; their price is bounded by it without a word.
    """
    if not ask.refund:
        return 0
    if ask.refund_minor is None:
        return min(price_of(order, parts), left_minor)
    if ask.refund_minor > left_minor:
        raise RefundTooMuch(
            f"{left_minor} can be refunded, not {ask.refund_minor}.", refundable_minor=left_minor
        )
    return ask.refund_minor
