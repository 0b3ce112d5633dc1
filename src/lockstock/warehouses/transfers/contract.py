"""Transfers: units move between two warehouses of a shop.

`draft -> ready -> in_transit -> partly_received -> received`; `draft | ready -> cancelled`;
`in_transit | partly_received -> closed_short`. Of each line, always:
`dispatched = received + damaged + returned + lost + outstanding`.
"""

import re
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import BeforeValidator, Field

from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.nouns import (
    MOST_LINES,
    Ask,
    Count,
    Given,
    Id,
    Noun,
    Page,
    Reason,
)
from lockstock.warehouses.contract import (
    Cause,
    Line,
)

TransferStatus = Literal[
    "draft", "ready", "in_transit", "partly_received", "received", "cancelled", "closed_short"
]
TransferStep = Literal[
    "create", "change", "ready", "dispatch", "receive", "cancel", "close", "immediate"
]

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# Further off it is a slip of the pen, and near year 1 or 9999 not every zone has it.
_YEARS = range(2000, 2200)


def _moment(value: object) -> object:
    found = value
    if isinstance(value, str):
        found = datetime.fromisoformat(value.upper()) if _RFC_3339.fullmatch(value) else None
    if not isinstance(found, datetime) or found.tzinfo is None:
        msg = "must be a time with its offset, as 2026-11-23T20:55:00Z"
        raise ValueError(msg)
    if found.year not in _YEARS:
        msg = f"must be between {_YEARS.start} and {_YEARS.stop}"
        raise ValueError(msg)
    return found


Moment = Annotated[datetime, BeforeValidator(_moment)]


class NewTransfer(Ask):
    """Ask to move units between two warehouses of a shop.

    A draft, or with `immediate` all of it in one step. `expected_at`: when it should have arrived.
    """

    from_warehouse_id: Id
    to_warehouse_id: Id
    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]
    immediate: bool = False
    reason: Reason | None = None
    expected_at: Moment | None = None


class TransferChange(Ask):
    """Ask to change what is given. Lines replace those of a draft."""

    lines: Given[Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)]] = None
    expected_at: Given[Moment] = None


class DispatchTransfer(Ask):
    """Ask to send off what is ready."""

    expected_at: Moment | None = None
    reason: Reason | None = None


class ReceivedLine(Ask):
    """So many units of a variant have arrived good, so many damaged."""

    variant_id: Id
    received: Count = 0
    damaged: Count = 0


class ReceiveTransfer(Ask):
    """Ask to take in what has arrived, or a part of it."""

    lines: Annotated[list[ReceivedLine], Field(min_length=1, max_length=MOST_LINES)]
    reason: Reason | None = None


class ClosedLine(Ask):
    """So many units of a variant are back at the source, so many are lost."""

    variant_id: Id
    returned: Count = 0
    lost: Count = 0


class CloseTransfer(Ask):
    """Ask to end a transfer of which not all has arrived, accounting for each unit."""

    lines: Annotated[list[ClosedLine], Field(min_length=1, max_length=MOST_LINES)]
    reason: Reason


class CancelTransfer(Ask):
    """Ask to give up a transfer that has not left."""

    reason: Reason | None = None


class TransferLine(Noun):
    """A variant of a transfer, and what has become of its units."""

    variant_id: UUID
    quantity: int
    # All of the quantity, or nothing yet.
    dispatched: int
    received: int
    damaged: int
    returned: int
    lost: int
    outstanding: int


class StepLine(Noun):
    """What became of units of a variant in one step."""

    variant_id: UUID
    received: int = 0
    damaged: int = 0
    returned: int = 0
    lost: int = 0

    @property
    def units(self) -> int:
        """How many units it accounts for."""
        return self.received + self.damaged + self.returned + self.lost


class Step(Noun):
    """One step in the life of a transfer."""

    # Dense per transfer, from 1.
    sequence: int
    step: TransferStep
    from_status: TransferStatus | None
    to_status: TransferStatus
    lines: list[StepLine]
    reason: str | None
    actor_id: UUID | None
    occurred_at: datetime


