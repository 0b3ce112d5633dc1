"""The sandbox: its faults on demand, its memory, and its page."""

import httpx2
import pytest
import structlog

from lockstock import app as wiring
from lockstock.settings import Settings
from tests.conftest import SIGNING_KEY
from tests.orders.payments.till import Till, answered, refused

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def page_path(payment: dict[str, str]) -> str:
    """Where `pay_url` leads."""
    return payment["pay_url"].removeprefix(payment["pay_url"][: payment["pay_url"].index("/v1/")])


async def send(till: Till, payment: dict[str, str], **fields: str) -> httpx2.Response:
    """Send the page's form, as a browser that is not logged in."""
    return await till.client.post(f"{page_path(payment)}/page", data=fields)


async def test_the_page_shows_what_is_to_be_paid_without_any_script(till: Till) -> None:
    order = await till.place(2)
    payment = await till.start(order)
    page = await till.client.get(page_path(payment), headers=HTML)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "€25.00" in page.text
    assert order["id"] in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    style = await till.client.get("/v1/sandbox/page.css")
    assert style.headers["content-type"].startswith("text/css")


async def test_programs_get_json_where_browsers_get_the_page(till: Till) -> None:
    payment = await till.start(await till.place())
    for accept in ("application/json", "*/*"):
        answer = await till.client.get(page_path(payment), headers={"Accept": accept})
        assert answered(answer, 200)["id"] == payment["id"]


async def test_paying_by_the_page_pays_the_order(till: Till) -> None:
    order = await till.place()
    payment = await till.start(order)
    done = await send(till, payment, action="pay", amount_minor="", delay_seconds="")
    assert done.status_code == 303
    assert done.headers["location"] == f"../{payment['id']}"
    assert (await till.order(order))["status"] == "paid"
    page = await till.client.get(page_path(payment), headers=HTML)
    assert page.text.count("captured") == 2


async def test_the_page_has_the_faults(till: Till) -> None:
    order = await till.place()
    payment = await till.start(order)
    assert (await send(till, payment, action="fail", reorder="on")).status_code == 303
    assert (await send(till, payment, action="pay", lose="on")).status_code == 303
    assert (await send(till, payment, time_out="refund")).status_code == 303
    assert await till.outcomes() == []
    await till.later(look_up=True)
    assert (await till.order(order))["status"] == "paid"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"action": "steal"},
        {"action": "pay", "time_out": "create"},
        {"time_out": "everything"},
        {"action": "pay", "amount_minor": "1.5"},
        {"action": "pay", "amount_minor": "9" * 30},
        {"action": "pay", "amount_minor": "-1"},
        {"action": "pay", "currency": "euros"},
        {"action": "pay", "deliveries": "0"},
        {"action": "pay", "delay_seconds": "9999999"},
        {"action": "pay", "lose": "maybe"},
        {"action": "pay", "price": "1"},
    ],
    ids=str,
)
async def test_a_form_that_asks_for_nonsense_is_refused(till: Till, fields: dict[str, str]) -> None:
    order = await till.place()
    payment = await till.start(order)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    content = str(httpx2.QueryParams(fields)).encode()
    path = f"{page_path(payment)}/page"
    refused(await till.client.post(path, content=content, headers=headers), 422, "invalid_input")
    assert await till.outcomes() == []


async def test_what_is_no_form_is_refused(till: Till) -> None:
    payment = await till.start(await till.place())
    path = f"{page_path(payment)}/page"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    client = till.client
    refused(await client.post(path, json={"action": "pay"}), 415, "unsupported_media_type")
    for content in (b"action=pay&action=fail", b"action=%ff", b"\xff", b"a=1&" * 30):
        answer = await client.post(path, content=content, headers=form)
        refused(answer, 400, "malformed_body")


async def test_a_delayed_event_comes_when_its_time_has_come(till: Till) -> None:
    order = await till.place()
    await till.tell(await till.start(order), delay_seconds=3600)
    await till.work()
    assert await till.outcomes() == []
    await till.later()
    assert await till.outcomes() == ["pay"]


async def test_a_delayed_event_survives_a_restart(
    till: Till, database_url: str, settings: Settings
) -> None:
    """What the sandbox owes is in the database, so another process delivers it."""
    order = await till.place()
    await till.tell(await till.start(order), delay_seconds=3600)
    await till.run("UPDATE orders.sandbox_deliveries SET due_at = statement_timestamp()")
    place = wiring.Place(database_url, database_url, [SIGNING_KEY])
    async with wiring.services(settings, place) as others:
        assert await others.sandbox.sweep(10) == 1
    assert (await till.order(order))["status"] == "paid"
    assert await till.services.sandbox.sweep(10) == 0


