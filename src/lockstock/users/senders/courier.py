"""Sending: after the answer, and not lost in silence."""

import asyncio

from lockstock.kernel import telemetry
from lockstock.users.contract import IdentityKind, Letter, NoSender
from lockstock.users.rules import Identifier
from lockstock.users.senders.contract import Sender

PATIENCE_SECONDS = 30.0
# Enough for the answer to be on its way before the work of sending begins.
HEAD_START_SECONDS = 0.02
KINDS: tuple[IdentityKind, ...] = ("email", "phone")


class Courier:
    """Sends while the caller already has the answer, which so tells nothing by its time."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def unreached(self) -> list[IdentityKind]:
        """The kinds of identity that nothing can be sent to."""
        return [kind for kind in KINDS if not self._sender.reaches(kind)]

    def check(self, kind: IdentityKind) -> None:
        """Raise NoSender where nothing could be sent, whoever has the identity."""
        if not self._sender.reaches(kind):
            noun = "e-mail addresses" if kind == "email" else "phone numbers"
            raise NoSender(f"This server has no way to send anything to {noun}.")

    def post(self, identity: Identifier, letter: Letter) -> None:
        """Send this soon. A failure is one log line, without the text."""
        task = asyncio.create_task(self._send(identity, letter), name="send a letter")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait for what is under way: at most `PATIENCE_SECONDS`."""
        await asyncio.gather(*self._under_way)

    async def _send(self, identity: Identifier, letter: Letter) -> None:
        await asyncio.sleep(HEAD_START_SECONDS)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._sender.send(identity, letter)
        except Exception as error:
            # Neither the message nor the traceback: both may hold the code.
            telemetry.log().error("code_not_sent", kind=identity.kind, error=type(error).__name__)
