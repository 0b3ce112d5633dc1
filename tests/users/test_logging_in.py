"""POST /v1/login: with a password, and nothing to be learned from a refusal."""

import asyncio
import threading
from typing import Any

import httpx2
import pytest

from lockstock.kernel.database import Database
from lockstock.kernel.errors import Unavailable
from lockstock.users import hashing
from lockstock.users.hashing import Passwords
from tests.users.accounts import LIMITS, PASSWORD, House, bearer, house

EMAIL = "ann@example.com"
PHONE = "+447700900123"


def answer_of(response: httpx2.Response) -> tuple[int, dict[str, Any], list[str]]:
    """Return all that tells one refusal from another, but for what differs each time."""
    body = response.json()
    del body["request_id"]
    headers = sorted(name for name in response.headers if name != "x-request-id")
    return response.status_code, body, headers


async def test_a_login_gives_tokens_that_open_the_account(
    caller: httpx2.AsyncClient, home: House
) -> None:
    user_id = await home.register(email=EMAIL)
    tokens = await home.login(EMAIL)
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    me = await caller.get("/v1/me", headers=bearer(tokens))
    assert me.status_code == 200
    assert me.json()["id"] == str(user_id)


async def test_wrong_password_unknown_identity_and_no_password_are_answered_alike(
    caller: httpx2.AsyncClient, home: House
) -> None:
    await home.register(email=EMAIL, phone=PHONE)
    await home.register(email="codes@example.com")
    await home.execute(
        "UPDATE users.users SET password_hash = NULL FROM users.emails AS e "
        "WHERE e.user_id = id AND e.address = 'codes@example.com'"
    )
    answers = [
        answer_of(await caller.post("/v1/login", json={"identifier": i, "password": p}))
        for i, p in [
            (EMAIL, "a wrong password"),
            (PHONE, "a wrong password"),
            ("nobody@example.com", "a wrong password"),
            ("+447700900999", PASSWORD),
            ("codes@example.com", PASSWORD),
            (EMAIL, "x"),
        ]
    ]
    assert answers[0][0] == 401
    assert answers[0][1]["code"] == "invalid_credentials"
    assert all(answer == answers[0] for answer in answers)


async def test_an_unknown_identity_costs_a_verification_too(
    caller: httpx2.AsyncClient, home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.register(email=EMAIL)
    verified: list[str] = []
    is_right = Passwords._is_right  # noqa: SLF001 (work cannot be counted from outside)

    def counted(self: Passwords, password_hash: str, password: str) -> bool:
        verified.append(password_hash.rsplit("$", 2)[0])
        return is_right(self, password_hash, password)

    monkeypatch.setattr(Passwords, "_is_right", counted)
    for identifier in (EMAIL, "nobody@example.com", "+447700900999"):
        await caller.post("/v1/login", json={"identifier": identifier, "password": "wrong one"})
    assert len(verified) == 3
    assert len(set(verified)) == 1


@pytest.mark.parametrize("identifier", ["ann", "", " ", "@", "12", "a" * 400, "a@b\nc"])
async def test_what_is_no_identity_at_all_is_bad_input(
    caller: httpx2.AsyncClient, identifier: str
) -> None:
    ask = {"identifier": identifier, "password": PASSWORD}
    refused = await caller.post("/v1/login", json=ask)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "identifier"


async def test_a_login_renews_a_hash_that_was_cheaper(database: Database) -> None:
    async with house(database) as cheap:
        await cheap.register(email=EMAIL)
    dearer = "SELECT count(*) FROM users.users WHERE password_hash LIKE '%m=64,t=2,p=1%'"
    async with house(database, hash_memory_kib=64, hash_passes=2) as home:
        assert await home.count(dearer) == 0
        refused = {"identifier": EMAIL, "password": "wrong one"}
        assert (await home.client().post("/v1/login", json=refused)).status_code == 401
        assert await home.count(dearer) == 0
        await home.login(EMAIL)
        assert await home.count(dearer) == 1
        await home.login(EMAIL)


async def test_a_password_that_changes_while_it_is_verified_opens_nothing(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.register(email=EMAIL)
    verify = Passwords.verify

    async def verify_slowly(self: Passwords, password: str, password_hash: str | None) -> bool:
        right = await verify(self, password, password_hash)
        await home.execute("UPDATE users.users SET password_hash = 'reset meanwhile'")
        return right

    monkeypatch.setattr(Passwords, "verify", verify_slowly)
    ask = {"identifier": EMAIL, "password": PASSWORD}
    assert (await home.client().post("/v1/login", json=ask)).status_code == 401
    assert await home.count("SELECT count(*) FROM users.sessions") == 0


async def test_many_logins_of_one_person_at_once_all_succeed(home: House) -> None:
    await home.register(email=EMAIL)
    await asyncio.gather(*(home.login(EMAIL) for _ in range(40)))
    assert await home.count("SELECT count(*) FROM users.sessions") == 40


async def test_who_comes_when_too_many_wait_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "MOST_WAITING", 3)
    vault = Passwords(LIMITS)
    held = threading.Event()
    monkeypatch.setattr(vault, "_is_right", lambda *_: held.wait(10))
    try:
        waiting = [asyncio.create_task(vault.verify("any", None)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await vault.verify("any", None)
        held.set()
        assert await asyncio.gather(*waiting) == [False] * 3
        assert not await vault.verify("any", None)
    finally:
        held.set()
        await vault.close()
