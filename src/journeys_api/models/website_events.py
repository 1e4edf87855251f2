"""Website events: what visitors of an account's pages did, and the names of properties that came with it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Identity, Index, PrimaryKeyConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class WebsiteEventKind(StrEnum):
    """What journeys tell apart; whatever a page calls its own is a custom event."""

    PAGE_VIEW = "pageView"
    IDENTIFY = "identify"
    CONVERSION = "conversion"
    CUSTOM = "customEvent"


class WebsiteEvent(Base):
    """One event of one visitor: a subscriber, or nobody known yet. It goes with the subscriber, and with the list."""

    __tablename__ = "website_events"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "event_id"),
        ForeignKeyConstraint(
            ["owner_id", "subscriber_id"],
            ["subscribers.owner_id", "subscribers.subscriber_id"],
            ondelete="CASCADE",
        ),
        one_of("kind", WebsiteEventKind),
        Index("ix_website_events_subscriber", "owner_id", "subscriber_id", "kind", "occurred_at"),
        # whose visitor id it is
        Index(
            "ix_website_events_uuid",
            "owner_id",
            "uuid",
            "event_id",
            postgresql_where=text("uuid <> '' AND subscriber_id IS NOT NULL"),
        ),
        # a conversion that is sent twice is one
        Index(
            "uq_website_events_conversion",
            "owner_id",
            "subscriber_id",
            "conversion_id",
            unique=True,
            postgresql_where=text("conversion_id IS NOT NULL AND subscriber_id IS NOT NULL"),
        ),
        # an event of a page that is sent twice is one
        Index(
            "uq_website_events_event_key",
            "owner_id",
            "event_key",
            unique=True,
            postgresql_where=text("event_key IS NOT NULL"),
        ),
        # for the cascade of the list's key
        Index("ix_website_events_list_id", "list_id"),
    )

    event_id: Mapped[int] = mapped_column(Identity())
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    list_id: Mapped[int | None] = mapped_column(ForeignKey("lists.list_id", ondelete="CASCADE"))
    subscriber_id: Mapped[int | None]
    kind: Mapped[WebsiteEventKind] = mapped_column(kept_as_text(WebsiteEventKind))
    name: Mapped[str]
    """The kind, or what the page calls a custom event."""
    uuid: Mapped[str] = mapped_column(server_default=text("''"))
    conversion_id: Mapped[str | None]
    event_key: Mapped[UUID | None] = mapped_column(Uuid)
    """The event's own id, where the page gave it one."""
    properties: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    occurred_at: Mapped[datetime]


class WebsiteEventProperty(Base):
    """A property that events of one name had on a list: kept apart, so that listing the names reads no events."""

    __tablename__ = "website_event_properties"
    __table_args__ = (PrimaryKeyConstraint("list_id", "event_name", "property"),)

    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), index=True)
    list_id: Mapped[int] = mapped_column(ForeignKey("lists.list_id", ondelete="CASCADE"))
    event_name: Mapped[str]
    property: Mapped[str]
