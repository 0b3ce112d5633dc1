"""The words of the story that all examples tell: who, what, when, at which price.

`WORDS` by the name of a field, wherever it fits; `PATHS` by the name of a parameter of a path.
Times are of one afternoon.
"""

from collections.abc import Mapping
from typing import Any, Final


class _LeftOut:
    """Stands for a member that an example has not."""


LEFT_OUT: Final = _LeftOut()


def _id(number: int) -> str:
    return f"019ab0c4-7c1e-7d05-8f3e-0d4c2b9f6a{number:02x}"


ANN, BEN, SHOP, WAREHOUSE, OUTLET = (_id(n) for n in range(0x11, 0x16))
PRODUCT, TEAPOT, ORDER, PAYMENT, REFUND = (_id(n) for n in range(0x21, 0x26))
SHIPMENT, RETURN, TRANSFER, SESSION, KEY = (_id(n) for n in range(0x31, 0x36))
INVITATION, REQUEST, EVENT, WEBHOOK, DELIVERY = (_id(n) for n in range(0x41, 0x46))
NOON, LATER, MUCH_LATER = (f"2026-11-23T{time}Z" for time in ("12:00:00", "12:10:00", "18:00:00"))
NEXT_WEEK = "2026-11-30T12:00:00Z"
PRICE = {"amount_minor": 1250, "currency": "EUR"}
TOTAL = {"amount_minor": 2500, "currency": "EUR"}
LINES = [{"variant_id": TEAPOT, "quantity": 2}]
ACCESS_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTlhYjBjNCJ9.Zm9yLXRoZS1leGFtcGxl"  # noqa: S105
REFRESH_TOKEN = "3q2-7wAAAAAAq83vEjRWeJq83vEjRWeJq83vEjRWeJo"  # noqa: S105
PASSWORD = "correct horse battery"  # noqa: S105

WORDS: Mapping[str, Any] = {
    "access_token": ACCESS_TOKEN,
    "active": True,
    "actor_id": ANN,
    "allocation": "fewest_warehouses",
    "amount": TOTAL,
    "as_of": NOON,
    "at": LATER,
    "attributes": {"colour": "blue"},
    "available": 18,
    "code": "493028",
    "count": 1,
    "created_at": NOON,
    "created_by": ANN,
    "currency": "EUR",
    "customer_id": BEN,
    "description": "Holds one litre.",
    "event_id": PAYMENT,
    "expected_at": NEXT_WEEK,
    "expires_at": LATER,
    "expires_in": 900,
    "from_warehouse_id": WAREHOUSE,
    "has_password": True,
    "id": _id(0xFF),
    "identifier": "ann@example.com",
    "is_admin": False,
    "key": "lsk_sec_2Uw5mX8pR1vYk7Hc3Tq9Zb4Nf6Jd0Gs1La8We5",
    "kind": "secret",
    "largest": 18,
    "last_used_at": LATER,
    "latitude": 52.52,
    "longitude": 13.405,
    "may_split": True,
    "name": "Corner shop",
    "new_password": "another long battery",
    "next": None,
    "occurred_at": NOON,
    "order_id": ORDER,
    "password": PASSWORD,
    "current_password": PASSWORD,
    "payment_id": PAYMENT,
    "phone": LEFT_OUT,
    "prefix": "lsk_sec_2Uw5",
    "price": PRICE,
    "price_minor": 1250,
    "product_id": PRODUCT,
    "provider": "sandbox",
    "published": True,
    "quantity": 2,
    "reason": "delivery 17",
    "refresh_token": REFRESH_TOKEN,
    "request_id": REQUEST,
    "reservation_seconds": 600,
    "role": "clerk",
    "sequence": 1,
    "kinds": ["order.paid"],
    "sentences": ["18 can be sold: 20 are on hand, 2 of them are held for unpaid orders."],
    "url": "https://shop.example.com/lockstock",
    "shop_id": SHOP,
    "since": NOON,
    "sku": "POT-1",
    "skus": ["POT-1"],
    "to_warehouse_id": OUTLET,
    "total": TOTAL,
    "unit_price": PRICE,
    "updated_at": LATER,
    "user_id": BEN,
    "variant_id": TEAPOT,
    "variant_ids": [TEAPOT],
    "warehouse_id": WAREHOUSE,
}

# By the name of a parameter of a path.
PATHS: Mapping[str, str] = {
    "shop": SHOP,
    "user": BEN,
    "session": SESSION,
    "kind": "email",
    "value": "ann@example.com",
    "key": KEY,
    "invitation": INVITATION,
    "product": PRODUCT,
    "variant": TEAPOT,
    "warehouse": WAREHOUSE,
    "transfer": TRANSFER,
    "order": ORDER,
    "payment": PAYMENT,
    "provider": "stripe",
    "webhook": WEBHOOK,
    "delivery": DELIVERY,
    "event": EVENT,
}
