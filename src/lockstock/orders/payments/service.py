"""Payments: the story of an attempt to pay. What providers say about it comes by the inbox."""

from collections.abc import Mapping
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput, Refusal
from lockstock.kernel.ids import derived_id
from lockstock.orders import rules as order_rules
from lockstock.orders import store as orders
from lockstock.orders.contract import Answered, Asked
from lockstock.orders.payments import store
from lockstock.orders.payments.contract import (
    NewPayment,
    News,
    NoSuchPayment,
    NotFlagged,
    NotPayable,
    Opened,
    Payment,
    PaymentList,
    ProviderUnavailable,
    Review,
)
from lockstock.orders.payments.inbox.service import InboxService
from lockstock.orders.payments.lookups.service import LookUpsService
from lockstock.orders.payments.provider import Provider, log_left
from lockstock.orders.rules import Kept
from lockstock.shops.contract import Shops
from lockstock.warehouses.reservations.contract import ReservationExpired, Reservations

# Without news of a payment for so long, its provider is asked.
RECONCILE_SECONDS = 300.0


class PaymentsService:
    """Takes payments and applies what providers say. `providers` are the adapters, by name.

    `reconcile_seconds`: after so long without news of a payment its provider is asked.
    """

    def __init__(
        self,
        database: Database,
        shops: Shops,
        reservations: Reservations,
        providers: Mapping[str, Provider],
        reconcile_seconds: float = RECONCILE_SECONDS,
    ) -> None:
        self.database = database
        self.providers = providers
        self.inbox = InboxService(database, shops, reservations, providers)
        self.look_ups = LookUpsService(database, providers, self.inbox, reconcile_seconds)

    async def start(
        self, shop_id: UUID, order_id: UUID, ask: NewPayment, asked: Asked
    ) -> Answered[Payment]:
        """Start an attempt to pay: write it down, then open it at the provider."""
        provider = self.providers.get(ask.provider)
        if provider is None:
            raise InvalidInput.at("provider", f"{ask.provider} is not set up here")
        written, opened = await self._write(shop_id, order_id, ask, asked)
        payment = written.answer
        if opened is None:
            # Also where a first request died between the two: providers open the same id once.
            opened = await self._open(provider, payment)
            await self._note_opened(shop_id, payment.id, opened)
        # A replay answers what the first request answered, whatever has happened since.
        as_started = {
            "status": "pending",
            "captured": None,
            "review": False,
            "reviewed": None,
            "reference": opened.reference,
            "pay_url": opened.pay_url,
            "client_secret": opened.client_secret,
        }
        return Answered(answer=payment.model_copy(update=as_started), replayed=written.replayed)

    @transaction
    async def _write(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        ask: NewPayment,
        asked: Asked,
    ) -> tuple[Answered[Payment], Opened | None]:
        kept = await orders.lock_order(connection, shop_id, order_id)
        payment_id = derived_id("payment", order_id, asked.actor_id, asked.key)
        found = (await store.find_payments(connection, shop_id, [payment_id])).get(payment_id)
        if found is not None:
            if found.provider != ask.provider:
                raise IdempotencyKeyReused("This key was used before, for another provider.")
            opened = await store.find_opened(connection, shop_id, payment_id)
            return Answered(answer=found, replayed=True), opened
        _check_payable(kept)
        what = (ask.provider, kept.order.total, self.look_ups.seconds)
        by = order_rules.by(asked, kept.order.customer_id)
        payment = await store.start_payment(connection, shop_id, payment_id, order_id, what, by)
        return Answered(answer=payment, replayed=False), None

    async def _open(self, provider: Provider, payment: Payment) -> Opened:
        try:
            return await provider.create(payment)
        except Refusal:
            # A refusal leaves nothing behind.
            await self._forget(payment)
            raise
        except Exception as error:
            log_left("payment_not_opened", error, payment=str(payment.id), name=payment.provider)
            detail = (
                "The payment provider did not answer. "
                "Retry with the same Idempotency-Key: it opens the payment once."
            )
            raise ProviderUnavailable(detail) from error

    @transaction
    async def _forget(self, connection: Connection, payment: Payment) -> None:
        await orders.lock_rows(connection, payment.shop_id, [payment.order_id])
        await store.forget_payment(connection, payment.shop_id, payment.id)

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

    @reading
    async def list_of_shop(
        self, connection: Connection, shop_id: UUID, ask: PaymentList
    ) -> list[Payment]:
        """The shop's payments, newest first; one more than `limit` where there are more."""
        if ask.review:
            return await store.list_payments_to_review(connection, shop_id, ask)
        return await store.list_payments_of_shop(connection, shop_id, ask)

    @transaction
    async def review(
        self, connection: Connection, shop_id: UUID, payment_id: UUID, ask: Review, asked: Asked
    ) -> Payment:
        """Take the flag off a payment, noting who did and why."""
        found = await store.find_payments(connection, shop_id, [payment_id])
        if payment_id not in found:
            raise NoSuchPayment("There is no such payment.")
        await orders.lock_rows(connection, shop_id, [found[payment_id].order_id])
        payment = (await store.lock_payments(connection, shop_id, [payment_id]))[payment_id]
        if payment.reviewed is not None:
            return payment
        said = (asked.actor_id, ask.reason)
        reviewed = await store.review_payment(connection, shop_id, payment_id, said)
        if reviewed is None:
            raise NotFlagged("Nobody was asked to look at this payment.")
        return reviewed

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> News:
        """Keep a provider's event, then apply it."""
        return await self.inbox.receive(provider, headers, body)

    async def sweep(self, most: int) -> int:
        """Apply the events that are due, then ask providers what nobody has told of."""
        return await self.inbox.sweep(most) + await self.look_ups.sweep(most)

    async def close(self) -> None:
        """Let go of what the providers hold."""
        for provider in self.providers.values():
            await provider.close()


def _check_payable(kept: Kept) -> None:
    status = kept.order.status
    if status == "expired":
        raise ReservationExpired(
            "The time to pay is over. The stock is free again.",
            expires_at=kept.order.expires_at.isoformat(),
        )
    if status != "awaiting_payment":
        raise NotPayable(f"The order is {status}.", order_status=status)
