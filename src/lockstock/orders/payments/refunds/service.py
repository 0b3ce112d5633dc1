"""Refunds: written down first, then sent to the provider until it takes them."""

import time
from collections.abc import Mapping
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.ids import derived_id
from lockstock.kernel.telemetry import log
from lockstock.orders import rules as order_rules
from lockstock.orders import store as orders
from lockstock.orders import telemetry
from lockstock.orders.actions.service import open_action, remember
from lockstock.orders.contract import Answered, Asked
from lockstock.orders.payments import store as payments
from lockstock.orders.payments.contract import (
    NewRefund,
    Payment,
    Refund,
    RefundTooMuch,
)
from lockstock.orders.payments.provider import Provider, RefundImpossible, log_left
from lockstock.orders.payments.refunds import store
from lockstock.orders.payments.rules import Back

# What is not sent in this time waits for the next round: the sweeps after this one must not wait
# for a provider that is slow.
ROUND_SECONDS = 5.0


class RefundsService:
    """Gives money back. `providers` are the adapters, by name."""

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self.database = database
        self._providers = providers

    @transaction
    async def refund(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        ask: NewRefund,
        asked: Asked,
    ) -> Answered[Refund]:
        """Give part of an order's money back. The lock of the order keeps the sum right."""
        action_id = derived_id("refund", order_id, asked.actor_id, asked.key)
        action = await open_action(connection, (shop_id, order_id), action_id, ask, Refund)
        if action.answer is not None:
            return Answered(answer=action.answer, replayed=True)
        kept = action.kept
        left = await store.refundable(connection, shop_id, order_id)
        # What came twice or too late goes back by itself; people refund the money that was kept.
        money = left.get(kept.paid_by) if kept.paid_by else None
        refundable_minor = money.amount_minor if money else 0
        if kept.paid_by is None or money is None or ask.amount_minor > refundable_minor:
            raise RefundTooMuch(
                f"{refundable_minor} can be refunded, not {ask.amount_minor}.",
                refundable_minor=refundable_minor,
            )
        back = Back(
            action_id, order_id, kept.paid_by, ask.amount_minor, money.currency, "asked", ask.reason
        )
        by = order_rules.by(asked, kept.order.customer_id)
        [refund] = await store.put_refunds(connection, shop_id, [back], by)
        await remember(connection, action, refund)
        return Answered(answer=refund, replayed=False)

    @reading
    async def list_refunds(
        self, connection: Connection, shop_id: UUID, order_id: UUID
    ) -> list[Refund]:
        """The refunds of an order, oldest first."""
        return await store.list_refunds(connection, shop_id, order_id)

    async def sweep(self, most: int) -> int:
        """Send the refunds that are due to their providers; return how many were taken."""
        ends = time.monotonic() + ROUND_SECONDS
        taken = 0
        for shop_id, refund_ids in (await self._due(most)).items():
            for refund_id in refund_ids:
                if time.monotonic() > ends:
                    return taken
                for refund in await self._claim(shop_id, [refund_id]):
                    taken += await self._send(shop_id, refund)
        return taken

    @reading
    async def _due(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.due_refunds(connection, most)

    @transaction
    async def _claim(
        self, connection: Connection, shop_id: UUID, refund_ids: list[UUID]
    ) -> list[Refund]:
        return await store.claim_refunds(connection, shop_id, refund_ids)

    async def _send(self, shop_id: UUID, refund: Refund) -> bool:
        """Ask the provider, by the refund's id: asked twice, it gives the money once."""
        failure = None
        try:
            payment = (await self._payments(shop_id, [refund.payment_id]))[refund.payment_id]
            await self._providers[payment.provider].refund(payment, refund)
        except RefundImpossible as error:
            log().exception("refund_impossible", refund=str(refund.id), shop=str(shop_id))
            failure = str(error)
        except Exception as error:
            # Stays pending and is tried again; one provider that is down must not stop the others.
            log_left("refund_not_taken", error, refund=str(refund.id), shop=str(shop_id))
            telemetry.REFUNDS.labels("retried").inc()
            return False
        await self._end(shop_id, refund, failure)
        telemetry.REFUNDS.labels("done" if failure is None else "failed").inc()
        return True

    @reading
    async def _payments(
        self, connection: Connection, shop_id: UUID, payment_ids: list[UUID]
    ) -> dict[UUID, Payment]:
        return await payments.find_payments(connection, shop_id, payment_ids)

    @transaction
    async def _end(
        self, connection: Connection, shop_id: UUID, refund: Refund, failure: str | None
    ) -> None:
        await orders.lock_rows(connection, shop_id, [refund.order_id])
        # Two refunds of one payment that end at once must see each other to see that all is back.
        await payments.lock_payments(connection, shop_id, [refund.payment_id])
        if failure is not None:
            await fail_locked(connection, refund, failure)
            return
        await store.end_refund(connection, shop_id, refund.id)
        await store.refund_payment(connection, shop_id, refund.payment_id)


async def fail_locked(connection: Connection, refund: Refund, failure: str) -> bool:
    """Note that a refund of a locked payment is given up, and ask for somebody to look at it.

    False if that is known already: then nobody is asked twice.
    """
    shop_id, payment_id = refund.shop_id, refund.payment_id
    if not await store.fail_refund(connection, shop_id, refund.id, failure[:500]):
        return False
    await store.keep_payment(connection, shop_id, payment_id)
    await payments.flag_payment(connection, shop_id, payment_id)
    return True
