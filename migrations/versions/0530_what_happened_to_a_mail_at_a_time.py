"""Find what happened to a mail about a time, however much happened to it.

Revision: 0530, after 0520
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0530"
down_revision: str | Sequence[str] | None = "0520"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

HITS, LEDGER = "tracking_hits", "message_activities"
PARTITIONS = f"""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = '{LEDGER}'::regclass ORDER BY c.relname
"""
BY_MAIL, BY_MAIL_AND_TIME = "owner_id, delivery_id", "owner_id, delivery_id, occurred_at"


def upgrade() -> None:
    """Build the indexes with the time, then drop those without."""
    _swap("delivery_id", "delivery_id_occurred_at", BY_MAIL_AND_TIME, of_a_month="delivery_id_occurred_at_idx")


def downgrade() -> None:
    """The other way round."""
    _swap("delivery_id_occurred_at", "delivery_id", BY_MAIL, of_a_month="owner_id_delivery_id_idx")


def _swap(old: str, new: str, columns: str, *, of_a_month: str) -> None:
    """Build indexes beside people at work, those of the ledger month by month, then drop the others."""
    with op.get_context().autocommit_block():
        # what a failed build left behind
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS ix_{HITS}_{new}")
        op.execute(f"CREATE INDEX CONCURRENTLY ix_{HITS}_{new} ON {HITS} ({columns})")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS ix_{HITS}_{old}")
        op.execute(f"DROP INDEX IF EXISTS ix_{LEDGER}_{new}")
        # a month that is made from here on gets its own at once
        op.execute(f"CREATE INDEX ix_{LEDGER}_{new} ON ONLY {LEDGER} ({columns})")
        for (month,) in op.get_bind().exec_driver_sql(PARTITIONS).all():
            name = f"{month}_{of_a_month}"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {month} ({columns})")
            op.execute(f"ALTER INDEX ix_{LEDGER}_{new} ATTACH PARTITION {name}")
        op.execute(f"DROP INDEX IF EXISTS ix_{LEDGER}_{old}")
