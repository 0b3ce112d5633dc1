"""POST /v1/token/refresh and /v1/logout: rotation, reuse, revocation, expiry."""

import asyncio

import httpx2
import pytest

from lockstock.kernel.database import Database
from tests.users.accounts import House, bearer, house

EMAIL = "ann@example.com"


async def refresh(home: House, token: str) -> httpx2.Response:
    return await home.client().post("/v1/token/refresh", json={"refresh_token": token})


async def logout(home: House, token: str) -> httpx2.Response:
    return await home.client().post("/v1/logout", json={"refresh_token": token})


async def test_a_refresh_gives_new_tokens_of_the_same_session(home: House) -> None:
    await home.register(email=EMAIL)
    first = await home.login(EMAIL)
    second = await refresh(home, first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert (await home.client().get("/v1/me", headers=bearer(second.json()))).status_code == 200
    third = await refresh(home, second.json()["refresh_token"])
    assert third.status_code == 200
    assert await home.count("SELECT count(*) FROM users.sessions") == 1


async def test_a_token_that_comes_back_ends_the_whole_session(home: House) -> None:
    await home.register(email=EMAIL)
    first = await home.login(EMAIL)
    elsewhere = await home.login(EMAIL)
    second = (await refresh(home, first["refresh_token"])).json()
    reused = await refresh(home, first["refresh_token"])
    assert reused.status_code == 401
    assert reused.json()["code"] == "invalid_refresh_token"
    assert (await refresh(home, second["refresh_token"])).status_code == 401
    assert (await home.client().get("/v1/me", headers=bearer(second))).status_code == 401
    assert (await refresh(home, elsewhere["refresh_token"])).status_code == 200


async def test_why_a_refresh_token_is_not_good_is_not_said(home: House) -> None:
    await home.register(email=EMAIL)
    used, ended = await home.login(EMAIL), await home.login(EMAIL)
    await refresh(home, used["refresh_token"])
    await logout(home, ended["refresh_token"])
    answers = [
        (await refresh(home, token)).json() | {"request_id": ""}
        for token in (used["refresh_token"], ended["refresh_token"], "x" * 43)
    ]
    assert {answer["status"] for answer in answers} == {401}
    assert all(answer == answers[0] for answer in answers)


async def test_logging_out_ends_the_session_and_may_be_repeated(home: House) -> None:
    await home.register(email=EMAIL)
    tokens, elsewhere = await home.login(EMAIL), await home.login(EMAIL)
    assert (await home.client().get("/v1/me", headers=bearer(tokens))).status_code == 200
    for _ in range(2):
        answer = await logout(home, tokens["refresh_token"])
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await logout(home, "never issued")).status_code == 204
    assert (await refresh(home, tokens["refresh_token"])).status_code == 401
    assert (await home.client().get("/v1/me", headers=bearer(tokens))).status_code == 401
    assert (await home.client().get("/v1/me", headers=bearer(elsewhere))).status_code == 200


async def test_logging_out_with_a_used_token_ends_the_session_too(home: House) -> None:
    await home.register(email=EMAIL)
    first = await home.login(EMAIL)
    second = (await refresh(home, first["refresh_token"])).json()
    await logout(home, first["refresh_token"])
    assert (await refresh(home, second["refresh_token"])).status_code == 401


@pytest.mark.races
async def test_of_two_refreshes_of_one_token_one_succeeds_and_the_session_ends(
    home: House,
) -> None:
    await home.register(email=EMAIL)
    for _ in range(10):
        tokens = await home.login(EMAIL)
        answers = await asyncio.gather(*(refresh(home, tokens["refresh_token"]) for _ in range(2)))
        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert (won.status_code, lost.status_code) == (200, 401)
        assert (await refresh(home, won.json()["refresh_token"])).status_code == 401


@pytest.mark.races
async def test_no_refresh_survives_a_logout_at_the_same_time(home: House) -> None:
    await home.register(email=EMAIL)
    for _ in range(10):
        tokens = await home.login(EMAIL)
        answer, _ = await asyncio.gather(
            refresh(home, tokens["refresh_token"]), logout(home, tokens["refresh_token"])
        )
        if answer.status_code == 200:
            assert (await refresh(home, answer.json()["refresh_token"])).status_code == 401


async def test_a_session_ends_exactly_when_it_is_not_used_in_time(home: House) -> None:
    await home.register(email=EMAIL)
    tokens = await home.login(EMAIL)
    await home.execute("UPDATE users.sessions SET expires_at = expires_at - interval '3590 s'")
    tokens = (await refresh(home, tokens["refresh_token"])).json()
    left = "SELECT extract(epoch FROM expires_at - last_used_at)::integer FROM users.sessions"
    assert await home.count(left) == 3600
    await home.execute(
        "UPDATE users.sessions SET last_used_at = last_used_at - interval '3600 s', "
        "expires_at = statement_timestamp()"
    )
    assert (await refresh(home, tokens["refresh_token"])).status_code == 401
    assert (await home.client().get("/v1/me", headers=bearer(tokens))).status_code == 401


async def test_refresh_tokens_are_kept_as_hashes_only(home: House) -> None:
    await home.register(email=EMAIL)
    token = (await home.login(EMAIL))["refresh_token"]
    held = "SELECT count(*) FROM users.refresh_tokens AS t WHERE t::text LIKE '%' || $1 || '%'"
    assert await home.count(held, token) == 0
    hashed = "SELECT count(*) FROM users.refresh_tokens WHERE token_hash = sha256($1)"
    assert await home.count(hashed, token.encode()) == 1


async def test_a_sweep_deletes_what_is_over_and_nothing_else(database: Database) -> None:
    async with house(database, failures_per_identity=2) as home:
        await home.register(email=EMAIL)
        over, lasting = await home.login(EMAIL), await home.login(EMAIL)
        await refresh(home, over["refresh_token"])
        await home.client().post("/v1/login/code", json={"identifier": EMAIL})
        # The counter of logins that did not fail counts nothing.
        assert await home.users.sweep(100) == 1
        assert await home.users.sweep(100) == 0
        await home.execute(
            "UPDATE users.sessions SET last_used_at = last_used_at - interval '2 h', "
            "expires_at = statement_timestamp() WHERE id = (SELECT session_id FROM "
            "users.refresh_tokens WHERE token_hash = sha256($1))",
            over["refresh_token"].encode(),
        )
        await home.execute("UPDATE users.codes SET expires_at = statement_timestamp()")
        await home.execute("UPDATE users.attempts SET ends_at = statement_timestamp()")
        assert await home.users.sweep(1) == 3
        assert await home.users.sweep(100) > 0
        assert await home.users.sweep(100) == 0
        assert await home.count("SELECT count(*) FROM users.attempts") == 0
        assert await home.count("SELECT count(*) FROM users.refresh_tokens") == 1
        lasting = (await refresh(home, lasting["refresh_token"])).json()
        await home.execute("UPDATE users.refresh_tokens SET used_at = used_at - interval '2 h'")
        assert await home.users.sweep(100) == 1
        assert (await refresh(home, lasting["refresh_token"])).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic x", "Bearer a.b.c"])
async def test_me_needs_a_token_that_verifies(caller: httpx2.AsyncClient, header: str) -> None:
    answer = await caller.get("/v1/me", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
