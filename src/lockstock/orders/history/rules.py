"""What of an order's history its customer sees. Pure decisions on plain values."""

from collections.abc import Sequence

from lockstock.orders.history.contract import Actor, Entry

# A person of the shop had to look at a payment; an event changed nothing.
_OWN_AFFAIRS = frozenset({"payment_reviewed"})
_CAME_TO_NOTHING = frozenset({"nothing", "ignored"})
_OF_THE_SHOP = frozenset({"staff", "key"})


def for_customer(entries: Sequence[Entry]) -> list[Entry]:
    """Return what has happened and when, with nobody's id but the customer's own.

    What somebody of the shop gave as a reason was not written for the customer.
    """
    return [
        _shown(entry)
        for entry in entries
        if entry.kind not in _OWN_AFFAIRS and entry.outcome not in _CAME_TO_NOTHING
    ]


def _shown(entry: Entry) -> Entry:
    if entry.actor.kind == "customer":
        return entry
    return entry.model_copy(
        update={
            "actor": Actor(kind=entry.actor.kind, id=None),
            "reason": None if entry.actor.kind in _OF_THE_SHOP else entry.reason,
            "outcome": None,
            "request_id": None,
        }
    )
