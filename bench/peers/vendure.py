"""The sale at Vendure, installed by npm into a temporary directory."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from bench.peers.sale import Refused, Sale, sell
from bench.peers.wire import Buyer
from bench.postgres import Databases, databases, directory

SERVER = Path(__file__).with_name("vendure.cjs")
PACKAGES = ("@vendure/core", "pg")
INSTALL_SECONDS = 900
PATH = "/shop-api"
START_SECONDS = 120.0

SOLD = """
SELECT count(*) FROM "order" WHERE state IN ('PaymentAuthorized', 'PaymentSettled')
"""

# A whole checkout of a guest, a request for each step, as a storefront does it.
ADD = 'mutation { addItemToOrder(productVariantId: "1", quantity: 1) { __typename ... on ErrorResult { errorCode message } } }'  # noqa: E501
CUSTOMER = 'mutation { setCustomerForOrder(input: {firstName: "A", lastName: "B", emailAddress: "buyer%d@example.com"}) { __typename ... on ErrorResult { errorCode message } } }'  # noqa: E501
ADDRESS = 'mutation { setOrderShippingAddress(input: {streetLine1: "1 Road", city: "Town", postalCode: "10000", countryCode: "DE"}) { __typename ... on ErrorResult { errorCode message } } }'  # noqa: E501
SHIPPING = 'mutation { setOrderShippingMethod(shippingMethodId: ["1"]) { __typename ... on ErrorResult { errorCode message } } }'  # noqa: E501
ARRANGE = 'mutation { transitionOrderToState(state: "ArrangingPayment") { __typename ... on ErrorResult { errorCode message } } }'  # noqa: E501
PAY = 'mutation { addPaymentToOrder(input: {method: "standard-payment", metadata: {}}) { __typename ... on ErrorResult { errorCode message } } }'  # noqa: E501
STEPS = (ADD, CUSTOMER, ADDRESS, SHIPPING, ARRANGE, PAY)
NONE_LEFT = {"INSUFFICIENT_STOCK_ERROR", "ORDER_STATE_TRANSITION_ERROR"}


async def run(processes: int) -> Sale:
    """Install, fill, sell."""
    if shutil.which("npm") is None:
        message = "Vendure needs node and npm: sudo apt-get install nodejs npm"
        raise FileNotFoundError(message)
    async with directory() as place, databases(place / "data") as found:
        home = place / "vendure"
        home.mkdir()
        version = await _install(home)
        await found.create("vendure")
        await _node(home, "populate", found)
        async with AsyncExitStack() as stack:
            addresses = [
                await stack.enter_async_context(_serving(home, found)) for _ in range(processes)
            ]

            async def sold() -> int:
                return await _value(found.url("vendure"), SOLD)

            return await sell(f"Vendure {version}", addresses, _checkout, sold)


async def _install(home: Path) -> str:
    """Install Vendure from the registry that npm is set to; return its version."""
    (home / "package.json").write_text('{"private": true}')
    words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    with (home / "install.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=home, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(INSTALL_SECONDS):
                code = await process.wait()
        finally:
            await _end(process)
    if code:
        message = f"npm ended with {code}: {(home / 'install.log').read_text()[-500:]}"
        raise RuntimeError(message)
    shutil.copy(SERVER, home)
    package = json.loads((home / "node_modules/@vendure/core/package.json").read_text())
    return str(package["version"])


def _words(found: Databases, task: str, port: int) -> list[str]:
    _, place, _, postgres_port, *_ = found.words("vendure")
    return ["node", SERVER.name, task, str(port), place, postgres_port, "vendure"]


async def _node(home: Path, task: str, found: Databases) -> None:
    process = await asyncio.create_subprocess_exec(
        *_words(found, task, _free_port()),
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        message = f"vendure {task} ended with {process.returncode}: {said.decode()[-1000:]}"
        raise RuntimeError(message)


@asynccontextmanager
async def _serving(home: Path, found: Databases) -> AsyncIterator[str]:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        *_words(found, "serve", port),
        cwd=home,
        env=os.environ | {"NODE_ENV": "production"},
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        await _answers(address, process)
        yield address
    finally:
        await _end(process)


async def _answers(address: str, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.returncode is None:
        buyer = Buyer(address)
        try:
            await buyer.post(PATH, {"query": "{ products { totalItems } }"}, {})
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return
        finally:
            await buyer.close()
    raise RuntimeError("Vendure did not start")


async def _checkout(buyer: Buyer, number: int) -> None:
    headers: dict[str, str] = {}
    for step in STEPS:
        query = step % number if step is CUSTOMER else step
        answer = await buyer.post(PATH, {"query": query}, headers)
        if token := answer.headers.get("vendure-auth-token"):
            headers["Authorization"] = f"Bearer {token}"
        _check(answer.body)


def _check(answer: dict[str, Any]) -> None:
    if answer.get("errors"):
        raise RuntimeError(answer["errors"][0]["message"])
    [result] = answer["data"].values()
    code = result.get("errorCode")
    if code in NONE_LEFT:
        raise Refused
    if code:
        raise RuntimeError(f"{code}: {result['message']}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def _value(url: str, statement: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(statement)
        return found
    finally:
        await connection.close()
