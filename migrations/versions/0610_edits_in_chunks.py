"""Have people follow an edit of their journey in chunks.

Revision: 0610, after 0600
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0610"
down_revision: str | Sequence[str] | None = "0600"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KIND = "ck_journey_jobs_kind_known"


def upgrade() -> None:
    """Add the columns, with constants as defaults: no row is rewritten."""
    op.add_column("journey_actions", sa.Column("successor_action_id", sa.BigInteger(), nullable=True))
    op.add_column("journey_jobs", sa.Column("done_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "journey_jobs", sa.Column("changed_actions", sa.JSON(), server_default=sa.text("'[]'"), nullable=False)
    )
    op.drop_constraint(op.f(KIND), "journey_jobs", type_="check")
    op.create_check_constraint(op.f(KIND), "journey_jobs", "kind IN ('end', 'release', 'edit')")


def downgrade() -> None:
    """Drop them; edits under way are left where they are, and steps end who stands on a removed action."""
    op.execute("DELETE FROM journey_jobs WHERE kind = 'edit'")
    op.drop_constraint(op.f(KIND), "journey_jobs", type_="check")
    op.create_check_constraint(op.f(KIND), "journey_jobs", "kind IN ('end', 'release')")
    op.drop_column("journey_jobs", "changed_actions")
    op.drop_column("journey_jobs", "done_until")
    op.drop_column("journey_actions", "successor_action_id")
