"""Returns: written down first, then put back on the books of a warehouse, then refunded.

Each step may be done again, by the same key or by the sweep, so a process may die between any two.
"""

from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import derived_id
from lockstock.kernel.money import Money
from lockstock.kernel.outbox import NewEvent
from lockstock.kernel.telemetry import log
from lockstock.orders import rules as order_rules
from lockstock.orders import store as orders
from lockstock.orders import telemetry
from lockstock.orders.actions import store as actions
from lockstock.orders.actions.service import open_action, remember
from lockstock.orders.contract import Answered, Asked
from lockstock.orders.events import event, tell
from lockstock.orders.payments.refunds import store as refunds
from lockstock.orders.payments.rules import Back
from lockstock.orders.returns import rules, store
from lockstock.orders.returns.contract import Condition, NewReturn, Return
from lockstock.orders.rules import Kept
from lockstock.orders.shipments import store as shipments
from lockstock.warehouses.contract import Allocation, Cause
from lockstock.warehouses.shipping.contract import PutBack, Shipping


class ReturnsService:
    """Takes back what was shipped."""

    def __init__(self, database: Database, shipping: Shipping) -> None:
        self.database = database
        self._shipping = shipping

    async def take_back(
        self, shop_id: UUID, order_id: UUID, ask: NewReturn, asked: Asked
    ) -> Answered[Return]:
        """Take units back and refund their price."""
        return_id = derived_id("return", order_id, asked.actor_id, asked.key)
        known, answer = await self._begin(shop_id, order_id, return_id, ask, asked)
        if answer is None:
            answer = await self._finish(shop_id, return_id)
        return Answered(answer=answer, replayed=known)

    @transaction
    async def _begin(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        return_id: UUID,
        ask: NewReturn,
        asked: Asked,
    ) -> tuple[bool, Return | None]:
        """Write down the return; say whether that was done before, and its answer if any."""
        action = await open_action(connection, (shop_id, order_id), return_id, ask, Return)
        if action.known:
            return True, action.answer
        there = rules.returnable(
            await shipments.list_shipments(connection, shop_id, order_id),
            await store.list_returns(connection, shop_id, order_id),
        )
        parts = rules.unpack(there, ask.lines, ask.warehouse_id)
        left = (await _left_of(connection, action.kept)).amount_minor
        refund_minor = rules.refund_of(ask, action.kept.order, parts, left)
        draft = store.Draft(return_id, parts, refund_minor, ask.reason)
        by = order_rules.by(asked, action.kept.order.customer_id)
        await store.begin_return(connection, shop_id, order_id, draft, by)
        await remember(connection, action, None)
        return False, None

    async def _finish(self, shop_id: UUID, return_id: UUID) -> Return:
        begun = await self._begun(shop_id, return_id)
        by = begun.by
        cause = Cause(change_id=return_id, actor_id=by.actor_id, request_id=by.request_id)
        [answer] = await self._shipping.put_back(shop_id, [_put_back(begun.item)], cause)
        if isinstance(answer, Refusal):
            await self._drop(shop_id, begun.item)
            raise answer
        return await self._mark(shop_id, begun)

    @reading
    async def _begun(self, connection: Connection, shop_id: UUID, return_id: UUID) -> store.Begun:
        begun = await store.find_return(connection, shop_id, return_id)
        assert begun is not None  # noqa: S101 (written before; only a refusal removes it)
        return begun

    @transaction
    async def _mark(self, connection: Connection, shop_id: UUID, begun: store.Begun) -> Return:
        """Note that the units are back, and write down their refund."""
        item = begun.item
        kept = await orders.lock_order(connection, shop_id, item.order_id)
        again = await store.find_return(connection, shop_id, item.id)
        if again is not None and again.item.status == "done":
            return again.item
        back = await _refund_of(connection, kept, item)
        refund_minor = back.amount_minor if back else 0
        if back is not None:
            await refunds.put_refunds(connection, shop_id, [back], begun.by)
        await store.end_return(connection, shop_id, item.id, refund_minor)
        money = item.refund.model_copy(update={"amount_minor": refund_minor})
        done = item.model_copy(update={"status": "done", "refund": money})
        await tell(connection, shop_id, [_event(done)])
        await actions.answer_action(connection, shop_id, item.id, done)
        return done

    @transaction
    async def _drop(self, connection: Connection, shop_id: UUID, item: Return) -> None:
        await orders.lock_rows(connection, shop_id, [item.order_id])
        await store.drop_return(connection, shop_id, item.id)
        await actions.drop_action(connection, shop_id, item.id)

    @reading
    async def list_returns(
        self, connection: Connection, shop_id: UUID, order_id: UUID
    ) -> list[Return]:
        """The returns of an order, oldest first."""
        return await store.list_returns(connection, shop_id, order_id)

    async def sweep(self, most: int) -> int:
        """Finish returns that were begun; return how many."""
        done = 0
        for shop_id, return_id in await self._due(most):
            try:
                await self._finish(shop_id, return_id)
                done += 1
            except Exception:
                # Stays begun and is tried again; the others must not wait for it.
                telemetry.LEFT_TO_WORKER.labels("return").inc()
                log().exception("return_left_for_later", item=str(return_id))
                await self._postpone(shop_id, return_id)
        return done

    @reading
    async def _due(self, connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
        return await store.due_returns(connection, most)

    @transaction
    async def _postpone(self, connection: Connection, shop_id: UUID, return_id: UUID) -> None:
        await store.postpone_return(connection, shop_id, return_id)


def _event(item: Return) -> NewEvent:
    return event(
        "order.returned",
        item.order_id,
        return_id=str(item.id),
        refund=item.refund.model_dump(),
        variant_ids=sorted({str(part.variant_id) for part in item.parts}),
    )


def _put_back(item: Return) -> PutBack:
    return PutBack(
        return_id=item.id,
        order_id=item.order_id,
        parts=_parts_in(item, "good"),
        damaged=_parts_in(item, "damaged"),
        reason=item.reason,
    )


def _parts_in(item: Return, condition: Condition) -> list[Allocation]:
    return [
        Allocation(
            warehouse_id=part.to_warehouse_id,
            variant_id=part.variant_id,
            quantity=part.quantity,
        )
        for part in item.parts
        if part.condition == condition
    ]


async def _left_of(connection: Connection, kept: Kept) -> Money:
    """Return what is left of a locked order's money: taken and not given back."""
    order = kept.order
    nothing = order.total.model_copy(update={"amount_minor": 0})
    if kept.paid_by is None:
        return nothing
    left = await refunds.refundable(connection, order.shop_id, order.id)
    return left.get(kept.paid_by, nothing)


async def _refund_of(connection: Connection, kept: Kept, item: Return) -> Back | None:
    """Return the refund of a return of a locked order: never more than is left of its money."""
    money = await _left_of(connection, kept)
    amount_minor = min(item.refund.amount_minor, money.amount_minor)
    if kept.paid_by is None or amount_minor == 0:
        return None
    return Back(
        item.id,
        item.order_id,
        kept.paid_by,
        amount_minor,
        money.currency,
        "returned",
        item.reason,
    )
