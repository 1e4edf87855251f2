"""Tables of accounts, audience and journeys.

Revision: 0001, after
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Tables of accounts, audience and journeys."""
    op.create_table(
        "action_days",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("counted_on", sa.Date(), nullable=False),
        sa.Column("send_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivery_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("click_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversion_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("browser_view_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forward_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unsubscribe_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bounce_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spam_complaint_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revenue_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint(
            "owner_id", "journey_id", "counted_on", "action_id", "domain", name=op.f("pk_action_days")
        ),
    )
    op.create_table(
        "action_subscribers",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column("activity", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "owner_id", "action_id", "list_id", "subscriber_id", name=op.f("pk_action_subscribers")
        ),
    )
    op.create_index(
        "ix_action_subscribers_email_address",
        "action_subscribers",
        ["owner_id", "action_id", "email_address", "subscriber_id"],
        unique=False,
        postgresql_include=["list_id", "activity"],
    )
    op.create_index(
        "ix_action_subscribers_subscriber_id", "action_subscribers", ["owner_id", "subscriber_id"], unique=False
    )
    op.create_table(
        "action_totals",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("action_id", sa.BigInteger(), nullable=False),
        sa.Column("active_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed_runs", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("send_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivery_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("click_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversion_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("browser_view_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forward_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unsubscribe_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bounce_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spam_complaint_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revenue_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "journey_id", "action_id", name=op.f("pk_action_totals")),
    )
    op.create_table(
        "administrators",
        sa.Column("administrator_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("last_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("administrator_id", name=op.f("pk_administrators")),
    )
    op.create_index("uq_administrators_username", "administrators", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "enrollments",
        sa.Column("enrollment_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("active", "completed", "exited", "failed", name="enrollmentstate", native_enum=False, length=None),
            server_default=sa.text("'active'"),
            nullable=False,
        ),
        sa.Column("action_id", sa.BigInteger(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("depth", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cause", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'active') = (ended_at IS NULL)", name=op.f("ck_enrollments_end_whole")),
        sa.CheckConstraint(
            "state IN ('active', 'completed', 'exited', 'failed')", name=op.f("ck_enrollments_state_known")
        ),
        sa.PrimaryKeyConstraint("owner_id", "enrollment_id", name=op.f("pk_enrollments")),
    )
    op.create_index(
        "ix_enrollments_journey_id_action_id",
        "enrollments",
        ["owner_id", "journey_id", "action_id"],
        unique=False,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(
        "ix_enrollments_subscriber_id", "enrollments", ["owner_id", "subscriber_id", "journey_id"], unique=False
    )
    op.create_index(
        "uq_enrollments_active",
        "enrollments",
        ["owner_id", "journey_id", "list_id", "subscriber_id"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "journey_totals",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("active_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("send_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivery_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("open_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("click_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversion_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("browser_view_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("forward_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unsubscribe_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bounce_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("spam_complaint_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("revenue_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "journey_id", name=op.f("pk_journey_totals")),
    )
    op.create_table(
        "sms_gateways",
        sa.Column("gateway_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum("Active", "Inactive", name="gatewaystatus", native_enum=False, length=None),
            server_default=sa.text("'Active'"),
            nullable=False,
        ),
        sa.Column("is_global", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("user_ids", postgresql.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("sender_ids", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("credentials", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('Active', 'Inactive')", name=op.f("ck_sms_gateways_status_known")),
        sa.PrimaryKeyConstraint("gateway_id", name=op.f("pk_sms_gateways")),
    )
    op.create_table(
        "suppressions",
        sa.Column("suppression_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "Administrator",
                "User",
                "SPAM complaint",
                "Hard Bounced",
                "Unsubscribe",
                name="suppressionsource",
                native_enum=False,
                length=None,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "source IN ('Administrator', 'User', 'SPAM complaint', 'Hard Bounced', 'Unsubscribe')",
            name=op.f("ck_suppressions_source_known"),
        ),
        sa.CheckConstraint("email_address = lower(email_address)", name=op.f("ck_suppressions_address_lower")),
        sa.CheckConstraint("owner_id > 0 OR list_id = 0", name=op.f("ck_suppressions_scope_whole")),
        sa.PrimaryKeyConstraint("suppression_id", name=op.f("pk_suppressions")),
    )
    op.create_index("ix_suppressions_owner_id", "suppressions", ["owner_id", "list_id", "email_address"], unique=False)
    op.create_index(
        "uq_suppressions_scope_email_address", "suppressions", ["email_address", "owner_id", "list_id"], unique=True
    )
    op.create_table(
        "user_groups",
        sa.Column("group_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("limit_subscribers", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("limit_lists", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("force_opt_in_list", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attributes", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_user_groups")),
    )
    op.create_table(
        "users",
        sa.Column("user_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("language", sa.Text(), server_default=sa.text("'en'"), nullable=False),
        sa.Column(
            "account_status",
            sa.Enum("Enabled", "Disabled", name="accountstatus", native_enum=False, length=None),
            server_default=sa.text("'Enabled'"),
            nullable=False,
        ),
        sa.Column(
            "reputation_level",
            sa.Enum("Trusted", "Untrusted", name="reputationlevel", native_enum=False, length=None),
            server_default=sa.text("'Trusted'"),
            nullable=False,
        ),
        sa.Column("available_credits", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("profile", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("account_status IN ('Enabled', 'Disabled')", name=op.f("ck_users_account_status_known")),
        sa.CheckConstraint(
            "reputation_level IN ('Trusted', 'Untrusted')", name=op.f("ck_users_reputation_level_known")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["user_groups.group_id"], name=op.f("fk_users_group_id_user_groups"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
    )
    op.create_index(op.f("ix_users_group_id"), "users", ["group_id"], unique=False)
    op.create_index("uq_users_email_address", "users", [sa.literal_column("lower(email_address)")], unique=True)
    op.create_index("uq_users_username", "users", [sa.literal_column("lower(username)")], unique=True)
    op.create_table(
        "api_keys",
        sa.Column("api_key_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("masked_key", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("bound_ip_address", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_ip", sa.Text(), nullable=True),
        sa.Column("request_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_api_keys_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("api_key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index(op.f("ix_api_keys_owner_id"), "api_keys", ["owner_id"], unique=False)
    op.create_table(
        "custom_fields",
        sa.Column("field_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("field_name", sa.Text(), nullable=False),
        sa.Column("field_type", sa.Text(), nullable=False),
        sa.Column("data_type", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("default_value", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("choices", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("validation_method", sa.Text(), server_default=sa.text("'Disabled'"), nullable=False),
        sa.Column("validation_rule", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("merge_tag_alias", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_unique", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_unique_identifier", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("visibility", sa.Text(), server_default=sa.text("'User Only'"), nullable=False),
        sa.Column("years", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("meta", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_custom_fields_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("field_id", name=op.f("pk_custom_fields")),
    )
    op.create_index("ix_custom_fields_list_id", "custom_fields", ["owner_id", "list_id"], unique=False)
    op.create_index(
        "uq_custom_fields_merge_tag_alias",
        "custom_fields",
        ["owner_id", "list_id", sa.literal_column("lower(merge_tag_alias)")],
        unique=True,
        postgresql_where=sa.text("merge_tag_alias <> ''"),
    )
    op.create_table(
        "emails",
        sa.Column("email_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("from_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("from_email", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reply_to_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reply_to_email", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "content_type",
            sa.Enum("HTML", "Plain", "Both", name="contenttype", native_enum=False, length=None),
            server_default=sa.text("'Both'"),
            nullable=False,
        ),
        sa.Column("mode", sa.Text(), server_default=sa.text("'Empty'"), nullable=False),
        sa.Column("fetch_url", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("fetch_plain_url", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("subject", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("pre_header_text", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("html_content", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("plain_content", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("extra_content_1", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("extra_content_2", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("image_embedding", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("template_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_template", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("options", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("content_type IN ('HTML', 'Plain', 'Both')", name=op.f("ck_emails_content_type_known")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_emails_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("email_id", name=op.f("pk_emails")),
    )
    op.create_index(
        "ix_emails_owner_id", "emails", ["owner_id"], unique=False, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_table(
        "global_values",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column(
            "custom_values", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_global_values_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "email_address", name=op.f("pk_global_values")),
    )
    op.create_table(
        "journeys",
        sa.Column("journey_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("trigger", sa.Text(), server_default=sa.text("'Manual'"), nullable=False),
        sa.Column("trigger_parameters", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("run_criteria", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("run_criteria_operator", sa.Text(), server_default=sa.text("'and'"), nullable=False),
        sa.Column("rate_limit_per_hour", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rate_limit_per_day", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "status",
            sa.Enum("Enabled", "Disabled", name="journeystatus", native_enum=False, length=None),
            server_default=sa.text("'Disabled'"),
            nullable=False,
        ),
        sa.Column("first_action_id", sa.BigInteger(), nullable=True),
        sa.Column("flow_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "run_criteria_operator IN ('and', 'or')", name=op.f("ck_journeys_run_criteria_operator_known")
        ),
        sa.CheckConstraint("status IN ('Enabled', 'Disabled')", name=op.f("ck_journeys_status_known")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_journeys_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("journey_id", name=op.f("pk_journeys")),
    )
    op.create_index(
        "ix_journeys_owner_id",
        "journeys",
        ["owner_id", "journey_id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "ix_journeys_owner_id_trigger",
        "journeys",
        ["owner_id", "trigger"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'Enabled'"),
    )
    op.create_table(
        "lists",
        sa.Column("list_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "opt_in_mode",
            sa.Enum("Single", "Double", name="optinmode", native_enum=False, length=None),
            server_default=sa.text("'Single'"),
            nullable=False,
        ),
        sa.Column("opt_in_confirmation_email_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sender_name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sender_email_address", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sender_company", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("sender_address", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("opt_out_scope", sa.Text(), server_default=sa.text("'This list'"), nullable=False),
        sa.Column("opt_out_subscribe_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("opt_out_unsubscribe_from", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("opt_in_subscribe_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("opt_in_unsubscribe_from", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("opt_out_add_to_suppression_list", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "opt_out_add_to_global_suppression_list", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("phone_field_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("options", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("attributes", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("opt_in_mode IN ('Single', 'Double')", name=op.f("ck_lists_opt_in_mode_known")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_lists_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("list_id", name=op.f("pk_lists")),
    )
    op.create_index(op.f("ix_lists_owner_id"), "lists", ["owner_id"], unique=False)
    op.create_table(
        "login_sessions",
        sa.Column("session_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("administrator_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(user_id IS NULL) <> (administrator_id IS NULL)", name=op.f("ck_login_sessions_one_holder")
        ),
        sa.ForeignKeyConstraint(
            ["administrator_id"],
            ["administrators.administrator_id"],
            name=op.f("fk_login_sessions_administrator_id_administrators"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_login_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_hash", name=op.f("pk_login_sessions")),
    )
    op.create_index(op.f("ix_login_sessions_administrator_id"), "login_sessions", ["administrator_id"], unique=False)
    op.create_index(op.f("ix_login_sessions_expires_at"), "login_sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_login_sessions_user_id"), "login_sessions", ["user_id"], unique=False)
    op.create_table(
        "sender_domains",
        sa.Column("domain_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "Approval Pending",
                "Enabled",
                "Disabled",
                "Deleted",
                name="domainstatus",
                native_enum=False,
                length=None,
            ),
            nullable=False,
        ),
        sa.Column("options", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('Approval Pending', 'Enabled', 'Disabled', 'Deleted')",
            name=op.f("ck_sender_domains_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.user_id"], name=op.f("fk_sender_domains_owner_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("domain_id", name=op.f("pk_sender_domains")),
    )
    op.create_index(
        "uq_sender_domains_name", "sender_domains", ["owner_id", sa.literal_column("lower(name)")], unique=True
    )
    op.create_table(
        "journey_actions",
        sa.Column("action_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_action_id", sa.BigInteger(), nullable=True),
        sa.Column("branch", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("order_no", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("parameters", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("notes", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_published", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("next_action_id", sa.BigInteger(), nullable=True),
        sa.Column("true_action_id", sa.BigInteger(), nullable=True),
        sa.Column("false_action_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(parent_action_id IS NULL) = (branch = '')", name=op.f("ck_journey_actions_branch_whole")),
        sa.CheckConstraint("branch IN ('', 'true', 'false')", name=op.f("ck_journey_actions_branch_known")),
        sa.ForeignKeyConstraint(
            ["journey_id"],
            ["journeys.journey_id"],
            name=op.f("fk_journey_actions_journey_id_journeys"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("action_id", name=op.f("pk_journey_actions")),
    )
    op.create_index("ix_journey_actions_journey_id", "journey_actions", ["journey_id", "order_no"], unique=False)
    op.create_index("ix_journey_actions_owner_id", "journey_actions", ["owner_id"], unique=False)
    op.create_table(
        "subscribers",
        sa.Column("subscriber_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("email_address", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "Subscribed",
                "Unsubscribed",
                "Opt-In Pending",
                "Opt-Out Pending",
                name="subscriptionstatus",
                native_enum=False,
                length=None,
            ),
            nullable=False,
        ),
        sa.Column(
            "bounce_type",
            sa.Enum("Not Bounced", "Soft", "Hard", name="bouncetype", native_enum=False, length=None),
            server_default=sa.text("'Not Bounced'"),
            nullable=False,
        ),
        sa.Column("soft_bounce_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("subscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("subscription_ip", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("unsubscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unsubscription_ip", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("opted_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), server_default=sa.text("'API'"), nullable=False),
        sa.Column("source_ref", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "custom_values", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "bounce_type IN ('Not Bounced', 'Soft', 'Hard')", name=op.f("ck_subscribers_bounce_type_known")
        ),
        sa.CheckConstraint(
            "status IN ('Subscribed', 'Unsubscribed', 'Opt-In Pending', 'Opt-Out Pending')",
            name=op.f("ck_subscribers_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["lists.list_id"], name=op.f("fk_subscribers_list_id_lists"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "subscriber_id", name=op.f("pk_subscribers")),
    )
    op.create_index("ix_subscribers_list_id", "subscribers", ["list_id"], unique=False)
    op.create_index(
        "ix_subscribers_list_id_status", "subscribers", ["owner_id", "list_id", "status", "bounce_type"], unique=False
    )
    op.create_index(
        "uq_subscribers_list_id_email_address",
        "subscribers",
        ["owner_id", "list_id", sa.literal_column("lower(email_address)")],
        unique=True,
    )
    op.create_table(
        "tags",
        sa.Column("tag_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("list_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["lists.list_id"], name=op.f("fk_tags_list_id_lists"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", name=op.f("pk_tags")),
    )
    op.create_index("ix_tags_list_id", "tags", ["list_id"], unique=False)
    op.create_index(
        "uq_tags_list_id_name", "tags", ["owner_id", "list_id", sa.literal_column("lower(name)")], unique=True
    )
    op.create_table(
        "subscriber_tags",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.Column("tagged_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "subscriber_id"],
            ["subscribers.owner_id", "subscribers.subscriber_id"],
            name=op.f("fk_subscriber_tags_owner_id_subscriber_id_subscribers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.tag_id"], name=op.f("fk_subscriber_tags_tag_id_tags"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "subscriber_id", "tag_id", name=op.f("pk_subscriber_tags")),
    )
    op.create_index("ix_subscriber_tags_tag_id", "subscriber_tags", ["tag_id", "subscriber_id"], unique=False)


def downgrade() -> None:
    """Undo it."""
    op.drop_index("ix_subscriber_tags_tag_id", table_name="subscriber_tags")
    op.drop_table("subscriber_tags")
    op.drop_index("uq_tags_list_id_name", table_name="tags")
    op.drop_index("ix_tags_list_id", table_name="tags")
    op.drop_table("tags")
    op.drop_index("uq_subscribers_list_id_email_address", table_name="subscribers")
    op.drop_index("ix_subscribers_list_id_status", table_name="subscribers")
    op.drop_index("ix_subscribers_list_id", table_name="subscribers")
    op.drop_table("subscribers")
    op.drop_index("ix_journey_actions_owner_id", table_name="journey_actions")
    op.drop_index("ix_journey_actions_journey_id", table_name="journey_actions")
    op.drop_table("journey_actions")
    op.drop_index("uq_sender_domains_name", table_name="sender_domains")
    op.drop_table("sender_domains")
    op.drop_index(op.f("ix_login_sessions_user_id"), table_name="login_sessions")
    op.drop_index(op.f("ix_login_sessions_expires_at"), table_name="login_sessions")
    op.drop_index(op.f("ix_login_sessions_administrator_id"), table_name="login_sessions")
    op.drop_table("login_sessions")
    op.drop_index(op.f("ix_lists_owner_id"), table_name="lists")
    op.drop_table("lists")
    op.drop_index(
        "ix_journeys_owner_id_trigger",
        table_name="journeys",
        postgresql_where=sa.text("deleted_at IS NULL AND status = 'Enabled'"),
    )
    op.drop_index("ix_journeys_owner_id", table_name="journeys", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_table("journeys")
    op.drop_table("global_values")
    op.drop_index("ix_emails_owner_id", table_name="emails", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_table("emails")
    op.drop_index(
        "uq_custom_fields_merge_tag_alias",
        table_name="custom_fields",
        postgresql_where=sa.text("merge_tag_alias <> ''"),
    )
    op.drop_index("ix_custom_fields_list_id", table_name="custom_fields")
    op.drop_table("custom_fields")
    op.drop_index(op.f("ix_api_keys_owner_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index("uq_users_username", table_name="users")
    op.drop_index("uq_users_email_address", table_name="users")
    op.drop_index(op.f("ix_users_group_id"), table_name="users")
    op.drop_table("users")
    op.drop_table("user_groups")
    op.drop_index("uq_suppressions_scope_email_address", table_name="suppressions")
    op.drop_index("ix_suppressions_owner_id", table_name="suppressions")
    op.drop_table("suppressions")
    op.drop_table("sms_gateways")
    op.drop_table("journey_totals")
    op.drop_index("uq_enrollments_active", table_name="enrollments", postgresql_where=sa.text("state = 'active'"))
    op.drop_index("ix_enrollments_subscriber_id", table_name="enrollments")
    op.drop_index(
        "ix_enrollments_journey_id_action_id", table_name="enrollments", postgresql_where=sa.text("state = 'active'")
    )
    op.drop_table("enrollments")
    op.drop_index("uq_administrators_username", table_name="administrators")
    op.drop_table("administrators")
    op.drop_table("action_totals")
    op.drop_index("ix_action_subscribers_subscriber_id", table_name="action_subscribers")
    op.drop_index(
        "ix_action_subscribers_email_address",
        table_name="action_subscribers",
        postgresql_include=["list_id", "activity"],
    )
    op.drop_table("action_subscribers")
    op.drop_table("action_days")
