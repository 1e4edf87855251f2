"""Find subscribers by custom values.

Revision: 0030, after 0100
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0030"
down_revision: str | Sequence[str] | None = "0100"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEXES = (
    ("ix_subscribers_custom_values", "subscribers"),
    ("ix_global_values_custom_values", "global_values"),
)


def upgrade() -> None:
    """Index the values, so that a unique one is found without reading the list; written to meanwhile."""
    with op.get_context().autocommit_block():
        for name, table in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # a failed build
            op.create_index(
                name,
                table,
                ["custom_values"],
                postgresql_using="gin",
                postgresql_ops={"custom_values": "jsonb_path_ops"},
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    """Drop the indexes."""
    with op.get_context().autocommit_block():
        for name, _ in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
