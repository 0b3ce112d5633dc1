"""The limits per identity and per network address: exact, over all processes, through restarts."""

import asyncio

import httpx2
import pytest

from lockstock.kernel.database import Connection, Database
from tests.users.accounts import PASSWORD, House, at_once, bearer, house

EMAIL = "ann@example.com"
PHONE = "+447700900123"
LATER = "UPDATE users.attempts SET ends_at = statement_timestamp()"


async def attempt(
    home: House, identifier: str, guess: str = "wrong one", address: str = "192.0.2.1"
) -> httpx2.Response:
    ask = {"identifier": identifier, "password": guess}
    return await home.client(address).post("/v1/login", json=ask)


async def ask_for(home: House, identifier: str, address: str = "192.0.2.1") -> httpx2.Response:
    return await home.client(address).post("/v1/login/code", json={"identifier": identifier})


async def show(home: House, identifier: str, code: str) -> httpx2.Response:
    shown = {"identifier": identifier, "code": code}
    return await home.client().post("/v1/login/code/verify", json=shown)


@pytest.mark.parametrize("identifier", [EMAIL, "nobody@example.com"])
async def test_after_its_failures_an_identity_must_wait_known_or_not(
    database: Database, identifier: str
) -> None:
    async with house(database, failures_per_identity=3) as home:
        await home.register(email=EMAIL)
        for number in range(3):
            assert (await attempt(home, identifier, address=f"192.0.2.{number}")).status_code == 401
        full = await attempt(home, identifier.upper(), PASSWORD, "192.0.2.77")
        assert (full.status_code, full.json()["code"]) == (429, "too_many_requests")
        assert 0 < int(full.headers["retry-after"]) <= 900
        assert (await attempt(home, "other@example.com")).status_code == 401
        await home.execute(LATER)
        answer = await attempt(home, identifier, PASSWORD)
        assert answer.status_code == (200 if identifier == EMAIL else 401)


async def test_a_limit_holds_in_another_process_and_after_a_restart(database: Database) -> None:
    limits = {"failures_per_identity": 2, "codes_per_identity": 1}
    async with house(database, **limits) as home:
        await home.register(email=EMAIL)
        await attempt(home, EMAIL)
        await attempt(home, EMAIL)
        await ask_for(home, EMAIL)
    async with house(database, **limits) as home:
        assert (await attempt(home, EMAIL, PASSWORD)).status_code == 429
        assert (await ask_for(home, EMAIL)).status_code == 429


async def test_successes_do_not_count(database: Database) -> None:
    async with house(database, failures_per_identity=2, failures_per_address=2) as home:
        for number in range(4):
            await home.register(email=f"user{number}@example.com")
        await home.register(email=EMAIL)
        for _ in range(4):
            await home.login(EMAIL)
        assert await home.count("SELECT coalesce(sum(count), 0) FROM users.attempts") == 0


async def test_a_person_locked_out_of_the_password_may_use_a_code(database: Database) -> None:
    async with house(database, failures_per_identity=1) as home:
        await home.register(email=EMAIL)
        await attempt(home, EMAIL)
        assert (await attempt(home, EMAIL, PASSWORD)).status_code == 429
        await ask_for(home, EMAIL)
        assert (await show(home, EMAIL, await home.inbox.code(EMAIL))).status_code == 200


async def test_codes_sent_to_an_identity_are_limited_whatever_for(database: Database) -> None:
    async with house(database, codes_per_identity=3) as home:
        await home.register(email=EMAIL)
        client = home.client()
        client.headers.update(bearer(await home.login(EMAIL)))
        new = {"phone": PHONE}
        answers = [
            (await client.post("/v1/me/identities", json=new)).status_code,
            (await ask_for(home, PHONE)).status_code,
            (await client.post("/v1/me/identities", json=new)).status_code,
            (await client.post("/v1/me/identities", json=new)).status_code,
            (await ask_for(home, "07700 900123", "192.0.2.9")).status_code,
            (await ask_for(home, EMAIL)).status_code,
        ]
        assert answers == [202, 202, 202, 429, 429, 202]
        await home.inbox.code(EMAIL)
        assert [to.value for to, _ in home.inbox.letters] == [PHONE, PHONE, EMAIL]


async def test_guesses_of_codes_are_limited_over_all_codes(database: Database) -> None:
    async with house(database, failures_per_identity=4, code_tries=2) as home:
        await home.register(email=EMAIL)
        for number in (1, 2):
            await ask_for(home, EMAIL)
            code = await home.inbox.code(EMAIL, number)
            for _ in range(2):
                wrong = f"{(int(code) + 1) % 1_000_000:06}"
                assert (await show(home, EMAIL, wrong)).status_code == 401
        await ask_for(home, EMAIL)
        assert (await show(home, EMAIL, await home.inbox.code(EMAIL, 3))).status_code == 429


