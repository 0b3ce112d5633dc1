"""Webhooks over HTTP: who may, what is shown, what is refused."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from lockstock.app import Services
from lockstock.events.webhooks.contract import MOST_WEBHOOKS
from lockstock.kernel.ids import new_id
from tests.conftest import Register
from tests.events.webhooks.desk import Desk
from tests.events.webhooks.receiver import Receiver
from tests.shops.people import check_refused, people, shop_of, somebody


async def test_a_webhook_is_made_looked_at_changed_and_deleted(desk: Desk) -> None:
    made = await desk.make(kinds=["order.paid", "order.cancelled", "order.paid"])
    assert made.pop("secret").startswith("whsec_")
    assert made["kinds"] == ["order.cancelled", "order.paid"]
    assert made["active"] is True
    assert made["disabled_reason"] is None
    second = await desk.make()
    assert second["kinds"] == ["*"]
    listed = (await desk.ask("GET", ""))["items"]
    assert [item["id"] for item in listed] == [made["id"], second["id"]]
    assert listed[0] == made == await desk.show(made)
    url = desk.receiver.url("/other")
    changed = await desk.ask("PATCH", f"/{made['id']}", 200, {"url": url, "active": False})
    assert (changed["url"], changed["active"], changed["kinds"]) == (url, False, made["kinds"])
    assert await desk.show(made) == changed
    await desk.ask("DELETE", f"/{made['id']}", 204)
    for method, path, body in _calls(made["id"]):
        await desk.ask(method, path, 404, body)
    assert len((await desk.ask("GET", ""))["items"]) == 1


def _calls(webhook_id: str, delivery_id: object = "nothing") -> list[tuple[str, str, Any]]:
    one = f"/{webhook_id}"
    return [
        ("GET", one, None),
        ("PATCH", one, {"active": False}),
        ("POST", one + "/rotate", {}),
        ("POST", one + "/test", None),
        ("GET", one + "/deliveries", None),
        ("GET", f"{one}/deliveries/{delivery_id}", None),
        ("POST", f"{one}/deliveries/{delivery_id}/resend", None),
        ("DELETE", one, None),
    ]


async def test_a_secret_is_shown_once(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in any other answer, and on no line of the log."""
    made = await desk.make()
    rotated = await desk.ask("POST", f"/{made['id']}/rotate")
    assert made["secret"] != rotated["secret"]
    desk.receiver.manners.extend([500, "drop"])
    await desk.paid(3)
    await desk.send()
    seen = ""
    paths = ["", f"/{made['id']}", f"/{made['id']}/deliveries"]
    paths += [f"{paths[-1]}/{one['id']}" for one in await desk.deliveries(made)]
    for path in paths:
        seen += (await desk.client.get(desk.path + path, headers=desk.headers)).text
    changed = await desk.ask("PATCH", f"/{made['id']}", 200, {"active": False})
    captured = capsys.readouterr()
    seen += str(changed) + captured.out + captured.err
    for secret in (made["secret"], rotated["secret"]):
        assert secret.removeprefix("whsec_") not in seen
    assert "whsec_" not in seen


async def test_only_who_keeps_the_shop_keeps_its_webhooks(
    client: httpx2.AsyncClient, register: Register, services: Services, receiver: Receiver
) -> None:
    """Another shop's owner, and whoever is in no shop, learns nothing of it."""
    there = await people(client, register)
    desk = Desk(client, services, receiver, there.shop["id"], there.headers["owner"])
    made = await desk.make()
    await desk.ask("POST", f"/{made['id']}/test", 202)
    [delivery] = await desk.deliveries(made)
    statuses = {"manager": 403, "clerk": 403, "viewer": 403, "other": 404, "stranger": 404}
    calls = [("POST", "", {"url": receiver.url()}), ("GET", "", None)]
    calls += _calls(made["id"], delivery["id"])
    for who, status in (statuses | {"nobody": 401}).items():
        for method, path, body in calls:
            answer = await client.request(
                method, desk.path + path, json=body, headers=there.headers[who]
            )
            assert answer.status_code == status, (who, method, path, answer.text)
    # Nor by its id from a shop of one's own.
    other = somebody()
    own = await shop_of(client, other, "Third shop")
    theirs = Desk(client, services, receiver, own["id"], other.headers)
    for method, path, body in _calls(made["id"], delivery["id"]):
        await theirs.ask(method, path, 404, body)
    own_hook = await theirs.make()
    path = f"/{own_hook['id']}/deliveries/{delivery['id']}"
    await theirs.ask("GET", path, 404)
    await theirs.ask("POST", path + "/resend", 404)
    # A key has no scope for it, whatever scopes it has.
    scopes = ["read", "stock", "catalogue", "warehouses", "orders"]
    ask = {"name": "till", "kind": "secret", "scopes": scopes}
    keys = f"/v1/shops/{there.shop['id']}/api-keys"
    key = (await client.post(keys, json=ask, headers=there.headers["owner"])).json()["key"]
    for method, path, body in calls:
        answer = await client.request(
            method, desk.path + path, json=body, headers={"Authorization": f"Bearer {key}"}
        )
        assert answer.status_code == 403, answer.text
    assert (await desk.show(made))["active"] is True


