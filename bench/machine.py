"""What the figures were measured on, without what it is called or where things are on it."""

import asyncio
import os
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import psutil

from bench.stage import Stage

FLUSHES = 200
BLOCK = b"\0" * 8192
SHOWN = ("fsync", "synchronous_commit", "shared_buffers", "max_connections", "full_page_writes")


async def describe(stage: Stage) -> list[str]:
    """Return lines that describe machine, software and settings."""
    version, shown = await _postgresql(stage.databases.url("postgres", "postgres"))
    flush_ms = await asyncio.to_thread(_flush_ms)
    memory_gb = psutil.virtual_memory().total / 2**30
    kernel = f"{platform.system()} {platform.release().split('-')[0]}"
    load = os.getloadavg()[0]
    return [
        f"{os.cpu_count()} cores ({_processor()}) and {memory_gb:.0f} GB of memory, for all of it",
        f"disk: {flush_ms:.2f} ms to flush 8 kB (median of {FLUSHES})",
        f"{kernel}, Python {platform.python_version()}, PostgreSQL {version}, {_wrk()}",
        f"PostgreSQL as Lockstock starts it: {shown}",
        f"load average when it began: {load:.1f}"
        + (" (something else was at work: look at the spread)" if load > 1 else ""),
    ]


async def _postgresql(url: str) -> tuple[str, str]:
    connection = await asyncpg.connect(url)
    try:
        shown = [f"{name} = {await connection.fetchval(f'SHOW {name}')}" for name in SHOWN]
        version = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return version.split()[0], ", ".join(shown)


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    if not found.exists():
        return platform.machine()
    name = re.search(r"^model name\s*: (.+)$", found.read_text(), re.MULTILINE)
    return name[1].strip() if name else platform.machine()


def _flush_ms() -> float:
    """How long the disk of the databases takes to keep a block for good."""
    times = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(FLUSHES):
            began = time.perf_counter()
            file.write(BLOCK)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def _wrk() -> str:
    path = shutil.which("wrk") or "wrk"
    said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split()[:2])
