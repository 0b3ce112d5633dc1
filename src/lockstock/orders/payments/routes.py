"""HTTP of payments: starting them, what providers send, and what people have to look at."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from lockstock.kernel.access import OrderKeeper
from lockstock.kernel.http import PathId, Problem, RequestId, StrictRoute, provided
from lockstock.kernel.nouns import Noun, Page
from lockstock.kernel.paging import Cursor, Cursors, Limit
from lockstock.orders.callers import (
    ORDER,
    READING_REFUSALS,
    REFUSALS,
    OwnAsked,
    OwnOrder,
    ReadableOrder,
    SeesAll,
    asked_of,
    mark_replay,
)
from lockstock.orders.contract import Position
from lockstock.orders.payments.contract import (
    NewPayment,
    Payment,
    PaymentList,
    Payments,
    Review,
)

router = APIRouter(route_class=StrictRoute)

PAYMENTS = "/v1/shops/{shop}/payments"
Service = Annotated[Payments, provided("payments")]
OwnCursors = Annotated[Cursors, provided("cursors")]
WEBHOOK_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 404, 422)
}
# The route reads the bytes by itself, so FastAPI knows of no body.
SIGNED_BODY = {
    "requestBody": {
        "required": True,
        "description": "The event as the provider has it, and has signed it.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "additionalProperties": True},
                "example": {"id": "evt_1", "type": "payment_intent.succeeded"},
            }
        },
    }
}


class Received(Noun):
    """An event was taken. One that says how a payment stands is kept, and applied once."""

    event_id: str


@router.post(ORDER + "/payments", status_code=201, tags=["payments"], responses=REFUSALS)
async def start_payment(
    found: OwnOrder, ask: NewPayment, asked: OwnAsked, service: Service, response: Response
) -> Payment:
    """Start an attempt to pay an order.

    The customer pays at `pay_url`, or in the shop's own page with the `client_secret`.
    """
    answer = await service.start(found.shop_id, found.id, ask, asked)
    return mark_replay(response, answer)


@router.get(ORDER + "/payments", tags=["payments"], responses=READING_REFUSALS)
async def list_payments(found: ReadableOrder, *, whole: SeesAll, service: Service) -> Page[Payment]:
    """List the attempts to pay an order, oldest first.

    Whether somebody of the shop has to look at one, who has, and what they said is for those who
    work there.
    """
    payments = await service.list_payments(found.shop_id, found.id)
    items = payments if whole else [payment.for_customer() for payment in payments]
    return Page(items=items, next=None)


@router.post(
    "/v1/webhooks/{provider}",
    status_code=202,
    tags=["payments"],
    responses=WEBHOOK_REFUSALS,
    openapi_extra=SIGNED_BODY,
)
async def receive_provider_event(provider: str, request: Request, service: Service) -> Received:
    """Take a provider's signed event. Once this has answered, the event cannot be lost."""
    # The signature is over the bytes as they were sent, so they are not decoded before it is
    # checked.
    event = await service.receive(provider, request.headers, await request.body())
    return Received(event_id=event.event_id)


class PaymentFilters(BaseModel):
    """Which page of which payments is asked for."""

    review: Annotated[bool | None, Query(description="only those that a person has to look at")] = (
        None
    )
    cursor: Cursor = None
    limit: Limit = 50


@router.get(PAYMENTS, tags=["payments"], responses=READING_REFUSALS)
async def list_shop_payments(
    shop: PathId,
    _caller: OrderKeeper,
    service: Service,
    cursors: OwnCursors,
    filters: Annotated[PaymentFilters, Query()],
) -> Page[Payment]:
    """List the shop's payments, newest first."""
    scope = f"payments:{shop}:{filters.review}"
    ask = PaymentList(
        review=filters.review,
        after=_position(cursors.read(scope, filters.cursor)),
        limit=filters.limit,
    )
    found = await service.list_of_shop(shop, ask)
    items = found[: ask.limit]
    if len(found) <= ask.limit:
        return Page(items=items, next=None)
    key = [items[-1].created_at.isoformat(), str(items[-1].id)]
    return Page(items=items, next=cursors.write(scope, key))


def _position(key: list[Any] | None) -> Position | None:
    if key is None:
        return None
    return Position(created_at=datetime.fromisoformat(key[0]), id=UUID(key[1]))


@router.post(PAYMENTS + "/{payment}/reviewed", tags=["payments"], responses=REFUSALS)
async def review_payment(
    shop: PathId,
    payment: PathId,
    ask: Review,
    caller: OrderKeeper,
    request_id: RequestId,
    service: Service,
) -> Payment:
    """Say what came of looking at a payment that was flagged; that takes the flag off."""
    return await service.review(shop, payment, ask, asked_of(caller, request_id))
