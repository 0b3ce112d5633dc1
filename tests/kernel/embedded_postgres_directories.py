"""Data directories for the tests of the embedded PostgreSQL, and eyes that are not its own."""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from lockstock.kernel.postgres import EmbeddedPostgres

AS_ROOT = os.geteuid() == 0
# Owns, or attaches to, the directory in argv[1] until it is told to stop or killed.
OTHER_PROCESS = """
import pathlib, sys, uvloop
from lockstock.kernel.postgres import EmbeddedPostgres

async def main():
    postgres = await EmbeddedPostgres.open(pathlib.Path(sys.argv[1]))
    print("owner" if postgres.is_owner else "attached", flush=True)
    sys.stdin.read()
    await postgres.close()

uvloop.run(main())
"""


@contextlib.contextmanager
def new_directory() -> Iterator[Path]:
    """Not pytest's tmp_path, which is closed to the user that PostgreSQL runs as under root."""
    path = Path(tempfile.mkdtemp(prefix="lockstock-test-")).resolve()
    path.chmod(0o711)
    try:
        yield path
    finally:
        end_servers(path / "data")
        shutil.rmtree(path)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A new, empty directory; a data directory goes to its `data`."""
    with new_directory() as path:
        yield path


@pytest.fixture(scope="session")
def served_once() -> Iterator[Path]:
    """A data directory that was set up and holds the table `kept` with the word `first`."""

    async def set_up(data_dir: Path) -> None:
        async with running(data_dir) as postgres:
            await run(postgres, "CREATE TABLE kept (word text PRIMARY KEY)")
            await keep(postgres, "first")

    with new_directory() as path:
        asyncio.run(set_up(path / "data"))
        yield path / "data"


@pytest.fixture
def data_dir(served_once: Path) -> Iterator[Path]:
    """The same for all, as setting up takes a second: a test adds words of its own to `kept`."""
    yield served_once
    end_servers(served_once)


def end_servers(data_dir: Path) -> None:
    """What a failed test left running; each is known by its very directory."""
    for process in servers(data_dir):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    eventually(lambda: not servers(data_dir))


def copy_of(source: Path, target: Path) -> Path:
    # Unlike shutil's, this keeps the owners.
    subprocess.run(["/bin/cp", "-a", source, target], check=True)
    return target


@contextlib.asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    postgres = await EmbeddedPostgres.open(data_dir)
    try:
        yield postgres
    finally:
        await postgres.close()


@contextlib.contextmanager
def other_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def role_of(process: subprocess.Popen[str]) -> str:
    """Waits until the other process runs, and tells whether it is owner or attached."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def run(postgres: EmbeddedPostgres, statement: str, *values: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(postgres.url)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def keep(postgres: EmbeddedPostgres, word: str | None = None) -> str:
    """Commits a word, one of its own if none is given, and returns it."""
    word = word or secrets.token_hex(8)
    await run(postgres, "INSERT INTO kept VALUES ($1)", word)
    return word


async def kept(postgres: EmbeddedPostgres) -> set[str]:
    return {row["word"] for row in await run(postgres, "SELECT word FROM kept")}


async def kept_at_last(postgres: EmbeddedPostgres) -> set[str]:
    """As `kept`, from a server that may be on its way up or down."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await kept(postgres)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            assert time.monotonic() < deadline, "PostgreSQL did not come back"
            await asyncio.sleep(0.05)


async def took_over(postgres: EmbeddedPostgres) -> None:
    deadline = time.monotonic() + 60
    while not postgres.is_owner:
        assert time.monotonic() < deadline, "it never took over"
        await asyncio.sleep(0.05)


def servers(data_dir: Path) -> list[psutil.Process]:
    """The PostgreSQL servers of the directory: those at work in it whose parent is not."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.name() == "postgres" and process.cwd() == str(data_dir / "postgres"):
                found.append(process)
    pids = {process.pid for process in found}
    heads = []
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:
                heads.append(process)
    return heads


def server(data_dir: Path) -> psutil.Process:
    (only,) = servers(data_dir)
    return only


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
