"""/v1/me/identities: several for one person, verified before they count, never none."""

import asyncio
from typing import Any

import httpx2
import pytest

from lockstock.kernel.database import Database
from tests.users.accounts import PASSWORD, House, bearer, house

EMAIL = "ann@example.com"
PHONE = "+447700900123"
NEW = "ann@work.example"


@pytest.fixture
async def ann(home: House) -> httpx2.AsyncClient:
    """A client of Ann, who is logged in."""
    await home.register(email=EMAIL)
    client = home.client()
    client.headers.update(bearer(await home.login(EMAIL)))
    return client


async def add(client: httpx2.AsyncClient, **identity: str) -> httpx2.Response:
    return await client.post("/v1/me/identities", json=identity)


async def prove(client: httpx2.AsyncClient, identifier: str, code: str) -> httpx2.Response:
    shown = {"identifier": identifier, "code": code}
    return await client.post("/v1/me/identities/verify", json=shown)


def values(user: dict[str, Any]) -> list[str]:
    return [identity["value"] for identity in user["identities"]]


async def test_an_identity_counts_once_its_code_came_back(
    home: House, ann: httpx2.AsyncClient
) -> None:
    for identity in ({"email": "Ann@Work.example"}, {"phone": "07700 900123"}):
        added = await add(ann, **identity)
        assert (added.status_code, added.json()) == (202, {"expires_in": 600})
    assert values((await ann.get("/v1/me")).json()) == [EMAIL]
    refused = {"identifier": NEW, "password": PASSWORD}
    assert (await home.client().post("/v1/login", json=refused)).status_code == 401
    user = await prove(ann, "07700 900 123", await home.inbox.code(PHONE))
    assert user.status_code == 200
    user = await prove(ann, NEW.upper(), await home.inbox.code(NEW))
    assert values(user.json()) == [EMAIL, PHONE, NEW]
    assert all(i["verified_at"] for i in user.json()["identities"][1:])
    await home.login(NEW)
    await home.login(PHONE)


async def test_an_unverified_addition_blocks_nobody(home: House, ann: httpx2.AsyncClient) -> None:
    await add(ann, email=NEW)
    code = await home.inbox.code(NEW)
    owner = await home.register(email=NEW)
    late = await prove(ann, NEW, code)
    assert (late.status_code, late.json()["code"]) == (409, "identity_taken")
    found = await home.users.find(NEW)
    assert found is not None
    assert found.id == owner


async def test_a_code_for_adding_is_good_for_who_asked_and_for_nothing_else(
    home: House, ann: httpx2.AsyncClient
) -> None:
    await home.register(email="bob@example.com")
    bob = home.client()
    bob.headers.update(bearer(await home.login("bob@example.com")))
    await add(ann, email=NEW)
    await add(bob, email=NEW)
    codes = [await home.inbox.code(NEW, 1), await home.inbox.code(NEW, 2)]
    if codes[0] != codes[1]:
        assert (await prove(bob, NEW, codes[0])).status_code == 422
    shown = {"identifier": NEW, "code": codes[0]}
    assert (await home.client().post("/v1/login/code/verify", json=shown)).status_code == 401
    assert (await prove(bob, NEW, codes[1])).status_code == 200
    assert (await prove(ann, NEW, codes[0])).status_code == 409


async def test_a_wrong_code_names_the_field_and_tries_are_few(
    home: House, ann: httpx2.AsyncClient
) -> None:
    await add(ann, email=NEW)
    code = await home.inbox.code(NEW)
    for _ in range(5):
        wrong = await prove(ann, NEW, f"{(int(code) + 1) % 1_000_000:06}")
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["path"] == "code"
    assert (await prove(ann, NEW, code)).status_code == 422
    assert values((await ann.get("/v1/me")).json()) == [EMAIL]


@pytest.mark.parametrize("identity", [{"email": "bob@example.com"}, {"phone": PHONE}])
async def test_what_somebody_has_cannot_be_added(
    home: House, ann: httpx2.AsyncClient, identity: dict[str, str]
) -> None:
    await home.register(email="bob@example.com", phone=PHONE)
    refused = await add(ann, **identity)
    assert (refused.status_code, refused.json()["code"]) == (409, "identity_taken")
    assert refused.json()["field"] in identity
    assert home.inbox.letters == []


