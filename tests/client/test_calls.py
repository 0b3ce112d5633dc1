"""The client: typed refusals, ETags, guests, lists of events, and a stream that is cut."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from lockstock.client import ApiError, Client, Patience, etag_of, was_replayed
from lockstock.client.refusals import NoAnswer, OutcomeUnknown, OutOfStock, Unavailable
from lockstock.client.session import ReturnLine

QUICK = Patience(tries=3, first_pause_seconds=0.0)
ORDER: Any = {"id": "o", "shop_id": "s"}


class Server:
    """Answers by a list, in turn, and keeps what was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.asked: list[httpx2.Request] = []
        self._answers = list(answers)
        self.client = Client(
            "http://server", patience=QUICK, transport=httpx2.MockTransport(self._answer)
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def problem(status: int, code: str, **members: Any) -> httpx2.Response:
    return httpx2.Response(status, json={"code": code, "detail": "no", **members})


class Cut(httpx2.AsyncByteStream):
    """A stream whose connection is lost after these bytes."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._text.encode()
        raise httpx2.ReadError("gone")


async def test_a_refusal_has_the_class_of_its_code() -> None:
    """And an unknown one is still an ApiError."""
    server = Server(problem(409, "out_of_stock", lines=[1]), problem(409, "of_tomorrow"))
    session = server.client.with_key("lsk_sec_1")
    with pytest.raises(OutOfStock) as caught:
        await session.place_order("s", {"v": 1}, "k")
    assert caught.value.fields["lines"] == [1]
    with pytest.raises(ApiError) as other:
        await session.place_order("s", {"v": 1}, "k")
    assert (type(other.value), other.value.code) == (ApiError, "of_tomorrow")


async def test_an_unknown_outcome_is_asked_for_again_under_the_same_key() -> None:
    """Until it is known, or the client gives up and says that it is not."""
    unknown = [problem(503, "outcome_unknown") for _ in range(4)]
    server = Server(unknown[0], httpx2.Response(201, json={"id": "o"}))
    placed = await server.client.with_key("k").place_order("s", {"v": 1}, "mine")
    assert placed["id"] == "o"
    assert [a.headers["Idempotency-Key"] for a in server.asked] == ["mine", "mine"]
    server = Server(*unknown[1:])
    with pytest.raises(OutcomeUnknown) as caught:
        await server.client.with_key("k").place_order("s", {"v": 1}, "mine")
    assert isinstance(caught.value, Unavailable)


async def test_a_return_says_of_each_line_how_and_where_it_came_back() -> None:
    """Or, where all is good, of each variant how many units."""
    lines: list[ReturnLine] = [
        {"variant_id": "v", "quantity": 1, "condition": "damaged", "warehouse_id": "w"},
        {"variant_id": "v", "quantity": 2},
    ]
    server = Server(*(httpx2.Response(201, json={"id": "r"}) for _ in range(2)))
    session = server.client.with_key("k")
    await session.return_units(ORDER, lines, "one", refund_minor=5, reason="no lid")
    await session.return_units(ORDER, {"v": 3}, "two", warehouse_id="w", refund=False)
    assert [json.loads(asked.content) for asked in server.asked] == [
        {"lines": lines, "refund_minor": 5, "reason": "no lid"},
        {"lines": [{"variant_id": "v", "quantity": 3}], "warehouse_id": "w", "refund": False},
    ]


async def test_an_edit_with_an_etag_is_sent_once() -> None:
    """A second time it would be refused for the first."""
    server = Server(
        httpx2.Response(200, json={"id": "s"}, headers={"ETag": '"1"'}), httpx2.ReadError("gone")
    )
    session = server.client.with_key("k")
    seen = await session.get_shop("s")
    assert (etag_of(seen), was_replayed(seen)) == ('"1"', False)
    with pytest.raises(NoAnswer):
        await session.change_shop("s", {"name": "New"}, etag=etag_of(seen))
    assert len(server.asked) == 2
    assert server.asked[1].headers["If-Match"] == '"1"'


async def test_a_replay_can_be_told() -> None:
    server = Server(
        httpx2.Response(201, json={"id": "o"}, headers={"Idempotency-Replayed": "true"})
    )
    assert was_replayed(await server.client.with_key("k").place_order("s", {"v": 1}, "key"))


async def test_a_guest_is_a_key_and_a_customer() -> None:
    """What is refused to a key is not refreshed: there is nothing to refresh."""
    server = Server(problem(401, "unauthenticated"))
    with pytest.raises(ApiError):
        await server.client.with_key("lsk_pub_1", "c" * 20).get_order("s", "o")
    [asked] = server.asked
    assert asked.headers["Authorization"] == "Bearer lsk_pub_1"
    assert asked.headers["Lockstock-Customer"] == "c" * 20


async def test_events_go_on_after_the_last_one() -> None:
    """The place in the log is `after`, not a cursor."""
    events = [{"sequence": 1}, {"sequence": 2}]
    server = Server(
        httpx2.Response(200, json={"items": events, "next": "2"}),
        httpx2.Response(200, json={"items": [{"sequence": 3}], "next": None}),
    )
    session = server.client.with_key("k")
    found = [event["sequence"] async for event in session.events("s", kinds=["order.paid"])]
    assert found == [1, 2, 3]
    assert [a.url.params["after"] for a in server.asked] == ["0", "2"]
    assert all("cursor" not in a.url.params for a in server.asked)


async def test_a_stream_that_is_cut_is_taken_up_where_it_was() -> None:
    """With the id of the last event; half an event is none."""
    first = 'id: 1\nevent: ready\ndata: {}\n\nid: 2\nevent: stock\ndata: {"available": 5}\n\n'
    half = 'id: 3\nevent: stock\ndata: {"avai'
    rest = ':alive\nid: 4\n\nevent: stock\nid: 5\ndata: {"available": 4}\n\n'
    server = Server(
        httpx2.Response(200, stream=Cut(first + half)),
        httpx2.ReadError("still gone"),
        httpx2.Response(200, text=rest),
        problem(404, "not_found"),
    )
    stream = server.client.watch_stock("s", ["v", "w"])
    seen = [await anext(stream) for _ in range(3)]
    with pytest.raises(ApiError):
        await anext(stream)
    assert seen == [
        {"event": "ready"},
        {"event": "stock", "available": 5},
        {"event": "stock", "available": 4},
    ]
    assert [a.headers.get("Last-Event-ID") for a in server.asked] == [None, "2", "2", "5"]
    assert server.asked[0].url.params.get_list("variant") == ["v", "w"]


async def test_a_stream_of_a_server_that_stays_away_is_given_up() -> None:
    server = Server(*(httpx2.ConnectError("gone") for _ in range(10)))
    with pytest.raises(NoAnswer):
        async for _ in server.client.watch_stock("s"):
            pass
    assert len(server.asked) == QUICK.tries + 1


async def test_the_steps_of_a_transfer_are_sent_again() -> None:
    """Taken twice, a step is taken once; what moves units has a key of the caller's."""
    done = httpx2.Response(200, json={"status": "ready"})
    server = Server(httpx2.ReadError("gone"), done, done)
    session = server.client.with_key("k")
    await session.ready_transfer("s", "t")
    await session.receive_transfer("s", "t", {"v": (1, 0)}, "arrived")
    assert [a.headers.get("Idempotency-Key") for a in server.asked] == [None, None, "arrived"]
    assert json.loads(server.asked[2].content)["lines"] == [
        {"variant_id": "v", "received": 1, "damaged": 0}
    ]
