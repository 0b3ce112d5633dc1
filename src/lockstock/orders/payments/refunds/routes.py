"""HTTP of refunds."""

from typing import Annotated

from fastapi import APIRouter, Response

from lockstock.kernel.http import PathId, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.orders.callers import (
    ORDER,
    READING_REFUSALS,
    REFUSALS,
    OrdersAsked,
    ReadableOrder,
    SeesAll,
    mark_replay,
)
from lockstock.orders.payments.contract import NewRefund, Refund, Refunds

router = APIRouter(route_class=StrictRoute)

Service = Annotated[Refunds, provided("refunds")]


@router.post(ORDER + "/refunds", status_code=201, tags=["refunds"], responses=REFUSALS)
async def refund_order(
    shop: PathId,
    order: PathId,
    ask: NewRefund,
    asked: OrdersAsked,
    service: Service,
    response: Response,
) -> Refund:
    """Give part of an order's money back: never more than was taken and has not gone back yet."""
    return mark_replay(response, await service.refund(shop, order, ask, asked))


@router.get(ORDER + "/refunds", tags=["refunds"], responses=READING_REFUSALS)
async def list_refunds(found: ReadableOrder, *, whole: SeesAll, service: Service) -> Page[Refund]:
    """List the refunds of an order, oldest first.

    `reason` and `failure` are for those who work in the shop.
    """
    refunds = await service.list_refunds(found.shop_id, found.id)
    items = refunds if whole else [refund.for_customer() for refund in refunds]
    return Page(items=items, next=None)
