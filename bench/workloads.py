"""What is asked of the servers: lines for the load driver, made before the clock runs."""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from bench.shop import PAYMENT, VARIANT, Shop, id_of, price_of

# Prepared before a run: wrk goes round and round, each time with a new key.
DISTINCT = 20_000
LIST_LIMIT = 20
ZIPF_EXPONENT = 1.1
PLACED = frozenset({201, 503})
REFUSED = PLACED | {409}


@dataclass(frozen=True)
class Workload:
    """Lines for the driver: method, path, further headers, body."""

    name: str
    lines: Sequence[str]
    statuses: frozenset[int] = PLACED
    # How often each request is sent with the same key.
    copies: int = 1
    # Whether each order is paid.
    is_paid: bool = False


def line_of(method: str, path: str, body: object = None, headers: str = "") -> str:
    """Write one line."""
    return f"{method}\t{path}\t{headers}\t{'' if body is None else json.dumps(body)}"


def checkout(shop: Shop, lines: Sequence[tuple[UUID, int]]) -> str:
    """Write the checkout of some variants, each with its quantity."""
    asked = [{"variant_id": str(variant), "quantity": count} for variant, count in lines]
    return line_of("POST", f"/v1/shops/{shop.id}/orders", {"lines": asked})


def flash(shop: Shop) -> Workload:
    """Everybody buys one unit of the same variant, of which one warehouse has plenty."""
    return Workload("flash", [checkout(shop, [(shop.hot, 1)])])


def alike(shop: Shop, seed: int = 1) -> Workload:
    """All variants are bought alike: 1 to 3 lines, 5 warehouses."""
    draw = random.Random(seed)
    return Workload("alike", [_basket(shop, draw) for _ in range(DISTINCT)])


def _basket(shop: Shop, draw: random.Random) -> str:
    chosen = draw.sample(range(shop.variants), draw.randint(1, 3))
    return checkout(shop, [(id_of(VARIANT, number), 1) for number in chosen])


def zipf(shop: Shop, seed: int = 2) -> Workload:
    """A few variants are bought by most: the n-th in proportion to n^-1.1."""
    draw = random.Random(seed)
    weights = [1 / (n + 1) ** ZIPF_EXPONENT for n in range(shop.variants)]
    chosen = draw.choices(range(shop.variants), weights, k=DISTINCT)
    return Workload("zipf", [checkout(shop, [(id_of(VARIANT, n), 1)]) for n in chosen])


def scarce(shop: Shop, seed: int = 3) -> Workload:
    """Of each variant there is little: the first get it, all others are refused."""
    draw = random.Random(seed)
    chosen = [draw.choice(shop.scarce) for _ in range(DISTINCT)]
    lines = [checkout(shop, [(variant, draw.randint(1, 2))]) for variant in chosen]
    return Workload("scarce", lines, statuses=REFUSED)


def retries(shop: Shop) -> Workload:
    """Each request is sent twice with one key, the second while the first is at work."""
    # 409 outcome: the first is not done yet. It is an answer, though not that of a done checkout.
    return Workload("retries", alike(shop, seed=4).lines, statuses=REFUSED, copies=2)


def mixed(shop: Shop, pages: Sequence[str], seed: int = 5) -> Workload:
    """What a shop sees: nine pages of the list for each checkout, and each order is paid."""
    draw = random.Random(seed)
    buying = alike(shop, seed).lines
    lines = [line if draw.random() < 0.1 else draw.choice(pages) for line in buying]
    return Workload("mixed", lines, PLACED | {200, 202}, is_paid=True)


def listing(pages: Sequence[str]) -> Workload:
    """Pages of the list of products, in any order."""
    return Workload("list", pages, frozenset({200}))


def page_of(shop: Shop, cursor: str | None) -> str:
    """Write the request for the page of the list after a cursor."""
    after = "" if cursor is None else f"&cursor={cursor}"
    return line_of("GET", f"/v1/products?shop={shop.id}&sort=name&limit={LIST_LIMIT}{after}")


def events(shop: Shop, first: int, count: int, signing_key: str) -> Workload:
    """The sandbox says of open payments, each once, that it has taken the money."""
    secret = hashlib.sha256(f"sandbox-webhook:{signing_key}".encode()).digest()
    lines = list(_events(shop, range(first, first + count), secret))
    return Workload("events", lines, frozenset({200, 202, 204}))


def _events(shop: Shop, numbers: range, secret: bytes) -> Iterator[str]:
    now = int(time.time())
    for number in numbers:
        event_id = f"bench-{number}"
        event = {
            "event_id": event_id,
            "shop_id": str(shop.id),
            "order_id": str(shop.order_of(number)),
            "payment_id": str(id_of(PAYMENT, number)),
            "kind": "captured",
            "amount_minor": price_of(number % shop.variants),
            "currency": shop.currency,
            "created": now,
        }
        signed = f"{event_id}.{now}.{json.dumps(event)}".encode()
        signature = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
        headers = f"webhook-id: {event_id}|webhook-timestamp: {now}"
        headers += f"|webhook-signature: v1,{signature}"
        yield line_of("POST", "/v1/webhooks/sandbox", event, headers)
