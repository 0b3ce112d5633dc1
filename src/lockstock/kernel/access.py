"""Who is calling, and what they may do: tokens, roles, permissions, the scopes of API keys."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from fastapi import Depends, Header, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from lockstock.kernel.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from lockstock.kernel.ids import derived_id
from lockstock.kernel.nouns import Noun

Role = Literal["owner", "manager", "clerk", "viewer"]
Permission = Literal["read", "stock", "catalogue", "warehouses", "orders", "shop"]

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "owner": frozenset({"read", "stock", "catalogue", "warehouses", "orders", "shop"}),
    "manager": frozenset({"read", "stock", "catalogue", "warehouses", "orders"}),
    "clerk": frozenset({"read", "stock"}),
    "viewer": frozenset({"read"}),
}

KeyKind = Literal["publishable", "secret"]
# What a secret key may be given. Never `shop`: a key can make no other keys and no members.
Scope = Literal["read", "stock", "catalogue", "warehouses", "orders"]
# How each API key begins. No access token does.
KEY_PREFIX = "lsk_"

CUSTOMER_HEADER = "Lockstock-Customer"
# Long enough that nobody finds another customer's by trying.
_CUSTOMER = re.compile(r"[A-Za-z0-9_-]{20,128}")

ALGORITHM = "HS256"
ISSUER = "lockstock"
AUDIENCE = "lockstock-api"
# Clocks of two machines may differ by this much.
LEEWAY_SECONDS = 5
# Verified tokens, some 500 bytes each.
MOST_REMEMBERED = 10_000


class ApiKey(Noun):
    """What an API key may do, and in which shop. A publishable key has no scopes."""

    id: UUID
    shop_id: UUID
    kind: KeyKind
    scopes: frozenset[Scope]


class Actor(Noun):
    """The caller: a user in one of their sessions, or an API key.

    With a key, `user_id` is the key's id, or the id made of the key and `Lockstock-Customer`, and
    `session_id` is the key's id.
    """

    user_id: UUID
    session_id: UUID
    is_admin: bool
    api_key: ApiKey | None = None


class AccessTokens:
    """Signs and verifies access tokens. One algorithm, pinned; verified without any call.

    `keys` are secrets of at least 32 characters: the first signs, all of them verify, so that a key
    can be replaced while tokens are out.
    """

    def __init__(self, keys: list[str], lifetime_seconds: int) -> None:
        self._keys = [OctKey.import_key(key) for key in keys]
        self.lifetime_seconds = lifetime_seconds
        self._remembered: dict[str, tuple[Actor, float]] = {}

    def issue(self, actor: Actor) -> str:
        """Make the token for a session."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(actor.user_id),
            "sid": str(actor.session_id),
            "adm": actor.is_admin,
            "iat": now,
            "exp": now + self.lifetime_seconds,
        }
        return jwt.encode({"alg": ALGORITHM}, claims, self._keys[0], algorithms=[ALGORITHM])

    def verify(self, token: str) -> Actor:
        """Return whose token this is. Raises Unauthenticated for any that is not good now."""
        # A token that was verified here before is good until it expires: verifying it again would
        # say the same.
        known, expires_at = self._remembered.get(token, (None, 0.0))
        if known is not None and time.time() < expires_at:
            return known
        for key in self._keys:
            try:
                decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
                _CLAIMS.validate(decoded.claims)
                return self._remember(token, decoded.claims)
            except (JoseError, ValueError, KeyError, TypeError, AttributeError):
                continue
        raise Unauthenticated("The access token is not valid, or no longer. Log in or refresh.")

    def _remember(self, token: str, claims: dict[str, Any]) -> Actor:
        actor = Actor(
            user_id=UUID(claims["sub"]), session_id=UUID(claims["sid"]), is_admin=claims["adm"]
        )
        if len(self._remembered) >= MOST_REMEMBERED:
            # Who is still here is verified once more. Simpler than to know who was here last.
            self._remembered.clear()
        self._remembered[token] = actor, claims["exp"]
        return actor


_CLAIMS = jwt.JWTClaimsRegistry(
    leeway=LEEWAY_SECONDS,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    iat={"essential": True},
    sub={"essential": True},
)

RoleOf = Callable[[UUID, UUID], Awaitable[Role | None]]
KeyOf = Callable[[str], Awaitable[ApiKey | None]]


async def _no_keys(_key: str) -> ApiKey | None:
    return None


