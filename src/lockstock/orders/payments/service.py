"""Payments: the story of an attempt to pay. What providers say about it comes by the inbox."""

from collections.abc import Mapping
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.ids import derived_id
from lockstock.kernel.telemetry import log
from lockstock.orders import store as orders
from lockstock.orders.contract import Answered, Asked
from lockstock.orders.payments import store
from lockstock.orders.payments.contract import (
    NewPayment,
    NoSuchPayment,
    NotPayable,
    Opened,
    Payment,
    PaymentEvent,
)
from lockstock.orders.payments.inbox.service import InboxService
from lockstock.orders.payments.provider import Provider
from lockstock.orders.rules import Kept
from lockstock.shops.contract import Shops
from lockstock.warehouses.reservations.contract import ReservationExpired, Reservations

# A provider that could not close an attempt is asked again after so long.
CLOSE_AGAIN_SECONDS = 60.0


class PaymentsService:
    """Takes payments and applies what providers say. `providers` are the adapters, by name."""

    def __init__(
        self,
        database: Database,
        shops: Shops,
        reservations: Reservations,
        providers: Mapping[str, Provider],
    ) -> None:
        self.database = database
        self.providers = providers
        self.inbox = InboxService(database, shops, reservations, providers)

    async def start(
        self, shop_id: UUID, order_id: UUID, ask: NewPayment, asked: Asked
    ) -> Answered[Payment]:
        """Start an attempt to pay: write it down, then open it at the provider."""
        provider = self.providers.get(ask.provider)
        if provider is None:
            raise InvalidInput.at("provider", f"{ask.provider} is not set up here")
        written = await self._write(shop_id, order_id, ask, asked)
        payment = written.answer
        if payment.pay_url is None:
            # Also where a first request died between the two: providers open the same id once.
            opened = await provider.create(payment)
            await self._note_opened(shop_id, payment.id, opened)
            payment = payment.model_copy(update={"pay_url": opened.pay_url})
        # A replay answers what the first request answered, whatever has happened since.
        as_started = {"status": "pending", "captured": None, "review": False}
        return Answered(answer=payment.model_copy(update=as_started), replayed=written.replayed)

    @transaction
    async def _write(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        ask: NewPayment,
        asked: Asked,
    ) -> Answered[Payment]:
        kept = await orders.lock_order(connection, shop_id, order_id)
        payment_id = derived_id("payment", order_id, asked.actor_id, asked.key)
        found = (await store.find_payments(connection, shop_id, [payment_id])).get(payment_id)
        if found is not None:
            if found.provider != ask.provider:
                raise IdempotencyKeyReused("This key was used before, for another provider.")
            return Answered(answer=found, replayed=True)
        _check_payable(kept)
        payment = await store.start_payment(
            connection, shop_id, payment_id, order_id, (ask.provider, kept.order.total)
        )
        return Answered(answer=payment, replayed=False)

    @transaction
    async def _note_opened(
        self, connection: Connection, shop_id: UUID, payment_id: UUID, opened: Opened
    ) -> None:
        await store.open_payment(connection, shop_id, payment_id, opened)

    @reading
    async def list_payments(
        self, connection: Connection, shop_id: UUID, order_id: UUID
    ) -> list[Payment]:
        """The attempts to pay an order, oldest first."""
        return await store.list_payments(connection, shop_id, order_id)

    @reading
    async def find(self, connection: Connection, payment_id: UUID) -> Payment:
        """One payment, whatever its shop. Raises NoSuchPayment."""
        payment = await store.find_payment_anywhere(connection, payment_id)
        if payment is None:
            raise NoSuchPayment("There is no such payment.")
        return payment

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> PaymentEvent:
        """Keep a provider's event, then apply it."""
        return await self.inbox.receive(provider, headers, body)

    async def sweep(self, most: int) -> int:
        """Apply the events that are due, and close attempts that nobody needs; return how many."""
        done = await self.inbox.sweep(most)
        for payment in await self._due_closings(most):
            done += await self._close(payment)
        return done

    @reading
    async def _due_closings(self, connection: Connection, most: int) -> list[Payment]:
        return await store.due_closings(connection, most)

    async def _close(self, payment: Payment) -> bool:
        try:
            await self.providers[payment.provider].cancel(payment)
        except Exception:
            # Only tidiness waits for it: should the customer still pay, the money goes back.
            log().exception("attempt_not_closed", payment=str(payment.id))
            await self._postpone(payment)
            return False
        await self._closed(payment)
        return True

    @transaction
    async def _closed(self, connection: Connection, payment: Payment) -> None:
        await orders.lock_rows(connection, payment.shop_id, [payment.order_id])
        await store.end_payments(connection, payment.shop_id, [(payment.id, "cancelled")])

    @transaction
    async def _postpone(self, connection: Connection, payment: Payment) -> None:
        await store.postpone_closing(connection, payment.shop_id, payment.id, CLOSE_AGAIN_SECONDS)


def _check_payable(kept: Kept) -> None:
    status = kept.order.status
    if status == "expired":
        raise ReservationExpired(
            "The time to pay is over. The stock is free again.",
            expires_at=kept.order.expires_at.isoformat(),
        )
    if status != "awaiting_payment":
        raise NotPayable(f"The order is {status}.", order_status=status)
