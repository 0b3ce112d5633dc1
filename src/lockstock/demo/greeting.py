"""What the demo says when it is ready: where, who, and three lines to try."""

import json
from dataclasses import dataclass
from uuid import UUID

from lockstock.kernel.access import Role

# Of the staff and of one customer, and printed for everybody: it guards nothing.
PASSWORD = "lockstock-demo"  # noqa: S105
SHOPPER = "customer@demo.example"


@dataclass(frozen=True)
class Member:
    """Somebody who works in the demo shop."""

    name: str
    email: str
    role: Role


STAFF = (
    Member("Olivia Owner", "owner@demo.example", "owner"),
    Member("Marek Manager", "manager@demo.example", "manager"),
    Member("Carla Clerk", "clerk@demo.example", "clerk"),
    Member("Viktor Viewer", "viewer@demo.example", "viewer"),
)


@dataclass(frozen=True)
class DemoShop:
    """The demo shop, and a variant of it that can be ordered (None: its SKU was changed)."""

    id: UUID
    name: str
    variant_id: UUID | None


def curl_lines(address: str, shop: DemoShop) -> list[str]:
    """Return lines for a POSIX shell. They need curl and sed, and the last one those before it."""
    login = json.dumps({"identifier": SHOPPER, "password": PASSWORD})
    content = "-H 'Content-Type: application/json'"
    logged_in = f"curl -s '{address}/v1/login' {content} -d '{login}'"
    cut = """sed -E 's/.*"access_token": *"([^"]+)".*/\\1/'"""
    lines = [
        f"curl -s '{address}/v1/products?shop={shop.id}&in_stock=true&limit=5'",
        f"TOKEN=$({logged_in} | {cut})",
    ]
    if shop.variant_id is not None:
        order = json.dumps({"lines": [{"variant_id": str(shop.variant_id), "quantity": 2}]})
        lines.append(
            f"curl -s '{address}/v1/shops/{shop.id}/orders' {content}"
            f""" -H "Authorization: Bearer $TOKEN" -H 'Idempotency-Key: my-first' -d '{order}'"""
        )
    return lines


def greeting(address: str, shop: DemoShop) -> str:
    """Return the text to print. Its lines must not be wrapped: they are there to be copied."""
    logins = [f"  {member.email:<24}{member.role}" for member in STAFF]
    parts = [
        f"{shop.name} is open at {address}",
        f"  {address + '/docs':<40}  every call of the API, in the browser",
        f"Log in as one of these, with the password  {PASSWORD}",
        "\n".join([*logins, f"  {SHOPPER:<24}customer"]),
        "Three lines to try: what is in stock, a login, an order. The order again: the same one.",
        "\n\n".join(curl_lines(address, shop)),
        "Ctrl-C stops it. What you did is still there at the next start.",
    ]
    return "\n\n".join(parts) + "\n"
