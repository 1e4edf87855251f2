"""What came back of the messages that were sent: visits of links before they are judged, and the ledger of facts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Identity, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of
from journeys_api.models.engine import Activity


class ActivityKind(StrEnum):
    """What happened to a message; the values are the wire's words for filters (JC 1.13)."""

    OPENED = "opened"
    CLICKED = "clicked"
    CONVERTED = "converted"
    BROWSER_VIEWED = "browser_viewed"
    FORWARDED = "forwarded"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    SPAM_COMPLAINT = "spam_complaint"

    @property
    def bit(self) -> Activity:
        """The kind as a bit of `deliveries.activity` and `action_subscribers.activity`."""
        return Activity[self.name]


class TrackingHit(Base):
    """A visit of a tracked link, as it came in; deleted by the transaction that has judged it.

    Clicks wait a moment, because a scanner is known by what it does next.
    """

    __tablename__ = "tracking_hits"
    __table_args__ = (
        CheckConstraint("kind IN ('opened', 'clicked', 'browser_viewed')", name="kind_known"),
        # other clicks of the same message about the same time: one link may be followed any number of times
        Index("ix_tracking_hits_delivery_id_occurred_at", "owner_id", "delivery_id", "occurred_at"),
    )

    hit_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    delivery_id: Mapped[int]
    kind: Mapped[str]
    target: Mapped[str] = mapped_column(server_default=text("''"))
    """Where a click went to; empty for the others."""
    automated: Mapped[str | None]
    """Why the visitor is taken for a machine; None: for a person, so far."""
    ip_address: Mapped[str] = mapped_column(server_default=text("''"))
    user_agent: Mapped[str] = mapped_column(server_default=text("''"))
    occurred_at: Mapped[datetime]


class HitSetAside(Base):
    """A visit that could not be judged; kept until somebody has it judged again or lets it go."""

    __tablename__ = "hits_set_aside"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "hit_id"),)

    owner_id: Mapped[int]
    hit_id: Mapped[int]
    visit: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The row of `tracking_hits`, by column."""
    reason: Mapped[str]
    """What judging it failed with: a kind of error, never a value."""
    set_aside_at: Mapped[datetime]


class SpooledFile(Base):
    """A file of hits that was kept while the database was away, and has been read since: never read again.

    Forgotten when a file so old is not read by itself any more (`tracking.hit_writer.REPLAYS_KEPT`).
    """

    __tablename__ = "spooled_files"

    name: Mapped[str] = mapped_column(primary_key=True)
    replayed_at: Mapped[datetime]


class HitWriterState(Base):
    """A process that writes hits: what it has committed, for when it did not hear the answer."""

    __tablename__ = "hit_writers"

    writer: Mapped[str] = mapped_column(primary_key=True)
    last_batch: Mapped[int]
    written_at: Mapped[datetime]


class MessageActivity(Base):
    """The ledger: one fact about one message. Append only, partitioned by month; the statistics follow from it."""

    __tablename__ = "message_activities"
    __table_args__ = (
        one_of("kind", ActivityKind),
        Index("ix_message_activities_delivery_id_occurred_at", "owner_id", "delivery_id", "occurred_at"),
        Index("ix_message_activities_subscriber_id", "owner_id", "subscriber_id", "occurred_at"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )
    __mapper_args__ = {"primary_key": ["owner_id", "delivery_id", "kind", "occurred_at"]}  # noqa: RUF012 (declarative)

    owner_id: Mapped[int]
    delivery_id: Mapped[int]
    journey_id: Mapped[int | None]
    action_id: Mapped[int | None]
    list_id: Mapped[int]
    subscriber_id: Mapped[int]
    kind: Mapped[ActivityKind] = mapped_column(kept_as_text(ActivityKind))
    occurred_at: Mapped[datetime]
    is_counted: Mapped[bool]
    """Whether it is in the statistics: repeated opens and what machines do are not."""
    automated: Mapped[str | None]
    domain: Mapped[str]
    """The recipient's, in lower case."""
    revenue_cents: Mapped[int] = mapped_column(server_default=text("0"))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """`target`, `ip`, `user_agent`, `proxy` of a visit; `conversion_id`, `currency` of a conversion; `type`, `status`,
    `diagnostic` of a bounce."""


class MessageTouch(Base):
    """The message of a journey that a subscriber opened or clicked last: what a conversion is attributed to."""

    __tablename__ = "message_touches"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "subscriber_id"),)

    owner_id: Mapped[int]
    subscriber_id: Mapped[int]
    delivery_id: Mapped[int]
    touched_at: Mapped[datetime]
