"""HTTP of the sandbox: its pay page, and telling it what to do. Off, it is not there."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from lockstock.kernel.access import CallerIfAny, Gate
from lockstock.kernel.http import PathId, StrictRoute, provided
from lockstock.orders.callers import ORDER, READING_REFUSALS, REFUSALS, OwnOrder, check_reach
from lockstock.orders.contract import NoSuchOrder, Orders
from lockstock.orders.payments.contract import NoSuchPayment, NoSuchProvider, Payment
from lockstock.orders.payments.routes import Received
from lockstock.orders.payments.sandbox import page
from lockstock.orders.payments.sandbox.contract import (
    NAME,
    SandboxAsk,
    SandboxVerbs,
    TimeOut,
    TimingOut,
)
from lockstock.orders.payments.service import PaymentsService

router = APIRouter(route_class=StrictRoute, tags=["sandbox"])

PAYMENT = "/v1/sandbox/payments/{payment}"
Payments = Annotated[PaymentsService, provided("payments")]
Service = Annotated[SandboxVerbs, provided("sandbox")]
PAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}}
}
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            page.FORM: {
                "example": {"action": "pay"},
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "action": {"type": "string", "enum": ["pay", "fail"]},
                        "time_out": {"type": "string", "enum": ["create", "cancel", "refund"]},
                        "amount_minor": {"type": "string"},
                        "currency": {"type": "string"},
                        "delay_seconds": {"type": "string"},
                        "deliveries": {"type": "string"},
                        "reorder": {"type": "string", "enum": ["on"]},
                        "lose": {"type": "string", "enum": ["on"]},
                    },
                },
            }
        },
    }
}


async def _is_on(payments: Payments) -> None:
    if NAME not in payments.providers:
        raise NoSuchProvider("The sandbox is off here.")


async def _reached(
    request: Request, payment: PathId, caller: CallerIfAny, payments: Payments
) -> Payment:
    """Find a payment for whoever has its link: at a provider nobody logs in to Lockstock.

    Somebody who is logged in must be one who may pay the order.
    """
    await _is_on(payments)
    found = await payments.find(payment)
    if found.provider != NAME:
        raise NoSuchPayment("There is no such payment at the sandbox.")
    if caller is None:
        return found
    orders: Orders = request.app.state.orders
    gate: Gate = request.app.state.gate
    try:
        order = await orders.get(found.shop_id, found.order_id)
        await check_reach(gate, caller, order, "orders")
    except NoSuchOrder:
        raise NoSuchPayment("There is no such payment.") from None
    return found


Reached = Annotated[Payment, Depends(_reached)]


@router.post(PAYMENT + "/succeed", status_code=202, responses=REFUSALS)
async def succeed_sandbox_payment(
    found: Reached, service: Service, ask: SandboxAsk | None = None
) -> Received:
    """Let the sandbox take the money (development and tests only).

    It sends its signed event the way every provider does: at once, or late, several times, after
    the next one, or never, as it is told.
    """
    return Received(event_id=await service.tell(found, "captured", ask or SandboxAsk()))


@router.post(PAYMENT + "/fail", status_code=202, responses=REFUSALS)
async def fail_sandbox_payment(
    found: Reached, service: Service, ask: SandboxAsk | None = None
) -> Received:
    """Let the sandbox refuse the money (development and tests only)."""
    return Received(event_id=await service.tell(found, "failed", ask or SandboxAsk()))


@router.post(ORDER + "/sandbox/time-out", responses=REFUSALS, dependencies=[Depends(_is_on)])
async def time_out_sandbox(found: OwnOrder, ask: TimeOut, service: Service) -> TimingOut:
    """Let the next calls to the sandbox for this order time out (development and tests only).

    The call has its effect there, and nobody hears of it: an unknown outcome, to be tried again.
    """
    return await service.time_out(found.shop_id, found.id, ask)


@router.get(PAYMENT, response_model=Payment, responses=READING_REFUSALS | PAGE)
async def get_sandbox_payment(
    request: Request, found: Reached, service: Service
) -> Payment | Response:
    """Show a payment at the sandbox: to a browser the page on which it is paid.

    `pay_url` leads here. Programs pay by POST …/succeed or …/fail.
    """
    if not page.wants_page(request.headers.get("accept", "")):
        return found.for_customer()
    shown = page.page_of(found, await service.show(found))
    return Response(shown, media_type="text/html", headers=page.HEADERS | {"Vary": "Accept"})


@router.post(
    PAYMENT + "/page",
    status_code=303,
    response_class=Response,
    responses=REFUSALS,
    openapi_extra=FORM,
)
async def pay_sandbox_page(request: Request, found: Reached, service: Service) -> Response:
    """Take what the page's forms send, and lead back to the page."""
    fields = page.fields_of(request.headers.get("content-type", ""), await request.body())
    asked = page.asked_by(fields)
    if isinstance(asked, TimeOut):
        await service.time_out(found.shop_id, found.order_id, asked)
    else:
        await service.tell(found, *asked)
    return Response(status_code=303, headers={"Location": f"../{found.id}"})


@router.get("/v1/sandbox/page.css", include_in_schema=False, dependencies=[Depends(_is_on)])
async def page_style() -> Response:
    """Give the page its looks."""
    return Response(page.STYLE, media_type="text/css")
