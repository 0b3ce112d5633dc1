"""Whose an identity is: the first code that comes back from it settles that."""

import asyncio

import httpx2
import pytest

from tests.users.accounts import PASSWORD, House, bearer

EMAIL = "ann@example.com"
PHONE = "+447700900123"
OWN = "an owner's own one"


async def by_code(home: House, identifier: str, number: int = 1) -> httpx2.Response:
    await home.client().post("/v1/login/code", json={"identifier": identifier})
    code = await home.inbox.code(identifier, number)
    shown = {"identifier": identifier, "code": code}
    return await home.client().post("/v1/login/code/verify", json=shown)


async def reset(home: House, identifier: str, password: str, number: int = 1) -> httpx2.Response:
    await home.client().post("/v1/password/reset", json={"identifier": identifier})
    code = await home.inbox.code(identifier, number)
    ask = {"identifier": identifier, "code": code, "new_password": password}
    return await home.client().post("/v1/password/reset/verify", json=ask)


async def by_password(home: House, identifier: str, password: str = PASSWORD) -> httpx2.Response:
    ask = {"identifier": identifier, "password": password}
    return await home.client().post("/v1/login", json=ask)


async def me(home: House, tokens: dict[str, str]) -> httpx2.Response:
    return await home.client().get("/v1/me", headers=bearer(tokens))


@pytest.mark.parametrize("proof", ["code", "reset"])
async def test_who_registered_anothers_address_is_out_once_its_owner_proves_it(
    home: House, proof: str
) -> None:
    await home.register(email=EMAIL)
    theirs = await home.login(EMAIL)
    if proof == "code":
        answer = await by_code(home, EMAIL)
        assert answer.status_code == 200
        assert (await me(home, answer.json())).json()["has_password"] is False
    else:
        assert (await reset(home, EMAIL, OWN)).status_code == 204
        assert (await by_password(home, EMAIL, OWN)).status_code == 200
    assert (await by_password(home, EMAIL)).status_code == 401
    assert (await me(home, theirs)).status_code == 401
    refreshed = {"refresh_token": theirs["refresh_token"]}
    assert (await home.client().post("/v1/token/refresh", json=refreshed)).status_code == 401


async def test_a_verified_identity_keeps_its_password_and_sessions(home: House) -> None:
    await home.register(email=EMAIL)
    assert (await by_code(home, EMAIL)).status_code == 200
    assert (await reset(home, EMAIL, OWN, 2)).status_code == 204
    other = (await by_password(home, EMAIL, OWN)).json()
    assert (await by_code(home, EMAIL, 3)).status_code == 200
    assert (await me(home, other)).status_code == 200
    assert (await by_password(home, EMAIL, OWN)).status_code == 200


@pytest.mark.parametrize("proof", ["code", "reset"])
async def test_an_identity_that_was_never_theirs_leaves_the_account_of_who_proved_another(
    home: House, proof: str
) -> None:
    squatter_id = await home.register(email=EMAIL, phone=PHONE)
    squatter = (await by_code(home, PHONE)).json()
    if proof == "code":
        owner = (await by_code(home, EMAIL)).json()
    else:
        assert (await reset(home, EMAIL, OWN)).status_code == 204
        owner = (await by_password(home, EMAIL, OWN)).json()
    found = (await me(home, owner)).json()
    assert found["id"] != str(squatter_id)
    assert [identity["value"] for identity in found["identities"]] == [EMAIL]
    left = (await me(home, squatter)).json()
    assert [identity["value"] for identity in left["identities"]] == [PHONE]
    # And the squatter, by their own phone, is where they were.
    assert (await me(home, (await by_code(home, PHONE, 2)).json())).json()["id"] == str(squatter_id)


async def test_the_other_unverified_identity_does_not_open_the_claimed_account(
    home: House,
) -> None:
    await home.register(email=EMAIL, phone=PHONE)
    owner = (await me(home, (await by_code(home, EMAIL)).json())).json()
    squatter = (await me(home, (await by_code(home, PHONE)).json())).json()
    assert owner["id"] != squatter["id"]


async def test_who_verifies_an_identity_while_logged_in_loses_nothing(home: House) -> None:
    await home.register(email=EMAIL)
    tokens = await home.login(EMAIL)
    client = home.client()
    asked = await client.post("/v1/me/identities", json={"email": EMAIL}, headers=bearer(tokens))
    assert asked.status_code == 202
    shown = {"identifier": EMAIL, "code": await home.inbox.code(EMAIL)}
    user = await client.post("/v1/me/identities/verify", json=shown, headers=bearer(tokens))
    assert user.status_code == 200
    assert [each["verified_at"] is None for each in user.json()["identities"]] == [False]
    assert (await by_code(home, EMAIL, 2)).status_code == 200
    assert (await by_password(home, EMAIL)).status_code == 200
    assert (await me(home, tokens)).status_code == 200
    again = await client.post("/v1/me/identities", json={"email": EMAIL}, headers=bearer(tokens))
    assert again.json()["code"] == "identity_taken"


async def test_an_administrators_identity_is_vouched_for(home: House) -> None:
    await home.users.create_admin("root@example.com", OWN, None)
    assert (await by_code(home, "root@example.com")).status_code == 200
    assert (await by_password(home, "root@example.com", OWN)).status_code == 200


@pytest.mark.races
async def test_two_proofs_at_once_never_share_the_account(home: House) -> None:
    await home.register(email=EMAIL, phone=PHONE)
    answers = await asyncio.gather(by_code(home, EMAIL), by_code(home, PHONE))
    assert [answer.status_code for answer in answers] == [200, 200]
    ids = {(await me(home, answer.json())).json().get("id") for answer in answers}
    assert len(ids) == 2
    assert None not in ids


async def test_only_an_administrator_looks_up_users(home: House) -> None:
    user_id = await home.register(phone=PHONE)
    await home.users.create_admin("root@example.com", OWN, None)
    admin = bearer((await by_password(home, "root@example.com", OWN)).json())
    client = home.client()
    found = await client.get("/v1/users", params={"identifier": "07700 900123"}, headers=admin)
    assert [user["id"] for user in found.json()["items"]] == [str(user_id)]
    none = await client.get("/v1/users", params={"identifier": "no@example.com"}, headers=admin)
    assert none.json() == {"items": [], "next": None}
    assert (await client.get("/v1/users", headers=admin)).status_code == 422
    plain = bearer(await home.login(PHONE))
    refused = await client.get("/v1/users", params={"identifier": PHONE}, headers=plain)
    assert refused.status_code == 403
    assert (await client.get("/v1/users", params={"identifier": PHONE})).status_code == 401
