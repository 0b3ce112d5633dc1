"""HTTP of orders, and of the nouns below them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from lockstock.kernel.access import Buyer, Customer, Reader, StockKeeper
from lockstock.kernel.errors import Refusal
from lockstock.kernel.http import (
    IdempotencyKey,
    PathId,
    RequestId,
    StrictRoute,
    provided,
)
from lockstock.kernel.moments import Moment
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Cursors, Limit
from lockstock.orders import rules
from lockstock.orders.callers import (
    ORDER,
    ORDERS,
    READING_REFUSALS,
    REFUSALS,
    OwnAsked,
    OwnOrder,
    ReadableOrder,
    asked_of,
    mark_replay,
)
from lockstock.orders.contract import (
    Cancel,
    NewOrder,
    Order,
    OrderList,
    Orders,
    OrderSort,
    OrderStatus,
    PlaceAsk,
    Position,
)
from lockstock.orders.history.routes import router as history_router
from lockstock.orders.payments.refunds.routes import router as refunds_router
from lockstock.orders.payments.routes import router as payments_router
from lockstock.orders.payments.sandbox.routes import router as sandbox_router
from lockstock.orders.returns.routes import router as returns_router
from lockstock.orders.shipments.routes import router as shipments_router

router = APIRouter(route_class=StrictRoute)
for below in (
    payments_router,
    sandbox_router,
    refunds_router,
    shipments_router,
    returns_router,
    history_router,
):
    router.include_router(below)

Service = Annotated[Orders, provided("orders")]
OwnCursors = Annotated[Cursors, provided("cursors")]
StatusFilter = Annotated[OrderStatus | None, Query(description="only in this status, as of now")]
CustomerFilter = Annotated[UUID | None, Query(description="only of this customer")]
Since = Annotated[Moment | None, Query(description="placed from this moment on")]
Until = Annotated[Moment | None, Query(description="placed before this moment")]
Sort = Annotated[OrderSort, Query(description="by when they were placed")]


@router.post(ORDERS, status_code=201, tags=["orders"], responses=REFUSALS)
async def place_order(
    shop: PathId,
    ask: NewOrder,
    caller: Buyer,
    key: IdempotencyKey,
    service: Service,
    response: Response,
) -> Order:
    """Place an order: the stock of all lines is locked until `expires_at`, or nothing is.

    The same key and body answer the same order again. 409 `out_of_stock` says per line what there
    is, and leaves nothing behind: the same key may be used to try again.
    """
    order_id = rules.order_id_of(shop, caller.user_id, key)
    place = PlaceAsk(order_id=order_id, customer_id=caller.user_id, ask=ask)
    [answer] = await service.place(shop, [place])
    if isinstance(answer, Refusal):
        raise answer
    return mark_replay(response, answer)


class OwnFilters(BaseModel):
    """Which page of one's own orders is asked for."""

    status: StatusFilter = None
    since: Since = None
    until: Until = None
    sort: Sort = "newest"
    cursor: Cursor = None
    limit: Limit = 50

    @property
    def scope(self) -> str:
        """What a cursor is bound to: filters and order."""
        return self.model_dump_json(exclude={"cursor", "limit"})

    def ask(self, cursor: list[Any] | None, customer_id: UUID | None = None) -> OrderList:
        """Say which orders are asked for, after the place that a cursor names."""
        return OrderList(
            status=self.status,
            customer_id=customer_id,
            since=self.since,
            until=self.until,
            sort=self.sort,
            after=_position(cursor),
            limit=self.limit,
        )


class Filters(OwnFilters):
    """Which page of which orders is asked for."""

    customer: CustomerFilter = None


@router.get(ORDERS, tags=["orders"], responses=READING_REFUSALS)
async def list_orders(
    shop: PathId,
    _caller: Reader,
    service: Service,
    cursors: OwnCursors,
    filters: Annotated[Filters, Query()],
) -> Page[Order]:
    """List the shop's orders, newest first."""
    scope = f"orders:{shop}:{filters.scope}"
    ask = filters.ask(cursors.read(scope, filters.cursor), filters.customer)
    return _page(await service.list_orders(shop, ask), ask.limit, cursors, scope)


@router.get("/v1/me/orders", tags=["orders"], responses=READING_REFUSALS)
async def list_own_orders(
    caller: Customer,
    service: Service,
    cursors: OwnCursors,
    filters: Annotated[OwnFilters, Query()],
) -> Page[Order]:
    """List one's own orders in all shops, newest first."""
    scope = f"own-orders:{caller.user_id}:{filters.scope}"
    ask = filters.ask(cursors.read(scope, filters.cursor))
    return _page(await service.list_own(caller.user_id, ask), ask.limit, cursors, scope)


def _position(key: list[Any] | None) -> Position | None:
    if key is None:
        return None
    return Position(created_at=datetime.fromisoformat(key[0]), id=UUID(key[1]))


def _page(found: list[Order], limit: int, cursors: Cursors, scope: str) -> Page[Order]:
    items = found[:limit]
    if len(found) <= limit:
        return Page(items=items, next=None)
    last = items[-1]
    return Page(items=items, next=cursors.write(scope, [last.created_at.isoformat(), str(last.id)]))


@router.get(ORDER, tags=["orders"], responses=READING_REFUSALS)
async def get_order(order: ReadableOrder) -> Order:
    """Show an order as it is now, to its customer and to those who work in the shop."""
    return order


@router.post(ORDER + "/cancel", tags=["orders"], responses=REFUSALS)
async def cancel_order(
    found: OwnOrder,
    asked: OwnAsked,
    service: Service,
    response: Response,
    ask: Cancel | None = None,
) -> Order:
    """Cancel an order that has not begun to ship: its stock is free, what was paid goes back."""
    answer = await service.cancel(found.shop_id, found.id, ask or Cancel(), asked)
    return mark_replay(response, answer)


@router.post(ORDER + "/complete", tags=["orders"], responses=REFUSALS)
async def complete_order(
    shop: PathId, order: PathId, caller: StockKeeper, request_id: RequestId, service: Service
) -> Order:
    """Close an order that has left in full. Closing it twice is closing it once."""
    return (await service.complete(shop, order, asked_of(caller, request_id))).answer
