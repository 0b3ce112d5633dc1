"""What the customers did: orders, from the basket to what came back."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from lockstock.demo import past
from lockstock.demo.payments import Payments
from lockstock.demo.scene import WEEKS, Buyer, Depot, Good, Scene
from lockstock.demo.shelves import Shelves, Why
from lockstock.orders.contract import NewOrder, OrderStatus
from lockstock.warehouses.contract import Line

# Of a hundred orders: how many are paid, how many of the others are cancelled before their
# deadline, how many of the paid ones after, and how many of the shipped ones come back in part.
PAID, CANCELLED_UNPAID, CANCELLED_PAID, RETURNED = 82, 40, 4, 9

LINES_OF_TEN = (1, 1, 1, 1, 1, 2, 2, 2, 3, 4)
UNITS_OF_TEN = (1, 1, 1, 1, 1, 1, 2, 2, 2, 4)
# Of a week from Monday on, and of a day from midnight UTC on.
WEEKDAYS = (0.8, 0.8, 0.9, 1.0, 1.1, 1.3, 1.2)
HOURS = (1, 0, 0, 0, 0, 1, 3, 5, 6, 6, 6, 7, 8, 6, 5, 5, 6, 7, 9, 12, 12, 9, 5, 3)
# Nobody is still paying when the past ends.
LAST_ORDER = timedelta(hours=1)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

CANCEL_REASONS = ("ordered the wrong size", "found it nearer to home", "changed my mind")
RETURN_REASONS = ("too small", "too large", "not the colour in the picture", "a gift that was not")


@dataclass(frozen=True)
class Sale:
    """An order on its way, with all that belongs to it."""

    order: past.Order
    reservation: past.Reservation
    parts: list[past.Allocation]
    prices: dict[UUID, int]


class Sales:
    """The orders of a past."""

    def __init__(self, scene: Scene, shelves: Shelves) -> None:
        self._scene = scene
        self._shelves = shelves
        self._setting = scene.setting
        self._payments = Payments(scene)

    def plan(self) -> None:
        """Let every day have its orders."""
        chance, last = self._scene.chance, self._setting.now - LAST_ORDER
        midnight = self._setting.start.replace(hour=0)
        for day in range(1, 7 * WEEKS + 1):
            date = midnight + timedelta(days=day)
            usual = self._setting.orders_per_day * WEEKDAYS[date.weekday()]
            for _ in range(round(usual * chance.uniform(0.6, 1.4))):
                [hour] = chance.choices(range(24), HOURS)
                when = date + timedelta(hours=hour, seconds=chance.uniform(0, 3599))
                if when < last:
                    self._scene.at(when, self._place)

    def _place(self, at: datetime) -> None:
        buyer = self._scene.chance.choice(self._setting.buyers)
        basket = self._fill_basket()
        if basket:
            sale = self._write(buyer, basket, at)
            self._go_on(sale, at)

    def _fill_basket(self) -> list[tuple[Good, int]]:
        """Choose goods and units, never more than there are in all depots."""
        chance, goods = self._scene.chance, self._setting.goods
        wished = chance.choices(
            goods, [good.demand for good in goods], k=chance.choice(LINES_OF_TEN)
        )
        basket = []
        # dict.fromkeys: each variant once, in the order of the wishes.
        for good in dict.fromkeys(wished):
            places = [(good.variant_id, depot.id) for depot in self._setting.depots]
            there = sum(self._shelves.free(place) for place in places)
            units = min(chance.choice(UNITS_OF_TEN), there)
            if units:
                basket.append((good, units))
        return basket

    def _allocate(
        self, depots: Sequence[Depot], basket: Sequence[tuple[Good, int]]
    ) -> list[tuple[Good, Depot, int]]:
        """Take from the first depot that has everything, else from one after the other."""
        for depot in depots:
            if all(self._free(good, depot) >= units for good, units in basket):
                return [(good, depot, units) for good, units in basket]
        parts = []
        for good, units in basket:
            missing = units
            for depot in depots:
                taken = min(missing, self._free(good, depot))
                if taken:
                    parts.append((good, depot, taken))
                    missing -= taken
        return parts

    def _free(self, good: Good, depot: Depot) -> int:
        return self._shelves.free((good.variant_id, depot.id))

    def _write(self, buyer: Buyer, basket: Sequence[tuple[Good, int]], at: datetime) -> Sale:
        rows, order_id = self._scene.past, self._scene.new_id("order")
        expires_at = at + self._setting.reservation_seconds * SECOND
        ask = NewOrder(
            lines=[Line(variant_id=good.variant_id, quantity=units) for good, units in basket],
            ship_to=buyer.ship_to,
        )
        digest = hashlib.sha256(ask.model_dump_json().encode()).digest()
        parts = [
            past.Allocation(order_id, good.variant_id, depot.id, units, expires_at)
            for good, depot, units in self._allocate(self._scene.by_distance(buyer), basket)
        ]
        order = past.Order(
            id=order_id,
            customer_id=buyer.id,
            currency=self._setting.currency,
            total_minor=sum(good.price_minor * units for good, units in basket),
            digest=digest,
            allocations=[_allocation(part) for part in parts],
            ship_to=buyer.ship_to.model_dump(mode="json"),
            created_at=at,
            expires_at=expires_at,
        )
        reservation = past.Reservation(order_id, buyer.id, digest, at, expires_at)
        for part in parts:
            self._shelves.hold(part)
        rows.orders.append(order)
        rows.lines += [
            _line(order_id, number, good, units)
            for number, (good, units) in enumerate(basket, start=1)
        ]
        rows.reservations.append(reservation)
        rows.allocations += parts
        prices = {good.variant_id: good.price_minor for good, _ in basket}
        return Sale(order, reservation, parts, prices)

    def _go_on(self, sale: Sale, at: datetime) -> None:
        scene, chance = self._scene, self._scene.chance
        soon = scene.after(at, 20 * SECOND, self._setting.reservation_seconds * 0.9 * SECOND)
        tries = 1 if chance.random() < 0.08 else 0
        if chance.randrange(100) < PAID:
            if tries:
                scene.at(at + (soon - at) / 2, partial(self._payments.fail, sale.order))
            scene.at(soon, partial(self._pay, sale))
        elif chance.randrange(100) < CANCELLED_UNPAID:
            scene.at(soon, partial(self._cancel, sale))
        else:
            if chance.random() < 0.5:
                scene.at(soon, partial(self._payments.fail, sale.order))
            scene.at(sale.order.expires_at + SECOND, partial(self._expire, sale))

    def _pay(self, sale: Sale, at: datetime) -> None:
        scene, order = self._scene, sale.order
        payment = self._payments.capture(order, at)
        for part in sale.parts:
            self._shelves.commit(part)
        sale.reservation.status = "committed"
        order.paid_at, order.paid_by = at, payment.id
        self._move(order, "paid", at)
        if scene.chance.randrange(100) < CANCELLED_PAID:
            scene.at(scene.after(at, 20 * MINUTE, 4 * HOUR), partial(self._cancel, sale))
            return
        packed = scene.after(at, 5 * HOUR, 50 * HOUR)
        for depot_id in dict.fromkeys(part.warehouse_id for part in sale.parts):
            scene.at(packed, partial(self._ship, sale, depot_id))
            packed = scene.after(packed, HOUR, DAY)

    def _expire(self, sale: Sale, at: datetime) -> None:
        self._end(sale, at, expired=True)
        self._move(sale.order, "expired", at)

    def _cancel(self, sale: Sale, at: datetime) -> None:
        order, request_id = sale.order, self._scene.request_id()
        reason = self._scene.chance.choice(CANCEL_REASONS)
        if order.status == "paid":
            self._payments.refund_all(order, at, request_id)
        self._end(sale, at, expired=False)
        self._move(order, "cancelled", at, order.customer_id, reason, request_id)

    def _end(self, sale: Sale, at: datetime, *, expired: bool) -> None:
        for part in sale.parts:
            self._shelves.free_up(part, expired=expired)
        sale.reservation.status = "expired" if expired else "released"
        sale.reservation.ended_at = at

    def _ship(self, sale: Sale, depot_id: UUID, at: datetime) -> None:
        scene, order, clerk = self._scene, sale.order, self._setting.clerk_id
        parcel_id, request_id = scene.new_id("parcel"), scene.request_id()
        parcel = [part for part in sale.parts if part.warehouse_id == depot_id]
        for part in parcel:
            self._shelves.ship(part, Why("ship", parcel_id, clerk, request_id, at))
        scene.past.shipments.append(
            past.Shipment(
                id=parcel_id,
                order_id=order.id,
                action_id=scene.new_id("ship"),
                warehouse_id=depot_id,
                lines=[_units(part, part.quantity) for part in parcel],
                actor_id=clerk,
                request_id=request_id,
                created_at=at,
                shipped_at=at,
            )
        )
        if any(part.shipped < part.quantity for part in sale.parts):
            # Of three parcels the second changes nothing.
            if order.status == "paid":
                self._move(order, "partly_shipped", at, clerk, None, request_id)
            return
        self._move(order, "shipped", at, clerk, None, request_id)
        scene.at(at + 7 * DAY, partial(self._complete, order))
        if scene.chance.randrange(100) < RETURNED:
            scene.at(scene.after(at, 3 * DAY, 12 * DAY), partial(self._take_back, sale))

    def _complete(self, order: past.Order, at: datetime) -> None:
        manager = self._setting.manager_id
        self._move(order, "completed", at, manager, None, self._scene.request_id())

    def _take_back(self, sale: Sale, at: datetime) -> None:
        scene, clerk = self._scene, self._setting.clerk_id
        part = scene.chance.choice(sale.parts)
        units = scene.chance.randint(1, part.quantity)
        return_id, request_id = scene.new_id("return"), scene.request_id()
        part.returned += units
        self._shelves.post(part.place, units, Why("return", return_id, clerk, request_id, at))
        taken_back = past.Return(
            id=return_id,
            order_id=sale.order.id,
            parts=[
                _units(part, units)
                | {
                    "from_warehouse_id": str(part.warehouse_id),
                    "to_warehouse_id": str(part.warehouse_id),
                }
            ],
            refund_minor=sale.prices[part.variant_id] * units,
            reason=scene.chance.choice(RETURN_REASONS),
            actor_id=clerk,
            request_id=request_id,
            created_at=at,
        )
        scene.past.returns.append(taken_back)
        self._payments.refund_return(sale.order, taken_back)

    def _move(
        self,
        order: past.Order,
        after: OrderStatus,
        at: datetime,
        actor_id: UUID | None = None,
        reason: str | None = None,
        request_id: str | None = None,
    ) -> None:
        order.transitions += 1
        self._scene.past.transitions.append(
            past.Transition(
                order.id, order.transitions, order.status, after, at, actor_id, reason, request_id
            )
        )
        order.status = after


def _line(order_id: UUID, number: int, good: Good, units: int) -> past.Line:
    return past.Line(
        order_id=order_id,
        line=number,
        variant_id=good.variant_id,
        product_id=good.product_id,
        sku=good.sku,
        name=good.name,
        quantity=units,
        unit_price_minor=good.price_minor,
    )


def _units(part: past.Allocation, units: int) -> dict[str, str | int]:
    return {"variant_id": str(part.variant_id), "quantity": units}


def _allocation(part: past.Allocation) -> dict[str, str | int]:
    return {
        "warehouse_id": str(part.warehouse_id),
        "variant_id": str(part.variant_id),
        "quantity": part.quantity,
    }
