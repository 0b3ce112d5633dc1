"""The console: for development."""

from lockstock.kernel import telemetry
from lockstock.users.contract import IdentityKind, Letter
from lockstock.users.rules import Identifier


class ConsoleSender:
    """Writes the text to the log. For development: who reads the log can log in as anybody.

    A warning, so that it is there at every level that a developer would choose.
    """

    def reaches(self, kind: IdentityKind) -> bool:
        """Everybody, as nothing leaves the house."""
        return kind in {"email", "phone"}

    async def send(self, identity: Identifier, letter: Letter) -> None:
        """Write one line."""
        telemetry.log().warning(
            "one_time_code", kind=identity.kind, to=identity.value, message=letter.text
        )
