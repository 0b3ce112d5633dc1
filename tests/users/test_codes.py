"""POST /v1/login/code and /v1/login/code/verify."""

import asyncio
import hmac
from typing import Any

import httpx2
import pytest
import structlog

from lockstock.kernel.database import Database
from lockstock.users.codes import rules
from lockstock.users.rules import Identifier
from lockstock.users.senders.console import ConsoleSender
from tests.users.accounts import House, at_once, bearer, house

EMAIL = "ann@example.com"
PHONE = "+447700900123"


def other(code: str) -> str:
    """Return a wrong code."""
    return f"{(int(code) + 1) % 1_000_000:06}"


async def ask_for(home: House, identifier: str, address: str = "192.0.2.1") -> httpx2.Response:
    return await home.client(address).post("/v1/login/code", json={"identifier": identifier})


async def show(home: House, identifier: str, code: str) -> httpx2.Response:
    shown = {"identifier": identifier, "code": code}
    return await home.client().post("/v1/login/code/verify", json=shown)


async def test_a_code_opens_a_session_and_verifies_the_identity(home: House) -> None:
    user_id = await home.register(email=EMAIL, phone=PHONE)
    assert (await ask_for(home, "07700 900123")).status_code == 202
    tokens = await show(home, PHONE, await home.inbox.code(PHONE))
    assert tokens.status_code == 200
    me = (await home.client().get("/v1/me", headers=bearer(tokens.json()))).json()
    assert me["id"] == str(user_id)
    verified = {identity["value"]: identity["verified_at"] for identity in me["identities"]}
    assert verified[PHONE] is not None
    assert verified[EMAIL] is None


async def test_a_code_goes_where_it_was_asked_for_and_is_good_there_only(home: House) -> None:
    await home.register(email=EMAIL, phone=PHONE)
    await home.register(email="bob@example.com")
    await ask_for(home, EMAIL)
    code = await home.inbox.code(EMAIL)
    assert [to for to, _ in home.inbox.letters] == [Identifier("email", EMAIL)]
    for identifier in (PHONE, "bob@example.com"):
        await ask_for(home, identifier)
        if await home.inbox.code(identifier) != code:
            assert (await show(home, identifier, code)).status_code == 401
    assert (await show(home, EMAIL, code)).status_code == 200


async def test_a_known_and_an_unknown_identity_are_answered_alike_and_only_one_gets_a_code(
    home: House,
) -> None:
    await home.register(email=EMAIL)
    answers = [await ask_for(home, i) for i in ("nobody@example.com", "+447700900999", EMAIL)]
    await home.inbox.code(EMAIL)
    assert [to.value for to, _ in home.inbox.letters] == [EMAIL]
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.text for answer in answers} == {'{"expires_in":600}'}
    # The same statements ran for all three.
    assert await home.count("SELECT count(*) FROM users.codes") == 3


