"""The audit finds what it is for: each invariant is broken by hand once, and seen."""

from typing import Any

import asyncpg
import httpx2
import pytest

from lockstock.app import Services
from lockstock.audit.service import audit, invariants, report
from lockstock.kernel.database import Database
from lockstock.kernel.postgres import EmbeddedPostgres
from tests.conftest import OpenShop, Register

# What is done to a sound database, by the invariant that must see it. The checks of the database
# itself are taken away first: they would refuse some of it.
DAMAGE = {
    "I1": "UPDATE warehouses.stock SET held = on_hand + 1",
    "I2": "UPDATE warehouses.stock SET on_hand = on_hand + 1",
    "I2a": "UPDATE warehouses.movements SET balance = balance + 1 WHERE sequence = 1",
    "I2b": "UPDATE warehouses.stock SET committed = committed + 1",
    "I3": "UPDATE warehouses.movements SET sequence = 9 WHERE sequence = 2",
    "I4": "UPDATE warehouses.movements SET kind = 'transfer_in' WHERE kind = 'receive'",
    "I4a": "UPDATE warehouses.allocations SET shipped = shipped - 1 WHERE shipped > 0",
    "I4b": """
        UPDATE orders.returns SET parts = jsonb_set(parts, '{0,condition}', '"good"')
    """,
    "I5": "UPDATE warehouses.reservations SET status = 'released', ended_at = now()",
    "I5a": """
        INSERT INTO warehouses.reservations
        SELECT shop_id, order_id, attempt + 1, customer_id, digest, 'committed', created_at,
            expires_at, null
        FROM warehouses.reservations WHERE status = 'committed'
    """,
    "I7": "UPDATE warehouses.movements SET delta = 1 WHERE kind = 'receive'",
    "I8": "UPDATE orders.orders SET total_minor = total_minor + 1",
    "I9": "UPDATE orders.payments SET status = 'pending'",
    "I9a": "UPDATE orders.lines SET quantity = quantity + 1",
    "I9b": "UPDATE orders.orders SET status = 'cancelled' WHERE status = 'paid'",
    "I9c": """
        INSERT INTO orders.refunds (shop_id, id, order_id, payment_id, amount_minor, currency,
            cause, status, tries, created_at, done_at)
        SELECT shop_id, id, order_id, id, captured_minor + 1, currency, 'asked', 'done', 1, now(),
            now()
        FROM orders.payments
    """,
    "I9d": "UPDATE orders.orders SET status = 'expired' WHERE status = 'paid'",
    "I10": "UPDATE orders.transitions SET to_status = 'completed' WHERE to_status = 'paid'",
    "I15": "UPDATE events.log SET kind = 'order.expired' WHERE kind = 'order.paid'",
    "I15a": "UPDATE events.counters SET last = last + 1",
    "I15b": "UPDATE events.log SET sequence = -sequence",
    "I17": "UPDATE warehouses.transfer_lines SET lost = lost + 1, received = received - 1",
    "I17a": "UPDATE warehouses.stock SET incoming = incoming + 1",
    "I17b": "UPDATE warehouses.transfer_steps SET from_status = 'ready' WHERE sequence = 1",
    "I18": "UPDATE warehouses.stock SET shop_id = gen_random_uuid()",
}
CHECKS = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint
    WHERE contype = 'c' AND connamespace IN ('warehouses'::regnamespace, 'orders'::regnamespace,
        'events'::regnamespace)
"""


@pytest.fixture
async def lived_in(
    client: httpx2.AsyncClient,
    services: Services,
    register: Register,
    open_shop: OpenShop,
    database: Database,
) -> Database:
    """One order that was shipped (a unit came back broken), one paid, one open, a transfer."""
    owner = await register()
    shop = await open_shop(owner)
    path, headers = f"/v1/shops/{shop['id']}", owner.headers

    async def post(rest: str, **asked: Any) -> Any:
        key = {"Idempotency-Key": f"{rest}{asked}"}
        answer = await client.post(f"{path}/{rest}", json=asked, headers=headers | key)
        assert answer.is_success, answer.text
        return answer.json()

    tea = await post("products", name="Tea", variants=[{"sku": "TEA", "price_minor": 450}])
    line = {"variant_id": tea["variants"][0]["id"], "quantity": 2}
    first = shop["warehouses"][0]["id"]
    second = (await post("warehouses", name="B"))["id"]
    await post(f"warehouses/{first}/receive", lines=[line | {"quantity": 20}])
    for verb in ("write-off", "damage"):
        await post(f"warehouses/{first}/{verb}", lines=[line], reason="fell down")
    await post(
        "transfers", from_warehouse_id=first, to_warehouse_id=second, lines=[line], immediate=True
    )
    # Two that travel: one is ready, of the other one unit arrived damaged and one is on its way.
    between = {"from_warehouse_id": first, "to_warehouse_id": second, "lines": [line]}
    waiting = await post("transfers", **between, reason="waits")
    sent = await post("transfers", **between, reason="travels")
    for transfer, step in ((waiting, "ready"), (sent, "ready"), (sent, "dispatch")):
        await post(f"transfers/{transfer['id']}/{step}")
    broken = {"variant_id": line["variant_id"], "damaged": 1}
    await post(f"transfers/{sent['id']}/receive", lines=[broken])
    for key in ("shipped", "paid", "open"):
        # Of the last one the events are still in the outbox.
        await services.relay.drain()
        order = await post("orders", lines=[line], ship_to={"name": key})
        if key == "open":
            continue
        payment = await post(f"orders/{order['id']}/payments", provider="sandbox")
        paid = await client.post(f"/v1/sandbox/payments/{payment['id']}/succeed", headers=headers)
        assert paid.is_success, paid.text
        if key == "shipped":
            await post(f"orders/{order['id']}/shipments")
            back = line | {"quantity": 1, "condition": "damaged"}
            await post(f"orders/{order['id']}/returns", lines=[back], refund=False)
    return database


async def test_a_sound_database_passes(lived_in: Database) -> None:
    verdict = await audit(lived_in)
    assert verdict.holds, "\n".join(report(verdict))
    assert verdict.figures["orders"] == 3
    assert report(verdict)[-1] == "Nothing was oversold. All holds."


def test_every_invariant_is_broken_once_here() -> None:
    assert [one.name for one in invariants()] == list(DAMAGE)


@pytest.mark.parametrize("name", list(DAMAGE))
async def test_the_audit_sees(
    lived_in: Database, postgres: EmbeddedPostgres, database_url: str, name: str
) -> None:
    # As superuser: the ledger refuses changes to everybody else.
    of_superuser = database_url.replace("lockstock@", "postgres@")
    connection = await asyncpg.connect(of_superuser)
    try:
        for statement in await connection.fetch(CHECKS):
            await connection.execute(statement[0])
        await connection.execute(DAMAGE[name])
    finally:
        await connection.close()
    verdict = await audit(lived_in)
    assert not verdict.holds
    assert name in {found.invariant.name for found in verdict.findings if found.rows}
    assert "BROKEN" in report(verdict)[-1]
