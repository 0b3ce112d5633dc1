"""The command line on the embedded PostgreSQL, as a developer uses it."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import psutil
import pytest

from tests.servers import LISTENS, ROOT, SERVE, environment, running

pytestmark = pytest.mark.journeys


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One data directory for the module: what one test leaves there, the next one finds."""
    path = Path(tempfile.mkdtemp(prefix="lockstock-cli-"))
    path.chmod(0o711)
    yield path / "data"
    left = [p for p in psutil.process_iter(["name", "cwd"]) if _works_below(p, path)]
    assert not left
    shutil.rmtree(path)


def _works_below(process: psutil.Process, path: Path) -> bool:
    cwd = process.info["cwd"]
    return cwd is not None and Path(cwd).is_relative_to(path)


@pytest.fixture
def env(data_dir: Path) -> dict[str, str]:
    """An environment without a database of one's own."""
    env = environment("", data_dir=str(data_dir))
    for name in ("DATABASE_URL", "SIGNING_KEYS", "SANDBOX_PAYMENTS"):
        del env[f"LOCKSTOCK_{name}"]
    return env


async def lockstock(env: dict[str, str], *words: str) -> tuple[int, str]:
    """Run one command; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *("python", "-m", "lockstock", *words),
        env=env | {"PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{env.get('PATH', '')}"},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode() + err.decode()


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
        yield client


async def test_serve_needs_nothing_and_keeps_what_it_was_told(env: dict[str, str]) -> None:
    ann = {"email": "ann@example.com", "password": "correct horse"}
    async with running(env) as (address, _), client_of(address) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        assert "lockstock_http_request_seconds" in (await client.get("/metrics")).text
        assert "/v1/products" in (await client.get("/openapi.json")).json()["paths"]
        docs = (await client.get("/docs")).text
        assert "swagger" in docs
        assert "https://" not in docs
        assert (await client.post("/v1/users", json=ann)).status_code == 201
    login = {"identifier": ann["email"], "password": ann["password"]}
    async with running(env) as (address, _), client_of(address) as client:
        token = (await client.post("/v1/login", json=login)).json()["access_token"]
    # The signing key was kept too: a token outlives the server that gave it.
    headers = {"Authorization": f"Bearer {token}"}
    async with running(env) as (address, _), client_of(address) as client:
        assert (await client.get("/v1/me", headers=headers)).status_code == 200


async def test_commands_use_the_server_that_runs(env: dict[str, str]) -> None:
    async with running(env) as (address, _), running(env) as (second, _):
        assert address != second
        code, said = await lockstock(env, "audit")
        assert code == 0
        assert "Nothing was oversold" in said
        assert "starting PostgreSQL" not in said
        async with client_of(second) as client:
            assert (await client.get("/readyz")).status_code == 200


async def test_a_second_server_goes_on_when_the_first_one_stops(env: dict[str, str]) -> None:
    async with (
        running(env) as (_, first),
        running(env) as (address, _),
        client_of(address) as client,
    ):
        first.send_signal(signal.SIGTERM)
        await first.wait()
        answer = await client.get("/v1/products")
        assert answer.status_code == 200, answer.text


async def test_audit_starts_what_it_needs_and_leaves_nothing(env: dict[str, str]) -> None:
    code, said = await lockstock(env, "audit", "--json")
    assert code == 0
    assert json.loads(said[said.index("{") :].split("\n")[0])["holds"] is True


async def test_status_tells_where_the_schemas_are(env: dict[str, str]) -> None:
    code, said = await lockstock(env, "db", "status")
    assert code == 0
    assert said.count("up to date") == 6


async def test_an_admin_is_created_and_may_see_every_shop(env: dict[str, str]) -> None:
    words = ("user", "create-admin", "root@example.com")
    secret = env | {"LOCKSTOCK_NEW_PASSWORD": "correct horse battery"}
    code, said = await lockstock(secret, *words)
    assert code == 0, said
    code, said = await lockstock(secret, *words)
    assert code == 1
    assert "Traceback" not in said


async def test_config_shows_settings_and_no_secret(env: dict[str, str]) -> None:
    canary = "canary-canary-canary-canary-canary"
    url = f"postgresql://shop:{canary}@db/shop"
    told = env | {"LOCKSTOCK_SIGNING_KEYS": canary, "LOCKSTOCK_DATABASE_URL": url}
    code, said = await lockstock(told, "config", "show")
    assert code == 0
    assert "LOCKSTOCK_RESERVATION_SECONDS=900" in said
    assert canary not in said


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "LOCKSTOCK_SIGNING_KEYS"),
        ("PORT", "a lot", "LOCKSTOCK_PORT"),
        ("SIGNING_KEYS", "short", "32 characters"),
        ("USERS_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none", "LOCKSTOCK_DATABASE_URL"),
    ],
)
async def test_wrong_settings_are_told_in_words(
    env: dict[str, str], name: str, value: str, told: str
) -> None:
    code, said = await lockstock(env | {f"LOCKSTOCK_{name}": value}, "serve")
    assert code == 1
    assert told in said
    assert "Traceback" not in said


async def test_a_wrong_secret_is_not_repeated(env: dict[str, str]) -> None:
    code, said = await lockstock(env | {"LOCKSTOCK_SIGNING_KEYS": "canary"}, "serve")
    assert code == 1
    assert "LOCKSTOCK_SIGNING_KEYS" in said
    assert "canary" not in said


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "mysql://nobody@127.0.0.1/none", "no URL"]
)
@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("audit",), ("db", "status")])
async def test_a_database_that_is_not_there_is_told_in_words(
    env: dict[str, str], words: tuple[str, ...], url: str
) -> None:
    told = env | {"LOCKSTOCK_DATABASE_URL": url, "LOCKSTOCK_SIGNING_KEYS": "k" * 32}
    code, said = await lockstock(told, *words)
    assert code == 1
    assert "The database of LOCKSTOCK_DATABASE_URL cannot be reached" in said
    assert "Traceback" not in said


async def test_a_port_that_is_taken_is_told_in_words_and_starts_nothing(
    env: dict[str, str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for command in ("serve", "demo"):
            code, said = await lockstock(env, command, "--port", port)
            assert code == 1
            assert f"port {port}: Address already in use" in said
            assert "starting PostgreSQL" not in said
            assert "Traceback" not in said
    code, _ = await lockstock(env, "serve", "--port", "65536")
    assert code == 2


@asynccontextmanager
async def heard(env: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server of which one hears all that it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *SERVE),
        env=env,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_stops_and_says_nothing_bad(
    env: dict[str, str], told: signal.Signals
) -> None:
    async with heard(env) as process:
        assert process.stdout is not None
        address = await _listening(process.stdout)
        async with client_of(address) as client:
            assert (await client.get("/readyz")).status_code == 200
        process.send_signal(told)
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in out


async def test_a_second_ctrl_c_does_not_wait_for_requests_and_still_closes_all(
    env: dict[str, str],
) -> None:
    async with heard(env | {"LOCKSTOCK_LOG_LEVEL": "info"}) as process:
        assert process.stdout is not None
        address = await _listening(process.stdout)
        async with client_of(address) as client:
            assert (await client.get("/readyz")).status_code == 200
            process.send_signal(signal.SIGINT)
            async for line in process.stdout:
                if b"Shutting down" in line:
                    break
            process.send_signal(signal.SIGINT)
            out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"Application shutdown complete" in out
    assert b"Traceback" not in out
    assert b"destroyed" not in out


async def _listening(said: asyncio.StreamReader) -> str:
    async for line in said:
        if line.decode().startswith(LISTENS):
            return line.decode().removeprefix(LISTENS).strip()
    raise AssertionError("it never listened")


async def test_ctrl_c_while_it_loads_prints_no_traceback(tmp_path: Path) -> None:
    # Half way through its imports, at the same place each time.
    program = (
        "import builtins, os, runpy, signal, sys; whole = builtins.__import__\n"
        # As in a terminal: what a shell starts in the background ignores it, these tests too.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def load(name, *rest, **more):\n"
        "    if name == 'fastapi': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return whole(name, *rest, **more)\n"
        "builtins.__import__ = load; sys.argv = ['lockstock', '--version']\n"
        "runpy.run_module('lockstock', run_name='__main__')\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == -signal.SIGINT
    assert said == b""


async def test_a_database_of_ones_own_waits_for_its_migrations(
    env: dict[str, str], data_dir: Path
) -> None:
    async with running(env) as (_, _):
        own = "postgresql://lockstock@/own?host=" + str(data_dir / "postgres-socket") + "&port=5432"
        connection = await asyncpg.connect(own.replace("/own?", "/postgres?"))
        await connection.execute("CREATE DATABASE own")
        await connection.close()
        told = env | environment(own)
        async with running(told) as (address, _), client_of(address) as client:
            waiting = await client.get("/readyz")
            assert waiting.status_code == 503
            assert "lockstock db migrate" in waiting.json()["problems"][0]
            assert (await lockstock(told, "db", "status"))[0] == 1
            code, said = await lockstock(told, "audit")
            assert code == 1
            assert "Run lockstock db migrate first" in said
            # Two at once wait for each other.
            done = await asyncio.gather(*(lockstock(told, "db", "migrate") for _ in range(2)))
            assert [code for code, _ in done] == [0, 0]
            assert (await client.get("/readyz")).status_code == 200