@pytest.mark.parametrize(
    "body", [{}, {"email": NEW, "phone": PHONE}, {"email": "x"}, {"phone": "x"}, {"user_id": "x"}]
)
async def test_one_valid_identity_is_added_at_a_time(
    ann: httpx2.AsyncClient, body: dict[str, str]
) -> None:
    assert (await add(ann, **body)).status_code == 422


async def test_removing_an_identity_takes_its_logins_away(
    home: House, ann: httpx2.AsyncClient
) -> None:
    for field, value in (("phone", PHONE), ("email", "a/b@work.example")):
        await add(ann, **{field: value})
        assert (await prove(ann, value, await home.inbox.code(value))).status_code == 200
    await home.client().post("/v1/login/code", json={"identifier": PHONE})
    code = await home.inbox.code(PHONE, 2)
    for path in (f"phone/{PHONE}", "email/a/b@Work.example"):
        assert (await ann.delete(f"/v1/me/identities/{path}")).status_code == 204
        assert (await ann.delete(f"/v1/me/identities/{path}")).status_code == 404
    for way, proof in (("", {"password": PASSWORD}), ("/code/verify", {"code": code})):
        answer = await home.client().post(f"/v1/login{way}", json={"identifier": PHONE} | proof)
        assert answer.status_code == 401
    await home.register(phone=PHONE)


async def test_the_last_identity_stays(home: House, ann: httpx2.AsyncClient) -> None:
    refused = await ann.delete(f"/v1/me/identities/email/{EMAIL}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_identity")
    await home.login(EMAIL)


@pytest.mark.parametrize(
    "path", ["email/bob@example.com", f"phone/{EMAIL}", "email/x", "fax/1", "phone/%00", "email/"]
)
async def test_what_is_not_mine_is_not_there(
    home: House, ann: httpx2.AsyncClient, path: str
) -> None:
    await home.register(email="bob@example.com")
    assert (await ann.delete(f"/v1/me/identities/{path}")).status_code == 404
    await home.login("bob@example.com")


@pytest.mark.races
async def test_of_the_last_two_identities_removed_at_once_one_stays(home: House) -> None:
    for number in range(10):
        email, phone = f"ann{number}@example.com", f"+44770090012{number}"
        await home.register(email=email, phone=phone)
        client = home.client()
        client.headers.update(bearer(await home.login(email)))
        answers = await asyncio.gather(
            client.delete(f"/v1/me/identities/email/{email}"),
            client.delete(f"/v1/me/identities/phone/{phone}"),
        )
        assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_identities_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockstock.users.identities.service.MOST_IDENTITIES", 2)
    async with house(database) as home:
        await home.register(email=EMAIL, phone=PHONE)
        client = home.client()
        client.headers.update(bearer(await home.login(EMAIL)))
        await add(client, email=NEW)
        refused = await prove(client, NEW, await home.inbox.code(NEW))
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_identities")


async def test_an_ended_session_changes_nothing(home: House) -> None:
    await home.register(email=EMAIL, phone=PHONE)
    tokens = await home.login(EMAIL)
    client = home.client()
    client.headers.update(bearer(tokens))
    await client.post("/v1/logout", json={"refresh_token": tokens["refresh_token"]})
    assert (await add(client, email=NEW)).status_code == 401
    assert (await prove(client, NEW, "123456")).status_code == 401
    assert (await client.delete(f"/v1/me/identities/phone/{PHONE}")).status_code == 401
    assert home.inbox.letters == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("POST", "/verify"), ("DELETE", f"/email/{EMAIL}")],
)
async def test_identities_need_a_login(home: House, method: str, path: str) -> None:
    body = {"identifier": EMAIL, "code": "1"} if path == "/verify" else {"email": EMAIL}
    url = f"/v1/me/identities{path}"
    sent = None if method == "DELETE" else body
    answer = await home.client().request(method, url, json=sent)
    assert answer.status_code == 401
