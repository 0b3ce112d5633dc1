"""The statements of invitations. The shop's row is locked before any of them is changed."""

from dataclasses import dataclass, field
from uuid import UUID

from lockstock.kernel.access import Role
from lockstock.kernel.database import Connection, Row
from lockstock.shops.invitations.contract import Invitation


def _invitation(row: Row) -> Invitation:
    return Invitation(
        id=row["invitation_id"],
        identifier=row["identifier"],
        role=row["role"],
        invited_by=row["invited_by"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


@dataclass(frozen=True)
class Draft:
    """An invitation as it is inserted."""

    id: UUID
    identifier: str
    role: Role
    token_hash: bytes = field(repr=False)
    invited_by: UUID
    lifetime_seconds: int


DELETE_EXPIRED = """
    DELETE FROM shops.invitations WHERE shop_id = $1 AND expires_at <= statement_timestamp()
"""


async def delete_expired(connection: Connection, shop_id: UUID) -> None:
    """Forget the invitations of a shop that are over."""
    await connection.execute(DELETE_EXPIRED, shop_id)


PUT_INVITATION = """
    INSERT INTO shops.invitations (
        shop_id, invitation_id, identifier, role, token_hash, invited_by, created_at, expires_at
    )
    VALUES (
        $1, $2, $3, $4, $5, $6, statement_timestamp(),
        statement_timestamp() + make_interval(secs => $7::float8)
    )
    ON CONFLICT (shop_id, identifier) DO UPDATE
    SET invitation_id = excluded.invitation_id, role = excluded.role,
        token_hash = excluded.token_hash, invited_by = excluded.invited_by,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    RETURNING invitation_id, identifier, role, invited_by, created_at, expires_at
"""


async def put_invitation(connection: Connection, shop_id: UUID, draft: Draft) -> Invitation:
    """Write an invitation, in the place of the one that the same identifier has."""
    row = await connection.fetchrow(
        PUT_INVITATION,
        shop_id,
        draft.id,
        draft.identifier,
        draft.role,
        draft.token_hash,
        draft.invited_by,
        draft.lifetime_seconds,
    )
    return _invitation(row)


LIST_INVITATIONS = """
    SELECT invitation_id, identifier, role, invited_by, created_at, expires_at
    FROM shops.invitations
    WHERE shop_id = $1 AND expires_at > statement_timestamp()
    ORDER BY created_at, invitation_id
"""


async def list_invitations(connection: Connection, shop_id: UUID) -> list[Invitation]:
    """The open invitations of a shop."""
    return [_invitation(row) for row in await connection.fetch(LIST_INVITATIONS, shop_id)]


DELETE_INVITATION = """
    DELETE FROM shops.invitations
    WHERE shop_id = $1 AND invitation_id = $2 AND expires_at > statement_timestamp()
    RETURNING invitation_id
"""


async def delete_invitation(connection: Connection, shop_id: UUID, invitation_id: UUID) -> bool:
    """Forget an open invitation; False if there is none."""
    found = await connection.fetchval(DELETE_INVITATION, shop_id, invitation_id)
    return found is not None


TAKE_INVITATION = """
    DELETE FROM shops.invitations
    WHERE shop_id = $1 AND token_hash = $2 AND expires_at > statement_timestamp()
    RETURNING role
"""


async def take_invitation(connection: Connection, shop_id: UUID, token_hash: bytes) -> Role | None:
    """Use up the open invitation of this token; return its role."""
    role: Role | None = await connection.fetchval(TAKE_INVITATION, shop_id, token_hash)
    return role
