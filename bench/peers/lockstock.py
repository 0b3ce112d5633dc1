"""The sale at Lockstock: place an order, open a payment, let the sandbox take the money."""

from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from bench.peers.sale import BUYERS, UNITS, Refused, Sale, sell
from bench.peers.wire import Answer, Buyer
from bench.servers import lockstock
from bench.shop import tokens
from bench.stage import EMPTY, OWNER, Stage, stage

SOLD = """
SELECT coalesce(sum(quantity), 0)::bigint FROM warehouses.allocations
WHERE status = 'committed'
"""


async def run(processes: int) -> Sale:
    """Sell, and let the audit say whether it was sound."""
    async with stage(BUYERS) as set_up:
        url = await set_up.databases.create("sale", EMPTY)
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(lockstock(url)) for _ in range(processes)]
            variant = await _stock_up(servers[0].address, set_up)
            buyers = [line.split()[1] for line in tokens(BUYERS)]
            path = f"/v1/shops/{set_up.shop_id}/orders"
            asked = {"lines": [{"variant_id": variant, "quantity": 1}]}

            async def buy(buyer: Buyer, number: int) -> None:
                headers = {"Authorization": f"Bearer {buyers[number]}", "Idempotency-Key": "sale"}
                order = _good(await buyer.post(path, asked, headers))
                payment = _good(await buyer.post(order["pay"], {"provider": "sandbox"}, headers))
                _good(await buyer.post(f"/v1/sandbox/payments/{payment['id']}/succeed", {}, {}))

            async def sold() -> int:
                return await _value(url, SOLD)

            found = await sell("Lockstock", [one.address for one in servers], buy, sold)
        await set_up.audit("sale")
        return found


def _good(answer: Answer) -> dict[str, Any]:
    if answer.status == 409:
        raise Refused
    if answer.status >= 300:
        raise RuntimeError(f"{answer.status}: {answer.body}")
    found: dict[str, Any] = answer.body
    return found


async def _stock_up(address: str, set_up: Stage) -> str:
    """Make the product and receive its units, by the API; return the id of its variant."""
    owner = Buyer(address)
    token = _good(await owner.post("/v1/login", OWNER, {}))["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "stock"}
    path = f"/v1/shops/{set_up.shop_id}"
    asked = {"name": "Teapot", "variants": [{"sku": "TEAPOT", "price_minor": 1250}]}
    made = _good(await owner.post(f"{path}/products", asked, headers))
    variant: str = made["variants"][0]["id"]
    lines = [{"variant_id": variant, "quantity": UNITS}]
    into = f"{path}/warehouses/{set_up.warehouses[0]}/receive"
    _good(await owner.post(into, {"lines": lines}, headers))
    await owner.close()
    return variant


async def _value(url: str, statement: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(statement)
        return found
    finally:
        await connection.close()
