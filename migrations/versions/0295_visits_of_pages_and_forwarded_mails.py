"""Visits of mails as pages, mails that are forwarded, and what processes have committed of the visits they write.

Revision: 0295, after 0290
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0295"
down_revision: str | Sequence[str] | None = "0290"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _allow(table: str, kinds: str) -> None:
    """Let a table's kinds be these; those that are there already are looked at without keeping anybody waiting."""
    name = f"ck_{table}_kind_known"
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (kind IN ({kinds})) NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def upgrade() -> None:
    """Allow the new kinds and make the table."""
    _allow("tracking_hits", "'opened', 'clicked', 'browser_viewed'")
    _allow("deliveries", "'mail', 'confirmation', 'forward', 'sms', 'webhook'")
    op.create_table(
        "hit_writers",
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("last_batch", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("writer", name=op.f("pk_hit_writers")),
    )


def downgrade() -> None:
    """Drop the table and what the code before does not know."""
    op.drop_table("hit_writers")
    op.execute("DELETE FROM deliveries WHERE kind = 'forward'")
    op.execute("DELETE FROM tracking_hits WHERE kind = 'browser_viewed'")
    _allow("deliveries", "'mail', 'confirmation', 'sms', 'webhook'")
    _allow("tracking_hits", "'opened', 'clicked'")
