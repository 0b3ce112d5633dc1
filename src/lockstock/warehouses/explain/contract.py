"""Explanations: answers to three questions of a shop's own people. They only read.

Why is so much of a variant available, and no more? Why is so much on hand in a warehouse? Why does
an order come from these warehouses? Each answer has its figures, and `sentences` for people. All
figures of an answer are of one moment. Units are whole.
"""

from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import NotFound
from lockstock.kernel.nouns import Noun
from lockstock.warehouses.contract import Allocation
from lockstock.warehouses.reservations.contract import FreeUnits, ReservationStatus
from lockstock.warehouses.stock.contract import Movement, MovementKind
from lockstock.warehouses.transfers.contract import TransferStatus

# Orders, transfers and movements that one answer names per warehouse. Its figures count all.
MOST_NAMED = 20


class HeldBy(Noun):
    """An unpaid order that holds units until its deadline."""

    order_id: UUID
    quantity: int
    expires_at: datetime


class CommittedFor(Noun):
    """A paid order, or a transfer that is ready: units that will leave for it."""

    order_id: UUID | None
    transfer_id: UUID | None
    quantity: int


class IncomingBy(Noun):
    """A transfer that is on its way: units that have left and are not here yet."""

    transfer_id: UUID
    from_warehouse_id: UUID
    quantity: int
    status: TransferStatus
    expected_at: datetime | None


class AvailableHere(Noun):
    """What a warehouse contributes: `available = on_hand - held - committed`, 0 if inactive.

    The lists name up to 20 each. `holds` and `commitments` count all.
    """

    warehouse_id: UUID
    name: str
    active: bool
    on_hand: int
    held: int
    committed: int
    available: int
    incoming: int
    holds: int
    held_by: list[HeldBy]
    commitments: int
    committed_for: list[CommittedFor]
    incoming_by: list[IncomingBy]
    # Newest first.
    last_movements: list[Movement]
    sentences: list[str]


class WhyAvailable(Noun):
    """Why so much of a variant is available: what each warehouse has, and for whom it is kept."""

    question: Literal["available"] = "available"
    variant_id: UUID
    available: int
    asked_at: datetime
    warehouses: list[AvailableHere]
    sentences: list[str]


class KindSum(Noun):
    """What the movements of one kind sum to."""

    kind: MovementKind
    movements: int
    units: int


class WhyOnHand(Noun):
    """Why so much of a variant is on hand in a warehouse: its ledger, summed.

    `agrees`: `ledger_sum`, over all movements up to then, is `on_hand`. It always is; here is the
    proof.
    """

    question: Literal["on_hand"] = "on_hand"
    variant_id: UUID
    warehouse_id: UUID
    name: str
    on_hand: int
    as_of: datetime
    ledger_sum: int
    agrees: bool
    movements: int
    by_kind: list[KindSum]
    # Newest first.
    last_movements: list[Movement]
    sentences: list[str]


class ConsideredHere(Noun):
    """What a warehouse had free when it was decided, with its name as it is now."""

    warehouse_id: UUID
    name: str
    priority: int
    # To where the order goes, where both places are known.
    distance_km: float | None
    free: list[FreeUnits]


class WhyWarehouses(Noun):
    """Why an order comes from these warehouses: the reasons as they were kept.

    `considered`: what the warehouses had free then. Null where it was not kept.
    """

    question: Literal["order"] = "order"
    order_id: UUID
    attempt: int
    status: ReservationStatus
    reserved_at: datetime
    allocations: list[Allocation]
    considered: list[ConsideredHere] | None
    sentences: list[str]


Explanation = Annotated[WhyAvailable | WhyOnHand | WhyWarehouses, Field(discriminator="question")]


class NothingReserved(NotFound):
    """No stock was ever reserved for such an order in this shop."""


class Explanations(Protocol):
    """The verbs. They read; `shop_id` is the shop that they speak of."""

    async def available(self, shop_id: UUID, variant_id: UUID) -> WhyAvailable:
        """Why so much is available of a variant, now."""
        ...

    async def on_hand(
        self, shop_id: UUID, variant_id: UUID, warehouse_id: UUID, as_of: datetime | None
    ) -> WhyOnHand:
        """Why so much is on hand, now or as of a moment that has passed.

        Raises NoSuchWarehouse, InvalidInput for a moment that is still to come.
        """
        ...

    async def order(self, shop_id: UUID, order_id: UUID) -> WhyWarehouses:
        """Why these warehouses. Raises NothingReserved."""
        ...