class Gate:
    """Lets callers through, or not.

    `role_of(shop_id, user_id)` asks who works in a shop, `key_of(key)` what an API key may do. Both
    are asked anew for each request: what is taken away is gone at once.
    """

    def __init__(self, tokens: AccessTokens, role_of: RoleOf, key_of: KeyOf = _no_keys) -> None:
        self._tokens = tokens
        self._role_of = role_of
        self._key_of = key_of

    def person(self, header: bytes) -> Actor | None:
        """Return which person is calling by the header Authorization, if that is plain to see.

        None says nothing: `actor` looks closely, and has the words for what it finds.
        """
        token = header[7:].decode("latin-1")
        if header[:7] != b"Bearer " or token.startswith(KEY_PREFIX):
            return None
        try:
            actor = self._tokens.verify(token)
        except Unauthenticated:
            return None
        structlog.contextvars.bind_contextvars(actor=str(actor.user_id))
        return actor

    async def actor(self, request: Request) -> Actor:
        """Return who is calling. Raises Unauthenticated."""
        header = request.headers.get("authorization")
        if header is None:
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        token = token.strip()
        if token.startswith(KEY_PREFIX):
            actor = await self._actor_of_key(token, request.headers.getlist(CUSTOMER_HEADER))
        else:
            actor = self._tokens.verify(token)
        structlog.contextvars.bind_contextvars(actor=str(actor.user_id))
        return actor

    async def _actor_of_key(self, token: str, customers: list[str]) -> Actor:
        key = await self._key_of(token)
        if key is None:
            raise Unauthenticated("The API key is not valid, or was revoked.")
        structlog.contextvars.bind_contextvars(api_key=str(key.id))
        user_id = key.id
        if customers:
            if len(customers) > 1 or not _CUSTOMER.fullmatch(customers[0]):
                message = "is 20 to 128 letters, digits, - or _ that nobody can guess"
                raise InvalidInput.at(CUSTOMER_HEADER, message)
            user_id = derived_id("customer of an API key", key.id, customers[0])
        return Actor(user_id=user_id, session_id=key.id, is_admin=False, api_key=key)

    async def allows(self, actor: Actor, shop_id: UUID, permission: Permission) -> bool:
        """Whether the caller may do this in this shop."""
        if actor.is_admin:
            return True
        if actor.api_key is not None:
            return actor.api_key.shop_id == shop_id and permission in actor.api_key.scopes
        role = await self._role_of(shop_id, actor.user_id)
        return role is not None and permission in PERMISSIONS[role]

    async def require(self, actor: Actor, shop_id: UUID, permission: Permission) -> None:
        """Raise NotFound to who does not work in the shop, Forbidden where the role is too low."""
        structlog.contextvars.bind_contextvars(shop=str(shop_id))
        if actor.is_admin:
            return
        if actor.api_key is not None:
            _check_scope(actor.api_key, shop_id, permission)
            return
        role = await self._role_of(shop_id, actor.user_id)
        if role is None:
            raise NotFound("There is no such shop.")
        if permission not in PERMISSIONS[role]:
            raise Forbidden(f"As {role} you may not do this. It needs the permission {permission}.")


def _check_scope(key: ApiKey, shop_id: UUID, permission: Permission) -> None:
    if key.shop_id != shop_id:
        raise NotFound("There is no such shop.")
    if permission not in key.scopes:
        raise Forbidden(f"This API key may not do this. It needs the scope {permission}.")


async def actor_of(request: Request) -> Actor:
    """Return who is calling. Raises Unauthenticated."""
    gate: Gate = request.app.state.gate
    return await gate.actor(request)


async def actor_if_any(request: Request) -> Actor | None:
    """Return who is calling, None for somebody who does not say."""
    gate: Gate = request.app.state.gate
    return await gate.actor(request) if "authorization" in request.headers else None


# A person or an API key. What a key may do is for the route to check.
AnyCaller = Annotated[Actor, Depends(actor_of)]
CallerIfAny = Annotated[Actor | None, Depends(actor_if_any)]


async def person(actor: AnyCaller) -> Actor:
    """Return who is calling. Raises Forbidden for an API key."""
    if actor.api_key is not None:
        raise Forbidden("This is for people: log in. An API key may not do this.")
    return actor


Caller = Annotated[Actor, Depends(person)]
# Read by the gate from the request; here for the description of the API.
CustomerHeader = Annotated[
    str | None,
    Header(
        alias=CUSTOMER_HEADER,
        description="with an API key: which of its customers; 20 to 128 characters, kept secret",
    ),
]


async def _customer(actor: AnyCaller, _header: CustomerHeader = None) -> Actor:
    key = actor.api_key
    if key is not None and key.kind == "publishable" and actor.user_id == key.id:
        message = "is needed with a publishable key: it says which customer this is"
        raise InvalidInput.at(CUSTOMER_HEADER, message)
    return actor


# Whose orders are meant: a person's, a secret key's own, or those of a customer of a key.
Customer = Annotated[Actor, Depends(_customer)]


async def _buyer(shop: UUID, actor: Customer) -> Actor:
    key = actor.api_key
    if key is not None and key.kind == "secret":
        _check_scope(key, shop, "orders")
    elif key is not None and key.shop_id != shop:
        raise NotFound("There is no such shop.")
    return actor


# Who may order in the shop of the path: everybody, but an API key in its own shop only.
Buyer = Annotated[Actor, Depends(_buyer)]


# What the dependencies below ask for, for the description of the API.
NEEDS: dict[Callable[..., Any] | None, Permission] = {}


def may(permission: Permission) -> Callable[[Request, UUID, Actor], Awaitable[Actor]]:
    """Depend on a caller who may do this in the shop of the path (`{shop}`)."""

    async def check(request: Request, shop: UUID, actor: AnyCaller) -> Actor:
        gate: Gate = request.app.state.gate
        await gate.require(actor, shop, permission)
        return actor

    NEEDS[check] = permission
    return check


Reader = Annotated[Actor, Depends(may("read"))]
StockKeeper = Annotated[Actor, Depends(may("stock"))]
CatalogueKeeper = Annotated[Actor, Depends(may("catalogue"))]
WarehouseKeeper = Annotated[Actor, Depends(may("warehouses"))]
OrderKeeper = Annotated[Actor, Depends(may("orders"))]
ShopKeeper = Annotated[Actor, Depends(may("shop"))]
