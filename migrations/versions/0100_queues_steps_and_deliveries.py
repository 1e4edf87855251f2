"""Queues, steps and deliveries of the engine.

Revision: 0100, after 0010
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0100"
down_revision: str | Sequence[str] | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Queues, steps and deliveries of the engine."""
    op.add_column("enrollments", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "counter_deltas",
        sa.Column("delta_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("counted_on", sa.Date(), nullable=True),
        sa.Column("active_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed_runs", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("send_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivery_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("click_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversion_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("browser_view_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forward_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unsubscribe_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bounce_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spam_complaint_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revenue_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("delta_id", name=op.f("pk_counter_deltas")),
    )
    op.create_index("ix_counter_deltas_journey_id", "counter_deltas", ["owner_id", "journey_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("mail", "confirmation", "sms", "webhook", name="deliverykind", native_enum=False, length=None),
            nullable=False,
        ),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=True),
        sa.Column("action_id", sa.BigInteger(), nullable=True),
        sa.Column("visit", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=True),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("email_id", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("destination", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "sending",
                "held",
                "sent",
                "refused",
                "withdrawn",
                name="deliverystate",
                native_enum=False,
                length=None,
            ),
            server_default=sa.text("'pending'"),
            nullable=False,
        ),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unknowns", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'sending') = (lease_token IS NOT NULL)", name=op.f("ck_deliveries_lease_whole")),
        sa.CheckConstraint("kind IN ('mail', 'confirmation', 'sms', 'webhook')", name=op.f("ck_deliveries_kind_known")),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'held', 'sent', 'refused', 'withdrawn')",
            name=op.f("ck_deliveries_state_known"),
        ),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (lease_expires_at IS NULL)", name=op.f("ck_deliveries_lease_dated")
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_journey_id",
        "deliveries",
        ["journey_id", "state"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'held')"),
    )
    op.create_index(
        "ix_deliveries_lease_expires_at",
        "deliveries",
        ["lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_deliveries_next_attempt_at",
        "deliveries",
        ["kind", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "uq_deliveries_effect",
        "deliveries",
        ["owner_id", "enrollment_id", "action_id", "visit"],
        unique=True,
        postgresql_where=sa.text("enrollment_id IS NOT NULL"),
    )
    op.create_table(
        "enrollment_refusals",
        sa.Column("refusal_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("refusal_id", name=op.f("pk_enrollment_refusals")),
    )
    op.create_index(
        "ix_enrollment_refusals_owner_id", "enrollment_refusals", ["owner_id", "journey_id", "refused_at"], unique=False
    )
    op.create_table(
        "entry_counts",
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journey_id", "minute", name=op.f("pk_entry_counts")),
    )
    op.create_table(
        "journey_jobs",
        sa.Column("job_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('end', 'release')", name=op.f("ck_journey_jobs_kind_known")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_journey_jobs")),
    )
    op.create_table(
        "runnable_journeys",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), server_default=sa.text("'-infinity'"), nullable=False),
        sa.PrimaryKeyConstraint("shard", "journey_id", name=op.f("pk_runnable_journeys")),
    )
    op.create_index("ix_runnable_journeys_next_due_at", "runnable_journeys", ["shard", "next_due_at"], unique=False)
    op.create_table(
        "steps",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        postgresql_partition_by="RANGE (at)",
    )
    # takes what no monthly partition takes; workers make the months before they come
    op.execute("CREATE TABLE steps_default PARTITION OF steps DEFAULT")
    op.create_table(
        "timers",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        postgresql_with={
            "fillfactor": "80",
            "autovacuum_vacuum_scale_factor": "0.02",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    op.create_index("ix_timers_due", "timers", ["shard", "journey_id", "due_at"], unique=False)
    op.create_table(
        "trigger_events",
        sa.Column("event_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("payload", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("depth", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("shard", "event_id", name=op.f("pk_trigger_events")),
    )
    op.create_index("ix_trigger_events_owner_id", "trigger_events", ["owner_id"], unique=False)


def downgrade() -> None:
    """Undo it."""
    op.drop_column("enrollments", "due_at")
    op.drop_index("ix_trigger_events_owner_id", table_name="trigger_events")
    op.drop_table("trigger_events")
    op.drop_index("ix_timers_due", table_name="timers")
    op.drop_table("timers")
    op.drop_table("steps")
    op.drop_index("ix_runnable_journeys_next_due_at", table_name="runnable_journeys")
    op.drop_table("runnable_journeys")
    op.drop_table("journey_jobs")
    op.drop_table("entry_counts")
    op.drop_index("ix_enrollment_refusals_owner_id", table_name="enrollment_refusals")
    op.drop_table("enrollment_refusals")
    op.drop_index(
        "uq_deliveries_effect", table_name="deliveries", postgresql_where=sa.text("enrollment_id IS NOT NULL")
    )
    op.drop_index(
        "ix_deliveries_next_attempt_at", table_name="deliveries", postgresql_where=sa.text("state = 'pending'")
    )
    op.drop_index(
        "ix_deliveries_lease_expires_at", table_name="deliveries", postgresql_where=sa.text("state = 'sending'")
    )
    op.drop_index(
        "ix_deliveries_journey_id", table_name="deliveries", postgresql_where=sa.text("state IN ('pending', 'held')")
    )
    op.drop_table("deliveries")
    op.drop_index("ix_counter_deltas_journey_id", table_name="counter_deltas")
    op.drop_table("counter_deltas")
