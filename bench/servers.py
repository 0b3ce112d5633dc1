"""The processes that are measured: started here, ended here by their own id."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

ROOT = Path(__file__).resolve().parents[1]
SIGNING_KEY = "a signing key for the benchmark and for nothing else"
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A process that answers at an address."""

    address: str
    pid: int
    # From the start of the process to its first answer.
    start_seconds: float

    def memory_mb(self) -> float:
        """Memory of the process and its children, in MB; what they share is counted once."""
        top = psutil.Process(self.pid)
        found = [top, *top.children(recursive=True)]
        return float(sum(each.memory_full_info().pss for each in found)) / 2**20


def environment(database_url: str, **settings: str) -> dict[str, str]:
    """The environment of a Lockstock on this database, with these settings over the usual ones."""
    usual = {
        "LOCKSTOCK_DATABASE_URL": database_url,
        "LOCKSTOCK_SIGNING_KEYS": SIGNING_KEY,
        "LOCKSTOCK_SANDBOX_PAYMENTS": "true",
        "LOCKSTOCK_LOG_LEVEL": "error",
    }
    # Settings of whoever runs the benchmark are not those of what is measured.
    outer = {name: value for name, value in os.environ.items() if "LOCKSTOCK" not in name}
    return outer | usual | {f"LOCKSTOCK_{name.upper()}": v for name, v in settings.items()}


def can_have_workers() -> bool:
    """Whether `lockstock serve` takes --workers."""
    said = subprocess.run(
        [sys.executable, "-m", "lockstock", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"},
    )
    return "--workers" in said.stdout


@asynccontextmanager
async def lockstock(database_url: str, workers: int = 1, **settings: str) -> AsyncIterator[Server]:
    """Run `lockstock serve` on a database that is up to date."""
    port = _free_port()
    words = ["-m", "lockstock", "serve", "--port", str(port)]
    if workers > 1:
        words += ["--workers", str(workers)]
    async with _running(words, environment(database_url, **settings), port) as server:
        yield server


@asynccontextmanager
async def uvicorn(
    app: str, env: Mapping[str, str] | None = None, workers: int = 1
) -> AsyncIterator[Server]:
    """Run an ASGI application the usual way."""
    port = _free_port()
    words = ["-m", "uvicorn", app, "--port", str(port), "--workers", str(workers)]
    words += ["--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "75"]
    async with _running(words, {**os.environ, **(env or {})}, port) as server:
        yield server


@asynccontextmanager
async def _running(words: list[str], env: Mapping[str, str], port: int) -> AsyncIterator[Server]:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=dict(env), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        await _answers(address, process)
        yield Server(address, process.pid, time.monotonic() - began)
    finally:
        await _end(process)


async def _answers(address: str, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with httpx2.AsyncClient(base_url=address) as client:
        while time.monotonic() < deadline and process.returncode is None:
            try:
                await client.get("/healthz")
            except httpx2.TransportError:
                await asyncio.sleep(0.02)
            else:
                return
    message = f"the server did not answer (exit code {process.returncode})"
    raise RuntimeError(message)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 30)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
