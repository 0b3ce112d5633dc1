"""Transfers on the real database: each row of the state table, and each step that is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from lockstock.kernel.errors import IdempotencyKeyReused, InvalidInput
from lockstock.kernel.ids import new_id
from lockstock.warehouses.contract import NoSuchWarehouse
from lockstock.warehouses.reservations.contract import OutOfStock
from lockstock.warehouses.stock.contract import Adjust, Adjustment, BelowPromised, MovementList
from lockstock.warehouses.transfers.contract import (
    DispatchTransfer,
    MoreThanOutstanding,
    NoSuchTransfer,
    NotEnoughToMove,
    StepNotAllowed,
    StillOutstanding,
    Told,
    TransferChange,
    TransferList,
    TransferStatus,
)
from tests.warehouses.depot import Depot, cause, variant
from tests.warehouses.transfers.carrying import STATUSES, Carrier, arrived, gone, lines

# What each step leads to, with the counters of (on hand, committed) in the north and of (on hand,
# incoming) in the south after it. All start with 10 in the north and 1 in the south.
ROADS: list[tuple[TransferStatus, str, TransferStatus, tuple[int, int], tuple[int, int]]] = [
    ("draft", "change", "draft", (10, 0), (1, 0)),
    ("draft", "ready", "ready", (10, 5), (1, 0)),
    ("draft", "cancel", "cancelled", (10, 0), (1, 0)),
    ("ready", "ready", "ready", (10, 5), (1, 0)),
    ("ready", "dispatch", "in_transit", (5, 0), (1, 5)),
    ("ready", "cancel", "cancelled", (10, 0), (1, 0)),
    ("in_transit", "dispatch", "in_transit", (5, 0), (1, 5)),
    ("in_transit", "receive", "partly_received", (5, 0), (2, 4)),
    ("in_transit", "close", "closed_short", (5, 0), (1, 0)),
    ("partly_received", "receive", "partly_received", (5, 0), (4, 2)),
    ("partly_received", "close", "closed_short", (5, 0), (3, 0)),
    ("cancelled", "cancel", "cancelled", (10, 0), (1, 0)),
]
STEPS = ("change", "ready", "dispatch", "receive", "cancel", "close")
# Everything was accounted for, so any receipt is more than is outstanding.
ENDED: tuple[TransferStatus, ...] = ("received", "closed_short")
REFUSED = [
    (status, step)
    for status in STATUSES
    for step in STEPS
    if (status, step) not in {(road[0], road[1]) for road in ROADS}
]


@pytest.mark.parametrize(("status", "step", "to", "north", "south"), ROADS)
async def test_each_step_leads_where_it_should(
    carry: Carrier,
    status: TransferStatus,
    step: str,
    to: TransferStatus,
    north: tuple[int, int],
    south: tuple[int, int],
) -> None:
    transfer = await carry.at(status)
    answer = await carry.take(transfer, step)
    found = answer.transfer if isinstance(answer, Told) else answer
    assert found.status == to
    assert found == await carry.now(transfer)
    assert await carry.counters() == (north, south)
    # To be where it is already is no step.
    assert len(found.history) == len(transfer.history) + (
        status != to or step in ("change", "receive")
    )


@pytest.mark.parametrize(("status", "step"), REFUSED)
async def test_each_other_step_is_refused_without_effect(
    carry: Carrier, status: TransferStatus, step: str
) -> None:
    transfer = await carry.at(status)
    before = await carry.counters()
    if step == "receive" and status in ENDED:
        with pytest.raises(MoreThanOutstanding) as over:
            await carry.take(transfer, step)
        assert over.value.fields["lines"][0]["outstanding"] == 0
    else:
        with pytest.raises(StepNotAllowed) as caught:
            await carry.take(transfer, step)
        assert caught.value.fields["transfer_status"] == status
        assert status not in caught.value.fields["allowed_from"] or step == "change"
    assert await carry.now(transfer) == transfer
    assert await carry.counters() == before


async def test_the_last_unit_that_arrives_ends_it(carry: Carrier) -> None:
    transfer = await carry.at("partly_received")
    done = await carry.receive(transfer, received=2, damaged=1)
    assert done.status == "received"
    [line] = done.lines
    assert (line.dispatched, line.received, line.damaged, line.outstanding) == (5, 4, 1, 0)
    # Damaged units are nowhere on hand.
    assert await carry.counters() == ((5, 0), (5, 0))


async def test_closing_brings_back_what_was_returned_and_writes_off_what_is_lost(
    carry: Carrier,
) -> None:
    transfer = await carry.at("partly_received")
    done = await carry.close(transfer, returned=2, lost=1)
    [line] = done.lines
    assert (line.received, line.returned, line.lost, line.outstanding) == (2, 2, 1, 0)
    assert await carry.counters() == ((7, 0), (3, 0))
    page = await carry.depot.stock.movements(carry.depot.shop_id, MovementList())
    told = [(move.kind, move.delta, move.reason) for move in page.items if move.delta != 10]
    assert told[0] == ("transfer_return", 2, "the lorry burned")
    assert {move.cause_id for move in page.items[:3]} == {transfer.id}


async def test_closing_accounts_for_every_unit_or_does_nothing(carry: Carrier) -> None:
    transfer = await carry.at("in_transit")
    with pytest.raises(StillOutstanding) as short:
        await carry.close(transfer, returned=1, lost=3)
    assert short.value.fields["lines"] == [
        {"variant_id": str(variant("tea")), "requested": 4, "outstanding": 5}
    ]
    with pytest.raises(MoreThanOutstanding):
        await carry.close(transfer, returned=3, lost=3)
    assert await carry.now(transfer) == transfer


async def test_ready_names_what_is_short_and_who_holds_it(carry: Carrier) -> None:
    depot = carry.depot
    order = depot.asking(tea=7)
    await depot.reserve(order)
    other = await carry.at("draft", lines=lines(tea=2))
    await carry.take(other, "ready")
    transfer = await carry.draft(lines=lines(tea=2, cup=1))
    with pytest.raises(NotEnoughToMove) as caught:
        await carry.take(transfer, "ready")
    fields = caught.value.fields
    assert {line["variant_id"]: (line["requested"], line["free"]) for line in fields["lines"]} == {
        str(variant("tea")): (2, 1),
        str(variant("cup")): (1, 0),
    }
    assert [found["order_id"] for found in fields["orders"]] == [str(order.order_id)]
    assert [found["transfer_id"] for found in fields["transfers"]] == [str(other.id)]
    assert (await carry.now(transfer)).status == "draft"


async def test_ready_may_take_what_an_expired_hold_held(carry: Carrier) -> None:
    await carry.depot.reserve(carry.depot.asking(1, tea=10))
    await asyncio.sleep(1.05)
    transfer = await carry.draft()
    await carry.take(transfer, "ready")
    assert await carry.counters() == ((10, 5), (1, 0))


async def test_nobody_buys_or_adjusts_away_what_is_ready(carry: Carrier) -> None:
    depot = carry.depot
    transfer = await carry.at("ready")
    assert await depot.available("tea") == 6
    assert isinstance(await depot.reserve(depot.asking(tea=7)), OutOfStock)
    line = Adjustment(variant_id=variant("tea"), delta=-6)
    with pytest.raises(BelowPromised) as caught:
        await depot.stock.adjust(
            depot.shop_id, carry.north.id, Adjust(lines=[line], reason="gone"), cause()
        )
    assert caught.value.fields["orders"] == []
    assert caught.value.fields["transfers"] == [
        {
            "transfer_id": str(transfer.id),
            "variant_id": str(variant("tea")),
            "warehouse_id": str(carry.north.id),
            "status": "ready",
            "quantity": 5,
        }
    ]


async def test_what_is_incoming_is_not_for_sale(carry: Carrier) -> None:
    await carry.at("in_transit")
    assert await carry.depot.available("tea") == 6
    assert isinstance(await carry.depot.reserve(carry.depot.asking(tea=7)), OutOfStock)


async def test_inactive_warehouses_send_and_receive(carry: Carrier) -> None:
    await carry.depot.switch_off(carry.north)
    await carry.depot.switch_off(carry.south)
    transfer = await carry.at("in_transit")
    await carry.receive(transfer, 3)
    await carry.close(transfer, returned=2)
    assert await carry.counters() == ((7, 0), (4, 0))
    assert await carry.depot.available("tea") == 0


async def test_the_same_receipt_is_received_once(carry: Carrier) -> None:
    depot, transfer, own = carry.depot, await carry.at("in_transit"), cause()
    first = await depot.transfers.receive(depot.shop_id, transfer.id, arrived(2), own)
    await carry.receive(transfer, 1)
    again = await depot.transfers.receive(depot.shop_id, transfer.id, arrived(2), own)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.transfer == first.transfer
    with pytest.raises(IdempotencyKeyReused):
        await depot.transfers.receive(depot.shop_id, transfer.id, arrived(1), own)
    assert await carry.counters() == ((5, 0), (4, 2))


async def test_the_same_closing_and_the_same_draft_happen_once(carry: Carrier) -> None:
    depot, transfer, own = carry.depot, await carry.at("in_transit"), cause()
    first = await depot.transfers.close(depot.shop_id, transfer.id, gone(lost=5), own)
    again = await depot.transfers.close(depot.shop_id, transfer.id, gone(lost=5), own)
    assert (again.transfer, again.replayed) == (first.transfer, True)
    with pytest.raises(IdempotencyKeyReused):
        await depot.transfers.close(depot.shop_id, transfer.id, gone(returned=5), own)
    # Nor does a key of one call do for another.
    with pytest.raises(IdempotencyKeyReused):
        await depot.transfers.transfer(depot.shop_id, carry.asking(), own)
    own = cause()
    drafts = await asyncio.gather(
        *(depot.transfers.transfer(depot.shop_id, carry.asking(), own) for _ in range(10))
    )
    assert len({draft.transfer.id for draft in drafts}) == 1
    assert sum(not draft.replayed for draft in drafts) == 1
    with pytest.raises(IdempotencyKeyReused):
        await depot.transfers.transfer(depot.shop_id, carry.asking(lines=lines(tea=1)), own)


async def test_a_refused_receipt_may_be_sent_again_under_its_key(carry: Carrier) -> None:
    depot, own = carry.depot, cause()
    transfer = await carry.at("ready")
    with pytest.raises(StepNotAllowed):
        await depot.transfers.receive(depot.shop_id, transfer.id, arrived(2), own)
    await carry.take(transfer, "dispatch")
    told = await depot.transfers.receive(depot.shop_id, transfer.id, arrived(2), own)
    assert (told.transfer.status, told.replayed) == ("partly_received", False)


async def test_a_draft_is_given_other_lines_and_a_transfer_another_time(carry: Carrier) -> None:
    depot, transfer = carry.depot, await carry.draft(lines=lines(tea=5, cup=1))
    ask = TransferChange(lines=lines(pot=2, tea=1, pot_=1))
    changed = await depot.transfers.change(depot.shop_id, transfer.id, ask, cause())
    assert [(line.variant_id, line.quantity) for line in changed.lines] == [
        (variant("pot"), 2),
        (variant("tea"), 1),
        (variant("pot_"), 1),
    ]
    later = await carry.at("in_transit")
    when = datetime.now(UTC) + timedelta(days=1)
    ask = TransferChange(expected_at=when)
    changed = await depot.transfers.change(depot.shop_id, later.id, ask, cause())
    assert (changed.expected_at, changed.overdue, changed.lines) == (when, False, later.lines)
    ask = TransferChange(lines=lines(tea=1))
    with pytest.raises(StepNotAllowed):
        await depot.transfers.change(depot.shop_id, later.id, ask, cause())
    with pytest.raises(InvalidInput):
        await depot.transfers.change(depot.shop_id, later.id, TransferChange(), cause())


async def test_overdue_is_what_should_have_arrived_by_now(carry: Carrier) -> None:
    depot, past = carry.depot, datetime.now(UTC) - timedelta(hours=1)
    late = await carry.at("in_transit", expected_at=past, lines=lines(tea=5))
    await carry.at("draft", expected_at=past)
    await carry.at("in_transit", expected_at=past + timedelta(days=1))
    assert late.overdue
    page = await depot.transfers.list_transfers(depot.shop_id, TransferList(overdue=True))
    assert [found.id for found in page.items] == [late.id]
    await carry.receive(late, 5)
    page = await depot.transfers.list_transfers(depot.shop_id, TransferList(overdue=True))
    assert page.items == []


async def test_a_transfer_may_be_expected_when_it_leaves(carry: Carrier) -> None:
    depot, transfer = carry.depot, await carry.at("ready")
    ask = DispatchTransfer(expected_at=datetime.now(UTC) - timedelta(hours=1))
    sent = await depot.transfers.dispatch(depot.shop_id, transfer.id, ask, cause())
    assert (sent.expected_at, sent.overdue) == (ask.expected_at, True)


async def test_transfers_are_listed_by_status_and_warehouse_page_by_page(carry: Carrier) -> None:
    depot = carry.depot
    [west] = await depot.open("west")
    drafts = [await carry.draft() for _ in range(3)]
    elsewhere = await carry.draft(to_warehouse_id=west.id)
    moved = (
        await carry.depot.transfers.transfer(depot.shop_id, carry.asking(immediate=True), cause())
    ).transfer

    async def ids(**filters: object) -> list[UUID]:
        seen: list[UUID] = []
        cursor = None
        while True:
            ask = TransferList.model_validate({**filters, "limit": 2, "cursor": cursor})
            page = await depot.transfers.list_transfers(depot.shop_id, ask)
            seen += [found.id for found in page.items]
            cursor = page.next
            if cursor is None:
                return seen

    newest = [moved.id, elsewhere.id, *(draft.id for draft in reversed(drafts))]
    assert await ids() == newest
    assert await ids(status="received") == [moved.id]
    assert await ids(status="draft") == newest[1:]
    assert await ids(warehouse_id=west.id) == [elsewhere.id]
    assert await ids(warehouse_id=carry.north.id) == newest
    other = Depot(depot.database)
    assert (await other.transfers.list_transfers(other.shop_id, TransferList())).items == []


async def test_the_history_says_who_did_what_when_and_why(carry: Carrier) -> None:
    transfer = await carry.at("partly_received", reason="summer sale")
    done = await carry.close(transfer, lost=3)
    assert [(s.sequence, s.step, s.from_status, s.to_status, s.reason) for s in done.history] == [
        (1, "create", None, "draft", "summer sale"),
        (2, "ready", "draft", "ready", None),
        (3, "dispatch", "ready", "in_transit", None),
        (4, "receive", "in_transit", "partly_received", "lorry 7"),
        (5, "close", "partly_received", "closed_short", "the lorry burned"),
    ]
    assert [line.lost for line in done.history[-1].lines] == [3]
    times = [step.occurred_at for step in done.history]
    assert times == sorted(times)


@pytest.mark.parametrize("verb", ["UPDATE {} SET reason = null", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_database_refuses_to_change_the_history(carry: Carrier, verb: str) -> None:
    await carry.draft()
    statement = verb.format("warehouses.transfer_steps")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await carry.depot.database.transaction(lambda connection: connection.execute(statement))


async def test_what_is_not_there_or_another_shops_is_not_found(carry: Carrier) -> None:
    transfer = await carry.at("ready")
    other = Depot(carry.depot.database)
    [theirs] = await other.open("theirs")
    with pytest.raises(NoSuchTransfer):
        await other.transfers.get(other.shop_id, transfer.id)
    with pytest.raises(NoSuchTransfer):
        await other.transfers.ready(other.shop_id, transfer.id, cause())
    with pytest.raises(NoSuchTransfer):
        await carry.depot.transfers.get(carry.depot.shop_id, new_id())
    with pytest.raises(NoSuchWarehouse):
        await carry.draft(to_warehouse_id=theirs.id)
    with pytest.raises(InvalidInput):
        await carry.draft(to_warehouse_id=carry.north.id)
    with pytest.raises(InvalidInput):
        await carry.draft(immediate=True, expected_at=datetime.now(UTC))
