"""Deliver for one account after the other, and count the 72 hours of a mail from its first try.

Revision: 0590, after 0580
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0590"
down_revision: str | Sequence[str] | None = "0580"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column, empty (no row is rewritten), and build the index beside people at work."""
    op.add_column("deliveries", sa.Column("first_attempt_at", sa.DateTime(timezone=True), nullable=True))
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_deliveries_in_turn")  # what a failed build left behind
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_deliveries_in_turn ON deliveries (kind, owner_id, next_attempt_at) "
            "WHERE state = 'pending'"
        )


def downgrade() -> None:
    """Drop both."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_deliveries_in_turn")
    op.drop_column("deliveries", "first_attempt_at")