async def test_failures_of_an_address_add_up_over_identities_and_calls(
    database: Database,
) -> None:
    async with house(database, failures_per_address=5) as home:
        await home.register(email=EMAIL)
        taken = {"email": EMAIL, "password": PASSWORD}
        statuses = [
            (await attempt(home, "a@example.com")).status_code,
            (await attempt(home, EMAIL)).status_code,
            (await ask_for(home, "b@example.com")).status_code,
            (await show(home, "c@example.com", "123456")).status_code,
            (await home.client("192.0.2.1").post("/v1/users", json=taken)).status_code,
        ]
        assert statuses == [401, 401, 202, 401, 409]
        full = [
            await attempt(home, EMAIL, PASSWORD),
            await ask_for(home, EMAIL),
            await show(home, EMAIL, "123456"),
            await home.client("192.0.2.1").post("/v1/users", json=taken),
        ]
        assert [answer.status_code for answer in full] == [429] * 4
        assert all(0 < int(answer.headers["retry-after"]) <= 60 for answer in full)
        await home.login(EMAIL)
        await home.execute(LATER)
        assert (await attempt(home, EMAIL, PASSWORD)).status_code == 200


async def test_a_forwarding_header_changes_no_address(database: Database) -> None:
    async with house(database, failures_per_address=3) as home:
        client = home.client()
        statuses = []
        for number in range(4):
            client.headers.update(
                {"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
            )
            ask = {"identifier": f"u{number}@example.com", "password": "wrong one"}
            statuses.append((await client.post("/v1/login", json=ask)).status_code)
        assert statuses == [401, 401, 401, 429]


async def test_one_ipv6_network_is_one_address(database: Database) -> None:
    async with house(database, failures_per_address=2) as home:
        for number in (1, 2):
            answer = await attempt(home, f"u{number}@example.com", address=f"2001:db8::{number}")
            assert answer.status_code == 401
        assert (await attempt(home, EMAIL, address="2001:db8::3")).status_code == 429
        assert (await attempt(home, EMAIL, address="2001:db8:0:1::3")).status_code == 401


async def test_a_refusal_for_too_many_is_not_counted_itself(database: Database) -> None:
    async with house(database, failures_per_identity=1, failures_per_address=10) as home:
        for _ in range(5):
            await attempt(home, EMAIL)
        assert await home.count("SELECT sum(count) FROM users.attempts") == 2


@pytest.mark.races
async def test_wrong_passwords_at_once_are_no_more_than_the_limit(database: Database) -> None:
    async with house(database, failures_per_identity=10) as home:
        await home.register(email=EMAIL)

        async def guess(number: int) -> httpx2.Response:
            return await attempt(home, EMAIL, f"guess number {number}", f"192.0.2.{number}")

        assert sorted(await at_once(50, guess)) == [401] * 10 + [429] * 40


@pytest.mark.races
async def test_failures_of_an_address_at_once_are_no_more_than_the_limit(
    database: Database,
) -> None:
    async with house(database, failures_per_address=10) as home:

        async def guess(number: int) -> httpx2.Response:
            if number % 2:
                return await ask_for(home, f"user{number}@example.com")
            return await attempt(home, f"user{number}@example.com")

        statuses = await at_once(50, guess)
        assert statuses.count(429) == 40
        assert await home.count("SELECT count FROM users.attempts WHERE kind = 'address'") == 10


async def test_attempts_are_no_list_of_who_tried(home: House) -> None:
    await attempt(home, "nobody@example.com")
    held = "SELECT count(*) FROM users.attempts AS a WHERE a::text LIKE '%' || $1 || '%'"
    assert await home.count(held, "password") == 1
    for private in ("nobody", "192.0.2.1", b"nobody@example.com".hex()):
        assert await home.count(held, private) == 0


@pytest.mark.races
async def test_the_right_password_waits_for_the_failure_that_may_be_the_last(
    database: Database,
) -> None:
    async with house(database, failures_per_identity=2) as home:
        await home.register(email=EMAIL)
        await attempt(home, EMAIL)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"

        async def fail_slowly(connection: Connection) -> asyncio.Task[httpx2.Response]:
            await connection.execute("UPDATE users.attempts SET count = 2 WHERE kind = 'password'")
            login = asyncio.create_task(attempt(home, EMAIL, PASSWORD))
            while not login.done() and await home.count(waiting) == 0:  # noqa: ASYNC110 (a lock)
                await asyncio.sleep(0.01)
            return login

        login = await database.transaction(fail_slowly)
        assert (await login).status_code == 429
