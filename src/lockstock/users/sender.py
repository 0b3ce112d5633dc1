"""Sending one-time codes: after the answer, and not lost in silence."""

import asyncio
from typing import Protocol

from lockstock.kernel import telemetry
from lockstock.users.rules import Identifier

PATIENCE_SECONDS = 30.0
# Enough for the answer to be on its way before the work of sending begins.
HEAD_START_SECONDS = 0.02


class Sender(Protocol):
    """Sends a text to an e-mail address or a phone number. Raises whatever goes wrong."""

    async def send(self, identity: Identifier, text: str) -> None:
        """Send."""
        ...


class ConsoleSender:
    """Writes the text to the log. For development: who reads the log can log in as anybody.

    A warning, so that it is there at every level that a developer would choose.
    """

    async def send(self, identity: Identifier, text: str) -> None:
        """Write one line."""
        telemetry.log().warning(
            "one_time_code", kind=identity.kind, to=identity.value, message=text
        )


class Courier:
    """Sends while the caller already has the answer, which so tells nothing by its time."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._under_way: set[asyncio.Task[None]] = set()

    def post(self, identity: Identifier, text: str) -> None:
        """Send this soon. A failure is one log line, without the text."""
        task = asyncio.create_task(self._send(identity, text), name="send a one-time code")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait for what is under way: at most `PATIENCE_SECONDS`."""
        await asyncio.gather(*self._under_way)

    async def _send(self, identity: Identifier, text: str) -> None:
        await asyncio.sleep(HEAD_START_SECONDS)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._sender.send(identity, text)
        except Exception as error:
            # Neither the message nor the traceback: both may hold the code.
            telemetry.log().error("code_not_sent", kind=identity.kind, error=type(error).__name__)
