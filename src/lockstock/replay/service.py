"""The replay: every invoice in the order of time, many at once, through the public API."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lockstock.client.answers import Order, OrderId
from lockstock.client.session import Session
from lockstock.client.transport import ApiError
from lockstock.replay.floor import Floor, Pace
from lockstock.replay.opening import OpenShop
from lockstock.replay.people import People
from lockstock.replay.rules import (
    Bought,
    Invoice,
    Match,
    Units,
    Wanted,
    cancelled_order,
    match_return,
    parts_of,
    take_off,
    wanted_of,
)
from lockstock.replay.summary import (
    CANCELLED,
    NEVER_PAID,
    NOT_BOUGHT,
    NOTHING_TO_RETURN,
    NOTHING_TO_SELL,
    OUT_OF_STOCK,
    SHIPPED,
    UNPAID,
    ReplaySummary,
    Result,
    outcome_of_line,
    outcome_of_return,
    outcome_of_sale,
    refusal,
    result_of,
)

# As many lines as the API takes per order, unless the server was told otherwise.
ORDER_LINES = 100
# Money is applied at once, or, after a crash or a lock, by a worker: wait so long for it.
PAID_WITHIN_SECONDS = 60.0

Progress = Callable[[ReplaySummary], None]


@dataclass
class Lane:
    """One customer: what they have bought, and which of their invoices are on their way."""

    bought: list[Bought] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(frozen=True)
class Turn:
    """One invoice, and what was decided when it was its turn. `earlier`: what it waits for."""

    invoice: Invoice
    wanted: Wanted
    lane: Lane
    earlier: frozenset[asyncio.Task[None]]
    is_paid: bool


@dataclass
class Replay:
    """One run over the invoices of a shop that is open.

    A customer's invoices keep their order. Walk-ins are many people: their orders do not wait for
    each other, but a return of theirs waits for all of their orders before it.
    """

    shop: OpenShop
    people: People
    summary: ReplaySummary
    concurrency: int
    pace: Pace
    progress: Progress
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _unpaid: list[OrderId] = field(default_factory=list)
    _sales: int = 0

    async def run(self, invoices: list[Invoice]) -> None:
        """Replay them all, and see how the unpaid ones have ended."""
        floor = Floor(self.shop, self.pace, self.summary.floor)
        slots = asyncio.Semaphore(self.concurrency)
        floor_lane = asyncio.Lock()
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, invoice in enumerate(invoices, start=1):
                if floor.is_due(number):
                    group.create_task(_in_turn(floor_lane, floor, number))
                await slots.acquire()
                turn = self._turn(invoice)
                task = group.create_task(self._one(turn))
                turn.lane.running.add(task)
                task.add_done_callback(turn.lane.running.discard)
                task.add_done_callback(lambda _: slots.release())
        self.summary.seconds = time.monotonic() - started
        await floor.finish()
        self.summary.customers = self.people.count
        for order in self._unpaid:
            await self._look_at_unpaid(order)

    def _turn(self, invoice: Invoice) -> Turn:
        """Decide in the order of time, whoever is done first, so that each replay is the same."""
        lane = self._lanes.setdefault(invoice.customer, Lane())
        wanted = wanted_of(invoice, self.shop.variants)
        is_walk_in_sale = not invoice.customer and not invoice.is_return
        earlier = frozenset() if is_walk_in_sale else frozenset(lane.running)
        if not invoice.is_return and wanted.units:
            self._sales += 1
        is_paid = self._sales % self.pace.unpaid_every != 0
        return Turn(invoice, wanted, lane, earlier, is_paid)

    async def _one(self, turn: Turn) -> None:
        if turn.earlier:
            await asyncio.wait(turn.earlier)
        try:
            if turn.invoice.is_return:
                result = await self._take_back(turn)
            else:
                result = await self._sell(turn)
        except ApiError as error:
            result = result_of(turn.wanted, refusal(error.status, error.code))
        self.summary.add(result)
        self.progress(self.summary)

    # Sales

    async def _sell(self, turn: Turn) -> Result:
        """Order what an invoice has, as its customer; pay; ship. Some are left unpaid."""
        wanted, number = turn.wanted, turn.invoice.number
        if not wanted.units:
            return result_of(wanted, NOTHING_TO_SELL)
        rows: Counter[str] = Counter()
        for part, units in enumerate(parts_of(wanted.units, ORDER_LINES), start=1):
            key = number if part == 1 else f"{number}/{part}"
            outcome = await self._sell_part(turn, units, key)
            rows[outcome] += sum(wanted.rows[sku] for sku in units)
        return result_of(wanted, outcome_of_sale(rows), rows)

    async def _sell_part(self, turn: Turn, units: Units, key: str) -> str:
        try:
            session = await self.people.session_of(turn.invoice.customer)
            placed = await self._place(session, units, key)
            if placed is None:
                return OUT_OF_STOCK
            # Of ten thousand orders their lines are not kept here.
            order = OrderId(id=placed["id"], shop_id=placed["shop_id"])
            self.summary.orders += 1
            if turn.is_paid:
                await session.pay(order, key)
                await self._ship(session, order, key)
            else:
                self._unpaid.append(order)
        except ApiError as error:
            return refusal(error.status, error.code)
        turn.lane.bought.append(Bought(order, dict(units), turn.is_paid))
        return SHIPPED if turn.is_paid else UNPAID

    async def _place(self, customer: Session, units: Units, key: str) -> Order | None:
        by_variant = {self.shop.variants[sku]: quantity for sku, quantity in units.items()}
        try:
            return await customer.place_order(self.shop.id, by_variant, key)
        except ApiError as error:
            if error.code != "out_of_stock":
                raise
            return None

    async def _ship(self, customer: Session, order: OrderId, key: str) -> None:
        """Let the clerk ship all of an order, once its money is there."""
        until = time.monotonic() + PAID_WITHIN_SECONDS
        pause_seconds = 0.05
        while True:
            try:
                await self.shop.clerk.ship(order, key)
            except ApiError as error:
                if error.code != "order_not_shippable" or time.monotonic() > until:
                    raise
                now = await customer.get_order(self.shop.id, order["id"])
                if now["status"] not in ("awaiting_payment", "paid", "expired"):
                    raise
            else:
                return
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 1.0)

    # Returns

    async def _take_back(self, turn: Turn) -> Result:
        """Take goods back as far as they match what this customer was sent, or cancel an order."""
        wanted, bought = turn.wanted, turn.lane.bought
        if not wanted.units:
            return result_of(wanted, NOTHING_TO_RETURN)
        matches = match_return(wanted.units, bought)
        if not matches:
            return await self._take_back_unpaid(turn)
        left = dict(wanted.units)
        missing = NOT_BOUGHT
        for number, match in enumerate(matches, start=1):
            try:
                await self._take_back_from(match, f"{turn.invoice.number}/{number}")
            except ApiError as error:
                missing = refusal(error.status, error.code)
                continue
            take_off(match, bought)
            for sku, quantity in match.units.items():
                left[sku] -= quantity
        rows: Counter[str] = Counter()
        for sku, count in wanted.rows.items():
            rows[outcome_of_line(wanted.units[sku], left[sku], missing)] += count
        return result_of(wanted, outcome_of_return(rows, missing), rows)

    async def _take_back_from(self, match: Match, key: str) -> None:
        units = {self.shop.variants[sku]: quantity for sku, quantity in match.units.items()}
        await self.shop.clerk.return_units(match.order, units, key, reason="Cancelled")

    async def _take_back_unpaid(self, turn: Turn) -> Result:
        wanted, bought = turn.wanted, turn.lane.bought
        found = cancelled_order(wanted.units, bought)
        if found is None:
            unpaid = {sku for item in bought if not item.is_paid for sku in item.units}
            return result_of(wanted, NEVER_PAID if unpaid & wanted.units.keys() else NOT_BOUGHT)
        customer = await self.people.session_of(turn.invoice.customer)
        try:
            await customer.cancel(found.order, turn.invoice.number, "Cancelled by the customer")
        except ApiError as error:
            if error.code != "order_not_cancellable":
                raise
            return result_of(wanted, NEVER_PAID)
        finally:
            bought.remove(found)
        return result_of(wanted, CANCELLED)

    async def _look_at_unpaid(self, order: OrderId) -> None:
        """See that an order which nobody paid is cancelled, expired, or still in time."""
        found = await self.shop.clerk.get_order(self.shop.id, order["id"])
        self.summary.unpaid_orders[found["status"]] += 1
        in_time = datetime.fromisoformat(found["expires_at"]) > datetime.now(UTC)
        may_be = {"cancelled", "expired"} | ({"awaiting_payment"} if in_time else set())
        # Its clock and ours may differ by a moment, so a second look decides.
        if found["status"] not in may_be:
            await asyncio.sleep(2)
            again = await self.shop.clerk.get_order(self.shop.id, order["id"])
            self.summary.wrong_unpaid += again["status"] not in ("cancelled", "expired")


async def _in_turn(lane: asyncio.Lock, floor: Floor, number: int) -> None:
    async with lane:
        await floor.step(number)
