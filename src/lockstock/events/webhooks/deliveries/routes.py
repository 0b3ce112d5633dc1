"""Deliveries over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from lockstock.events.webhooks.deliveries.contract import (
    Deliveries,
    Delivery,
    DeliveryList,
    DeliveryStatus,
    DeliveryWithAttempts,
)
from lockstock.kernel.access import ShopKeeper
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Limit

router = APIRouter(route_class=StrictRoute, tags=["webhooks"])

WEBHOOK = "/v1/shops/{shop}/webhooks/{webhook}"
DELIVERIES = WEBHOOK + "/deliveries"
Service = Annotated[Deliveries, provided("deliveries")]


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


async def delivery_list(
    status: Annotated[DeliveryStatus | None, Query(description="only in this status")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> DeliveryList:
    """Read which deliveries are asked for."""
    return DeliveryList(status=status, cursor=cursor, limit=limit)


@router.get(DELIVERIES, responses=_refusals(401, 403, 404, 422))
async def list_deliveries(
    shop: PathId,
    webhook: PathId,
    _actor: ShopKeeper,
    service: Service,
    ask: Annotated[DeliveryList, Depends(delivery_list)],
) -> Page[Delivery]:
    """List what was, and is to be, delivered to a webhook, newest first."""
    return await service.list_deliveries(shop, webhook, ask)


@router.get(DELIVERIES + "/{delivery}", responses=_refusals(401, 403, 404))
async def get_delivery(
    shop: PathId, webhook: PathId, delivery: PathId, _actor: ShopKeeper, service: Service
) -> DeliveryWithAttempts:
    """Show a delivery with its attempts, the newest first: when, how long, what was answered."""
    return await service.get(shop, webhook, delivery)


@router.post(
    DELIVERIES + "/{delivery}/resend", status_code=202, responses=_refusals(401, 403, 404, 409)
)
async def resend_delivery(
    shop: PathId, webhook: PathId, delivery: PathId, _actor: ShopKeeper, service: Service
) -> Delivery:
    """Send an event again, whether it arrived or was given up, under the same `webhook-id`.

    One that waits is tried at once; one that waits for an earlier event goes on doing so.
    """
    return await service.resend(shop, webhook, delivery)


@router.post(WEBHOOK + "/test", status_code=202, responses=_refusals(401, 403, 404, 409))
async def send_ping(
    shop: PathId, webhook: PathId, _actor: ShopKeeper, service: Service
) -> Delivery:
    """Send an event of kind `webhook.ping`, which is in no log. How it went is in its delivery."""
    return await service.ping(shop, webhook)
