"""What the API tells of what has happened, and why. An answer may have more members."""

from typing import Any, Literal, Required, TypedDict


class HistoryEntry(TypedDict):
    """One thing that has happened to an order."""

    at: str
    kind: str
    subject_id: str | None
    from_status: str | None
    to_status: str | None
    reason: str | None


class Event(TypedDict):
    """Something that has happened in a shop. `sequence` is dense per shop, from 1."""

    id: str
    shop_id: str
    sequence: int
    kind: str
    subject_id: str
    data: dict[str, Any]
    occurred_at: str


class StockEvent(TypedDict, total=False):
    """What a stream says. `ready` and `reset` have no more than that."""

    event: Required[Literal["ready", "stock", "reset"]]
    variant_id: str
    # None where the shop hides its numbers.
    available: int | None
    availability: str
    at: str


class LowStock(TypedDict):
    """A variant that is low."""

    variant_id: str
    available: int


class Explanation(TypedDict):
    """Why a figure is what it is: figures by `question`, and sentences for people."""

    question: Literal["available", "on_hand", "order"]
    sentences: list[str]


class Webhook(TypedDict):
    """An address that a shop's events are sent to."""

    id: str
    url: str
    kinds: list[str]
    active: bool
    failing_since: str | None


class MadeWebhook(Webhook):
    """A webhook with its secret, which is shown this once."""

    secret: str


class Delivery(TypedDict):
    """An event on its way to a webhook."""

    id: str
    webhook_id: str
    kind: str
    status: str
