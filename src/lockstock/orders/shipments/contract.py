"""Shipments: parcels of an order, each from one warehouse."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.errors import Refusal
from lockstock.kernel.nouns import MOST_LINES, Ask, Id, Noun
from lockstock.orders.contract import Answered, Asked
from lockstock.warehouses.contract import Line

ShipmentStatus = Literal["pending", "shipped"]


class NewShipment(Ask):
    """Ask to ship. Without lines: all that is left. Without a warehouse: from all of them."""

    warehouse_id: Id | None = None
    lines: Annotated[list[Line], Field(min_length=1, max_length=MOST_LINES)] | None = None


class Shipment(Noun):
    """A parcel. `pending` for the moment in which it leaves the books of its warehouse."""

    id: UUID
    shop_id: UUID
    order_id: UUID
    warehouse_id: UUID
    status: ShipmentStatus
    lines: list[Line]
    created_at: datetime
    shipped_at: datetime | None


class ShipmentList(Noun):
    """Parcels."""

    items: list[Shipment]


class NotShippable(Refusal):
    """The order is not paid, or has ended. `order_status` says how it stands."""

    status = 409
    code = "order_not_shippable"
    title = "The order cannot be shipped"


class NotLeftToShip(Refusal):
    """More than is left to ship there. `lines`: variant_id, requested, left."""

    status = 409
    code = "not_left_to_ship"
    title = "Not left to ship"


class Shipments(Protocol):
    """The verbs."""

    async def ship(
        self, shop_id: UUID, order_id: UUID, ask: NewShipment, asked: Asked
    ) -> Answered[ShipmentList]:
        """Ship all or some of what is left, one parcel per warehouse.

        Raises NoSuchOrder, NotShippable, NotLeftToShip, NotCommitted.
        """
        ...

    async def list_shipments(self, shop_id: UUID, order_id: UUID) -> Sequence[Shipment]:
        """The parcels of an order, oldest first."""
        ...

    async def sweep(self, most: int) -> int:
        """Finish shipments that were begun; return how many."""
        ...
