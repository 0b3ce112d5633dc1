"""Whose an identity is, once a code that was sent there came back without a session.

Anybody can register anybody's address, with a password of their own. So the first proof of an
identity, by a code that logs in or sets a password, decides:

- No identity of the account was proven before: the account is the prover's, and nobody else's. Its
  password is gone and all its sessions end; whoever registered it is out.
- Another identity was proven before: the account is that person's, who never proved this one. The
  identity leaves it, and becomes an account of its own.

Who proves an identity in their own session (`POST /v1/me/identities`) loses nothing.
"""

from uuid import UUID

from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from lockstock.users import store
from lockstock.users.rules import Identifier
from lockstock.users.sessions.service import Sessions
from lockstock.users.store import NewAccount


async def settle(
    connection: Connection, sessions: Sessions, identity: Identifier, owner: UUID
) -> UUID | None:
    """Return whose the proven identity is from now on; None if it is the owner's no longer."""
    # Of two proofs at once the second sees what the first has settled.
    await store.lock_user(connection, owner)
    theirs = (await store.list_identities(connection, [owner]))[owner]
    proven = {(each.kind, each.value): each.verified_at is not None for each in theirs}
    if identity not in proven:
        return None
    if proven[identity]:
        return owner
    now = await store.read_clock(connection)
    if any(proven.values()):
        await store.delete_identity(connection, identity, owner)
        account = NewAccount(new_id(), None, is_admin=False, password_hash=None, created_at=now)
        await store.insert_user(connection, account)
        await store.insert_identity(connection, identity, account.id, now, now)
        return account.id
    await store.verify_identity(connection, identity, owner, now)
    await store.set_password(connection, owner, None)
    await sessions.end_all(connection, owner)
    return owner
