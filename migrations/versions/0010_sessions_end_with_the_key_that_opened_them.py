"""Sessions end with the key that opened them.

Revision: 0010, after 0001
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ONE_HOLDER = "ck_login_sessions_one_holder"


def upgrade() -> None:
    """Remember which API key, or which configured administrator's key, logged in."""
    op.add_column("login_sessions", sa.Column("api_key_id", sa.BigInteger(), nullable=True))
    op.add_column("login_sessions", sa.Column("admin_key_hash", sa.LargeBinary(), nullable=True))
    op.create_foreign_key(
        op.f("fk_login_sessions_api_key_id_api_keys"),
        "login_sessions",
        "api_keys",
        ["api_key_id"],
        ["api_key_id"],
        ondelete="CASCADE",
    )
    op.create_index(
        "ix_login_sessions_api_key_id",
        "login_sessions",
        ["api_key_id"],
        postgresql_where=sa.text("api_key_id IS NOT NULL"),
    )
    op.drop_constraint(op.f(ONE_HOLDER), "login_sessions", type_="check")
    op.create_check_constraint(
        op.f(ONE_HOLDER), "login_sessions", "num_nonnulls(user_id, administrator_id, admin_key_hash) = 1"
    )
    op.create_check_constraint(
        op.f("ck_login_sessions_key_of_a_user"), "login_sessions", "api_key_id IS NULL OR user_id IS NOT NULL"
    )


def downgrade() -> None:
    """Forget it; sessions that could no longer be ended with their key end now."""
    op.execute("DELETE FROM login_sessions WHERE api_key_id IS NOT NULL OR admin_key_hash IS NOT NULL")
    op.drop_constraint(op.f("ck_login_sessions_key_of_a_user"), "login_sessions", type_="check")
    op.drop_constraint(op.f(ONE_HOLDER), "login_sessions", type_="check")
    op.drop_index("ix_login_sessions_api_key_id", table_name="login_sessions")
    op.drop_column("login_sessions", "admin_key_hash")
    op.drop_column("login_sessions", "api_key_id")
    op.create_check_constraint(op.f(ONE_HOLDER), "login_sessions", "(user_id IS NULL) <> (administrator_id IS NULL)")
