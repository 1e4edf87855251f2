"""What is sent and through what: email contents, sender domains, SMS gateways."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, Text

from journeys_api.models.base import Base, kept_as_text, one_of


class ContentType(StrEnum):
    """Which bodies an email has."""

    HTML = "HTML"
    PLAIN = "Plain"
    BOTH = "Both"


class DomainStatus(StrEnum):
    """Whether mail may be sent from a domain."""

    APPROVAL_PENDING = "Approval Pending"
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    DELETED = "Deleted"


class GatewayStatus(StrEnum):
    """Whether messages may be sent through a gateway."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"


class Email(Base):
    """The content of a mail. A row with `deleted_at` is as good as absent."""

    __tablename__ = "emails"
    __table_args__ = (
        one_of("content_type", ContentType),
        Index("ix_emails_owner_id", "owner_id", postgresql_where=text("deleted_at IS NULL")),
    )

    email_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(server_default=text("''"))
    from_name: Mapped[str] = mapped_column(server_default=text("''"))
    from_email: Mapped[str] = mapped_column(server_default=text("''"))
    reply_to_name: Mapped[str] = mapped_column(server_default=text("''"))
    reply_to_email: Mapped[str] = mapped_column(server_default=text("''"))
    content_type: Mapped[ContentType] = mapped_column(kept_as_text(ContentType), server_default=text("'Both'"))
    mode: Mapped[str] = mapped_column(server_default=text("'Empty'"))
    fetch_url: Mapped[str] = mapped_column(server_default=text("''"))
    fetch_plain_url: Mapped[str] = mapped_column(server_default=text("''"))
    subject: Mapped[str] = mapped_column(server_default=text("''"))
    pre_header_text: Mapped[str] = mapped_column(server_default=text("''"))
    html_content: Mapped[str] = mapped_column(server_default=text("''"))
    plain_content: Mapped[str] = mapped_column(server_default=text("''"))
    extra_content_1: Mapped[str] = mapped_column(server_default=text("''"))
    extra_content_2: Mapped[str] = mapped_column(server_default=text("''"))
    image_embedding: Mapped[bool] = mapped_column(server_default=text("false"))
    template_id: Mapped[int] = mapped_column(server_default=text("0"))
    is_template: Mapped[bool] = mapped_column(server_default=text("false"))
    options: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """`SenderDomain`, `OpenTracking`, `LinkTracking`, `UTM…` by their wire names."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class SenderDomain(Base):
    """A domain that an account sends from."""

    __tablename__ = "sender_domains"
    __table_args__ = (
        one_of("status", DomainStatus),
        Index("uq_sender_domains_name", "owner_id", func.lower(text("name")), unique=True),
    )

    domain_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    name: Mapped[str]
    status: Mapped[DomainStatus] = mapped_column(kept_as_text(DomainStatus))
    options: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    created_at: Mapped[datetime]
    last_verified_at: Mapped[datetime | None]


class SmsGateway(Base):
    """A provider account that short messages leave through; made by an administrator, usable by the users named."""

    __tablename__ = "sms_gateways"
    __table_args__ = (one_of("status", GatewayStatus),)

    gateway_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    """`Log`, `Twilio` or `HTTP`: the adapter that speaks to it."""
    status: Mapped[GatewayStatus] = mapped_column(kept_as_text(GatewayStatus), server_default=text("'Active'"))
    is_global: Mapped[bool] = mapped_column(server_default=text("true"))
    user_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    """Who may use it when it is not global."""
    sender_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """Sender numbers; the first is the default."""
    credentials: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """What the adapter signs in with, by name, each value sealed (`sealing/vault.py`); written, never answered."""
    created_at: Mapped[datetime]
