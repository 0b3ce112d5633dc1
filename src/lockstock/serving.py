"""Serving: one process on a port, or several that share it. Each of them is a whole server."""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import typer
import uvicorn

from lockstock import app as wiring
from lockstock.kernel import telemetry
from lockstock.settings import Settings

# What is done once the services are there, and what there is to say of it.
Prepare = Callable[[wiring.Services, str], Awaitable[str]]

LISTENS = "Lockstock listens on "
GRACEFUL_SECONDS = 20
# A worker that does not stop after this is killed.
STOP_SECONDS = GRACEFUL_SECONDS + 10
# Objects made and not freed yet when the collector looks for circles. A batch makes thousands.
GARBAGE_AT = 50_000
# A worker that ends by itself is replaced, not faster than this.
REPLACE_SECONDS = 1.0


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Listen. `shared`: beside other processes that share the port (SO_REUSEPORT).

    Raises ConnectionError with words for people.
    """
    is_v6 = ":" in host
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if is_v6 else socket.AF_INET,
            dualstack_ipv6=is_v6 and socket.has_dualstack_ipv6(),
            reuse_port=shared,
            # As many as may come in while all are busy: a flash sale begins for all at once.
            backlog=2048,
        )
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        message = f"Cannot listen on {host}, port {port}: {reason}."
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            message += " Another port: --port 0 takes a free one, make demo PORT=8001 that one."
        raise ConnectionError(message) from error


def reserve(host: str, port: int) -> socket.socket:
    """Take a port for workers that will share it, without listening on it.

    Raises ConnectionError where somebody listens there already, sharing or not.
    """
    with listen(host, port) as alone:
        port = alone.getsockname()[1]
        family = alone.family
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind((host, port))
    return taken


def address_of(settings: Settings) -> str:
    """Return where a server with these settings is."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


async def serve_alone(
    listener: socket.socket, settings: Settings, found: wiring.Place, prepare: Prepare
) -> None:
    """Serve in this process, until it is told to stop."""
    async with wiring.services(settings, found) as made:
        server = uvicorn.Server(
            uvicorn.Config(
                app=wiring.application(made, settings, found),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=GRACEFUL_SECONDS,
                # Longer than clients keep a connection that they do not use: who hangs up last
                # never sends a request into a connection that is being closed.
                timeout_keep_alive=75,
                server_header=False,
                # The address of a caller is that of its connection: a header can say anything.
                proxy_headers=False,
            )
        )
        made.streams.stopping = lambda: server.should_exit
        said = await prepare(made, address_of(settings))
        _spare_what_stays()
        typer.echo(f"{LISTENS}{address_of(settings)}{said}")
        # uvicorn stops gracefully on these signals and then raises them again, for others to see.
        # Here the services and the database are still to be closed.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, _go_on)
        await server.serve(sockets=[listener])
        if server.force_exit:
            # A second Ctrl-C: requests are not waited for any more, but what runs is still ended.
            await server.lifespan.shutdown()


def _spare_what_stays() -> None:
    """Take what a server has made so far, and keeps, out of the collector's rounds.

    It looked at all of it again and again while requests came: an eighth of a checkout's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AT)


def _go_on(_signal: int, _frame: FrameType | None) -> None:
    pass


async def serve_with_workers(
    count: int, settings: Settings, found: wiring.Place, prepare: Prepare
) -> None:
    """Serve in `count` processes that share the port, until told to stop.

    This process only watches them: one that ends by itself is replaced. It keeps no port open, so
    the kernel gives all connections to the workers.
    """
    stopping = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, stopping.set)
    async with wiring.services(settings, found) as made:
        said = await prepare(made, address_of(settings))
    with tempfile.TemporaryDirectory(prefix="lockstock-metrics-") as metrics:
        workers = [_Worker(settings, Path(metrics)) for _ in range(count)]
        async with _running(workers, stopping):
            if not stopping.is_set():
                typer.echo(f"{LISTENS}{address_of(settings)}{said}")
            await stopping.wait()


class _Worker:
    """One of the processes, and those that replace it."""

    def __init__(self, settings: Settings, metrics: Path) -> None:
        self._words = ("--host", settings.host, "--port", str(settings.port))
        self._metrics = metrics
        self.serves = asyncio.Event()

    async def watch(self, stopping: asyncio.Event) -> None:
        """Run it until all are told to stop; replace it where it ends before."""
        while not stopping.is_set():
            process = await self._start()
            ended = asyncio.ensure_future(self._await_end(process))
            told = asyncio.ensure_future(stopping.wait())
            await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await _stop(process, ended)
            told.cancel()
            telemetry.forget_worker(self._metrics, process.pid)
            if not stopping.is_set():
                telemetry.log().error("worker_ended", pid=process.pid, code=process.returncode)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), REPLACE_SECONDS)

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "lockstock", "serve", "--worker", *self._words),
            env=telemetry.environment_of_worker(self._metrics),
            # It stops when this end is closed, however that comes about.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def _await_end(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 (it was started with one)
        async for line in process.stdout:
            if line.decode().startswith(LISTENS):
                self.serves.set()
        await process.wait()


async def _stop(process: asyncio.subprocess.Process, ended: "asyncio.Future[None]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(asyncio.shield(ended), STOP_SECONDS)
    except TimeoutError:
        telemetry.log().error("worker_killed", pid=process.pid)
        process.kill()
        await ended


@contextlib.asynccontextmanager
async def _running(workers: list[_Worker], stopping: asyncio.Event) -> AsyncIterator[None]:
    """Run the workers while the block runs; it is entered once all of them serve."""
    watching = [asyncio.create_task(worker.watch(stopping)) for worker in workers]
    told = asyncio.create_task(stopping.wait())
    all_serve = asyncio.gather(*(worker.serves.wait() for worker in workers))
    try:
        either: set[asyncio.Future[Any]] = {all_serve, told, *watching}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        stopping.set()
        all_serve.cancel()
        await asyncio.gather(all_serve, told, *watching, return_exceptions=True)


def stop_with_parent() -> None:
    """Stop this process, as by SIGTERM, once its standard input has ended: its parent is gone."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin)
            signal.raise_signal(signal.SIGTERM)

    loop.add_reader(sys.stdin, look)
