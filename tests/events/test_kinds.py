"""Each verb tells what it did, once; what is told is what docs/events.md says."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lockstock.app import EVENT_KINDS, Services
from lockstock.kernel.database import Database
from lockstock.orders.payments.provider import RefundImpossible
from lockstock.orders.payments.sandbox.adapter import Sandbox
from tests.conftest import Register, User
from tests.house.documents import rows

DOCUMENTED = rows((Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8"))
# Told by verbs that have tests of their own.
ELSEWHERE = {"reservation.moved", "stock.low", "stock.replenished"}


def _keys_of(kind: str) -> set[str]:
    cell = DOCUMENTED[kind][2]
    return set() if cell == "nothing" else set(cell.replace("`", "").split(", "))


class Story:
    """A shop, what is done in it over HTTP, and what its log says."""

    def __init__(self, client: httpx2.AsyncClient, services: Services, owner: User) -> None:
        self._client = client
        self.services = services
        self.owner = owner
        self.told: list[dict[str, Any]] = []
        self.second = ""
        self._calls = 0

    async def open(self, **fields: Any) -> "Story":
        """Open the shop with a product of two variants on its shelves."""
        asked = {"name": "Corner shop", "currency": "EUR"} | fields
        shop = await self.call("POST", "/v1/shops", asked)
        self.path, self.id = f"/v1/shops/{shop['id']}", shop["id"]
        self.first = shop["warehouses"][0]["id"]
        variants = [{"sku": sku, "price_minor": 450} for sku in ("TEA", "TEA-2")]
        self.product = await self.post("products", name="Tea", variants=variants)
        self.variant = self.product["variants"][0]["id"]
        return self

    async def call(self, method: str, url: str, asked: Any = None) -> Any:
        """Ask, and be answered."""
        self._calls += 1
        headers = self.owner.headers | {"Idempotency-Key": f"call {self._calls}"}
        answer = await self._client.request(method, url, json=asked, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def post(self, rest: str, **asked: Any) -> Any:
        """Do something in the shop."""
        return await self.call("POST", f"{self.path}/{rest}", asked)

    async def hear(self) -> list[str]:
        """Return the kinds of the events since the last time."""
        await self.services.relay.drain()
        after = self.told[-1]["sequence"] if self.told else 0
        page = await self.call("GET", f"{self.path}/events?after={after}&limit=200")
        self.told += page["items"]
        return [event["kind"] for event in page["items"]]

    def line(self, quantity: int = 1) -> dict[str, Any]:
        """So many units of the first variant."""
        return {"variant_id": self.variant, "quantity": quantity}

    async def order(self, quantity: int = 1) -> dict[str, Any]:
        """Place an order."""
        placed: dict[str, Any] = await self.post("orders", lines=[self.line(quantity)])
        return placed

    async def pay(self, order: dict[str, Any], verb: str = "succeed", **asked: Any) -> None:
        """Try to pay it."""
        payment = await self.post(f"orders/{order['id']}/payments", provider="sandbox")
        await self.call("POST", f"/v1/sandbox/payments/{payment['id']}/{verb}", asked or None)


@pytest.fixture
async def story(client: httpx2.AsyncClient, services: Services, register: Register) -> Story:
    """A shop that has just been opened."""
    return await Story(client, services, await register()).open()


def test_every_kind_is_documented() -> None:
    """docs/events.md has each kind with when, subject and data, and no other."""
    assert sorted(DOCUMENTED) == sorted(EVENT_KINDS)
    assert len(set(EVENT_KINDS)) == len(EVENT_KINDS)
    assert all(len(cells) == 3 and all(cells) for cells in DOCUMENTED.values())


def _check_documented(told: Sequence[dict[str, Any]]) -> None:
    for event in told:
        assert set(event["data"]) == _keys_of(event["kind"]), event


async def test_each_verb_tells_what_it_did(story: Story, register: Register) -> None:
    first = ["warehouse.opened", "shop.created", "member.changed", "product.created"]
    assert sorted(await story.hear()) == sorted(first)
    await _shop_and_people(story, await register())
    await _warehouses(story)
    await _stock(story)
    await _transfers(story)
    await _orders(story)
    await _money(story)
    _check_documented(story.told)
    assert {event["kind"] for event in story.told} == set(EVENT_KINDS) - ELSEWHERE
    assert [event["sequence"] for event in story.told] == list(range(1, len(story.told) + 1))
    assert {event["shop_id"] for event in story.told} == {story.id}


async def _shop_and_people(story: Story, clerk: User) -> None:
    await story.call("PATCH", story.path, {"name": "Tea shop"})
    await story.call("PATCH", story.path, {"name": "Tea shop"})
    member = f"{story.path}/members/{clerk.id}"
    await story.call("PUT", member, {"role": "clerk"})
    await story.call("PUT", member, {"role": "clerk"})
    await story.call("DELETE", member)
    await story.call("DELETE", member)
    product = f"{story.path}/products/{story.product['id']}"
    await story.call("PATCH", product, {"name": "Green tea"})
    await story.call("PATCH", product, {"name": "Green tea"})
    # What was done twice was done once.
    told = sorted(await story.hear())
    assert told == ["member.changed", "member.changed", "product.changed", "shop.changed"]
    by_kind = {event["kind"]: event for event in story.told}
    assert by_kind["shop.changed"]["data"] == {"changed": ["name"]}
    assert by_kind["member.changed"]["data"] == {"role": None}
    assert by_kind["member.changed"]["subject_id"] == str(clerk.id)
    assert by_kind["product.changed"]["data"]["variant_ids"][0] == story.variant


async def _warehouses(story: Story) -> None:
    story.second = (await story.post("warehouses", name="Cellar"))["id"]
    path = f"{story.path}/warehouses/{story.second}"
    await story.call("PATCH", path, {"name": "Attic", "priority": 5})
    await story.post(f"warehouses/{story.second}/receive", lines=[story.line(3)])
    for verb in ("deactivate", "deactivate", "activate", "activate"):
        await story.call("POST", f"{path}/{verb}")
    await story.call("POST", f"{path}/deactivate", {"dry_run": True})
    assert await story.hear() == [
        *("warehouse.opened", "warehouse.changed", "stock.received"),
        *("warehouse.deactivated", "warehouse.activated"),
    ]
    assert story.told[-4]["data"] == {"changed": ["name", "priority"]}
    assert story.told[-1]["data"] == {"variant_ids": [story.variant]}


async def _stock(story: Story) -> None:
    path = f"warehouses/{story.first}"
    await story.post(f"{path}/receive", lines=[story.line(50), story.line(1)])
    received = story.told
    delta = {"variant_id": story.variant, "delta": 2}
    await story.post(f"{path}/adjust", lines=[delta], reason="found")
    counted = {"variant_id": story.variant, "counted": 53, "expected": 53}
    await story.post(f"{path}/count", lines=[counted], reason="year's end")
    await story.post(f"{path}/damage", lines=[story.line()], reason="fell down")
    await story.post(f"{path}/write-off", lines=[story.line()], reason="gone")
    assert await story.hear() == [
        *("stock.received", "stock.adjusted", "stock.counted"),
        *("stock.damaged", "stock.written_off"),
    ]
    told = received[-5:]
    assert {event["subject_id"] for event in told} == {story.first}
    assert all(event["data"]["variant_ids"] == [story.variant] for event in told)
    ledger = await story.call("GET", f"{story.path}/movements?limit=200")
    causes = {movement["cause_id"] for movement in ledger["items"]}
    # What counted nothing new is not in the ledger.
    changed = [event for event in told if event["kind"] != "stock.counted"]
    assert {event["data"]["change_id"] for event in changed} <= causes


async def _transfers(story: Story) -> None:
    between = {"from_warehouse_id": story.first, "to_warehouse_id": story.second}
    moved = await story.post("transfers", **between, lines=[story.line()], immediate=True)
    assert await story.hear() == ["transfer.created", "transfer.received"]
    assert {event["subject_id"] for event in story.told[-2:]} == {moved["id"]}
    sent = await story.post("transfers", **between, lines=[story.line()])
    path = f"transfers/{sent['id']}"
    await story.call("PATCH", f"{story.path}/{path}", {"lines": [story.line(3)]})
    for step in ("ready", "ready", "dispatch"):
        await story.post(f"{path}/{step}")
    part = {"variant_id": story.variant, "received": 1}
    await story.post(f"{path}/receive", lines=[part])
    rest = {"variant_id": story.variant, "returned": 1, "lost": 1}
    await story.post(f"{path}/close", lines=[rest], reason="a hole in the sack")
    draft = await story.post("transfers", **between, lines=[story.line()])
    await story.post(f"transfers/{draft['id']}/cancel")
    steps = ("created", "changed", "ready", "dispatched", "received", "closed")
    assert await story.hear() == [f"transfer.{step}" for step in (*steps, "created", "cancelled")]
    statuses = [event["data"]["status"] for event in story.told[-8:]]
    assert statuses[:3] == ["draft", "draft", "ready"]
    assert statuses[3:6] == ["in_transit", "partly_received", "closed_short"]
    assert story.told[-3]["data"]["variant_ids"] == [story.variant]


async def _of(story: Story, order: dict[str, Any]) -> list[str]:
    """Return what has been told of an order, in order."""
    await story.hear()
    return [event["kind"] for event in story.told if event["subject_id"] == order["id"]]


async def _orders(story: Story) -> None:
    order = await story.order(3)
    await story.pay(order)
    path = f"orders/{order['id']}"
    assert await _of(story, order) == ["order.placed", "payment.captured", "order.paid"]
    for quantity in (1, 2):
        await story.post(f"{path}/shipments", lines=[story.line(quantity)])
    await story.post(f"{path}/returns", lines=[story.line()])
    await story.post(f"{path}/complete")
    await story.services.refunds.sweep(10)
    told = await _of(story, order)
    assert told[3:5] == ["order.partly_shipped", "order.shipped"]
    assert set(told[5:]) == {
        *("refund.created", "order.returned", "order.completed", "refund.succeeded")
    }
    events = [event for event in story.told if event["subject_id"] == order["id"]]
    assert events[0]["data"]["total"] == {"amount_minor": 1350, "currency": "EUR"}
    steps = [event for event in events if "transition" in event["data"]]
    assert [event["data"]["transition"] for event in steps] == [1, 2, 3, 4]
    assert all(
        event["data"].get("variant_ids", [story.variant]) == [story.variant] for event in events
    )
    # Released by hand.
    order = await story.order()
    await story.post(f"orders/{order['id']}/cancel")
    told = await _of(story, order)
    assert told == ["order.placed", "order.cancelled", "reservation.released"]


async def _money(story: Story) -> None:
    order = await story.order()
    await story.pay(order, "fail")
    assert await _of(story, order) == ["order.placed", "payment.failed"]
    order = await story.order()
    await story.pay(order, amount_minor=1)
    told = await _of(story, order)
    assert told[0] == "order.placed"
    assert sorted(told[1:]) == ["payment.captured", "payment.flagged", "refund.created"]
    flagged = next(event for event in story.told if event["kind"] == "payment.flagged")
    assert flagged["data"]["cause"] == "mismatch"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sandbox, "refund", _impossible)
        await story.services.refunds.sweep(10)
    assert sorted(await _of(story, order))[-4:] == [
        *("payment.flagged", "payment.flagged", "refund.created", "refund.failed")
    ]
    # Past its deadline.
    await story.call("PATCH", story.path, {"reservation_seconds": 1})
    order = await story.order()
    for _ in range(500):
        await story.services.orders.sweep(10)
        if "order.expired" in await _of(story, order):
            break
        await asyncio.sleep(0.02)
    told = await _of(story, order)
    assert sorted(told) == ["order.expired", "order.placed", "reservation.released"]
    released = next(e for e in reversed(story.told) if e["kind"] == "reservation.released")
    assert released["data"] == {"attempt": 1, "status": "expired", "variant_ids": [story.variant]}


async def _impossible(*_args: object) -> None:
    raise RefundImpossible


async def test_the_sweep_of_holds_tells_of_each_once(story: Story) -> None:
    await story.post(f"warehouses/{story.first}/receive", lines=[story.line(5)])
    await story.call("PATCH", story.path, {"reservation_seconds": 1})
    order = await story.order(2)
    for _ in range(500):
        await story.services.reservations.sweep(10)
        if "reservation.released" in await _of(story, order):
            break
        await asyncio.sleep(0.02)
    await story.services.orders.sweep(10)
    await story.services.reservations.sweep(10)
    assert sorted(await _of(story, order)) == [
        *("order.expired", "order.placed", "reservation.released")
    ]


async def test_what_is_refused_or_replayed_is_not_told(
    story: Story, client: httpx2.AsyncClient
) -> None:
    path = f"{story.path}/warehouses/{story.first}"
    headers = story.owner.headers | {"Idempotency-Key": "the same"}
    asked = {"lines": [story.line(2)]}
    for _ in range(2):
        answer = await client.post(f"{path}/receive", json=asked, headers=headers)
        assert answer.is_success
    await story.hear()
    for url, body in (
        (f"{path}/write-off", {"lines": [story.line(3)], "reason": "gone"}),
        (f"{story.path}/orders", {"lines": [story.line(3)]}),
        (f"{story.path}/orders/{story.id}/cancel", {}),
        (f"{story.path}/products", {"name": "Tea", "variants": [{"sku": "TEA", "price_minor": 1}]}),
    ):
        answer = await client.post(url, json=body, headers=headers | {"Idempotency-Key": url})
        assert not answer.is_success
    assert await story.hear() == []
    assert [event["kind"] for event in story.told].count("stock.received") == 1
    for _ in range(2):
        order = await client.post(f"{story.path}/orders", json=asked, headers=headers)
        assert order.status_code == 201
    assert await story.hear() == ["order.placed"]


async def test_a_verb_that_fails_after_it_has_told_has_told_nothing(
    story: Story, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story.hear()

    async def failing(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lockstock.warehouses.stock.store.remember_change", failing)
    url = f"{story.path}/warehouses/{story.first}/receive"
    with pytest.raises(AssertionError, match="internal_error"):
        await story.call("POST", url, {"lines": [story.line(2)]})
    monkeypatch.undo()
    assert await story.hear() == []
