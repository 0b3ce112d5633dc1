"""Users: who they are, how they prove it, and for how long they are believed.

A person has one or more identities, e-mail addresses and phone numbers. Each is unique, and each
is as good as the other for logging in. Unknown and known identities are answered alike.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.access import Actor
from lockstock.kernel.errors import NotFound, Refusal, Unauthenticated
from lockstock.kernel.nouns import Ask, Name, Noun

IdentityKind = Literal["email", "phone"]

# As it was typed. The rules make the one form of it that is kept.
Typed = Annotated[str, Field(min_length=1, max_length=320)]
Password = Annotated[str, Field(min_length=1, max_length=1024, repr=False)]
Code = Annotated[str, Field(min_length=1, max_length=32, repr=False)]
RefreshToken = Annotated[str, Field(min_length=1, max_length=256, repr=False)]


class Identity(Noun):
    """An e-mail address, normalised, or a phone number in E.164. It is somebody's."""

    kind: IdentityKind
    value: str
    # When a code sent there came back; null until then.
    verified_at: datetime | None


class User(Noun):
    """A person with an account."""

    id: UUID
    name: str | None
    is_admin: bool
    # False for who logs in with codes only.
    has_password: bool
    identities: list[Identity]
    created_at: datetime


class Session(Noun):
    """A login that lasts. `address` and `user_agent` are of its last use."""

    id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None
    # Whether it is the one that asks.
    current: bool


class SessionPlace(Noun):
    """Where a session stands in the list of a user's."""

    last_used_at: datetime
    id: UUID


class Letter(Noun):
    """What is sent. Where there are no subjects, as in an SMS, the text says all."""

    subject: str
    text: str = Field(repr=False)


class Tokens(Noun):
    """What a login gives. `expires_in` is the access token's lifetime in seconds."""

    access_token: str = Field(repr=False)
    # Good once: it is exchanged for the next one.
    refresh_token: str = Field(repr=False)
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (no password)
    expires_in: int


class CodeRequested(Noun):
    """The answer to every request for a code. `expires_in` is the code's lifetime in seconds."""

    expires_in: int


class NewUser(Ask):
    """Ask for an account, with an e-mail address, a phone number or both."""

    email: Typed | None = None
    phone: Typed | None = None
    password: Password
    name: Name | None = None


class Login(Ask):
    """Ask for a session with a password. `identifier` is an e-mail address or a phone number."""

    identifier: Typed
    password: Password


class CodeRequest(Ask):
    """Ask for a one-time code. `identifier` is an e-mail address or a phone number."""

    identifier: Typed


class CodeProof(Ask):
    """Show the code that was sent to `identifier`."""

    identifier: Typed
    code: Code


class PasswordChange(Ask):
    """Ask for another password, showing the one that is good now."""

    current_password: Password
    new_password: Password


class PasswordReset(Ask):
    """Ask for another password, showing the code that was sent to `identifier` for this."""

    identifier: Typed
    code: Code
    new_password: Password


class TokenProof(Ask):
    """Show a refresh token."""

    refresh_token: RefreshToken


class NewIdentity(Ask):
    """Ask for one more identity: an e-mail address or a phone number, not both."""

    email: Typed | None = None
    phone: Typed | None = None


class IdentityTaken(Refusal):
    """The identity belongs to an account already. `field` says which: `email` or `phone`."""

    status = 409
    code = "identity_taken"
    title = "There is an account with this identity"

    @classmethod
    def of(cls, kind: IdentityKind) -> "IdentityTaken":
        """Name the field."""
        noun = "e-mail address" if kind == "email" else "phone number"
        detail = f"There is an account with this {noun}."
        return cls(detail, field=kind, errors=[{"path": kind, "message": "is taken"}])


class TooManyIdentities(Refusal):
    """A person has a bounded number of identities."""

    status = 409
    code = "too_many_identities"
    title = "No more identities"


class LastIdentity(Refusal):
    """Without an identity nobody can log in."""

    status = 409
    code = "last_identity"
    title = "The last identity stays"


class NoSuchIdentity(NotFound):
    """The caller has no such identity."""


class NoSuchSession(NotFound):
    """The caller has no such session, or it has ended."""


class NoSender(Refusal):
    """Nothing is configured that could send to this kind of identity."""

    status = 503
    code = "no_sender"
    title = "This server cannot send codes"


