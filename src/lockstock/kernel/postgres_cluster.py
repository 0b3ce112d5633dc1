"""The directories of an embedded PostgreSQL, and what an earlier owner may have left in them."""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from lockstock.kernel.postgres_binaries import (
    Account,
    Binaries,
    PostgresUnavailable,
    account_for_postgres,
    blocked_at,
    within_reach,
)

PORT = 5432
# sun_path holds 104 bytes under macOS and 108 under Linux, its final NUL included.
SOCKET_PATH_BYTES = 100
LOG_BYTES = 10_000_000
HALF_MADE = "postgres.init-"

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "128MB",
        "max_connections": "200",
        "wal_compression": "on",
        # Plans made before there were statistics read whole tables: look soon for what has grown.
        "autovacuum_naptime": "5s",
        # Compiling costs more than it saves in statements of a few milliseconds.
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_messages": "error",
        # Statements and the details of errors hold what customers typed.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] ",
    }
)


@dataclass(frozen=True)
class Cluster:
    """One data directory, the binaries that serve it and the user that runs them (None: this one).

    `path` is PostgreSQL's own directory, `init_path` a half-made one that becomes it by a rename.
    """

    data_dir: Path
    binaries: Binaries
    account: Account | None

    @property
    def path(self) -> Path:
        """PostgreSQL's own directory."""
        return self.data_dir / "postgres"

    @property
    def lock_path(self) -> Path:
        """Who has locked this file owns the server."""
        return self.data_dir / "postgres.lock"

    @property
    def log_path(self) -> Path:
        """What the server writes."""
        return self.data_dir / "postgres.log"

    @property
    def name(self) -> str:
        """Shown in the titles of PostgreSQL's processes, and one of the ways to know them again."""
        return "lockstock-" + hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]


def prepare(data_dir: Path, binaries: Binaries) -> Cluster:
    """Makes the data directory if it is absent, and sees that PostgreSQL's user can work in it.

    Raises:
        PostgresUnavailable: a directory is closed to that user, or cannot be made.
    """
    data_dir = data_dir.resolve()
    account = account_for_postgres()
    if account is not None:
        _refuse_if_blocked(account, _nearest_existing(data_dir))
    try:
        _make_open_to_passing(data_dir, 0o700 if account is None else 0o711)
    except OSError as error:
        raise PostgresUnavailable(
            f"cannot make the data directory {data_dir}: {error.strerror}. "
            f"LOCKSTOCK_DATA_DIR may point elsewhere."
        ) from error
    if account is not None:
        _refuse_if_blocked(account, data_dir)
    return Cluster(data_dir, within_reach(binaries, account), account)


def is_initialised(cluster: Cluster) -> bool:
    """Whether PostgreSQL's directory is there, and one that these binaries can serve.

    Raises:
        PostgresUnavailable: it is of another major version, or not PostgreSQL's.
    """
    if not cluster.path.exists():
        return False
    try:
        made_by = (cluster.path / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise PostgresUnavailable(
            f"{cluster.path} is not a PostgreSQL directory that can be read ({error.strerror}). "
            f"Move it away, or let LOCKSTOCK_DATA_DIR point elsewhere."
        ) from error
    if made_by != str(cluster.binaries.major):
        raise PostgresUnavailable(
            f"{cluster.path} was made by PostgreSQL {made_by}, and this is PostgreSQL "
            f"{cluster.binaries.version}. Dump it with the Lockstock that ran PostgreSQL {made_by} "
            f"(or its pg_dump), move {cluster.path} away, start again and restore the dump."
        )
    return True


def new_directory_for_init(cluster: Cluster) -> Path:
    """An empty directory beside the final one; what interrupted attempts left is removed."""
    for half_made in cluster.data_dir.glob(HALF_MADE + "*"):
        # An initdb whose starter was killed may still be clearing up its own.
        shutil.rmtree(half_made, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=HALF_MADE, dir=cluster.data_dir))
    _give(path, cluster.account)
    return path


