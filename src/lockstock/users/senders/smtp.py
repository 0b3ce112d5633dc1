"""E-mail by SMTP."""

import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid, parseaddr
from urllib.parse import unquote, urlsplit

import aiosmtplib
from email_validator import validate_email

from lockstock.users.contract import IdentityKind, Letter
from lockstock.users.rules import Identifier

# For each step of the conversation. The courier has a limit for the whole of it.
TIMEOUT_SECONDS = 10.0
PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}


@dataclass(frozen=True)
class Relay:
    """The mail server that takes our mail.

    `smtps`: TLS from the first byte. `smtp`: STARTTLS, or nothing is sent. `smtp+plain`: no TLS,
    for a relay on the same machine.
    """

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)


def relay_of(url: str) -> Relay:
    """Read scheme://user:password@host:port. Raises ValueError, which does not show the URL."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in PORTS or not parts.hostname or port == -1:
        msg = "give smtps://, smtp:// or smtp+plain://, then user:password@host:port"
        raise ValueError(msg)
    if parts.query or parts.fragment or parts.path not in {"", "/"}:
        msg = "nothing comes after host and port; write / ? # in a password as %2F %3F %23"
        raise ValueError(msg)
    return Relay(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def sender_of(text: str) -> Address:
    """Read `Name <address>` or an address. Raises ValueError."""
    name, address = parseaddr(text)
    try:
        # What releases of Python read differently: some take what follows a line break for nothing.
        if not text.isprintable():
            raise ValueError
        validate_email(address, check_deliverability=False, test_environment=True)
        return Address(name, addr_spec=address)
    except (ValueError, IndexError):
        msg = "give an e-mail address, or Name <address>"
        raise ValueError(msg) from None


class SmtpSender:
    """Sends each letter in a conversation of its own."""

    def __init__(
        self, relay: Relay, sender: Address, tls_context: ssl.SSLContext | None = None
    ) -> None:
        self._relay = relay
        self._sender = sender
        self._tls_context = tls_context or ssl.create_default_context()

    def reaches(self, kind: IdentityKind) -> bool:
        """E-mail addresses."""
        return kind == "email"

    async def send(self, identity: Identifier, letter: Letter) -> None:
        """Hand it to the relay. Raises aiosmtplib.SMTPException, OSError."""
        relay = self._relay
        tls = relay.scheme != "smtp+plain"
        await aiosmtplib.send(
            self._written(identity, letter),
            hostname=relay.host,
            port=relay.port,
            username=relay.user,
            password=relay.password,
            timeout=TIMEOUT_SECONDS,
            use_tls=relay.scheme == "smtps",
            start_tls=relay.scheme == "smtp",
            tls_context=self._tls_context if tls else None,
        )

    def _written(self, identity: Identifier, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = _mailbox(identity.value)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=self._sender.domain)
        # So that no out-of-office note is sent back.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message


def _mailbox(address: str) -> str:
    """Return the address with its domain in ASCII, which every mail server understands."""
    known = validate_email(address, check_deliverability=False, test_environment=True)
    return known.ascii_email or known.normalized
