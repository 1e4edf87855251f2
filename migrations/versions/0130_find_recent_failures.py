"""Recent failures and refusals by index, for `journeys-api doctor`: small, because both are rare.

Revision: 0130, after 0110
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0130"
down_revision: str | Sequence[str] | None = "0110"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Index what failed and what was refused by when it ended."""
    op.create_index("ix_enrollments_failed", "enrollments", ["ended_at"], postgresql_where=sa.text("state = 'failed'"))
    op.create_index("ix_deliveries_refused", "deliveries", ["ended_at"], postgresql_where=sa.text("state = 'refused'"))


def downgrade() -> None:
    """Drop both indexes."""
    op.drop_index("ix_deliveries_refused", table_name="deliveries")
    op.drop_index("ix_enrollments_failed", table_name="enrollments")
