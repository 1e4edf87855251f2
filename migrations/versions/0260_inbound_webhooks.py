"""Addresses that other systems call to subscribe and unsubscribe people.

Revision: 0260, after 0215
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0260"
down_revision: str | Sequence[str] | None = "0215"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "inbound_webhooks",
        sa.Column("webhook_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "event",
            sa.Enum("Subscription", "Unsubscription", name="inboundevent", native_enum=False, create_constraint=False),
            nullable=False,
        ),
        sa.Column("leaves_all_lists", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("event IN ('Subscription', 'Unsubscription')", name=op.f("ck_inbound_webhooks_event_known")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_inbound_webhooks_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_inbound_webhooks")),
    )
    op.create_index("uq_inbound_webhooks_id_hash", "inbound_webhooks", ["id_hash"], unique=True)
    op.create_index("ix_inbound_webhooks_owner_id", "inbound_webhooks", ["owner_id", "webhook_id"])
    op.create_table(
        "inbound_webhook_days",
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("day_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("received_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["inbound_webhooks.webhook_id"],
            name=op.f("fk_inbound_webhook_days_webhook_id_inbound_webhooks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("webhook_id", "counted_on", name=op.f("pk_inbound_webhook_days")),
    )
    op.create_index("ix_inbound_webhook_days_owner_id", "inbound_webhook_days", ["owner_id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("inbound_webhook_days")
    op.drop_table("inbound_webhooks")
