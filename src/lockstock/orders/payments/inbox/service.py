"""The inbox: the story of an event that a provider sends.

It is kept first, in a transaction of its own. Then warehouses decide who won, by the commit of the
reservation. Then the order is marked, under its lock. Each step may be done again, by anybody: a
process may die between any two of them. `payments.rules` has the decisions and their reasons.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from lockstock.kernel.batcher import batched
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Unavailable
from lockstock.kernel.telemetry import log
from lockstock.orders import rules as order_rules
from lockstock.orders import store as orders
from lockstock.orders import telemetry
from lockstock.orders.contract import ActorKind, OrderStatus
from lockstock.orders.payments import rules
from lockstock.orders.payments import store as payments
from lockstock.orders.payments.contract import (
    News,
    NoSuchProvider,
    PaymentEvent,
    RefundFailed,
)
from lockstock.orders.payments.inbox import store
from lockstock.orders.payments.provider import Provider
from lockstock.orders.payments.refunds import store as refunds
from lockstock.orders.payments.refunds.service import fail_locked
from lockstock.orders.payments.rules import Effects, StockAnswer
from lockstock.orders.rules import Kept
from lockstock.shops.contract import Shops
from lockstock.warehouses.reservations.contract import Reservation, Reservations, Reserve

# A worker leaves a new event alone for so long: whoever received it is applying it.
RECEIVER_SECONDS = 10.0
# Stock that is taken again for late money is held for so long, to be committed at once.
TAKE_AGAIN_SECONDS = 300
# Nobody else takes the same stock again for so long, and whoever does must be done in half of it.
LEASE_SECONDS = 120.0


class InboxService:
    """Keeps and applies what providers say. `providers` are the adapters, by name."""

    def __init__(
        self,
        database: Database,
        shops: Shops,
        reservations: Reservations,
        providers: Mapping[str, Provider],
    ) -> None:
        self.database = database
        self._shops = shops
        self._reservations = reservations
        self.providers = providers

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> News:
        """Keep a provider's event, then apply it."""
        adapter = self.providers.get(provider)
        if adapter is None:
            raise NoSuchProvider("No such provider is set up here.")
        event = adapter.verify(headers, body)
        if isinstance(event, PaymentEvent):
            await self.take(event)
        if isinstance(event, RefundFailed):
            await self._fail_refund(event)
        return event

    @transaction
    async def _fail_refund(self, connection: Connection, news: RefundFailed) -> None:
        """Apply at once what is said of a refund: nothing else has to happen for it."""
        refund = await refunds.find_refund(connection, news.shop_id, news.refund_id)
        if refund is None:
            # Refunds are written down before a provider hears of them: this one is not of here.
            log().warning("refund_not_of_here", refund=str(news.refund_id))
            return
        await orders.lock_rows(connection, news.shop_id, [refund.order_id])
        found = await payments.lock_payments(connection, news.shop_id, [refund.payment_id])
        if found[refund.payment_id].provider == news.provider:
            await fail_locked(connection, refund, news.reason)

    async def take(self, event: PaymentEvent) -> None:
        """Keep an event that is known to be a provider's, then apply it."""
        await self._take(event.shop_id, [event])

    @batched
    async def _take(self, shop_id: UUID, events: Sequence[PaymentEvent]) -> list[None]:
        # Once they are kept, that is what the provider is told. What cannot be applied now, a
        # worker applies.
        await self._apply_or_leave(shop_id, await self._keep(shop_id, events))
        return [None for _ in events]

    @transaction
    async def _keep(
        self, connection: Connection, shop_id: UUID, events: Sequence[PaymentEvent]
    ) -> list[UUID]:
        return await store.keep_events(connection, shop_id, events, RECEIVER_SECONDS)

    async def apply(self, shop_id: UUID, event_ids: Sequence[UUID]) -> None:
        """Apply events that are kept, as far as can be: what cannot stays for later."""
        batch = await self._look(shop_id, event_ids)
        asking = [f.order_id for f in batch if not f.applied and rules.decide(f) == "ask_stock"]
        answers = await self._commit(shop_id, [order_id for order_id in asking if order_id])
        started = time.monotonic()
        effects = await self._settle(shop_id, event_ids, answers)
        if effects.take_again:
            answers = await self._take_again(shop_id, list(effects.take_again), started)
            await self._settle(shop_id, list(effects.take_again.values()), answers)
            await self._end_leases(shop_id, effects.leases)

    @reading
    async def _look(
        self, connection: Connection, shop_id: UUID, event_ids: Sequence[UUID]
    ) -> list[rules.Facts]:
        return await store.look_at_events(connection, shop_id, event_ids)

    async def _commit(self, shop_id: UUID, order_ids: list[UUID]) -> dict[UUID, StockAnswer]:
        distinct = list(dict.fromkeys(order_ids))
        if not distinct:
            return {}
        answers = await self._reservations.commit(shop_id, distinct)
        return {
            order_id: StockAnswer.of_commit(answer)
            for order_id, answer in zip(distinct, answers, strict=True)
        }

    @transaction
    async def _end_leases(
        self, connection: Connection, shop_id: UUID, leases: Mapping[UUID, datetime]
    ) -> None:
        """Let others take stock for these orders: this process has done so, or found it gone.

        Without it the next late payment of the same order would wait for the lease to run out.
        """
        await orders.lock_rows(connection, shop_id, list(leases))
        await payments.end_leases(connection, shop_id, leases)

    @transaction
    async def _settle(
        self,
        connection: Connection,
        shop_id: UUID,
        event_ids: Sequence[UUID],
        answers: Mapping[UUID, StockAnswer],
    ) -> Effects:
        """Decide under the locks, and write all that it comes to."""
        before = await store.look_at_events(connection, shop_id, event_ids)
        touched = {facts.order_id for facts in before if facts.order_id} | answers.keys()
        await orders.lock_rows(connection, shop_id, list(touched))
        await store.lock_events(connection, shop_id, event_ids)
        effects = rules.settle(await store.look_at_events(connection, shop_id, event_ids), answers)
        await _write(connection, shop_id, effects)
        for _, outcome in effects.applied:
            telemetry.PAYMENT_EVENTS.labels(outcome).inc()
        return effects

    async def _take_again(
        self, shop_id: UUID, order_ids: list[UUID], started: float
    ) -> dict[UUID, StockAnswer]:
        """Take the same lines again for money that came late, and commit them."""
        shop = await self._shops.get(shop_id)
        kept = await self._orders(shop_id, order_ids)
        answers = await self._reservations.reserve(
            shop_id,
            [
                Reserve(
                    order_id=order_id,
                    customer_id=kept[order_id].order.customer_id,
                    lines=order_rules.sum_lines(kept[order_id].order.lines),
                    seconds=TAKE_AGAIN_SECONDS,
                    strategy=shop.allocation,
                    may_split=shop.may_split,
                    destination=kept[order_id].destination,
                    again=True,
                )
                for order_id in order_ids
            ],
        )
        taken = [item.order_id for item in answers if isinstance(item, Reservation)]
        if time.monotonic() - started > LEASE_SECONDS / 2:
            # The lease may be somebody else's by now. What is held frees itself.
            raise Unavailable("Taking stock again took too long. It is tried again.")
        committed = await self._commit(shop_id, taken)
        return {order_id: StockAnswer("sold_out") for order_id in order_ids} | committed

    @reading
    async def _orders(
        self, connection: Connection, shop_id: UUID, order_ids: list[UUID]
    ) -> dict[UUID, Kept]:
        return await orders.find_orders(connection, shop_id, order_ids)

    async def sweep(self, most: int) -> int:
        """Apply the events that are due, over all shops; return how many were tried."""
        done = 0
        for shop_id, event_ids in (await self._due(most)).items():
            claimed = await self._claim(shop_id, event_ids)
            await self._apply_or_leave(shop_id, claimed)
            done += len(claimed)
        return done

    @reading
    async def _due(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.due_events(connection, most)

    @transaction
    async def _claim(
        self, connection: Connection, shop_id: UUID, event_ids: list[UUID]
    ) -> list[UUID]:
        return await store.claim_events(connection, shop_id, event_ids)

    async def _apply_or_leave(self, shop_id: UUID, event_ids: list[UUID]) -> None:
        try:
            if event_ids:
                await self.apply(shop_id, event_ids)
        except Exception:
            # One event that cannot be applied must not keep the others of its batch from it.
            if len(event_ids) > 1:
                for event_id in event_ids:
                    await self._apply_or_leave(shop_id, [event_id])
                return
            telemetry.LEFT_TO_WORKER.labels("apply").inc()
            log().exception("event_left_for_later", shop=str(shop_id), event_id=str(event_ids[0]))


async def _write(connection: Connection, shop_id: UUID, effects: Effects) -> None:
    """Write what a batch of events comes to. Orders and events are locked."""
    if effects.captured:
        # First, so that the money is told before the order that it pays.
        await payments.capture_payments(connection, shop_id, effects.captured)
    if effects.paid:
        await payments.pay_orders(connection, shop_id, effects.paid)
    if effects.moves:
        moves = [_move_of(*move) for move in effects.moves]
        moved = await orders.move_orders(connection, shop_id, moves)
        assert len(moved) == len(moves), moves  # noqa: S101 (decided and written under one lock)
        ended = [move.order_id for move in moves if move.after == "expired"]
        await payments.close_attempts(connection, shop_id, ended)
    if effects.paid:
        # One attempt has its money, so the others are closed before they take any.
        paid = [item.order_id for item in effects.paid]
        await payments.close_attempts(connection, shop_id, paid)
    if effects.ended:
        await payments.end_payments(connection, shop_id, effects.ended)
    if effects.refunds:
        await refunds.put_refunds(connection, shop_id, effects.refunds)
    if effects.applied:
        await store.apply_events(connection, shop_id, effects.applied)
    if effects.kept:
        await store.postpone_events(connection, shop_id, effects.kept)
    if effects.check_stock:
        await payments.ask_stock_checks(connection, shop_id, effects.check_stock, 0)
    if effects.take_again:
        taking = list(effects.take_again)
        await payments.ask_stock_checks(connection, shop_id, taking, LEASE_SECONDS)
        effects.leases = await payments.take_leases(connection, shop_id, taking, LEASE_SECONDS)


def _move_of(order_id: UUID, before: OrderStatus, after: OrderStatus) -> orders.Move:
    # Paid is what the provider says; that time was up before, nobody had to say.
    kind: ActorKind = "provider" if after == "paid" else "system"
    return orders.Move(order_id, before, after, actor_kind=kind)
