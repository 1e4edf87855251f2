"""Segments.

Revision: 0110, after 0030
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0110"
down_revision: str | Sequence[str] | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Named criteria over the subscribers of a list."""
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), server_default=sa.text("'and'"), nullable=False),
        sa.Column("rules", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("is_random", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("random_size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("subscriber_count", sa.BigInteger(), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("operator IN ('and', 'or')", name=op.f("ck_segments_operator_known")),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.list_id"], name=op.f("fk_segments_list_id_lists"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_segments_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_segments")),
    )
    op.create_index(
        "ix_segments_list_id", "segments", ["owner_id", "list_id", sa.literal_column("lower(name)")], unique=False
    )
    op.create_index("ix_segments_of_list", "segments", ["list_id"], unique=False)


def downgrade() -> None:
    """Drop the segments."""
    op.drop_table("segments")
