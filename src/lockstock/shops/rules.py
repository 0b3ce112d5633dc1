"""Decisions about shops, on plain values."""

from collections.abc import Mapping
from uuid import UUID

from lockstock.kernel.access import Role
from lockstock.shops.contract import Shop, ShopChange


def keeps_an_owner(roles: Mapping[UUID, Role], user_id: UUID, role: Role | None) -> bool:
    """Whether the shop has an owner once the user has this role (None: no role any more)."""
    others = any(held == "owner" for member, held in roles.items() if member != user_id)
    was_owner = roles.get(user_id) == "owner"
    return role == "owner" or others or not was_owner


def changed(shop: Shop, ask: ShopChange) -> Shop:
    """Return the shop with what the change gives."""
    return shop.model_copy(update=ask.model_dump(exclude_unset=True))
