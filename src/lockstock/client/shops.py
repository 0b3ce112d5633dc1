"""Calls about shops: settings, members, invitations, API keys."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, cast

from lockstock.client.answers import ApiKey, Invitation, MadeApiKey, Member, NewShop, Role, Shop
from lockstock.client.calls import Calls, given


class ShopCalls(Calls):
    """What those who run a shop do with it."""

    async def create_shop(
        self,
        name: str,
        currency: str,
        *,
        key: str | None = None,
        **fields: Any,  # noqa: ANN401 (JSON)
    ) -> NewShop:
        """Open a shop of one's own. `fields`: reservation_seconds, allocation, warehouse, ..."""
        body = {"name": name, "currency": currency} | fields
        return cast("NewShop", await self._send("POST", "/v1/shops", body, key=key))

    async def shops(self) -> AsyncIterator[Shop]:
        """Go through the shops that one works in, by name."""
        async for shop in self._pages("/v1/shops"):
            yield cast("Shop", shop)

    async def get_shop(self, shop_id: str) -> Shop:
        """One shop that one works in."""
        return cast("Shop", await self._send("GET", f"/v1/shops/{shop_id}"))

    async def change_shop(
        self, shop_id: str, changes: Mapping[str, Any], *, etag: str | None = None
    ) -> Shop:
        """Change what is given; with an `etag` only if nobody has changed it since."""
        found = await self._send("PATCH", f"/v1/shops/{shop_id}", changes, etag=etag)
        return cast("Shop", found)

    async def members(self, shop_id: str, role: Role | None = None) -> list[Member]:
        """Who works in the shop, in any role or in this one."""
        return await self._items(f"/v1/shops/{shop_id}/members", given(role=role))

    async def put_member(self, shop_id: str, user_id: str, role: Role) -> Member:
        """Give somebody a role in the shop."""
        path = f"/v1/shops/{shop_id}/members/{user_id}"
        return cast("Member", await self._send("PUT", path, {"role": role}))

    async def remove_member(self, shop_id: str, user_id: str) -> None:
        """Take somebody's role away."""
        await self._send("DELETE", f"/v1/shops/{shop_id}/members/{user_id}")

    async def invite(self, shop_id: str, identifier: str, role: Role) -> Invitation:
        """Invite somebody by e-mail address or phone number."""
        body = {"identifier": identifier, "role": role}
        found = await self._send("POST", f"/v1/shops/{shop_id}/invitations", body)
        return cast("Invitation", found)

    async def invitations(self, shop_id: str) -> list[Invitation]:
        """The invitations that are open."""
        return await self._items(f"/v1/shops/{shop_id}/invitations")

    async def withdraw_invitation(self, shop_id: str, invitation_id: str) -> None:
        """Withdraw an invitation that nobody has accepted."""
        await self._send("DELETE", f"/v1/shops/{shop_id}/invitations/{invitation_id}")

    async def make_key(
        self,
        shop_id: str,
        name: str,
        kind: Literal["secret", "publishable"],
        scopes: Sequence[str] = (),
    ) -> MadeApiKey:
        """Make an API key. `["key"]` is shown this once."""
        body = {"name": name, "kind": kind, "scopes": list(scopes)}
        found = await self._send("POST", f"/v1/shops/{shop_id}/api-keys", body)
        return cast("MadeApiKey", found)

    async def keys(
        self, shop_id: str, kind: Literal["secret", "publishable"] | None = None
    ) -> list[ApiKey]:
        """The API keys that are good, of any kind or of this one."""
        return await self._items(f"/v1/shops/{shop_id}/api-keys", given(kind=kind))

    async def get_key(self, shop_id: str, key_id: str) -> ApiKey:
        """One API key, good or revoked."""
        path = f"/v1/shops/{shop_id}/api-keys/{key_id}"
        return cast("ApiKey", await self._send("GET", path))

    async def revoke_key(self, shop_id: str, key_id: str) -> None:
        """Revoke an API key."""
        await self._send("DELETE", f"/v1/shops/{shop_id}/api-keys/{key_id}")
