"""A shop with warehouses and stock, by the services themselves."""

from dataclasses import dataclass, field
from uuid import UUID

from lockstock.kernel.database import Database
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from lockstock.kernel.paging import Cursors
from lockstock.warehouses.contract import Cause, Deactivate, Line, NewWarehouse, Warehouse
from lockstock.warehouses.reservations.contract import Reservation, Reserve
from lockstock.warehouses.reservations.service import ReservationsService
from lockstock.warehouses.service import WarehousesService
from lockstock.warehouses.shipping.service import ShippingService
from lockstock.warehouses.stock.contract import Receive, StockList, StockRow
from lockstock.warehouses.stock.service import StockService
from lockstock.warehouses.transfers.service import TransfersService

CURSORS = Cursors("a key for cursors of tests")


def cause() -> Cause:
    """A change of its own."""
    return Cause(change_id=new_id(), actor_id=None, request_id="test")


@dataclass
class Depot:
    """A shop's warehouses, and the services around them."""

    database: Database
    shop_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        self.warehouses = WarehousesService(self.database)
        self.stock = StockService(self.database, CURSORS)
        self.reservations = ReservationsService(self.database)
        self.shipping = ShippingService(self.database)
        self.transfers = TransfersService(self.database, CURSORS)

    async def open(self, *names: str) -> list[Warehouse]:
        """Open warehouses; their priority is their place in the list."""
        asks = [NewWarehouse(name=name, priority=place) for place, name in enumerate(names)]
        return await self.warehouses.open(self.shop_id, asks, [new_id() for _ in names])

    async def receive(self, warehouse: Warehouse, **units: int) -> None:
        """Receive units of variants by their names."""
        lines = [Line(variant_id=variant(name), quantity=n) for name, n in units.items()]
        await self.stock.receive(self.shop_id, warehouse.id, Receive(lines=lines), cause())

    def asking(self, seconds: int = 600, order_id: UUID | None = None, **units: int) -> Reserve:
        """Ask for units of variants by their names, for an order of its own."""
        lines = [Line(variant_id=variant(name), quantity=n) for name, n in units.items()]
        return Reserve(
            order_id=order_id or new_id(), customer_id=new_id(), lines=lines, seconds=seconds
        )

    async def reserve(self, ask: Reserve) -> Reservation | Refusal:
        """Reserve for one order."""
        [answer] = await self.reservations.reserve(self.shop_id, [ask])
        return answer

    async def available(self, name: str) -> int:
        """What a buyer could get of a variant."""
        [found] = await self.stock.availability([(self.shop_id, variant(name))])
        return found.available

    async def row(self, warehouse: Warehouse, name: str) -> StockRow:
        """The stock row of a variant in a warehouse."""
        ask = StockList(warehouse_id=warehouse.id, variant_id=variant(name))
        [row] = (await self.stock.stock(self.shop_id, ask)).items
        return row

    async def switch_off(self, warehouse: Warehouse) -> None:
        """Deactivate a warehouse, keeping its promises."""
        await self.warehouses.deactivate(self.shop_id, warehouse.id, Deactivate())


def variant(name: str) -> UUID:
    """The variant of this name: "tea" is always the same one."""
    return UUID(bytes=name.encode().ljust(16, b"\0")[:16])
