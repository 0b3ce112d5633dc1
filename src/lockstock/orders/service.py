"""Orders: the story of each verb, top to bottom.

No transaction is open while another service is asked. A process may die between any two steps:
stock that was locked for an order that was never placed frees itself at its deadline, the stock of
an order that was cancelled is freed by the sweep.
"""

from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.batcher import batched
from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput, Refusal, Unavailable
from lockstock.orders import rules, store, telemetry
from lockstock.orders.contract import (
    Answered,
    Asked,
    Cancel,
    NoSuchOrder,
    Order,
    OrderList,
    PlaceAsk,
)
from lockstock.orders.endings.service import EndingsService
from lockstock.orders.listing import store as listing
from lockstock.orders.rules import Draft
from lockstock.products.contract import Products
from lockstock.shops.contract import Shop, Shops
from lockstock.warehouses.reservations.contract import Reservations, Reserve

# A hold may end between locking the stock and writing the order, if its time to pay is short or the
# machine slow. Then it is taken again, this often.
PLACE_ROUNDS = 3

Answers = dict[UUID, Answered[Order] | Refusal]


class OrdersService:
    """Places, shows, cancels and completes orders. `max_lines`: of one order.

    `max_open_reservations`: of one customer, in shops without a cap of their own; None: any number.
    """

    def __init__(
        self,
        database: Database,
        shops: Shops,
        products: Products,
        reservations: Reservations,
        *,
        max_lines: int = 100,
        max_open_reservations: int | None = None,
    ) -> None:
        self.database = database
        self._shops = shops
        self._products = products
        self._reservations = reservations
        self._max_lines = max_lines
        self._max_open_reservations = max_open_reservations
        self.endings = EndingsService(database, reservations)

    @batched
    async def place(
        self, shop_id: UUID, asks: Sequence[PlaceAsk]
    ) -> list[Answered[Order] | Refusal]:
        """Lock stock and place orders, each in its place in the answer."""
        firsts: dict[UUID, PlaceAsk] = {}
        for ask in asks:
            firsts.setdefault(ask.order_id, ask)
        answers = await self._place(shop_id, list(firsts.values()))
        placed = [_answer_to(ask, firsts[ask.order_id], answers[ask.order_id]) for ask in asks]
        for answer in placed:
            telemetry.CHECKOUTS.labels(_outcome(answer)).inc()
        return placed

    async def _place(self, shop_id: UUID, asks: list[PlaceAsk]) -> Answers:
        answers = await self._replays(shop_id, asks)
        fresh = [ask for ask in asks if ask.order_id not in answers]
        if not fresh:
            return answers
        shop = await self._shops.get(shop_id)
        drafts = await self._price(shop, fresh, answers)
        again = False
        for _ in range(PLACE_ROUNDS):
            held, ended = await self._reserve(shop, drafts, again=again, answers=answers)
            drafts = ended + await self._place_held(shop_id, held, answers)
            if not drafts:
                return answers
            # Somebody else may have placed these meanwhile. If not, nobody has their stock.
            waiting = {draft.id for draft in drafts}
            answers |= await self._replays(
                shop_id, [ask for ask in fresh if ask.order_id in waiting]
            )
            drafts = [draft for draft in drafts if draft.id not in answers]
            again = True
        late = Unavailable("The time to pay ended before the order was placed.")
        return answers | {draft.id: late for draft in drafts}

    @reading
    async def _replays(
        self, connection: Connection, shop_id: UUID, asks: list[PlaceAsk]
    ) -> Answers:
        """Answer for the orders that exist already: as they were when they were placed."""
        found = await store.find_orders(connection, shop_id, [ask.order_id for ask in asks])
        return {
            ask.order_id: Answered(answer=found[ask.order_id].as_placed(), replayed=True)
            if found[ask.order_id].digest == rules.digest_of(ask.ask)
            else _key_reused()
            for ask in asks
            if ask.order_id in found
        }

    async def _price(self, shop: Shop, asks: list[PlaceAsk], answers: Answers) -> list[Draft]:
        variants = {line.variant_id for ask in asks for line in ask.ask.lines}
        found = await self._products.quote(shop.id, list(variants))
        quotes = {quote.variant_id: quote for quote in found}
        drafts = []
        for ask in asks:
            try:
                if len(ask.ask.lines) > self._max_lines:
                    raise InvalidInput.at("lines", f"an order has at most {self._max_lines} lines")
                drafts.append(rules.draft_of(ask, quotes, shop.currency))
            except InvalidInput as refusal:
                answers[ask.order_id] = refusal
        return drafts

    async def _reserve(
        self, shop: Shop, drafts: list[Draft], *, again: bool, answers: Answers
    ) -> tuple[list[Draft], list[Draft]]:
        """Lock the stock of drafts; return those that hold it, and those whose hold has ended."""
        if not drafts:
            return [], []
        most_open = shop.max_open_reservations or self._max_open_reservations
        asks = [_reserve_of(draft, shop, most_open, again=again) for draft in drafts]
        held, ended = [], []
        for draft, answer in zip(
            drafts, await self._reservations.reserve(shop.id, asks), strict=True
        ):
            if isinstance(answer, Refusal):
                answers[draft.id] = rules.told(
                    answer, hide_exact=shop.hide_exact, threshold=shop.low_stock_threshold
                )
            elif answer.status in ("held", "committed"):
                held.append(draft.holding(answer))
            else:
                ended.append(draft)
        return held, ended

    async def _place_held(
        self, shop_id: UUID, drafts: list[Draft], answers: Answers
    ) -> list[Draft]:
        """Write orders; return those that were not written."""
        placed = await self._write(shop_id, drafts) if drafts else {}
        answers |= {
            order_id: Answered(answer=order, replayed=False) for order_id, order in placed.items()
        }
        return [draft for draft in drafts if draft.id not in placed]

    @transaction
    async def _write(
        self, connection: Connection, shop_id: UUID, drafts: list[Draft]
    ) -> dict[UUID, Order]:
        times = await store.place_orders(connection, shop_id, drafts)
        written = [draft for draft in drafts if draft.id in times]
        await store.place_lines(connection, shop_id, written)
        return {draft.id: rules.placed_order(shop_id, draft, times[draft.id]) for draft in written}

    async def get(self, shop_id: UUID, order_id: UUID) -> Order:
        """One order as it is now. Raises NoSuchOrder."""
        [order] = await self._as_promised([await self._find(shop_id, order_id)])
        return order

    @reading
    async def _find(self, connection: Connection, shop_id: UUID, order_id: UUID) -> Order:
        found = await store.find_orders(connection, shop_id, [order_id])
        if order_id not in found:
            raise NoSuchOrder("There is no such order.")
        return found[order_id].order

    async def list_orders(self, shop_id: UUID, ask: OrderList) -> list[Order]:
        """The shop's orders, newest first; one more than `limit` where there are more."""
        return await self._as_promised(await self._list_orders(shop_id, ask))

    @reading
    async def _list_orders(
        self, connection: Connection, shop_id: UUID, ask: OrderList
    ) -> list[Order]:
        return await listing.list_of_shop(connection, shop_id, ask)

    async def list_own(self, customer_id: UUID, ask: OrderList) -> list[Order]:
        """A customer's orders in all shops, newest first; one more where there are more."""
        return await self._as_promised(await self._list_own(customer_id, ask))

    @reading
    async def _list_own(
        self, connection: Connection, customer_id: UUID, ask: OrderList
    ) -> list[Order]:
        return await listing.list_own(connection, customer_id, ask)

    async def cancel(
        self, shop_id: UUID, order_id: UUID, ask: Cancel, asked: Asked
    ) -> Answered[Order]:
        """Cancel an order, free its stock, refund what was paid."""
        answered = await self.endings.cancel(shop_id, order_id, ask, asked)
        return await self._answered_as_promised(answered)

    async def complete(self, shop_id: UUID, order_id: UUID, asked: Asked) -> Answered[Order]:
        """Close an order that has left in full."""
        answered = await self.endings.complete(shop_id, order_id, asked)
        return await self._answered_as_promised(answered)

    async def _answered_as_promised(self, answered: Answered[Order]) -> Answered[Order]:
        [order] = await self._as_promised([answered.answer])
        return Answered(answer=order, replayed=answered.replayed)

    async def _as_promised(self, found: list[Order]) -> list[Order]:
        """Show from where orders are promised now: what is kept with them is of when they began.

        Their reservations may have moved since to other warehouses.
        """
        of_shop: dict[UUID, list[UUID]] = {}
        for order in found:
            of_shop.setdefault(order.shop_id, []).append(order.id)
        promised = {}
        for shop_id, order_ids in of_shop.items():
            for reservation in await self._reservations.reservations(shop_id, order_ids):
                if reservation is not None:
                    promised[reservation.order_id] = reservation
        return [rules.as_promised(order, promised.get(order.id)) for order in found]

    async def sweep(self, most: int) -> int:
        """Mark orders past their deadline, and free the stock of ended ones; return how many."""
        return await self.endings.sweep(most)


def _answer_to(
    ask: PlaceAsk, first: PlaceAsk, answer: Answered[Order] | Refusal
) -> Answered[Order] | Refusal:
    """Answer an ask by what was answered to the first one with its id in the batch."""
    if ask is first:
        return answer
    if rules.digest_of(ask.ask) != rules.digest_of(first.ask):
        return _key_reused()
    return answer if isinstance(answer, Refusal) else Answered(answer=answer.answer, replayed=True)


def _key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused("This key was used before, with another body.")


def _reserve_of(draft: Draft, shop: Shop, most_open: int | None, *, again: bool) -> Reserve:
    return Reserve(
        order_id=draft.id,
        customer_id=draft.customer_id,
        lines=draft.stock_lines,
        seconds=shop.reservation_seconds,
        strategy=shop.allocation,
        may_split=shop.may_split,
        destination=None if draft.ship_to is None else draft.ship_to.location,
        again=again,
        most_open=most_open,
    )


def _outcome(answer: Answered[Order] | Refusal) -> str:
    if isinstance(answer, Refusal):
        return answer.code
    return "replayed" if answer.replayed else "placed"
