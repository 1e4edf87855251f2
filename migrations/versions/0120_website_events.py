"""Website events, and subscribers by the hash of their address.

Revision: 0120, after 0130
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0120"
down_revision: str | Sequence[str] | None = "0130"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

HASHES = "ix_subscribers_address_sha256"


def upgrade() -> None:
    """Find subscribers by hash, the index built while they are written to; keep events and the names in them."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {HASHES}")  # a failed build
        op.create_index(
            HASHES,
            "subscribers",
            [sa.text(r"sha256(CAST(replace(email_address, '\', '\\') AS bytea))")],
            postgresql_using="hash",
            postgresql_concurrently=True,
        )
    op.create_table(
        "website_events",
        sa.Column("event_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=True),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "pageView",
                "identify",
                "conversion",
                "customEvent",
                name="websiteeventkind",
                native_enum=False,
                length=None,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uuid", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=True),
        sa.Column("properties", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('pageView', 'identify', 'conversion', 'customEvent')", name=op.f("ck_website_events_kind_known")
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.list_id"], name=op.f("fk_website_events_list_id_lists"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_website_events_owner_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "subscriber_id"],
            ["subscribers.owner_id", "subscribers.subscriber_id"],
            name=op.f("fk_website_events_owner_id_subscriber_id_subscribers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("owner_id", "event_id", name=op.f("pk_website_events")),
    )
    op.create_index(
        "ix_website_events_subscriber", "website_events", ["owner_id", "subscriber_id", "kind", "occurred_at"]
    )
    op.create_index(
        "ix_website_events_uuid",
        "website_events",
        ["owner_id", "uuid", "event_id"],
        postgresql_where=sa.text("uuid <> '' AND subscriber_id IS NOT NULL"),
    )
    op.create_index(
        "uq_website_events_conversion",
        "website_events",
        ["owner_id", "subscriber_id", "conversion_id"],
        unique=True,
        postgresql_where=sa.text("conversion_id IS NOT NULL AND subscriber_id IS NOT NULL"),
    )
    op.create_index("ix_website_events_list_id", "website_events", ["list_id"])
    op.create_table(
        "website_event_properties",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("event_name", sa.Text(), nullable=False),
        sa.Column("property", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.list_id"], name=op.f("fk_website_event_properties_list_id_lists"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_website_event_properties_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("list_id", "event_name", "property", name=op.f("pk_website_event_properties")),
    )
    op.create_index(op.f("ix_website_event_properties_owner_id"), "website_event_properties", ["owner_id"])


def downgrade() -> None:
    """Drop the events, the names and the index."""
    op.drop_table("website_event_properties")
    op.drop_table("website_events")
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {HASHES}")
