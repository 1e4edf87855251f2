"""Who may call: groups with their permissions, users (the owners of everything), administrators, keys and sessions."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class AccountStatus(StrEnum):
    """Whether a user's credentials are honoured."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class ReputationLevel(StrEnum):
    """The vendor's trust in a user; kept and answered, nothing depends on it here."""

    TRUSTED = "Trusted"
    UNTRUSTED = "Untrusted"


class UserGroup(Base):
    """What its users may do and how much of it. Limits: 0 = unlimited."""

    __tablename__ = "user_groups"

    group_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    group_name: Mapped[str]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """Names such as `Campaign.Create`; `*` alone stands for all."""
    limit_subscribers: Mapped[int] = mapped_column(server_default=text("0"))
    limit_lists: Mapped[int] = mapped_column(server_default=text("0"))
    force_opt_in_list: Mapped[bool] = mapped_column(server_default=text("false"))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """The vendor's other group settings, by their wire names; kept and answered."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class User(Base):
    """An account: the owner of lists, subscribers, emails and journeys."""

    __tablename__ = "users"
    __table_args__ = (
        one_of("account_status", AccountStatus),
        one_of("reputation_level", ReputationLevel),
        Index("uq_users_username", func.lower(text("username")), unique=True),
        Index("uq_users_email_address", func.lower(text("email_address")), unique=True),
    )

    user_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("user_groups.group_id", ondelete="RESTRICT"), index=True)
    username: Mapped[str]
    email_address: Mapped[str]
    password_hash: Mapped[str]
    time_zone: Mapped[str] = mapped_column(server_default=text("'UTC'"))
    language: Mapped[str] = mapped_column(server_default=text("'en'"))
    account_status: Mapped[AccountStatus] = mapped_column(kept_as_text(AccountStatus), server_default=text("'Enabled'"))
    reputation_level: Mapped[ReputationLevel] = mapped_column(
        kept_as_text(ReputationLevel), server_default=text("'Trusted'")
    )
    available_credits: Mapped[int] = mapped_column(server_default=text("0"))
    currency: Mapped[str] = mapped_column(server_default=text("''"))
    """What revenue is counted in, three capitals; empty: that of the first conversion that names one."""
    profile: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """`FirstName`, `LastName`, `CompanyName`, `Website`, `Street` … by wire name; mail is personalized from it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Administrator(Base):
    """A person who may call the admin commands."""

    __tablename__ = "administrators"
    __table_args__ = (Index("uq_administrators_username", func.lower(text("username")), unique=True),)

    administrator_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    username: Mapped[str]
    email_address: Mapped[str]
    password_hash: Mapped[str]
    first_name: Mapped[str] = mapped_column(server_default=text("''"))
    last_name: Mapped[str] = mapped_column(server_default=text("''"))
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]


class CredentialChange(Base):
    """How often something that a credential's rights follow from was changed or ended; triggers count.

    Whoever remembers credentials asks for the sum: it grows with every such change at the moment it is committed, in
    whatever order. A row for each few connections, so that changes do not wait for one another.
    """

    __tablename__ = "credential_changes"

    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    changes: Mapped[int]


class LoginSession(Base):
    """One login of a user, of an administrator or by the configured key; only the keyed hash of its id is kept."""

    __tablename__ = "login_sessions"
    __table_args__ = (
        CheckConstraint("num_nonnulls(user_id, administrator_id, admin_key_hash) = 1", name="one_holder"),
        CheckConstraint("api_key_id IS NULL OR user_id IS NOT NULL", name="key_of_a_user"),
        Index("ix_login_sessions_api_key_id", "api_key_id", postgresql_where=text("api_key_id IS NOT NULL")),
    )

    session_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    administrator_id: Mapped[int | None] = mapped_column(
        ForeignKey("administrators.administrator_id", ondelete="CASCADE"), index=True
    )
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.api_key_id", ondelete="CASCADE"))
    """The key that logged in: the session ends with it, and may be used only where it may."""
    admin_key_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Keyed hash of the configured administrator's key that logged in: another key ends the session."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ApiKey(Base):
    """A user's key; only its keyed hash is kept, and a masked form to recognize it by."""

    __tablename__ = "api_keys"

    api_key_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    masked_key: Mapped[str]
    note: Mapped[str]
    bound_ip_address: Mapped[str | None]
    """The only client address that may use the key; None: any."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None]
    request_count: Mapped[int] = mapped_column(server_default=text("0"))