async def test_an_admin_makes_none_in_a_shop_that_is_not_there(
    client: httpx2.AsyncClient, receiver: Receiver
) -> None:
    answer = await client.post(
        f"/v1/shops/{new_id()}/webhooks",
        json={"url": receiver.url()},
        headers=somebody(is_admin=True).headers,
    )
    check_refused(answer, 404)


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "https://ann:secret@example.com/"}, "url"),
        ({"url": "https://example.com/#a"}, "url"),
        ({"url": "http://nobody.invalid/"}, "url"),
        ({"url": "https://example.com/" + "a" * 2000}, "url"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["order.lost"]}, "kinds"),
        ({"kinds": ["order.*"]}, "kinds"),
        ({"kinds": ["webhook.ping"]}, "kinds"),
        ({"kinds": None}, "kinds"),
        ({"kinds": "*"}, "kinds"),
        ({"active": "true"}, "active"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
async def test_a_webhook_that_makes_no_sense_is_refused(
    desk: Desk, ask: dict[str, Any], path: str
) -> None:
    body = ask if path == "url" else {"url": desk.receiver.url()} | ask
    answer = await desk.client.post(desk.path, json=body, headers=desk.headers)
    check_refused(answer, 422, path)
    if not ask:
        return
    made = await desk.make()
    answer = await desk.client.patch(f"{desk.path}/{made['id']}", json=ask, headers=desk.headers)
    check_refused(answer, 422, path)
    assert "secret@" not in answer.text


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", None, True])
async def test_an_overlap_that_makes_no_sense_is_refused(desk: Desk, overlap: Any) -> None:
    made = await desk.make()
    path = f"{desk.path}/{made['id']}/rotate"
    answer = await desk.client.post(path, json={"overlap_seconds": overlap}, headers=desk.headers)
    check_refused(answer, 422, "overlap_seconds")


async def test_an_edit_that_was_not_seen_is_not_lost(desk: Desk) -> None:
    made = await desk.make()
    path = f"{desk.path}/{made['id']}"
    seen = (await desk.client.get(path, headers=desk.headers)).headers["etag"]
    unchanged = await desk.client.get(path, headers=desk.headers | {"If-None-Match": seen})
    assert unchanged.status_code == 304
    condition = {"If-Match": seen}
    # How it fares, and a new secret, spoil no edit.
    desk.receiver.manner = 500
    await desk.paid(1)
    await desk.send()
    await desk.ask("POST", f"/{made['id']}/rotate")
    answer = await desk.client.get(path, headers=desk.headers | {"If-None-Match": seen})
    assert answer.status_code == 200
    answer = await desk.client.patch(
        path, json={"kinds": ["order.paid"]}, headers=desk.headers | condition
    )
    assert answer.status_code == 200
    assert answer.headers["etag"] != seen
    refused = await desk.client.patch(
        path, json={"active": False}, headers=desk.headers | condition
    )
    check_refused(refused, 412)
    assert (await desk.show(made))["active"] is True


async def test_a_shop_has_a_bounded_number_of_webhooks(desk: Desk) -> None:
    made = [await desk.make(active=False) for _ in range(MOST_WEBHOOKS)]
    refused = await desk.ask("POST", "", 409, {"url": desk.receiver.url()})
    assert refused["code"] == "too_many_webhooks"
    await desk.ask("DELETE", f"/{made[3]['id']}", 204)
    await desk.make()


async def test_nothing_is_sent_to_what_is_switched_off(desk: Desk) -> None:
    made = await desk.make(active=False)
    refused = await desk.ask("POST", f"/{made['id']}/test", 409)
    assert refused["code"] == "webhook_inactive"
    await desk.paid(1)
    await desk.send()
    assert desk.receiver.got == []
    assert await desk.deliveries(made) == []


async def test_deliveries_are_listed_page_by_page_and_by_status(desk: Desk) -> None:
    made = await desk.make()
    ids = await desk.paid(5)
    desk.receiver.manners.extend([500, 500])
    await desk.send()
    found: list[str] = []
    query = "?limit=2"
    while query:
        answer = await desk.client.get(
            f"{desk.path}/{made['id']}/deliveries{query}", headers=desk.headers
        )
        page = answer.json()
        found += [item["event_id"] for item in page["items"]]
        query = f"?limit=2&cursor={page['next']}" if page["next"] else ""
        assert ("link" in answer.headers) == bool(query)
    assert sorted(found) == sorted(ids)
    by_status = {
        status: len(await desk.deliveries(made, f"?status={status}"))
        for status in ("waiting", "delivered", "failed")
    }
    assert sum(by_status.values()) == 5
    assert by_status["waiting"] == 2
    for query in ("?status=lost", "?cursor=forged", "?limit=0", "?limit=201", "?kind=order.paid"):
        answer = await desk.client.get(
            f"{desk.path}/{made['id']}/deliveries{query}", headers=desk.headers
        )
        check_refused(answer, 422)


async def test_an_inner_address_is_refused_unless_it_is_allowed(desk: Desk) -> None:
    """As it is by default: the setting is on in these tests."""
    services = desk.services
    services.webhooks._addresses._allow_private = False  # noqa: SLF001
    for url in (
        desk.receiver.url(),
        desk.receiver.url(host="localhost"),
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
    ):
        answer = await desk.client.post(desk.path, json={"url": url}, headers=desk.headers)
        check_refused(answer, 422, "url")
        assert "public internet" in answer.json()["detail"]
    assert desk.receiver.got == []
    assert await services.webhooks.list_webhooks(UUID(desk.shop_id)) == []
