"""localstripe, a stateful stand-in for Stripe, as a process of its own on the loopback.

It has dependencies of its own and another licence, so it lives in a virtual environment beside the
tests' and is spoken to over HTTP only.
"""

import asyncio
import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "localstripe.lock"
BUILD_LOCK = HERE / "localstripe-build.lock"
INSTALL_SECONDS = 240

# Its own command listens on every address and keeps a file in /tmp; this listens on the loopback,
# on a free port, and keeps nothing.
SERVE = """
import socket
from aiohttp import web
from localstripe.server import app, store
type(store).dump_to_disk = lambda store: None
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
web.run_app(app, sock=listening, print=None)
"""


class Impossible(Exception):
    """It cannot be installed here. The message says why."""


def python() -> Path:
    """Return the Python that has localstripe; install it where it is not yet, by its hashes."""
    digest = hashlib.sha256(LOCK.read_bytes() + BUILD_LOCK.read_bytes()).hexdigest()[:12]
    home = Path(sys.prefix) / f"localstripe-{digest}"
    found = home / "bin" / "python"
    # Several test processes may want it at once.
    with (Path(sys.prefix) / "localstripe.flock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _install_whole(home, found)
    return found


def _install_whole(home: Path, its_python: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    try:
        _install(home, its_python)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(home, ignore_errors=True)
        output = getattr(error, "stderr", None) or b""
        raise Impossible(f"{error}\n{output.decode(errors='replace')[-500:]}") from error


def _install(home: Path, its_python: Path) -> None:
    venv.create(home, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    pip += ["--python", str(its_python), "install", "--quiet", "--require-hashes", "--no-deps"]
    for options in (
        ["--only-binary", ":all:", "-r", str(BUILD_LOCK)],
        # Its sources are built by what is installed already, so nothing comes without a hash.
        ["--no-build-isolation", "-r", str(LOCK)],
    ):
        subprocess.run([*pip, *options], check=True, capture_output=True, timeout=INSTALL_SECONDS)
    (home / "complete").touch()


@asynccontextmanager
async def running(its_python: Path) -> AsyncIterator[str]:
    """Run it; give its address, and end it."""
    with tempfile.TemporaryDirectory() as home:
        process = await asyncio.create_subprocess_exec(
            str(its_python),
            "-c",
            SERVE,
            cwd=home,
            env={"HOME": home},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            port = await asyncio.wait_for(process.stdout.readline(), 60)
            yield f"http://127.0.0.1:{int(port)}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
