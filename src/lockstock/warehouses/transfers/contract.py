"""Transfers: units move between two warehouses of a shop."""

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import Refusal
from lockstock.kernel.nouns import (
    MOST_LINES,
    Ask,
    Id,
    Noun,
    Reason,
)
from lockstock.warehouses.contract import (
    Cause,
    Line,
)


class NewTransfer(Ask):
    """Ask to move units between two warehouses of a shop, in one step."""

    from_warehouse_id: Id
    to_warehouse_id: Id
    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    immediate: Literal[True]
    reason: Reason | None = None


class Transfer(Noun):
    """Units moved from one warehouse to another."""

    id: UUID
    shop_id: UUID
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    status: Literal["received"]
    lines: list[Line]
    reason: str | None
    created_at: datetime


class NotEnoughToMove(Refusal):
    """Less is free in the source warehouse than is to be moved."""

    status = 409
    code = "not_enough_to_move"
    title = "Not enough to move"


class Transfers(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def transfer(self, shop_id: UUID, ask: NewTransfer, cause: Cause) -> Transfer:
        """Move units in one step. Raises NoSuchWarehouse, NotEnoughToMove, BelowPromised."""
        ...
