"""Transfers through the HTTP interface: from draft to closed short, and who may do what."""

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel.database import Database
from tests.conftest import OpenShop, Register, User

pytestmark = pytest.mark.journeys


@dataclass
class Depots:
    """A shop with 10 units of one variant in the first of its two warehouses."""

    client: httpx2.AsyncClient
    owner: User
    shop: str
    variant: str
    source: str
    target: str

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        """Send a body as the owner."""
        headers = self.owner.headers | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(f"{self.shop}/{path}", json=body, headers=headers)

    async def get(self, path: str) -> Any:
        """Read as the owner."""
        answer = await self.client.get(f"{self.shop}/{path}", headers=self.owner.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def stock(self) -> dict[str, tuple[int, int, int]]:
        """On hand, committed and incoming, per warehouse."""
        rows = (await self.get("stock"))["items"]
        return {
            row["warehouse_id"]: (row["on_hand"], row["committed"], row["incoming"]) for row in rows
        }

    def asking(self, quantity: int = 6, **fields: Any) -> dict[str, Any]:
        """Ask for a transfer."""
        return {
            "from_warehouse_id": self.source,
            "to_warehouse_id": self.target,
            "lines": [{"variant_id": self.variant, "quantity": quantity}],
        } | fields

    async def draft(self) -> str:
        """Draft one and return its path."""
        return f"transfers/{made(await self.post('transfers', self.asking()), 201)['id']}"


def made(answer: httpx2.Response, status: int = 200) -> dict[str, Any]:
    """Return what was answered."""
    assert answer.status_code == status, answer.text
    content: dict[str, Any] = answer.json()
    return content


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem that was answered."""
    content: dict[str, Any] = answer.json()
    assert (answer.status_code, content["code"]) == (status, code), answer.text
    return content


@pytest.fixture
async def depots(client: httpx2.AsyncClient, register: Register, open_shop: OpenShop) -> Depots:
    """A shop of its own."""
    owner = await register()
    shop = await open_shop(owner)
    path = f"/v1/shops/{shop['id']}"

    async def post(rest: str, body: Any) -> dict[str, Any]:
        answer = await client.post(f"{path}/{rest}", json=body, headers=owner.headers)
        assert answer.is_success, answer.text
        content: dict[str, Any] = answer.json()
        return content

    tea = await post("products", {"name": "Tea", "variants": [{"sku": "TEA", "price_minor": 450}]})
    variant, source = tea["variants"][0]["id"], shop["warehouses"][0]["id"]
    target = (await post("warehouses", {"name": "South"}))["id"]
    line = {"variant_id": variant, "quantity": 10}
    await post(f"warehouses/{source}/receive", {"lines": [line]})
    return Depots(client, owner, path, variant, source, target)


async def receive_a_part(depots: Depots, path: str) -> None:
    """Receive 2 units and a damaged one of 6, as often as one likes but once."""
    line = {"variant_id": depots.variant}
    receipt = {"lines": [line | {"received": 2, "damaged": 1}]}
    first = await depots.post(f"{path}/receive", receipt, "r1")
    again = await depots.post(f"{path}/receive", receipt, "r1")
    assert made(again) == made(first)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = {"lines": [line | {"received": 1}]}
    refused(await depots.post(f"{path}/receive", other, "r1"), 422, "idempotency_key_reused")
    over = {"lines": [line | {"received": 4}]}
    problem = refused(await depots.post(f"{path}/receive", over), 409, "more_than_outstanding")
    assert problem["lines"] == [line | {"requested": 4, "outstanding": 3}]


async def test_a_transfer_from_draft_to_closed_short(depots: Depots, database: Database) -> None:
    body = depots.asking(expected_at="2026-01-31T12:00:00+01:00", reason="summer sale")
    draft = made(await depots.post("transfers", body, "t1"), 201)
    again = await depots.post("transfers", body, "t1")
    assert made(again, 201) == draft
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (draft["status"], draft["expected_at"]) == ("draft", "2026-01-31T11:00:00Z")
    path = f"transfers/{draft['id']}"
    for _ in range(2):
        assert made(await depots.post(f"{path}/ready"))["status"] == "ready"
    assert await depots.stock() == {depots.source: (10, 6, 0)}
    for _ in range(2):
        assert made(await depots.post(f"{path}/dispatch"))["overdue"]
    assert await depots.stock() == {depots.source: (4, 0, 0), depots.target: (0, 0, 6)}
    late = await depots.get("transfers?overdue=true&status=in_transit")
    assert [found["id"] for found in late["items"]] == [draft["id"]]

    line = {"variant_id": depots.variant}
    await receive_a_part(depots, path)
    refused(await depots.post(f"{path}/cancel"), 409, "step_not_allowed")
    part = {"lines": [line | {"lost": 1}], "reason": "fell off"}
    refused(await depots.post(f"{path}/close", part), 409, "still_outstanding")
    rest = {"lines": [line | {"returned": 2, "lost": 1}], "reason": "fell off"}
    closed = made(await depots.post(f"{path}/close", rest, "c1"))
    assert made(await depots.post(f"{path}/close", rest, "c1")) == closed
    assert closed["status"] == "closed_short"
    assert closed["lines"] == [
        line
        | {"quantity": 6, "dispatched": 6, "received": 2, "damaged": 1, "returned": 2, "lost": 1}
        | {"outstanding": 0}
    ]
    assert await depots.stock() == {depots.source: (6, 0, 0), depots.target: (2, 0, 0)}
    found = await depots.get(path)
    assert [step["step"] for step in found["history"]] == [
        "create",
        "ready",
        "dispatch",
        "receive",
        "close",
    ]
    assert {step["actor_id"] for step in found["history"]} == {str(depots.owner.id)}
    assert found["history"][-1]["reason"] == "fell off"
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_a_draft_is_changed_and_given_up(depots: Depots) -> None:
    path = await depots.draft()
    url = f"{depots.shop}/{path}"
    lines = [{"variant_id": depots.variant, "quantity": 11}]
    answer = await depots.client.patch(url, json={"lines": lines}, headers=depots.owner.headers)
    assert made(answer)["lines"][0]["quantity"] == 11
    problem = refused(await depots.post(f"{path}/ready"), 409, "not_enough_to_move")
    assert problem["lines"][0]["requested"] == 11
    assert problem["lines"][0]["free"] == 10
    gone = made(await depots.post(f"{path}/cancel", {"reason": "not needed"}))
    assert (gone["status"], gone["history"][-1]["reason"]) == ("cancelled", "not needed")
    assert (await depots.get(f"transfers?warehouse={depots.target}"))["items"][0] == gone
    assert (await depots.get("transfers?status=draft"))["items"] == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"expected_at": "tomorrow"}, "expected_at"),
        ({"expected_at": 1764000000}, "expected_at"),
        ({"expected_at": "1764000000"}, "expected_at"),
        ({"expected_at": "2026-02-30T00:00:00Z"}, "expected_at"),
        ({"expected_at": "2026-02-20T00:00:00"}, "expected_at"),
        ({"expected_at": "9999-12-31T23:59:59-12:00"}, "expected_at"),
        ({"immediate": 1}, "immediate"),
        ({"status": "ready"}, "status"),
        ({"lines": []}, "lines"),
        ({"lines": [{"variant_id": "0" * 32, "quantity": 1}]}, "lines.0.variant_id"),
    ],
)
async def test_a_bad_draft_is_refused_by_name(
    depots: Depots, fields: dict[str, Any], path: str
) -> None:
    problem = refused(await depots.post("transfers", depots.asking(**fields)), 422, "invalid_input")
    assert [error["path"] for error in problem["errors"]] == [path]


async def test_what_is_no_receipt_is_refused(depots: Depots) -> None:
    path = await depots.draft()
    for step in ("ready", "dispatch"):
        made(await depots.post(f"{path}/{step}"))
    for line in (
        {"variant_id": depots.variant},
        {"variant_id": depots.variant, "received": -1},
        {"variant_id": depots.variant, "received": True},
        {"variant_id": depots.source, "received": 1},
    ):
        refused(await depots.post(f"{path}/receive", {"lines": [line]}), 422, "invalid_input")
    lines = [{"variant_id": depots.variant, "lost": 6}]
    refused(await depots.post(f"{path}/close", {"lines": lines}), 422, "invalid_input")
    assert await depots.stock() == {depots.source: (4, 0, 0), depots.target: (0, 0, 6)}


async def test_who_may_carry(depots: Depots, register: Register, open_shop: OpenShop) -> None:
    path = await depots.draft()
    stranger, viewer, clerk = await register(), await register(), await register()
    await open_shop(stranger)
    for user, role in ((viewer, "viewer"), (clerk, "clerk")):
        await depots.client.put(
            f"{depots.shop}/members/{user.id}", json={"role": role}, headers=depots.owner.headers
        )
    url = f"{depots.shop}/{path}"
    for headers, status in (
        ({}, 401),
        (stranger.headers, 404),
        (viewer.headers, 403),
        (clerk.headers, 200),
    ):
        answer = await depots.client.post(f"{url}/ready", headers=headers)
        assert answer.status_code == status, answer.text
    assert (await depots.client.get(url, headers=viewer.headers)).status_code == 200
