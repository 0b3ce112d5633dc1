"""The lines that the demo prints work when they are pasted."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lockstock.app import Services
from lockstock.demo.greeting import PASSWORD, SHOPPER, STAFF, curl_lines, greeting
from lockstock.demo.service import load
from lockstock.orders.contract import Order
from tests.conftest import SIGNING_KEY

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")


@pytest.fixture
def database_url(loaded_url: str) -> str:
    """All tests here look at a shop that is loaded."""
    return loaded_url


@asynccontextmanager
async def served(database_url: str, directory: Path) -> AsyncIterator[str]:
    """Run `lockstock serve` on the test's database; yield its address."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lockstock", "serve", "--port", "0"),
        env={
            **os.environ,
            "LOCKSTOCK_DATABASE_URL": database_url,
            "LOCKSTOCK_SIGNING_KEYS": SIGNING_KEY.replace(",", ""),
        },
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        line = (await server.stdout.readline()).decode()
        assert "http://" in line
        address = line.split()[-1]
        await _until_it_answers(address)
        yield address
    finally:
        if server.returncode is None:
            server.send_signal(signal.SIGTERM)
        # What it still has to say is read, or it could not end.
        await server.communicate()


async def _until_it_answers(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return


async def pasted(lines: list[str], directory: Path) -> list[str]:
    """Run lines in one POSIX shell, as if typed; return what it printed, line by line."""
    shell = await asyncio.create_subprocess_exec(
        "sh",
        cwd=directory,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Without a proxy of this machine's.
        env={**os.environ, "no_proxy": "*", "NO_PROXY": "*"},
    )
    # The echo ends the line that curl leaves open.
    text = "\n".join(f"{line}\necho" for line in lines) + "\n"
    printed, _ = await shell.communicate(text.encode())
    assert shell.returncode == 0
    return printed.decode().splitlines()


def printed_commands(text: str) -> list[str]:
    """Return the lines of a greeting that are commands, as somebody would copy them."""
    return [line for line in text.splitlines() if line.startswith(("curl ", "TOKEN="))]


@needs_curl
async def test_the_printed_lines_list_log_in_and_order(
    services: Services, database_url: str, tmp_path: Path
) -> None:
    shop = await load(services, lambda _: None)
    async with served(database_url, tmp_path) as address:
        commands = printed_commands(greeting(address, shop))
        assert len(commands) == 3
        first = await pasted(commands, tmp_path)
        products, nothing, order = first
        again = (await pasted(commands, tmp_path))[-1]
    assert nothing == ""
    listed = json.loads(products)
    assert len(listed["items"]) == 5
    assert all(item["available"] > 0 for item in listed["items"])
    placed = Order.model_validate_json(order)
    assert placed.status == "awaiting_payment"
    assert [line.variant_id for line in placed.lines] == [shop.variant_id]
    # The same Idempotency-Key: the same order.
    assert Order.model_validate_json(again).id == placed.id


async def test_the_greeting_names_address_logins_and_commands(services: Services) -> None:
    shop = await load(services, lambda _: None)
    text = greeting("http://127.0.0.1:8123", shop)
    assert "http://127.0.0.1:8123/docs" in text
    assert PASSWORD in text
    assert all(who in text for who in (SHOPPER, *(member.email for member in STAFF)))
    assert printed_commands(text) == curl_lines("http://127.0.0.1:8123", shop)
    assert "jq" not in text
