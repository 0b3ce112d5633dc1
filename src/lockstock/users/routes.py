"""/v1/users, /v1/login, /v1/token, /v1/logout, /v1/password, /v1/me."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, status

from lockstock.kernel.access import Caller
from lockstock.kernel.errors import Forbidden
from lockstock.kernel.http import PathId, Problem, StrictRoute, provided
from lockstock.kernel.nouns import Page
from lockstock.kernel.paging import Cursor, Cursors, Limit
from lockstock.users.contract import (
    CodeProof,
    CodeRequest,
    CodeRequested,
    IdentityKind,
    Login,
    NewIdentity,
    NewUser,
    PasswordChange,
    PasswordReset,
    Session,
    SessionPlace,
    TokenProof,
    Tokens,
    User,
    Users,
)

router = APIRouter(route_class=StrictRoute, tags=["users"])


async def caller_address(request: Request) -> str:
    """Return where the connection comes from. Never a header: anybody can write those."""
    return "unknown" if request.client is None else request.client.host


async def caller_program(request: Request) -> str | None:
    """Return what the program calls itself, for its user to know it again."""
    return request.headers.get("user-agent")


Service = Annotated[Users, provided("users")]
CursorsOfApp = Annotated[Cursors, provided("cursors")]
Address = Annotated[str, Depends(caller_address)]
Program = Annotated[str | None, Depends(caller_program)]
Responses = dict[int | str, dict[str, Any]]

NOT_LOGGED_IN: Responses = {401: {"model": Problem, "description": "Log in first."}}
WRONG: Responses = {401: {"model": Problem, "description": "Which part is wrong is not said."}}
TAKEN: Responses = {409: {"model": Problem, "description": "`identity_taken`: see `field`."}}
TOO_MANY: Responses = {429: {"model": Problem, "description": "Come back after Retry-After."}}
CANNOT_SEND: Responses = {
    503: {"model": Problem, "description": "`no_sender`: nothing can be sent."}
}
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


@router.get(
    "/v1/users",
    responses={
        **NOT_LOGGED_IN,
        403: {"model": Problem, "description": "Only for administrators of the platform."},
        **INVALID,
    },
)
async def find_users(
    actor: Caller,
    users: Service,
    identifier: Annotated[str, Query(min_length=1, max_length=320, description="of whom")],
) -> Page[User]:
    """Find who has an e-mail address or a phone number. For administrators of the platform."""
    if not actor.is_admin:
        raise Forbidden("Only an administrator of the platform may look up users.")
    found = await users.find(identifier)
    return Page(items=[] if found is None else [found], next=None)


@router.post("/v1/login", responses={**WRONG, **INVALID, **TOO_MANY})
async def login(ask: Login, users: Service, address: Address, program: Program) -> Tokens:
    """Log in with a password."""
    return await users.login(ask, address, program)


@router.post(
    "/v1/login/code",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**INVALID, **TOO_MANY, **CANNOT_SEND},
)
async def request_code(ask: CodeRequest, users: Service, address: Address) -> CodeRequested:
    """Have a one-time code sent. The answer is the same whether there is an account or not."""
    return await users.request_code(ask, address)


@router.post("/v1/login/code/verify", responses={**WRONG, **INVALID, **TOO_MANY})
async def verify_code(ask: CodeProof, users: Service, address: Address, program: Program) -> Tokens:
    """Log in with a one-time code. It verifies the identity that it was sent to.

    The first time, what was set up before anybody proved the identity is over: the password and
    all sessions. An identity of somebody who has proven another one leaves them, and is an account
    of its own.
    """
    return await users.verify_code(ask, address, program)


@router.post(
    "/v1/password/reset",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**INVALID, **TOO_MANY, **CANNOT_SEND},
)
async def request_reset(ask: CodeRequest, users: Service, address: Address) -> CodeRequested:
    """Have a code sent for setting another password. The answer is the same for everybody."""
    return await users.request_reset(ask, address)


@router.post(
    "/v1/password/reset/verify",
    status_code=status.HTTP_204_NO_CONTENT,
    responses={**WRONG, **INVALID, **TOO_MANY},
)
async def reset_password(ask: PasswordReset, users: Service, address: Address) -> None:
    """Set another password with the code. It verifies the identity; all sessions end."""
    await users.reset_password(ask, address)


@router.post("/v1/token/refresh", responses={**WRONG, **INVALID})
async def refresh_tokens(
    ask: TokenProof, users: Service, address: Address, program: Program
) -> Tokens:
    """Exchange a refresh token for new tokens.

    Each is good once. One that comes back a second time is in two hands, and ends the session.
    """
    return await users.refresh(ask, address, program)


@router.post("/v1/logout", status_code=status.HTTP_204_NO_CONTENT, responses=INVALID)
async def logout(ask: TokenProof, users: Service) -> None:
    """End the session of a refresh token. An access token of it lasts to its own end."""
    await users.logout(ask)


@router.get("/v1/me", responses=NOT_LOGGED_IN)
async def get_me(actor: Caller, users: Service) -> User:
    """Return the caller."""
    return await users.me(actor)


@router.put(
    "/v1/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses={**NOT_LOGGED_IN, **INVALID, **TOO_MANY},
)
async def change_password(
    ask: PasswordChange, actor: Caller, users: Service, address: Address
) -> None:
    """Set another password, showing the current one. The caller's other sessions end.

    Who has no password, or does not know it, sets one by `POST /v1/password/reset`.
    """
    await users.change_password(actor, ask, address)


@router.get("/v1/me/sessions", responses={**NOT_LOGGED_IN, **INVALID})
async def list_sessions(
    actor: Caller,
    users: Service,
    cursors: CursorsOfApp,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Session]:
    """List the caller's sessions, those used last first. `address` and `user_agent` are of then."""
    scope = f"sessions:{actor.user_id}"
    found = await users.list_sessions(actor, _place(cursors.read(scope, cursor)), limit + 1)
    items, more = found[:limit], found[limit:]
    if not more:
        return Page(items=items, next=None)
    last = [items[-1].last_used_at.isoformat(), str(items[-1].id)]
    return Page(items=items, next=cursors.write(scope, last))


def _place(values: list[Any] | None) -> SessionPlace | None:
    if values is None:
        return None
    return SessionPlace(last_used_at=datetime.fromisoformat(values[0]), id=UUID(values[1]))


@router.delete("/v1/me/sessions", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_LOGGED_IN)
async def end_other_sessions(actor: Caller, users: Service) -> None:
    """End all of the caller's sessions but this one. Their access tokens last to their own end."""
    await users.end_other_sessions(actor)


@router.delete(
    "/v1/me/sessions/{session}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses={
        **NOT_LOGGED_IN,
        404: {"model": Problem, "description": "You have no such session."},
    },
)
async def end_session(session: PathId, actor: Caller, users: Service) -> None:
    """End one of the caller's sessions. An access token of it lasts to its own end."""
    await users.end_session(actor, session)


@router.post(
    "/v1/me/identities",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**NOT_LOGGED_IN, **TAKEN, **INVALID, **TOO_MANY, **CANNOT_SEND},
)
async def add_identity(
    ask: NewIdentity, actor: Caller, users: Service, address: Address
) -> CodeRequested:
    """Have a code sent to one more e-mail address or phone number, either of them.

    It becomes the caller's when the code comes back. One that the caller registered with and never
    verified is verified in the same way, and their password stays.
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
