"""Races through HTTP, against one and two real server processes on one database."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel.access import AccessTokens, Actor
from lockstock.kernel.database import Database
from lockstock.kernel.ids import new_id
from tests.races import broken
from tests.servers import SERVE, SIGNING_KEY, environment, servers

pytestmark = pytest.mark.races

# A broken variant is given this many rounds to show its fault.
ROUNDS = 10
BROKEN = ("-m", "tests.races.broken_serve", "serve", "--port", "0")
TOKENS = AccessTokens([SIGNING_KEY], 900)


def headers_of(user_id: UUID) -> dict[str, str]:
    """The headers of a logged-in user; hundreds of passwords would only cost time."""
    actor = Actor(user_id=user_id, session_id=new_id(), is_admin=False)
    return {"Authorization": f"Bearer {TOKENS.issue(actor)}"}


@dataclass
class Market:
    """A shop with one variant in two warehouses, and clients of each server."""

    clients: list[httpx2.AsyncClient]
    owner: dict[str, str]
    shop: str
    variant: str

    def path(self, rest: str) -> str:
        return f"/v1/shops/{self.shop}/{rest}"

    async def buy(self, place: int, user_id: UUID, key: str, units: int = 1) -> httpx2.Response:
        """Check out at one of the servers."""
        return await self.clients[place % len(self.clients)].post(
            self.path("orders"),
            json={"lines": [{"variant_id": self.variant, "quantity": units}]},
            headers=headers_of(user_id) | {"Idempotency-Key": key},
        )


async def made(answer: httpx2.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


async def open_market(clients: list[httpx2.AsyncClient], units: int, **shop: Any) -> Market:
    owner, client = headers_of(new_id()), clients[0]
    asked = {"name": "Market", "currency": "EUR"} | shop
    found = await made(await client.post("/v1/shops", json=asked, headers=owner))
    path = f"/v1/shops/{found['id']}"
    second = await made(await client.post(f"{path}/warehouses", json={"name": "B"}, headers=owner))
    tea = {"name": "Tea", "variants": [{"sku": "TEA", "price_minor": 450}]}
    product = await made(await client.post(f"{path}/products", json=tea, headers=owner))
    variant = product["variants"][0]["id"]
    for warehouse, part in ((found["warehouses"][0], units // 2), (second, units - units // 2)):
        received = {"lines": [{"variant_id": variant, "quantity": part}]}
        await made(
            await client.post(
                f"{path}/warehouses/{warehouse['id']}/receive", json=received, headers=owner
            )
        )
    return Market(clients, owner, found["id"], variant)


@asynccontextmanager
async def clients_of(addresses: list[str]) -> AsyncIterator[list[httpx2.AsyncClient]]:
    limits = httpx2.Limits(max_connections=250)
    opened = [
        httpx2.AsyncClient(base_url=address, timeout=60, limits=limits) for address in addresses
    ]
    try:
        yield opened
    finally:
        for client in opened:
            await client.aclose()


async def five_hundred_buyers(market: Market) -> Counter[int]:
    answers = await asyncio.gather(
        *(market.buy(place, new_id(), "my only order") for place in range(500))
    )
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "out_of_stock"
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("processes", [1, 2])
async def test_500_buyers_at_once_buy_exactly_the_50_units(
    database_url: str, database: Database, processes: int
) -> None:
    env = environment(database_url)
    async with servers(processes, env) as addresses, clients_of(addresses) as clients:
        market = await open_market(clients, 50)
        assert await five_hundred_buyers(market) == {201: 50, 409: 450}
        shown = await made(await clients[0].get("/v1/products", params={"shop": market.shop}))
        assert shown["items"][0]["available"] == 0
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_without_row_locks_500_buyers_buy_more_than_there_is(
    database_url: str, database: Database
) -> None:
    await broken.drop_checks(database)
    env = environment(database_url) | {"LOCKSTOCK_BROKEN": "row locks"}
    async with servers(2, env, BROKEN) as addresses, clients_of(addresses) as clients:
        sold = 0
        for _ in range(ROUNDS):
            sold = (await five_hundred_buyers(await open_market(clients, 50)))[201]
            if sold > 50:
                break
        assert sold > 50
    assert not (await audit(database)).holds


async def same_key_a_hundred_times(market: Market) -> list[httpx2.Response]:
    buyer = new_id()
    return list(
        await asyncio.gather(*(market.buy(place, buyer, "once", 2) for place in range(100)))
    )


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_same_key_a_hundred_times_at_once_is_one_order(
    database_url: str, database: Database, processes: int
) -> None:
    env = environment(database_url)
    async with servers(processes, env) as addresses, clients_of(addresses) as clients:
        market = await open_market(clients, 300)
        answers = await same_key_a_hundred_times(market)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        replays = [a for a in answers if a.headers.get("Idempotency-Replayed") == "true"]
        assert len(replays) == 99
        orders = await made(await clients[0].get(market.path("orders"), headers=market.owner))
        assert len(orders["items"]) == 1
        stock = await made(await clients[0].get(market.path("stock"), headers=market.owner))
        assert sum(row["held"] for row in stock["items"]) == 2
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_if_keys_were_forgotten_the_hundred_would_be_many_orders(database_url: str) -> None:
    env = environment(database_url) | {"LOCKSTOCK_BROKEN": "idempotency"}
    async with servers(2, env, BROKEN) as addresses, clients_of(addresses) as clients:
        market = await open_market(clients, 300)
        answers = await same_key_a_hundred_times(market)
        assert len({answer.json()["id"] for answer in answers}) > 1


async def test_money_at_the_very_deadline_ends_with_stock_or_with_a_refund(
    database_url: str, database: Database
) -> None:
    env = environment(database_url, sweep_seconds="0.05")
    async with servers(2, env, SERVE) as addresses, clients_of(addresses) as clients:
        market = await open_market(clients, 40, reservation_seconds=6)
        paying = [pay_at_the_deadline(market, place) for place in range(40)]
        buying = [buy_at_the_deadline(market, place) for place in range(40)]
        await asyncio.gather(*paying, *buying)
        statuses = await settled(market)
    assert set(statuses) <= {"paid", "expired"}
    assert sum(statuses.values()) >= 40
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def pay_at_the_deadline(market: Market, place: int) -> None:
    buyer, client = new_id(), market.clients[place % 2]
    headers = headers_of(buyer) | {"Idempotency-Key": "k"}
    order = await made(await market.buy(place, buyer, "k"))
    asked = {"provider": "sandbox"}
    path = market.path(f"orders/{order['id']}/payments")
    payment = await made(await client.post(path, json=asked, headers=headers))
    deadline = datetime.fromisoformat(order["expires_at"])
    left = (deadline - datetime.now(UTC)).total_seconds()
    await asyncio.sleep(max(0, left + random.uniform(-0.3, 0.1)))
    await made(await client.post(f"/v1/sandbox/payments/{payment['id']}/succeed", headers=headers))


async def buy_at_the_deadline(market: Market, place: int) -> None:
    await asyncio.sleep(6 + random.uniform(-0.2, 0.5))
    answer = await market.buy(place, new_id(), "late buyer")
    assert answer.status_code in (201, 409), answer.text


async def settled(market: Market) -> Counter[str]:
    """Wait until no order waits for its money any more; return how many are what."""
    while True:
        found = await made(
            await market.clients[0].get(
                market.path("orders"), params={"limit": 200}, headers=market.owner
            )
        )
        statuses = Counter(order["status"] for order in found["items"])
        if not statuses["awaiting_payment"]:
            return statuses
        await asyncio.sleep(0.2)
