"""Returns: units of an order that came back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field, model_validator

from lockstock.kernel.errors import Refusal
from lockstock.kernel.money import Minor, Money
from lockstock.kernel.nouns import MOST_LINES, Ask, Id, Noun, Reason
from lockstock.orders.contract import Answered, Asked
from lockstock.warehouses.contract import Line

ReturnStatus = Literal["pending", "done"]
# `good`: on hand again, to be sold. `damaged`: there, and never sold again.
Condition = Literal["good", "damaged"]


class ReturnLine(Line):
    """So many units of a variant that came back, all in one condition."""

    condition: Condition = "good"
    # Where these came back to, if not where the rest did.
    warehouse_id: Id | None = None


class NewReturn(Ask):
    """Ask to take units back. Without a warehouse: to where they were shipped from."""

    lines: Annotated[list[ReturnLine], Field(min_length=1, max_length=MOST_LINES)]
    warehouse_id: Id | None = None
    # Whether money goes back to the customer: their price, as far as it is left, or so much.
    refund: bool = True
    refund_minor: Minor | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _no_money_without_refund(self) -> "NewReturn":
        if self.refund_minor and not self.refund:
            msg = "refund_minor goes with refund: true"
            raise ValueError(msg)
        return self


class ReturnPart(Noun):
    """So many units that went out from one warehouse, and the one they come back to."""

    variant_id: UUID
    quantity: int
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    condition: Condition = "good"


class Return(Noun):
    """Units that came back, and the money that goes back for them.

    `pending` for the moment in which they get on the books of their warehouse.
    """

    id: UUID
    shop_id: UUID
    order_id: UUID
    parts: list[ReturnPart]
    refund: Money
    reason: str | None
    status: ReturnStatus
    created_at: datetime

    def for_customer(self) -> "Return":
        """Return it without the reason: the shop's people did not write it for the customer."""
        return self.model_copy(update={"reason": None})


class NotReturnable(Refusal):
    """More than was shipped and not returned yet. `lines`: variant_id, requested, returnable."""

    status = 409
    code = "not_returnable"
    title = "More than can be returned"


class Returns(Protocol):
    """The verbs."""

    async def take_back(
        self, shop_id: UUID, order_id: UUID, ask: NewReturn, asked: Asked
    ) -> Answered[Return]:
        """Take units back and refund their price, as far as it has not gone back yet.

        Good ones are on hand again; damaged ones come back and leave the books as damage at once.
        Raises NoSuchOrder, NotReturnable, RefundTooMuch, NoSuchWarehouse, TooManyUnits.
        """
        ...

    async def list_returns(self, shop_id: UUID, order_id: UUID) -> Sequence[Return]:
        """The returns of an order, oldest first."""
        ...

    async def sweep(self, most: int) -> int:
        """Finish returns that were begun; return how many."""
        ...
