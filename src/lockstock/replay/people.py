"""Who buys and who works there. Customers register when they first buy, once each."""

import asyncio
import hashlib
import re
import secrets
from dataclasses import dataclass, field

from lockstock.client.answers import Role
from lockstock.client.api import Client
from lockstock.client.session import Session
from lockstock.client.transport import ApiError

WALK_IN = "walk-in"

_NUMBER = re.compile(r"[0-9]{1,5}")


def new_run() -> int:
    """Return a number of six digits for one replay: its customers are nobody else's."""
    return 100_000 + secrets.randbelow(900_000)


def email_of(name: str, run: int) -> str:
    """Return the e-mail address of somebody in a replay. Nobody has it: the domain is for examples.

    What would be no local part of an address is hashed.
    """
    if not re.fullmatch(r"[a-z0-9-]{1,40}", name):
        name = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name}.{run}@example.com"


def phone_of(customer: str, run: int) -> str | None:
    """Return the phone number of customers with an even number, None for the others.

    Country code 888 was for disaster relief and was given back: these numbers ring nowhere.
    """
    if not _NUMBER.fullmatch(customer) or int(customer) % 2:
        return None
    return f"+888{run}{int(customer):05d}"


@dataclass
class People:
    """The customers of one replay, each with a session of their own; one account for walk-ins.

    They share a password that nobody knows.
    """

    client: Client
    run: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    _sessions: dict[str, asyncio.Task[Session]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many have registered."""
        return len(self._sessions)

    async def session_of(self, customer: str) -> Session:
        """Return the customer's session; empty: that of all walk-ins. Raises ApiError."""
        known = self._sessions.get(customer)
        if known is None:
            known = asyncio.create_task(self._join(customer))
            self._sessions[customer] = known
        try:
            return await asyncio.shield(known)
        except ApiError:
            # With their next invoice they try again.
            self._sessions.pop(customer, None)
            raise

    async def _join(self, customer: str) -> Session:
        phone = phone_of(customer, self.run)
        name = f"customer-{customer}" if customer else WALK_IN
        identifier = phone or email_of(name.casefold(), self.run)
        email = None if phone else identifier
        await self._register(email, phone, f"Customer {customer}" if customer else "Walk-in")
        return await self.client.log_in(identifier, self.password)

    async def _register(self, email: str | None, phone: str | None, name: str) -> None:
        try:
            await self.client.register(
                self.password, email=email, phone=phone, name=_printable(name)
            )
        except ApiError as error:
            # An answer that was lost: who it is shows at the login.
            if error.code not in ("identity_taken", "no_answer"):
                raise

    async def employ(self, owner: Session, shop_id: str, role: Role) -> Session:
        """Register somebody and let the owner give them a role."""
        session = await self.staff(role)
        await owner.put_member(shop_id, (await session.me())["id"], role)
        return session

    async def staff(self, role: Role) -> Session:
        """Register somebody who is to work in the shop."""
        email = email_of(role, self.run)
        await self._register(email, None, role.capitalize())
        return await self.client.log_in(email, self.password)


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:100]