class Transfer(Noun):
    """Units on their way from one warehouse to another."""

    id: UUID
    shop_id: UUID
    from_warehouse_id: UUID
    to_warehouse_id: UUID
    status: TransferStatus
    lines: list[TransferLine]
    reason: str | None
    expected_at: datetime | None
    # Whether it is ready or on its way, and should have arrived by now.
    overdue: bool
    created_at: datetime
    history: list[Step]


class Told(Noun):
    """A transfer as it is after a call. `replayed`: it was made before, and answered so."""

    transfer: Transfer
    replayed: bool = False


class TransferList(Noun):
    """Ask for a page of transfers. `warehouse_id`: at either end."""

    status: TransferStatus | None = None
    warehouse_id: UUID | None = None
    overdue: bool = False
    cursor: str | None = None
    limit: int = 50


class NoSuchTransfer(NotFound):
    """The shop has no such transfer."""


class NotEnoughToMove(Refusal):
    """Less is free in the source warehouse than is to be moved.

    `lines`: variant_id, requested, free, on_hand, held, committed, of what is short. `orders` and
    `transfers` name who holds it.
    """

    status = 409
    code = "not_enough_to_move"
    title = "Not enough to move"


class StepNotAllowed(Refusal):
    """The transfer is not in a status from which it can take this step.

    `transfer_status`: where it is. `allowed_from`: where it would have to be.
    """

    status = 409
    code = "step_not_allowed"
    title = "The transfer cannot take this step now"


class MoreThanOutstanding(Refusal):
    """More units are accounted for than are on their way.

    `lines`: variant_id, requested, outstanding, of what is too much.
    """

    status = 409
    code = "more_than_outstanding"
    title = "More than is outstanding"


class StillOutstanding(Refusal):
    """A transfer is closed only when each of its units is accounted for.

    `lines`: variant_id, requested, outstanding, of what is missing.
    """

    status = 409
    code = "still_outstanding"
    title = "Units are still outstanding"


class Transfers(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of.

    `transfer`, `receive` and `close` happen once per `cause.change_id`: the same again answers as
    the first time, another request under the same id raises IdempotencyKeyReused. The other steps
    on a transfer that has taken them answer as it is. All raise NoSuchTransfer.
    """

    async def transfer(self, shop_id: UUID, ask: NewTransfer, cause: Cause) -> Told:
        """Draft a transfer, or move units in one step.

        Raises NoSuchWarehouse, TooManyUnits; in one step also NotEnoughToMove.
        """
        ...

    async def change(
        self, shop_id: UUID, transfer_id: UUID, ask: TransferChange, cause: Cause
    ) -> Transfer:
        """Change what is given. Raises StepNotAllowed, TooManyUnits."""
        ...

    async def ready(self, shop_id: UUID, transfer_id: UUID, cause: Cause) -> Transfer:
        """Commit the stock at the source. Raises StepNotAllowed, NotEnoughToMove."""
        ...

    async def dispatch(
        self, shop_id: UUID, transfer_id: UUID, ask: DispatchTransfer, cause: Cause
    ) -> Transfer:
        """Let the units leave the source. Raises StepNotAllowed."""
        ...

    async def receive(
        self, shop_id: UUID, transfer_id: UUID, ask: ReceiveTransfer, cause: Cause
    ) -> Told:
        """Take in what has arrived. Damaged units never come on hand.

        Raises StepNotAllowed, MoreThanOutstanding, TooManyUnits.
        """
        ...

    async def cancel(
        self, shop_id: UUID, transfer_id: UUID, ask: CancelTransfer, cause: Cause
    ) -> Transfer:
        """Give up a transfer that has not left. Raises StepNotAllowed."""
        ...

    async def close(
        self, shop_id: UUID, transfer_id: UUID, ask: CloseTransfer, cause: Cause
    ) -> Told:
        """Account for every unit that will not arrive: returned to the source, or lost.

        Raises StepNotAllowed, MoreThanOutstanding, StillOutstanding, TooManyUnits.
        """
        ...

    async def get(self, shop_id: UUID, transfer_id: UUID) -> Transfer:
        """One transfer, with its history."""
        ...

    async def list_transfers(self, shop_id: UUID, ask: TransferList) -> Page[Transfer]:
        """Transfers of the shop, newest first."""
        ...
