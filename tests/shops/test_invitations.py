"""Invitations: sent, accepted once, withdrawn, expired."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from lockstock.app import Services
from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from lockstock.shops.invitations.contract import MOST_INVITATIONS
from lockstock.users.contract import Letter
from tests.conftest import Register
from tests.shops.people import People, check_refused, people, somebody

BOB = "bob@example.com"


@dataclass
class Post:
    """Keeps the letters that would be sent."""

    letters: list[tuple[str, Letter]] = field(default_factory=list)

    async def post(self, identifier: str, letter: Letter) -> None:
        """Keep it."""
        self.letters.append((identifier, letter))

    @property
    def token(self) -> str:
        """The token in the last letter."""
        found = re.search(r"inv_\S+", self.letters[-1][1].text)
        assert found
        return found.group()


@pytest.fixture
def post(services: Services, monkeypatch: pytest.MonkeyPatch) -> Post:
    """The letters, taken on their way to the sender."""
    kept = Post()
    monkeypatch.setattr(services.users, "post", kept.post)
    return kept


@pytest.fixture
async def there(client: httpx2.AsyncClient, register: Register) -> People:
    return await people(client, register)


def of(there: People) -> str:
    return f"/v1/shops/{there.shop['id']}/invitations"


async def invite(
    client: httpx2.AsyncClient, there: People, identifier: str = BOB, role: str = "clerk"
) -> httpx2.Response:
    ask = {"identifier": identifier, "role": role}
    return await client.post(of(there), json=ask, headers=there.headers["owner"])


async def accept(
    client: httpx2.AsyncClient, token: str, headers: dict[str, str]
) -> httpx2.Response:
    return await client.post("/v1/invitations/accept", json={"token": token}, headers=headers)


async def listed(client: httpx2.AsyncClient, there: People) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (
        await client.get(of(there), headers=there.headers["owner"])
    ).json()["items"]
    return items


async def test_who_accepts_works_in_the_shop(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    made = await invite(client, there, "  BOB@Example.com ")
    assert made.status_code == 201
    assert (made.json()["identifier"], made.json()["role"]) == (BOB, "clerk")
    [(to, letter)] = post.letters
    assert to == BOB
    assert letter.subject == "Invitation to Corner shop"
    assert "Corner shop invites you to work there, as clerk." in letter.text
    assert post.token not in made.text
    assert [item["id"] for item in await listed(client, there)] == [made.json()["id"]]
    bob = somebody()
    accepted = await accept(client, f" {post.token}\n", bob.headers)
    assert accepted.status_code == 200
    assert accepted.json()["shop_id"] == there.shop["id"]
    assert accepted.json()["role"] == "clerk"
    shop = f"/v1/shops/{there.shop['id']}"
    assert (await client.get(shop, headers=bob.headers)).status_code == 200
    assert await listed(client, there) == []


async def test_an_invitation_is_good_once(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    await invite(client, there)
    callers = [somebody() for _ in range(5)]
    answers = await asyncio.gather(*(accept(client, post.token, c.headers) for c in callers))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404, 404]


async def test_only_owners_have_to_do_with_invitations(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    made = (await invite(client, there)).json()
    ask = {"identifier": BOB, "role": "owner"}
    refused = {"manager": 403, "clerk": 403, "viewer": 403, "other": 404, "stranger": 404}
    for who, status in (refused | {"nobody": 401}).items():
        answers = [
            await client.post(of(there), json=ask, headers=there.headers[who]),
            await client.get(of(there), headers=there.headers[who]),
            await client.delete(f"{of(there)}/{made['id']}", headers=there.headers[who]),
        ]
        assert [answer.status_code for answer in answers] == [status] * 3, who
    assert len(post.letters) == 1
    assert (await accept(client, post.token, {})).status_code == 401


@pytest.mark.parametrize("end", ["withdrawn", "expired", "replaced"])
async def test_an_invitation_that_is_over_opens_nothing(
    client: httpx2.AsyncClient, there: People, post: Post, services: Services, end: str
) -> None:
    made = (await invite(client, there)).json()
    token, url = post.token, f"{of(there)}/{made['id']}"
    if end == "withdrawn":
        assert (await client.delete(url, headers=there.headers["owner"])).status_code == 204
    elif end == "replaced":
        assert (await invite(client, there, role="viewer")).status_code == 201
        assert [item["role"] for item in await listed(client, there)] == ["viewer"]
    else:

        async def work(connection: Connection) -> None:
            await connection.execute(
                "UPDATE shops.invitations SET created_at = created_at - interval '1 day', "
                "expires_at = statement_timestamp()"
            )

        await services.invitations.database.transaction(work)
        assert await listed(client, there) == []
    bob = somebody()
    answer = await accept(client, token, bob.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    shop = f"/v1/shops/{there.shop['id']}"
    assert (await client.get(shop, headers=bob.headers)).status_code == 404
    if end == "replaced":
        assert (await accept(client, post.token, bob.headers)).json()["role"] == "viewer"
    else:
        assert (await client.delete(url, headers=there.headers["owner"])).status_code == 404


async def test_who_accepts_loses_nothing(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    await invite(client, there, role="viewer")
    assert (await accept(client, post.token, there.headers["owner"])).json()["role"] == "owner"
    await invite(client, there, role="manager")
    assert (await accept(client, post.token, there.headers["clerk"])).json()["role"] == "manager"


async def test_a_token_that_is_none_is_no_invitation(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    await invite(client, there)
    token = post.token
    for tried in (token[:-1], token + "A", token.removeprefix("inv_"), "inv_", "é", "A" * 200):
        answer = await accept(client, tried, somebody().headers)
        assert answer.status_code == 404, tried
    check_refused(await accept(client, "", somebody().headers), 422, "token")
    answer = await client.delete(f"{of(there)}/{new_id()}", headers=there.headers["owner"])
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("identifier", "role", "path"),
    [("nonsense", "clerk", "identifier"), (BOB, "admin", "role"), ("", "clerk", "identifier")],
)
async def test_a_bad_invitation_names_the_field(
    client: httpx2.AsyncClient, there: People, post: Post, identifier: str, role: str, path: str
) -> None:
    check_refused(await invite(client, there, identifier, role), 422, path)
    assert post.letters == []


async def test_nobody_is_flooded_with_invitations(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    answers = [await invite(client, there) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert len(post.letters) == 5
    # Codes are counted apart: nobody can be kept from logging in this way.
    answer = await client.post("/v1/login/code", json={"identifier": BOB})
    assert answer.status_code == 202


async def test_a_shop_has_a_bounded_number_of_open_invitations(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    for number in range(MOST_INVITATIONS):
        assert (await invite(client, there, f"user{number}@example.com")).status_code == 201
    refused = await invite(client, there)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_invitations")
    assert (await invite(client, there, "user7@example.com")).status_code == 201


async def test_a_shops_name_is_one_short_line_in_a_letter(
    client: httpx2.AsyncClient, there: People, post: Post
) -> None:
    name = "Corner\n\nClick  here: " + "x" * 150
    url = f"/v1/shops/{there.shop['id']}"
    changed = await client.patch(url, json={"name": name}, headers=there.headers["owner"])
    assert changed.status_code == 200
    assert (await invite(client, there)).status_code == 201
    [(_, letter)] = post.letters
    assert "\n" not in letter.subject
    assert letter.subject.startswith("Invitation to Corner Click here: xxx")
    assert len(letter.subject) <= len("Invitation to ") + 60
