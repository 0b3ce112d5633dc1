"""Many senders and many receivers: nobody waits for who hangs, and any of them may die."""

import asyncio
from collections import Counter
from operator import itemgetter
from uuid import UUID

import httpx2
import pytest
import structlog

from lockstock.events.webhooks.sending import store as sending_store
from lockstock.events.webhooks.sending.service import (
    MOST_PER_WEBHOOK,
    MOST_WHILE_FAILING,
    SendingService,
)
from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from tests.events.webhooks.desk import Desk
from tests.events.webhooks.receiver import Manner, receiving
from tests.servers import environment, running
from tests.shops.people import shop_of, somebody

PATIENCE_SECONDS = 60
_id = itemgetter("id")


async def _until(sending: SendingService, condition: object) -> None:
    """Send until a condition holds. Nothing is waited for but that."""
    assert callable(condition)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await sending.begin()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("manner", ["hang", "drip"])
async def test_who_hangs_keeps_nobody_else_waiting(
    desk: Desk, client: httpx2.AsyncClient, manner: Manner
) -> None:
    """Neither another webhook of the shop nor another shop; and only some places are taken."""
    other = somebody()
    shop = await shop_of(client, other, "Another shop")
    theirs = Desk(client, desk.services, desk.receiver, shop["id"], other.headers)
    sending = desk.sending(most=40)
    async with receiving() as hanging:
        hanging.manner = manner
        await desk.make(url=hanging.url())
        await desk.make()
        await theirs.make(url=desk.receiver.url("/theirs"))
        own, others = await desk.paid(30), await theirs.paid(30)
        await _until(sending, lambda: len(desk.receiver.got) == 60 and len(hanging.got) >= 1)
        assert len(hanging.got) <= MOST_PER_WEBHOOK
        assert hanging.most_under_way <= MOST_PER_WEBHOOK
        assert desk.receiver.most_under_way <= 2 * MOST_PER_WEBHOOK
        got = sorted(event["id"] for event in desk.receiver.events)
        assert got == sorted([*own, *others])
        await sending.close()


async def test_who_is_known_to_fail_gets_one_attempt_at_a_time(desk: Desk) -> None:
    """So that many receivers that hang do not take all places."""
    async with receiving() as hanging:
        hanging.manners.append(500)
        made = await desk.make(url=hanging.url())
        await desk.paid(1)
        await desk.send()
        hanging.manner = "hang"
        assert (await desk.show(made))["failing_since"] is not None
        await desk.paid(10)
        first, second = desk.sending(), desk.sending()
        await _until(first, lambda: hanging.under_way == MOST_WHILE_FAILING)
        assert await first.begin() == await second.begin() == 0
        assert len(hanging.got) == 1 + MOST_WHILE_FAILING
        await first.close()


async def test_a_process_has_a_bounded_number_of_attempts(desk: Desk) -> None:
    """And of these one shop has a part."""
    async with receiving() as hanging:
        hanging.manner = "hang"
        for number in range(6):
            await desk.make(url=hanging.url(f"/{number}"))
        await desk.paid(10)
        sending = desk.sending(most=8)
        await _until(sending, lambda: hanging.under_way == 2)
        await sending.begin()
        assert hanging.most_under_way == 2
        await sending.close()


