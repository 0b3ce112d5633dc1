"""Random lives of transfers on the real database, with buyers and clerks between their steps."""

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstock.audit.service import audit, report
from lockstock.kernel.database import Database
from lockstock.kernel.errors import Refusal
from lockstock.warehouses.contract import Line, Warehouse
from lockstock.warehouses.reservations.contract import Reservation
from lockstock.warehouses.stock.contract import Adjust, Adjustment
from lockstock.warehouses.transfers import rules
from lockstock.warehouses.transfers.contract import (
    CancelTransfer,
    ClosedLine,
    CloseTransfer,
    DispatchTransfer,
    NewTransfer,
    ReceivedLine,
    ReceiveTransfer,
    StepLine,
    Transfer,
    TransferChange,
    TransferLine,
)
from tests.warehouses.depot import Depot, cause, variant

GOODS = ("tea", "cup")
STEPS = ("ready", "dispatch", "receive", "close", "cancel", "change")
# Most take the way to the end; some of each kind is tried anywhere.
OFTEN = (*STEPS, *("ready", "dispatch", "receive") * 3)
ACTS = ("draft", "buy", "adjust", *("step",) * 8)


class Floor:
    """Three warehouses, one of them inactive, and whoever walks about in them by chance."""

    def __init__(self, depot: Depot, chance: random.Random) -> None:
        self.depot = depot
        self.chance = chance
        self.warehouses: list[Warehouse] = []
        self.transfers: list[Transfer] = []
        self.done: Counter[str] = Counter()

    async def open(self) -> None:
        """Open the warehouses and fill them."""
        self.warehouses = await self.depot.open("north", "south", "west")
        for warehouse in self.warehouses:
            await self.depot.receive(warehouse, tea=8, cup=8)
        await self.depot.switch_off(self.warehouses[2])

    async def act(self, what: str) -> None:
        """Do one thing. A refusal is an answer like any other."""
        try:
            await getattr(self, what)()
        except Refusal as refusal:
            self.done[refusal.code] += 1
        else:
            self.done[what] += 1

    async def draft(self) -> None:
        """Draft a transfer, or move at once."""
        source, target = self.chance.sample(self.warehouses, 2)
        ask = NewTransfer(
            from_warehouse_id=source.id,
            to_warehouse_id=target.id,
            lines=self._lines(),
            immediate=self.chance.random() < 0.1,
        )
        told = await self.depot.transfers.transfer(self.depot.shop_id, ask, cause())
        self.transfers.append(told.transfer)

    async def step(self) -> None:
        """Take some step on some transfer."""
        if not self.transfers:
            return
        transfer = self.chance.choice(self.transfers[-4:])
        name = self.chance.choice(OFTEN)
        verb: Any = getattr(self.depot.transfers, name)
        asked: dict[str, Callable[[], tuple[object, ...]]] = {
            "ready": lambda: (),
            "dispatch": lambda: (DispatchTransfer(),),
            "cancel": lambda: (CancelTransfer(),),
            "change": lambda: (TransferChange(lines=self._lines()),),
            "receive": lambda: (self._arrived(),),
        }
        ask = asked[name]() if name in asked else (await self._gone(transfer),)
        await verb(self.depot.shop_id, transfer.id, *ask, cause())
        self.done[f"to take the step {name}"] += 1

    async def buy(self) -> None:
        """Order something; perhaps pay, perhaps give up."""
        answer = await self.depot.reserve(self.depot.asking(tea=self.chance.randint(1, 3)))
        if isinstance(answer, Reservation):
            end = self.chance.choice(["commit", "release", "commit", "sweep"])
            if end != "sweep":
                await getattr(self.depot.reservations, end)(self.depot.shop_id, [answer.order_id])

    async def adjust(self) -> None:
        """Find something more or less."""
        line = Adjustment(variant_id=variant("tea"), delta=self.chance.choice([-2, -1, 1]))
        ask = Adjust(lines=[line], reason="looked again")
        await self.depot.stock.adjust(
            self.depot.shop_id, self.chance.choice(self.warehouses).id, ask, cause()
        )

    def _lines(self) -> list[Line]:
        names = self.chance.choices(GOODS, k=self.chance.randint(1, 3))
        return [
            Line(variant_id=variant(name), quantity=self.chance.randint(1, 4)) for name in names
        ]

    def _arrived(self) -> ReceiveTransfer:
        return ReceiveTransfer(
            lines=[
                ReceivedLine(
                    variant_id=variant(self.chance.choice(GOODS)),
                    received=self.chance.randint(0, 2),
                    damaged=self.chance.randint(0, 1),
                )
            ]
        )

    async def _gone(self, transfer: Transfer) -> CloseTransfer:
        now = await self.depot.transfers.get(self.depot.shop_id, transfer.id)
        lines = []
        for line in now.lines:
            back = self.chance.randint(0, line.outstanding)
            lost = line.outstanding - back
            lines.append(ClosedLine(variant_id=line.variant_id, returned=back, lost=lost))
        return CloseTransfer(lines=lines, reason="gave up waiting")


async def check_sound(database: Database) -> None:
    """Check that every invariant holds."""
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def walk(depot: Depot, chance: random.Random) -> Counter[str]:
    """Walk about for a while; return what was done how often."""
    floor = Floor(depot, chance)
    await floor.open()
    for _ in range(120):
        await floor.act(chance.choice(ACTS))
    return floor.done


async def test_a_long_walk_takes_all_roads_and_keeps_every_invariant(database: Database) -> None:
    chance = random.Random(17)
    done: Counter[str] = Counter()
    for _ in range(4):
        done += await walk(Depot(database), chance)
        await check_sound(database)
    # It walked all roads, and was refused on them too.
    assert all(done[f"to take the step {step}"] for step in STEPS), done
    assert {"step_not_allowed", "not_enough_to_move", "more_than_outstanding"} <= done.keys(), done


@pytest.mark.parametrize("forgotten", ["damaged", "lost", "returned"])
async def test_a_walk_finds_units_that_are_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    right = rules._after  # noqa: SLF001 (broken on purpose)

    def after(before: Any, parts: dict[Any, StepLine]) -> list[TransferLine]:
        wrong = {key: part.model_copy(update={forgotten: 0}) for key, part in parts.items()}
        return right(before, wrong)

    monkeypatch.setattr(rules, "_after", after)
    chance = random.Random(17)
    # Where the database itself refuses what comes of it, the walk ends there.
    with suppress(asyncpg.CheckViolationError):
        for _ in range(4):
            await walk(Depot(database), chance)
    found = {f.invariant.name for f in (await audit(database)).findings if f.rows}
    assert found & {"I4", "I17", "I17a"}


# Each example has a shop of its own, so that one database does for all of them.
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=5, max_size=40), chance=st.randoms())
async def test_random_lives_keep_every_invariant(
    database: Database, acts: list[str], chance: random.Random
) -> None:
    floor = Floor(Depot(database), chance)
    await floor.open()
    for act in acts:
        await floor.act(act)
    await check_sound(database)
