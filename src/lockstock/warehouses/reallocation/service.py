"""Reallocation: orders leave a warehouse that was switched off, a few in each transaction.

So no buyer waits long, and what has moved has moved, whatever becomes of those that follow.
"""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from lockstock.kernel.database import Conflict, Connection, Database, reading, transaction
from lockstock.kernel.outbox import NewEvent, write_events
from lockstock.warehouses import store as warehouses
from lockstock.warehouses.contract import AllocationPolicy, Warehouse
from lockstock.warehouses.events import EventKind, texts
from lockstock.warehouses.reallocation import rules, store
from lockstock.warehouses.reallocation.rules import NOTHING, Move, Outcome
from lockstock.warehouses.reservations import store as reservations
from lockstock.warehouses.shipping import store as shipping
from lockstock.warehouses.stock import store as stock
from lockstock.warehouses.stock.rules import Place

# Orders that move in one transaction. Buyers of what they need wait for it.
BATCH = 20


class ReallocationService:
    """Moves orders out of a warehouse."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def reallocate(
        self, shop_id: UUID, warehouse_id: UUID, policy: AllocationPolicy, *, dry_run: bool
    ) -> Outcome:
        """Move what is promised from an inactive warehouse to active ones, each order whole.

        May be done again, and then moves what is left. `dry_run`: only say what would happen, were
        the warehouse inactive.
        """
        order_ids = await self._promised(shop_id, warehouse_id)
        foreseen: Counter[Place] = Counter()
        moved: list[UUID] = []
        stranded: list[UUID] = []
        for start in range(0, len(order_ids), BATCH):
            batch = order_ids[start : start + BATCH]
            if dry_run:
                outcome = await self._foresee(shop_id, warehouse_id, policy, batch, foreseen)
            else:
                outcome = await self._move(shop_id, warehouse_id, policy, batch)
            moved += outcome.moved
            stranded += outcome.stranded
        return Outcome(moved, stranded)

    @reading
    async def _promised(
        self, connection: Connection, shop_id: UUID, warehouse_id: UUID
    ) -> list[UUID]:
        return await store.promised_orders(connection, shop_id, warehouse_id)

    @transaction
    async def _move(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        policy: AllocationPolicy,
        order_ids: Sequence[UUID],
    ) -> Outcome:
        """Move orders by the same guarded take that buyers use."""
        locked = {w.id for w in await reservations.active_warehouses(connection, shop_id)}
        before = await reservations.places_of_orders(connection, shop_id, order_ids)
        places = {*before, *_places({variant_id for variant_id, _ in before}, locked)}
        levels = await stock.lock_stock(connection, shop_id, list(places))
        now = await stock.clock(connection)
        await shipping.lock_promises(connection, shop_id, order_ids)
        orders = await store.open_orders(connection, shop_id, order_ids, now)
        if not places.issuperset(part.place for order in orders for part in order.parts):
            raise Conflict("stock was taken for one of these orders while locking")
        # Looked at again, with the locks held: one of them may have been switched off meanwhile.
        active = await _active(connection, shop_id)
        if any(w.id == warehouse_id for w in active):
            # Somebody has switched it on again: its orders are well where they are.
            return NOTHING
        targets = [w for w in active if w.id in locked]
        ids = {w.id for w in targets}
        shelf = {place: level.free for place, level in levels.items() if place[1] in ids}
        for place, units in (
            await stock.free_expired(connection, shop_id, list(shelf), now)
        ).items():
            shelf[place] += units
        plan = rules.plan(orders, warehouse_id, policy, shelf, targets)
        await store.move_promises(connection, shop_id, plan)
        events = [_event(move, warehouse_id) for move in plan.moves]
        await write_events(connection, "warehouses", shop_id, events)
        return plan.outcome

    @reading
    async def _foresee(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        policy: AllocationPolicy,
        order_ids: Sequence[UUID],
        foreseen: Counter[Place],
    ) -> Outcome:
        """Say what `_move` would do after the batches before. `foreseen`: the units they took."""
        now = await stock.clock(connection)
        orders = await store.open_orders(connection, shop_id, order_ids, now)
        targets = [w for w in await _active(connection, shop_id) if w.id != warehouse_id]
        variants = {part.place[0] for order in orders for part in order.parts}
        places = _places(variants, {w.id for w in targets})
        free = await store.free_units(connection, shop_id, places, now)
        shelf = {place: units - foreseen[place] for place, units in free.items()}
        plan = rules.plan(orders, warehouse_id, policy, shelf, targets)
        foreseen.update(plan.differences("held", "committed"))
        return plan.outcome


def _places(variant_ids: set[UUID], warehouse_ids: set[UUID]) -> list[Place]:
    return [
        (variant_id, warehouse_id) for variant_id in variant_ids for warehouse_id in warehouse_ids
    ]


async def _active(connection: Connection, shop_id: UUID) -> list[Warehouse]:
    return [w for w in await warehouses.list_warehouses(connection, shop_id) if w.active]


def _event(move: Move, warehouse_id: UUID) -> NewEvent:
    kind: EventKind = "reservation.moved"
    data = {
        "attempt": move.order.attempt,
        "from_warehouse_id": str(warehouse_id),
        "to_warehouse_ids": texts(part.place[1] for part in move.parts if part.is_more),
        "variant_ids": texts(part.place[0] for part in move.parts),
    }
    return NewEvent(kind, move.order.order_id, data)
