"""Shipments: written down first, then taken off the books of the warehouse, then marked as gone.

From the first step on the order can no longer be cancelled. Each step may be done again, by the
same key or by the sweep, so a process may die between any two.
"""

from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import derived_id
from lockstock.kernel.telemetry import log
from lockstock.orders import rules as order_rules
from lockstock.orders import store as orders
from lockstock.orders import telemetry
from lockstock.orders.actions import store as actions
from lockstock.orders.contract import Answered, Asked
from lockstock.orders.shipments import rules, store
from lockstock.orders.shipments.contract import (
    NewShipment,
    NotShippable,
    Shipment,
    ShipmentList,
)
from lockstock.orders.shipments.store import Begun, Parcel
from lockstock.warehouses.contract import Allocation, Cause
from lockstock.warehouses.shipping.contract import Shipment as StockShipment
from lockstock.warehouses.shipping.contract import Shipping


class ShipmentsService:
    """Ships orders."""

    def __init__(self, database: Database, shipping: Shipping) -> None:
        self.database = database
        self._shipping = shipping

    async def ship(
        self, shop_id: UUID, order_id: UUID, ask: NewShipment, asked: Asked
    ) -> Answered[ShipmentList]:
        """Ship all or some of what is left, one parcel per warehouse."""
        action_id = derived_id("ship", order_id, asked.actor_id, asked.key)
        known, answer = await self._begin(shop_id, order_id, action_id, ask, asked)
        if answer is None:
            answer = await self._finish(shop_id, order_id, action_id)
        return Answered(answer=answer, replayed=known)

    @transaction
    async def _begin(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        action_id: UUID,
        ask: NewShipment,
        asked: Asked,
    ) -> tuple[bool, ShipmentList | None]:
        """Write down the parcels; return whether that was done before, and its answer if any."""
        kept = await orders.lock_order(connection, shop_id, order_id)
        digest = order_rules.digest_of(ask)
        known, answer = await actions.find_action(connection, shop_id, action_id, digest)
        if known:
            return True, None if answer is None else actions.read_answer(ShipmentList, answer)
        if kept.status not in ("paid", "partly_shipped"):
            status = kept.order.status
            raise NotShippable(f"The order is {status}.", order_status=status)
        before = await store.list_shipments(connection, shop_id, order_id)
        left = rules.left_to_ship(kept.order.allocations, before)
        parcels = [
            Parcel(derived_id("parcel", action_id, warehouse_id), warehouse_id, lines)
            for warehouse_id, lines in rules.pack(left, ask.warehouse_id, ask.lines).items()
        ]
        order = (shop_id, order_id)
        await store.begin_shipments(connection, order, action_id, asked, parcels)
        await actions.put_action(connection, shop_id, action_id, (order_id, digest), None)
        return False, None

    async def _finish(self, shop_id: UUID, order_id: UUID, action_id: UUID) -> ShipmentList:
        begun = await self._begun(shop_id, order_id, action_id)
        refused: dict[UUID, Refusal] = {}
        if begun:
            answers = await self._shipping.ship(
                shop_id,
                [_stock_shipment(item.shipment) for item in begun],
                Cause(
                    change_id=action_id,
                    actor_id=begun[0].actor_id,
                    request_id=begun[0].request_id,
                ),
            )
            refused = {
                item.shipment.id: answer
                for item, answer in zip(begun, answers, strict=True)
                if isinstance(answer, Refusal)
            }
        gone = [item.shipment.id for item in begun if item.shipment.id not in refused]
        shipped = await self._mark(shop_id, order_id, action_id, gone, list(refused))
        if refused and not shipped.items:
            raise next(iter(refused.values()))
        return shipped

    @reading
    async def _begun(
        self, connection: Connection, shop_id: UUID, order_id: UUID, action_id: UUID
    ) -> list[Begun]:
        return await store.find_begun(connection, shop_id, order_id, action_id)

    @transaction
    async def _mark(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        action_id: UUID,
        gone: list[UUID],
        refused: list[UUID],
    ) -> ShipmentList:
        """Note which parcels have left, and how the order stands now."""
        kept = await orders.lock_order(connection, shop_id, order_id)
        await store.end_shipments(connection, shop_id, gone)
        await store.drop_shipments(connection, shop_id, refused)
        begun = await store.find_begun(connection, shop_id, order_id, action_id)
        shipped = ShipmentList(items=[item.shipment for item in begun])
        if not begun:
            await actions.drop_action(connection, shop_id, action_id)
            return shipped
        parcels = await store.list_shipments(connection, shop_id, order_id)
        after = rules.status_after(kept.order.allocations, parcels)
        if order_rules.may_become(kept.status, after):
            move = orders.Move(
                order_id, kept.status, after, begun[0].actor_id, None, begun[0].request_id
            )
            await orders.move_orders(connection, shop_id, [move])
        await actions.answer_action(connection, shop_id, action_id, shipped)
        return shipped

    @reading
    async def list_shipments(
        self, connection: Connection, shop_id: UUID, order_id: UUID
    ) -> list[Shipment]:
        """The parcels of an order, oldest first."""
        return await store.list_shipments(connection, shop_id, order_id)

    async def sweep(self, most: int) -> int:
        """Finish shipments that were begun; return how many."""
        done = 0
        for shop_id, order_id, action_id in await self._due(most):
            try:
                await self._finish(shop_id, order_id, action_id)
                done += 1
            except Exception:
                # Stays begun and is tried again; the others must not wait for it.
                telemetry.LEFT_TO_WORKER.labels("ship").inc()
                log().exception("shipment_left_for_later", order=str(order_id))
                await self._postpone(shop_id, order_id, action_id)
        return done

    @reading
    async def _due(self, connection: Connection, most: int) -> set[tuple[UUID, UUID, UUID]]:
        return await store.due_shipments(connection, most)

    @transaction
    async def _postpone(
        self, connection: Connection, shop_id: UUID, order_id: UUID, action_id: UUID
    ) -> None:
        await store.postpone_shipments(connection, shop_id, order_id, action_id)


def _stock_shipment(shipment: Shipment) -> StockShipment:
    return StockShipment(
        shipment_id=shipment.id,
        order_id=shipment.order_id,
        parts=[
            Allocation(
                warehouse_id=shipment.warehouse_id,
                variant_id=line.variant_id,
                quantity=line.quantity,
            )
            for line in shipment.lines
        ],
    )
