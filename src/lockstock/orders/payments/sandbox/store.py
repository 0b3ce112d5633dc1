"""The memory of the sandbox. It plays the outside world, so nothing else reads these tables."""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Row
from lockstock.kernel.money import Money
from lockstock.orders.payments.contract import Payment, Refund
from lockstock.orders.payments.sandbox.contract import (
    Delivery,
    SandboxAsk,
    SandboxCall,
    SandboxEvent,
    SandboxPayment,
    SandboxStatus,
    TimeOut,
)

# Whoever delivers an event has so long; then another one does.
DELIVERY_SECONDS = 30.0

OPEN_AT_SANDBOX = """
INSERT INTO orders.sandbox_payments (shop_id, id, order_id, status, created_at)
VALUES ($1, $2, $3, 'open', statement_timestamp())
ON CONFLICT DO NOTHING
"""


async def open_at_sandbox(connection: Connection, payment: Payment) -> None:
    """Open a payment, once."""
    await connection.execute(OPEN_AT_SANDBOX, payment.shop_id, payment.id, payment.order_id)


# The sandbox takes money also for what was closed, as a race would have it, but only once.
CHANGE_AT_SANDBOX = """
UPDATE orders.sandbox_payments
SET status = $3, captured_minor = $4, captured_currency = $5
WHERE shop_id = $1 AND id = $2 AND status <> 'captured'
"""


async def change_at_sandbox(
    connection: Connection, payment: Payment, status: SandboxStatus, captured: Money | None
) -> None:
    """Let something happen to a payment. One that has its money stays as it is."""
    await connection.execute(
        CHANGE_AT_SANDBOX,
        payment.shop_id,
        payment.id,
        status,
        None if captured is None else captured.amount_minor,
        None if captured is None else captured.currency,
    )


FIND_AT_SANDBOX = """
SELECT status, captured_minor, captured_currency FROM orders.sandbox_payments
WHERE shop_id = $1 AND id = $2
"""


async def find_at_sandbox(
    connection: Connection, shop_id: UUID, payment_id: UUID
) -> SandboxPayment | None:
    """Read how a payment stands at the sandbox."""
    row = await connection.fetchrow(FIND_AT_SANDBOX, shop_id, payment_id)
    if row is None:
        return None
    captured = None
    if row["captured_minor"] is not None:
        captured = Money(amount_minor=row["captured_minor"], currency=row["captured_currency"])
    return SandboxPayment(status=row["status"], captured=captured)


REFUND_AT_SANDBOX = """
INSERT INTO orders.sandbox_refunds (shop_id, id, payment_id, amount_minor, currency, created_at)
VALUES ($1, $2, $3, $4, $5, statement_timestamp())
ON CONFLICT DO NOTHING
"""


async def refund_at_sandbox(connection: Connection, refund: Refund) -> None:
    """Give money back, once per id."""
    await connection.execute(
        REFUND_AT_SANDBOX,
        refund.shop_id,
        refund.id,
        refund.payment_id,
        refund.amount.amount_minor,
        refund.amount.currency,
    )


PUT_DELIVERY = """
INSERT INTO orders.sandbox_deliveries (shop_id, id, payment_id, event, times, turn, due_at,
    created_at)
VALUES ($1, $2, $3, $4, $5, $6::boolean::integer,
    CASE WHEN NOT $6::boolean THEN statement_timestamp() + make_interval(secs => $7) END,
    statement_timestamp())
"""


async def put_delivery(
    connection: Connection, delivery_id: UUID, event: SandboxEvent, ask: SandboxAsk
) -> None:
    """Put an event on its way. One that is to be overtaken waits, and has the later turn."""
    await connection.execute(
        PUT_DELIVERY,
        event.shop_id,
        delivery_id,
        event.payment_id,
        event.model_dump(mode="json"),
        ask.deliveries,
        ask.reorder,
        ask.delay_seconds,
    )


LET_OVERTAKEN_GO = """
UPDATE orders.sandbox_deliveries SET due_at = statement_timestamp() + make_interval(secs => $3)
WHERE shop_id = $1 AND payment_id = $2 AND due_at IS NULL AND delivered_at IS NULL
"""


async def let_overtaken_go(connection: Connection, event: SandboxEvent, seconds: float) -> None:
    """Send the events that waited for this one, right after it."""
    await connection.execute(LET_OVERTAKEN_GO, event.shop_id, event.payment_id, seconds)


DUE_DELIVERIES_OF_PAYMENT = """
SELECT id FROM orders.sandbox_deliveries
WHERE shop_id = $1 AND payment_id = $2 AND due_at <= statement_timestamp()
ORDER BY due_at, turn, id
"""


async def due_deliveries_of_payment(
    connection: Connection, shop_id: UUID, payment_id: UUID
) -> list[UUID]:
    """Read which events of a payment are to be delivered, in order."""
    rows = await connection.fetch(DUE_DELIVERIES_OF_PAYMENT, shop_id, payment_id)
    return [row["id"] for row in rows]


DUE_DELIVERIES = """
SELECT shop_id, id FROM orders.sandbox_deliveries
WHERE due_at <= statement_timestamp() ORDER BY due_at, turn, id LIMIT $1
"""


async def due_deliveries(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Read which events are to be delivered, over all shops, in order."""
    rows: Sequence[Row] = await connection.fetch(DUE_DELIVERIES, most)
    return [(row["shop_id"], row["id"]) for row in rows]


CLAIM_DELIVERY = """
UPDATE orders.sandbox_deliveries
SET due_at = statement_timestamp() + make_interval(secs => $3)
WHERE shop_id = $1 AND id = $2 AND due_at <= statement_timestamp()
RETURNING shop_id, id, event, times
"""


async def claim_delivery(
    connection: Connection, shop_id: UUID, delivery_id: UUID
) -> Delivery | None:
    """Take an event for oneself; None if somebody else has it."""
    row = await connection.fetchrow(CLAIM_DELIVERY, shop_id, delivery_id, DELIVERY_SECONDS)
    if row is None:
        return None
    return Delivery(
        shop_id=row["shop_id"],
        id=row["id"],
        event=SandboxEvent.model_validate(row["event"]),
        times=row["times"],
    )


END_DELIVERY = """
UPDATE orders.sandbox_deliveries SET due_at = NULL, delivered_at = statement_timestamp()
WHERE shop_id = $1 AND id = $2
"""


async def end_delivery(connection: Connection, delivery: Delivery) -> None:
    """Note that an event was delivered."""
    await connection.execute(END_DELIVERY, delivery.shop_id, delivery.id)


PUT_FAULT = """
INSERT INTO orders.sandbox_faults (shop_id, order_id, call, times)
VALUES ($1, $2, $3, $4)
ON CONFLICT (shop_id, order_id, call) DO UPDATE SET times = excluded.times
"""


async def put_fault(connection: Connection, shop_id: UUID, order_id: UUID, ask: TimeOut) -> None:
    """Let the next calls time out."""
    await connection.execute(PUT_FAULT, shop_id, order_id, ask.call, ask.times)


TAKE_FAULT = """
UPDATE orders.sandbox_faults SET times = times - 1
WHERE shop_id = $1 AND order_id = $2 AND call = $3 AND times > 0
RETURNING order_id
"""


async def take_fault(connection: Connection, payment: Payment, call: SandboxCall) -> bool:
    """Whether this call times out; that counts as one of its times."""
    row = await connection.fetchrow(TAKE_FAULT, payment.shop_id, payment.order_id, call)
    return row is not None
