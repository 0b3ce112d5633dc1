"""Invitations: sent to an e-mail address or a phone number, good once, for some days."""

from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import Field

from lockstock.kernel.access import Role
from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.nouns import Ask, Noun

MOST_INVITATIONS = 100


class Invitation(Noun):
    """An invitation that is open. Its token is known to who received it only."""

    id: UUID
    # An e-mail address, normalised, or a phone number in E.164.
    identifier: str
    role: Role
    invited_by: UUID
    created_at: datetime
    expires_at: datetime


class Membership(Noun):
    """What accepting an invitation gives."""

    shop_id: UUID
    user_id: UUID
    role: Role
    since: datetime


class NewInvitation(Ask):
    """Ask somebody to work in the shop. `identifier` is an e-mail address or a phone number."""

    identifier: Annotated[str, Field(min_length=1, max_length=320)]
    role: Role


class Acceptance(Ask):
    """Show the token of an invitation."""

    token: Annotated[str, Field(min_length=1, max_length=256, repr=False)]


class NoSuchInvitation(NotFound):
    """There is no such invitation, or no longer: accepted, withdrawn, replaced or expired."""


class TooManyInvitations(Refusal):
    """A shop has a bounded number of open invitations."""

    status = 409
    code = "too_many_invitations"
    title = "No more invitations"


class Invitations(Protocol):
    """The verbs. `address` is the network address of the caller, for the limits."""

    async def invite(
        self, shop_id: UUID, invited_by: UUID, ask: NewInvitation, address: str
    ) -> Invitation:
        """Send an invitation. It takes the place of one that the same identifier has.

        Raises NoSuchShop, TooManyInvitations, InvalidInput, TooManyRequests, NoSender.
        """
        ...

    async def list_invitations(self, shop_id: UUID) -> list[Invitation]:
        """The open invitations of the shop, oldest first."""
        ...

    async def withdraw(self, shop_id: UUID, invitation_id: UUID) -> None:
        """Make an invitation good for nothing. Raises NoSuchInvitation."""
        ...

    async def accept(self, user_id: UUID, ask: Acceptance) -> Membership:
        """Make the user a member, in the invitation's role or the higher one that they have.

        Raises NoSuchInvitation.
        """
        ...
