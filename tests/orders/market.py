"""A shop with a product on its shelves, and the services around its orders."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from lockstock.audit.service import audit, report
from lockstock.kernel.database import Connection, Database
from lockstock.kernel.errors import Refusal
from lockstock.kernel.ids import new_id
from lockstock.kernel.paging import Cursors
from lockstock.orders import rules
from lockstock.orders.contract import Answered, Asked, Cancel, NewOrder, Order, PlaceAsk
from lockstock.orders.payments.contract import EventKind, NewPayment, Payment, Refund
from lockstock.orders.payments.refunds.service import RefundsService
from lockstock.orders.payments.sandbox.adapter import Sandbox
from lockstock.orders.payments.sandbox.contract import SandboxAsk
from lockstock.orders.payments.sandbox.signing import event_for
from lockstock.orders.payments.service import PaymentsService
from lockstock.orders.returns.service import ReturnsService
from lockstock.orders.service import OrdersService
from lockstock.orders.shipments.service import ShipmentsService
from lockstock.products.contract import NewProduct, NewVariant, Product
from lockstock.products.service import ProductsService
from lockstock.shops.contract import NewShop, Shop
from lockstock.shops.service import ShopsService
from lockstock.warehouses.contract import Cause, Line, NewWarehouse
from lockstock.warehouses.reservations.contract import Reservation
from lockstock.warehouses.reservations.service import ReservationsService
from lockstock.warehouses.service import WarehousesService
from lockstock.warehouses.shipping.service import ShippingService
from lockstock.warehouses.stock.contract import Receive, StockList
from lockstock.warehouses.stock.service import StockService

KEY = "a signing key for tests, not for anything else"
PRICE_MINOR = 1250
MANY = 500


async def _everybody(user_ids: list[UUID]) -> set[UUID]:
    return set(user_ids)


@dataclass
class Market:
    """The services of orders on the test's database, and one shop.

    `shop`, `variant` and `warehouse` are there after `open()`; so many units are on hand.
    """

    database: Database
    customer_id: UUID = field(default_factory=new_id)
    owner_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        cursors = Cursors(KEY)
        self.warehouses = WarehousesService(self.database)
        self.stock = StockService(self.database, cursors)
        self.reservations = ReservationsService(self.database)
        self.shipping = ShippingService(self.database)
        self.shops = ShopsService(self.database, self.warehouses, 900, _everybody)
        self.products = ProductsService(self.database, self.stock, cursors)
        self.sandbox = Sandbox(self.database, [KEY], "http://testserver")
        providers = {"sandbox": self.sandbox}
        self.orders = OrdersService(self.database, self.shops, self.products, self.reservations)
        self.payments = PaymentsService(self.database, self.shops, self.reservations, providers)
        self.refunds = RefundsService(self.database, providers)
        self.shipments = ShipmentsService(self.database, self.shipping, self.reservations)
        self.returns = ReturnsService(self.database, self.shipping)
        self.shop: Shop
        self.product: Product
        self._keys = itertools.count()

    async def open(self, units: int = 10, **settings: Any) -> "Market":
        """Open the shop, with so many units of one variant in its warehouse."""
        asked = NewShop(name="Corner shop", currency="EUR", **settings)
        shop = await self.shops.create(self.owner_id, asked)
        self.shop = shop
        self.warehouse_id = shop.warehouses[0].id
        ask = NewProduct(name="Tea", variants=[NewVariant(sku="T1", price_minor=PRICE_MINOR)])
        [product] = await self.products.create(shop.id, "EUR", [ask])
        assert isinstance(product, Product)
        self.product = product
        self.variant_id = product.variants[0].id
        if units:
            await self.receive(units)
        return self

    async def receive(self, units: int, warehouse_id: UUID | None = None) -> None:
        """Receive units of the variant."""
        ask = Receive(lines=[Line(variant_id=self.variant_id, quantity=units)])
        cause = Cause(change_id=new_id(), actor_id=None, request_id="test")
        await self.stock.receive(self.shop.id, warehouse_id or self.warehouse_id, ask, cause)

    async def open_warehouse(self, units: int) -> UUID:
        """Open another warehouse with so many units of the variant."""
        warehouse_id = new_id()
        await self.warehouses.open(self.shop.id, [NewWarehouse(name="Cellar")], [warehouse_id])
        await self.receive(units, warehouse_id)
        return warehouse_id

    def asking(self, quantity: int = 1, key: str | None = None) -> PlaceAsk:
        """Ask for so many units, under a key."""
        lines = [Line(variant_id=self.variant_id, quantity=quantity)]
        key = key or f"order-{next(self._keys)}"
        return PlaceAsk(
            order_id=rules.order_id_of(self.shop.id, self.customer_id, key),
            customer_id=self.customer_id,
            ask=NewOrder(lines=lines),
        )

    async def place(self, quantity: int = 1, key: str | None = None) -> Order:
        """Place an order that nobody refuses."""
        [answer] = await self.orders.place(self.shop.id, [self.asking(quantity, key)])
        return placed(answer)

    def asked(self, key: str | None = None) -> Asked:
        """Ask as the shop's owner or customer, under a key of its own."""
        return Asked(
            actor_id=self.customer_id, key=key or f"key-{next(self._keys)}", request_id="test"
        )

    async def start(self, order: Order, key: str | None = None) -> Payment:
        """Start a payment."""
        ask = NewPayment(provider="sandbox")
        return (await self.payments.start(self.shop.id, order.id, ask, self.asked(key))).answer

    async def send(self, payment: Payment, kind: EventKind = "captured", **fields: Any) -> None:
        """Let the sandbox send its event."""
        headers, body = self.sandbox.sign(event_for(payment, kind, SandboxAsk(**fields)))
        await self.payments.receive("sandbox", headers, body)

    async def pay(self, order: Order) -> Payment:
        """Start a payment and let it succeed."""
        payment = await self.start(order)
        await self.send(payment)
        return payment

    async def paid(self, quantity: int = 1) -> Order:
        """Place an order and pay it."""
        order = await self.place(quantity)
        await self.pay(order)
        return await self.order(order.id)

    async def cancel(self, order: Order, key: str | None = None) -> Order:
        """Cancel an order."""
        asked = self.asked(key)
        return (await self.orders.cancel(self.shop.id, order.id, Cancel(), asked)).answer

    async def order(self, order_id: UUID) -> Order:
        """The order as it is now."""
        return await self.orders.get(self.shop.id, order_id)

    async def payment(self, payment: Payment) -> Payment:
        """The payment as it is now."""
        return await self.payments.find(payment.id)

    async def refunds_of(self, order: Order) -> list[Refund]:
        """The refunds of an order."""
        return await self.refunds.list_refunds(self.shop.id, order.id)

    async def reservation(self, order: Order) -> Reservation | None:
        """The latest reservation of an order."""
        [found] = await self.reservations.reservations(self.shop.id, [order.id])
        return found

    async def counts(self) -> tuple[int, int, int]:
        """On hand, held and committed, over all warehouses."""
        page = await self.stock.stock(self.shop.id, StockList())
        rows = page.items
        return (
            sum(row.on_hand for row in rows),
            sum(row.held for row in rows),
            sum(row.committed for row in rows),
        )

    async def make_due(self) -> None:
        """Let all that waits for its time be due now, as if time had passed."""

        async def move(connection: Connection) -> None:
            for table, column in (
                ("payment_events", "next_try_at"),
                ("refunds", "next_try_at"),
                ("shipments", "next_try_at"),
                ("returns", "next_try_at"),
                ("orders", "stock_check_at"),
                ("orders", "leased_until"),
                ("payments", "close_at"),
                ("payments", "look_up_at"),
            ):
                await connection.execute(
                    f"UPDATE orders.{table} SET {column} = statement_timestamp() - interval '1 s'"  # noqa: S608
                    f" WHERE {column} IS NOT NULL"
                )

        await self.database.transaction(move)

    async def sweep(self) -> None:
        """Do what the background loop does, until it has nothing more to do."""
        for _ in range(3):
            await self.make_due()
            for sweep in (
                self.orders.sweep,
                self.payments.sweep,
                self.refunds.sweep,
                self.shipments.sweep,
                self.returns.sweep,
            ):
                await sweep(MANY)

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Look into the database."""

        async def read(connection: Connection) -> list[Any]:
            rows: list[Any] = await connection.fetch(query, *values)
            return rows

        return await self.database.read(read)

    async def transitions(self, order: Order) -> list[str]:
        """What the order has become, in order."""
        rows = await self.fetch(
            "SELECT to_status FROM orders.transitions WHERE shop_id = $1 AND order_id = $2"
            " ORDER BY sequence",
            self.shop.id,
            order.id,
        )
        return [row["to_status"] for row in rows]

    async def outcomes(self) -> list[str | None]:
        """What the payment events came to, in the order in which they came."""
        rows = await self.fetch(
            "SELECT outcome FROM orders.payment_events WHERE shop_id = $1 ORDER BY received_at, id",
            self.shop.id,
        )
        return [row["outcome"] for row in rows]

    async def check(self) -> None:
        """All invariants hold."""
        verdict = await audit(self.database)
        assert verdict.holds, "\n".join(report(verdict))


def placed(answer: Answered[Order] | Refusal) -> Order:
    """Return the order, raise the refusal."""
    if isinstance(answer, Refusal):
        raise answer
    return answer.answer


def refused(answers: Sequence[Answered[Order] | Refusal]) -> list[str]:
    """The codes of the refusals, "" for what was done."""
    return [answer.code if isinstance(answer, Refusal) else "" for answer in answers]