async def test_a_code_asked_for_before_the_account_was_made_opens_nothing(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstock.users.codes.service.secrets.randbelow", lambda _: 123456)
    await ask_for(home, EMAIL)
    assert (await show(home, EMAIL, "123456")).status_code == 401
    await ask_for(home, EMAIL)
    await home.register(email=EMAIL)
    assert (await show(home, EMAIL, "123456")).status_code == 401


async def test_wrong_expired_used_and_unknown_codes_are_answered_alike(home: House) -> None:
    await home.register(email=EMAIL)
    answers = [await show(home, EMAIL, "000000"), await show(home, "no@example.com", "000000")]
    await ask_for(home, EMAIL)
    code = await home.inbox.code(EMAIL)
    answers += [await show(home, EMAIL, other(code)), await show(home, EMAIL, "x")]
    assert (await show(home, EMAIL, code)).status_code == 200
    answers.append(await show(home, EMAIL, code))
    await ask_for(home, EMAIL)
    await home.execute("UPDATE users.codes SET expires_at = statement_timestamp()")
    answers.append(await show(home, EMAIL, await home.inbox.code(EMAIL, 2)))
    bodies = [answer.json() | {"request_id": ""} for answer in answers]
    assert bodies[0]["code"] == "invalid_credentials"
    assert [answer.status_code for answer in answers] == [401] * 6
    assert all(body == bodies[0] for body in bodies)


async def test_a_code_is_dead_after_its_tries_even_the_right_one(home: House) -> None:
    await home.register(email=EMAIL)
    await ask_for(home, EMAIL)
    code = await home.inbox.code(EMAIL)
    for _ in range(5):
        assert (await show(home, EMAIL, other(code))).status_code == 401
    assert (await show(home, EMAIL, code)).status_code == 401
    await ask_for(home, EMAIL)
    assert (await show(home, EMAIL, await home.inbox.code(EMAIL, 2))).status_code == 200


async def test_the_last_try_is_a_try(home: House) -> None:
    await home.register(email=EMAIL)
    await ask_for(home, EMAIL)
    code = await home.inbox.code(EMAIL)
    for _ in range(4):
        await show(home, EMAIL, other(code))
    assert (await show(home, EMAIL, f" {code[:3]} {code[3:]} ")).status_code == 200


async def test_a_new_code_takes_the_place_of_the_one_before(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter((111111, 222222))
    monkeypatch.setattr("lockstock.users.codes.service.secrets.randbelow", lambda _: next(drawn))
    await home.register(email=EMAIL)
    await ask_for(home, EMAIL)
    await ask_for(home, EMAIL)
    assert (await show(home, EMAIL, "111111")).status_code == 401
    assert (await show(home, EMAIL, "222222")).status_code == 200


async def test_a_code_is_kept_hashed_under_the_key(home: House, database: Database) -> None:
    await home.register(email=EMAIL)
    await ask_for(home, EMAIL)
    code = await home.inbox.code(EMAIL)
    held = "SELECT count(*) FROM users.codes AS c WHERE c::text LIKE '%' || $1 || '%'"
    assert await home.count(held, EMAIL) == 1
    assert await home.count(held, code) == 0
    async with house(database, secret="another key of at least 32 characters") as other_house:
        assert (await show(other_house, EMAIL, code)).status_code == 401


@pytest.mark.races
async def test_guesses_at_once_are_no_more_than_the_tries(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return hmac.compare_digest(one, other)

    class Counting:
        compare_digest = staticmethod(counted)

    async with house(database, failures_per_identity=1000) as home:
        await home.register(email=EMAIL)
        await ask_for(home, EMAIL)
        code = int(await home.inbox.code(EMAIL))
        monkeypatch.setattr(rules, "hmac", Counting)

        async def guess(number: int) -> httpx2.Response:
            return await show(home, EMAIL, f"{(code + 1 + number) % 1_000_000:06}")

        assert await at_once(50, guess) == [401] * 50
        assert len(compared) == 5
        assert await home.count("SELECT tries FROM users.codes") == 5


@pytest.mark.races
async def test_the_right_code_shown_many_times_at_once_opens_one_session(
    database: Database,
) -> None:
    async with house(database, failures_per_identity=1000) as home:
        await home.register(email=EMAIL)
        await ask_for(home, EMAIL)
        code = await home.inbox.code(EMAIL)

        async def proof(_: int) -> httpx2.Response:
            return await show(home, EMAIL, code)

        assert sorted(await at_once(50, proof)) == [200] + [401] * 49
        assert await home.count("SELECT count(*) FROM users.sessions") == 1


async def test_a_code_that_cannot_be_sent_is_answered_alike_and_logged_without_it(
    home: House,
) -> None:
    await home.register(email=EMAIL)
    home.inbox.broken = True
    with structlog.testing.capture_logs() as lines:
        assert (await ask_for(home, EMAIL)).text == '{"expires_in":600}'
        await home.users.close()
    [line] = [line for line in lines if line["event"] == "code_not_sent"]
    assert line["error"] == "ConnectionRefusedError"
    assert line["log_level"] == "error"
    assert "Lockstock code" not in str(line)


async def test_no_transaction_is_open_and_nobody_waits_while_a_code_is_sent(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.register(email=EMAIL)
    going, arrived = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> None:
        going.set()
        await arrived.wait()

    monkeypatch.setattr(home.inbox, "send", slow)
    assert (await ask_for(home, EMAIL)).status_code == 202
    await going.wait()
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
    )
    assert await home.count(busy) == 0
    arrived.set()


async def test_the_console_sender_writes_the_code_for_the_developer() -> None:
    with structlog.testing.capture_logs() as lines:
        await ConsoleSender().send(Identifier("email", EMAIL), rules.letter("login", "012345", 90))
    [line] = lines
    assert (line["event"], line["to"]) == ("one_time_code", EMAIL)
    assert line["message"].startswith("012345 is your Lockstock code. It is good once, for 1 min")
    assert "code" not in line
