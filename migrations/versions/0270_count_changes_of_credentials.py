"""Count the changes that a credential's rights follow from, so that they may be remembered until there is one.

Revision: 0270, after 0260
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0270"
down_revision: str | Sequence[str] | None = "0260"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# a connection makes one change at a time: those of different slots never wait for one another
COUNT = """
CREATE FUNCTION count_credential_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO credential_changes AS kept (slot, changes) VALUES (pg_backend_pid() % 1024, 1)
    ON CONFLICT (slot) DO UPDATE SET changes = kept.changes + 1;
    RETURN NULL;
END $$
"""
# every login clears expired sessions away, mostly none: only one that could still be used counts
COUNT_SESSIONS = """
CREATE FUNCTION count_ended_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ended WHERE expires_at > now()) THEN
        INSERT INTO credential_changes AS kept (slot, changes) VALUES (pg_backend_pid() % 1024, 1)
        ON CONFLICT (slot) DO UPDATE SET changes = kept.changes + 1;
    END IF;
    RETURN NULL;
END $$
"""
WATCHED = {
    "users": "UPDATE OF account_status, group_id OR DELETE",
    "user_groups": "UPDATE OF permissions OR DELETE",
    "api_keys": "UPDATE OF owner_id, key_hash, bound_ip_address OR DELETE",
    "login_sessions": "UPDATE",
    "administrators": "DELETE",
}


def upgrade() -> None:
    """Make the counter and what counts."""
    op.create_table(
        "credential_changes",
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("pk_credential_changes")),
    )
    op.execute(COUNT)
    op.execute(COUNT_SESSIONS)
    for table, events in WATCHED.items():
        op.execute(
            f"CREATE TRIGGER count_credential_change AFTER {events} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_credential_change()"
        )
    op.execute(
        "CREATE TRIGGER count_ended_sessions AFTER DELETE ON login_sessions REFERENCING OLD TABLE AS ended "
        "FOR EACH STATEMENT EXECUTE FUNCTION count_ended_sessions()"
    )


def downgrade() -> None:
    """Take it away again."""
    op.execute("DROP TRIGGER count_ended_sessions ON login_sessions")
    for table in WATCHED:
        op.execute(f"DROP TRIGGER count_credential_change ON {table}")
    op.execute("DROP FUNCTION count_ended_sessions()")
    op.execute("DROP FUNCTION count_credential_change()")
    op.drop_table("credential_changes")
