"""Visits of tracked links that could not be judged.

Revision: 0520, after 0510
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0520"
down_revision: str | Sequence[str] | None = "0510"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "hits_set_aside",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("hit_id", sa.BigInteger(), nullable=False),
        sa.Column("visit", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "hit_id", name=op.f("pk_hits_set_aside")),
    )


def downgrade() -> None:
    """Drop it; what lies in it goes back to be judged, as the code before would have kept it."""
    op.execute(
        "INSERT INTO tracking_hits SELECT visit.* FROM hits_set_aside AS aside, "
        "json_populate_record(CAST(NULL AS tracking_hits), aside.visit) AS visit"
    )
    op.drop_table("hits_set_aside")
