"""Stock: received, adjusted, counted, written off, looked at. A ledger line per change and row."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.kernel.database import Conflict, Connection, Database, reading, transaction
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursors
from lockstock.kernel.replays import mark_replayed
from lockstock.warehouses import store as buildings
from lockstock.warehouses.contract import Cause, NoSuchWarehouse
from lockstock.warehouses.events import tell
from lockstock.warehouses.stock import rules, store
from lockstock.warehouses.stock.contract import (
    Adjust,
    Availability,
    BelowPromised,
    CountStock,
    Movement,
    MovementKind,
    MovementList,
    PastStockRow,
    Receive,
    StockList,
    StockRow,
    TakeAway,
)
from lockstock.warehouses.stock.ledger import store as ledger
from lockstock.warehouses.stock.rules import Change, Level, Place

Levels = Mapping[Place, Level]
Decide = Callable[[Levels], Awaitable[list[Change]]]


@dataclass(frozen=True)
class Posting:
    """A change of stock to be posted: what kind, because of what, and what exactly was asked."""

    # Where units leave, and where they come in.
    kinds: tuple[MovementKind, MovementKind]
    cause: Cause
    digest: bytes
    places: Sequence[Place]
    reason: str | None = None
    # Units that came in broken: off the books again at once, with a line of the ledger as `damage`.
    damaged: Sequence[Change] = ()


class StockService:
    """What is in the buildings of a shop."""

    def __init__(self, database: Database, cursors: Cursors) -> None:
        self.database = database
        self._cursors = cursors

    @transaction
    async def receive(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: Receive,
        cause: Cause,
    ) -> list[StockRow]:
        """Add units that came in, whatever the state of the warehouse."""
        posting = _posting("receive", warehouse_id, ask, cause)
        return await post(
            connection, shop_id, posting, by_rule(rules.receive, ask.lines, warehouse_id)
        )

    @transaction
    async def adjust(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: Adjust,
        cause: Cause,
    ) -> list[StockRow]:
        """Correct by a difference; never below what is promised."""
        posting = _posting("adjust", warehouse_id, ask, cause)
        return await post(connection, shop_id, posting, by_rule(rules.adjust, ask, warehouse_id))

    @transaction
    async def count(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: CountStock,
        cause: Cause,
    ) -> list[StockRow]:
        """Set to what was counted, if it still is what the clerk expected to find."""
        posting = _posting("count", warehouse_id, ask, cause)
        return await post(connection, shop_id, posting, by_rule(rules.count, ask, warehouse_id))

    @transaction
    async def write_off(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: TakeAway,
        cause: Cause,
    ) -> list[StockRow]:
        """Take away units that are gone; never one that is promised."""
        posting = _posting("write_off", warehouse_id, ask, cause)
        decide = by_rule(rules.take_away, ask.lines, warehouse_id)
        return await post(connection, shop_id, posting, decide)

    @transaction
    async def damage(
        self,
        connection: Connection,
        shop_id: UUID,
        warehouse_id: UUID,
        ask: TakeAway,
        cause: Cause,
    ) -> list[StockRow]:
        """Take away units that are damaged; never one that is promised."""
        posting = _posting("damage", warehouse_id, ask, cause)
        decide = by_rule(rules.take_away, ask.lines, warehouse_id)
        return await post(connection, shop_id, posting, decide)

    @reading
    async def availability(
        self, connection: Connection, variants: Sequence[tuple[UUID, UUID]]
    ) -> list[Availability]:
        """What can be sold now of each (shop_id, variant_id), in the order asked for."""
        return await store.availability(connection, variants)

    @reading
    async def with_units(
        self, connection: Connection, shop_id: UUID, variant_ids: Sequence[UUID]
    ) -> set[UUID]:
        """Those of these variants with units on hand in any warehouse, promised or not."""
        return await store.with_units(connection, shop_id, variant_ids)

    @reading
    async def stock(self, connection: Connection, shop_id: UUID, ask: StockList) -> Page[StockRow]:
        """Stock rows of the shop, by variant and warehouse."""
        scope = f"stock:{shop_id}:{ask.warehouse_id}:{ask.variant_id}"
        after = self._cursors.read(scope, ask.cursor)
        rows = await store.stock_of_shop(
            connection,
            shop_id,
            (ask.warehouse_id, ask.variant_id),
            (UUID(after[0]), UUID(after[1])) if after else None,
            ask.limit + 1,
        )
        items, more = rows[: ask.limit], len(rows) > ask.limit
        key = [str(items[-1].variant_id), str(items[-1].warehouse_id)] if more else []
        return Page(items=items, next=self._cursors.write(scope, key) if more else None)

    @reading
    async def past_stock(
        self, connection: Connection, shop_id: UUID, ask: StockList
    ) -> Page[PastStockRow]:
        """What was on hand at `as_of`, as the ledger has it. Raises InvalidInput for the future."""
        now = await store.clock(connection)
        as_of = now if ask.as_of is None else ask.as_of
        if as_of > now:
            raise InvalidInput.at("as_of", "is still to come")
        scope = f"stock:{shop_id}:{ask.warehouse_id}:{ask.variant_id}:{as_of.isoformat()}"
        after = self._cursors.read(scope, ask.cursor)
        rows = await ledger.past_stock(
            connection,
            shop_id,
            (ask.warehouse_id, ask.variant_id),
            (UUID(after[0]), UUID(after[1])) if after else None,
            as_of,
            ask.limit + 1,
        )
        items, more = rows[: ask.limit], len(rows) > ask.limit
        key = [str(items[-1].variant_id), str(items[-1].warehouse_id)] if more else []
        return Page(items=items, next=self._cursors.write(scope, key) if more else None)

    @reading
    async def movements(
        self, connection: Connection, shop_id: UUID, ask: MovementList
    ) -> Page[Movement]:
        """The ledger, newest first."""
        filters = ask.model_dump_json(exclude={"cursor", "limit"})
        scope = f"movements:{shop_id}:{filters}"
        after = self._cursors.read(scope, ask.cursor)
        rows = await ledger.movements(
            connection, shop_id, ask, _point(after) if after else None, ask.limit + 1
        )
        items, more = rows[: ask.limit], len(rows) > ask.limit
        return Page(items=items, next=self._cursors.write(scope, _key(items[-1])) if more else None)


def _posting(
    kind: MovementKind,
    warehouse_id: UUID,
    ask: Receive | Adjust | CountStock | TakeAway,
    cause: Cause,
) -> Posting:
    places = [(line.variant_id, warehouse_id) for line in ask.lines]
    asked = rules.digest(kind, warehouse_id, ask.model_dump(mode="json"))
    return Posting((kind, kind), cause, asked, places, ask.reason)


def _key(movement: Movement) -> list[str | int]:
    return [
        movement.occurred_at.isoformat(),
        str(movement.variant_id),
        str(movement.warehouse_id),
        movement.sequence,
    ]


def by_rule(rule: Callable[..., list[Change]], *asked: object) -> Decide:
    """Decide by a pure rule, which takes what was asked and then the locked levels."""

    async def decide(levels: Levels) -> list[Change]:
        return rule(*asked, levels)

    return decide


def _point(key: list[Any]) -> tuple[datetime, UUID, UUID, int]:
    return datetime.fromisoformat(key[0]), UUID(key[1]), UUID(key[2]), key[3]


async def post(
    connection: Connection, shop_id: UUID, posting: Posting, decide: Decide
) -> list[StockRow]:
    """Change stock once: lock the rows, decide, write the counters and the ledger, remember.

    The same change again answers as the first time. Raises NoSuchWarehouse, IdempotencyKeyReused,
    and what `decide` raises; that it would go below what is promised is only said when holds past
    their deadline have been freed, and with the orders that hold the rest.
    """
    wanted = {warehouse_id for _, warehouse_id in posting.places}
    warehouses = await buildings.get_warehouses(connection, shop_id, list(wanted))
    if wanted - warehouses.keys():
        raise NoSuchWarehouse("The shop has no such warehouse.")
    await store.ensure_stock(connection, shop_id, posting.places)
    levels = await store.lock_stock(connection, shop_id, posting.places)
    done = await store.change_done(connection, shop_id, posting.cause.change_id)
    if done is not None:
        digest, answer = done
        if digest != posting.digest:
            raise IdempotencyKeyReused("The key was used before, for another change of stock.")
        mark_replayed()
        return [StockRow.model_validate(row, strict=False) for row in answer]
    changes = await _decide(connection, shop_id, posting, levels, decide)
    await store.post_movements(
        connection, shop_id, changes, posting.kinds, posting.cause, posting.reason
    )
    if posting.damaged:
        kinds: tuple[MovementKind, MovementKind] = ("damage", "damage")
        await store.post_movements(
            connection, shop_id, posting.damaged, kinds, posting.cause, posting.reason
        )
    told = rules.told(posting.kinds[0], posting.cause.change_id, posting.places)
    await tell(connection, shop_id, told)
    after = await store.lock_stock(connection, shop_id, posting.places)
    rows = [
        rules.row_of(level, active=warehouses[level.warehouse_id].active)
        for level in after.values()
    ]
    new = await store.remember_change(
        connection,
        shop_id,
        posting.cause.change_id,
        posting.digest,
        [row.model_dump(mode="json") for row in rows],
    )
    if not new:
        raise Conflict("the same change was made by another process just now")
    return rows


async def _decide(
    connection: Connection,
    shop_id: UUID,
    posting: Posting,
    levels: Levels,
    decide: Decide,
) -> list[Change]:
    try:
        return await decide(levels)
    except BelowPromised:
        now = await store.clock(connection)
        await store.free_expired(connection, shop_id, list(levels), now)
    levels = await store.lock_stock(connection, shop_id, posting.places)
    try:
        return await decide(levels)
    except BelowPromised as refusal:
        refusal.fields |= await store.promised(connection, shop_id, list(levels))
        raise
