"""Keep whom a webhook is about when a journey deletes them before it is called.

Revision: 0580, after 0570
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0580"
down_revision: str | Sequence[str] | None = "0570"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column, empty: no row is rewritten."""
    op.add_column("deliveries", sa.Column("deleted_subscriber", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("deliveries", "deleted_subscriber")
