"""The address that a mail was handed over for.

Revision: 0595, after 0590
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0595"
down_revision: str | Sequence[str] | None = "0590"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; no row is rewritten."""
    op.add_column("deliveries", sa.Column("recipient", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("deliveries", "recipient")
