"""HTTP of payments: starting them, what providers send, and telling the sandbox what to do."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from lockstock.kernel.access import Actor, CallerIfAny
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Noun, Page
from lockstock.orders.callers import (
    ORDER,
    READING_REFUSALS,
    REFUSALS,
    OwnAsked,
    OwnOrder,
    ReadableOrder,
    check_reach,
    mark_replay,
)
from lockstock.orders.contract import NoSuchOrder, Orders
from lockstock.orders.payments.contract import (
    EventKind,
    NewPayment,
    NoSuchPayment,
    NoSuchProvider,
    Payment,
)
from lockstock.orders.payments.sandbox import NAME, Sandbox, SandboxAsk, event_for
from lockstock.orders.payments.service import PaymentsService

router = APIRouter(route_class=StrictRoute)

Service = Annotated[PaymentsService, provided("payments")]
WEBHOOK_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 404, 422)
}


class Received(Noun):
    """An event is kept. It is applied now or later, once."""

    event_id: str


@router.post(ORDER + "/payments", status_code=201, tags=["payments"], responses=REFUSALS)
async def start_payment(
    found: OwnOrder, ask: NewPayment, asked: OwnAsked, service: Service, response: Response
) -> Payment:
    """Start an attempt to pay an order. The customer pays at `pay_url`."""
    answer = await service.start(found.shop_id, found.id, ask, asked)
    return mark_replay(response, answer)


@router.get(ORDER + "/payments", tags=["payments"], responses=READING_REFUSALS)
async def list_payments(found: ReadableOrder, service: Service) -> Page[Payment]:
    """List the attempts to pay an order, oldest first."""
    return Page(items=await service.list_payments(found.shop_id, found.id), next=None)


@router.post(
    "/v1/webhooks/{provider}", status_code=202, tags=["payments"], responses=WEBHOOK_REFUSALS
)
async def receive_event(provider: str, request: Request, service: Service) -> Received:
    """Take a provider's signed event. Once this has answered, the event cannot be lost."""
    # The signature is over the bytes as they were sent, so they are not decoded before it is
    # checked.
    event = await service.receive(provider, request.headers, await request.body())
    return Received(event_id=event.event_id)


@router.post(
    "/v1/sandbox/payments/{payment}/succeed",
    status_code=202,
    tags=["sandbox"],
    responses=REFUSALS,
)
async def succeed(
    request: Request,
    payment: PathId,
    caller: CallerIfAny,
    service: Service,
    ask: SandboxAsk | None = None,
) -> Received:
    """Let the sandbox take the money (development and tests only).

    It sends its signed event the way every provider does.
    """
    found = await _reach(request, payment, caller, service)
    return await _send(service, found, "captured", ask or SandboxAsk())


@router.post(
    "/v1/sandbox/payments/{payment}/fail", status_code=202, tags=["sandbox"], responses=REFUSALS
)
async def fail(
    request: Request,
    payment: PathId,
    caller: CallerIfAny,
    service: Service,
    ask: SandboxAsk | None = None,
) -> Received:
    """Let the sandbox refuse the money (development and tests only)."""
    found = await _reach(request, payment, caller, service)
    return await _send(service, found, "failed", ask or SandboxAsk())


@router.get("/v1/sandbox/payments/{payment}", tags=["sandbox"], responses=READING_REFUSALS)
async def sandbox_payment(
    request: Request, payment: PathId, caller: CallerIfAny, service: Service
) -> Payment:
    """Show a payment at the sandbox: where `pay_url` leads. POST …/succeed or …/fail pays it."""
    return await _reach(request, payment, caller, service)


async def _reach(
    request: Request, payment_id: PathId, caller: Actor | None, service: PaymentsService
) -> Payment:
    """Find a payment for whoever has its link: at a provider nobody logs in to Lockstock.

    Somebody who is logged in must be one who may pay the order.
    """
    payment = await service.find(payment_id)
    if NAME not in service.providers or payment.provider != NAME:
        raise NoSuchProvider("The sandbox is off here.")
    if caller is None:
        return payment
    orders: Orders = request.app.state.orders
    order = await orders.get(payment.shop_id, payment.order_id)
    try:
        await check_reach(request.app.state.gate, caller, order, "orders")
    except NoSuchOrder:
        raise NoSuchPayment("There is no such payment.") from None
    return payment


async def _send(
    service: PaymentsService, payment: Payment, kind: EventKind, ask: SandboxAsk
) -> Received:
    sandbox = service.providers.get(NAME)
    if not isinstance(sandbox, Sandbox):
        raise NoSuchProvider("The sandbox is off here.")
    headers, body = sandbox.sign(event_for(payment, kind, ask))
    event = await service.receive(NAME, headers, body)
    return Received(event_id=event.event_id)
