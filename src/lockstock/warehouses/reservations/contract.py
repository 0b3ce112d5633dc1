"""Reservations: stock locked for an order. What other services may know of it.

Every verb takes many and returns many, for one shop, in one transaction. One is a batch of one. A
member that is refused has its refusal in the answer, in its place; the others are done.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from typing_extensions import TypedDict

from lockstock.kernel.errors import Refusal
from lockstock.kernel.nouns import (
    Noun,
)
from lockstock.warehouses.contract import (
    Allocation,
    Line,
    Location,
    Strategy,
)

ReservationStatus = Literal["held", "committed", "released", "expired"]


class Reservation(Noun):
    """Stock locked for one order, all lines or none.

    `status` is as of now: a hold past its deadline is `expired`, swept or not.
    """

    order_id: UUID
    # 1, and one more each time stock is taken again for the order after its hold had ended.
    attempt: int
    status: ReservationStatus
    expires_at: datetime
    allocations: list[Allocation]


class FreeUnits(TypedDict):
    """So many units of a variant that nobody was promised."""

    variant_id: UUID
    units: int


class Considered(TypedDict):
    """What an active warehouse had of what an order asks for, when it was decided who gives it.

    Written for each order and read for next to none, so no model: making one costs more than all
    the rest of a decision.
    """

    warehouse_id: UUID
    priority: int
    # To where the order goes, where both places are known.
    distance_km: float | None
    free: list[FreeUnits]


class Reserve(Noun):
    """Ask to lock stock for an order.

    The same order again gets the same reservation. With `again`, an order whose reservation has
    expired or was released gets a new attempt (late money). `seconds`: time to pay. `most_open`:
    how many open reservations the customer may have in the shop, with this one; None: any number.
    """

    order_id: UUID
    customer_id: UUID
    lines: list[Line]
    seconds: int
    strategy: Strategy = "fewest_warehouses"
    may_split: bool = True
    destination: Location | None = None
    again: bool = False
    most_open: int | None = None


class OutOfStock(Refusal):
    """Not enough stock for all lines.

    `lines`: variant_id, requested, available, largest (units in the fullest warehouse), per line.
    """

    status = 409
    code = "out_of_stock"
    title = "Out of stock"


class TooManyOpenReservations(Refusal):
    """The customer has as many open reservations in this shop as it allows.

    `most` is the cap, `open` how many there are, `orders` for which, `next_expires_at` when the
    first of them ends by itself.
    """

    status = 409
    code = "too_many_open_reservations"
    title = "Too many open reservations"


class ReservationMismatch(Refusal):
    """The order id was used before for another request."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency-Key was used for another request"


class ReservationExpired(Refusal):
    """The deadline has passed: the stock is free again."""

    status = 409
    code = "reservation_expired"
    title = "Reservation expired"


class ReservationReleased(Refusal):
    """The reservation was released, or there never was one."""

    status = 409
    code = "reservation_released"
    title = "Reservation released"


class Reservations(Protocol):
    """The verbs. Each is one transaction; `shop_id` is the shop it speaks of."""

    async def reserve(self, shop_id: UUID, asks: Sequence[Reserve]) -> list[Reservation | Refusal]:
        """Lock stock. Refuses OutOfStock, ReservationMismatch, TooManyOpenReservations."""
        ...

    async def commit(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | Refusal]:
        """Promise firmly what was held. Refuses ReservationExpired, ReservationReleased.

        Again on a committed one: the same answer.
        """
        ...

    async def release(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | None]:
        """Free what was held or committed. Harmless where there is nothing: None.

        What has ended keeps how it ended: a reservation that expired stays `expired`. What was
        shipped stays shipped; only the rest is freed.
        """
        ...

    async def expire(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | None]:
        """Tidy up the holds whose deadline has passed; return each reservation as it is now."""
        ...

    async def reservations(
        self, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> list[Reservation | None]:
        """The latest reservation of each order."""
        ...

    async def sweep(self, most: int) -> int:
        """Tidy up to `most` holds past their deadline, over all shops; return how many."""
        ...
