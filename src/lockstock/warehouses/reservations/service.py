"""Reservations: the story of each verb, top to bottom. One verb, one transaction, one shop.

Every verb takes many and returns many; one is a batch of one.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import TypeVar
from uuid import UUID

from lockstock.kernel.batcher import batched
from lockstock.kernel.database import Conflict, Connection, Database, reading, transaction
from lockstock.kernel.errors import DatabaseUnavailable, Refusal
from lockstock.kernel.telemetry import log
from lockstock.warehouses.reservations import rules, store
from lockstock.warehouses.reservations.caps import store as caps
from lockstock.warehouses.reservations.contract import Reservation, Reserve
from lockstock.warehouses.reservations.rules import Ending, Kept
from lockstock.warehouses.stock import store as stock

T = TypeVar("T")

START: caps.Place = (UUID(int=0), UUID(int=0))


class ReservationsService:
    """Locks stock for orders, and ends what it locked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._place = START

    @batched
    @transaction
    async def reserve(
        self, connection: Connection, shop_id: UUID, asks: Sequence[Reserve]
    ) -> list[Reservation | Refusal]:
        """Lock stock for orders, each all lines or none.

        Locks in order, looks at what is there, decides in memory, writes once. Only when an order
        comes up short are expired holds freed, and then it is decided anew: a buyer is never
        refused because of a hold that has expired.
        """
        capped = {ask.customer_id for ask in asks if ask.most_open is not None}
        if capped:
            await caps.lock_customers(connection, shop_id, list(capped))
        warehouses = await store.active_warehouses(connection, shop_id)
        levels = await store.lock_variants(
            connection,
            shop_id,
            [line.variant_id for ask in asks for line in ask.lines],
            [warehouse.id for warehouse in warehouses],
        )
        now, kept = await store.kept_reservations(
            connection, shop_id, [ask.order_id for ask in asks]
        )
        opened = rules.NOTHING_OPEN
        if capped:
            opened = await caps.open_reservations(connection, shop_id, list(capped), now)
        shelf = {level.place: level.free for level in levels}
        plan = rules.plan(asks, kept, shelf, warehouses, now, opened)
        if plan.is_short:
            freed = await stock.free_expired(connection, shop_id, list(shelf), now)
            shelf = {place: free + freed.get(place, 0) for place, free in shelf.items()}
            plan = rules.plan(asks, kept, shelf, warehouses, now, opened)
        if plan.holds:
            written = await store.hold(connection, shop_id, now, plan.holds)
            if written != len(plan.holds):
                raise Conflict("another process reserved for one of these orders just now")
        return plan.answers

    @batched
    async def commit(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | Refusal]:
        """Promise firmly what was held. Who commits first wins; the other sees it."""
        return await self._end(shop_id, order_ids, rules.commit)

    @batched
    async def release(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | None]:
        """Free what was held or committed. Harmless where there is nothing."""
        return await self._end(shop_id, order_ids, rules.release)

    async def expire(self, shop_id: UUID, order_ids: Sequence[UUID]) -> list[Reservation | None]:
        """End the holds whose deadline has passed; return each reservation as it is now."""
        return await self._end(shop_id, order_ids, rules.expire)

    @transaction
    async def _end(
        self,
        connection: Connection,
        shop_id: UUID,
        order_ids: Sequence[UUID],
        decide: Callable[[Kept | None, datetime], Ending | Reservation | T],
    ) -> list[Reservation | T]:
        places = await store.places_of_orders(connection, shop_id, order_ids)
        await stock.lock_stock(connection, shop_id, places)
        now, kept = await store.kept_reservations(connection, shop_id, order_ids)
        if not set(places).issuperset(part.place for k in kept.values() for part in k.parts):
            raise Conflict("stock was taken for one of these orders while locking")
        decisions = [decide(kept.get(order_id), now) for order_id in order_ids]
        # An order that is named twice ends once.
        endings = {d.kept.order_id: d for d in decisions if isinstance(d, Ending)}
        if endings:
            written = await store.end(connection, shop_id, now, list(endings.values()))
            if written != len(endings):
                raise Conflict("one of these reservations has ended just now")
        return [d.done() if isinstance(d, Ending) else d for d in decisions]

    @reading
    async def reservations(
        self, connection: Connection, shop_id: UUID, order_ids: Sequence[UUID]
    ) -> list[Reservation | None]:
        """The latest reservation of each order, as it is now."""
        now, kept = await store.kept_reservations(connection, shop_id, order_ids)
        return [kept[order_id].seen_at(now) if order_id in kept else None for order_id in order_ids]

    async def sweep(self, most: int) -> int:
        """Tidy up to `most` holds past their deadline, shop by shop; return the units freed.

        For rows and figures only: readers and buyers count an expired hold as free already.
        """
        shops = await self._due_shops(most)
        freed = [await self._or_leave(shop, self._sweep_shop(shop, most)) for shop in shops]
        await self._sweep_customers(most)
        return sum(freed)

    async def _or_leave(self, shop_id: UUID, work: Awaitable[int]) -> int:
        try:
            return await work
        except DatabaseUnavailable:
            raise
        except Exception:
            # The next round tries again; the other shops must not wait for this one.
            log().exception("holds_left_for_later", shop=str(shop_id))
            return 0

    async def _sweep_customers(self, most: int) -> None:
        """Forget capped customers who have nothing open, among the next so many."""
        places = await self._next_customers(self._place, most)
        self._place = places[-1] if len(places) == most else START
        for shop_id, group in groupby(places, key=itemgetter(0)):
            customer_ids = [customer_id for _, customer_id in group]
            await self._or_leave(shop_id, self._forget_customers(shop_id, customer_ids))

    @reading
    async def _next_customers(
        self, connection: Connection, after: caps.Place, most: int
    ) -> list[caps.Place]:
        return await caps.capped_customers(connection, after, most)

    @transaction
    async def _forget_customers(
        self, connection: Connection, shop_id: UUID, customer_ids: Sequence[UUID]
    ) -> int:
        return await caps.forget_customers(connection, shop_id, customer_ids)

    @reading
    async def _due_shops(self, connection: Connection, most: int) -> list[UUID]:
        return await store.due_shops(connection, most)

    @transaction
    async def _sweep_shop(self, connection: Connection, shop_id: UUID, most: int) -> int:
        places = await store.lock_due_stock(connection, shop_id, most)
        now = await stock.clock(connection)
        freed = await stock.free_expired(connection, shop_id, places, now, most)
        await store.end_emptied(connection, shop_id, now, most)
        return sum(freed.values())
