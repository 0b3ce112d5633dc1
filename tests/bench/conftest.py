"""The stage of the benchmark on the tests' PostgreSQL, and a driver that sends a handful."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.postgres import Databases
from bench.stage import EMPTY, Stage, list_buyers, opened
from lockstock.kernel.postgres import EmbeddedPostgres
from tests.bench.handful import Handful

USED = ("one", "reference", "broken", "past", EMPTY)


@pytest.fixture
async def stage(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Stage]:
    """A shop to measure in."""
    databases = Databases(postgres)
    list_buyers(tmp_path / "buyers", 50)
    await databases.create(EMPTY, "lockstock")
    try:
        yield await opened(databases, Handful(tmp_path, tmp_path / "buyers"))
    finally:
        for name in USED:
            await databases.drop(name)
