"""Who is calling, and what they may do: tokens, roles, permissions."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

import structlog
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from lockstock.kernel.errors import Forbidden, NotFound, Unauthenticated
from lockstock.kernel.nouns import Noun

Role = Literal["owner", "manager", "clerk", "viewer"]
Permission = Literal["read", "stock", "catalogue", "warehouses", "orders", "shop"]

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    "owner": frozenset({"read", "stock", "catalogue", "warehouses", "orders", "shop"}),
    "manager": frozenset({"read", "stock", "catalogue", "warehouses", "orders"}),
    "clerk": frozenset({"read", "stock"}),
    "viewer": frozenset({"read"}),
}

ALGORITHM = "HS256"
ISSUER = "lockstock"
AUDIENCE = "lockstock-api"
# Clocks of two machines may differ by this much.
LEEWAY_SECONDS = 5


class Actor(Noun):
    """The caller: a user, in one of their sessions."""

    user_id: UUID
    session_id: UUID
    is_admin: bool


class AccessTokens:
    """Signs and verifies access tokens. One algorithm, pinned; verified without any call.

    `keys` are secrets of at least 32 characters: the first signs, all of them verify, so that a key
    can be replaced while tokens are out.
    """

    def __init__(self, keys: list[str], lifetime_seconds: int) -> None:
        self._keys = [OctKey.import_key(key) for key in keys]
        self.lifetime_seconds = lifetime_seconds

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
        for key in self._keys:
            try:
                decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
                _CLAIMS.validate(decoded.claims)
                return Actor(
                    user_id=UUID(decoded.claims["sub"]),
                    session_id=UUID(decoded.claims["sid"]),
                    is_admin=decoded.claims["adm"],
                )
            except (JoseError, ValueError, KeyError, TypeError, AttributeError):
                continue
        raise Unauthenticated("The access token is not valid, or no longer. Log in or refresh.")


_CLAIMS = jwt.JWTClaimsRegistry(
    leeway=LEEWAY_SECONDS,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    iat={"essential": True},
    sub={"essential": True},
)

RoleOf = Callable[[UUID, UUID], Awaitable[Role | None]]


class Gate:
    """Lets callers through, or not. `role_of(shop_id, user_id)` asks who works in a shop."""

    def __init__(self, tokens: AccessTokens, role_of: RoleOf) -> None:
        self._tokens = tokens
        self._role_of = role_of

    def actor(self, request: Request) -> Actor:
        """Return who is calling. Raises Unauthenticated."""
        header = request.headers.get("authorization")
        if header is None:
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        actor = self._tokens.verify(token.strip())
        structlog.contextvars.bind_contextvars(actor=str(actor.user_id))
        return actor

    async def allows(self, actor: Actor, shop_id: UUID, permission: Permission) -> bool:
        """Whether the caller may do this in this shop."""
        if actor.is_admin:
            return True
        role = await self._role_of(shop_id, actor.user_id)
        return role is not None and permission in PERMISSIONS[role]

    async def require(self, actor: Actor, shop_id: UUID, permission: Permission) -> None:
        """Raise NotFound to who does not work in the shop, Forbidden where the role is too low."""
        structlog.contextvars.bind_contextvars(shop=str(shop_id))
        if actor.is_admin:
            return
        role = await self._role_of(shop_id, actor.user_id)
        if role is None:
            raise NotFound("There is no such shop.")
        if permission not in PERMISSIONS[role]:
            raise Forbidden(f"As {role} you may not do this. It needs the permission {permission}.")


async def _actor(request: Request) -> Actor:
    gate: Gate = request.app.state.gate
    return gate.actor(request)


async def _actor_if_any(request: Request) -> Actor | None:
    gate: Gate = request.app.state.gate
    return gate.actor(request) if "authorization" in request.headers else None


Caller = Annotated[Actor, Depends(_actor)]
CallerIfAny = Annotated[Actor | None, Depends(_actor_if_any)]


def may(permission: Permission) -> Callable[[Request, UUID, Actor], Awaitable[Actor]]:
    """Depend on a caller who may do this in the shop of the path (`{shop}`)."""

    async def check(request: Request, shop: UUID, actor: Caller) -> Actor:
        gate: Gate = request.app.state.gate
        await gate.require(actor, shop, permission)
        return actor

    return check


Reader = Annotated[Actor, Depends(may("read"))]
StockKeeper = Annotated[Actor, Depends(may("stock"))]
CatalogueKeeper = Annotated[Actor, Depends(may("catalogue"))]
WarehouseKeeper = Annotated[Actor, Depends(may("warehouses"))]
OrderKeeper = Annotated[Actor, Depends(may("orders"))]
ShopKeeper = Annotated[Actor, Depends(may("shop"))]
