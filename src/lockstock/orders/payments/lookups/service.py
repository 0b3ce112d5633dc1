"""Asking providers: what never arrived is found, and attempts that nobody needs are closed.

A provider is called without a transaction open. What it says goes into the inbox as an event like
any other, under an id that is made of what it says: asked twice, it is kept once.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.telemetry import log
from lockstock.orders import store as orders
from lockstock.orders import telemetry
from lockstock.orders.payments.contract import Payment
from lockstock.orders.payments.inbox.service import InboxService
from lockstock.orders.payments.lookups import store
from lockstock.orders.payments.provider import Provider, log_left

# A provider that could not close an attempt is asked again after so long.
CLOSE_AGAIN_SECONDS = 60.0
# What one round may ask of providers: the sweeps after it must not wait for one that is slow.
MOST_CALLS = 100
ROUND_SECONDS = 5.0

Work = Callable[[Payment, Provider], Awaitable[str]]


class LookUpsService:
    """Closes and looks up payments. `providers` are the adapters, by name.

    `seconds`: after so long without news a provider is asked.
    """

    def __init__(
        self,
        database: Database,
        providers: Mapping[str, Provider],
        inbox: InboxService,
        seconds: float,
    ) -> None:
        self.database = database
        self.seconds = seconds
        self._providers = providers
        self._inbox = inbox

    async def sweep(self, most: int) -> int:
        """Close attempts and look payments up, as long as there is time; return how many."""
        bite = min(most, MOST_CALLS)
        ends = time.monotonic() + ROUND_SECONDS
        done = 0
        for payment_at in await self._due_closings(bite):
            if time.monotonic() < ends:
                done += await self._call(await self._claim_closing(*payment_at), self._close)
        for payment_at in await self._due_look_ups(bite):
            if time.monotonic() < ends:
                done += await self._call(await self._claim_look_up(*payment_at), self._look_up)
        return done

    async def _call(self, payment: Payment | None, work: Work) -> bool:
        if payment is None:
            return False
        provider = self._providers.get(payment.provider)
        if provider is None:
            log().warning("provider_not_set_up", payment=str(payment.id), name=payment.provider)
            return False
        try:
            outcome = await work(payment, provider)
        except Exception as error:
            # It is due again in a while. Should the customer pay meanwhile, an event says so.
            log_left("provider_did_not_answer", error, payment=str(payment.id))
            outcome = "no_answer"
        telemetry.LOOK_UPS.labels(outcome).inc()
        return outcome != "no_answer"

    async def _close(self, payment: Payment, provider: Provider) -> str:
        await provider.cancel(payment)
        # It may have been paid before it was closed, and the news of it may have been lost.
        found = await provider.look_up(payment)
        if found is not None and found.kind == "captured":
            await self._inbox.take(found)
            return "captured"
        await self._end_closing(payment)
        return "closed"

    async def _look_up(self, payment: Payment, provider: Provider) -> str:
        found = await provider.look_up(payment)
        if found is None:
            return "nothing"
        await self._inbox.take(found)
        return found.kind

    @reading
    async def _due_closings(self, connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
        return await store.due_closings(connection, most)

    @transaction
    async def _claim_closing(
        self, connection: Connection, shop_id: UUID, payment_id: UUID
    ) -> Payment | None:
        return await store.claim_closing(connection, shop_id, payment_id, CLOSE_AGAIN_SECONDS)

    @transaction
    async def _end_closing(self, connection: Connection, payment: Payment) -> None:
        await orders.lock_rows(connection, payment.shop_id, [payment.order_id])
        await store.end_closing(connection, payment.shop_id, payment.id)

    @reading
    async def _due_look_ups(self, connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
        return await store.due_look_ups(connection, most)

    @transaction
    async def _claim_look_up(
        self, connection: Connection, shop_id: UUID, payment_id: UUID
    ) -> Payment | None:
        return await store.claim_look_up(connection, shop_id, payment_id, self.seconds)
