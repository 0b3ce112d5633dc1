"""Senders: SMTP against a real server, Apprise against a real receiver, and which is chosen."""

import asyncio
import datetime
import email
import email.policy
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from pydantic import SecretStr

from lockstock import app as wiring
from lockstock.settings import Settings
from lockstock.users.contract import Letter, NoSender
from lockstock.users.rules import Identifier
from lockstock.users.senders.apprise import AppriseSender, NotSent, filled
from lockstock.users.senders.chosen import choose
from lockstock.users.senders.courier import Courier
from lockstock.users.senders.smtp import SmtpSender, relay_of, sender_of

pytestmark = [
    # Apprise, as it loads what it knows.
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
    # aiosmtpd, which does not see the TLS that is around the whole connection.
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
]

LETTER = Letter(subject="Your Lockstock code", text="012345 is your Lockstock code. Größe: 1.")
ANN = Identifier("email", "ann@example.com")
PHONE = Identifier("phone", "+447700900123")
USER, PASSWORD = "shop@example.com", "p/w: #1?"


@dataclass
class MailServer:
    """A real SMTP server on loopback, and what came in."""

    port: int
    letters: list[Envelope]

    @property
    def message(self) -> EmailMessage:
        """The last letter, read."""
        content = self.letters[-1].content
        assert isinstance(content, bytes)
        read = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(read, EmailMessage)
        return read


