"""API keys: a shop's own programs, each with what it may do."""

from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

from pydantic import Field, model_validator

from lockstock.kernel.access import ApiKey, KeyKind, Scope
from lockstock.kernel.errors import NotFound, Refusal
from lockstock.kernel.nouns import Ask, Name, Noun

MOST_KEYS = 100


class Key(Noun):
    """A key as it is listed: all but the key itself."""

    id: UUID
    name: str
    kind: KeyKind
    scopes: list[Scope]
    # The beginning of the key, to tell it from others.
    prefix: str
    created_by: UUID
    created_at: datetime
    # Exact to a minute; null until it is used.
    last_used_at: datetime | None
    revoked_at: datetime | None


class MadeKey(Key):
    """A new key. This is the only time that it is shown."""

    key: str = Field(repr=False)


class NewKey(Ask):
    """Ask for a key. A secret key has one scope or more, a publishable one has none."""

    name: Name
    kind: KeyKind
    scopes: Annotated[list[Scope], Field(default_factory=list, max_length=5)]

    @model_validator(mode="after")
    def _fits(self) -> "NewKey":
        if self.kind == "publishable" and self.scopes:
            msg = "a publishable key has no scopes: it reads the catalogue and checks out"
            raise ValueError(msg)
        if self.kind == "secret" and not self.scopes:
            msg = "a secret key needs one scope or more"
            raise ValueError(msg)
        return self


class NoSuchKey(NotFound):
    """The shop has no such key."""


class TooManyKeys(Refusal):
    """A shop has a bounded number of keys that are good."""

    status = 409
    code = "too_many_keys"
    title = "No more API keys"


class Keys(Protocol):
    """The verbs. Each is one transaction."""

    async def make(self, shop_id: UUID, made_by: UUID, ask: NewKey) -> MadeKey:
        """Make a key. Raises NoSuchShop, TooManyKeys."""
        ...

    async def list_keys(self, shop_id: UUID) -> list[Key]:
        """The keys of the shop that are good, oldest first."""
        ...

    async def get(self, shop_id: UUID, key_id: UUID) -> Key:
        """One key, good or revoked. Raises NoSuchKey."""
        ...

    async def revoke(self, shop_id: UUID, key_id: UUID) -> None:
        """End a key, from the next request on. Harmless where it has ended. Raises NoSuchKey."""
        ...

    async def verify(self, key: str) -> ApiKey | None:
        """What a key may do, None for one that is not good. Notes that it was used."""
        ...
