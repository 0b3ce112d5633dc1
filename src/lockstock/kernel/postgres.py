"""The embedded PostgreSQL: set up, run as a child, restarted, taken over, stopped."""

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

import asyncpg
import psutil

from lockstock.kernel.postgres_binaries import (
    SYSTEM_DIR,
    Binaries,
    PostgresUnavailable,
    find_binaries,
)
from lockstock.kernel.postgres_cluster import (
    PORT,
    Cluster,
    accept_init,
    clear_leftovers,
    find_socket_dir,
    init_command,
    is_initialised,
    make_socket_dir,
    new_directory_for_init,
    open_log,
    prepare,
    server_command,
)

__all__ = [
    "Binaries",
    "EmbeddedPostgres",
    "PostgresUnavailable",
    "default_data_dir",
    "find_binaries",
]

ROLE = DATABASE = "lockstock"
# Where the owner connects first, to make the role and the database.
MAINTENANCE = "postgres"
# Recovery replays up to max_wal_size of log, and a busy disk may need minutes for that.
PATIENCE_SECONDS = 900.0
WATCH_SECONDS = 0.3
LONGEST_BACK_OFF_SECONDS = 30.0
# A server that lived this long is started again at once.
SETTLED_SECONDS = 5.0

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

# The services connect as a role that is no superuser, or a revoked right would bind nobody.
SUPERUSER = "postgres"
HAS_ROLE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
CREATE_ROLE = "CREATE ROLE lockstock LOGIN CREATEDB"
CREATE_DATABASE = "CREATE DATABASE lockstock OWNER lockstock"
HAS_DATABASE = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"

logger = logging.getLogger(__name__)
# Without one, an application that configures no logging would find warnings on its terminal.
logger.addHandler(logging.NullHandler())


def default_data_dir() -> Path:
    """Where the data is when no setting says otherwise: the system's place for root, else home."""
    if os.geteuid() == 0:
        return SYSTEM_DIR / "data"
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(home) / "lockstock"


def _silent(_message: str) -> None:
    pass