class InvalidCredentials(Unauthenticated):
    """Wrong identity, password or code, or a code that is over. Which of them is never said."""

    code = "invalid_credentials"
    title = "These credentials are not right"


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is unknown, used already, or of a session that is over."""

    code = "invalid_refresh_token"
    title = "Log in again"


class Users(Protocol):
    """The verbs. `address` is the network address of the caller, for the limits.

    Those that take an `address` also raise TooManyRequests, those that send also NoSender.
    """

    async def register(self, ask: NewUser, address: str) -> User:
        """Create an account; its identities are usable at once. Raises IdentityTaken."""
        ...

    async def create_admin(self, email: str, password: str, name: str | None) -> User:
        """Create an account that may do everything. Raises IdentityTaken, InvalidInput."""
        ...

    async def login(self, ask: Login, address: str, user_agent: str | None = None) -> Tokens:
        """Open a session with a password. Raises InvalidCredentials."""
        ...

    async def request_code(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code to the identity if somebody has it, after the answer."""
        ...

    async def verify_code(
        self, ask: CodeProof, address: str, user_agent: str | None = None
    ) -> Tokens:
        """Open a session with a code, which verifies the identity. Raises InvalidCredentials.

        What the first proof of an identity does to the account is in identities/claims.py.
        """
        ...

    async def change_password(self, actor: Actor, ask: PasswordChange, address: str) -> None:
        """Set another password; the caller's other sessions end. Raises InvalidInput."""
        ...

    async def request_reset(self, ask: CodeRequest, address: str) -> CodeRequested:
        """Send a code for another password to the identity, if somebody has it."""
        ...

    async def reset_password(self, ask: PasswordReset, address: str) -> None:
        """Set another password with a code; all sessions end. Raises InvalidCredentials."""
        ...

    async def refresh(
        self, ask: TokenProof, address: str | None = None, user_agent: str | None = None
    ) -> Tokens:
        """Exchange a refresh token for new tokens. Raises InvalidRefreshToken.

        A token that was exchanged before is in two hands: its session ends.
        """
        ...

    async def logout(self, ask: TokenProof) -> None:
        """End the token's session. Does nothing for a token that has none."""
        ...

    async def me(self, actor: Actor) -> User:
        """Return the caller. Raises Unauthenticated when their session has ended."""
        ...

    async def list_sessions(
        self, actor: Actor, after: SessionPlace | None, limit: int
    ) -> list[Session]:
        """Return the caller's sessions that last, those used last first."""
        ...

    async def end_session(self, actor: Actor, session_id: UUID) -> None:
        """End one of the caller's sessions. Raises NoSuchSession."""
        ...

    async def end_other_sessions(self, actor: Actor) -> None:
        """End all of the caller's sessions but the one that asks."""
        ...

    async def add_identity(self, actor: Actor, ask: NewIdentity, address: str) -> CodeRequested:
        """Send a code to what may become an identity of the caller. Raises IdentityTaken.

        Until the code comes back it is nobody's: no login, and free for anyone else. An identity
        of the caller's that was never verified is verified in the same way.
        """
        ...

    async def verify_identity(self, actor: Actor, ask: CodeProof, address: str) -> User:
        """Add the identity. Raises InvalidInput (wrong code), IdentityTaken, TooManyIdentities."""
        ...

    async def remove_identity(self, actor: Actor, kind: IdentityKind, value: str) -> None:
        """Take an identity away. Raises NoSuchIdentity, LastIdentity."""
        ...

    async def admit_letter(self, identifier: str, address: str) -> str:
        """Return the identity in its one form if a letter may go there. Raises InvalidInput."""
        ...

    async def post(self, identifier: str, letter: Letter) -> None:
        """Send a letter to an identity that `admit_letter` gave, after the answer."""
        ...

    async def exists(self, user_ids: Sequence[UUID]) -> set[UUID]:
        """Return those of the ids that are users."""
        ...

    async def find(self, identifier: str) -> User | None:
        """Return who has this e-mail address or phone number."""
        ...

    async def sweep(self, most: int) -> int:
        """Delete what is over, at most so many of each kind; return how many rows.

        For tidiness only: what is over is over whether it is deleted or not.
        """
        ...
