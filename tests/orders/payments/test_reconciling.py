"""What never arrived is found: payments are looked up, and closed where nobody needs them."""

from typing import Any

import pytest

from lockstock.orders.payments.lookups.service import LookUpsService
from tests.orders.payments.till import Till, answered


async def look_ups(till: Till) -> list[tuple[int, float | None]]:
    """How often each payment was looked up, and in how many seconds it is due again."""
    rows = await till.rows(
        "SELECT look_ups, extract(epoch FROM look_up_at - statement_timestamp())::float8"
        " AS seconds FROM orders.payments ORDER BY created_at, id"
    )
    return [(row["look_ups"], row["seconds"]) for row in rows]


async def test_nobody_is_asked_before_its_time(till: Till) -> None:
    order = await till.place()
    await till.tell(await till.start(order), lose=True)
    await till.work()
    [(times, seconds)] = await look_ups(till)
    assert times == 0
    assert seconds is not None
    assert 200 < seconds <= 300
    assert (await till.order(order))["status"] == "awaiting_payment"


async def test_lost_money_is_found_once(till: Till) -> None:
    order = await till.place()
    payment = await till.start(order)
    await till.tell(payment, lose=True)
    await till.later(look_up=True)
    assert await till.stands(order) == ("paid", ["captured"], [])
    await till.tell(payment)
    assert await till.outcomes() == ["pay", "nothing"]
    assert await look_ups(till) == [(1, None)]


async def test_asking_backs_off(till: Till) -> None:
    await till.start(await till.place())
    due = []
    for _ in range(12):
        await till.run("UPDATE orders.payments SET look_up_at = statement_timestamp()")
        await till.work()
        due.append((await look_ups(till))[0][1])
    waits = [round(seconds / 60) for seconds in due if seconds is not None]
    assert waits[:4] == [10, 20, 40, 80]
    assert waits[-1] == 24 * 60


async def test_money_lost_before_the_deadline_is_found_right_after_it(till: Till) -> None:
    """The attempt is closed when its order expires, and what was taken is found in doing so."""
    order = await till.place()
    await till.tell(await till.start(order), lose=True)
    await till.pass_deadline(order)
    await till.work()
    assert await till.stands(order) == ("paid", ["captured"], [])
    assert (await till.order(order))["late"] is True


async def test_open_attempts_are_closed_when_one_has_the_money(till: Till) -> None:
    order = await till.place()
    attempts = [await till.start(order) for _ in range(3)]
    await till.tell(attempts[1])
    await till.later()
    assert await till.stands(order) == ("paid", ["cancelled", "captured", "cancelled"], [])
    for attempt in attempts:
        answer = await till.client.get(
            f"/v1/sandbox/payments/{attempt['id']}", headers={"Accept": "text/html"}
        )
        assert "cancelled" in answer.text or attempt is attempts[1]
    assert [item for _, item in await look_ups(till)] == [None, None, None]


async def test_a_provider_that_is_away_stops_nobody(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [await till.place(), await till.place()]
    payments = [await till.start(order) for order in orders]
    for payment in payments:
        await till.tell(payment, lose=True)
    sandbox = till.services.payments.providers["sandbox"]
    real = sandbox.look_up

    async def half_away(payment: Any) -> Any:
        if str(payment.id) == payments[0]["id"]:
            raise OSError("away")
        return await real(payment)

    monkeypatch.setattr(sandbox, "look_up", half_away)
    await till.later(look_up=True)
    assert [(await till.order(order))["status"] for order in orders] == [
        "awaiting_payment",
        "paid",
    ]
    monkeypatch.undo()
    await till.later(look_up=True)
    assert (await till.order(orders[0]))["status"] == "paid"


async def test_no_transaction_is_open_while_a_provider_is_asked(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one connection of the pool is in use while it answers."""
    order = await till.place()
    await till.tell(await till.start(order), lose=True)
    pool = till.services.payments.database._pool  # noqa: SLF001 (to see who holds connections)
    busy: list[int] = []
    sandbox = till.services.payments.providers["sandbox"]
    real = sandbox.look_up

    async def watched(payment: Any) -> Any:
        busy.append(pool.get_size() - pool.get_idle_size())
        return await real(payment)

    monkeypatch.setattr(sandbox, "look_up", watched)
    await till.later(look_up=True)
    assert busy
    assert set(busy) == {0}


async def test_a_round_is_bounded_in_time(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await till.tell(await till.start(await till.place()), lose=True)
    monkeypatch.setattr("lockstock.orders.payments.lookups.service.ROUND_SECONDS", 0.0)
    await till.run("UPDATE orders.payments SET look_up_at = statement_timestamp()")
    await till.work()
    assert [times for times, _ in await look_ups(till)] == [0, 0, 0]
    monkeypatch.undo()
    assert isinstance(till.services.payments.look_ups, LookUpsService)
    await till.work()
    assert [times for times, _ in await look_ups(till)] == [1, 1, 1]


async def test_two_workers_ask_once(till: Till) -> None:
    order = await till.place()
    await till.tell(await till.start(order), lose=True)
    await till.run("UPDATE orders.payments SET look_up_at = statement_timestamp()")
    await till.work()
    await till.work()
    assert (await till.stands(order))[0] == "paid"
    assert [times for times, _ in await look_ups(till)] == [1]


async def test_an_attempt_of_a_cancelled_order_is_closed(till: Till) -> None:
    order = await till.place()
    await till.start(order)
    answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    await till.later()
    assert await till.stands(order) == ("cancelled", ["cancelled"], [])
