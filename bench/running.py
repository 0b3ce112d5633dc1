"""Runs a measurement so that it leaves nothing behind, also when it is told to stop."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
# What a shell says of a command that was told to stop (128 + SIGTERM).
STOPPED = 143


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it. SIGTERM ends it as Ctrl-C does: servers, databases and directories go first."""

    async def inside() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(inside())
    except asyncio.CancelledError:
        sys.exit(STOPPED)
