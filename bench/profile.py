"""Where the time of a checkout goes, in Python and in PostgreSQL: `python -m bench.profile --help`.

Python by py-spy, which looks at the server from outside without stopping it, and sees time in C as
that of the Python function which called it; PostgreSQL by pg_stat_statements, which adds up how
long each statement took, with what it waited for. Shares are to be believed more than sums.
"""

import argparse
import asyncio
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from bench import machine, running, workloads
from bench.driver import Run
from bench.servers import Server, lockstock
from bench.stage import Stage, scratch, stage

SECONDS = 10
SAMPLES_PER_SECOND = 250
MOST = 25
WITH_STATEMENTS = {"shared_preload_libraries": "pg_stat_statements"}

TRACK = "CREATE EXTENSION pg_stat_statements"
RESET = "SELECT pg_stat_statements_reset()"
STATEMENTS = """
SELECT s.query, s.calls, s.total_exec_time AS total_ms, s.rows
FROM pg_stat_statements AS s
JOIN pg_database AS d ON d.oid = s.dbid
WHERE d.datname = current_database()
ORDER BY s.total_exec_time DESC
LIMIT $1
"""
# A frame is `function (path:line)`; the path begins with the package.
OF_FRAME = re.compile(r"\((?:.*/site-packages/|.*/src/)?([^/:()]+)(?:/([^/:()]+))?")
IN_LOOP = "asyncio/runners.py"


@dataclass(frozen=True)
class Profile:
    """Shares of the server's samples, and PostgreSQL's statements, for one workload."""

    name: str
    checkouts: int
    seconds: float
    # CPU seconds of all processes of that side.
    python_seconds: float
    postgres_seconds: float
    parts: list[tuple[str, float]]
    functions: list[tuple[str, float]]
    # Lockstock's own, each with all that it calls.
    own: list[tuple[str, float]]
    statements: list[tuple[str, int, float]]


async def profile(on: Stage, name: str, work: workloads.Workload, database: str) -> Profile:
    """Drive a server while it is looked at."""
    url = on.databases.url(database)
    admin = await asyncpg.connect(on.databases.url(database, "postgres"))
    try:
        await admin.execute(TRACK)
        async with lockstock(url) as server:
            await on.driver.warm(server.address, work)
            await admin.execute(RESET)
            before = _cpu_seconds(server), _postgres_seconds()
            samples, run = await _watched(on, server, work)
            after = _cpu_seconds(server), _postgres_seconds()
            rows = await admin.fetch(STATEMENTS, MOST)
    finally:
        await admin.close()
    await on.audit(database)
    stacks = list(_stacks(samples))
    return Profile(
        name,
        run.done,
        run.seconds,
        after[0] - before[0],
        after[1] - before[1],
        _shares(stacks, _part),
        _shares(stacks, lambda frames: _named(frames[-1])),
        _own(stacks),
        [(" ".join(row["query"].split()), row["calls"], row["total_ms"]) for row in rows],
    )


async def _watched(on: Stage, server: Server, work: workloads.Workload) -> tuple[str, Run]:
    path = scratch(on, "samples")
    words = ["record", "--pid", str(server.pid), "--subprocesses", "--format", "raw"]
    words += ["--duration", str(SECONDS), "--rate", str(SAMPLES_PER_SECOND), "--output", str(path)]
    words.append("--nonblocking")
    looking = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("py-spy"), *words, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        run = await on.driver.drive(server.address, work, seconds=SECONDS)
    finally:
        code = await looking.wait()
    if code:
        message = f"py-spy ended with {code}; it needs the right to trace its neighbours"
        raise RuntimeError(message)
    return await asyncio.to_thread(path.read_text), run


def _stacks(samples: str) -> Iterator[tuple[list[str], int]]:
    for line in samples.splitlines():
        frames, _, count = line.rpartition(" ")
        found = frames.split(";")
        # What py-spy calls the thread or the process is no frame.
        yield [frame for frame in found if "(" in frame] or ["elsewhere"], int(count)


Naming = Callable[[list[str]], str]


