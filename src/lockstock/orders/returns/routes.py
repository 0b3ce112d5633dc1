"""HTTP of returns."""

from typing import Annotated

from fastapi import APIRouter, Response

from lockstock.kernel.http import PathId, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.orders.callers import (
    ORDER,
    READING_REFUSALS,
    REFUSALS,
    ReadableOrder,
    SeesAll,
    StockAsked,
    mark_replay,
)
from lockstock.orders.returns.contract import NewReturn, Return, Returns

router = APIRouter(route_class=StrictRoute)

Service = Annotated[Returns, provided("returns")]


@router.post(ORDER + "/returns", status_code=201, tags=["returns"], responses=REFUSALS)
async def take_back(
    shop: PathId,
    order: PathId,
    ask: NewReturn,
    asked: StockAsked,
    service: Service,
    response: Response,
) -> Return:
    """Take shipped units back on hand, and refund their price unless told not to."""
    return mark_replay(response, await service.take_back(shop, order, ask, asked))


@router.get(ORDER + "/returns", tags=["returns"], responses=READING_REFUSALS)
async def list_returns(found: ReadableOrder, *, whole: SeesAll, service: Service) -> Page[Return]:
    """List the returns of an order, oldest first. `reason` is for those who work in the shop."""
    returns = await service.list_returns(found.shop_id, found.id)
    items = [item if whole else item.for_customer() for item in returns]
    return Page(items=items, next=None)