class EmbeddedPostgres:
    """A PostgreSQL on a private socket, run by this process or by another on the same directory.

    The process that holds the directory's lock owns the server, which ends with it, however it
    ends. The others are attached; when the owner is gone, one of them starts the server anew.

    Linux ends the server with the thread that opened this, so open it in one that lives as long.
    Other systems leave it to the next process on the directory to end what a killed owner left.
    """

    def __init__(
        self, cluster: Cluster, settings: Mapping[str, str], patience_seconds: float
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._patience_seconds = patience_seconds
        self._say: Callable[[str], None] = _silent
        self._socket_dir: Path | None = None
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        *,
        binaries: Binaries | None = None,
        progress: Callable[[str], None] = _silent,
        settings: Mapping[str, str] = NO_SETTINGS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Self:
        """Starts the server of this directory, or attaches to the one that another process runs.

        Args:
            data_dir: made if absent; the cluster, its log, lock and socket are below it.
            binaries: which PostgreSQL; `find_binaries()` if None.
            progress: is told, about once a second, what takes long; one short line each time.
            settings: PostgreSQL's own, over Lockstock's.
            patience_seconds: how long a server that is alive may take to answer.

        Raises:
            PostgresUnavailable: it cannot run; the message says why and what to do.
        """
        if binaries is None:
            binaries = await asyncio.to_thread(find_binaries)
        cluster = await asyncio.to_thread(prepare, data_dir, binaries)
        self = cls(cluster, settings, patience_seconds)
        self._say = progress
        try:
            await self._start_or_attach()
        except BaseException:
            await self.close()
            raise
        self._say = logger.info
        self._watcher = asyncio.create_task(self._watch(), name="watch the embedded PostgreSQL")
        return self

    @property
    def url(self) -> str:
        """A postgresql:// URL of the database `lockstock`, as the role `lockstock`."""
        return self.url_of(DATABASE)

    def url_of(self, database: str, role: str = ROLE) -> str:
        """A postgresql:// URL of another database of the same server."""
        host = quote(str(self._socket_dir), safe="/")
        return f"postgresql://{role}@/{quote(database, safe='')}?host={host}&port={PORT}"

    @property
    def is_owner(self) -> bool:
        """Whether this process runs the server."""
        return self._lock is not None

    async def close(self) -> None:
        """Stops the server if this process owns it; otherwise merely lets go of it."""
        try:
            if self._watcher is not None:
                self._watcher.cancel()
                await asyncio.wait([self._watcher])
                self._watcher = None
            await self._stop()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    async def _start_or_attach(self) -> None:
        waiting = _Waiting(self._patience_seconds, self._say)
        while not self._take_lock():
            self._socket_dir = find_socket_dir(self._cluster)
            if self._socket_dir is not None and await self._state(DATABASE) is None:
                return
            await waiting.pause("waiting for the process that runs PostgreSQL")
        await self._start()

    def _take_lock(self) -> bool:
        path = self._cluster.lock_path
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PostgresUnavailable(
                f"cannot open {path}: {error.strerror}. Run Lockstock as the user that owns "
                f"{path.parent}, or let LOCKSTOCK_DATA_DIR point elsewhere."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    async def _start(self) -> None:
        """Everything from a directory in any state to a server that answers. Holds the lock."""
        cluster = self._cluster
        try:
            self._socket_dir = make_socket_dir(cluster)
            await clear_leftovers(cluster, self._socket_dir, self._say)
            if not is_initialised(cluster):
                await self._init()
            self._say(f"starting PostgreSQL {cluster.binaries.version}")
            log_start = cluster.log_path.stat().st_size if cluster.log_path.exists() else 0
            self._server = self._spawn(server_command(cluster, self._socket_dir, self._settings))
        except (OSError, psutil.Error) as error:
            raise PostgresUnavailable(f"cannot start PostgreSQL: {error}") from error
        waiting = _Waiting(self._patience_seconds, self._say)
        while (state := await self._state(MAINTENANCE)) is not None:
            if self._server.poll() is not None:
                raise PostgresUnavailable(
                    f"PostgreSQL ended at once ({_ending(self._server)}). The end of its log, "
                    f"{cluster.log_path}:\n{_tail(cluster.log_path, log_start)}"
                )
            await waiting.pause(state)

    async def _init(self) -> None:
        cluster = self._cluster
        self._say(f"setting up a new database in {cluster.data_dir}")
        path = new_directory_for_init(cluster)
        log_start = cluster.log_path.stat().st_size if cluster.log_path.exists() else 0
        init = self._spawn(init_command(cluster, path))
        try:
            await _ended(init)
        finally:
            if init.poll() is None:
                init.kill()
                init.wait()
        if init.returncode != 0:
            raise PostgresUnavailable(
                f"a new database could not be set up in {cluster.data_dir} ({_ending(init)}):\n"
                f"{_tail(cluster.log_path, log_start)}"
            )
        accept_init(cluster, path)

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        account = self._cluster.account
        user, group = (-1, -1) if account is None else (account.user_id, account.group_id)
        starter = [sys.executable, "-I", "-S", str(Path(__file__).with_name("postgres_child.py"))]
        log = open_log(self._cluster)
        try:
            # Not asyncio's: its child watchers differ from loop to loop, and this must be started
            # by this very thread. A session of its own, as Ctrl-C is for Lockstock to handle. No
            # environment: PGPORT and the like mean other servers, and secrets stay here.
            return subprocess.Popen(
                [*starter, str(os.getpid()), str(user), str(group), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _state(self, database: str) -> str | None:
        """None when a real connection answers, else in a few words what the server is at.

        The owner, who comes through `postgres`, makes what is absent: role and database.
        """
        try:
            role = SUPERUSER if database == MAINTENANCE else ROLE
            connection = await asyncpg.connect(self.url_of(database, role), timeout=10)
        except asyncpg.CannotConnectNowError:
            return "PostgreSQL is recovering"
        except (OSError, TimeoutError):
            return "PostgreSQL is starting"
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return f"PostgreSQL answers: {error}"
        try:
            if not await connection.fetchval(HAS_ROLE, ROLE):
                await connection.execute(CREATE_ROLE)
            if not await connection.fetchval(HAS_DATABASE, DATABASE):
                await connection.execute(CREATE_DATABASE)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return f"PostgreSQL answers: {error}"
        finally:
            connection.terminate()
        return None

    async def _watch(self) -> None:
        """Restarts a server that died; takes over the server of an owner that is gone."""
        failures = 0
        while True:
            since = time.monotonic()
            reason = await self._until_needed()
            settled = time.monotonic() - since > SETTLED_SECONDS
            back_off_seconds = min(LONGEST_BACK_OFF_SECONDS, 2.0**failures / 2)
            if settled and not failures:
                back_off_seconds = 0.0
            logger.warning("%s; starting it in %.1f s", reason, back_off_seconds)
            await asyncio.sleep(back_off_seconds)
            try:
                await self._start()
            except Exception:
                # Whatever it is, it may pass (a full disk), and nobody else would try again.
                logger.exception("PostgreSQL could not be started again")
                await self._stop()
                failures += 1
            else:
                failures = 0
                logger.warning("PostgreSQL runs again")

    async def _until_needed(self) -> str:
        while not self.is_owner:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                if self._take_lock():
                    return "the process that ran PostgreSQL is gone"
            except PostgresUnavailable:
                logger.exception("the data directory is not as it was")
                await asyncio.sleep(LONGEST_BACK_OFF_SECONDS)
        if self._server is not None:
            await _ended(self._server, tick_seconds=WATCH_SECONDS)
        return f"PostgreSQL ended unasked ({_ending(self._server)})"

    async def _stop(self) -> None:
        server = self._server
        if server is None:
            return
        # Fast shutdown, immediate shutdown, and at last what no process can ignore.
        for number, patience_seconds in (
            (signal.SIGINT, 60.0),
            (signal.SIGQUIT, 10.0),
            (signal.SIGKILL, 10.0),
        ):
            server.send_signal(number)
            if await _ended(server, patience_seconds):
                break
        else:
            logger.error("PostgreSQL, process %d, cannot be ended", server.pid)
        self._server = None


class _Waiting:
    """Bounded patience, with a line about every second that passes."""

    def __init__(self, patience_seconds: float, say: Callable[[str], None]) -> None:
        self._began = time.monotonic()
        self._patience_seconds = patience_seconds
        self._say = say
        self._said_seconds = 0

    async def pause(self, state: str) -> None:
        elapsed_seconds = time.monotonic() - self._began
        seconds = int(elapsed_seconds)
        if elapsed_seconds > self._patience_seconds:
            raise PostgresUnavailable(f"gave up after {seconds} s; last seen: {state}")
        if seconds > self._said_seconds:
            self._said_seconds = seconds
            self._say(f"{state} … {seconds} s")
        await asyncio.sleep(0.05)


async def _ended(
    process: subprocess.Popen[bytes], patience_seconds: float = math.inf, tick_seconds: float = 0.05
) -> bool:
    deadline = time.monotonic() + patience_seconds
    while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - see _spawn
        await asyncio.sleep(tick_seconds)
    return process.poll() is not None


def _ending(process: subprocess.Popen[bytes] | None) -> str:
    if process is None or process.returncode is None:
        return "it could not be started"
    if process.returncode < 0:
        return f"signal {signal.Signals(-process.returncode).name}"
    return f"exit status {process.returncode}"


def _tail(log: Path, start: int) -> str:
    """The last lines of a log from `start`, a byte position that a rotation makes meaningless."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(start if start <= log.stat().st_size else 0)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-20:])
    return ""
