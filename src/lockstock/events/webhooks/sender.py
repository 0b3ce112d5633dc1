"""Sends one event to one address: signed, bounded in time and size, never to anywhere inside."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from ssl import SSLContext
from uuid import UUID

import httpx2
from standardwebhooks import Webhook

from lockstock import __version__
from lockstock.events.webhooks.addresses import Addresses, Unreachable
from lockstock.events.webhooks.rules import BadUrl, Target, target_of

# Of an answer so much is read, and so much is kept for people to look at.
MOST_READ_BYTES = 4096
MOST_KEPT_BYTES = 500
CONNECT_SECONDS = 5.0
# Of a host with many addresses so many are tried.
MOST_ADDRESSES = 3
MOST_ERROR = 300


@dataclass(frozen=True)
class Message:
    """An event as it is sent. `secrets` all sign it, the newest one first."""

    event_id: UUID
    url: str = field(repr=False)
    body: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. `error` says why it did not arrive; None: it did."""

    duration_ms: int
    status_code: int | None = None
    answer: str | None = None
    error: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status_code == HTTPStatus.GONE


def signed_headers(message: Message, at: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks: id, time and a signature by each secret."""
    event_id = str(message.event_id)
    signatures = [Webhook(one).sign(event_id, at, message.body) for one in message.secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class Sender:
    """Posts messages. `timeout_seconds` bounds all of an attempt, a slow answer included."""

    def __init__(self, addresses: Addresses, timeout_seconds: float) -> None:
        self._addresses = addresses
        self.timeout_seconds = timeout_seconds

    @cached_property
    def _tls(self) -> SSLContext:
        return httpx2.create_ssl_context()

    async def send(self, message: Message) -> Outcome:
        """Post it, once. Nothing that the other side does is raised."""
        started = time.monotonic()

        def outcome(
            error: str | None, status_code: int | None = None, answer: str | None = None
        ) -> Outcome:
            passed_ms = round((time.monotonic() - started) * 1000)
            return Outcome(passed_ms, status_code, answer, error and error[:MOST_ERROR])

        try:
            async with asyncio.timeout(self.timeout_seconds):
                target = target_of(message.url)
                found = await self._addresses.of(target)
                status_code, answer = await self._post(target, found[:MOST_ADDRESSES], message)
        except TimeoutError:
            return outcome(f"no complete answer within {self.timeout_seconds:g} seconds")
        except (BadUrl, Unreachable) as error:
            return outcome(str(error))
        except httpx2.ConnectError as error:
            return outcome(f"could not connect: {error}")
        except httpx2.TimeoutException:
            return outcome("could not connect in time")
        except (httpx2.HTTPError, OSError) as error:
            return outcome(f"the connection broke: {type(error).__name__}")
        return outcome(_fault(status_code), status_code, answer)

    async def _post(
        self, target: Target, addresses: list[str], message: Message
    ) -> tuple[int, str]:
        *others, last = addresses
        for address in others:
            try:
                return await self._post_to(address, target, message)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                # Nothing was sent, so the next address may be.
                continue
        return await self._post_to(last, target, message)

    async def _post_to(self, address: str, target: Target, message: Message) -> tuple[int, str]:
        """Post to exactly this address; TLS is checked against the name.

        A connection of its own for each: one that is kept was checked for another name, or before.
        """
        headers = {
            "Host": target.url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": f"Lockstock/{__version__}",
            "Accept-Encoding": "identity",
            "Connection": "close",
        } | signed_headers(message, datetime.now(UTC))
        transport = httpx2.AsyncHTTPTransport(verify=self._tls, trust_env=False)
        async with (
            httpx2.AsyncClient(
                transport=transport,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            ) as client,
            client.stream(
                "POST",
                target.url.copy_with(host=address),
                headers=headers,
                content=message.body.encode(),
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return response.status_code, await _beginning(response)

    async def close(self) -> None:
        """Stop looking names up."""
        await self._addresses.close()


async def _beginning(response: httpx2.Response) -> str:
    """Read the beginning of an answer, as text that can be kept. What is packed stays packed."""
    read = b""
    async for part in response.aiter_raw():
        read += part
        if len(read) >= MOST_READ_BYTES:
            break
    return (
        read[:MOST_KEPT_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    )


def _fault(status_code: int) -> str | None:
    if 200 <= status_code < 300:
        return None
    if 300 <= status_code < 400:
        return f"answered {status_code}: redirects are not followed"
    return f"answered {status_code}"
