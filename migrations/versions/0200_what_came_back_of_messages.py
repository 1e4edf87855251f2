"""What came back of messages: hits of links, the ledger of facts, what was touched last.

Revision: 0200, after 0120
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0200"
down_revision: str | Sequence[str] | None = "0120"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables, and give deliveries a recipient domain and what was counted of them."""
    op.add_column("deliveries", sa.Column("domain", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("activity", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "tracking_hits",
        sa.Column("hit_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("automated", sa.Text(), nullable=True),
        sa.Column("ip_address", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("user_agent", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('opened', 'clicked')", name=op.f("ck_tracking_hits_kind_known")),
        sa.PrimaryKeyConstraint("hit_id", name=op.f("pk_tracking_hits")),
    )
    op.create_index("ix_tracking_hits_delivery_id", "tracking_hits", ["owner_id", "delivery_id"])
    op.create_table(
        "spooled_files",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_spooled_files")),
    )
    op.create_table(
        "message_activities",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=True),
        sa.Column("action_id", sa.BigInteger(), nullable=True),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "opened",
                "clicked",
                "converted",
                "browser_viewed",
                "forwarded",
                "unsubscribed",
                "bounced",
                "spam_complaint",
                name="activitykind",
                native_enum=False,
                length=None,
            ),
            nullable=False,
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.Column("automated", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("revenue_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("detail", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('opened', 'clicked', 'converted', 'browser_viewed', 'forwarded', 'unsubscribed', 'bounced', "
            "'spam_complaint')",
            name=op.f("ck_message_activities_kind_known"),
        ),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    # takes what no monthly partition takes
    op.execute("CREATE TABLE message_activities_default PARTITION OF message_activities DEFAULT")
    op.create_index("ix_message_activities_delivery_id", "message_activities", ["owner_id", "delivery_id"])
    op.create_index(
        "ix_message_activities_subscriber_id", "message_activities", ["owner_id", "subscriber_id", "occurred_at"]
    )
    op.create_table(
        "message_touches",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "subscriber_id", name=op.f("pk_message_touches")),
    )


def downgrade() -> None:
    """Drop it all."""
    for table in ("message_touches", "message_activities", "spooled_files", "tracking_hits"):
        op.drop_table(table)
    op.drop_column("deliveries", "activity")
    op.drop_column("deliveries", "domain")
