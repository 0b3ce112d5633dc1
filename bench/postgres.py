"""One PostgreSQL for all that is compared, with the settings that Lockstock's users have."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from lockstock.kernel.postgres import EmbeddedPostgres, find_binaries

# A table that grows under load is analysed by autovacuum at moments of its own choosing; it stays
# on, as in production. Nothing here is tuned, and nothing that makes a commit durable is off.
COPY_DATABASE = "CREATE DATABASE {name} TEMPLATE {source} OWNER lockstock"


@asynccontextmanager
async def directory() -> AsyncIterator[Path]:
    """A directory of our own on the disk, gone afterwards."""
    path = _new_directory()
    try:
        yield path
    finally:
        await asyncio.to_thread(shutil.rmtree, path)


def _new_directory() -> Path:
    path = Path(tempfile.mkdtemp(prefix="lockstock-bench-"))
    # PostgreSQL runs as a user of its own where the bench runs as root.
    path.chmod(0o711)
    return path


class Databases:
    """The databases of one run, all on one server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    @property
    def bin_dir(self) -> Path:
        """Where pgbench is."""
        return find_binaries().bin_dir

    def url(self, name: str, role: str = "lockstock") -> str:
        """The URL of a database, over the server's socket."""
        return self._server.url_of(name, role)

    def words(self, name: str) -> list[str]:
        """The same for PostgreSQL's own programs."""
        parts = parse_qs(urlsplit(self.url(name)).query)
        return ["-h", parts["host"][0], "-p", parts["port"][0], "-U", "lockstock", name]

    async def create(self, name: str, source: str = "template0") -> str:
        """Create a database, empty or as a copy; return its URL."""
        await self._administer(COPY_DATABASE.format(name=name, source=source))
        return self.url(name)

    async def drop(self, name: str) -> None:
        """Remove a database, with whoever is still connected to it."""
        await self._administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def settle(self) -> None:
        """Write out what is dirty, so that no measurement pays for the one before."""
        await self._administer("CHECKPOINT")

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres", "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def databases(
    data_dir: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Databases]:
    """Run a PostgreSQL in this directory."""
    server = await EmbeddedPostgres.open(data_dir, settings=settings or {})
    try:
        yield Databases(server)
    finally:
        await server.close()
