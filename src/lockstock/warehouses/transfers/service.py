"""Transfers: units move from one warehouse of a shop to another. None appears, none is lost."""

from datetime import datetime
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import InvalidInput, NotFound
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursors
from lockstock.warehouses.contract import Cause
from lockstock.warehouses.stock import rules
from lockstock.warehouses.stock.contract import BelowPromised
from lockstock.warehouses.stock.service import Posting, by_rule, post
from lockstock.warehouses.transfers import store
from lockstock.warehouses.transfers.contract import NewTransfer, NotEnoughToMove, Transfer


class TransfersService:
    """Moves stock between two warehouses of a shop, whatever their state."""

    def __init__(self, database: Database, cursors: Cursors) -> None:
        self.database = database
        self._cursors = cursors

    @transaction
    async def transfer(
        self, connection: Connection, shop_id: UUID, ask: NewTransfer, cause: Cause
    ) -> Transfer:
        """Move units in one step, as between two rooms of one building."""
        source_id, target_id = ask.from_warehouse_id, ask.to_warehouse_id
        if source_id == target_id:
            raise InvalidInput.at("to_warehouse_id", "is where the units are already")
        posting = Posting(
            kinds=("transfer_out", "transfer_in"),
            cause=cause,
            digest=rules.digest("transfer", ask.model_dump(mode="json")),
            places=[
                (line.variant_id, warehouse_id)
                for line in ask.lines
                for warehouse_id in (source_id, target_id)
            ],
            reason=ask.reason,
        )
        move = by_rule(rules.move, ask.lines, source_id, target_id)
        try:
            await post(connection, shop_id, posting, move)
        except BelowPromised as refusal:
            detail = "Fewer units are free in the warehouse that they are to leave."
            raise NotEnoughToMove(detail, **refusal.fields) from refusal
        await store.keep_transfer(connection, shop_id, cause.change_id, ask, cause.actor_id)
        return _known(await store.get_transfer(connection, shop_id, cause.change_id))

    @reading
    async def get(self, connection: Connection, shop_id: UUID, transfer_id: UUID) -> Transfer:
        """One transfer."""
        return _known(await store.get_transfer(connection, shop_id, transfer_id))

    @reading
    async def list_transfers(
        self, connection: Connection, shop_id: UUID, cursor: str | None, limit: int
    ) -> Page[Transfer]:
        """Transfers of the shop, newest first."""
        scope = f"transfers:{shop_id}"
        after = self._cursors.read(scope, cursor)
        rows = await store.transfer_page(
            connection,
            shop_id,
            (datetime.fromisoformat(after[0]), UUID(after[1])) if after else None,
            limit + 1,
        )
        items, more = rows[:limit], len(rows) > limit
        key = [items[-1].created_at.isoformat(), str(items[-1].id)] if more else []
        return Page(items=items, next=self._cursors.write(scope, key) if more else None)


def _known(transfer: Transfer | None) -> Transfer:
    if transfer is None:
        raise NotFound("The shop has no such transfer.")
    return transfer
