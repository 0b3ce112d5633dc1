"""Where a session was opened, so that its owner knows it again."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # The network address and the program, as they were at the last login or refresh.
    "ALTER TABLE users.sessions ADD COLUMN address text, ADD COLUMN user_agent text",
)


def upgrade() -> None:
    """Add the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
