"""Somebody who has webhooks to look after, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from lockstock.app import Services
from lockstock.events.webhooks.addresses import Addresses
from lockstock.events.webhooks.sender import Sender
from lockstock.events.webhooks.sending.service import SendingOptions, SendingService
from lockstock.kernel.database import Connection
from lockstock.kernel.ids import new_id
from tests.events.webhooks.receiver import Receiver
from tests.events.writers import pending

Thing = dict[str, Any]


def at(text: str) -> datetime:
    """Read a moment as it is answered."""
    return datetime.fromisoformat(text)


@dataclass
class Desk:
    """A shop with a receiver."""

    client: httpx2.AsyncClient
    services: Services
    receiver: Receiver
    shop_id: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """Return where the shop's webhooks are."""
        return f"/v1/shops/{self.shop_id}/webhooks"

    async def ask(
        self, method: str, path: str, status: int = 200, body: Any = None, **headers: str
    ) -> Any:
        """Call something below the shop's webhooks."""
        answer = await self.client.request(
            method, self.path + path, json=body, headers=self.headers | headers
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def make(self, **fields: Any) -> Thing:
        """Make a webhook."""
        asked = {"url": self.receiver.url()} | fields
        made: Thing = await self.ask("POST", "", 201, asked)
        return made

    async def tell(self, *told: tuple[str, UUID]) -> list[str]:
        """Let things happen: (kind, subject). Return the ids of the events."""
        events = [pending(n, kind=kind, subject_id=who) for n, (kind, who) in enumerate(told)]
        await self.services.event_log.append(UUID(self.shop_id), events)
        return [str(event.id) for event in events]

    async def paid(self, count: int) -> list[str]:
        """Let so many orders be paid."""
        return await self.tell(*(("order.paid", new_id()) for _ in range(count)))

    async def send(self, *sendings: SendingService) -> None:
        """Send all that is due, and what becomes due by that."""
        for sending in sendings or (self.services.sending,):
            while await sending.begin():
                await sending.settle()

    async def deliveries(self, webhook: Thing, query: str = "") -> list[Thing]:
        """List what was delivered, newest first."""
        page = await self.ask("GET", f"/{webhook['id']}/deliveries{query}")
        items: list[Thing] = page["items"]
        return items

    async def delivery(self, webhook: Thing, event_id: str) -> Thing:
        """Show one delivery with its attempts."""
        [found] = [d for d in await self.deliveries(webhook) if d["event_id"] == event_id]
        shown: Thing = await self.ask("GET", f"/{webhook['id']}/deliveries/{found['id']}")
        return shown

    async def show(self, webhook: Thing) -> Thing:
        """Show a webhook."""
        shown: Thing = await self.ask("GET", f"/{webhook['id']}")
        return shown

    async def run(self, sql: str) -> str:
        """Change something that no verb can: what was when."""

        async def work(connection: Connection) -> str:
            status: str = await connection.execute(sql)
            return status

        return await self.services.webhooks.database.transaction(work)

    async def let_time_pass(self) -> None:
        """Let all that waits for a time be due."""
        await self.run(
            "UPDATE events.deliveries SET next_try_at = now() WHERE next_try_at IS NOT NULL"
        )

    def sending(
        self,
        *,
        private: bool = True,
        timeout_seconds: float = 20,
        retry_seconds: Sequence[float] = (300, 3600),
        most: int = 50,
    ) -> SendingService:
        """Another process that sends."""
        sender = Sender(Addresses(allow_private=private), timeout_seconds)
        options = SendingOptions(tuple(retry_seconds), 432_000, most)
        return SendingService(self.services.webhooks.database, sender, options)
