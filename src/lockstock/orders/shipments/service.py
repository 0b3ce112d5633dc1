"""Shipments: written down first, then taken off the books of the warehouse, then marked as gone.

From the first step on the order can no longer be cancelled. Each step may be done again, by the
same key or by the sweep, so a process may die between any two.
"""

from contextlib import suppress
from uuid import UUID

from lockstock.kernel.database import Connection, Database, reading, transaction
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import derived_id
from lockstock.kernel.telemetry import log
from lockstock.orders import rules as order_rules
from lockstock.orders import store as orders
from lockstock.orders import telemetry
from lockstock.orders.actions import store as actions
from lockstock.orders.actions.service import open_action, remember
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
from lockstock.warehouses.reservations.contract import Reservations
from lockstock.warehouses.shipping.contract import NotCommitted, Shipping
from lockstock.warehouses.shipping.contract import Shipment as StockShipment

# The promise of an order may move between the look at it and its parcels, this often.
SHIP_ROUNDS = 3


class ShipmentsService:
    """Ships orders."""

    def __init__(self, database: Database, shipping: Shipping, reservations: Reservations) -> None:
        self.database = database
        self._shipping = shipping
        self._reservations = reservations

    async def ship(
        self, shop_id: UUID, order_id: UUID, ask: NewShipment, asked: Asked
    ) -> Answered[ShipmentList]:
        """Ship all or some of what is left, one parcel per warehouse, from where it is promised.

        Should the order move to other warehouses meanwhile, its parcels are packed anew.
        """
        for _ in range(SHIP_ROUNDS - 1):
            with suppress(NotCommitted):
                return await self._ship_once(shop_id, order_id, ask, asked)
        return await self._ship_once(shop_id, order_id, ask, asked)

    async def _ship_once(
        self, shop_id: UUID, order_id: UUID, ask: NewShipment, asked: Asked
    ) -> Answered[ShipmentList]:
        promised = await self._promised(shop_id, order_id)
        known, answer = await self._begin(shop_id, order_id, ask, asked, promised)
        if answer is None:
            answer = await self._finish(shop_id, order_id, _action_id(order_id, asked))
        return Answered(answer=answer, replayed=known)

    async def _promised(self, shop_id: UUID, order_id: UUID) -> list[Allocation]:
        [reservation] = await self._reservations.reservations(shop_id, [order_id])
        return reservation.allocations if reservation is not None else []

    @transaction
    async def _begin(
        self,
        connection: Connection,
        shop_id: UUID,
        order_id: UUID,
        ask: NewShipment,
        asked: Asked,
        promised: list[Allocation],
    ) -> tuple[bool, ShipmentList | None]:
        """Write down the parcels; return whether that was done before, and its answer if any."""
        order = (shop_id, order_id)
        action_id = _action_id(order_id, asked)
        action = await open_action(connection, order, action_id, ask, ShipmentList)
        if action.known:
            return True, action.answer
        kept = action.kept
        if kept.status not in ("paid", "partly_shipped"):
            status = kept.order.status
            raise NotShippable(f"The order is {status}.", order_status=status)
        before = await store.list_shipments(connection, shop_id, order_id)
        left = rules.left_to_ship(promised, before)
        parcels = [
            Parcel(derived_id("parcel", action_id, warehouse_id), warehouse_id, lines)
            for warehouse_id, lines in rules.pack(left, ask.warehouse_id, ask.lines).items()
        ]
        by = order_rules.by(asked, kept.order.customer_id)
        await store.begin_shipments(connection, order, action_id, by, parcels)
        await remember(connection, action, None)
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
                    actor_id=begun[0].by.actor_id,
                    request_id=begun[0].by.request_id,
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
            move = orders.move_by(kept, after, begun[0].by)
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


def _action_id(order_id: UUID, asked: Asked) -> UUID:
    return derived_id("ship", order_id, asked.actor_id, asked.key)


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
