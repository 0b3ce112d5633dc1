"""Reservations on the real database: held, committed, released, expired."""

import asyncio

from lockstock.kernel.ids import new_id
from lockstock.warehouses.reservations.contract import (
    OutOfStock,
    Reservation,
    ReservationExpired,
    ReservationMismatch,
    ReservationReleased,
)
from lockstock.warehouses.shipping.contract import NotCommitted, NotShipped, PutBack, Shipment
from tests.warehouses.depot import Depot, cause, variant


async def held(depot: Depot, seconds: int = 600, **units: int) -> Reservation:
    found = await depot.reserve(depot.asking(seconds, None, **units))
    assert isinstance(found, Reservation), found
    return found


async def test_a_reservation_takes_all_lines_or_none(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5, cup=1)
    refused = await depot.reserve(depot.asking(tea=1, cup=2))
    assert isinstance(refused, OutOfStock)
    assert (await depot.available("tea"), await depot.available("cup")) == (5, 1)
    await held(depot, tea=5, cup=1)
    assert (await depot.available("tea"), await depot.available("cup")) == (0, 0)


async def test_the_same_order_gets_the_same_reservation(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    ask = depot.asking(tea=2)
    first = await depot.reserve(ask)
    assert await depot.reserve(ask) == first
    assert await depot.reservations.reserve(depot.shop_id, [ask, ask]) == [first, first]
    assert await depot.available("tea") == 3


async def test_the_same_order_with_other_lines_is_refused(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    ask = depot.asking(tea=2)
    await depot.reserve(ask)
    other = ask.model_copy(update={"lines": depot.asking(tea=3).lines})
    assert isinstance(await depot.reserve(other), ReservationMismatch)
    assert await depot.available("tea") == 3


async def test_lines_of_one_variant_are_summed(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    ask = depot.asking(tea=3)
    twice = ask.model_copy(update={"lines": ask.lines * 2})
    assert isinstance(await depot.reserve(twice), OutOfStock)
    assert await depot.available("tea") == 5


async def test_a_batch_serves_first_come_first_served_and_refuses_each_for_itself(
    depot: Depot,
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    asks = [depot.asking(tea=4), depot.asking(tea=2), depot.asking(tea=1)]
    answers = await depot.reservations.reserve(depot.shop_id, asks)
    assert [type(answer) for answer in answers] == [Reservation, OutOfStock, Reservation]
    assert await depot.available("tea") == 0


async def test_an_order_is_split_over_warehouses_when_it_must(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=3)
    await depot.receive(south, tea=4)
    found = await held(depot, tea=6)
    assert {a.warehouse_id: a.quantity for a in found.allocations} == {north.id: 3, south.id: 3}


async def test_a_hold_past_its_deadline_is_free_for_readers_and_buyers_without_a_sweep(
    depot: Depot,
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    first = await held(depot, 1, tea=5)
    assert await depot.available("tea") == 0
    assert isinstance(await depot.reserve(depot.asking(tea=1)), OutOfStock)
    await asyncio.sleep(1.05)
    assert await depot.available("tea") == 5
    row = await depot.row(main, "tea")
    assert (row.held, row.available) == (0, 5)
    await held(depot, tea=5)
    [ended] = await depot.reservations.reservations(depot.shop_id, [first.order_id])
    assert ended is not None
    assert ended.status == "expired"


async def test_a_buyer_frees_only_what_he_needs_and_the_sweeper_tidies_the_rest(
    depot: Depot,
) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=1, cup=1)
    first = await held(depot, 1, tea=1, cup=1)
    await asyncio.sleep(1.05)
    await held(depot, tea=1)
    assert await depot.available("cup") == 1
    assert isinstance((await commit(depot, first)), ReservationExpired)
    assert await depot.reservations.sweep(100) == 1
    assert await depot.reservations.sweep(100) == 0
    row = await depot.row(main, "cup")
    assert (row.on_hand, row.held, row.available) == (1, 0, 1)


async def commit(depot: Depot, found: Reservation) -> object:
    [answer] = await depot.reservations.commit(depot.shop_id, [found.order_id])
    return answer


async def test_commit_promises_firmly_and_again_changes_nothing(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    first = await held(depot, tea=2)
    done = await commit(depot, first)
    assert isinstance(done, Reservation)
    assert done.status == "committed"
    assert await commit(depot, first) == done
    row = await depot.row(main, "tea")
    assert (row.held, row.committed, row.available) == (0, 2, 3)


async def test_commit_is_refused_past_the_deadline_and_after_release(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    late, gone = await held(depot, 1, tea=1), await held(depot, tea=1)
    await depot.reservations.release(depot.shop_id, [gone.order_id])
    await asyncio.sleep(1.05)
    assert isinstance(await commit(depot, late), ReservationExpired)
    assert isinstance(await commit(depot, gone), ReservationReleased)
    [unknown] = await depot.reservations.commit(depot.shop_id, [new_id()])
    assert isinstance(unknown, ReservationReleased)


async def test_release_frees_what_was_held_and_what_was_committed(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    one, two = await held(depot, tea=2), await held(depot, tea=2)
    await commit(depot, two)
    ids = [one.order_id, two.order_id, new_id(), one.order_id]
    done = await depot.reservations.release(depot.shop_id, ids)
    assert [found and found.status for found in done] == ["released", "released", None, "released"]
    assert await depot.reservations.release(depot.shop_id, ids) == done
    assert await depot.available("tea") == 5


async def test_expiry_leaves_alone_what_is_committed_or_still_in_time(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=9)
    paid, open_, late = [await held(depot, seconds, tea=1) for seconds in (1, 600, 1)]
    await commit(depot, paid)
    await asyncio.sleep(1.05)
    ids = [paid.order_id, open_.order_id, late.order_id, new_id()]
    done = await depot.reservations.expire(depot.shop_id, ids)
    assert [found and found.status for found in done] == ["committed", "held", "expired", None]
    assert await depot.available("tea") == 7


async def test_an_expired_order_can_take_its_stock_again_as_a_new_attempt(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=2)
    ask = depot.asking(1, tea=2)
    await depot.reserve(ask)
    await asyncio.sleep(1.05)
    still = await depot.reserve(ask)
    assert isinstance(still, Reservation)
    assert still.status == "expired"
    again = await depot.reserve(ask.model_copy(update={"again": True, "seconds": 60}))
    assert isinstance(again, Reservation)
    assert (again.attempt, again.status) == (2, "held")
    done = await commit(depot, again)
    assert isinstance(done, Reservation)
    assert done.status == "committed"


async def test_no_stock_is_taken_from_a_warehouse_that_is_off(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=3)
    await depot.receive(south, tea=4)
    kept = await held(depot, tea=4)
    await depot.switch_off(south)
    assert await depot.available("tea") == 3
    assert isinstance(await depot.reserve(depot.asking(tea=4)), OutOfStock)
    assert isinstance(await commit(depot, kept), Reservation)
    assert (await depot.row(south, "tea")).on_hand == 4


async def test_an_empty_batch_is_harmless(depot: Depot) -> None:
    assert await depot.reservations.reserve(depot.shop_id, []) == []
    assert await depot.reservations.commit(depot.shop_id, []) == []
    assert await depot.reservations.release(depot.shop_id, []) == []


async def test_units_are_shipped_once_and_only_when_committed(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    first = await held(depot, tea=3)
    ask = Shipment(shipment_id=new_id(), order_id=first.order_id, parts=first.allocations)
    [early] = await depot.shipping.ship(depot.shop_id, [ask], cause())
    assert isinstance(early, NotCommitted)
    await commit(depot, first)
    [rows] = await depot.shipping.ship(depot.shop_id, [ask], cause())
    assert isinstance(rows, list)
    assert [(r.on_hand, r.committed, r.available) for r in rows] == [(2, 0, 2)]
    assert await depot.shipping.ship(depot.shop_id, [ask], cause()) == [rows]
    again = ask.model_copy(update={"shipment_id": new_id()})
    [more] = await depot.shipping.ship(depot.shop_id, [again], cause())
    assert isinstance(more, NotCommitted)
    assert (await depot.row(main, "tea")).on_hand == 2


async def test_units_come_back_once_and_only_as_many_as_went_out(depot: Depot) -> None:
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=5)
    first = await held(depot, tea=3)
    await commit(depot, first)
    [part] = first.allocations
    sent = part.model_copy(update={"quantity": 2})
    out = Shipment(shipment_id=new_id(), order_id=first.order_id, parts=[sent])
    await depot.shipping.ship(depot.shop_id, [out], cause())
    elsewhere = part.model_copy(update={"warehouse_id": south.id, "quantity": 2})
    back = PutBack(return_id=new_id(), order_id=first.order_id, parts=[elsewhere])
    for _ in range(2):
        [rows] = await depot.shipping.put_back(depot.shop_id, [back], cause())
        assert isinstance(rows, list)
    assert (await depot.row(south, "tea")).on_hand == 2
    again = back.model_copy(update={"return_id": new_id()})
    [more] = await depot.shipping.put_back(depot.shop_id, [again], cause())
    assert isinstance(more, NotShipped)
    assert variant("tea") == part.variant_id


async def test_releasing_after_a_partial_shipment_frees_only_the_rest(depot: Depot) -> None:
    [main] = await depot.open("main")
    await depot.receive(main, tea=5)
    first = await held(depot, tea=3)
    await commit(depot, first)
    [part] = first.allocations
    sent = part.model_copy(update={"quantity": 1})
    out = Shipment(shipment_id=new_id(), order_id=first.order_id, parts=[sent])
    await depot.shipping.ship(depot.shop_id, [out], cause())
    await depot.reservations.release(depot.shop_id, [first.order_id])
    row = await depot.row(main, "tea")
    assert (row.on_hand, row.committed, row.available) == (4, 0, 4)
