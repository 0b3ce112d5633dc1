"""The sale counts what really happened."""

import asyncio

import pytest

from bench.peers.sale import BUYERS, Refused, sell
from bench.peers.wire import Buyer

PAGE = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nX-Token: abc\r\n\r\n{}"


async def test_a_sale_counts_buyers_by_what_became_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Served, told that there is none, or left with an error; sold is what the system says."""

    async def buy(_buyer: Buyer, number: int) -> None:
        if number == 0:
            raise OSError("hung up")
        if number > 50:
            raise Refused

    async def sold() -> int:
        return 51

    found = await sell("System", ["http://127.0.0.1:1", "http://127.0.0.1:2"], buy, sold)
    assert (found.bought, found.refused, found.failed) == (50, BUYERS - 51, 1)
    assert "| 2 | 51 of 50 |" in found.text
    assert "hung up" in capsys.readouterr().out


async def test_a_buyer_speaks_http() -> None:
    """What is sent arrives, what is answered is read."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heard.append(await reader.readuntil(b"}"))
            writer.write(PAGE)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        buyer = Buyer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        answers = [await buyer.post("/a", {"b": 1}, {"C": "d"}) for _ in range(2)]
        await buyer.close()
    for answer in answers:
        assert (answer.status, answer.headers["x-token"], answer.body) == (201, "abc", {})
    assert heard[0].startswith(b"POST /a HTTP/1.1\r\n")
    assert b"C: d\r\n" in heard[1]
