"""Products and their variants."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE products.products (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        -- A product has a name.
        name text NOT NULL CHECK (name <> ''),
        name_key text COLLATE "C" NOT NULL,
        description text,
        published boolean NOT NULL,
        -- A currency is an ISO 4217 code.
        currency text COLLATE "C" NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
        lowest_price_minor bigint NOT NULL,
        highest_price_minor bigint NOT NULL,
        search tsvector NOT NULL,
        request_digest bytea NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, id),
        -- No price is below zero, and the lowest is not above the highest.
        CHECK (0 <= lowest_price_minor AND lowest_price_minor <= highest_price_minor)
    )
    """,
    """
    CREATE TABLE products.variants (
        shop_id uuid NOT NULL,
        id uuid NOT NULL,
        product_id uuid NOT NULL,
        -- A variant has a SKU.
        sku text COLLATE "C" NOT NULL CHECK (sku <> ''),
        -- No price is below zero.
        price_minor bigint NOT NULL CHECK (price_minor >= 0),
        attributes jsonb NOT NULL,
        -- The place among the variants of its product.
        position integer NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (shop_id, id),
        FOREIGN KEY (shop_id, product_id) REFERENCES products.products (shop_id, id)
    )
    """,
    """
    -- A shop has each SKU once.
    CREATE UNIQUE INDEX variants_by_sku ON products.variants (shop_id, sku)
    """,
    "CREATE INDEX variants_by_product ON products.variants (shop_id, product_id, position)",
    "CREATE INDEX products_by_word ON products.products USING gin (search)",
    # The list of one shop in each order, then that of all shops.
    "CREATE INDEX products_by_name ON products.products (shop_id, name_key, id)",
    "CREATE INDEX products_by_age ON products.products (shop_id, created_at, id)",
    "CREATE INDEX products_by_lowest ON products.products (shop_id, lowest_price_minor, id)",
    "CREATE INDEX products_by_highest ON products.products (shop_id, highest_price_minor, id)",
    "CREATE INDEX published_by_name ON products.products (name_key, id) WHERE published",
    "CREATE INDEX published_by_age ON products.products (created_at, id) WHERE published",
    """
    CREATE INDEX published_by_lowest
    ON products.products (currency, lowest_price_minor, id) WHERE published
    """,
    """
    CREATE INDEX published_by_highest
    ON products.products (currency, highest_price_minor, id) WHERE published
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