def _shares(stacks: Sequence[tuple[list[str], int]], naming: Naming) -> list[tuple[str, float]]:
    counts: Counter[str] = Counter()
    for frames, count in stacks:
        counts[naming(frames)] += count
    total = counts.total() or 1
    return [(name, count / total) for name, count in counts.most_common(MOST)]


def _part(frames: list[str]) -> str:
    """The package at work; of Lockstock, the service."""
    innermost = frames[-1]
    if IN_LOOP in innermost:
        return "the event loop's own C"
    found = OF_FRAME.search(innermost)
    if found is None:
        return "elsewhere"
    return f"lockstock/{found[2]}" if found[1] == "lockstock" else found[1]


def _own(stacks: Sequence[tuple[list[str], int]]) -> list[tuple[str, float]]:
    """Functions of Lockstock, each with all that it calls."""
    counts: Counter[str] = Counter()
    for frames, count in stacks:
        own = {_named(frame) for frame in frames if "lockstock/" in frame}
        counts.update(dict.fromkeys(own, count))
    total = sum(count for _, count in stacks) or 1
    return [(name, count / total) for name, count in counts.most_common(MOST)]


def _named(frame: str) -> str:
    """A frame without its line, and without where things are on this machine."""
    return re.sub(r":\d+\)", ")", re.sub(r"\(.*/(?:site-packages|src)/", "(", frame))


def _cpu_seconds(server: Server) -> float:
    top = psutil.Process(server.pid)
    return sum(_spent(each) for each in (top, *top.children(recursive=True)))


def _postgres_seconds() -> float:
    """CPU of the PostgreSQL that this process runs, with the backends that have ended."""
    found = psutil.Process().children(recursive=True)
    return sum(_spent(each) for each in found if each.name().startswith("postgres"))


def _spent(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def written(found: Profile) -> str:
    """Return a profile as a section of a document."""
    each = 1e6 / found.checkouts
    python, postgres = found.python_seconds * each, found.postgres_seconds * each
    per_second = found.checkouts / found.seconds
    lines = [
        f"## {found.name}",
        f"{per_second:,.0f} checkouts/s while it was looked at.",
        f"CPU per checkout: {python:,.0f} µs in Python, {postgres:,.0f} µs in PostgreSQL.",
        "| Python: part | share | µs per checkout |\n|---|---|---|",
    ]
    lines[-1] += "".join(
        f"\n| {name} | {share:.1%} | {share * python:.1f} |" for name, share in found.parts
    )
    lines.append("| Python: innermost function | share |\n|---|---|")
    lines[-1] += "".join(f"\n| `{name}` | {share:.1%} |" for name, share in found.functions)
    lines.append("| Python: of Lockstock, with all that it calls | share |\n|---|---|")
    lines[-1] += "".join(f"\n| `{name}` | {share:.1%} |" for name, share in found.own)
    lines.append("| PostgreSQL: statement | calls | ms each | µs per checkout |\n|---|---|---|---|")
    lines[-1] += "".join(
        f"\n| `{query[:90].replace('|', ' ')}` | {calls} | {total / calls:.2f} "
        f"| {total * 1000 / found.checkouts:.1f} |"
        for query, calls, total in found.statements
    )
    return "\n\n".join(lines)


async def run(variants: int) -> tuple[list[str], list[Profile]]:
    """Profile the flash sale and alike."""
    async with stage(settings=WITH_STATEMENTS) as on:
        found = []
        makers: dict[str, Callable[..., workloads.Workload]] = {
            "flash": workloads.flash,
            "alike": workloads.alike,
        }
        for name, make in makers.items():
            shop = await on.fill(name, variants)
            found.append(await profile(on, name, make(shop), name))
        return await machine.describe(on), found


def main() -> None:
    """Profile; print or write."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="a folder of documents")
    asked = parser.parse_args()
    described, found = running.run(run(1_000))
    text = "\n\n".join(
        [
            "# Where the time of a checkout goes",
            "Written by `make bench-profile`: one worker, 64 connections, 1,000 variants.",
            "\n".join(f"- {line}" for line in described),
            *map(written, found),
        ]
    )
    if asked.write is None:
        print(text)
        return
    path = asked.write / "performance" / "profile.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