def init_command(cluster: Cluster, path: Path) -> list[str]:
    """What sets up a new cluster at `path`."""
    command = [
        str(cluster.binaries.bin_dir / "initdb"),
        f"--pgdata={path}",
        *("--username=postgres", "--auth-local=trust", "--auth-host=reject"),
        *("--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"),
    ]
    if cluster.binaries.major >= 17:
        return [*command, "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # The nearest that older ones have: order by code point, but upper() and lower() of all letters.
    return [*command, "--lc-ctype=C.UTF-8"] if sys.platform == "linux" else command


def server_command(cluster: Cluster, socket_dir: Path, settings: Mapping[str, str]) -> list[str]:
    """What runs the server, with `settings` over Lockstock's own; where it listens is not one."""
    settings = {
        **SETTINGS,
        **settings,
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(socket_dir),
        "unix_socket_permissions": "0700",
        "cluster_name": cluster.name,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(cluster.binaries.bin_dir / "postgres"), "-D", str(cluster.path), *options]


def accept_init(cluster: Cluster, path: Path) -> None:
    """Makes a finished directory the cluster: from here on it is there whole, or not at all."""
    path.rename(cluster.path)
    directory = os.open(cluster.data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def find_socket_dir(cluster: Cluster) -> Path | None:
    """Where the server's socket is, or None as long as no owner has made a place for it."""
    beside = cluster.data_dir / "postgres-socket"
    if _may_hold_socket(beside):
        return beside
    with contextlib.suppress(FileNotFoundError):
        recorded = _socket_record(cluster).read_text().splitlines()
        # The data directory may have been copied: the copy needs a socket of its own.
        if len(recorded) == 2 and recorded[0] == str(cluster.data_dir):
            return Path(recorded[1])
    return None


def make_socket_dir(cluster: Cluster) -> Path:
    """The private directory of the server's socket: beside the cluster, or else a short path."""
    path = find_socket_dir(cluster)
    if path is not None:
        if _is_private(path, cluster):
            return path
        if path.parent == cluster.data_dir:
            shutil.rmtree(path, ignore_errors=True)
        # One below the system's temporary directory may be gone after a restart of the machine,
        # and its name be somebody else's by now.
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            _give(path, cluster.account)
            return path
    path = _new_short_dir(cluster)
    _give(path, cluster.account)
    half = _socket_record(cluster).with_suffix(".half")
    half.write_text(f"{cluster.data_dir}\n{path}\n")
    half.replace(_socket_record(cluster))
    return path


def open_log(cluster: Cluster) -> int:
    """A descriptor to append to the log; a long log is put aside first, as postgres.log.1."""
    log = cluster.log_path
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


async def clear_leftovers(cluster: Cluster, socket_dir: Path, say: Callable[[str], None]) -> None:
    """Ends the server that a killed owner left in this directory. Hold the directory's lock.

    A process is touched only if it is a PostgreSQL at work in this very directory: the id in a
    stale postmaster.pid may by now be anybody's.
    """
    left = processes_of(cluster)
    heads = [process for process in left if not _is_backend(process)]
    if any("--single" in _command_of(process) for process in heads):
        raise PostgresUnavailable(
            f"process {heads[0].pid} works on {cluster.path} in single-user mode. End it first."
        )
    # To a backend SIGINT means "cancel the query": without its postmaster it must be told to quit,
    # and as the memory they shared is lost, nothing is gained by sparing it.
    steps = [(signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0)] if heads else [(signal.SIGQUIT, 2.0)]
    for number, patience_seconds in [*steps, (signal.SIGKILL, 10.0)]:
        if not left:
            break
        say("waiting for the PostgreSQL of a process that was killed to end")
        for process in heads or left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + patience_seconds
        # They are nobody's children: there is nothing to wait for but their absence.
        while (left := processes_of(cluster)) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        heads = [process for process in left if not _is_backend(process)]
    if left:
        raise PostgresUnavailable(
            f"processes {[process.pid for process in left]} still hold {cluster.path}; end them."
        )
    # PostgreSQL would take a stale id that another process of this user has got since for a server.
    for stale in (
        cluster.path / "postmaster.pid",
        socket_dir / f".s.PGSQL.{PORT}",
        socket_dir / f".s.PGSQL.{PORT}.lock",
    ):
        stale.unlink(missing_ok=True)


def processes_of(cluster: Cluster) -> list[psutil.Process]:
    """The PostgreSQL processes at work in this directory, whoever started them."""
    found = []
    user_id = cluster.path.stat().st_uid if cluster.path.exists() else -1
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess):
            is_postgres = process.name() == "postgres" and process.uids().effective == user_id
            if is_postgres and _works_in(process, cluster):
                found.append(process)
    return found


def _works_in(process: psutil.Process, cluster: Cluster) -> bool:
    try:
        return process.cwd() == str(cluster.path)
    except psutil.AccessDenied:
        # Root in a container may lack the capability to look; the command line is for all to read.
        words = _command_of(process)
        return str(cluster.path) in words or cluster.name in "".join(words[:1])


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _is_backend(process: psutil.Process) -> bool:
    """Whether it is a child of a postmaster: those, and only those, change their title."""
    return "".join(_command_of(process)[:1]).startswith("postgres: ")


def _refuse_if_blocked(account: Account, path: Path) -> None:
    blocked = blocked_at(account, path)
    if blocked is not None:
        raise PostgresUnavailable(
            f"the system user {account.name!r}, which runs PostgreSQL when Lockstock is started by "
            f"root, may not enter {blocked}. Let LOCKSTOCK_DATA_DIR point to a place that it may "
            f"reach, or allow it to pass through: chmod o+x {blocked}"
        )


def _nearest_existing(path: Path) -> Path:
    return next(step for step in (path, *path.parents) if step.exists())


def _make_open_to_passing(path: Path, mode: int) -> None:
    """Makes a directory and those above it that are absent; what is there keeps its mode."""
    if path.is_dir():
        return
    _make_open_to_passing(path.parent, mode)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
        # Whatever the umask, and only what was made here.
        path.chmod(mode)


def _give(path: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(path, account.user_id, account.group_id)


def _socket_record(cluster: Cluster) -> Path:
    return cluster.data_dir / "postgres.socket-dir"


def _may_hold_socket(directory: Path) -> bool:
    path = str(directory / f".s.PGSQL.{PORT}")
    # Other characters mean something in URLs, or in PostgreSQL's list of socket directories.
    plain = re.fullmatch(r"[A-Za-z0-9_./+-]+", path) is not None
    return plain and len(path) <= SOCKET_PATH_BYTES


def _is_private(path: Path, cluster: Cluster) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    owner = os.geteuid() if cluster.account is None else cluster.account.user_id
    is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == owner
    return is_own and stat.S_IMODE(status.st_mode) == 0o700


def _new_short_dir(cluster: Cluster) -> Path:
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - mkdtemp below
        if not _may_hold_socket(parent / "lockstock-12345678"):
            continue
        if cluster.account is None or blocked_at(cluster.account, parent) is None:
            return Path(tempfile.mkdtemp(prefix="lockstock-", dir=parent))
    raise PostgresUnavailable(
        f"no short path for PostgreSQL's socket: {cluster.data_dir} and the temporary directory "
        f"have more than {SOCKET_PATH_BYTES} bytes. LOCKSTOCK_DATA_DIR may point elsewhere."
    )
