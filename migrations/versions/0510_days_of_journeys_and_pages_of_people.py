"""Days of journeys and of actions, what they last did, and where deep pages of people start.

Revision: 0510, after 0310
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0510"
down_revision: str | Sequence[str] | None = "0310"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTERS = (
    "send_count",
    "delivery_count",
    "open_count",
    "click_count",
    "conversion_count",
    "browser_view_count",
    "forward_count",
    "unsubscribe_count",
    "bounce_count",
    "spam_complaint_count",
    "revenue_cents",
)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    """Make the tables and fill them with what is folded; what is not folded yet comes by itself."""
    op.add_column("counter_deltas", sa.Column("happened_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("counter_deltas", _number("people_count"))
    # filled and emptied all the time
    op.execute(
        "ALTER TABLE counter_deltas SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"
    )
    op.add_column("journey_totals", _number("people_count"))
    op.add_column("journey_totals", sa.Column("last_enrolled_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("journey_totals", sa.Column("last_active_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("action_totals", _number("change_count"))
    op.create_table(
        "journey_days",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        _number("total_count"),
        *(_number(name) for name in COUNTERS),
        sa.PrimaryKeyConstraint("owner_id", "counted_on", "journey_id", name=op.f("pk_journey_days")),
    )
    op.create_table(
        "action_day_totals",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        *(_number(name) for name in COUNTERS),
        sa.PrimaryKeyConstraint("owner_id", "journey_id", "counted_on", "action_id", name=op.f("pk_action_day_totals")),
    )
    op.create_index("ix_action_days_domain", "action_days", ["owner_id", "journey_id", "domain"])
    _fill()
    op.create_table(
        "people_counts",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("bits", sa.SmallInteger(), nullable=False),
        sa.Column("is_any", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("people_count", sa.BigInteger(), nullable=False),
        sa.Column("has_fences", sa.Boolean(), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "action_id", "bits", "is_any", name=op.f("pk_people_counts")),
    )
    op.create_index("ix_people_counts_built_at", "people_counts", ["owner_id", "built_at"])
    op.create_table(
        "people_fences",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("bits", sa.SmallInteger(), nullable=False),
        sa.Column("is_any", sa.Boolean(), nullable=False),
        sa.Column("before_count", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "owner_id", "action_id", "bits", "is_any", "before_count", name=op.f("pk_people_fences")
        ),
    )


def _fill() -> None:
    names = ", ".join(COUNTERS)
    sums = ", ".join(f"sum({name})" for name in COUNTERS)
    op.execute(
        f"INSERT INTO action_day_totals (owner_id, journey_id, counted_on, action_id, {names}) "
        f"SELECT owner_id, journey_id, counted_on, action_id, {sums} FROM action_days GROUP BY 1, 2, 3, 4"
    )
    op.execute(
        f"INSERT INTO journey_days (owner_id, counted_on, journey_id, total_count, {names}) "
        f"SELECT owner_id, counted_on, journey_id, sum(total_count), {sums} FROM ("
        f"  SELECT owner_id, counted_on, journey_id, 0 AS total_count, {names} FROM action_days"
        "  UNION ALL SELECT owner_id, CAST(created_at AT TIME ZONE 'UTC' AS date), journey_id, 1,"
        f"         {', '.join('0' for _ in COUNTERS)} FROM enrollments"
        ") AS both_of GROUP BY 1, 2, 3"
    )
    op.execute(
        "INSERT INTO journey_totals (owner_id, journey_id, people_count, last_enrolled_at, last_active_at) "
        "SELECT owner_id, journey_id, count(DISTINCT subscriber_id), max(created_at), "
        "       greatest(max(created_at), max(entered_at)) FROM enrollments GROUP BY 1, 2 "
        "ON CONFLICT (owner_id, journey_id) DO UPDATE SET people_count = excluded.people_count, "
        "last_enrolled_at = excluded.last_enrolled_at, last_active_at = excluded.last_active_at"
    )


def downgrade() -> None:
    """Drop it all."""
    op.drop_table("people_fences")
    op.drop_table("people_counts")
    op.drop_index("ix_action_days_domain", table_name="action_days")
    op.drop_table("action_day_totals")
    op.drop_table("journey_days")
    op.drop_column("action_totals", "change_count")
    for name in ("last_active_at", "last_enrolled_at", "people_count"):
        op.drop_column("journey_totals", name)
    op.execute("ALTER TABLE counter_deltas RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_cost_delay)")
    for name in ("people_count", "happened_at"):
        op.drop_column("counter_deltas", name)
