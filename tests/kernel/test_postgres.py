"""The life of the embedded PostgreSQL: first start, restart, owners, deaths, takeovers."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import uvloop
from sqlalchemy import text  # noqa: TID251 - the migrations reach the same server through it
from sqlalchemy.ext.asyncio import create_async_engine  # noqa: TID251

from lockstock.kernel.postgres import EmbeddedPostgres, PostgresUnavailable, find_binaries
from lockstock.kernel.postgres_cluster import Cluster, server_command
from tests.kernel.embedded_postgres_directories import (
    AS_ROOT,
    copy_of,
    data_dir,
    directory,
    eventually,
    keep,
    kept,
    kept_at_last,
    other_process,
    role_of,
    run,
    running,
    served_once,
    server,
    servers,
    took_over,
)

# The fixtures, which pytest finds here by their names.
__all__ = ["data_dir", "directory", "served_once"]

# Minutes of it, without a wait in which it would look for its server.
LONG_COMPUTATION = """
    SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b
"""

NOT_BY_ITSELF = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends a child together with its parent"
)


@contextlib.contextmanager
def unrelated_process() -> Iterator[subprocess.Popen[bytes]]:
    """Of the user that PostgreSQL runs as: it takes other users' processes for dead anyway."""
    user = "lockstock" if AS_ROOT else None
    with subprocess.Popen(["/bin/sleep", "600"], user=user, cwd="/") as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def forsaken_server(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that did not end with its owner, as after a kill on a system other than Linux."""
    cluster = Cluster(data_dir, find_binaries(), None)
    socket_dir = data_dir / "postgres-socket"
    with subprocess.Popen(
        server_command(cluster, socket_dir, {}),
        user="lockstock" if AS_ROOT else None,
        stderr=subprocess.DEVNULL,
        cwd="/",
    ) as process:
        try:
            eventually((socket_dir / ".s.PGSQL.5432").exists)
            yield process
        finally:
            process.kill()


def postgres_that_first(bin_dir: Path, does: str) -> None:
    """The real one, behind a script that does something before it serves the directory."""
    bin_dir.mkdir()
    (bin_dir / "postgres").write_text(
        f'#!/bin/sh\n[ "$1" = -D ] && {does}\nexec "{find_binaries().bin_dir}/postgres" "$@"\n'
    )
    for path in (bin_dir, bin_dir / "postgres"):
        path.chmod(0o755)


async def test_the_first_start_sets_up_a_durable_database_in_silence(
    directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(directory / "data") as postgres:
        assert postgres.is_owner
        rows = await run(
            postgres,
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit',"
            " 'full_page_writes', 'data_checksums', 'listen_addresses', 'server_encoding')",
        )
        assert {row["name"]: row["setting"] for row in rows} == {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
        }
        letters = await run(postgres, "SELECT lower('É') AS low, 'a' > 'B' AS by_code_point")
        assert dict(letters[0]) == {"low": "é", "by_code_point": True}
    assert servers(directory / "data") == []
    assert capfd.readouterr() == ("", "")


async def test_a_later_start_keeps_the_data(data_dir: Path) -> None:
    async with running(data_dir) as postgres:
        word = await keep(postgres)
    async with running(data_dir) as postgres:
        assert {"first", word} <= await kept(postgres)


async def test_the_url_suits_sqlalchemy_too(data_dir: Path) -> None:
    async with running(data_dir) as postgres:
        engine = create_async_engine(postgres.url.replace("postgresql:", "postgresql+asyncpg:"))
        async with engine.connect() as connection:
            row = (await connection.execute(text("SELECT current_user, current_database()"))).one()
        await engine.dispose()
    assert tuple(row) == ("lockstock", "lockstock")


async def test_another_database_of_the_server_has_a_url(data_dir: Path) -> None:
    async with running(data_dir) as postgres:
        await run(postgres, 'CREATE DATABASE "odd name?"')
        engine = create_async_engine(
            postgres.url_of("odd name?").replace("postgresql:", "postgresql+asyncpg:")
        )
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT current_database()")) == "odd name?"
        await engine.dispose()


async def test_the_server_is_closed_to_what_is_not_its_own(data_dir: Path) -> None:
    async with running(data_dir):
        process = server(data_dir)
        # Ctrl-C reaches a whole session; stopping is for Lockstock to decide.
        assert os.getsid(process.pid) == process.pid
        assert str(data_dir / "postgres.lock") not in {file.path for file in process.open_files()}
        assert "LOCKSTOCK_" not in "".join(process.environ())
        for private in (data_dir / "postgres", data_dir / "postgres-socket"):
            assert private.stat().st_mode & 0o777 == 0o700


async def test_the_log_holds_nothing_that_customers_typed(data_dir: Path) -> None:
    async with running(data_dir) as postgres:
        word = await keep(postgres)
        with pytest.raises(asyncpg.UniqueViolationError):
            await keep(postgres, word)
    log = (data_dir / "postgres.log").read_text()
    assert "kept_pkey" in log
    assert word not in log


async def test_a_killed_server_is_started_again_by_its_owner(data_dir: Path) -> None:
    async with running(data_dir) as postgres:
        word = await keep(postgres)
        for _ in range(2):
            killed = server(data_dir)
            killed.kill()
            killed.wait()
            assert await kept_at_last(postgres) >= {"first", word}
            assert server(data_dir).pid != killed.pid


@NOT_BY_ITSELF
async def test_the_server_ends_with_its_killed_owner(data_dir: Path) -> None:
    with other_process(data_dir) as owner:
        assert role_of(owner) == "owner"
        assert servers(data_dir)
        owner.kill()
        owner.wait()
        eventually(lambda: not servers(data_dir))


async def test_a_server_that_outlived_its_owner_makes_way(data_dir: Path) -> None:
    with forsaken_server(data_dir) as forsaken:
        async with running(data_dir) as postgres:
            assert postgres.is_owner
            assert forsaken.poll() == 0, "a clean end, not a kill"
            assert server(data_dir).pid != forsaken.pid
            assert "first" in await kept(postgres)


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or only waits for whoever adopted it to take note."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def connect_at_last(socket_dir: Path) -> asyncpg.Connection:
    """Connect to a server that may still be starting."""
    while True:
        try:
            return await asyncpg.connect(host=str(socket_dir), user="postgres", database="postgres")
        except (asyncpg.CannotConnectNowError, OSError):
            await asyncio.sleep(0.05)


async def test_backends_whose_server_was_killed_make_way(data_dir: Path) -> None:
    """One in a long computation does not see that its server is gone, and holds its memory."""
    with forsaken_server(data_dir) as forsaken:
        connection = await connect_at_last(data_dir / "postgres-socket")
        backend = psutil.Process(connection.get_server_pid())
        computing = asyncio.create_task(connection.execute(LONG_COMPUTATION))
        await asyncio.to_thread(eventually, lambda: backend.cpu_times().user >= 0.2)
        forsaken.kill()
        forsaken.wait()
        assert backend.is_running()
        async with running(data_dir) as postgres:
            assert "first" in await kept(postgres)
            assert has_ended(backend)
        await asyncio.gather(computing, return_exceptions=True)
        connection.terminate()


async def test_an_attached_process_takes_over_from_a_killed_owner(data_dir: Path) -> None:
    with other_process(data_dir) as owner:
        assert role_of(owner) == "owner"
        async with running(data_dir) as postgres:
            assert not postgres.is_owner
            assert len(servers(data_dir)) == 1
            word = await keep(postgres)
            owner.kill()
            owner.wait()
            await took_over(postgres)
            assert await kept_at_last(postgres) >= {"first", word}
    assert servers(data_dir) == []


async def test_an_attached_process_takes_over_from_one_that_closes(data_dir: Path) -> None:
    async with running(data_dir) as owner, running(data_dir) as attached:
        assert (owner.is_owner, attached.is_owner) == (True, False)
        await owner.close()
        await took_over(attached)
        assert "first" in await kept_at_last(attached)


async def test_an_attached_process_that_leaves_does_not_stop_the_server(data_dir: Path) -> None:
    async with running(data_dir) as owner:
        before = server(data_dir).pid
        async with running(data_dir) as attached:
            assert "first" in await kept(attached)
        assert "first" in await kept(owner)
        assert server(data_dir).pid == before


def test_two_first_starts_at_one_moment_share_one_server(directory: Path) -> None:
    data_dir = directory / "data"
    with other_process(data_dir) as one, other_process(data_dir) as two:
        assert sorted([role_of(one), role_of(two)]) == ["attached", "owner"]
        assert len(servers(data_dir)) == 1


async def test_a_stale_pid_file_does_not_block_the_start(data_dir: Path) -> None:
    with unrelated_process() as ended:
        pass
    (data_dir / "postgres" / "postmaster.pid").write_text(f"{ended.pid}\n{data_dir}/postgres\n")
    async with running(data_dir) as postgres:
        assert "first" in await kept(postgres)


async def test_a_reused_pid_neither_blocks_the_start_nor_is_harmed(data_dir: Path) -> None:
    with unrelated_process() as bystander:
        lines = f"{bystander.pid}\n{data_dir}/postgres\n1700000000\n5432\n"
        (data_dir / "postgres" / "postmaster.pid").write_text(lines)
        (data_dir / "postgres-socket" / ".s.PGSQL.5432.lock").write_text(lines)
        async with running(data_dir) as postgres:
            assert "first" in await kept(postgres)
        assert bystander.poll() is None


async def test_a_server_of_another_directory_is_left_alone(data_dir: Path, directory: Path) -> None:
    copy = copy_of(data_dir, directory / "data")
    async with running(data_dir) as postgres:
        other = server(data_dir).pid
        (copy / "postgres" / "postmaster.pid").write_text(f"{other}\n{copy}/postgres\n")
        async with running(copy) as second:
            assert second.is_owner
            word = await keep(second)
            assert word not in await kept(postgres)
        assert server(data_dir).pid == other


async def test_a_server_slow_to_answer_is_waited_for_and_shown(
    data_dir: Path, directory: Path
) -> None:
    slow = directory / "slow"
    postgres_that_first(slow, "sleep 2.5")
    shown: list[str] = []
    postgres = await EmbeddedPostgres.open(
        data_dir, binaries=find_binaries(bin_dir=slow), progress=shown.append
    )
    try:
        assert "first" in await kept(postgres)
    finally:
        await postgres.close()
    assert [line for line in shown if line.endswith("… 1 s")]
    assert [line for line in shown if line.endswith("… 2 s")]


async def test_a_server_that_does_not_answer_in_time_is_given_up(
    data_dir: Path, directory: Path
) -> None:
    stuck = directory / "stuck"
    postgres_that_first(stuck, "exec sleep 600")
    with pytest.raises(PostgresUnavailable, match=r"gave up after .* starting"):
        await EmbeddedPostgres.open(
            data_dir, binaries=find_binaries(bin_dir=stuck), patience_seconds=0.5
        )
    # The lock is free again.
    async with running(data_dir) as postgres:
        assert "first" in await kept(postgres)


async def test_a_server_that_ends_at_once_is_reported_with_its_last_words(data_dir: Path) -> None:
    with pytest.raises(PostgresUnavailable, match=r"exit status 1(.|\n)*shared_buffers"):
        await EmbeddedPostgres.open(data_dir, settings={"shared_buffers": "plenty"})
    assert servers(data_dir) == []


async def test_a_setup_cut_short_is_done_again(directory: Path) -> None:
    data_dir = directory / "data"
    with other_process(data_dir) as owner:
        eventually(lambda: list(data_dir.glob("postgres.init-*/global")))
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert not (data_dir / "postgres").exists()
    async with running(data_dir) as postgres:
        assert await run(postgres, "SELECT 1")
    eventually(lambda: not list(data_dir.glob("postgres.init-*")))


def test_all_of_it_works_under_uvloop(data_dir: Path) -> None:
    async def story() -> None:
        async with running(data_dir) as owner, running(data_dir) as attached:
            server(data_dir).kill()
            assert "first" in await kept_at_last(owner)
            await owner.close()
            await took_over(attached)
            assert "first" in await kept_at_last(attached)

    uvloop.run(story())
    assert servers(data_dir) == []
