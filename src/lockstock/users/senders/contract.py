"""What a sender is: a way to reach an e-mail address, a phone number, or both."""

from typing import Protocol

from lockstock.users.contract import IdentityKind, Letter
from lockstock.users.rules import Identifier


class Sender(Protocol):
    """Sends letters. Raises whatever goes wrong."""

    def reaches(self, kind: IdentityKind) -> bool:
        """Whether it can send to identities of this kind at all."""
        ...

    async def send(self, identity: Identifier, letter: Letter) -> None:
        """Send."""
        ...
