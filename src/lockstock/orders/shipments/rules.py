"""Which parcels an order leaves in. Pure decisions on plain values."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from lockstock.orders.contract import OrderStatus
from lockstock.orders.shipments.contract import NotLeftToShip, Shipment
from lockstock.warehouses.contract import Allocation, Line

# Units by (warehouse, variant).
Places = Counter[tuple[UUID, UUID]]


def left_to_ship(allocations: Sequence[Allocation], shipments: Sequence[Shipment]) -> Places:
    """Return what no parcel holds yet, in the order of the allocations."""
    left: Places = Counter()
    for part in allocations:
        left[part.warehouse_id, part.variant_id] += part.quantity
    left.subtract(shipped_units(shipments))
    return +left


def shipped_units(shipments: Sequence[Shipment]) -> Places:
    """Return what is in parcels, by where it came from."""
    units: Places = Counter()
    for shipment in shipments:
        for line in shipment.lines:
            units[shipment.warehouse_id, line.variant_id] += line.quantity
    return units


def pack(
    left: Places, warehouse_id: UUID | None, lines: Sequence[Line] | None
) -> dict[UUID, list[Line]]:
    """Return what goes into the parcel of each warehouse.

    Raises NotLeftToShip for more than is left there, or where nothing is left at all.
    """
    there = {
        place: units
        for place, units in left.items()
        if warehouse_id is None or place[0] == warehouse_id
    }
    wanted: Counter[UUID] = Counter()
    if lines is None:
        for (_, variant_id), units in there.items():
            wanted[variant_id] += units
    else:
        for line in lines:
            wanted[line.variant_id] += line.quantity
    _check_left(there, wanted)
    parcels: dict[UUID, list[Line]] = {}
    for (place, variant_id), units in there.items():
        taken = min(units, wanted[variant_id])
        if taken:
            parcels.setdefault(place, []).append(Line(variant_id=variant_id, quantity=taken))
            wanted[variant_id] -= taken
    return parcels


def _check_left(there: dict[tuple[UUID, UUID], int], wanted: Counter[UUID]) -> None:
    if not wanted:
        raise NotLeftToShip("Nothing is left to ship there.", lines=[])
    left: Counter[UUID] = Counter()
    for (_, variant_id), units in there.items():
        left[variant_id] += units
    short = [
        {"variant_id": str(variant_id), "requested": units, "left": left[variant_id]}
        for variant_id, units in wanted.items()
        if units > left[variant_id]
    ]
    if short:
        raise NotLeftToShip("More than is left to ship there.", lines=short)


def status_after(allocations: Sequence[Allocation], shipments: Sequence[Shipment]) -> OrderStatus:
    """Return how an order stands whose parcels have left, from wherever: promises may move."""
    left: Counter[UUID] = Counter()
    for part in allocations:
        left[part.variant_id] += part.quantity
    gone = [shipment for shipment in shipments if shipment.status == "shipped"]
    for (_, variant_id), units in shipped_units(gone).items():
        left[variant_id] -= units
    return "partly_shipped" if +left else "shipped"
