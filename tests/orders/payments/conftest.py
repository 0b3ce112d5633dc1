"""Fixtures of the payments' tests."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from lockstock.app import Services
from lockstock.audit.service import audit, report
from tests.conftest import OpenShop, Register
from tests.orders.payments.till import PRICE_MINOR, Till, answered


@pytest.fixture
async def till(
    client: httpx2.AsyncClient, services: Services, register: Register, open_shop: OpenShop
) -> AsyncIterator[Till]:
    """An open shop. Whatever happens at its till, all invariants hold afterwards."""
    owner, customer = await register(), await register()
    shop = await open_shop(owner)
    base = f"/v1/shops/{shop['id']}"
    product = {"name": "Tea", "variants": [{"sku": "T1", "price_minor": PRICE_MINOR}]}
    made = await client.post(f"{base}/products", json=product, headers=owner.headers)
    variant_id = answered(made)["variants"][0]["id"]
    received = await client.post(
        f"{base}/warehouses/{shop['warehouses'][0]['id']}/receive",
        json={"lines": [{"variant_id": variant_id, "quantity": 10}]},
        headers=owner.headers,
    )
    answered(received, 200)
    yield Till(client, services, owner, customer, shop, variant_id)
    verdict = await audit(services.orders.database)
    assert verdict.holds, "\n".join(report(verdict))
