"""P9: what another process says of the stock after a sale, when read and on the stream."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import httpx2

from bench.driver import Unsound
from bench.figures import Effort, Section
from bench.measures.holds import buy
from bench.seed import PLENTY
from bench.servers import lockstock
from bench.shop import VARIANT, Shop, id_of
from bench.stage import WAREHOUSES, Stage

SALES = 40
PATIENCE_SECONDS = 10.0


async def freshness(stage: Stage, effort: Effort) -> Section:
    """Buy at one process; read and listen at another."""
    section = Section("Freshness")
    shop = await stage.fill("fresh", effort.variants)
    url = stage.databases.url("fresh")
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=(await stack.enter_async_context(lockstock(url))).address, timeout=30
                )
            )
            for _ in range(2)
        ]
        reads = await _read_after_sale(here, there, shop)
        delays = await _delays(here, there, shop)
    await stage.audit("fresh")
    section.add(f"{SALES} reads of another process after a sale, exact", "of 1", [reads])
    if delays is None:
        section.remarks.append("P9: there is no stream yet; reads were exact.")
    else:
        # All of them have to be in time.
        section.reach("P9", [max(delays)])
        section.add("from a sale's answer to the stream of another process", "s", delays)
    return section


async def _read_after_sale(
    here: httpx2.AsyncClient, there: httpx2.AsyncClient, shop: Shop
) -> float:
    path = f"/v1/products?shop={shop.id}&sort=name&limit=1"
    for sold in range(1, SALES + 1):
        bought = await buy(here, shop, id_of(VARIANT, 0), f"read-{sold}")
        bought.raise_for_status()
        [product] = (await there.get(path)).json()["items"]
        if product["available"] != PLENTY * WAREHOUSES - sold:
            message = f"another process read {product['available']} after {sold} sales"
            raise Unsound(message)
    return 1.0


async def _delays(
    here: httpx2.AsyncClient, there: httpx2.AsyncClient, shop: Shop
) -> list[float] | None:
    """Return from each sale's answer until the stream told of it; None without a stream."""
    variant = id_of(VARIANT, 1)
    async with _stream(there, shop, variant) as news:
        if news is None:
            return None
        found = []
        for sold in range(1, SALES + 1):
            bought = await buy(here, shop, variant, f"stream-{sold}")
            bought.raise_for_status()
            began = time.monotonic()
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for available in news:
                    if available <= PLENTY * WAREHOUSES - sold:
                        break
            found.append(time.monotonic() - began)
            # The next sale comes at any moment of the feed's turn.
            await asyncio.sleep(0.037 * (sold % 7))
        return found


@asynccontextmanager
async def _stream(
    client: httpx2.AsyncClient, shop: Shop, variant: UUID
) -> AsyncIterator[AsyncIterator[int] | None]:
    path = f"/v1/stream/stock?shop={shop.id}&variant={variant}"
    async with client.stream("GET", path, timeout=PATIENCE_SECONDS) as response:
        if response.status_code == 404:
            yield None
            return
        response.raise_for_status()
        yield _available(response.aiter_lines(), variant)


async def _available(lines: AsyncIterator[str], variant: UUID) -> AsyncIterator[int]:
    async for line in lines:
        if not line.startswith("data:"):
            continue
        told = json.loads(line.removeprefix("data:"))
        for one in told if isinstance(told, list) else [told]:
            if one.get("variant_id") == str(variant) and one.get("available") is not None:
                yield int(one["available"])
