"""When journeys pull people in, and an index to draw people of a list at random by.

Revision: 0400, after 0295
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0400"
down_revision: str | Sequence[str] | None = "0295"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """The table of due instants; the index of lists also orders their people."""
    op.create_table(
        "scheduled_pulls",
        sa.Column("journey_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("journey_id", name=op.f("pk_scheduled_pulls")),
    )
    op.create_index("ix_scheduled_pulls_due_at", "scheduled_pulls", ["due_at"])
    _swap("ix_subscribers_list_id", "ix_subscribers_list_id_subscriber_id", ["list_id", "subscriber_id"])


def downgrade() -> None:
    """Drop the table; lists are found as before."""
    _swap("ix_subscribers_list_id_subscriber_id", "ix_subscribers_list_id", ["list_id"])
    op.drop_table("scheduled_pulls")


def _swap(old: str, new: str, columns: list[str]) -> None:
    """Build one index of subscribers beside people at work, then drop the other."""
    with op.get_context().autocommit_block():
        # what a failed build left behind
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new}")
        op.create_index(new, "subscribers", columns, postgresql_concurrently=True)
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {old}")
