"""Sets the stage: a database with an empty shop, copies of it that are filled, and their audit."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from bench.driver import Driver, Unsound
from bench.postgres import Databases, databases, directory
from bench.seed import Past, fill
from bench.servers import ROOT, Server, environment, lockstock
from bench.shop import BUYERS, Shop, tokens
from bench.workloads import page_of

EMPTY = "empty_shop"
WAREHOUSES = 5
# Nobody's hold ends while it is measured, unless that is what is measured.
HOLD_SECONDS = 86_400
OWNER = {"identifier": "owner@example.com", "password": "correct horse battery staple"}


@dataclass(frozen=True)
class Stage:
    """What every measurement works with."""

    databases: Databases
    driver: Driver
    shop_id: UUID
    warehouses: list[UUID]

    def shop(self, variants: int) -> Shop:
        """The shop with so many variants."""
        return Shop(self.shop_id, "EUR", self.warehouses, variants)

    async def fill(self, name: str, variants: int, past: Past = Past()) -> Shop:  # noqa: B008
        """Create a database with a shop of so many variants."""
        shop = self.shop(variants)
        await fill(await self.databases.create(name, EMPTY), shop, past)
        await self.databases.settle()
        return shop

    async def audit(self, name: str) -> None:
        """Let Lockstock prove that all is well. Raises Unsound where it is not."""
        await audit(self.databases.url(name))


@asynccontextmanager
async def stage(
    buyers: int = BUYERS, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Stage]:
    """Start PostgreSQL in a directory of its own, and open the shop in it."""
    async with directory() as place, databases(place / "data", settings) as found:
        work = place / "work"
        work.mkdir()
        await _lockstock(await found.create(EMPTY), "db", "migrate")
        await asyncio.to_thread(list_buyers, work / "buyers", buyers)
        yield await opened(found, Driver(work, work / "buyers"))


def list_buyers(path: Path, count: int) -> None:
    """Write buyers and their tokens for the driver."""
    path.write_text("".join(f"{line}\n" for line in tokens(count)))


async def opened(found: Databases, driver: Driver) -> Stage:
    """Open the shop in the empty database, which is up to date."""
    async with lockstock(found.url(EMPTY)) as server:
        shop_id, warehouses = await _open_shop(server)
    return Stage(found, driver, shop_id, warehouses)


async def audit(url: str) -> None:
    """Run `lockstock audit` on a database. Raises Unsound where an invariant does not hold."""
    code, said = await _lockstock(url, "audit", "--json", codes=(0, 1))
    verdict: dict[str, Any] = json.loads(said)
    if code or not verdict["holds"]:
        broken = [one["name"] for one in verdict["invariants"] if one["rows"]]
        message = f"the audit fails: {', '.join(broken)}"
        raise Unsound(message)


async def _lockstock(url: str, *words: str, codes: tuple[int, ...] = (0,)) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lockstock", *words),
        cwd=ROOT,
        env=environment(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, errors = await process.communicate()
    code = process.returncode
    if code not in codes or not (said or code == 0):
        message = f"lockstock {' '.join(words)} ended with {code}: {errors.decode()[-500:]}"
        raise RuntimeError(message)
    return code or 0, said.decode()


async def _open_shop(server: Server) -> tuple[UUID, list[UUID]]:
    """Open the shop with its warehouses, by the API as everybody does."""
    async with httpx2.AsyncClient(base_url=server.address, timeout=30) as client:
        account = {"email": OWNER["identifier"], "password": OWNER["password"]}
        _good(await client.post("/v1/users", json=account))
        token = _good(await client.post("/v1/login", json=OWNER))["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        asked = {"name": "Bench", "currency": "EUR", "reservation_seconds": HOLD_SECONDS}
        shop = _good(await client.post("/v1/shops", json=asked))
        path = f"/v1/shops/{shop['id']}/warehouses"
        ids = [UUID(shop["warehouses"][0]["id"])]
        for number in range(1, WAREHOUSES):
            made = await client.post(path, json={"name": f"Warehouse {number}"})
            ids.append(UUID(_good(made)["id"]))
        return UUID(shop["id"]), ids


def _good(response: httpx2.Response) -> dict[str, Any]:
    if not response.is_success:
        message = f"{response.request.url.path} answered {response.status_code}: {response.text}"
        raise RuntimeError(message)
    answer: dict[str, Any] = response.json()
    return answer


async def pages(server: Server, shop: Shop, count: int = 40) -> list[str]:
    """Walk the list of products; return the requests for its first pages."""
    found = [page_of(shop, None)]
    async with httpx2.AsyncClient(base_url=server.address) as client:
        while len(found) < count:
            page = _good(await client.get(found[-1].split("\t")[1]))
            if page["next"] is None:
                break
            found.append(page_of(shop, page["next"]))
    return found


def scratch(stage: Stage, name: str) -> Path:
    """A file in the directory of this run."""
    return stage.driver.directory / name
