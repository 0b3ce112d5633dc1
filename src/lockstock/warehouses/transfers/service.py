"""Transfers: units move from one warehouse of a shop to another. None appears, none is lost unsaid.

Each step locks the stock rows that it may change, then the transfer's own row, and only then looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lockstock.kernel.database import Conflict, Connection, Database, reading, transaction
from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.nouns import Ask, Page
from lockstock.kernel.paging import Cursors
from lockstock.kernel.replays import mark_replayed
from lockstock.warehouses import store as buildings
from lockstock.warehouses.contract import Cause, NoSuchWarehouse
from lockstock.warehouses.stock import store as stock
from lockstock.warehouses.stock.contract import BelowPromised
from lockstock.warehouses.stock.rules import Place, digest, move
from lockstock.warehouses.stock.service import Posting, by_rule, post
from lockstock.warehouses.transfers import rules, store
from lockstock.warehouses.transfers.contract import (
    CancelTransfer,
    CloseTransfer,
    DispatchTransfer,
    NewTransfer,
    NoSuchTransfer,
    NotEnoughToMove,
    ReceiveTransfer,
    Told,
    Transfer,
    TransferChange,
    TransferLine,
    TransferList,
    TransferStatus,
    TransferStep,
)
from lockstock.warehouses.transfers.rules import Levels, Outcome, Rule


@dataclass(frozen=True)
class Taking:
    """A step that is being taken: by what rule, because of what, and whose stock it may change."""

    step: TransferStep
    rule: Rule
    ask: Ask | None
    cause: Cause
    at_source: bool = False
    at_target: bool = False
    # By its cause's id, and not by the status that it leads to.
    is_once: bool = False

    @property
    def reason(self) -> str | None:
        """Why it is taken, where that was said."""
        reason: str | None = getattr(self.ask, "reason", None)
        return reason

    def asked_of(self, transfer_id: UUID) -> bytes:
        """Digest what is asked, of this transfer."""
        asked = self.ask and self.ask.model_dump(mode="json")
        return digest(self.step, transfer_id, asked)


class TransfersService:
    """Moves stock between two warehouses of a shop, whatever their state."""

    def __init__(self, database: Database, cursors: Cursors) -> None:
        self.database = database
        self._cursors = cursors

    @transaction
    async def transfer(
        self, connection: Connection, shop_id: UUID, ask: NewTransfer, cause: Cause
    ) -> Told:
        """Draft a transfer; with `immediate` move the units too, as between two rooms."""
        if ask.from_warehouse_id == ask.to_warehouse_id:
            raise InvalidInput.at("to_warehouse_id", "is where the units are already")
        if ask.immediate and ask.expected_at is not None:
            raise InvalidInput.at("expected_at", "what is moved at once is not waited for")
        asked = digest("transfer", ask.model_dump(mode="json"))
        before = await stock.change_done(connection, shop_id, cause.change_id)
        status: TransferStatus
        if ask.immediate:
            await _move(connection, shop_id, ask, cause, asked)
            lines, status = rules.moved(ask.lines), "received"
        elif before is not None:
            return _replayed(before, asked)
        else:
            await _check_ends(connection, shop_id, ask)
            lines, status = rules.drafted(ask.lines), "draft"
        transfer = await _keep(connection, shop_id, ask, cause, (status, lines))
        if not ask.immediate:
            await _remember(connection, transfer, cause, asked)
        return Told(transfer=transfer, replayed=before is not None)

    async def change(
        self, shop_id: UUID, transfer_id: UUID, ask: TransferChange, cause: Cause
    ) -> Transfer:
        """Replace the lines of a draft, or the time at which it is expected."""
        taking = Taking("change", rules.change, ask, cause)
        return (await self._take(shop_id, transfer_id, taking)).transfer

    async def ready(self, shop_id: UUID, transfer_id: UUID, cause: Cause) -> Transfer:
        """Commit the stock at the source, as a buyer's take does; nobody else gets it then."""
        taking = Taking("ready", rules.ready, None, cause, at_source=True)
        return (await self._take(shop_id, transfer_id, taking)).transfer

    async def dispatch(
        self, shop_id: UUID, transfer_id: UUID, ask: DispatchTransfer, cause: Cause
    ) -> Transfer:
        """Let the units leave the source; they are incoming at the target."""
        taking = Taking("dispatch", rules.dispatch, ask, cause, at_source=True, at_target=True)
        return (await self._take(shop_id, transfer_id, taking)).transfer

    async def receive(
        self, shop_id: UUID, transfer_id: UUID, ask: ReceiveTransfer, cause: Cause
    ) -> Told:
        """Take in what has arrived, whatever the state of the warehouse. Once per cause."""
        taking = Taking("receive", rules.receive, ask, cause, at_target=True, is_once=True)
        return await self._take(shop_id, transfer_id, taking)

    async def cancel(
        self, shop_id: UUID, transfer_id: UUID, ask: CancelTransfer, cause: Cause
    ) -> Transfer:
        """Give up a transfer that has not left; free its stock."""
        taking = Taking("cancel", rules.cancel, ask, cause, at_source=True)
        return (await self._take(shop_id, transfer_id, taking)).transfer

    async def close(
        self, shop_id: UUID, transfer_id: UUID, ask: CloseTransfer, cause: Cause
    ) -> Told:
        """Account for all that will not arrive: back on hand at the source, or lost. Once."""
        taking = Taking(
            "close", rules.close, ask, cause, at_source=True, at_target=True, is_once=True
        )
        return await self._take(shop_id, transfer_id, taking)

    @transaction
    async def _take(
        self, connection: Connection, shop_id: UUID, transfer_id: UUID, taking: Taking
    ) -> Told:
        """Take a step: lock stock and transfer, decide, write both and the history."""
        seen = await _known(connection, shop_id, transfer_id)
        places = _places(seen, taking)
        await stock.ensure_stock(connection, shop_id, places)
        levels = await stock.lock_stock(connection, shop_id, places)
        await store.lock_transfer(connection, shop_id, transfer_id)
        if taking.is_once:
            before = await stock.change_done(connection, shop_id, taking.cause.change_id)
            if before is not None:
                return _replayed(before, taking.asked_of(transfer_id))
        transfer = await _known(connection, shop_id, transfer_id)
        if not set(places).issuperset(_places(transfer, taking)):
            raise Conflict("the draft was given other lines while locking")
        outcome = await _decide(connection, transfer, taking, levels)
        if outcome is None:
            mark_replayed()
            return Told(transfer=transfer, replayed=True)
        await _write(connection, transfer, taking, outcome)
        after = await _known(connection, shop_id, transfer_id)
        if taking.is_once:
            await _remember(connection, after, taking.cause, taking.asked_of(transfer_id))
        return Told(transfer=after)

    @reading
    async def get(self, connection: Connection, shop_id: UUID, transfer_id: UUID) -> Transfer:
        """One transfer, with its history."""
        return await _known(connection, shop_id, transfer_id)

    @reading
    async def list_transfers(
        self, connection: Connection, shop_id: UUID, ask: TransferList
    ) -> Page[Transfer]:
        """Transfers of the shop, newest first."""
        scope = f"transfers:{shop_id}:{ask.status}:{ask.warehouse_id}:{ask.overdue}"
        after = self._cursors.read(scope, ask.cursor)
        rows = await store.transfer_page(
            connection,
            shop_id,
            ask,
            (datetime.fromisoformat(after[0]), UUID(after[1])) if after else None,
            ask.limit + 1,
        )
        items, more = rows[: ask.limit], len(rows) > ask.limit
        key = [items[-1].created_at.isoformat(), str(items[-1].id)] if more else []
        return Page(items=items, next=self._cursors.write(scope, key) if more else None)


