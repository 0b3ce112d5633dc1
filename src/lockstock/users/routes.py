"""/v1/users, /v1/login, /v1/token, /v1/logout, /v1/me."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, status

from lockstock.kernel.access import Caller
from lockstock.kernel.http import Problem, StrictRoute, provided
from lockstock.users.contract import (
    CodeProof,
    CodeRequest,
    CodeRequested,
    IdentityKind,
    Login,
    NewIdentity,
    NewUser,
    TokenProof,
    Tokens,
    User,
    Users,
)

router = APIRouter(route_class=StrictRoute, tags=["users"])


async def caller_address(request: Request) -> str:
    """Return where the connection comes from. Never a header: anybody can write those."""
    return "unknown" if request.client is None else request.client.host


Service = Annotated[Users, provided("users")]
Address = Annotated[str, Depends(caller_address)]
Responses = dict[int | str, dict[str, Any]]

NOT_LOGGED_IN: Responses = {401: {"model": Problem, "description": "Log in first."}}
WRONG: Responses = {401: {"model": Problem, "description": "Which part is wrong is not said."}}
TAKEN: Responses = {409: {"model": Problem, "description": "`identity_taken`: see `field`."}}
TOO_MANY: Responses = {429: {"model": Problem, "description": "Come back after Retry-After."}}
INVALID: Responses = {422: {"model": Problem, "description": "`errors` names the fields."}}


@router.post(
    "/v1/users",
    status_code=status.HTTP_201_CREATED,
    responses={**TAKEN, **INVALID, **TOO_MANY},
)
async def register(ask: NewUser, users: Service, address: Address) -> User:
    """Create an account, with an e-mail address, a phone number or both.

    They are usable at once, in whatever form they are typed. A password has 8 to 128 characters and
    is none of the most common ones.
    """
    return await users.register(ask, address)


@router.post("/v1/login", responses={**WRONG, **INVALID, **TOO_MANY})
async def login(ask: Login, users: Service, address: Address) -> Tokens:
    """Log in with a password."""
    return await users.login(ask, address)


@router.post(
    "/v1/login/code",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**INVALID, **TOO_MANY},
)
async def request_code(ask: CodeRequest, users: Service, address: Address) -> CodeRequested:
    """Have a one-time code sent. The answer is the same whether there is an account or not."""
    return await users.request_code(ask, address)


@router.post("/v1/login/code/verify", responses={**WRONG, **INVALID, **TOO_MANY})
async def verify_code(ask: CodeProof, users: Service, address: Address) -> Tokens:
    """Log in with a one-time code. It verifies the identity that it was sent to."""
    return await users.verify_code(ask, address)


@router.post("/v1/token/refresh", responses={**WRONG, **INVALID})
async def refresh(ask: TokenProof, users: Service) -> Tokens:
    """Exchange a refresh token for new tokens.

    Each is good once. One that comes back a second time is in two hands, and ends the session.
    """
    return await users.refresh(ask)


@router.post("/v1/logout", status_code=status.HTTP_204_NO_CONTENT, responses=INVALID)
async def logout(ask: TokenProof, users: Service) -> None:
    """End the session of a refresh token. An access token of it lasts to its own end."""
    await users.logout(ask)


@router.get("/v1/me", responses=NOT_LOGGED_IN)
async def me(actor: Caller, users: Service) -> User:
    """Return the caller."""
    return await users.me(actor)


@router.post(
    "/v1/me/identities",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**NOT_LOGGED_IN, **TAKEN, **INVALID, **TOO_MANY},
)
async def add_identity(
    ask: NewIdentity, actor: Caller, users: Service, address: Address
) -> CodeRequested:
    """Have a code sent to one more e-mail address or phone number, either of them.

    It becomes the caller's when the code comes back.
    """
    return await users.add_identity(actor, ask, address)


@router.post(
    "/v1/me/identities/verify",
    responses={**NOT_LOGGED_IN, **TAKEN, **INVALID, **TOO_MANY},
)
async def verify_identity(ask: CodeProof, actor: Caller, users: Service, address: Address) -> User:
    """Show the code that was sent to the new identity, which adds it."""
    return await users.verify_identity(actor, ask, address)


# A path, as an e-mail address may have a slash in it.
@router.delete(
    "/v1/me/identities/{kind}/{value:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses={
        **NOT_LOGGED_IN,
        404: {"model": Problem, "description": "You have no such identity."},
        409: {"model": Problem, "description": "`last_identity`: it stays."},
    },
)
async def remove_identity(kind: IdentityKind, value: str, actor: Caller, users: Service) -> None:
    """Take an identity away. The last one stays."""
    await users.remove_identity(actor, kind, value)
