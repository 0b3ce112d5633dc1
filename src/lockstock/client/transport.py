"""HTTP to Lockstock: what is retried, and how an error is read."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

from lockstock.client.refusals import ApiError, error_of

__all__ = ["ApiError", "Call", "Patience", "Transport", "etag_of", "was_replayed"]

SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
# A switch that is on already is on, a step that was taken is taken: the same once or twice.
SWITCHES = (
    "/activate",
    "/deactivate",
    "/ready",
    "/dispatch",
    "/cancel",
    "/complete",
    "/reviewed",
    "/logout",
)


class _Told(dict[str, Any]):
    """An answer, and what its headers say of it."""

    def __init__(self, members: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(members)
        self.etag = headers.get("ETag")
        self.is_replayed = headers.get("Idempotency-Replayed") == "true"


def etag_of(answer: Mapping[str, Any]) -> str | None:
    """Return the ETag of a product, shop, warehouse or webhook as it was answered.

    Given to the call that changes it, the change is made only if nobody else has made one since.
    """
    return answer.etag if isinstance(answer, _Told) else None


def was_replayed(answer: Mapping[str, Any]) -> bool:
    """Whether this answer was given before, to the same key."""
    return isinstance(answer, _Told) and answer.is_replayed


@dataclass(frozen=True)
class Patience:
    """How long to go on. A call is sent up to `tries` times; a pause lasts up to the longest."""

    tries: int = 6
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 61.0
    timeout_seconds: float = 60.0


@dataclass(frozen=True)
class Call:
    """One request. `key` is its Idempotency-Key, `token` whose it is."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str | int | bool] | None = None
    key: str | None = None
    token: str | None = None
    # Further headers, such as If-Match.
    more: Mapping[str, str] | None = None

    @property
    def can_repeat(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it."""
        if self.more is not None and "If-Match" in self.more:
            # The first time may have been the edit that the second is refused for.
            return False
        return self.method in SAFE or self.key is not None or self.path.endswith(SWITCHES)

    @property
    def headers(self) -> dict[str, str]:
        """The headers it is sent with."""
        headers = dict(self.more or {})
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers


class Transport:
    """Sends calls to one server over kept-alive connections.

    503 and a lost connection are retried where the call can be repeated, 429 always (nothing was
    done), after what `Retry-After` says or a growing, jittered pause. `transport` is for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connections: int = 32,
        patience: Patience | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            timeout=httpx2.Timeout(self._patience.timeout_seconds),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections
            ),
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        """Use it in `async with`: the connections are closed at its end."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call) -> Any:  # noqa: ANN401 (JSON; each verb knows its shape)
        """Return the answer's JSON, None where it has none. Raises ApiError."""
        for count in range(1, self._patience.tries + 1):
            is_last = count == self._patience.tries
            try:
                answer = await self._http.request(
                    call.method,
                    call.path,
                    json=call.body,
                    params=call.query,
                    headers=call.headers,
                )
            except httpx2.TransportError as error:
                if is_last or not call.can_repeat:
                    raise _no_answer(error) from error
                await self._pause(count, None)
                continue
            if answer.is_success:
                return _json(answer) if answer.content else None
            if is_last or not _is_worth_another(answer, call):
                raise _problem(answer)
            await self._pause(count, answer.headers.get("Retry-After"))
        raise AssertionError

    async def lines(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str], failures: int
    ) -> AsyncGenerator[str, None]:
        """Yield the lines of an answer that does not end. A connection that is lost ends them.

        `failures`: how often in a row nothing came. Raises ApiError when that is too often.
        """
        if failures:
            await self._pause(failures, None)
        try:
            async with self._http.stream("GET", path, params=query, headers=headers) as answer:
                if not answer.is_success:
                    await answer.aread()
                    if answer.status_code not in {429, 503} or failures >= self._patience.tries:
                        raise _problem(answer)
                    return
                async for line in answer.aiter_lines():
                    yield line
        except httpx2.TransportError as error:
            if failures >= self._patience.tries:
                raise _no_answer(error) from error

    async def _pause(self, count: int, retry_after: str | None) -> None:
        seconds = self._patience.first_pause_seconds * 2 ** (count - 1)
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
            seconds = float(retry_after)
        # Many callers were refused at the same instant; they must not come back at one.
        seconds += random.uniform(0, self._patience.first_pause_seconds)  # noqa: S311 (no secret)
        await asyncio.sleep(min(seconds, self._patience.longest_pause_seconds))


def _is_worth_another(answer: httpx2.Response, call: Call) -> bool:
    return answer.status_code == 429 or (answer.status_code == 503 and call.can_repeat)


def _no_answer(error: httpx2.TransportError) -> ApiError:
    detail = str(error) or type(error).__name__
    return error_of(0, "no_answer", f"The server does not answer: {detail}", {})


def _json(answer: httpx2.Response) -> Any:  # noqa: ANN401
    try:
        found = answer.json()
        return _Told(found, answer.headers) if isinstance(found, dict) else found
    except ValueError:
        detail = f"{answer.request.url} does not answer JSON: is it Lockstock?"
        raise ApiError(answer.status_code, "no_json", detail, {}) from None


def _problem(answer: httpx2.Response) -> ApiError:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {}
    code = str(found.get("code", f"http_{answer.status_code}"))
    detail = str(found.get("detail", f"{answer.status_code} {answer.reason_phrase}"))
    return error_of(answer.status_code, code, detail, found)
