"""The client: what it sends again, what it gives up on, how it stays logged in."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest

from lockstock.client.api import Client
from lockstock.client.session import Session
from lockstock.client.transport import ApiError, Call, Patience

QUICK = Patience(tries=3, first_pause_seconds=0.0)
ORDER: Any = {"id": "o", "shop_id": "s"}

Answer = (
    Callable[[httpx2.Request], httpx2.Response]
    | Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]
)


def problem(status: int, code: str, **members: Any) -> httpx2.Response:
    headers = {"Retry-After": "0"} if status in (429, 503) else {}
    return httpx2.Response(status, json={"code": code, "detail": "no", **members}, headers=headers)


def client_of(answer: Answer) -> Client:
    return Client("http://server", patience=QUICK, transport=httpx2.MockTransport(answer))


class Script:
    """Answers in turn; the last one again and again. Keeps what was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.asked: list[httpx2.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


LOST = httpx2.ReadError("gone")
DONE = httpx2.Response(201, json={"done": True})


@pytest.mark.parametrize("first", [problem(503, "unavailable"), problem(429, "limit"), LOST])
async def test_a_call_with_a_key_is_sent_again(first: httpx2.Response | Exception) -> None:
    """The same key each time, so it happens once."""
    script = Script(first, DONE)
    async with client_of(script) as client:
        assert await client.send(Call("POST", "/x", {}, key="k")) == {"done": True}
    assert [request.headers["Idempotency-Key"] for request in script.asked] == ["k", "k"]


@pytest.mark.parametrize("switch", ["activate", "deactivate"])
async def test_a_switch_is_sent_again(switch: str) -> None:
    """Switched twice is switched once."""
    script = Script(LOST, DONE)
    async with client_of(script) as client:
        await client.send(Call("POST", f"/v1/shops/s/warehouses/w/{switch}"))
    assert len(script.asked) == 2


@pytest.mark.parametrize("first", [problem(503, "unavailable"), LOST])
async def test_a_call_that_cannot_be_repeated_is_sent_once(
    first: httpx2.Response | Exception,
) -> None:
    """Nobody knows what became of it, so the caller is told."""
    script = Script(first, DONE)
    async with client_of(script) as client:
        with pytest.raises(ApiError):
            await client.send(Call("POST", "/x", {}))
    assert len(script.asked) == 1


async def test_a_server_that_stays_away_is_given_up() -> None:
    """After so many tries, with status 0."""
    script = Script(LOST)
    async with client_of(script) as client:
        with pytest.raises(ApiError) as caught:
            await client.send(Call("GET", "/x"))
    assert (caught.value.status, caught.value.code) == (0, "no_answer")
    assert len(script.asked) == QUICK.tries


async def test_a_refusal_is_raised_with_its_code_and_members() -> None:
    """And is never sent again."""
    lines = [{"variant_id": "v", "requested": 2, "available": 1}]
    script = Script(problem(409, "out_of_stock", lines=lines))
    async with client_of(script) as client:
        with pytest.raises(ApiError) as caught:
            await client.send(Call("POST", "/x", {}, key="k"))
    assert (caught.value.status, caught.value.code, caught.value.detail) == (
        409,
        "out_of_stock",
        "no",
    )
    assert caught.value.fields["lines"] == lines
    assert len(script.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
async def test_an_error_of_something_in_between_is_an_error_too(body: bytes) -> None:
    """A proxy answers no problem+json."""
    async with client_of(Script(httpx2.Response(502, content=body))) as client:
        with pytest.raises(ApiError) as caught:
            await client.send(Call("GET", "/x"))
    assert caught.value.status == 502


async def test_a_token_that_ran_out_is_refreshed_once_for_all_callers() -> None:
    """A refresh token is good once: a second use would end the session."""
    refreshed = 0

    async def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal refreshed
        # All are sent before the first is answered.
        await asyncio.sleep(0)
        if request.url.path == "/v1/token/refresh":
            assert json.loads(request.content) == {"refresh_token": "r1"}
            refreshed += 1
            return httpx2.Response(200, json={"access_token": "a2", "refresh_token": "r2"})
        if request.headers["Authorization"] != "Bearer a2":
            return problem(401, "unauthenticated")
        return httpx2.Response(200, json={"id": "u"})

    async with client_of(answer) as client:
        tokens: Any = {"access_token": "a1", "refresh_token": "r1"}
        session = Session(client, tokens)
        found = await asyncio.gather(*(session.me() for _ in range(20)))
    assert len(found) == 20
    assert refreshed == 1


async def test_a_session_that_has_ended_is_said() -> None:
    """No endless circle of refreshing."""
    async with client_of(Script(problem(401, "unauthenticated"))) as client:
        tokens: Any = {"access_token": "a1", "refresh_token": "r1"}
        with pytest.raises(ApiError) as caught:
            await Session(client, tokens).get_order("s", "o")
    assert caught.value.status == 401


async def test_all_pages_of_a_list_are_gone_through() -> None:
    """Until there is no next one."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        cursor = request.url.params.get("cursor")
        page = {None: (["a", "b"], "2"), "2": ([], "3"), "3": (["c"], None)}[cursor]
        items = [{"id": name} for name in page[0]]
        return httpx2.Response(200, json={"items": items, "next": page[1]})

    async with client_of(answer) as client:
        assert [product["id"] async for product in client.products("s")] == ["a", "b", "c"]