async def test_a_webhook_that_something_is_wrong_with_keeps_no_other_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left, and has its turn when it is right again."""
    first, *_ = sorted([await desk.make(url=desk.receiver.url(f"/{n}")) for n in range(3)], key=_id)
    lock = sending_store.lock_receiver
    await desk.paid(1)
    with monkeypatch.context() as broken:

        async def fail(connection: Connection, shop_id: UUID, webhook_id: UUID) -> object:
            if str(webhook_id) == first["id"]:
                raise LookupError("an event that is not there")
            return await lock(connection, shop_id, webhook_id)

        broken.setattr(sending_store, "lock_receiver", fail)
        with structlog.testing.capture_logs() as lines:
            await desk.send()
    assert len(desk.receiver.got) == 2
    left = {line["webhook"] for line in lines if line["event"] == "webhook_left_for_later"}
    assert left == {first["id"]}
    await desk.send()
    assert len(desk.receiver.got) == 3


async def test_two_processes_deliver_each_event_once_and_in_order(desk: Desk) -> None:
    made = await desk.make()
    subjects = [new_id() for _ in range(20)]
    ids = await desk.tell(*(("order.paid", subject) for _ in range(8) for subject in subjects))
    first, second = desk.sending(), desk.sending()

    async def send(sending: SendingService) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(desk.receiver.got) < len(ids):
                await sending.begin()
                await asyncio.sleep(0.001)

    await asyncio.gather(send(first), send(second))
    await first.settle()
    await second.settle()
    assert Counter(event["id"] for event in desk.receiver.events) == Counter(ids)
    for subject in subjects:
        of_subject = [
            e["sequence"] for e in desk.receiver.events if e["subject_id"] == str(subject)
        ]
        assert of_subject == sorted(of_subject)
    assert len(await desk.deliveries(made, "?status=delivered&limit=200")) == len(ids)


async def test_what_was_sent_and_not_noted_is_sent_again_under_the_same_id(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between the two; its place is free when its lease is over."""
    made = await desk.make()
    who = new_id()
    ids = await desk.tell(("order.placed", who), ("order.paid", who))
    with monkeypatch.context() as dying:

        async def die(*_: object) -> None:
            raise ConnectionError("the process died here")

        dying.setattr(sending_store, "end_attempt", die)
        await desk.send()
    assert [event["id"] for event in desk.receiver.events] == ids[:1]
    # Nobody sends it while it may be under way.
    assert await desk.sending().begin() == 0
    await desk.let_time_pass()
    await desk.send(desk.sending())
    assert [received.headers["webhook-id"] for received in desk.receiver.got] == [ids[0], *ids]
    shown = await desk.delivery(made, ids[0])
    assert [attempt["duration_ms"] is None for attempt in shown["history"]] == [False, True]
    assert shown["status"] == "delivered"


async def test_who_was_too_slow_to_note_does_not_undo_what_another_has_noted(desk: Desk) -> None:
    made = await desk.make()
    slow, other = desk.sending(), desk.sending()
    desk.receiver.manners.append("hang")
    [event_id] = await desk.paid(1)
    await _until(slow, lambda: desk.receiver.under_way == 1)
    await desk.let_time_pass()
    await desk.send(other)
    assert (await desk.delivery(made, event_id))["status"] == "delivered"
    # The slow one is hung up on, and would have it tried again.
    for connection in list(desk.receiver.connections):
        connection.cancel()
    await slow.settle()
    shown = await desk.delivery(made, event_id)
    assert (shown["status"], shown["next_try_at"]) == ("delivered", None)
    assert [attempt["status_code"] for attempt in shown["history"]] == [200, None]
    assert shown["history"][1]["error"] is not None


@pytest.mark.slow
async def test_a_killed_server_is_followed_by_another(desk: Desk, database_url: str) -> None:
    """A real process, killed while the receiver has the event and has not answered."""
    made = await desk.make(kinds=["order.paid"])
    desk.receiver.manners.append("hang")
    env = environment(database_url, webhooks_allow_private="true")
    async with running(env) as (_, process):
        [event_id] = await desk.paid(1)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await desk.receiver.asked.wait()
        process.kill()
        await process.wait()
    shown = await desk.delivery(made, event_id)
    assert (shown["status"], shown["attempts"]) == ("waiting", 1)
    assert shown["history"][0]["duration_ms"] is None
    await desk.let_time_pass()
    async with running(env), asyncio.timeout(PATIENCE_SECONDS):
        # Another process changes it.
        while (await desk.delivery(made, event_id))["status"] != "delivered":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    first, second = desk.receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == event_id
    assert second.verified_by(made["secret"]) == first.event


async def test_asking_again_for_what_is_under_way_sends_nothing_twice(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manners.append("hang")
    sending = desk.sending()
    [event_id] = await desk.paid(1)
    await _until(sending, lambda: desk.receiver.under_way == 1)
    shown = await desk.delivery(made, event_id)
    await desk.ask("POST", f"/{made['id']}/deliveries/{shown['id']}/resend", 202)
    assert await desk.sending().begin() == 0
    await sending.close()
    assert len(desk.receiver.got) == 1
