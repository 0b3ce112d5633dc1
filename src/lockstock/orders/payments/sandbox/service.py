"""The sandbox's own worker and its page's verbs: things happen, and the news of them is delivered.

News takes the road of every provider: signed, into the inbox.
"""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.ids import new_id
from lockstock.kernel.money import Money
from lockstock.kernel.telemetry import log
from lockstock.orders.payments.contract import EventKind, Payment
from lockstock.orders.payments.sandbox import store
from lockstock.orders.payments.sandbox.contract import (
    NAME,
    Delivery,
    SandboxAsk,
    SandboxEvent,
    SandboxPayment,
    TimeOut,
    TimingOut,
)
from lockstock.orders.payments.sandbox.signing import Signer, event_for

Receive = Callable[[str, Mapping[str, str], bytes], Awaitable[object]]


class SandboxService:
    """Does what it is told. `receive` is where providers' events go: provider, headers, body."""

    def __init__(self, database: Database, signer: Signer, receive: Receive) -> None:
        self.database = database
        self._signer = signer
        self._receive = receive

    async def tell(self, payment: Payment, kind: EventKind, ask: SandboxAsk) -> str:
        """Let something happen to a payment, and deliver what is due."""
        event = event_for(payment, kind, ask)
        await self._happen(payment, event, ask)
        for delivery_id in await self._due_of(payment):
            await self._deliver(payment.shop_id, delivery_id)
        return event.event_id

    @transaction
    async def _happen(
        self, connection: Connection, payment: Payment, event: SandboxEvent, ask: SandboxAsk
    ) -> None:
        # Payments of before the sandbox kept anything can be paid too.
        await store.open_at_sandbox(connection, payment)
        captured = None
        if event.kind == "captured":
            captured = Money(amount_minor=event.amount_minor, currency=event.currency)
        await store.change_at_sandbox(connection, payment, event.kind, captured)
        if ask.lose:
            return
        await store.put_delivery(connection, new_id(), event, ask)
        if not ask.reorder:
            await store.let_overtaken_go(connection, event, ask.delay_seconds)

    @reading
    async def _due_of(self, connection: Connection, payment: Payment) -> list[UUID]:
        return await store.due_deliveries_of_payment(connection, payment.shop_id, payment.id)

    async def _deliver(self, shop_id: UUID, delivery_id: UUID) -> None:
        delivery = await self._claim(shop_id, delivery_id)
        if delivery is None:
            return
        for _ in range(delivery.times):
            headers, body = self._signer.sign(delivery.event)
            await self._receive(NAME, headers, body)
        await self._end(delivery)

    @transaction
    async def _claim(
        self, connection: Connection, shop_id: UUID, delivery_id: UUID
    ) -> Delivery | None:
        return await store.claim_delivery(connection, shop_id, delivery_id)

    @transaction
    async def _end(self, connection: Connection, delivery: Delivery) -> None:
        await store.end_delivery(connection, delivery)

    @reading
    async def show(self, connection: Connection, payment: Payment) -> SandboxPayment | None:
        """How a payment stands at the sandbox; None if it has not heard of it."""
        return await store.find_at_sandbox(connection, payment.shop_id, payment.id)

    @transaction
    async def time_out(
        self, connection: Connection, shop_id: UUID, order_id: UUID, ask: TimeOut
    ) -> TimingOut:
        """Let the next calls for an order's payments time out."""
        await store.put_fault(connection, shop_id, order_id, ask)
        return TimingOut(order_id=order_id, call=ask.call, times=ask.times)

    async def sweep(self, most: int) -> int:
        """Deliver the events whose time has come; return how many."""
        due = await self._due(most)
        for shop_id, delivery_id in due:
            try:
                await self._deliver(shop_id, delivery_id)
            except Exception:
                # It is due again in a while; the others need not wait for it.
                log().exception("sandbox_not_delivered", delivery=str(delivery_id))
        return len(due)

    @reading
    async def _due(self, connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
        return await store.due_deliveries(connection, most)
