"""The demo shop is sound, and reads like any other."""

from collections import Counter

import asyncpg
import pytest

from lockstock.app import Services
from lockstock.audit.service import audit
from lockstock.demo.greeting import PASSWORD, SHOPPER, STAFF
from lockstock.demo.service import SHOP_ID
from lockstock.orders.contract import Asked, OrderList
from lockstock.orders.payments.contract import NewRefund
from lockstock.products.contract import ProductList
from lockstock.users.contract import Login
from lockstock.warehouses.stock.contract import MovementList
from lockstock.warehouses.transfers.contract import TransferList
from tests.demo.rows import assert_sound, content


@pytest.fixture
def database_url(loaded_url: str) -> str:
    """All tests here look at a shop that is loaded."""
    return loaded_url


async def test_every_invariant_holds_and_sweeps_find_nothing_to_tidy(
    services: Services, database_url: str
) -> None:
    await assert_sound(services)
    before = await content(database_url)
    for sweeper in (
        services.reservations,
        services.orders,
        services.payments,
        services.refunds,
        services.shipments,
        services.returns,
    ):
        await sweeper.sweep(500)
    assert await content(database_url) == before


async def test_the_audit_would_see_a_past_that_cannot_be(
    services: Services, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE warehouses.allocations SET status = 'committed' WHERE status = 'expired'"
    )
    await connection.close()
    assert not (await audit(services.warehouses.database)).holds


async def test_the_printed_logins_work_in_their_roles(services: Services) -> None:
    for member in STAFF:
        await services.users.login(Login(identifier=member.email, password=PASSWORD), "127.0.0.1")
        user = await services.users.find(member.email)
        assert user is not None
        assert await services.shops.role_of(SHOP_ID, user.id) == member.role
    await services.users.login(Login(identifier=SHOPPER, password=PASSWORD), "127.0.0.1")


async def test_the_past_reads_like_any_other(services: Services) -> None:
    orders = await services.orders.list_orders(SHOP_ID, OrderList(limit=200))
    assert {"completed", "shipped", "expired", "cancelled"} <= {order.status for order in orders}
    for order in orders[:50]:
        await services.payments.list_payments(SHOP_ID, order.id)
        await services.refunds.list_refunds(SHOP_ID, order.id)
        await services.shipments.list_shipments(SHOP_ID, order.id)
        await services.returns.list_returns(SHOP_ID, order.id)
    moves = await services.stock.movements(SHOP_ID, MovementList(limit=200))
    assert Counter(move.kind for move in moves.items)["ship"] > 10
    transfers = await services.transfers.list_transfers(SHOP_ID, TransferList())
    assert transfers.items
    page = await services.products.list_products(ProductList(shop_id=SHOP_ID, limit=100))
    assert len(page.items) == 60
    assert any(product.available == 0 for product in page.items)


async def test_an_order_of_the_past_can_be_refunded_today(services: Services) -> None:
    [order, *_] = await services.orders.list_orders(SHOP_ID, OrderList(status="completed"))
    asked = Asked(actor_id=order.customer_id, key="sorry", request_id="request")
    ask = NewRefund(amount_minor=1, reason="a button was missing")
    await services.refunds.refund(SHOP_ID, order.id, ask, asked)
    assert await services.refunds.sweep(10) == 1
    await assert_sound(services)
