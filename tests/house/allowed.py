"""Exceptions to the rules of the house, each with its reason. The fewer the better.

An exception that nothing needs any more is a fault too, so this list only shrinks by itself.
"""

from collections.abc import Mapping

LISTING = "src/lockstock/products/listing/store.py"
IN_STOCK_LISTING = "src/lockstock/products/listing/in_stock/store.py"
_SORTED_PAGES = "one function picks it by shop, search and order from the mapping STATEMENTS"
_ALL_SHOPS = "a list over all shops may ask every node"
_SWEEP = "step one of a sweep: which shops have something due; step two is shop by shop"
_DDL = "runs the plain statements of this revision, one by one"
_SORTS = ("NAME", "NAME_BACKWARDS", "NEWEST", "PRICE", "PRICE_BACKWARDS")

_OPTIONS = "each parameter is an argument or an option of the command"

# By check.
SHAPE: Mapping[str, Mapping[str, str]] = {
    "wide_functions": {
        "src/lockstock/imports/cli.py: products": _OPTIONS,
        "src/lockstock/imports/cli.py: stock": _OPTIONS,
    },
}

LOOSE_SQL = {
    "src/lockstock/audit/service.py: _check": "the invariants are in a file of SQL of their own",
    **{
        f"src/lockstock/kernel/outbox.py: {name}": "the name of the service's schema is put in"
        for name in ("write_events", "shops_with_events", "delete_events")
    },
    "src/lockstock/kernel/migrate.py": "creates the schema that is named like the service",
    "src/lockstock/kernel/migrate.py: _state": "alembic's connection, not the service's",
    "src/lockstock/kernel/migrate.py: _upgrade": "alembic's connection, not the service's",
    "src/lockstock/kernel/migrate.py: _upgrade_alone": "alembic's connection, not the service's",
    f"{LISTING}: candidates": _SORTED_PAGES,
    f"{IN_STOCK_LISTING}: candidates_in_stock": _SORTED_PAGES,
    **{
        f"src/lockstock/{service}/migrations/0001_initial.py: upgrade": _DDL
        for service in ("users", "shops", "products", "warehouses", "orders", "events")
    },
    "src/lockstock/warehouses/migrations/0005_destinations.py: upgrade": _DDL,
    "src/lockstock/shops/migrations/0004_outbox.py: upgrade": _DDL,
    "src/lockstock/products/migrations/0002_outbox.py: upgrade": _DDL,
    "src/lockstock/products/migrations/0003_in_stock.py: upgrade": _DDL,
    "src/lockstock/events/migrations/0004_in_stock_cursors.py: upgrade": _DDL,
    "src/lockstock/warehouses/migrations/0007_outbox.py: upgrade": _DDL,
    "src/lockstock/warehouses/migrations/0008_low_stock.py: upgrade": _DDL,
    "src/lockstock/events/migrations/0003_low_stock_cursors.py: upgrade": _DDL,
    "src/lockstock/orders/migrations/0004_outbox.py: upgrade": _DDL,
    "src/lockstock/orders/migrations/0005_history.py: upgrade": _DDL,
    "src/lockstock/events/migrations/0002_webhooks.py: upgrade": _DDL,
    "src/lockstock/users/migrations/0002_sessions_from_where.py: upgrade": _DDL,
    "src/lockstock/shops/migrations/0002_keys_and_invitations.py: upgrade": _DDL,
    "src/lockstock/warehouses/migrations/0002_transfers.py: upgrade": _DDL,
    "src/lockstock/orders/migrations/0002_payments_at_providers.py: upgrade": _DDL,
    "src/lockstock/warehouses/migrations/0004_stock_as_of.py: upgrade": _DDL,
    "src/lockstock/warehouses/migrations/0006_reasons_and_caps.py: upgrade": _DDL,
    "src/lockstock/shops/migrations/0003_settings.py: upgrade": _DDL,
}

MISPLACED = {
    "src/lockstock/audit/service.py: FIGURES": "runs in the transaction of the whole audit",
    "src/lockstock/audit/service.py: NO_TIMEOUT": "runs in the transaction of the whole audit",
    **{
        f"src/lockstock/kernel/postgres.py: {name}": "part of asking whether the server is up"
        for name in ("HAS_ROLE", "CREATE_ROLE", "HAS_DATABASE", "CREATE_DATABASE")
    },
    **{
        f"{LISTING}: {head}_BY_{sort}": _SORTED_PAGES
        for head in ("LIST_IN_SHOP", "LIST", "FIND_IN_SHOP", "FIND")
        for sort in _SORTS
    },
    **{
        f"{IN_STOCK_LISTING}: {head}_BY_{sort}": _SORTED_PAGES
        for head in ("IN_STOCK_IN_SHOP", "IN_STOCK")
        for sort in _SORTS
    },
}

# Where statements may name the schemas of several services.
OTHER_SCHEMAS = {
    "src/lockstock/audit/": "proves what must hold between services; it only reads",
    "src/lockstock/kernel/outbox.py": "each service has a table of this name and shape",
    "src/lockstock/demo/store.py": "dates a past back, which no verb can; one transaction",
}

