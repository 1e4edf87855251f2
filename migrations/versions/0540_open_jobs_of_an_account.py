"""Find the open jobs of an account, however many it has had.

Revision: 0540, after 0530
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0540"
down_revision: str | Sequence[str] | None = "0530"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Build the index beside people at work."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_open")  # what a failed build left behind
        op.execute(
            "CREATE INDEX CONCURRENTLY ix_jobs_open ON jobs (owner_id, kind) WHERE state IN ('pending', 'running')"
        )


def downgrade() -> None:
    """Drop it."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_jobs_open")
