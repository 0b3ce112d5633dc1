"""Which warehouse gives what, and why: the pure decision of an order, all lines or none."""

from collections.abc import Sequence
from typing import Any

from lockstock.warehouses.contract import Allocation, Warehouse
from lockstock.warehouses.reservations.contract import OutOfStock
from lockstock.warehouses.reservations.ranking import (
    Candidate,
    Request,
    Shelf,
    can_fill,
    candidates,
    rank,
)
from lockstock.warehouses.reservations.reasons import Decision, with_reasons


def allocate(
    request: Request, shelf: Shelf, warehouses: Sequence[Warehouse]
) -> list[Allocation] | OutOfStock:
    """Decide which warehouse gives what, with the reason for each, or say what is missing.

    Deterministic. If any split that the shop allows fills the order, the order is filled. The shelf
    is not changed.
    """
    among = candidates(request, shelf, warehouses)
    wanted = list(request.wanted.values())
    able = among if request.may_split else [one for one in among if one.has(wanted)]
    if not can_fill(wanted, able):
        short = shortages(request, among)
        return OutOfStock("There is not enough stock for all lines.", lines=short)
    decision = Decision(request, able, rank(request, able))
    return [
        part
        for place, (variant_id, units) in enumerate(request.wanted.items())
        for part in with_reasons(decision, (place, variant_id), _givers(decision, place, units))
    ]


def shortages(request: Request, among: Sequence[Candidate]) -> list[dict[str, Any]]:
    """Say of each variant how many are asked for, and how many there are."""
    return [
        {
            "variant_id": str(variant_id),
            "requested": units,
            "available": sum(candidate.free[place] for candidate in among),
            "largest": max((candidate.free[place] for candidate in among), default=0),
        }
        for place, (variant_id, units) in enumerate(request.wanted.items())
    ]


def _givers(decision: Decision, place: int, wanted: int) -> list[tuple[Candidate, int]]:
    """Choose who gives how many units of one variant, in the order of their turns."""
    request, order = decision.request, decision.ranking.order
    if not request.may_split:
        order = order[:1]
    elif request.strategy == "most_stock":
        # sorted() is stable: warehouses with equally much keep the order of the strategy.
        order = sorted(order, key=lambda candidate: -candidate.free[place])
    givers = []
    missing = wanted
    for candidate in order:
        taken = min(missing, candidate.free[place])
        if taken > 0:
            givers.append((candidate, taken))
            missing -= taken
    return givers
