"""Let waits beyond the calendar end in the year 9000: an instant that is infinite can be read by nobody.

Revision: 0560, after 0550
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0560"
down_revision: str | Sequence[str] | None = "0550"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Timers are found by one look-up for each journey and shard, and their enrollments one by one: no pass over either.
# A timer and its enrollment name the same instant or the timer does nothing, so they change together.
PEOPLE = """
WITH never AS (
    UPDATE timers SET due_at = '9000-01-01 00:00:00+00' WHERE due_at = 'infinity' AND ctid = ANY (ARRAY (
        SELECT t.place FROM journeys j CROSS JOIN generate_series(0, 15) AS s(shard), LATERAL (
            SELECT ctid AS place FROM timers
            WHERE shard = s.shard AND journey_id = j.journey_id AND due_at = 'infinity'
        ) AS t
    ))
    RETURNING owner_id, enrollment_id
)
UPDATE enrollments e SET due_at = '9000-01-01 00:00:00+00' FROM never
WHERE e.owner_id = never.owner_id AND e.enrollment_id = never.enrollment_id AND e.due_at = 'infinity'
"""


def upgrade() -> None:
    """Set what is infinite."""
    op.execute(PEOPLE)
    op.execute("UPDATE runnable_journeys SET next_due_at = '9000-01-01 00:00:00+00' WHERE next_due_at = 'infinity'")
    op.execute("UPDATE scheduled_pulls SET due_at = '9000-01-01 00:00:00+00' WHERE due_at = 'infinity'")


def downgrade() -> None:
    """Nothing: the year 9000 is never, too."""
