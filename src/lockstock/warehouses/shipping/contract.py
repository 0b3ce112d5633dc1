"""Shipping: units of an order leave the building or come back."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import Refusal
from lockstock.kernel.nouns import (
    Noun,
)
from lockstock.warehouses.contract import (
    Allocation,
    Cause,
)
from lockstock.warehouses.stock.contract import StockRow


class Shipment(Noun):
    """Ask to send committed units of an order out of the building."""

    shipment_id: UUID
    order_id: UUID
    parts: list[Allocation]


class PutBack(Noun):
    """Ask to take back units of an order that were shipped: `parts` on hand, to be sold again.

    `damaged` units come back too, and are written off as damage in the same transaction: the
    ledger has both lines, and nobody can ever buy them.
    """

    return_id: UUID
    order_id: UUID
    parts: list[Allocation]
    damaged: list[Allocation] = Field(default_factory=list)
    reason: str | None = None


class NotCommitted(Refusal):
    """More is to be shipped than is committed to the order there."""

    status = 409
    code = "not_committed"
    title = "Not committed"


class NotShipped(Refusal):
    """More is to come back than went out."""

    status = 409
    code = "not_shipped"
    title = "Not shipped"


class Shipping(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def ship(
        self, shop_id: UUID, asks: Sequence[Shipment], cause: Cause
    ) -> list[list[StockRow] | Refusal]:
        """Send committed units out. Refuses NotCommitted. The same shipment again: nothing."""
        ...

    async def put_back(
        self, shop_id: UUID, asks: Sequence[PutBack], cause: Cause
    ) -> list[list[StockRow] | Refusal]:
        """Take shipped units back, in any warehouse. Refuses NotShipped, TooManyUnits.

        The same return again: nothing.
        """
        ...
