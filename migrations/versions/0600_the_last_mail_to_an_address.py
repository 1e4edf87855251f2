"""Find the last mail to an address. Mails that were sent before the address was kept are not found by it.

Revision: 0600, after 0595
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0600"
down_revision: str | Sequence[str] | None = "0595"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Build the index beside people at work."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_deliveries_recipient")  # what a failed build left behind
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_deliveries_recipient ON deliveries (recipient, delivery_id) "
            "WHERE kind = 'mail' AND recipient IS NOT NULL"
        )


def downgrade() -> None:
    """Drop it."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_deliveries_recipient")
