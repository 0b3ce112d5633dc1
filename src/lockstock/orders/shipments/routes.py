"""HTTP of shipments."""

from typing import Annotated

from fastapi import APIRouter, Response

from lockstock.kernel.http import PathId, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.orders.callers import (
    ORDER,
    READING_REFUSALS,
    REFUSALS,
    ReadableOrder,
    StockAsked,
    mark_replay,
)
from lockstock.orders.shipments.contract import NewShipment, Shipment, ShipmentList, Shipments

router = APIRouter(route_class=StrictRoute)

Service = Annotated[Shipments, provided("shipments")]


@router.post(ORDER + "/shipments", status_code=201, tags=["shipments"], responses=REFUSALS)
async def ship_order(
    shop: PathId,
    order: PathId,
    asked: StockAsked,
    service: Service,
    response: Response,
    ask: NewShipment | None = None,
) -> ShipmentList:
    """Ship all or some of what is left of a paid order, one parcel per warehouse."""
    return mark_replay(response, await service.ship(shop, order, ask or NewShipment(), asked))


@router.get(ORDER + "/shipments", tags=["shipments"], responses=READING_REFUSALS)
async def list_shipments(found: ReadableOrder, service: Service) -> Page[Shipment]:
    """List the parcels of an order, oldest first."""
    items = await service.list_shipments(found.shop_id, found.id)
    return Page(items=list(items), next=None)
