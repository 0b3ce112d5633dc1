"""A database with the demo shop in it: loaded once, copied for each test."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from lockstock import app as wiring
from lockstock.demo.service import load
from lockstock.kernel.postgres import EmbeddedPostgres
from lockstock.settings import Settings
from tests.conftest import SIGNING_KEY

LOADED = "demo_loaded"
COPY = "demo_copy"


@pytest.fixture(scope="session")
def loaded_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the demo shop."""

    async def make() -> None:
        admin = await asyncpg.connect(postgres.url_of("postgres"))
        await admin.execute(f"CREATE DATABASE {LOADED} TEMPLATE lockstock")
        await admin.close()
        place = wiring.Place(postgres.url_of(LOADED), postgres.url_of(LOADED), [SIGNING_KEY])
        async with wiring.services(Settings(_env_file=None), place) as made:
            await load(made, lambda _: None)

    asyncio.run(make())
    return LOADED


@pytest.fixture
async def loaded_url(postgres: EmbeddedPostgres, loaded_template: str) -> AsyncIterator[str]:
    """A copy of that database, for this test alone."""
    admin = await asyncpg.connect(postgres.url_of("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {COPY} TEMPLATE {loaded_template}")
        yield postgres.url_of(COPY)
        await admin.execute(f"DROP DATABASE {COPY} WITH (FORCE)")
    finally:
        await admin.close()
