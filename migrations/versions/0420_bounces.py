"""When a subscriber soft bounced last.

Revision: 0420, after 0410
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0420"
down_revision: str | Sequence[str] | None = "0410"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; no row is rewritten."""
    op.add_column("subscribers", sa.Column("soft_bounced_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("subscribers", "soft_bounced_at")
