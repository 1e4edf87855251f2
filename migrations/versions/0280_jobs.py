"""Jobs: work that outlives its call, and the bytes that belong to it.

Revision: 0280, after 0270
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0280"
down_revision: str | Sequence[str] | None = "0270"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("import", "journey export", "journey bulk", name="jobkind", native_enum=False, length=None),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum("pending", "running", "completed", "failed", name="jobstate", native_enum=False, length=None),
            server_default=sa.text("'pending'"),
            nullable=False,
        ),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("cursor", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("results", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("next_turn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('import', 'journey export', 'journey bulk')", name=op.f("ck_jobs_kind_known")),
        sa.CheckConstraint("state IN ('pending', 'running', 'completed', 'failed')", name=op.f("ck_jobs_state_known")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_jobs_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_next_turn_at", "jobs", ["next_turn_at"], postgresql_where=sa.text("state IN ('pending', 'running')")
    )
    op.create_index("ix_jobs_expires_at", "jobs", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL"))
    op.create_index("ix_jobs_owner_id", "jobs", ["owner_id", "kind"])
    op.create_table(
        "job_pieces",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name=op.f("fk_job_pieces_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "place", name=op.f("pk_job_pieces")),
    )
    op.create_index("ix_job_pieces_owner_id", "job_pieces", ["owner_id"])
    # not compressed: it is written once and read once, and a part of it is read without the rest
    op.execute("ALTER TABLE job_pieces ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("job_pieces")
    op.drop_table("jobs")
