"""Shipping: units of an order leave the building or come back, with a line of the ledger each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal
from uuid import UUID

from lockstock.kernel.database import Connection, Database, transaction
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.contract import Allocation, Cause
from lockstock.warehouses.shipping import rules, store
from lockstock.warehouses.shipping.contract import PutBack, Shipment
from lockstock.warehouses.shipping.rules import Promise
from lockstock.warehouses.stock.contract import StockRow
from lockstock.warehouses.stock.rules import Change, check_room, digest
from lockstock.warehouses.stock.service import Levels, Posting, post
from lockstock.warehouses.stock.store import lock_stock

Rule = Callable[[Sequence[Promise]], list[Change]]


class ShippingService:
    """Sends out what is committed, and takes back what was shipped."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transaction
    async def ship(
        self, connection: Connection, shop_id: UUID, asks: Sequence[Shipment], cause: Cause
    ) -> list[list[StockRow] | Refusal]:
        """Send committed units of orders out of the building. The same shipment again: nothing."""
        await _lock(connection, shop_id, [part for ask in asks for part in ask.parts])
        return [
            await _post(
                connection,
                shop_id,
                ask.order_id,
                _posting("ship", ask.shipment_id, ask, cause, ask.parts),
                partial(rules.ship, ask),
            )
            for ask in asks
        ]

    @transaction
    async def put_back(
        self, connection: Connection, shop_id: UUID, asks: Sequence[PutBack], cause: Cause
    ) -> list[list[StockRow] | Refusal]:
        """Take shipped units back, in any warehouse. The same return again: nothing."""
        await _lock(connection, shop_id, [part for ask in asks for part in _all_parts(ask)])
        return [
            await _post(
                connection,
                shop_id,
                ask.order_id,
                _posting_back(ask, cause),
                partial(rules.put_back, ask),
            )
            for ask in asks
        ]


async def _lock(connection: Connection, shop_id: UUID, parts: Sequence[Allocation]) -> None:
    # All of them first, in the one order: the members of a batch are posted in theirs.
    places = [(part.variant_id, part.warehouse_id) for part in parts]
    await lock_stock(connection, shop_id, places)


def _all_parts(ask: PutBack) -> list[Allocation]:
    return [*ask.parts, *ask.damaged]


def _posting_back(ask: PutBack, cause: Cause) -> Posting:
    posting = _posting("return", ask.return_id, ask, cause, _all_parts(ask))
    return replace(posting, reason=ask.reason, damaged=rules.broken(ask))


def _posting(
    kind: Literal["ship", "return"],
    own_id: UUID,
    ask: Shipment | PutBack,
    cause: Cause,
    parts: Sequence[Allocation],
) -> Posting:
    return Posting(
        kinds=(kind, kind),
        cause=cause.model_copy(update={"change_id": own_id}),
        digest=digest(kind, ask.model_dump(mode="json")),
        places=[(part.variant_id, part.warehouse_id) for part in parts],
    )


async def _post(
    connection: Connection, shop_id: UUID, order_id: UUID, posting: Posting, rule: Rule
) -> list[StockRow] | Refusal:
    async def decide(levels: Levels) -> list[Change]:
        promises = await store.lock_promises(connection, shop_id, [order_id])
        changes = rule(promises)
        for change in changes:
            check_room(levels[change.variant_id, change.warehouse_id], change.on_hand)
        await store.write_promises(connection, shop_id, promises)
        return changes

    try:
        return await post(connection, shop_id, posting, decide)
    except Refusal as refusal:
        # Raised before anything was written, so the rest of the batch is not touched by it.
        return refusal
