"""A users service of a test's own: cheap passwords, limits as asked, an inbox for its codes."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI

from lockstock.kernel.access import AccessTokens, Gate, Role
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.http import Edge, install_errors
from lockstock.kernel.paging import Cursors
from lockstock.users.contract import Letter
from lockstock.users.routes import router
from lockstock.users.rules import Identifier, UserLimits
from lockstock.users.service import UsersService

KEY = "a signing key for tests, not for anything else"
PASSWORD = "correct horse battery"

LIMITS = UserLimits(
    secret=KEY,
    refresh_token_seconds=3600,
    code_seconds=600,
    code_tries=5,
    failures_per_identity=10,
    codes_per_identity=5,
    failures_per_address=300,
    password_workers=2,
    default_region="GB",
    hash_memory_kib=8,
    hash_passes=1,
)


@dataclass
class Inbox:
    """Keeps what was sent. `broken` makes it fail like a mail server that is gone."""

    letters: list[tuple[Identifier, str]] = field(default_factory=list)
    broken: bool = False
    kinds: frozenset[str] = frozenset({"email", "phone"})
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def reaches(self, kind: str) -> bool:
        """Everybody, unless told otherwise."""
        return kind in self.kinds

    async def send(self, identity: Identifier, letter: Letter) -> None:
        """Keep it."""
        if self.broken:
            raise ConnectionRefusedError
        async with self._arrived:
            self.letters.append((identity, letter.text))
            self._arrived.notify_all()

    async def code(self, value: str, number: int = 1) -> str:
        """Wait for the so-manieth letter to this identity; return the code in it."""

        def texts() -> list[str]:
            return [text for to, text in self.letters if to.value == value]

        async with self._arrived, asyncio.timeout(10):
            await self._arrived.wait_for(lambda: len(texts()) >= number)
        found = re.match(r"\d{6}\b", texts()[number - 1])
        assert found
        return found.group()


@dataclass
class House:
    """The service, its inbox, and clients of it at any network address."""

    users: UsersService
    inbox: Inbox
    app: FastAPI

    def client(self, address: str = "192.0.2.1") -> httpx2.AsyncClient:
        """Make a client whose connections come from there. It needs no closing: no sockets."""
        transport = httpx2.ASGITransport(app=self.app, client=(address, 50_000))
        return httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    async def register(self, **identities: str) -> UUID:
        """Create an account."""
        ask = {"password": PASSWORD} | identities
        made = await self.client("198.51.100.1").post("/v1/users", json=ask)
        assert made.status_code == 201, made.text
        return UUID(made.json()["id"])

    async def login(self, identifier: str, password: str = PASSWORD) -> dict[str, Any]:
        """Return the tokens of a new session."""
        ask = {"identifier": identifier, "password": password}
        answer = await self.client("198.51.100.1").post("/v1/login", json=ask)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def execute(self, sql: str, *parameters: object) -> None:
        """Change a row behind the service's back, such as to let time pass."""

        async def work(connection: Connection) -> None:
            await connection.execute(sql, *parameters)

        await self.users.database.transaction(work)

    async def count(self, sql: str, *parameters: object) -> int:
        """Return a number from the database."""

        async def work(connection: Connection) -> int:
            number: int = await connection.fetchval(sql, *parameters)
            return number

        return await self.users.database.read(work)


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """Return the header of a session."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def _no_role(_shop_id: UUID, _user_id: UUID) -> Role | None:
    return None


@asynccontextmanager
async def house(database: Database, **limits: Any) -> AsyncIterator[House]:
    """Open a house. `limits` are fields of UserLimits that shall be others."""
    tokens = AccessTokens([KEY], 900)
    inbox = Inbox()
    users = UsersService(database, tokens, inbox, replace(LIMITS, **limits))
    app = FastAPI()
    app.state.users = users
    app.state.cursors = Cursors(KEY)
    app.state.gate = Gate(tokens, _no_role)
    app.include_router(router)
    install_errors(app)
    app.add_middleware(Edge, max_body_bytes=1_048_576)
    try:
        yield House(users, inbox, app)
    finally:
        await users.close()


async def at_once(times: int, call: Callable[[int], Awaitable[httpx2.Response]]) -> list[int]:
    """Make so many calls at once; return their status codes."""
    return [answer.status_code for answer in await asyncio.gather(*map(call, range(times)))]
