"""What orders asks of warehouses: two parts of their contract, which may be two objects."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from lockstock.kernel.errors import Refusal
from lockstock.warehouses.contract import (
    Cause,
    PutBack,
    Reservation,
    Reserve,
    Shipment,
    StockRow,
)


class Reservations(Protocol):
    """Locks stock, and ends what it locked. The verbs are those of `Warehouses`."""

    async def reserve(self, shop_id: UUID, asks: Sequence[Reserve]) -> list[Reservation | Refusal]:
        """Lock stock."""
        ...

    async def commit(
        self, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> Sequence[Reservation | Refusal]:
        """Promise firmly what was held."""
        ...

    async def release(
        self, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> Sequence[Reservation | None]:
        """Free what was held or committed."""
        ...

    async def expire(
        self, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> Sequence[Reservation | None]:
        """Tidy up holds past their deadline; return each reservation as it is now."""
        ...

    async def reservations(
        self, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> Sequence[Reservation | None]:
        """The latest reservation of each order."""
        ...


class Shipping(Protocol):
    """Sends units out and takes them back. The verbs are those of `Warehouses`."""

    async def ship(
        self, shop_id: UUID, asks: Sequence[Shipment], cause: Cause
    ) -> Sequence[list[StockRow] | Refusal]:
        """Send committed units out."""
        ...

    async def put_back(
        self, shop_id: UUID, asks: Sequence[PutBack], cause: Cause
    ) -> Sequence[list[StockRow] | Refusal]:
        """Take shipped units back on hand."""
        ...
