"""What the API answers, as far as this client reads it. An answer may have more members.

Ids are opaque strings, times RFC 3339, quantities whole units. Not the services' own nouns: those
forbid what they do not know, and a client must get on with a newer server.
"""

from typing import Generic, Literal, TypedDict, TypeVar

T = TypeVar("T")

Role = Literal["owner", "manager", "clerk", "viewer"]


class Money(TypedDict):
    """An amount in minor units of a currency."""

    amount_minor: int
    currency: str


class Page(TypedDict, Generic[T]):
    """One page of a list; `next` is the cursor of the page after it."""

    items: list[T]
    next: str | None


class Items(TypedDict, Generic[T]):
    """All that was asked for, without pages."""

    items: list[T]


class Identity(TypedDict):
    """An e-mail address or a phone number."""

    kind: Literal["email", "phone"]
    value: str


class User(TypedDict):
    """A person with an account."""

    id: str
    identities: list[Identity]


class LoginSession(TypedDict):
    """What is logged in. `current`: it is the one that asks."""

    id: str
    created_at: str
    last_used_at: str
    address: str | None
    user_agent: str | None
    current: bool


class CodeRequested(TypedDict):
    """A code was sent, if there is such an account. `expires_in` seconds."""

    expires_in: int


class Tokens(TypedDict):
    """What a login gives."""

    access_token: str
    refresh_token: str
    expires_in: int


class Warehouse(TypedDict):
    """A building with stock."""

    id: str
    name: str
    active: bool


class Shop(TypedDict):
    """A shop, and its warehouses where it was just made."""

    id: str
    name: str
    currency: str
    reservation_seconds: int


class NewShop(Shop):
    """A shop as it is answered when it was made."""

    warehouses: list[Warehouse]


class Member(TypedDict):
    """Somebody who works in a shop."""

    user_id: str
    role: Role
    since: str


class Invitation(TypedDict):
    """An invitation that is open."""

    id: str
    identifier: str
    role: Role
    expires_at: str


class ApiKey(TypedDict):
    """An API key: all but the key itself."""

    id: str
    name: str
    kind: Literal["secret", "publishable"]
    scopes: list[str]
    prefix: str
    last_used_at: str | None
    revoked_at: str | None


class MadeApiKey(ApiKey):
    """A new API key. `key` is shown this once."""

    key: str


class Switched(TypedDict):
    """A warehouse that was switched on or off."""

    warehouse: Warehouse
    dry_run: bool
    kept_orders: int
    kept_transfers: int
    moved: list[str]
    stranded: list[str]


class Variant(TypedDict):
    """What is stocked and sold."""

    id: str
    sku: str
    price: Money
    # Null for customers of a shop that hides its numbers.
    available: int | None
    availability: Literal["in_stock", "low", "out"]
    attributes: dict[str, str]


class Product(TypedDict):
    """A product and its variants."""

    id: str
    shop_id: str
    name: str
    description: str | None
    published: bool
    available: int | None
    availability: Literal["in_stock", "low", "out"]
    variants: list[Variant]


class StockRow(TypedDict):
    """The stock of one variant in one warehouse, in units."""

    warehouse_id: str
    variant_id: str
    on_hand: int
    held: int
    committed: int
    available: int
    incoming: int


class PastStockRow(TypedDict):
    """What was on hand of one variant in one warehouse at a past moment, in units."""

    warehouse_id: str
    variant_id: str
    on_hand: int
    as_of: str


class Movement(TypedDict):
    """One line of the ledger: a change of `on_hand`, and what it was after."""

    warehouse_id: str
    variant_id: str
    sequence: int
    delta: int
    balance: int
    kind: str
    reason: str | None
    occurred_at: str


class FoundVariant(TypedDict):
    """A variant, and the name of its product."""

    variant_id: str
    product_id: str
    sku: str
    name: str
    price: Money


class TransferLine(TypedDict):
    """A variant of a transfer, and what has become of its units."""

    variant_id: str
    quantity: int
    dispatched: int
    received: int
    damaged: int
    returned: int
    lost: int
    outstanding: int


class Transfer(TypedDict):
    """Units on their way from one warehouse to another."""

    id: str
    from_warehouse_id: str
    to_warehouse_id: str
    status: Literal[
        "draft",
        "ready",
        "in_transit",
        "partly_received",
        "received",
        "cancelled",
        "closed_short",
    ]
    lines: list[TransferLine]
    expected_at: str | None
    overdue: bool


class AllocationReason(TypedDict):
    """Why this warehouse gives these units, as it was when it was decided."""

    code: str
    strategy: str
    candidates: int
    tied: int
    decided_by: str | None
    turn: int
    distance_km: float | None
    text: str


class Allocation(TypedDict):
    """So many units of a variant from one warehouse. `reason`: null where it was not kept."""

    warehouse_id: str
    variant_id: str
    quantity: int
    reason: AllocationReason | None


class OrderLine(TypedDict):
    """So many units of a variant at a price."""

    variant_id: str
    sku: str
    quantity: int
    unit_price: Money
    total: Money


class OrderId(TypedDict):
    """Which order, of which shop."""

    id: str
    shop_id: str


class Order(OrderId):
    """An order as it is now."""

    customer_id: str
    status: Literal[
        "awaiting_payment",
        "paid",
        "partly_shipped",
        "shipped",
        "completed",
        "cancelled",
        "expired",
    ]
    total: Money
    lines: list[OrderLine]
    allocations: list[Allocation]
    created_at: str
    expires_at: str


class Payment(TypedDict):
    """An attempt to pay an order."""

    id: str
    status: str
    pay_url: str | None


class Received(TypedDict):
    """A provider's event was taken."""

    event_id: str


class TimingOut(TypedDict):
    """So many of the next calls of a kind time out."""

    order_id: str
    call: str
    times: int


class Refund(TypedDict):
    """Money that goes back."""

    id: str
    status: str
    amount: Money


class Shipment(TypedDict):
    """A parcel that leaves a warehouse."""

    id: str
    status: str


class ReturnPart(TypedDict):
    """So many units of a return, where they went out from, and where they come back to."""

    variant_id: str
    quantity: int
    from_warehouse_id: str
    to_warehouse_id: str
    condition: Literal["good", "damaged"]


class Return(TypedDict):
    """Units that come back, and the money that goes back for them."""

    id: str
    status: str
    parts: list[ReturnPart]
    refund: Money
