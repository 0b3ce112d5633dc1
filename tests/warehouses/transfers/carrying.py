"""Transfers between two warehouses, by the verbs."""

from dataclasses import dataclass
from typing import Any, get_args

from lockstock.warehouses.contract import Line, Warehouse
from lockstock.warehouses.transfers.contract import (
    CancelTransfer,
    ClosedLine,
    CloseTransfer,
    DispatchTransfer,
    NewTransfer,
    ReceivedLine,
    ReceiveTransfer,
    Told,
    Transfer,
    TransferChange,
    TransferStatus,
)
from tests.warehouses.depot import Depot, cause, variant

STATUSES: tuple[TransferStatus, ...] = get_args(TransferStatus)


def lines(**units: int) -> list[Line]:
    """Lines of variants by their names."""
    return [Line(variant_id=variant(name), quantity=n) for name, n in units.items()]


def arrived(received: int = 0, damaged: int = 0, name: str = "tea") -> ReceiveTransfer:
    """So much of a variant has arrived."""
    line = ReceivedLine(variant_id=variant(name), received=received, damaged=damaged)
    return ReceiveTransfer(lines=[line], reason="lorry 7")


def gone(returned: int = 0, lost: int = 0, name: str = "tea") -> CloseTransfer:
    """So much of a variant will not arrive."""
    line = ClosedLine(variant_id=variant(name), returned=returned, lost=lost)
    return CloseTransfer(lines=[line], reason="the lorry burned")


@dataclass
class Carrier:
    """Carries tea from north to south."""

    depot: Depot
    north: Warehouse
    south: Warehouse

    def asking(self, **fields: Any) -> NewTransfer:
        """Ask for a draft of 5 units of tea."""
        asked: dict[str, Any] = {
            "from_warehouse_id": self.north.id,
            "to_warehouse_id": self.south.id,
            "lines": lines(tea=5),
        }
        return NewTransfer(**asked | fields)

    async def draft(self, **fields: Any) -> Transfer:
        """Draft one."""
        told = await self.depot.transfers.transfer(
            self.depot.shop_id, self.asking(**fields), cause()
        )
        return told.transfer

    async def take(self, transfer: Transfer, step: str) -> Transfer | Told:
        """Take a step, with an ask that is good where the step is allowed."""
        verbs, shop_id, own = self.depot.transfers, self.depot.shop_id, cause()
        match step:
            case "ready":
                return await verbs.ready(shop_id, transfer.id, own)
            case "dispatch":
                return await verbs.dispatch(shop_id, transfer.id, DispatchTransfer(), own)
            case "cancel":
                return await verbs.cancel(shop_id, transfer.id, CancelTransfer(reason="no"), own)
            case "receive":
                return await verbs.receive(shop_id, transfer.id, arrived(1), own)
            case "close":
                left = sum(line.outstanding for line in (await self.now(transfer)).lines)
                return await verbs.close(shop_id, transfer.id, gone(lost=left or 1), own)
            case _:
                ask = TransferChange(lines=lines(tea=3))
                return await verbs.change(shop_id, transfer.id, ask, own)

    async def now(self, transfer: Transfer) -> Transfer:
        """The transfer as it is."""
        return await self.depot.transfers.get(self.depot.shop_id, transfer.id)

    async def receive(self, transfer: Transfer, received: int = 0, damaged: int = 0) -> Transfer:
        """Take in some of the tea."""
        told = await self.depot.transfers.receive(
            self.depot.shop_id, transfer.id, arrived(received, damaged), cause()
        )
        return told.transfer

    async def close(self, transfer: Transfer, returned: int = 0, lost: int = 0) -> Transfer:
        """Account for the rest of the tea."""
        told = await self.depot.transfers.close(
            self.depot.shop_id, transfer.id, gone(returned, lost), cause()
        )
        return told.transfer

    async def at(self, status: TransferStatus, **fields: Any) -> Transfer:
        """A transfer of 5 units of tea in this status."""
        transfer = await self.draft(**fields)
        if status == "cancelled":
            await self.take(transfer, "cancel")
        elif status != "draft":
            await self.take(transfer, "ready")
        if status not in ("draft", "cancelled", "ready"):
            await self.take(transfer, "dispatch")
        if status in ("partly_received", "closed_short"):
            await self.receive(transfer, 2)
        if status == "received":
            await self.receive(transfer, 5)
        if status == "closed_short":
            await self.close(transfer, lost=3)
        found = await self.now(transfer)
        assert found.status == status
        return found

    async def counters(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of tea: on hand and committed in the north, on hand and incoming in the south."""
        north = await self.depot.row(self.north, "tea")
        south = await self.depot.row(self.south, "tea")
        return (north.on_hand, north.committed), (south.on_hand, south.incoming)


async def carrier(depot: Depot, tea: int = 10) -> Carrier:
    """Two warehouses, with tea in the north and a cup in the south."""
    north, south = await depot.open("north", "south")
    await depot.receive(north, tea=tea)
    await depot.receive(south, tea=1)
    return Carrier(depot, north, south)