async def _known(connection: Connection, shop_id: UUID, transfer_id: UUID) -> Transfer:
    transfer = await store.get_transfer(connection, shop_id, transfer_id)
    if transfer is None:
        raise NoSuchTransfer("The shop has no such transfer.")
    return transfer


async def _check_ends(connection: Connection, shop_id: UUID, ask: NewTransfer) -> None:
    ends = [ask.from_warehouse_id, ask.to_warehouse_id]
    if len(await buildings.get_warehouses(connection, shop_id, ends)) < len(ends):
        raise NoSuchWarehouse("The shop has no such warehouse.")


async def _move(
    connection: Connection, shop_id: UUID, ask: NewTransfer, cause: Cause, asked: bytes
) -> None:
    source_id, target_id = ask.from_warehouse_id, ask.to_warehouse_id
    posting = Posting(
        kinds=("transfer_out", "transfer_in"),
        cause=cause,
        digest=asked,
        places=[(line.variant_id, end) for line in ask.lines for end in (source_id, target_id)],
        reason=ask.reason,
    )
    try:
        await post(connection, shop_id, posting, by_rule(move, ask.lines, source_id, target_id))
    except BelowPromised as refusal:
        detail = "Fewer units are free in the warehouse that they are to leave."
        fields = refusal.fields | {"lines": rules.short_lines(refusal.fields["lines"])}
        raise NotEnoughToMove(detail, **fields) from refusal


