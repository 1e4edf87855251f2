"""What revenue is counted in, and events of pages once.

Revision: 0215, after 0200
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0215"
down_revision: str | Sequence[str] | None = "0200"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEYS = "uq_website_events_event_key"


def upgrade() -> None:
    """Give accounts a currency and events an id of their own, its index built while they are written."""
    op.add_column("users", sa.Column("currency", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("website_events", sa.Column("event_key", sa.Uuid(), nullable=True))
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {KEYS}")  # a failed build
        op.create_index(
            KEYS,
            "website_events",
            ["owner_id", "event_key"],
            unique=True,
            postgresql_where=sa.text("event_key IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Drop both."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {KEYS}")
    op.drop_column("website_events", "event_key")
    op.drop_column("users", "currency")
