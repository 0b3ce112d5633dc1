"""Which units may come back, and for how much. Pure decisions on plain values."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from lockstock.orders.contract import Order
from lockstock.orders.returns.contract import NotReturnable, Return, ReturnPart
from lockstock.orders.shipments.contract import Shipment
from lockstock.orders.shipments.rules import Places, shipped_units
from lockstock.warehouses.contract import Line


def returnable(shipments: Sequence[Shipment], returns: Sequence[Return]) -> Places:
    """Return the units that have left and not come back, by where they left from."""
    units = shipped_units([shipment for shipment in shipments if shipment.status == "shipped"])
    for item in returns:
        for part in item.parts:
            units[part.from_warehouse_id, part.variant_id] -= part.quantity
    return +units


def unpack(there: Places, lines: Sequence[Line], to_warehouse_id: UUID | None) -> list[ReturnPart]:
    """Return which units come back to where. Raises NotReturnable."""
    wanted: Counter[UUID] = Counter()
    for line in lines:
        wanted[line.variant_id] += line.quantity
    out: Counter[UUID] = Counter()
    for (_, variant_id), units in there.items():
        out[variant_id] += units
    short = [
        {"variant_id": str(variant_id), "requested": units, "returnable": out[variant_id]}
        for variant_id, units in wanted.items()
        if units > out[variant_id]
    ]
    if short:
        raise NotReturnable("More than was shipped and not returned yet.", lines=short)
    parts = []
    for (warehouse_id, variant_id), units in there.items():
        taken = min(units, wanted[variant_id])
        if taken:
            wanted[variant_id] -= taken
            parts.append(
                ReturnPart(
                    variant_id=variant_id,
                    quantity=taken,
                    from_warehouse_id=warehouse_id,
                    to_warehouse_id=to_warehouse_id or warehouse_id,
                )
            )
    return parts


def price_of(order: Order, parts: Sequence[ReturnPart]) -> int:
    """Return what was paid for these units, in minor units."""
    # Lines that name the same variant were priced at the same moment, so they agree.
    prices = {line.variant_id: line.unit_price.amount_minor for line in order.lines}
    return sum(prices[part.variant_id] * part.quantity for part in parts)
