"""People of a shop, for tests."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from lockstock.kernel.access import AccessTokens, Actor
from lockstock.kernel.ids import new_id
from tests.conftest import SIGNING_KEY, Register

ROLES = ("owner", "manager", "clerk", "viewer")


@dataclass(frozen=True)
class People:
    """A shop, and the headers of everybody who may come: each role, a stranger, nobody, an admin.

    `other`: the owner of another shop.
    """

    shop: dict[str, Any]
    ids: dict[str, UUID]
    headers: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Somebody:
    """Whose token is good, without the time that registering takes."""

    id: UUID
    headers: dict[str, str]


def somebody(*, is_admin: bool = False) -> Somebody:
    """Return a caller that is new here."""
    actor = Actor(user_id=new_id(), session_id=new_id(), is_admin=is_admin)
    token = AccessTokens([SIGNING_KEY], 600).issue(actor)
    return Somebody(actor.user_id, {"Authorization": f"Bearer {token}"})


async def shop_of(client: httpx2.AsyncClient, owner: Somebody, name: str) -> dict[str, Any]:
    """Open a shop."""
    asked = {"name": name, "currency": "EUR"}
    answer = await client.post("/v1/shops", json=asked, headers=owner.headers)
    assert answer.status_code == 201, answer.text
    shop: dict[str, Any] = answer.json()
    return shop


async def people(client: httpx2.AsyncClient, register: Register) -> People:
    """Open a shop and give somebody each role."""
    found = {who: somebody() for who in ("owner", "other", "stranger")}
    shop = await shop_of(client, found["owner"], "Corner shop")
    await shop_of(client, found["other"], "Another shop")
    for role in ROLES[1:]:
        # Who gets a role must have registered.
        user = await register()
        found[role] = Somebody(user.id, user.headers)
        answer = await client.put(
            f"/v1/shops/{shop['id']}/members/{user.id}",
            json={"role": role},
            headers=found["owner"].headers,
        )
        assert answer.status_code == 200, answer.text
    headers = {who: user.headers for who, user in found.items()}
    return People(
        shop,
        {who: user.id for who, user in found.items()},
        headers | {"admin": somebody(is_admin=True).headers, "nobody": {}},
    )


def check_refused(answer: httpx2.Response, status: int, path: str | None = None) -> None:
    """Check that an answer is a refusal that names the field and tells nothing of the inside."""
    problem = answer.json()
    assert answer.status_code == problem["status"] == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "code", "detail", "request_id"} <= problem.keys()
    assert "SELECT" not in answer.text
    assert "postgres" not in answer.text.lower()
    if path is not None:
        assert [error["path"] for error in problem["errors"]] == [path], answer.text
