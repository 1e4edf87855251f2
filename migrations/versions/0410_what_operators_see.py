"""What operators see of the queue: signs of life of workers, people of a journey in order, and that nobody is stuck.

Revision: 0410, after 0400
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0410"
down_revision: str | Sequence[str] | None = "0400"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_enrollments_journey_id_enrollment_id"


def upgrade() -> None:
    """Make the table, the constraint and the index, beside people at work."""
    op.create_table(
        "worker_beats",
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("worker_id", "beat_at", name=op.f("pk_worker_beats")),
    )
    op.create_index("ix_worker_beats_beat_at", "worker_beats", ["beat_at"])
    # in two steps: the rows that are there are read under a lock that lets others write
    op.execute(
        "ALTER TABLE enrollments ADD CONSTRAINT ck_enrollments_active_due "
        "CHECK (state <> 'active' OR due_at IS NOT NULL) NOT VALID"
    )
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")  # a failed build
        op.create_index(
            INDEX,
            "enrollments",
            ["owner_id", "journey_id", "enrollment_id"],
            postgresql_where=sa.text("state = 'active'"),
            postgresql_concurrently=True,
        )
    op.execute("ALTER TABLE enrollments VALIDATE CONSTRAINT ck_enrollments_active_due")


def downgrade() -> None:
    """Drop what was made."""
    op.drop_index(INDEX, table_name="enrollments")
    op.execute("ALTER TABLE enrollments DROP CONSTRAINT ck_enrollments_active_due")
    op.drop_table("worker_beats")
