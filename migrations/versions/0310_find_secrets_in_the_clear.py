"""Find the secrets of webhooks that an older release stored in the clear, so that they can be sealed.

Revision: 0310, after 0420
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0310"
down_revision: str | Sequence[str] | None = "0420"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CLEAR = "ix_journey_actions_clear_secrets"


def upgrade() -> None:
    """Build the index while actions are written: it is empty once they are sealed, which takes the server's key."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {CLEAR}")  # a failed build
        op.create_index(
            CLEAR,
            "journey_actions",
            ["action_id"],
            postgresql_concurrently=True,
            postgresql_where=sa.text(
                "action = 'Webhook' AND (parameters #>> '{WebhookSecurity,SecretKey}') <> '' "
                "AND (parameters #>> '{WebhookSecurity,SecretKey}') NOT LIKE 'sealed:1:%'"
            ),
        )


def downgrade() -> None:
    """Drop the index; what is sealed stays so."""
    with op.get_context().autocommit_block():
        op.drop_index(CLEAR, "journey_actions", postgresql_concurrently=True)
