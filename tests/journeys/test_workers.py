"""Several worker processes behind one port: `lockstock serve --workers N`."""

import asyncio
import re
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx2
import psutil
import pytest

from lockstock.audit.service import audit, report
from lockstock.kernel.database import Database
from tests.races.test_http import clients_of, five_hundred_buyers, open_market
from tests.servers import SERVE, environment, running

pytestmark = pytest.mark.journeys

TWO = (*SERVE, "--workers", "2")
COUNTED = re.compile(
    r'lockstock_http_request_seconds_count\{method="GET",route="/healthz",status="2xx"\} (\d+)'
)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that will come about, however slow the machine is."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 (processes have no event to wait for)
            await asyncio.sleep(0.1)


def workers_of(pid: int) -> dict[int, psutil.Process]:
    return {child.pid: child for child in psutil.Process(pid).children()}


async def ask_anew(address: str, path: str) -> httpx2.Response:
    """Ask over a connection of its own: any of the workers may get it."""
    async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
        return await client.get(path)


async def test_workers_share_a_port_and_each_counts_for_all(database_url: str) -> None:
    async with running(environment(database_url), TWO) as (address, process):
        assert len(workers_of(process.pid)) == 2
        answers = [await ask_anew(address, "/healthz") for _ in range(40)]
        assert Counter(answer.status_code for answer in answers) == {200: 40}

        async def counted_40_times() -> bool:
            # A request is counted just after it was answered.
            shown = [(await ask_anew(address, "/metrics")).text for _ in range(10)]
            return all(COUNTED.findall(one) == ["40"] for one in shown)

        await until(counted_40_times)


async def test_500_buyers_at_two_workers_buy_exactly_the_50_units(
    database_url: str, database: Database
) -> None:
    async with (
        running(environment(database_url), TWO) as (address, _),
        # Each client has connections of its own, so that both workers get some.
        clients_of([address] * 4) as clients,
    ):
        market = await open_market(clients, 50)
        assert await five_hundred_buyers(market) == {201: 50, 409: 450}
    verdict = await audit(database)
    assert verdict.holds, "\n".join(report(verdict))


async def test_a_worker_that_dies_is_replaced(database_url: str) -> None:
    async with running(environment(database_url), TWO) as (address, process):
        before = workers_of(process.pid)
        victim = next(iter(before.values()))
        victim.send_signal(signal.SIGKILL)

        async def two_serve_again() -> bool:
            now = workers_of(process.pid)
            return len(now) == 2 and victim.pid not in now

        await until(two_serve_again)

        async def all_answer() -> bool:
            try:
                return all(
                    [(await ask_anew(address, "/readyz")).status_code == 200 for _ in range(10)]
                )
            except httpx2.TransportError:
                return False

        await until(all_answer)


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_no_worker_outlives_its_server(database_url: str, told: signal.Signals) -> None:
    async with running(environment(database_url), TWO) as (_, process):
        workers = list(workers_of(process.pid).values())
        process.send_signal(told)
        code = await process.wait()
        assert code == (-signal.SIGKILL if told == signal.SIGKILL else 0)

        async def all_are_gone() -> bool:
            return not any(worker.is_running() for worker in workers)

        await until(all_are_gone)


async def test_a_port_that_somebody_listens_on_is_not_shared_with_them(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError, match="ended with 1"):
            async with running(environment(database_url), (*SERVE[:-1], port, "--workers", "2")):
                pass
