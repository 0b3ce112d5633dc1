"""Which sender reaches whom, as the settings say."""

from collections.abc import Sequence

from lockstock.users.contract import IdentityKind, Letter, NoSender
from lockstock.users.rules import Identifier
from lockstock.users.senders.apprise import AppriseSender
from lockstock.users.senders.console import ConsoleSender
from lockstock.users.senders.contract import Sender
from lockstock.users.senders.smtp import SmtpSender, relay_of, sender_of


class ChosenSender:
    """Sends by the first of several that reaches the identity's kind."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = senders

    def reaches(self, kind: IdentityKind) -> bool:
        """Whether one of them does."""
        return any(sender.reaches(kind) for sender in self._senders)

    async def send(self, identity: Identifier, letter: Letter) -> None:
        """Send. Raises NoSender where none reaches it."""
        for sender in self._senders:
            if sender.reaches(identity.kind):
                await sender.send(identity, letter)
                return
        raise NoSender("No sender reaches identities of this kind.")


def choose(
    smtp_url: str | None, smtp_from: str | None, apprise_urls: Sequence[str], *, console: bool
) -> ChosenSender:
    """Make the sender. E-mail goes by SMTP where that is set. Raises ValueError.

    `console`: what nothing else reaches is written to the log.
    """
    senders: list[Sender] = []
    if smtp_url is not None:
        if smtp_from is None:
            msg = "Set LOCKSTOCK_SMTP_FROM with LOCKSTOCK_SMTP_URL: who the mail comes from."
            raise ValueError(msg)
        senders.append(SmtpSender(relay_of(smtp_url), sender_of(smtp_from)))
    if apprise_urls:
        senders.append(AppriseSender(apprise_urls))
    if console:
        senders.append(ConsoleSender())
    return ChosenSender(senders)