# Statements over shop data that are not of one shop.
MANY_SHOPS = {
    **{f"{LISTING}: {head}_BY_{sort}": _ALL_SHOPS for head in ("LIST", "FIND") for sort in _SORTS},
    **{f"{IN_STOCK_LISTING}: IN_STOCK_BY_{sort}": _ALL_SHOPS for sort in _SORTS},
    "src/lockstock/products/listing/relevance/store.py: MOST_RELEVANT_IN_ALL": _ALL_SHOPS,
    "src/lockstock/products/in_stock/store.py: DUE_PRODUCTS": _SWEEP,
    "src/lockstock/events/in_stock/store.py: CURSORS_WITH_NEWS": _SWEEP,
    "src/lockstock/events/in_stock/store.py: SAVE_CURSORS": "of all that were looked at",
    f"{LISTING}: FILL_IN_VARIANTS": "the products of one page, each with its shop",
    "src/lockstock/shops/store.py: GET_SHOPS": _ALL_SHOPS,
    "src/lockstock/shops/store.py: LIST_SHOPS": _ALL_SHOPS,
    "src/lockstock/shops/store.py: LIST_SHOPS_OF": _ALL_SHOPS,
    **{
        f"src/lockstock/orders/listing/store.py: {name}": "a customer's orders in all shops"
        for name in ("LIST_OWN_ORDERS", "LIST_OWN_ORDERS_OLDEST")
    },
    "src/lockstock/orders/payments/store.py: FIND_PAYMENT_ANYWHERE": (
        "the sandbox's page knows only the payment's id"
    ),
    "src/lockstock/warehouses/stock/store.py: AVAILABILITY": (
        "the variants of one page, each with its shop"
    ),
    "src/lockstock/warehouses/reservations/store.py: DUE_SHOPS": _SWEEP,
    "src/lockstock/warehouses/reservations/caps/store.py: CAPPED_CUSTOMERS": _SWEEP,
    "src/lockstock/orders/endings/store.py: DUE_ORDERS": _SWEEP,
    "src/lockstock/orders/endings/store.py: DUE_STOCK_CHECKS": _SWEEP,
    "src/lockstock/orders/payments/lookups/store.py: DUE_CLOSINGS": _SWEEP,
    "src/lockstock/orders/payments/lookups/store.py: DUE_LOOK_UPS": _SWEEP,
    "src/lockstock/orders/payments/sandbox/store.py: DUE_DELIVERIES": _SWEEP,
    "src/lockstock/orders/payments/inbox/store.py: DUE_EVENTS": _SWEEP,
    "src/lockstock/orders/payments/refunds/store.py: DUE_REFUNDS": _SWEEP,
    "src/lockstock/orders/shipments/store.py: DUE_SHIPMENTS": _SWEEP,
    "src/lockstock/orders/returns/store.py: DUE_RETURNS": _SWEEP,
    "src/lockstock/events/low_stock/store.py: SHOPS_WITH_NEWS": _SWEEP,
    "src/lockstock/events/low_stock/store.py: CURSORS": "those that step one has found",
    "src/lockstock/events/low_stock/store.py: SAVE_CURSORS": "of all that were looked at",
    "src/lockstock/warehouses/low_stock/store.py: DUE_LOW": _SWEEP,
    "src/lockstock/audit/service.py: FIGURES": "the audit looks at everything",
    "src/lockstock/events/webhooks/sending/store.py: DUE_WEBHOOKS": _SWEEP,
    **{
        f"src/lockstock/events/webhooks/deliveries/store.py: {name}": _SWEEP
        for name in ("WORN_DELIVERIES", "LEFT_DELIVERIES", "EMPTIED_WEBHOOKS")
    },
    "src/lockstock/events/webhooks/deliveries/store.py: AGE_OF_OLDEST": _ALL_SHOPS,
    **{
        f"src/lockstock/kernel/outbox.py: SHOPS_WITH_EVENTS of {schema}": _SWEEP
        for schema in ("shops", "products", "warehouses", "orders")
    },
}

# SKIP LOCKED is for sweeps, where a row that is skipped is looked at again in the next round.
SKIPS_LOCKED = {
    "src/lockstock/events/webhooks/sending/store.py: LOCK_RECEIVER": "sending to webhooks",
    "src/lockstock/warehouses/reservations/store.py: LOCK_DUE_STOCK": "sweep of expired holds",
    "src/lockstock/warehouses/reservations/store.py: END_EMPTIED": "sweep of expired holds",
    "src/lockstock/warehouses/reservations/caps/store.py: FORGET_CUSTOMERS": (
        "sweep of customers with nothing open"
    ),
    "src/lockstock/orders/endings/store.py: LOCK_DUE_ORDERS": "sweep of orders past their deadline",
    "src/lockstock/orders/payments/inbox/store.py: CLAIM_EVENTS": "inbox of provider events",
    "src/lockstock/orders/payments/refunds/store.py: CLAIM_REFUNDS": "outbox of refunds",
    "src/lockstock/users/attempts/store.py: DELETE_ENDED_ATTEMPTS": "sweep of old attempts",
    "src/lockstock/users/codes/store.py: DELETE_ENDED_CODES": "sweep of old codes",
    "src/lockstock/users/sessions/store.py: DELETE_ENDED_SESSIONS": "sweep of old sessions",
    "src/lockstock/users/sessions/store.py: DELETE_WORN_TOKENS": "sweep of old tokens",
}

# What PREPARE does not take.
NOT_PREPARED = {
    "src/lockstock/kernel/postgres.py: CREATE_ROLE": "utility statement",
    "src/lockstock/kernel/postgres.py: CREATE_DATABASE": "utility statement",
    "src/lockstock/audit/service.py: NO_TIMEOUT": "utility statement",
}

KEYS_NOT_BY_SHOP = {
    f"{schema}.migrations_pkc": "alembic's own table, with one row"
    for schema in ("shops", "products", "warehouses", "orders", "events")
}

# Operations that the Python client has no call for.
NOT_IN_CLIENT = {
    "receive_provider_event": "for payment providers, which sign what they send",
    "pay_sandbox_page": "for the forms of the sandbox's page",
    "healthz": "for whoever runs the server",
    "readyz": "Client.is_ready asks for it, and wants no retries",
}
