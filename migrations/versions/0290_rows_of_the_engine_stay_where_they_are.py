"""Fewer indexes under what the engine writes: a step changes no indexed column of an enrollment.

Revision: 0290, after 0280
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0290"
down_revision: str | Sequence[str] | None = "0280"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

REACHED = "action_subscribers"
KEY = "pk_action_subscribers"


EVENTS = "ALTER TABLE trigger_events DROP CONSTRAINT pk_trigger_events, ADD CONSTRAINT pk_trigger_events PRIMARY KEY"


def _change_key(columns: Sequence[str]) -> None:
    """Give the table of who reached what another order of its key's columns, with the rows readable meanwhile."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_action_subscribers_next")  # a failed build
        op.create_index("uq_action_subscribers_next", REACHED, columns, unique=True, postgresql_concurrently=True)
    op.execute(f"ALTER TABLE {REACHED} DROP CONSTRAINT {KEY}")
    op.execute(f"ALTER TABLE {REACHED} ADD CONSTRAINT {KEY} PRIMARY KEY USING INDEX uq_action_subscribers_next")


def upgrade() -> None:
    """Let the key find a subscriber's actions too, drop what it replaces, and leave room beside enrollments."""
    _change_key(["owner_id", "subscriber_id", "action_id", "list_id"])
    # the queue of events is nearly empty whenever workers run: its key is built in no time
    op.execute(f"{EVENTS} (shard, owner_id, event_id)")
    op.execute("DROP INDEX ix_trigger_events_owner_id")
    op.execute("DROP INDEX ix_action_subscribers_subscriber_id")
    op.execute("DROP INDEX ix_enrollments_journey_id_action_id")
    op.execute(
        "ALTER TABLE enrollments SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, "
        "autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)"
    )
    op.execute(
        "ALTER TABLE trigger_events SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"
    )


def downgrade() -> None:
    """Put the indexes back."""
    op.execute("ALTER TABLE trigger_events RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)")
    op.execute(
        "ALTER TABLE enrollments RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor, "
        "autovacuum_vacuum_cost_delay)"
    )
    op.execute(f"{EVENTS} (shard, event_id)")
    op.create_index("ix_trigger_events_owner_id", "trigger_events", ["owner_id"])
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_enrollments_journey_id_action_id",
            "enrollments",
            ["owner_id", "journey_id", "action_id"],
            postgresql_where=sa.text("state = 'active'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.create_index(
            "ix_action_subscribers_subscriber_id",
            REACHED,
            ["owner_id", "subscriber_id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
    _change_key(["owner_id", "action_id", "list_id", "subscriber_id"])
