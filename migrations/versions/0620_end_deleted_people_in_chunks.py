"""End the passes of people who were deleted many at once, in chunks.

Revision: 0620, after 0610
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0620"
down_revision: str | Sequence[str] | None = "0610"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the table, and have the workers look once at everybody inside: there are people who went on when deleted."""
    op.create_table(
        "deletions",
        sa.Column("deletion_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("deletion_id", name=op.f("pk_deletions")),
    )
    op.execute(
        "INSERT INTO deletions (owner_id, list_id) SELECT DISTINCT owner_id, list_id FROM enrollments "
        "WHERE state = 'active' ORDER BY 1, 2"
    )


def downgrade() -> None:
    """Drop it; who is not ended yet goes on."""
    op.drop_table("deletions")
