"""Kills a story at one of its steps, by an exception in its place, and looks at what is left."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lockstock.kernel.database import Database
from lockstock.orders import store as orders_store
from lockstock.orders.actions import store as actions_store
from lockstock.orders.endings import store as endings_store
from lockstock.orders.payments import store as payments_store
from lockstock.orders.payments.inbox import store as inbox_store
from lockstock.orders.payments.refunds import store as refunds_store
from lockstock.orders.returns import store as returns_store
from lockstock.orders.shipments import store as shipments_store
from tests.orders.market import Market

# Whose function, its name, and whether it dies after it.
Step = tuple[str, str, bool]


class Died(BaseException):
    """The process died here. Nothing that catches an Exception sees it."""


class Fault:
    """Lets a function die, once: before it did anything, or after it did all of it."""

    def __init__(self, patch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
        self.hit = False
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def dying(*args: Any, **kwargs: Any) -> Any:
            if self.hit:
                return await original(*args, **kwargs)
            self.hit = True
            if after:
                await original(*args, **kwargs)
            raise Died

        patch.setattr(owner, name, dying)


def both(*steps: tuple[str, str]) -> list[Step]:
    """Each step, dying before it and after it."""
    return [(owner, name, after) for owner, name in steps for after in (False, True)]


def owner_of(market: Market, name: str) -> Any:
    """The object that a step belongs to: of the market, or a store."""
    stores = {
        "orders_store": orders_store,
        "endings_store": endings_store,
        "actions_store": actions_store,
        "payments_store": payments_store,
        "inbox_store": inbox_store,
        "refunds_store": refunds_store,
        "returns_store": returns_store,
        "shipments_store": shipments_store,
    }
    return stores[name] if name in stores else getattr(market, name)


Story = Callable[[], Awaitable[Any]]


async def die_at(market: Market, patch: pytest.MonkeyPatch, step: Step, story: Story) -> None:
    """Run the story until it dies at the step. What is left behind breaks no invariant."""
    owner, name, after = step
    with patch.context() as killing:
        fault = Fault(killing, owner_of(market, owner), name, after=after)
        with pytest.raises(Died):
            await story()
        assert fault.hit
    await market.check()


Killed = Callable[[Market, pytest.MonkeyPatch, Step, str], Awaitable[None]]
Test = Callable[[Database, pytest.MonkeyPatch], Awaitable[None]]


def killed_at(steps: list[Step], *followers: str) -> Callable[[Killed], Test]:
    """Make a test that tells the story once per step and follower, each time in a new shop."""

    def make(story: Killed) -> Test:
        async def test(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
            for step in steps:
                for follower in followers or ("",):
                    market = await Market(database).open()
                    try:
                        await story(market, monkeypatch, step, follower)
                        await market.check()
                    except BaseException as error:
                        error.add_note(f"died at {step}, followed by {follower}")
                        raise

        test.__doc__ = story.__doc__
        return test

    return make
