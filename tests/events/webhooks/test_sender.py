"""One attempt: signed, to the checked address only, and bounded whatever the receiver does."""

import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from lockstock.events.webhooks.addresses import Addresses, Resolve
from lockstock.events.webhooks.sender import Message, Outcome, Sender
from lockstock.kernel.ids import new_id
from tests.events.webhooks.receiver import FLOOD_BYTES, Manner, Receiver, receiving

SECRET = "whsec_" + "c2VjcmV0" * 4
OLD_SECRET = "whsec_" + "b2xkb2xk" * 4
PATIENCE_SECONDS = 20.0
# Long enough for a request to arrive on a busy machine.
LITTLE_SECONDS = 1.0


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on the loopback."""
    async with receiving() as made:
        yield made


def sender(
    resolve: Resolve | None = None,
    *,
    inside: bool = True,
    timeout_seconds: float = PATIENCE_SECONDS,
) -> Sender:
    """A sender that may go inside."""
    return Sender(Addresses(allow_private=inside, resolve=resolve), timeout_seconds)


def message(url: str, *secrets: str) -> Message:
    """A message to this address."""
    return Message(new_id(), url, '{"kind":"order.paid","data":{"é":1}}', secrets or (SECRET,))


def to(*addresses: str) -> Resolve:
    """A resolver that knows one answer."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return resolve


async def test_a_message_is_signed_as_its_convention_has_it(receiver: Receiver) -> None:
    sent = message(receiver.url("/hook?a=%20b"), SECRET, OLD_SECRET)
    outcome = await sender().send(sent)
    assert (outcome.status_code, outcome.error) == (200, None)
    assert outcome.answer == "said 200\N{REPLACEMENT CHARACTER}"
    [got] = receiver.got
    assert (got.method, got.path) == ("POST", "/hook?a=%20b")
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == str(sent.event_id)
    assert got.headers["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, OLD_SECRET):
        assert got.verified_by(secret)["kind"] == "order.paid"
    with pytest.raises(WebhookVerificationError):
        got.verified_by("whsec_" + "bm9ib2R5" * 4)
    # What was changed on the way, or is old, is not from here.
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body + b" ", got.headers)
    old = got.headers | {"webhook-timestamp": str(int(got.headers["webhook-timestamp"]) - 600)}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body, old)


@pytest.mark.parametrize(
    ("manner", "status_code", "said"),
    [
        (204, 204, None),
        (301, 301, "redirects are not followed"),
        (307, 307, "redirects are not followed"),
        (404, 404, "answered 404"),
        (410, 410, "answered 410"),
        (500, 500, "answered 500"),
        ("hang", None, "no complete answer within 1 seconds"),
        ("drip", None, "no complete answer within 1 seconds"),
        ("drop", None, "the connection broke"),
        ("garbage", None, "the connection broke"),
        ("flood", 200, None),
    ],
)
async def test_whatever_a_receiver_does_an_attempt_ends(
    receiver: Receiver, manner: Manner, status_code: int | None, said: str | None
) -> None:
    receiver.manner = manner
    seconds = LITTLE_SECONDS if manner in {"hang", "drip"} else PATIENCE_SECONDS
    outcome = await sender(timeout_seconds=seconds).send(message(receiver.url()))
    assert outcome.status_code == status_code, outcome
    assert said is None if outcome.error is None else said is not None and said in outcome.error
    # One request, and never one to where a redirect leads.
    assert [got.path for got in receiver.got] == ["/hook"]
    # No more of an answer is read than is looked at; some is in the buffers of the sockets.
    assert receiver.flooded_bytes < FLOOD_BYTES / 4
    assert len(outcome.answer or "") <= 500


async def test_where_nobody_listens_an_attempt_ends() -> None:
    async with receiving() as gone:
        url = gone.url()
    outcome = await sender().send(message(url))
    assert outcome.status_code is None
    assert "could not connect" in str(outcome.error)


async def test_the_next_address_of_a_host_is_tried(receiver: Receiver) -> None:
    # Nobody listens on the first one.
    outcome = await sender(to("127.0.0.2", "127.0.0.1")).send(
        message(receiver.url(host="two.example"))
    )
    assert outcome.error is None
    assert receiver.got[0].headers["host"] == f"two.example:{receiver.port}"


async def test_nothing_is_sent_inside(receiver: Receiver) -> None:
    """Checked at each attempt: the receiver is there and would answer."""
    for url in (receiver.url(), receiver.url(host="localhost"), receiver.url(host="[::1]")):
        outcome = await sender(inside=False).send(message(url))
        assert "not on the public internet" in str(outcome.error), url
    outcome = await sender(to("127.0.0.1"), inside=False).send(
        message(receiver.url(host="inner.example"))
    )
    assert "not on the public internet" in str(outcome.error)
    assert receiver.got == []


async def test_a_name_that_leads_elsewhere_a_moment_later_leads_nobody_astray(
    receiver: Receiver,
) -> None:
    """Rebinding: the first look-up says what is allowed, all later ones would lead inside."""
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        # An address of documentation, where nobody is; the check is told that it is allowed.
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    outcome = await sender(rebinding, timeout_seconds=LITTLE_SECONDS).send(
        message(receiver.url(host="rebind.example"))
    )
    assert asked == ["rebind.example"]
    assert outcome.error is not None
    assert receiver.got == []


async def test_proxies_and_cookies_of_the_environment_are_ignored(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url("/"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        outcome = await sender().send(message(receiver.url()))
    assert outcome.error is None
    assert (len(receiver.got), proxy.got) == (1, [])


def _certificate(directory: Path, name: str) -> Path:
    """Write a certificate for a name, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name[0].isdigit():
        names = [x509.IPAddress(ipaddress.ip_address(name))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def _over_tls(path: Path, host: str) -> tuple[Outcome, int]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    async with receiving(tls) as receiver:
        outcome = await sender(to("127.0.0.1")).send(message(receiver.url(host=host)))
        return outcome, len(receiver.got)


async def test_tls_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = _certificate(tmp_path, "hook.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    outcome, got = await _over_tls(named, "hook.example")
    assert (outcome.error, got) == (None, 1)
    for host in ("other.example", "127.0.0.1"):
        outcome, got = await _over_tls(named, host)
        assert "CERTIFICATE_VERIFY_FAILED" in str(outcome.error), host
        assert got == 0
    # A certificate for the address is none for the name.
    by_address = _certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(by_address))
    outcome, got = await _over_tls(by_address, "hook.example")
    assert "CERTIFICATE_VERIFY_FAILED" in str(outcome.error)
    # And one that nobody has signed is none at all.
    monkeypatch.delenv("SSL_CERT_FILE")
    outcome, got = await _over_tls(named, "hook.example")
    assert "CERTIFICATE_VERIFY_FAILED" in str(outcome.error)
    assert got == 0


def test_secrets_and_addresses_are_in_no_text_of_a_message() -> None:
    """What is logged by accident holds nothing."""
    text = repr(message("https://example.com/?token=hidden", SECRET))
    assert "whsec" not in text
    assert "hidden" not in text
