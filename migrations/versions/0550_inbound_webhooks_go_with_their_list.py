"""Have inbound webhooks go with their list, and no list lead to one that is gone.

Revision: 0550, after 0540
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0550"
down_revision: str | Sequence[str] | None = "0540"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LINKS = ("opt_out_subscribe_to", "opt_out_unsubscribe_from", "opt_in_subscribe_to", "opt_in_unsubscribe_from")


def upgrade() -> None:
    """Clear away what leads nowhere, and let the database see to the webhooks from now on."""
    op.create_index("ix_inbound_webhooks_list_id", "inbound_webhooks", ["list_id"])
    op.execute(
        "ALTER TABLE inbound_webhooks ADD CONSTRAINT fk_inbound_webhooks_list_id_lists "
        "FOREIGN KEY (list_id) REFERENCES lists (list_id) ON DELETE CASCADE NOT VALID"
    )
    op.execute("DELETE FROM inbound_webhooks w WHERE NOT EXISTS (SELECT FROM lists l WHERE l.list_id = w.list_id)")
    op.execute("ALTER TABLE inbound_webhooks VALIDATE CONSTRAINT fk_inbound_webhooks_list_id_lists")
    for link in LINKS:
        op.execute(
            f"UPDATE lists l SET {link} = 0 "
            f"WHERE {link} <> 0 AND NOT EXISTS (SELECT FROM lists o WHERE o.list_id = l.{link})"
        )


def downgrade() -> None:
    """Let webhooks outlive their list."""
    op.drop_constraint("fk_inbound_webhooks_list_id_lists", "inbound_webhooks")
    op.drop_index("ix_inbound_webhooks_list_id", "inbound_webhooks")
