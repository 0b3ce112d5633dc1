"""A mark on products that may have units, and a list of only those.

All that is there begins with it, and is looked at a few at a time. The words of what is there have
no weights until the product is changed: they count as those of a description.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # False only where nothing was on hand in any warehouse. True says nothing for sure.
    "ALTER TABLE products.products ADD COLUMN in_stock boolean NOT NULL DEFAULT true",
    # When to look at what is on hand, even if nothing is told of it. Long ago: at the next sweep.
    """
    ALTER TABLE products.products
    ADD COLUMN stock_check_at timestamptz DEFAULT '1970-01-01 00:00:00+00'
    """,
    """
    CREATE INDEX products_to_check ON products.products (stock_check_at)
    WHERE stock_check_at IS NOT NULL
    """,
    # Each order of the list of one shop, then of that of all shops.
    "CREATE INDEX in_stock_by_name ON products.products (shop_id, name_key, id) WHERE in_stock",
    "CREATE INDEX in_stock_by_age ON products.products (shop_id, created_at, id) WHERE in_stock",
    """
    CREATE INDEX in_stock_by_lowest
    ON products.products (shop_id, lowest_price_minor, id) WHERE in_stock
    """,
    """
    CREATE INDEX in_stock_by_highest
    ON products.products (shop_id, highest_price_minor, id) WHERE in_stock
    """,
    """
    CREATE INDEX published_in_stock_by_name
    ON products.products (name_key, id) WHERE published AND in_stock
    """,
    """
    CREATE INDEX published_in_stock_by_age
    ON products.products (created_at, id) WHERE published AND in_stock
    """,
    """
    CREATE INDEX published_in_stock_by_lowest
    ON products.products (currency, lowest_price_minor, id) WHERE published AND in_stock
    """,
    """
    CREATE INDEX published_in_stock_by_highest
    ON products.products (currency, highest_price_minor, id) WHERE published AND in_stock
    """,
)


def upgrade() -> None:
    """Add the mark and its indexes."""
    for statement in STATEMENTS:
        op.execute(statement)
