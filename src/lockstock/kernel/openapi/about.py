"""What the description says of the API as a whole."""

from typing import Any

ABOUT = """
**First steps**, on this page: `POST /v1/users`, then `POST /v1/login`. Copy `access_token` from
its answer into **Authorize** (*accessToken*), and all other calls are yours to try. The first
shop is one `POST /v1/shops` away.

**Ids** are opaque strings. **Times** are RFC 3339 in UTC; the server's clock is the only one.
**Money** is whole minor units and a currency: `{"amount_minor": 1250, "currency": "EUR"}` is
12.50 €. **Quantities** are whole units.

**Input is strict.** Unknown fields and parameters are refused (422, naming them), and nothing is
converted: `"2"`, `2.0` and `true` are not the number 2. **Answers grow**: ignore members that you
do not know.

**Errors** are `application/problem+json` (RFC 9457). Decide by `code`, which is stable; `detail`
is for people. `request_id` is on the server's log lines of the request, and in the header
`X-Request-Id`. A 4xx left no effect.

**Idempotency.** Where `Idempotency-Key` is required or taken, choose a new one for each intent: 1
to 255 visible ASCII characters. The same key and body have one effect and one answer, marked
`Idempotency-Replayed: true` when it is given again. The same key with another body is refused.
After a 5xx, or no answer at all, send the same request with the same key: it finds out what
happened.

**Lists** answer `{"items": […], "next": …}`. `next` is the `cursor` of the page after it, null on
the last one; the header `Link` has its address. A cursor is good for the list it came from, with
the same filters and order.

**Editing together.** What can be edited has an `ETag`. A change with `If-Match` is made only if
nobody has changed the thing since; else it answers 412. `GET` with `If-None-Match` answers 304
where nothing is new.
""".strip()

TAGS = (
    ("users", "Accounts, logins, one-time codes, sessions, identities."),
    ("shops", "Shops, their settings, and who works there."),
    ("invitations", "How somebody comes to work in a shop."),
    ("API keys", "A shop's own programs, each with what it may do."),
    ("products", "What is sold, in which variants, at which price."),
    ("warehouses", "The buildings of a shop, switched on and off."),
    ("stock", "What is in them, and the ledger of every change."),
    ("transfers", "Units on their way from one warehouse to another."),
    ("orders", "What customers buy. Stock is locked for all lines, or for none."),
    ("payments", "Attempts to pay an order, and what providers say."),
    ("refunds", "Money that goes back."),
    ("shipments", "Parcels that leave, each from one warehouse."),
    ("returns", "Units that come back."),
    ("events", "What has happened in a shop, in order and without gaps."),
    ("webhooks", "The same, sent to an address of yours."),
    ("stream", "What can be sold, live."),
    ("sandbox", "A payment provider for development and tests."),
    ("operations", "What an operator asks of a process."),
)

SECURITY_SCHEMES: dict[str, Any] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A person: the `access_token` of `POST /v1/login`.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "lsk_…",
        "description": (
            "A program: a key of `POST /v1/shops/{shop}/api-keys`, sent where a person sends an"
            " access token. With a publishable key the header `Lockstock-Customer` says which"
            " customer it is."
        ),
    },
}

HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "The request's id: the one that was sent, or a new one.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true` where this answer was given before, to the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {
        "description": "The state that is answered, for `If-Match` and `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": 'The address of the next page, without the host: `<…>; rel="next"`.',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Come back after so many seconds.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {
        "description": "`Bearer`.",
        "schema": {"type": "string"},
    },
}
