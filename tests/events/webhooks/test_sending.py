"""Sending: what, from when, in which order, how often; and who is switched off."""

import httpx2
from hypothesis import given
from hypothesis import strategies as st

from lockstock.app import Services
from lockstock.events.webhooks.rules import JITTER, delay_seconds
from lockstock.kernel.ids import new_id
from tests.events.webhooks.desk import Desk, at
from tests.shops.people import shop_of, somebody

PATIENCE_SECONDS = 60


async def test_what_happens_in_a_shop_reaches_its_webhook(desk: Desk) -> None:
    """From the change to the receiver, which verifies it and finds it in the log."""
    made = await desk.make(kinds=["shop.changed"])
    shop = f"/v1/shops/{desk.shop_id}"
    answer = await desk.client.patch(shop, json={"name": "New name"}, headers=desk.headers)
    assert answer.status_code == 200
    await desk.services.relay.drain()
    await desk.send()
    [got] = desk.receiver.got
    event = got.verified_by(made["secret"])
    assert event["kind"] == "shop.changed"
    log = await desk.client.get(f"{shop}/events?kind=shop.changed", headers=desk.headers)
    assert log.json()["items"] == [event]
    assert got.headers["webhook-id"] == event["id"]
    [delivery] = await desk.deliveries(made)
    assert (delivery["status"], delivery["event_id"]) == ("delivered", event["id"])
    assert delivery["sequence"] == event["sequence"]


async def test_a_webhook_is_told_of_what_it_wants_from_when_it_was_made(desk: Desk) -> None:
    before = await desk.paid(2)
    some = await desk.make(kinds=["order.paid"])
    everything = await desk.make(url=desk.receiver.url("/all"))
    after = await desk.tell(("order.paid", new_id()), ("order.cancelled", new_id()))
    await desk.send()
    got = {path: [] for path in ("/hook", "/all")}  # type: dict[str, list[str]]
    for received in desk.receiver.got:
        got[received.path].append(received.event["id"])
    assert got["/hook"] == after[:1]
    assert sorted(got["/all"]) == sorted(after)
    assert not set(before) & set(got["/all"])
    assert len(await desk.deliveries(some)) == 1
    assert len(await desk.deliveries(everything)) == 2


async def test_another_shops_events_are_none_of_its_business(
    desk: Desk, client: httpx2.AsyncClient
) -> None:
    other = somebody()
    shop = await shop_of(client, other, "Another shop")
    theirs = Desk(client, desk.services, desk.receiver, shop["id"], other.headers)
    await desk.make()
    own = await theirs.make(url=desk.receiver.url("/theirs"))
    ids = await desk.paid(2)
    await desk.send()
    assert sorted(event["id"] for event in desk.receiver.events) == sorted(ids)
    assert {received.path for received in desk.receiver.got} == {"/hook"}
    assert await theirs.deliveries(own) == []


async def test_the_next_event_of_an_order_waits_for_the_one_before(desk: Desk) -> None:
    """Other orders do not wait, and given up is as good as delivered for those behind."""
    made = await desk.make()
    one, other = new_id(), new_id()
    desk.receiver.manners.append(500)
    first = await desk.tell(("order.placed", one))
    await desk.send()
    rest = await desk.tell(("order.paid", one), ("order.placed", other), ("order.shipped", one))
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == [*first, rest[1]]
    held_back = [await desk.delivery(made, event_id) for event_id in (rest[0], rest[2])]
    assert [(d["status"], d["next_try_at"]) for d in held_back] == [("waiting", None)] * 2
    # Fails for good: two more tries, as the schedule of the tests has it.
    for _ in range(2):
        desk.receiver.manners.append(500)
        await desk.let_time_pass()
        await desk.send()
    got = [event["id"] for event in desk.receiver.events]
    assert got == [*first, rest[1], *first, *first, rest[0], rest[2]]
    assert (await desk.delivery(made, first[0]))["status"] == "failed"
    assert (await desk.delivery(made, rest[2]))["status"] == "delivered"


