"""Who is inside which journey, and who has reached which action."""

from datetime import datetime
from enum import IntFlag, StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Identity, Index, PrimaryKeyConstraint, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class EnrollmentState(StrEnum):
    """Where an enrollment is in its life; all but `active` are final."""

    ACTIVE = "active"
    COMPLETED = "completed"
    EXITED = "exited"
    FAILED = "failed"


class Activity(IntFlag):
    """What a person did with the email of an action. Never renumber: sums of these are stored."""

    OPENED = 1
    CLICKED = 2
    CONVERTED = 4
    BROWSER_VIEWED = 8
    FORWARDED = 16
    UNSUBSCRIBED = 32
    BOUNCED = 64
    SPAM_COMPLAINT = 128


class Enrollment(Base):
    """One subscriber's one pass through one journey."""

    __tablename__ = "enrollments"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "enrollment_id"),
        one_of("state", EnrollmentState),
        CheckConstraint("(state = 'active') = (ended_at IS NULL)", name="end_whole"),
        # nobody stands somewhere without an instant to go on at: no entry can be stuck
        CheckConstraint("state <> 'active' OR due_at IS NOT NULL", name="active_due"),
        # nobody is active twice in one journey: the database's promise, not a check before an insert
        Index(
            "uq_enrollments_active",
            "owner_id",
            "journey_id",
            "list_id",
            "subscriber_id",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
        Index("ix_enrollments_subscriber_id", "owner_id", "subscriber_id", "journey_id"),
        # the people of a journey in order of entry: operators page through them, and draw from them
        Index(
            "ix_enrollments_journey_id_enrollment_id",
            "owner_id",
            "journey_id",
            "enrollment_id",
            postgresql_where=text("state = 'active'"),
        ),
        # no index names what a step changes (action_id, due_at, seq …): so it rewrites the row in place, and touches no
        # index; who stands at one action is found among the active people of its journey, which only edits do
        Index("ix_enrollments_failed", "ended_at", postgresql_where=text("state = 'failed'")),
        {
            "postgresql_with": {
                "fillfactor": "80",
                "autovacuum_vacuum_scale_factor": "0.05",
                "autovacuum_analyze_scale_factor": "0.05",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )

    enrollment_id: Mapped[int] = mapped_column(Identity())
    owner_id: Mapped[int]
    journey_id: Mapped[int]
    list_id: Mapped[int]
    subscriber_id: Mapped[int]
    email_address: Mapped[str]
    """Copied, so that lists of people need no join."""
    state: Mapped[EnrollmentState] = mapped_column(kept_as_text(EnrollmentState), server_default=text("'active'"))
    action_id: Mapped[int | None]
    """The action the person stands at; None once ended."""
    entered_at: Mapped[datetime]
    """When that action was reached; waits count from it."""
    due_at: Mapped[datetime | None]
    """When the person is looked at next; a timer that says otherwise does nothing. None once ended."""
    seq: Mapped[int] = mapped_column(server_default=text("0"))
    """Steps taken so far."""
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    depth: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """How many journeys deep in a chain of causes."""
    cause: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None]


class ActionSubscriber(Base):
    """A subscriber has reached an action (for SendEmail: was sent the email); once, however often it happened."""

    __tablename__ = "action_subscribers"
    __table_args__ = (
        # in this order it finds what a subscriber has reached, too
        PrimaryKeyConstraint("owner_id", "subscriber_id", "action_id", "list_id"),
        # pages of an action's people in order of address, read from the index alone
        Index(
            "ix_action_subscribers_email_address",
            "owner_id",
            "action_id",
            "email_address",
            "subscriber_id",
            postgresql_include=["list_id", "activity"],
        ),
    )

    owner_id: Mapped[int]
    action_id: Mapped[int]
    list_id: Mapped[int]
    subscriber_id: Mapped[int]
    email_address: Mapped[str]
    activity: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """What the person did with the email, as a sum of `Activity` bits."""
    reached_at: Mapped[datetime]
