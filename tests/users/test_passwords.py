"""PUT /v1/me/password, POST /v1/password/reset and /v1/password/reset/verify."""

import asyncio

import httpx2
import pytest

from lockstock.kernel.database import Database
from tests.users.accounts import PASSWORD, House, at_once, bearer, house

EMAIL = "ann@example.com"
NEW = "another good one"


async def change(
    home: House, tokens: dict[str, str], current: str = PASSWORD, new: str = NEW
) -> httpx2.Response:
    ask = {"current_password": current, "new_password": new}
    return await home.client().put("/v1/me/password", json=ask, headers=bearer(tokens))


async def login(home: House, password: str) -> int:
    ask = {"identifier": EMAIL, "password": password}
    return (await home.client().post("/v1/login", json=ask)).status_code


async def ask_for(home: House, identifier: str = EMAIL) -> httpx2.Response:
    return await home.client().post("/v1/password/reset", json={"identifier": identifier})


async def reset(home: House, code: str, new: str = NEW, identifier: str = EMAIL) -> httpx2.Response:
    ask = {"identifier": identifier, "code": code, "new_password": new}
    return await home.client().post("/v1/password/reset/verify", json=ask)


async def alive(home: House, tokens: dict[str, str]) -> bool:
    return (await home.client().get("/v1/me", headers=bearer(tokens))).status_code == 200


async def test_a_change_needs_the_current_password_and_ends_the_other_sessions(
    home: House,
) -> None:
    await home.register(email=EMAIL)
    here, elsewhere = await home.login(EMAIL), await home.login(EMAIL)
    wrong = await change(home, here, current="not this one")
    assert wrong.status_code == 422
    assert [error["path"] for error in wrong.json()["errors"]] == ["current_password"]
    assert await alive(home, elsewhere)
    assert (await change(home, here)).status_code == 204
    assert (await login(home, PASSWORD), await login(home, NEW)) == (401, 200)
    assert (await alive(home, here), await alive(home, elsewhere)) == (True, False)


@pytest.mark.parametrize("new", ["short", "password123", EMAIL, "x" * 129])
async def test_a_bad_new_password_is_refused_and_the_old_one_stays(home: House, new: str) -> None:
    await home.register(email=EMAIL)
    refused = await change(home, await home.login(EMAIL), new=new)
    assert [error["path"] for error in refused.json()["errors"]] == ["new_password"]
    assert await login(home, PASSWORD) == 200


async def test_wrong_current_passwords_are_limited_over_restarts(database: Database) -> None:
    async with house(database, failures_per_identity=3) as home:
        await home.register(email=EMAIL)
        tokens = await home.login(EMAIL)

        async def guess(number: int) -> httpx2.Response:
            return await change(home, tokens, current=f"guess number {number}")

        assert sorted(await at_once(6, guess)) == [422] * 3 + [429] * 3
    async with house(database, failures_per_identity=3) as restarted:
        assert (await change(restarted, tokens)).status_code == 429
        assert await login(restarted, PASSWORD) == 200


async def test_a_session_that_has_ended_changes_no_password(home: House) -> None:
    await home.register(email=EMAIL)
    tokens = await home.login(EMAIL)
    await home.client().post("/v1/logout", json={"refresh_token": tokens["refresh_token"]})
    assert (await change(home, tokens)).status_code == 401
    assert await login(home, PASSWORD) == 200


@pytest.mark.races
async def test_of_two_changes_at_once_one_counts(home: House) -> None:
    await home.register(email=EMAIL)
    one, other = await home.login(EMAIL), await home.login(EMAIL)
    answers = await asyncio.gather(change(home, one), change(home, other, new="a third good one"))
    assert sorted(answer.status_code for answer in answers) in ([204, 401], [204, 422])


@pytest.mark.parametrize("verified", [False, True])
async def test_a_reset_sets_the_password_and_ends_all_sessions(
    home: House, *, verified: bool
) -> None:
    await home.register(email=EMAIL)
    if verified:
        await home.execute("UPDATE users.emails SET verified_at = created_at")
    tokens = await home.login(EMAIL)
    assert (await ask_for(home)).status_code == 202
    code = await home.inbox.code(EMAIL)
    assert "to set a new password" in home.inbox.letters[0][1]
    assert (await reset(home, code)).status_code == 204
    assert (await login(home, PASSWORD), await login(home, NEW)) == (401, 200)
    assert not await alive(home, tokens)
    assert (await reset(home, code)).status_code == 401


async def test_known_and_unknown_identities_are_answered_alike(home: House) -> None:
    await home.register(email=EMAIL)
    asked = [await ask_for(home, i) for i in (EMAIL, "no@example.com", "+447700900999")]
    assert {(answer.status_code, answer.text) for answer in asked} == {(202, '{"expires_in":600}')}
    await home.inbox.code(EMAIL)
    wrong = [await reset(home, "x", identifier=i) for i in (EMAIL, "no@example.com")]
    assert {answer.status_code for answer in wrong} == {401}
    bodies = [answer.json() | {"request_id": ""} for answer in wrong]
    assert bodies[0] == bodies[1]
    assert len(home.inbox.letters) == 1


async def test_a_code_is_good_for_what_it_was_asked_for_only(home: House) -> None:
    await home.register(email=EMAIL)
    await ask_for(home)
    code = await home.inbox.code(EMAIL)
    shown = {"identifier": EMAIL, "code": code}
    assert (await home.client().post("/v1/login/code/verify", json=shown)).status_code == 401
    await home.client().post("/v1/login/code", json={"identifier": EMAIL})
    to_log_in = await home.inbox.code(EMAIL, 2)
    if to_log_in != code:
        assert (await reset(home, to_log_in)).status_code == 401
    assert (await reset(home, code)).status_code == 204


async def test_a_bad_new_password_leaves_the_code_good(home: House) -> None:
    await home.register(email=EMAIL, phone="+447700900123")
    await ask_for(home)
    code = await home.inbox.code(EMAIL)
    for bad in ("short", EMAIL, "+447700900123"):
        refused = await reset(home, code, new=bad)
        assert [error["path"] for error in refused.json()["errors"]] == ["new_password"]
    assert (await reset(home, code)).status_code == 204


async def test_wrong_codes_for_a_reset_are_limited(database: Database) -> None:
    async with house(database, failures_per_identity=3, code_tries=20) as home:
        await home.register(email=EMAIL)
        await ask_for(home)
        code = await home.inbox.code(EMAIL)
        guesses = await at_once(5, lambda _: reset(home, "x"))
        assert sorted(guesses) == [401] * 3 + [429] * 2
        assert (await reset(home, code)).status_code == 429
        assert await login(home, PASSWORD) == 200


async def test_without_a_sender_asking_for_a_code_is_refused_for_everybody(home: House) -> None:
    await home.register(email=EMAIL, phone="+447700900123")
    home.inbox.kinds = frozenset({"email"})
    tokens = await home.login(EMAIL)
    client = home.client()
    for path in ("/v1/login/code", "/v1/password/reset"):
        for phone in ("+447700900123", "+447700900999"):
            answer = await client.post(path, json={"identifier": phone})
            assert (answer.status_code, answer.json()["code"]) == (503, "no_sender")
        assert (await client.post(path, json={"identifier": EMAIL})).status_code == 202
    more = {"phone": "+447700900777"}
    added = await client.post("/v1/me/identities", json=more, headers=bearer(tokens))
    assert added.json()["code"] == "no_sender"
    assert home.users.unreached == ["phone"]
