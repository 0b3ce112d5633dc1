"""The busiest calls, answered before the framework looks at them.

A framework that resolves dependencies costs several times what a checkout itself does. So a hot
route is a plain function for the plain case: what it does not take at sight (a parameter, an odd
header, a body that needs a message about its fault) goes the usual way, with the same service
behind it. Description, errors and meaning are those of the usual route: it is an abridgement of
it, never another one.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockstock.kernel.errors import Refusal
from lockstock.kernel.http import problem

M = TypeVar("M", bound=BaseModel)
JSON_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8"})
_ID = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


@dataclass(slots=True)
class HotCall:
    """A request as it came. `headers`: each once, names in lower case."""

    scope: Scope
    receive: Receive
    headers: dict[bytes, bytes]
    ids: list[UUID]
    read: list[Message] = field(default_factory=list)

    @property
    def state(self) -> Any:  # noqa: ANN401 (what `app.py` put on the application)
        """What the application has: its services, its gate."""
        return self.scope["app"].state

    async def body(self) -> bytes | None:
        """Read the body; None where the client went away in the middle of it."""
        while True:
            message = await self.receive()
            self.read.append(message)
            if message["type"] != "http.request":
                return None
            if not message.get("more_body"):
                break
        if len(self.read) == 1:
            body: bytes = message.get("body", b"")
            return body
        return b"".join(message.get("body", b"") for message in self.read)

    async def again(self) -> Message:
        """Receive, for who reads after us, what was read and what comes."""
        return self.read.pop(0) if self.read else await self.receive()


@dataclass(frozen=True, slots=True)
class HotAnswer:
    """An answer with a body of JSON."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


# None: this is not the plain case.
Answer = Callable[[HotCall], Awaitable[HotAnswer | None]]


class HotRoute:
    """A method, a path (`{name}` stands for an id) and who answers."""

    def __init__(self, method: str, path: str, answer: Answer) -> None:
        self.method = method
        self.path = path
        self.answer = answer
        self.match = re.compile(re.sub(r"\{\w+\}", _ID, path)).fullmatch


class HotRoutes:
    """Answers the plain case of hot routes, and hands everything else on."""

    def __init__(self, app: ASGIApp, routes: Sequence[HotRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            for route in self._routes:
                found = route.match(scope["path"]) if route.method == scope["method"] else None
                if found is None:
                    continue
                headers = dict(scope["headers"])
                if len(headers) != len(scope["headers"]) or b"content-encoding" in headers:
                    break
                call = HotCall(scope, receive, headers, [UUID(text) for text in found.groups()])
                if await _answer(route, call, send):
                    return
                await self._app(scope, call.again, send)
                return
        await self._app(scope, receive, send)


async def _answer(route: HotRoute, call: HotCall, send: Send) -> bool:
    try:
        answer = await route.answer(call)
    except Refusal as refusal:
        call.scope["route_path"] = route.path
        await problem(Request(call.scope), refusal)(call.scope, call.receive, send)
        return True
    if answer is None:
        return False
    call.scope["route_path"] = route.path
    headers = [
        (b"content-length", str(len(answer.body)).encode()),
        (b"content-type", b"application/json"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
    return True


def plain_body(model: type[M], body: bytes | None) -> M | None:
    """Read a body that is beyond doubt; None for each that `strict_json` must look at.

    A key takes a colon. With as many colons as keys, no key was there twice; without a backslash,
    no text holds what only an escape can write.
    """
    if not body or b"\\" in body:
        return None
    try:
        value = from_json(body, allow_inf_nan=False)
        if _keys(value) != body.count(b":"):
            return None
        return model.model_validate(value)
    except (ValueError, ValidationError):
        return None


def _keys(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    if isinstance(value, list):
        return sum(map(_keys, value))
    return 0
