"""Addresses that other systems call to subscribe and unsubscribe people, and how often they were called."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Date, ForeignKey, Identity, Index, LargeBinary, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class InboundEvent(StrEnum):
    """What a call of an inbound webhook does."""

    SUBSCRIPTION = "Subscription"
    UNSUBSCRIPTION = "Unsubscription"


class InboundWebhook(Base):
    """One such address, bound to a list."""

    __tablename__ = "inbound_webhooks"
    __table_args__ = (
        one_of("event", InboundEvent),
        Index("uq_inbound_webhooks_id_hash", "id_hash", unique=True),
        Index("ix_inbound_webhooks_owner_id", "owner_id", "webhook_id"),
        Index("ix_inbound_webhooks_list_id", "list_id"),
    )

    webhook_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.list_id", ondelete="CASCADE"))
    name: Mapped[str]
    event: Mapped[InboundEvent] = mapped_column(kept_as_text(InboundEvent))
    leaves_all_lists: Mapped[bool] = mapped_column(server_default=text("false"))
    seed: Mapped[bytes] = mapped_column(LargeBinary)
    """Random; the secret id is made of it and the server's key, so that the database alone does not know it."""
    id_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """What the secret id is looked up by."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class InboundWebhookDay(Base):
    """How often an address was called on a day (UTC)."""

    __tablename__ = "inbound_webhook_days"
    __table_args__ = (
        PrimaryKeyConstraint("webhook_id", "counted_on"),
        Index("ix_inbound_webhook_days_owner_id", "owner_id"),
    )

    webhook_id: Mapped[int] = mapped_column(ForeignKey("inbound_webhooks.webhook_id", ondelete="CASCADE"))
    counted_on: Mapped[date] = mapped_column(Date)
    owner_id: Mapped[int]
    day_id: Mapped[int] = mapped_column(Identity())
    received_count: Mapped[int] = mapped_column(server_default=text("0"))
    failed_count: Mapped[int] = mapped_column(server_default=text("0"))
