"""GET …/events: who may read the log, from where on, and what of it."""

from typing import Any

import httpx2
import pytest

from lockstock.app import Services
from tests.conftest import OpenShop, Register, User
from tests.events.writers import pending

KINDS = ["stock.received", "order.placed", "order.paid"]


@pytest.fixture
async def owner(register: Register) -> User:
    """Whose shop it is."""
    return await register()


@pytest.fixture
async def path(owner: User, open_shop: OpenShop, services: Services) -> str:
    """The log of a shop with nine events in it."""
    shop = await open_shop(owner)
    told = [pending(number, kind=KINDS[number % 3]) for number in range(9)]
    await services.event_log.append(shop["id"], told)
    return f"/v1/shops/{shop['id']}/events"


async def _get(client: httpx2.AsyncClient, url: str, who: User) -> dict[str, Any]:
    answer = await client.get(url, headers=who.headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_log_is_read_page_by_page_oldest_first(
    client: httpx2.AsyncClient, path: str, owner: User
) -> None:
    seen, url = [], f"{path}?limit=4"
    while url:
        answer = await client.get(url, headers=owner.headers)
        page = answer.json()
        seen += page["items"]
        link = str(answer.links.get("next", {}).get("url", ""))
        assert link == (f"{path}?limit=4&after={page['next']}" if page["next"] else "")
        url = link
    assert [event["sequence"] for event in seen] == list(range(1, 10))
    assert set(seen[0]) == {
        *("id", "shop_id", "sequence", "kind", "subject_id", "data", "occurred_at")
    }
    assert seen[0]["occurred_at"] == "2026-11-23T12:00:00Z"
    assert seen[0]["data"] == {"number": 0}


async def test_it_goes_on_after_a_sequence_or_an_id(
    client: httpx2.AsyncClient, path: str, owner: User
) -> None:
    rest = await _get(client, f"{path}?after=6", owner)
    assert [event["sequence"] for event in rest["items"]] == [7, 8, 9]
    assert rest["next"] is None
    by_id = await _get(client, f"{path}?after={rest['items'][0]['id']}", owner)
    assert [event["sequence"] for event in by_id["items"]] == [8, 9]
    for end in ("9", "10", str(2**70)):
        assert await _get(client, f"{path}?after={end}", owner) == {"items": [], "next": None}


async def test_kinds_are_asked_for_one_or_many(
    client: httpx2.AsyncClient, path: str, owner: User
) -> None:
    paid = await _get(client, f"{path}?kind=order.paid&limit=2", owner)
    assert [event["sequence"] for event in paid["items"]] == [3, 6]
    assert paid["next"] == "6"
    rest = await _get(client, f"{path}?kind=order.paid&limit=2&after=6", owner)
    assert [event["sequence"] for event in rest["items"]] == [9]
    both = await client.get(
        f"{path}?kind=order.paid&kind=order.placed&limit=3", headers=owner.headers
    )
    assert [event["sequence"] for event in both.json()["items"]] == [2, 3, 5]
    following = str(both.links["next"]["url"])
    assert following.count("kind=order.") == 2
    more = await _get(client, following, owner)
    assert [event["sequence"] for event in more["items"]] == [6, 8, 9]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("kind=order.payed", "kind.0"),
        ("kind=order.paid&kind=all", "kind.1"),
        ("kind=", "kind.0"),
        ("after=-1", "after"),
        ("after=one", "after"),
        ("after=1.5", "after"),
        ("after=%D9%A1", "after"),
        ("after=", "after"),
        ("after=0193a2b3-0000-7000-8000-000000000000", "after"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=1", "cursor"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, path: str, owner: User, query: str, where: str
) -> None:
    answer = await client.get(f"{path}?{query}", headers=owner.headers)
    assert answer.status_code == 422, answer.text
    assert where in answer.text


async def test_it_is_for_those_who_work_there(
    client: httpx2.AsyncClient, path: str, owner: User, register: Register, open_shop: OpenShop
) -> None:
    stranger, viewer = await register(), await register()
    other = await open_shop(stranger)
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=stranger.headers)).status_code == 404
    member = path.replace("events", f"members/{viewer.id}")
    put = await client.put(member, json={"role": "viewer"}, headers=owner.headers)
    assert put.is_success
    assert (await client.get(path, headers=viewer.headers)).status_code == 200
    # An event of this shop is none of the other's.
    [event] = (await _get(client, f"{path}?limit=1", owner))["items"]
    elsewhere = f"/v1/shops/{other['id']}/events?after={event['id']}"
    assert (await client.get(elsewhere, headers=stranger.headers)).status_code == 422


async def test_an_api_key_needs_the_scope_read(
    client: httpx2.AsyncClient, path: str, owner: User
) -> None:
    keys = path.replace("events", "api-keys")
    expected = {("secret", ("read",)): 200, ("secret", ("stock",)): 403, ("publishable", ()): 403}
    for (kind, scopes), status in expected.items():
        asked: dict[str, Any] = {"name": "A program", "kind": kind}
        if scopes:
            asked["scopes"] = list(scopes)
        made = await client.post(keys, json=asked, headers=owner.headers)
        assert made.status_code == 201, made.text
        headers = {"Authorization": f"Bearer {made.json()['key']}"}
        assert (await client.get(path, headers=headers)).status_code == status
