"""A dry run answers what the real run then does: over many random states of a shop."""

import random
from collections import Counter
from typing import Any, get_args

import pytest

from lockstock.kernel.ids import new_id
from lockstock.warehouses.contract import (
    Allocation,
    AllocationPolicy,
    Deactivate,
    Location,
    NewWarehouse,
    Strategy,
    Warehouse,
)
from lockstock.warehouses.reallocation import service as reallocation
from lockstock.warehouses.reservations.contract import Reservation, Reserve
from lockstock.warehouses.shipping.contract import Shipment
from lockstock.warehouses.stock.rules import Place
from tests.warehouses.depot import Depot, cause
from tests.warehouses.reallocation.states import past_deadline, snapshot

NAMES = ("tea", "cup", "pot")
STATES = 15


def place(dice: random.Random) -> Location | None:
    """Somewhere, or nowhere that is known."""
    known = dice.random() < 0.7
    return (
        Location(latitude=dice.uniform(-60, 60), longitude=dice.uniform(-180, 180))
        if known
        else None
    )


async def random_shop(depot: Depot, dice: random.Random) -> list[Warehouse]:
    """Open warehouses, sell from them, pay, ship in part, let holds end, switch some off."""
    asks = [
        NewWarehouse(name="W", priority=dice.randrange(3), location=place(dice)) for _ in range(4)
    ]
    warehouses = await depot.warehouses.open(depot.shop_id, asks, [new_id() for _ in asks])
    # Most is promised from the first one; elsewhere is room for some of it.
    await stock_up(depot, dice, warehouses[:1], 40)
    await stock_up(depot, dice, warehouses[1:], 5)
    sold = [ask for _ in range(40) if (ask := await sell(depot, dice)) is not None]
    for ask in sold:
        if dice.random() < 0.5:
            [answer] = await depot.reservations.commit(depot.shop_id, [ask.order_id])
            if isinstance(answer, Reservation) and dice.random() < 0.5:
                await ship_some(depot, dice, answer)
        elif dice.random() < 0.3:
            await past_deadline(depot.database, ask.order_id)
        elif dice.random() < 0.1:
            await depot.reservations.release(depot.shop_id, [ask.order_id])
    await stock_up(depot, dice, warehouses[1:], 9)
    for warehouse in warehouses[2:]:
        if dice.random() < 0.3:
            await depot.switch_off(warehouse)
    return warehouses


async def stock_up(
    depot: Depot, dice: random.Random, warehouses: list[Warehouse], most: int
) -> None:
    """Receive a few units of some variants."""
    for warehouse in warehouses:
        units = {name: dice.randint(1, most) for name in NAMES if dice.random() < 0.8}
        if units:
            await depot.receive(warehouse, **units)


async def sell(depot: Depot, dice: random.Random) -> Reserve | None:
    """Reserve for a random order; None where it is refused."""
    units = {name: dice.randint(1, 4) for name in NAMES if dice.random() < 0.5} or {"tea": 1}
    ask = depot.asking(seconds=600, order_id=None, **units).model_copy(
        update={"destination": place(dice), "strategy": dice.choice(get_args(Strategy))}
    )
    return ask if isinstance(await depot.reserve(ask), Reservation) else None


async def ship_some(depot: Depot, dice: random.Random, order: Reservation) -> None:
    """Send out some of the units of an order."""
    parts = [
        Allocation(
            warehouse_id=part.warehouse_id,
            variant_id=part.variant_id,
            quantity=dice.randint(1, part.quantity),
        )
        for part in order.allocations
        if dice.random() < 0.6
    ]
    if parts:
        ask = Shipment(shipment_id=new_id(), order_id=order.order_id, parts=parts)
        [answer] = await depot.shipping.ship(depot.shop_id, [ask], cause())
        assert not isinstance(answer, Exception)


async def look_then_leave(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each state: what is foreseen is what happens, and foreseeing it changes nothing."""
    # A few in each transaction, so that each of them finds what those before it have left.
    monkeypatch.setattr(reallocation, "BATCH", 3)
    moved = stranded = 0
    for seed in range(STATES):
        dice = random.Random(seed)
        shop = Depot(depot.database)
        leaving = (await random_shop(shop, dice))[0]
        policy = AllocationPolicy(
            strategy=dice.choice(get_args(Strategy)), may_split=dice.random() < 0.7
        )
        before = await snapshot(shop)
        dry = Deactivate(promises="reallocate", dry_run=True)
        foreseen = await shop.warehouses.deactivate(shop.shop_id, leaving.id, dry, policy)
        assert await snapshot(shop) == before, seed
        real = Deactivate(promises="reallocate")
        done = await shop.warehouses.deactivate(shop.shop_id, leaving.id, real, policy)
        assert foreseen.model_copy(update={"dry_run": False}) == done, seed
        again = await shop.warehouses.deactivate(shop.shop_id, leaving.id, real, policy)
        # What could not move cannot move now either, and nothing has moved twice.
        assert not set(again.moved) & set(done.moved)
        assert set(again.stranded) <= set(done.stranded)
        assert again.kept_orders == len(again.stranded)
        moved += len(done.moved)
        stranded += len(done.stranded)
    # The states are such that both happen a lot.
    assert moved > STATES
    assert stranded > STATES


async def test_a_dry_run_foresees_what_the_real_run_does(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    await look_then_leave(depot, monkeypatch)


async def test_a_dry_run_that_forgot_what_it_had_given_away_would_be_found_out(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(Counter[Place]):
        def update(self, *_args: Any, **_units: int) -> None:
            """Forget it."""

    monkeypatch.setattr(reallocation, "Counter", Forgetful)
    with pytest.raises(AssertionError):
        await look_then_leave(depot, monkeypatch)
