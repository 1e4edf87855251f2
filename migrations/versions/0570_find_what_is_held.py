"""Find the journeys that hold messages back, however many messages wait and were sent.

Revision: 0570, after 0560
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0570"
down_revision: str | Sequence[str] | None = "0560"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Build the index beside people at work."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_deliveries_held")  # what a failed build left behind
        op.execute("CREATE INDEX CONCURRENTLY ix_deliveries_held ON deliveries (journey_id) WHERE state = 'held'")


def downgrade() -> None:
    """Drop it."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_deliveries_held")