async def test_an_event_whose_deliverer_died_is_delivered_again(till: Till) -> None:
    order = await till.place()
    await till.tell(await till.start(order), delay_seconds=3600)
    await till.run("UPDATE orders.sandbox_deliveries SET due_at = statement_timestamp()")
    sandbox = till.services.sandbox
    [(shop_id, delivery_id)] = await sandbox._due(1)  # noqa: SLF001 (dies right after this)
    assert await sandbox._claim(shop_id, delivery_id) is not None  # noqa: SLF001
    await till.work()
    assert await till.outcomes() == []
    await till.later()
    assert await till.outcomes() == ["pay"]


async def test_overtaken_events_come_after_the_next_one(till: Till) -> None:
    payment = await till.start(await till.place())
    await till.tell(payment, "fail", reorder=True, event_id="first")
    await till.tell(payment, "succeed", delay_seconds=60, event_id="second")
    await till.work()
    assert await till.outcomes() == []
    await till.later()
    assert await till.outcomes() == ["pay", "ignored"]


async def test_a_start_that_times_out_is_found_out_by_its_key(till: Till) -> None:
    """Create: unknown outcome, told so, and the retry finds the one payment."""
    order = await till.place()
    await till.time_out(order, "create")
    body = {"provider": "sandbox"}
    problem = refused(await till.post(order["pay"], body, key="pay"), 503, "provider_unavailable")
    assert problem["retry_after_seconds"]
    payment = answered(await till.post(order["pay"], body, key="pay"))
    await till.tell(payment)
    assert await till.stands(order) == ("paid", ["captured"], [])


async def test_a_refund_that_times_out_is_sent_again_and_given_once(till: Till) -> None:
    order = await till.place()
    await till.tell(await till.start(order))
    await till.time_out(order, "refund", times=2)
    answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    await till.work()
    assert (await till.stands(order))[2] == [("cancelled", "pending")]
    await till.later()
    assert await till.stands(order) == ("cancelled", ["refunded"], [("cancelled", "done")])
    assert len(await till.rows("SELECT 1 FROM orders.sandbox_refunds")) == 1


async def test_a_cancel_that_times_out_is_sent_again(till: Till) -> None:
    order = await till.place()
    await till.start(order)
    await till.time_out(order, "cancel")
    answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
    await till.work()
    assert (await till.stands(order))[1] == ["pending"]
    await till.later()
    assert await till.stands(order) == ("cancelled", ["cancelled"], [])


async def test_a_time_out_that_was_asked_for_is_logged_as_one(till: Till) -> None:
    """A warning, without a traceback; anything else that a provider raises is an error."""
    order = await till.place()
    await till.time_out(order, "create")
    with structlog.testing.capture_logs() as lines:
        await till.post(order["pay"], {"provider": "sandbox"}, key="pay")
        payment = answered(await till.post(order["pay"], {"provider": "sandbox"}, key="pay"))
        await till.tell(payment)
        answered(await till.post(f"{till.base}/orders/{order['id']}/cancel"), 200)
        await till.time_out(order, "refund")
        await till.work()
    other = await till.place()
    await till.start(other)
    answered(await till.post(f"{till.base}/orders/{other['id']}/cancel"), 200)
    await till.time_out(other, "cancel")
    with structlog.testing.capture_logs() as later:
        await till.work()
    left = [line for line in lines + later if line["log_level"] in ("warning", "error")]
    assert [(line["event"], line["log_level"]) for line in left] == [
        ("payment_not_opened", "warning"),
        ("refund_not_taken", "warning"),
        ("provider_did_not_answer", "warning"),
    ]
    assert all("told to let" in line["reason"] and "exc_info" not in line for line in left)


async def test_what_else_a_provider_raises_is_logged_as_an_error(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ValueError("a bug of the adapter")

    monkeypatch.setattr(till.services.payments.providers["sandbox"], "create", fail)
    order = await till.place()
    with structlog.testing.capture_logs() as lines:
        answer = await till.post(order["pay"], {"provider": "sandbox"})
    refused(answer, 503, "provider_unavailable")
    [line] = [line for line in lines if line["event"] == "payment_not_opened"]
    assert (line["log_level"], type(line["exc_info"])) == ("error", ValueError)


async def test_a_stranger_cannot_break_anothers_payment(till: Till) -> None:
    order = await till.place()
    path = f"{till.base}/orders/{order['id']}/sandbox/time-out"
    stranger = till.owner.__class__(till.owner.id, "", "", {}, "")
    refused(await till.post(path, {"call": "create"}, user=stranger), 401, "unauthenticated")


async def test_where_the_sandbox_is_off_nothing_of_it_is_there(till: Till) -> None:
    order = await till.place()
    payment = await till.start(order)
    till.services.payments.providers = {}
    path = page_path(payment)
    refused(await till.client.get(path, headers=HTML), 404, "not_found")
    refused(await till.client.get("/v1/sandbox/page.css"), 404, "not_found")
    refused(await send(till, payment, action="pay"), 404, "not_found")
    time_out = f"{till.base}/orders/{order['id']}/sandbox/time-out"
    refused(await till.post(time_out, {"call": "create"}), 404, "not_found")
