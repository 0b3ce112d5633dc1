"""The verbs of invitations."""

from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.ids import new_id
from lockstock.shops import store as shops
from lockstock.shops.contract import NoSuchShop, Shop
from lockstock.shops.events import tell
from lockstock.shops.invitations import rules, store
from lockstock.shops.invitations.contract import (
    MOST_INVITATIONS,
    Acceptance,
    Invitation,
    Membership,
    NewInvitation,
    NoSuchInvitation,
    TooManyInvitations,
)
from lockstock.shops.tokens import hash_of, new_token, shop_of
from lockstock.users.contract import Letter, Users

TOKEN_PREFIX = "inv_"  # noqa: S105 (no password)


class InvitationsService:
    """Invitations on a database. `base_url` is the address that clients see."""

    def __init__(
        self, database: Database, users: Users, *, base_url: str, lifetime_seconds: int
    ) -> None:
        self.database = database
        self._users = users
        self._base_url = base_url
        self._lifetime_seconds = lifetime_seconds

    async def invite(
        self, shop_id: UUID, invited_by: UUID, ask: NewInvitation, address: str
    ) -> Invitation:
        """Send an invitation. It takes the place of one that the same identifier has."""
        identifier = await self._users.admit_letter(ask.identifier, address)
        token = new_token(TOKEN_PREFIX, shop_id)
        draft = store.Draft(
            new_id(), identifier, ask.role, hash_of(token), invited_by, self._lifetime_seconds
        )
        shop, made = await self._put(shop_id, draft)
        text = rules.letter_text(shop.name, made.role, token, self._base_url, made.expires_at)
        letter = Letter(subject=f"Invitation to {rules.plain(shop.name)}", text=text)
        await self._users.post(identifier, letter)
        return made

    @transaction
    async def _put(
        self, connection: Connection, shop_id: UUID, draft: store.Draft
    ) -> tuple[Shop, Invitation]:
        shop = await shops.lock_shop(connection, shop_id)
        if shop is None:
            raise NoSuchShop("There is no such shop.")
        await store.delete_expired(connection, shop_id)
        others = [
            each.id
            for each in await store.list_invitations(connection, shop_id)
            if each.identifier != draft.identifier
        ]
        if len(others) >= MOST_INVITATIONS:
            detail = f"A shop has at most {MOST_INVITATIONS} open invitations. Withdraw one first."
            raise TooManyInvitations(detail)
        return shop, await store.put_invitation(connection, shop_id, draft)

    @reading
    async def list_invitations(self, connection: Connection, shop_id: UUID) -> list[Invitation]:
        """The open invitations of the shop, oldest first."""
        return await store.list_invitations(connection, shop_id)

    @transaction
    async def withdraw(self, connection: Connection, shop_id: UUID, invitation_id: UUID) -> None:
        """Make an invitation good for nothing. Raises NoSuchInvitation."""
        await shops.lock_shop(connection, shop_id)
        if not await store.delete_invitation(connection, shop_id, invitation_id):
            raise NoSuchInvitation("The shop has no such open invitation.")

    async def accept(self, user_id: UUID, ask: Acceptance) -> Membership:
        """Make the user a member, in the invitation's role or the higher one that they have."""
        token = ask.token.strip()
        shop_id = shop_of(TOKEN_PREFIX, token)
        if shop_id is None:
            raise NoSuchInvitation("There is no such invitation, or no longer.")
        return await self._accept(shop_id, user_id, hash_of(token))

    @transaction
    async def _accept(
        self, connection: Connection, shop_id: UUID, user_id: UUID, token_hash: bytes
    ) -> Membership:
        await shops.lock_shop(connection, shop_id)
        invited = await store.take_invitation(connection, shop_id, token_hash)
        if invited is None:
            raise NoSuchInvitation("There is no such invitation, or no longer.")
        before = await shops.role_of(connection, shop_id, user_id)
        role = rules.higher(invited, before)
        if role != before:
            await tell(connection, shop_id, "member.changed", user_id, role=role)
        member = await shops.put_member(connection, shop_id, user_id, role)
        return Membership(
            shop_id=shop_id, user_id=member.user_id, role=member.role, since=member.since
        )