@dataclass(frozen=True)
class Certificate:
    """Contexts of a server for 127.0.0.1, and of a client that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of the test's own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "mail.pem"
    pem = made.public_bytes(serialization.Encoding.PEM)
    path.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Certificate(server, ssl.create_default_context(cadata=pem.decode()))


@asynccontextmanager
async def mail_server(
    tls: ssl.SSLContext | None = None, *, starttls: bool = False, refuses: bool = False
) -> AsyncIterator[MailServer]:
    """Start a server. `tls` alone: from the first byte. With a login where there is TLS."""
    letters: list[Envelope] = []

    class Handler:
        async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
            self, _server: SMTP, _session: Session, envelope: Envelope
        ) -> str:
            if refuses:
                return "550 no"
            letters.append(envelope)
            return "250 OK"

    def check(_server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=known, handled=False)

    def protocol() -> SMTP:
        return SMTP(
            Handler(),
            enable_SMTPUTF8=True,
            tls_context=tls if starttls else None,
            require_starttls=starttls,
            authenticator=check if tls else None,
            auth_required=tls is not None,
            auth_require_tls=starttls,
        )

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(protocol, "127.0.0.1", 0, ssl=None if starttls else tls)
    try:
        yield MailServer(listener.sockets[0].getsockname()[1], letters)
    finally:
        listener.close()
        await listener.wait_closed()


def smtp(
    scheme: str, port: int, certificate: Certificate | None = None, password: str = PASSWORD
) -> SmtpSender:
    login = ""
    if certificate is not None:
        quoted = "".join(f"%{ord(c):02X}" for c in password)
        login = f"shop%40example.com:{quoted}@"
    relay = relay_of(f"{scheme}://{login}127.0.0.1:{port}")
    sender = sender_of("Corner shop <shop@example.com>")
    return SmtpSender(relay, sender, certificate.client if certificate else None)


async def test_mail_arrives_whole() -> None:
    async with mail_server() as server:
        await smtp("smtp+plain", server.port).send(ANN, LETTER)
        [envelope] = server.letters
        assert envelope.mail_from == "shop@example.com"
        assert envelope.rcpt_tos == ["ann@example.com"]
        message = server.message
    assert message["From"] == "Corner shop <shop@example.com>"
    assert message["To"] == "ann@example.com"
    assert message["Subject"] == LETTER.subject
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] is not None
    assert message["Message-ID"].endswith("@example.com>")
    assert message.get_content().rstrip() == LETTER.text


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_mail_goes_with_tls_and_a_login(certificate: Certificate, scheme: str) -> None:
    async with mail_server(certificate.server, starttls=scheme == "smtp") as server:
        await smtp(scheme, server.port, certificate).send(ANN, LETTER)
        assert len(server.letters) == 1
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await smtp(scheme, server.port, certificate, "wrong").send(ANN, LETTER)
        assert len(server.letters) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(
    certificate: Certificate, scheme: str
) -> None:
    stranger = Certificate(certificate.server, ssl.create_default_context())
    async with mail_server(certificate.server, starttls=scheme == "smtp") as server:
        with pytest.raises((aiosmtplib.SMTPException, ssl.SSLError)):
            await smtp(scheme, server.port, stranger).send(ANN, LETTER)
        assert server.letters == []


async def test_nothing_is_sent_where_tls_was_taken_away() -> None:
    async with mail_server() as server:
        with pytest.raises(aiosmtplib.SMTPException):
            await smtp("smtp", server.port).send(ANN, LETTER)
        assert server.letters == []


async def test_a_refused_letter_is_an_error() -> None:
    async with mail_server(refuses=True) as server:
        with pytest.raises(aiosmtplib.SMTPDataError):
            await smtp("smtp+plain", server.port).send(ANN, LETTER)


async def test_a_domain_in_another_script_is_sent_in_ascii() -> None:
    async with mail_server() as server:
        sender = smtp("smtp+plain", server.port)
        await sender.send(Identifier("email", "ann@bücher.example"), LETTER)
        await sender.send(Identifier("email", "änn@bücher.example"), LETTER)
        first, second = (envelope.rcpt_tos for envelope in server.letters)
    assert first == ["ann@xn--bcher-kva.example"]
    assert second == ["änn@bücher.example"]


async def test_a_letter_that_is_not_taken_is_a_line_in_the_log_without_its_text() -> None:
    async with mail_server(refuses=True) as server:
        courier = Courier(smtp("smtp+plain", server.port))
        with structlog.testing.capture_logs() as lines:
            courier.post(ANN, LETTER)
            await courier.close()
    assert [line["event"] for line in lines] == ["code_not_sent"]
    assert "012345" not in str(lines)


@pytest.mark.parametrize(
    ("url", "port"),
    [("smtps://h", 465), ("smtp://u:p@h", 587), ("smtp+plain://h/", 25), ("smtp://h:2525", 2525)],
)
def test_a_relay_is_read(url: str, port: int) -> None:
    assert (relay_of(url).host, relay_of(url).port) == ("h", port)
    assert (relay_of("smtp://a%40b:c%2Fd@h").user, relay_of("smtp://a%40b:c%2Fd@h").password) == (
        "a@b",
        "c/d",
    )


@pytest.mark.parametrize(
    "url", ["", "h", "http://h", "smtp://", "smtp://h:x", "smtp://h:99999", "smtp://h?tls=no"]
)
def test_a_relay_that_makes_no_sense_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"give|nothing comes") as refused:
        relay_of(url.replace("://", "://user:canary@") if "://" in url else url)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "shop", "a@b@c.example", "Shop <shop>", "a@b.example\nX: y"])
def test_a_sender_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give an e-mail address"):
        sender_of(text)


@dataclass
class Receiver:
    """An HTTP receiver on loopback, and what came in: path and body."""

    port: int
    calls: list[tuple[str, dict[str, Any]]]


@asynccontextmanager
async def receiver(status: int = 200) -> AsyncIterator[Receiver]:
    """Start one that answers so."""
    calls: list[tuple[str, dict[str, Any]]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        [length] = [
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length")
        ]
        calls.append((head.split()[1], json.loads(await reader.readexactly(length))))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield Receiver(listener.sockets[0].getsockname()[1], calls)
    finally:
        listener.close()
        await listener.wait_closed()


async def test_apprise_sends_to_whom_the_url_has_a_place_for() -> None:
    async with receiver() as there:
        sender = AppriseSender([f"json://127.0.0.1:{there.port}/sms/{{phone}}?format=text"])
        assert sender.reaches("phone")
        assert not sender.reaches("email")
        await sender.send(PHONE, LETTER)
        [(path, body)] = there.calls
    assert path.removesuffix("/") == "/sms/+447700900123"
    assert body["message"] == LETTER.text
    assert body["title"] == LETTER.subject


async def test_the_first_url_that_works_is_used() -> None:
    async with receiver(500) as broken, receiver() as works, receiver() as unused:
        urls = [f"json://127.0.0.1:{each.port}/{{to}}" for each in (broken, works, unused)]
        await AppriseSender(urls).send(PHONE, LETTER)
        assert [len(each.calls) for each in (broken, works, unused)] == [1, 1, 0]
        with pytest.raises(NotSent):
            await AppriseSender(urls[:1]).send(ANN, LETTER)


def test_what_is_put_into_a_url_cannot_change_it() -> None:
    hostile = Identifier("email", "a/../b?x=1#{text}@example.com")
    url = filled("json://h/{email}/{text}?a={to}", hostile, "a&b=c d")
    assert url.count("/") == 4
    assert url.count("?") == 1
    assert "#" not in url
    assert "&" not in url


@pytest.mark.parametrize(
    "url", ["json://h/nobody", "nonsense://user:canary@h/{to}", "canary{phone}"]
)
def test_a_url_that_reaches_nobody_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="URL 2") as refused:
        AppriseSender(["json://h/{to}", url])
    assert "canary" not in str(refused.value)


async def test_mail_goes_by_smtp_and_messages_by_apprise() -> None:
    async with mail_server() as mail, receiver() as there:
        url = f"smtp+plain://127.0.0.1:{mail.port}"
        sender = choose(url, USER, [f"json://127.0.0.1:{there.port}/{{to}}"], console=False)
        await sender.send(ANN, LETTER)
        await sender.send(PHONE, LETTER)
        assert (len(mail.letters), len(there.calls)) == (1, 1)


async def test_nothing_is_written_to_the_log_but_with_the_embedded_database() -> None:
    sender = choose("smtp://h", USER, [], console=False)
    assert (sender.reaches("email"), sender.reaches("phone")) == (True, False)
    with pytest.raises(NoSender):
        await sender.send(PHONE, LETTER)
    with structlog.testing.capture_logs() as lines:
        await choose("smtp://h", USER, [], console=True).send(PHONE, LETTER)
    assert [line["to"] for line in lines] == [PHONE.value]
    with pytest.raises(ValueError, match="LOCKSTOCK_SMTP_FROM"):
        choose("smtp://h", None, [], console=False)


async def test_a_server_without_a_sender_says_so_at_its_start_and_to_who_asks(
    database_url: str,
) -> None:
    key = "a signing key of thirty-two characters"
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(database_url),
        signing_keys=[SecretStr(key)],
        sweep_seconds=0,
    )
    async with wiring.place(settings, print) as found, wiring.services(settings, found) as made:
        app: FastAPI = wiring.application(made, settings, found)
        with structlog.testing.capture_logs() as lines:
            async with app.router.lifespan_context(app):
                pass
        assert made.users.unreached == ["email", "phone"]
    [line] = [line for line in lines if line["event"] == "no_sender"]
    assert (line["log_level"], line["unreached"]) == ("warning", ["email", "phone"])


def test_urls_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTOCK_APPRISE_URLS", " json://a/{to}?x=1,2\n json://b/{phone} ")
    monkeypatch.setenv("LOCKSTOCK_SMTP_URL", "smtp://u:canary@h")
    settings = Settings(_env_file=None)
    urls = [url.get_secret_value() for url in settings.apprise_urls]
    assert urls == ["json://a/{to}?x=1,2", "json://b/{phone}"]
    assert "canary" not in repr(settings)
