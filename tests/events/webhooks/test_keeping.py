"""Keeping webhooks: verifying, other secrets, sending again, testing, deleting."""

import asyncio
import os
from pathlib import Path
from typing import Any

from standardwebhooks import WebhookVerificationError

from lockstock.app import Services
from lockstock.kernel.ids import new_id
from tests.events.webhooks.desk import Desk, at
from tests.house import documents


async def test_what_the_document_says_verifies_what_is_sent(desk: Desk, tmp_path: Path) -> None:
    """The lines of docs/webhooks.md, as a reader would use them."""
    text = documents.read("docs/webhooks.md")
    python = text.partition("```python\n")[2].partition("```")[0]
    shell = text.partition("```sh\n")[2].partition("```")[0]
    made = await desk.make()
    await desk.paid(1)
    await desk.send()
    [got] = desk.receiver.got
    names: dict[str, Any] = {}
    exec(python, names)  # noqa: S102 (it is ours)
    assert names["event_in"](got.headers, got.body, made["secret"]) == got.event
    assert names["event_in"](got.headers, got.body + b" ", made["secret"]) is None
    (tmp_path / "body.json").write_bytes(got.body)
    env = {"SECRET": made["secret"], "ID": got.headers["webhook-id"]}
    env |= {"TIMESTAMP": got.headers["webhook-timestamp"], "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", shell, cwd=tmp_path, env=env, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert f"v1,{printed.decode().strip()}" == got.headers["webhook-signature"]


async def test_two_secrets_sign_while_they_overlap(desk: Desk) -> None:
    made = await desk.make()
    rotated = await desk.ask("POST", f"/{made['id']}/rotate", 200, {"overlap_seconds": 600})
    assert rotated["previous_secret_until"] is not None
    old, new = made["secret"], rotated["secret"]

    async def verifies(*secrets: str) -> list[bool]:
        await desk.paid(1)
        await desk.send()
        found = []
        for secret in secrets:
            try:
                desk.receiver.got[-1].verified_by(secret)
                found.append(True)
            except WebhookVerificationError:
                found.append(False)
        return found

    assert await verifies(old, new) == [True, True]
    await desk.run("UPDATE events.webhooks SET previous_until = now() - interval '1 second'")
    assert await verifies(old, new) == [False, True]
    assert (await desk.show(made))["previous_secret_until"] is None
    # One that leaked is to stop at once.
    newest = (await desk.ask("POST", f"/{made['id']}/rotate", 200, {"overlap_seconds": 0}))[
        "secret"
    ]
    assert await verifies(new, newest) == [False, True]
    # Left out, it is a day.
    last = await desk.ask("POST", f"/{made['id']}/rotate")
    left = at(last["previous_secret_until"]) - at(last["changed_at"])
    assert left.total_seconds() == 86_400
    assert await verifies(new, newest, last["secret"]) == [False, True, True]


async def test_an_event_is_sent_again_when_asked_for(desk: Desk) -> None:
    made = await desk.make()
    ids = await desk.paid(1)
    await desk.send()
    delivery = await desk.delivery(made, ids[0])
    path = f"/{made['id']}/deliveries/{delivery['id']}"
    again = await desk.ask("POST", path + "/resend", 202)
    assert (again["status"], again["ended_at"]) == ("waiting", None)
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == ids * 2
    # Given up, and asked for once more: it has all of its tries again.
    desk.receiver.manner = 500
    await desk.ask("POST", path + "/resend", 202)
    for _ in range(3):
        await desk.let_time_pass()
        await desk.send()
    assert (await desk.delivery(made, ids[0]))["status"] == "failed"
    desk.receiver.manner = 200
    await desk.ask("POST", path + "/resend", 202)
    await desk.send()
    shown = await desk.delivery(made, ids[0])
    assert (shown["status"], shown["attempts"]) == ("delivered", 6)
    await desk.ask("PATCH", f"/{made['id']}", 200, {"active": False})
    await desk.ask("POST", path + "/resend", 409)


async def test_what_waits_is_sent_at_once_when_asked_for_but_never_too_early(desk: Desk) -> None:
    made = await desk.make()
    desk.receiver.manners.append(500)
    who = new_id()
    ids = await desk.tell(("order.placed", who), ("order.paid", who))
    await desk.send()
    first, second = [await desk.delivery(made, event_id) for event_id in ids]
    path = f"/{made['id']}/deliveries"
    held_back = await desk.ask("POST", f"{path}/{second['id']}/resend", 202)
    assert held_back["next_try_at"] is None
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == ids[:1]
    await desk.ask("POST", f"{path}/{first['id']}/resend", 202)
    await desk.send()
    assert [event["id"] for event in desk.receiver.events] == [ids[0], *ids]


async def test_a_test_sends_a_ping(desk: Desk) -> None:
    made = await desk.make(kinds=["order.paid"])
    delivery = await desk.ask("POST", f"/{made['id']}/test", 202)
    assert (delivery["kind"], delivery["sequence"]) == ("webhook.ping", None)
    await desk.send()
    [got] = desk.receiver.got
    event = got.verified_by(made["secret"])
    assert (event["kind"], event["data"], event["subject_id"]) == ("webhook.ping", {}, made["id"])
    assert event["id"] == delivery["event_id"] == got.headers["webhook-id"]
    assert (await desk.delivery(made, event["id"]))["status"] == "delivered"
    log = await desk.client.get(f"/v1/shops/{desk.shop_id}/events", headers=desk.headers)
    assert "webhook.ping" not in log.text


async def test_an_address_that_leads_inside_later_is_sent_nothing(desk: Desk) -> None:
    """It was allowed when the webhook was made; what counts is each attempt."""
    made = await desk.make()
    [event_id] = await desk.paid(1)
    await desk.send(desk.sending(private=False))
    assert desk.receiver.got == []
    [attempt] = (await desk.delivery(made, event_id))["history"]
    assert "not on the public internet" in attempt["error"]


async def test_what_is_deleted_is_sent_nothing_and_swept_away(
    desk: Desk, services: Services
) -> None:
    made, kept = await desk.make(), await desk.make(url=desk.receiver.url("/kept"))
    desk.receiver.manner = 500
    await desk.paid(3)
    await desk.send()
    await desk.ask("DELETE", f"/{made['id']}", 204)
    desk.receiver.manner = 200
    desk.receiver.got.clear()
    await desk.let_time_pass()
    await desk.send()
    assert {received.path for received in desk.receiver.got} == {"/kept"}
    for _ in range(3):
        await services.deliveries.sweep(2)
    count = "DELETE FROM events.{} WHERE true"
    assert await desk.run(count.format("webhooks")) == "DELETE 1"
    assert await desk.run(count.format("deliveries")) == "DELETE 3"
    assert await desk.run(count.format("attempts")) == "DELETE 6"
    assert kept["id"] != made["id"]


async def test_deliveries_are_kept_for_a_time(desk: Desk, services: Services) -> None:
    made = await desk.make()
    ids = await desk.paid(2)
    await desk.send()
    await desk.run(
        "UPDATE events.deliveries SET ended_at = now() - interval '31 days'"
        " WHERE sequence = (SELECT min(sequence) FROM events.deliveries)"
    )
    await services.deliveries.sweep(100)
    assert [d["event_id"] for d in await desk.deliveries(made)] == ids[1:]
