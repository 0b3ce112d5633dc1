"""History: read, and shown to each as it is theirs to see."""

from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading
from lockstock.orders.history import rules, store
from lockstock.orders.history.contract import Entry


class HistoryService:
    """Tells what has happened to orders."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @reading
    async def history(
        self, connection: Connection, shop_id: UUID, order_id: UUID, *, whole: bool
    ) -> list[Entry]:
        """All that has happened to an order, oldest first; not `whole`: as its customer sees it."""
        entries = await store.history(connection, shop_id, order_id)
        return entries if whole else rules.for_customer(entries)