async def test_each_attempt_is_shown(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manners.extend([500, "drop"])
    [event_id] = await desk.paid(1)
    for _ in range(3):
        await desk.send()
        await desk.let_time_pass()
    shown = await desk.delivery(made, event_id)
    third, second, first = shown["history"]
    assert (shown["status"], shown["attempts"], shown["next_try_at"]) == ("delivered", 3, None)
    assert [attempt["number"] for attempt in (first, second, third)] == [1, 2, 3]
    assert (first["status_code"], first["error"]) == (500, "answered 500")
    assert first["answer"] == "said 500\N{REPLACEMENT CHARACTER}"
    assert (second["status_code"], second["answer"]) == (None, None)
    assert "broke" in second["error"]
    assert (third["status_code"], third["error"]) == (200, None)
    assert all(attempt["duration_ms"] >= 0 for attempt in shown["history"])
    # The same event under the same id each time, newly signed.
    assert {received.headers["webhook-id"] for received in desk.receiver.got} == {event_id}
    for received in desk.receiver.got:
        received.verified_by(made["secret"])


async def test_a_failed_attempt_is_made_again_when_the_schedule_says(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manner = 503
    [event_id] = await desk.paid(1)
    for pause_seconds in (300, 3600):
        await desk.send()
        shown = await desk.delivery(made, event_id)
        attempt = shown["history"][0]
        passed = at(shown["next_try_at"]) - at(attempt["begun_at"])
        # What it took to answer is on top.
        most_seconds = pause_seconds * (1 + JITTER) + PATIENCE_SECONDS
        assert pause_seconds * (1 - JITTER) <= passed.total_seconds() <= most_seconds
        await desk.let_time_pass()
    await desk.send()
    shown = await desk.delivery(made, event_id)
    assert (shown["status"], shown["next_try_at"], shown["attempts"]) == ("failed", None, 3)


@given(st.lists(st.floats(0, 1e6), max_size=10), st.integers(1, 20), st.floats(0, 1))
def test_the_schedule_is_kept_with_jitter(schedule: list[float], tries: int, chance: float) -> None:
    delay = delay_seconds(schedule, tries, chance)
    if tries > len(schedule):
        assert delay is None
    else:
        assert delay is not None
        assert abs(delay - schedule[tries - 1]) <= schedule[tries - 1] * JITTER * 1.001


async def test_410_switches_a_webhook_off_at_once(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manner = 410
    ids = await desk.paid(1)
    await desk.send()
    await desk.paid(2)
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == ids
    shown = await desk.show(made)
    assert (shown["active"], shown["disabled_reason"]) == (False, "gone")
    assert shown["disabled_at"] is not None
    assert (await desk.delivery(made, ids[0]))["status"] == "failed"


async def test_a_webhook_that_fails_for_days_is_switched_off(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manner = 500
    ids = await desk.paid(1)
    await desk.send()
    assert (await desk.show(made))["failing_since"] is not None
    await desk.run("UPDATE events.webhooks SET failing_since = now() - interval '119 hours'")
    await desk.let_time_pass()
    await desk.send()
    assert (await desk.show(made))["active"] is True
    await desk.run("UPDATE events.webhooks SET failing_since = now() - interval '121 hours'")
    await desk.let_time_pass()
    await desk.send()
    shown = await desk.show(made)
    assert (shown["active"], shown["disabled_reason"]) == (False, "failing")
    # Switched on, it gets what was waiting, and what happens from then on.
    missed = await desk.paid(1)
    desk.receiver.manner = 200
    desk.receiver.got.clear()
    on = await desk.ask("PATCH", f"/{made['id']}", 200, {"active": True})
    assert (on["disabled_reason"], on["disabled_at"], on["failing_since"]) == (None, None, None)
    late = await desk.tell(("order.paid", new_id()))
    [failed] = await desk.deliveries(made)
    assert (failed["event_id"], failed["status"]) == (ids[0], "failed")
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == late
    assert missed[0] not in [d["event_id"] for d in await desk.deliveries(made)]


async def test_what_was_waiting_goes_on_when_a_webhook_is_switched_on(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manners.append(500)
    who = new_id()
    ids = await desk.tell(("order.placed", who), ("order.paid", who))
    await desk.send()
    await desk.ask("PATCH", f"/{made['id']}", 200, {"active": False})
    await desk.let_time_pass()
    await desk.send()
    assert len(desk.receiver.got) == 1
    await desk.ask("PATCH", f"/{made['id']}", 200, {"active": True})
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == [ids[0], *ids]


async def test_one_success_ends_a_row_of_failures(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manners.extend([500, 200])
    await desk.paid(1)
    await desk.send()
    await desk.paid(1)
    await desk.send()
    assert (await desk.show(made))["failing_since"] is None


async def test_a_long_log_is_caught_up_with(desk: Desk) -> None:
    """More events than are collected at once, few of them wanted."""
    made = await desk.make(kinds=["order.cancelled"])
    told = [("order.cancelled" if n % 400 == 0 else "order.paid", new_id()) for n in range(1300)]
    await desk.tell(*told)
    await desk.send()
    assert [d["sequence"] for d in await desk.deliveries(made)] == [1201, 801, 401, 1]
    assert sorted(event["sequence"] for event in desk.receiver.events) == [1, 401, 801, 1201]


async def test_what_waits_and_what_came_of_it_is_measured(desk: Desk, services: Services) -> None:
    await desk.make()
    desk.receiver.manners.append(500)
    await desk.paid(1)
    await desk.send()
    await desk.run("UPDATE events.deliveries SET created_at = now() - interval '1 hour'")
    await services.deliveries.sweep(100)
    metrics = (await desk.client.get("/metrics")).text
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[:1] != "#")
    assert float(values["lockstock_webhook_oldest_waiting_seconds"]) >= 3600
    assert float(values['lockstock_webhook_deliveries_total{outcome="retried"}']) >= 1