async def _keep(
    connection: Connection,
    shop_id: UUID,
    ask: NewTransfer,
    cause: Cause,
    made: tuple[TransferStatus, Sequence[TransferLine]],
) -> Transfer:
    """Keep a new transfer with its first step, unless it is kept already."""
    status, lines = made
    if await store.keep_transfer(connection, shop_id, ask, status, cause):
        new = await _known(connection, shop_id, cause.change_id)
        await store.put_lines(connection, shop_id, new.id, lines)
        first: TransferStep = "immediate" if ask.immediate else "create"
        outcome = Outcome(status, list(lines), ask.expected_at)
        await store.add_step(connection, new, (first, ask.reason), outcome, cause, is_first=True)
    return await _known(connection, shop_id, cause.change_id)


async def _write(
    connection: Connection, transfer: Transfer, taking: Taking, outcome: Outcome
) -> None:
    shop_id, cause = transfer.shop_id, taking.cause
    await store.shift_stock(connection, transfer, outcome.shifts, cause, taking.reason)
    if taking.step == "change":
        await store.clear_lines(connection, shop_id, transfer.id)
    await store.put_lines(connection, shop_id, transfer.id, outcome.lines)
    await store.enter_status(connection, shop_id, transfer.id, outcome)
    await store.add_step(connection, transfer, (taking.step, taking.reason), outcome, cause)


def _places(transfer: Transfer, taking: Taking) -> list[Place]:
    ends = [transfer.from_warehouse_id] * taking.at_source
    ends += [transfer.to_warehouse_id] * taking.at_target
    return [(line.variant_id, end) for line in transfer.lines for end in ends]


async def _decide(
    connection: Connection, transfer: Transfer, taking: Taking, levels: Levels
) -> Outcome | None:
    # As for buyers: nobody is refused because of a hold that has expired.
    try:
        return taking.rule(taking.ask, transfer, levels)
    except NotEnoughToMove:
        now = await stock.clock(connection)
        await stock.free_expired(connection, transfer.shop_id, list(levels), now)
    levels = await stock.lock_stock(connection, transfer.shop_id, list(levels))
    try:
        return taking.rule(taking.ask, transfer, levels)
    except NotEnoughToMove as refusal:
        refusal.fields |= await stock.promised(connection, transfer.shop_id, list(levels))
        raise


def _replayed(before: tuple[bytes, Any], asked: bytes) -> Told:
    known, answer = before
    if known != asked:
        raise IdempotencyKeyReused("The key was used before, for another change of stock.")
    return Told(transfer=Transfer.model_validate(answer, strict=False), replayed=True)


async def _remember(connection: Connection, transfer: Transfer, cause: Cause, asked: bytes) -> None:
    answer = transfer.model_dump(mode="json")
    if not await stock.remember_change(
        connection, transfer.shop_id, cause.change_id, asked, answer
    ):
        raise Conflict("the same change was made by another process just now")
