"""Calls about the caller: who they are, their sessions, password and identities."""

from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import quote

from lockstock.client.answers import CodeRequested, LoginSession, Page, Tokens, User
from lockstock.client.calls import Calls, given


class AccountCalls(Calls):
    """What a person does with their account."""

    @property
    def tokens(self) -> Tokens:
        """The tokens of now, to be kept for `Client.resume`."""
        return self._tokens

    async def me(self) -> User:
        """Who this is."""
        return cast("User", await self._send("GET", "/v1/me"))

    async def log_out(self) -> None:
        """End this session."""
        body = {"refresh_token": self._tokens["refresh_token"]}
        await self._send("POST", "/v1/logout", body)

    async def change_password(self, current: str, new: str) -> None:
        """Set another password. The other sessions end."""
        body = {"current_password": current, "new_password": new}
        await self._send("PUT", "/v1/me/password", body)

    async def sessions(self) -> AsyncIterator[LoginSession]:
        """Go through what is logged in, used last first."""
        async for session in self._pages("/v1/me/sessions"):
            yield cast("LoginSession", session)

    async def end_session(self, session_id: str) -> None:
        """End one session."""
        await self._send("DELETE", f"/v1/me/sessions/{session_id}")

    async def end_other_sessions(self) -> None:
        """End all sessions but this one."""
        await self._send("DELETE", "/v1/me/sessions")

    async def add_identity(
        self, *, email: str | None = None, phone: str | None = None
    ) -> CodeRequested:
        """Have a code sent to one more e-mail address or phone number."""
        body = given(email=email, phone=phone)
        return cast("CodeRequested", await self._send("POST", "/v1/me/identities", body))

    async def verify_identity(self, identifier: str, code: str) -> User:
        """Add the identity that the code was sent to."""
        body = {"identifier": identifier, "code": code}
        return cast("User", await self._send("POST", "/v1/me/identities/verify", body))

    async def remove_identity(self, kind: str, value: str) -> None:
        """Remove an identity. The last one stays."""
        await self._send("DELETE", f"/v1/me/identities/{kind}/{quote(value, safe='')}")

    async def find_users(self, identifier: str) -> list[User]:
        """Find who has an identity. For administrators of the platform."""
        found = await self._send("GET", "/v1/users", query={"identifier": identifier})
        return cast("Page[User]", found)["items"]

    async def accept_invitation(self, token: str) -> None:
        """Become a member of the shop that the invitation is of."""
        # To accept twice is to be told that there is no such invitation: it is not repeated.
        await self._send("POST", "/v1/invitations/accept", {"token": token})
