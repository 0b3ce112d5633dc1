"""How orders end. The order is marked first, under its lock; its stock is freed after that.

Why in this order, and why nothing is lost whoever does what in between: `cancelled` has no way out,
so freeing the stock of a cancelled order is right at any time and any number of times. Money that
comes in meanwhile either commits the stock before it is freed (then freeing takes the commit back)
or finds it free (then the commit is refused). Either way its event is settled under the order's
lock, finds the order cancelled, refunds, and has the stock freed once more.
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import DatabaseUnavailable, Unavailable
from lockstock.kernel.ids import derived_id
from lockstock.kernel.telemetry import log
from lockstock.orders import rules, telemetry
from lockstock.orders import store as orders
from lockstock.orders.actions.service import open_action, remember
from lockstock.orders.contract import (
    Answered,
    Asked,
    Cancel,
    NotCancellable,
    NotCompletable,
    Order,
)
from lockstock.orders.endings import store
from lockstock.orders.endings.store import StockCheck
from lockstock.orders.payments import store as payments
from lockstock.orders.payments.refunds import store as refunds
from lockstock.orders.payments.rules import Back
from lockstock.orders.rules import Kept
from lockstock.orders.shipments import store as shipments
from lockstock.orders.store import Move, move_by
from lockstock.warehouses.reservations.contract import Reservation, Reservations


class EndingsService:
    """Cancels, completes and expires orders."""

    def __init__(self, database: Database, reservations: Reservations) -> None:
        self.database = database
        self._reservations = reservations

    async def cancel(
        self, shop_id: UUID, order_id: UUID, ask: Cancel, asked: Asked
    ) -> Answered[Order]:
        """Cancel an order: mark it and write down its refund, then free its stock."""
        answered = await self._mark_cancelled(shop_id, order_id, ask, asked)
        try:
            await self.check_stock(shop_id, [order_id])
        except Unavailable as refusal:
            # It is cancelled, and that is the answer. The sweep frees the stock.
            telemetry.LEFT_TO_WORKER.labels("release").inc()
            log().warning("release_left_to_worker", order=str(order_id), code=refusal.code)
        return answered

    @transaction
    async def _mark_cancelled(
        self, connection: Connection, shop_id: UUID, order_id: UUID, ask: Cancel, asked: Asked
    ) -> Answered[Order]:
        action_id = derived_id("cancel", order_id, asked.actor_id, asked.key)
        action = await open_action(connection, (shop_id, order_id), action_id, ask, Order)
        if action.answer is not None:
            return Answered(answer=action.answer, replayed=True)
        kept = action.kept
        if kept.order.status != "cancelled":
            await _check_cancellable(connection, kept)
            if kept.status == "paid":
                await _refund_all(connection, kept, asked)
            by = rules.by(asked, kept.order.customer_id)
            move = move_by(kept, "cancelled", by, ask.reason)
            await orders.move_orders(connection, shop_id, [move])
            await payments.close_attempts(connection, shop_id, [order_id])
        order = kept.order.model_copy(update={"status": "cancelled"})
        await remember(connection, action, order)
        return Answered(answer=order, replayed=False)

    @transaction
    async def complete(
        self, connection: Connection, shop_id: UUID, order_id: UUID, asked: Asked
    ) -> Answered[Order]:
        """Close an order that has left in full."""
        kept = await orders.lock_order(connection, shop_id, order_id)
        if kept.order.status == "completed":
            return Answered(answer=kept.order, replayed=True)
        if kept.order.status != "shipped":
            raise NotCompletable(
                f"The order is {kept.order.status}.", order_status=kept.order.status
            )
        move = move_by(kept, "completed", rules.by(asked, kept.order.customer_id))
        await orders.move_orders(connection, shop_id, [move])
        order = kept.order.model_copy(update={"status": "completed"})
        return Answered(answer=order, replayed=False)

    async def check_stock(self, shop_id: UUID, order_ids: Sequence[UUID]) -> int:
        """See that the stock of ended orders is free; return how many were seen to."""
        checks = await self._checks(shop_id, order_ids)
        ended = [check.order_id for check in checks if check.status == "cancelled"]
        ended += await self._leaked(
            shop_id, [check.order_id for check in checks if check.status == "expired"]
        )
        if ended:
            await self._reservations.release(shop_id, ended)
        if checks:
            await self._clear(shop_id, checks)
        return len(checks)

    async def _leaked(self, shop_id: UUID, order_ids: list[UUID]) -> list[UUID]:
        """Return the expired orders whose stock is committed all the same.

        That takes a process that slept through its lease while it took stock for late money, which
        another one has refunded meanwhile. No event of theirs is waiting (the statement sees to
        that), so nobody is about to mark them paid.
        """
        if not order_ids:
            return []
        found = await self._reservations.reservations(shop_id, order_ids)
        leaked = [item.order_id for item in found if item and item.status == "committed"]
        for order_id in leaked:
            log().error("committed_for_expired_order", order=str(order_id), shop=str(shop_id))
        return leaked

    @reading
    async def _checks(
        self, connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> list[StockCheck]:
        return await store.stock_checks(connection, shop_id, order_ids)

    @transaction
    async def _clear(self, connection: Connection, shop_id: UUID, checks: list[StockCheck]) -> None:
        await orders.lock_rows(connection, shop_id, [check.order_id for check in checks])
        await store.clear_stock_checks(connection, shop_id, checks)

    async def sweep(self, most: int) -> int:
        """Mark orders past their deadline, and free the stock of ended ones; return how many."""
        done = 0
        for shop_id, order_ids in (await self._due_orders(most)).items():
            done += await _each_or_left(self._expire, shop_id, order_ids)
        for shop_id, order_ids in (await self._due_checks(most)).items():
            done += await _each_or_left(self.check_stock, shop_id, order_ids)
        return done

    @reading
    async def _due_orders(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.due_orders(connection, most)

    @reading
    async def _due_checks(self, connection: Connection, most: int) -> dict[UUID, list[UUID]]:
        return await store.due_stock_checks(connection, most)

    async def _expire(self, shop_id: UUID, order_ids: list[UUID]) -> int:
        """Mark the orders whose stock is free again.

        Committed stock means that money has come: its event marks the order paid.
        """
        now = await self._reservations.expire(shop_id, order_ids)
        free = [
            order_id
            for order_id, reservation in zip(order_ids, now, strict=True)
            if _has_ended(reservation)
        ]
        return await self._mark_expired(shop_id, free) if free else 0

    @transaction
    async def _mark_expired(
        self, connection: Connection, shop_id: UUID, order_ids: list[UUID]
    ) -> int:
        # Late money that takes the stock again meanwhile finds the order expired instead of
        # awaiting payment, and marks it paid all the same.
        locked = await store.lock_due_orders(connection, shop_id, order_ids)
        moves = [Move(order_id, "awaiting_payment", "expired") for order_id in locked]
        if moves:
            await orders.move_orders(connection, shop_id, moves)
            await payments.close_attempts(connection, shop_id, locked)
        return len(moves)


async def _each_or_left(
    step: Callable[[UUID, list[UUID]], Awaitable[int]], shop_id: UUID, order_ids: list[UUID]
) -> int:
    """Take a step with orders of a shop; should it fail, with each alone, leaving out who fails."""
    try:
        return await step(shop_id, order_ids)
    except DatabaseUnavailable:
        raise
    except Unavailable as refusal:
        # Not the fault of one of them: the next round tries again.
        log().warning("orders_left_for_later", shop=str(shop_id), code=refusal.code)
        return 0
    except Exception:
        # One order that cannot be ended must not keep the others, of any shop, from it.
        if len(order_ids) > 1:
            return sum([await _each_or_left(step, shop_id, [one]) for one in order_ids])
        telemetry.LEFT_TO_WORKER.labels("end").inc()
        log().exception("order_left_for_later", shop=str(shop_id), order=str(order_ids[0]))
        return 0


def _has_ended(reservation: Reservation | None) -> bool:
    return reservation is None or reservation.status in ("expired", "released")


async def _check_cancellable(connection: Connection, kept: Kept) -> None:
    status = kept.order.status
    if not rules.may_become(status, "cancelled"):
        raise NotCancellable(f"The order is {status}.", order_status=status)
    # A parcel that is written down may have left already.
    if await shipments.list_shipments(connection, kept.order.shop_id, kept.order.id):
        raise NotCancellable("The order is being shipped.", order_status=status)


async def _refund_all(connection: Connection, kept: Kept, asked: Asked) -> None:
    """Write down the refund of all the money that was taken and has not gone back yet."""
    order = kept.order
    left = await refunds.refundable(connection, order.shop_id, order.id)
    backs = [
        Back(
            derived_id("refund", payment_id, "cancelled"),
            order.id,
            payment_id,
            money.amount_minor,
            money.currency,
            "cancelled",
        )
        for payment_id, money in left.items()
    ]
    await refunds.put_refunds(connection, order.shop_id, backs, rules.by(asked, order.customer_id))
