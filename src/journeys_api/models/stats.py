"""Numbers, kept beside the facts they count: totals of a journey and of an action, and the days of both.

Each table answers one question without adding up what another answers: days of a journey, days of an action, days of an
action towards one recipient domain.
"""

from datetime import date, datetime

from sqlalchemy import Date, Index, PrimaryKeyConstraint, SmallInteger, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from journeys_api.models.base import Base


class MailCounters:
    """The counters that every email activity is reported by. Opens and clicks are unique per message."""

    @declared_attr
    def send_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def delivery_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def open_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def click_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def conversion_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def browser_view_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def forward_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def unsubscribe_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def bounce_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def spam_complaint_count(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))

    @declared_attr
    def revenue_cents(cls) -> Mapped[int]:
        return mapped_column(server_default=text("0"))


class JourneyTotals(MailCounters, Base):
    """All-time numbers of one journey; a journey without a row has only zeros."""

    __tablename__ = "journey_totals"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "journey_id"),)

    owner_id: Mapped[int]
    journey_id: Mapped[int]
    active_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Enrollments in progress."""
    total_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Enrollments ever."""
    people_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Different subscribers among them."""
    last_enrolled_at: Mapped[datetime | None]
    """When somebody was let in last, taken out again or not."""
    last_active_at: Mapped[datetime | None]
    """When somebody was let in or took a step, or a mail was sent or something counted came back of one."""


class JourneyDay(MailCounters, Base):
    """One UTC day of one journey."""

    __tablename__ = "journey_days"
    # by day first: what is listed is all journeys of an account over some days
    __table_args__ = (PrimaryKeyConstraint("owner_id", "counted_on", "journey_id"),)

    owner_id: Mapped[int]
    counted_on: Mapped[date] = mapped_column(Date)
    journey_id: Mapped[int]
    total_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Enrollments that began on the day."""


class ActionTotals(MailCounters, Base):
    """All-time numbers of one action."""

    __tablename__ = "action_totals"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "journey_id", "action_id"),)

    owner_id: Mapped[int]
    journey_id: Mapped[int]
    action_id: Mapped[int]
    active_count: Mapped[int] = mapped_column(server_default=text("0"))
    """People standing at the action."""
    total_count: Mapped[int] = mapped_column(server_default=text("0"))
    """People who reached it."""
    completed_runs: Mapped[int] = mapped_column(server_default=text("0"))
    change_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Changes after which other people may be counted among those who reached the action, or who did something with its
    mail: a list of them is good for as long as this stays the same."""


class ActionDayTotals(MailCounters, Base):
    """One UTC day of one action."""

    __tablename__ = "action_day_totals"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "journey_id", "counted_on", "action_id"),)

    owner_id: Mapped[int]
    journey_id: Mapped[int]
    counted_on: Mapped[date] = mapped_column(Date)
    action_id: Mapped[int]


class ActionDay(MailCounters, Base):
    """One UTC day of one action towards one recipient domain."""

    __tablename__ = "action_days"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "journey_id", "counted_on", "action_id", "domain"),
        Index("ix_action_days_domain", "owner_id", "journey_id", "domain"),
    )

    owner_id: Mapped[int]
    journey_id: Mapped[int]
    action_id: Mapped[int]
    domain: Mapped[str]
    counted_on: Mapped[date] = mapped_column(Date)


class PeopleCount(Base):
    """How many people of an action meet a filter, as long as the action's changes are `version`."""

    __tablename__ = "people_counts"
    __table_args__ = (
        PrimaryKeyConstraint("owner_id", "action_id", "bits", "is_any"),
        # the oldest of an account make room
        Index("ix_people_counts_built_at", "owner_id", "built_at"),
    )

    owner_id: Mapped[int]
    action_id: Mapped[int]
    bits: Mapped[int] = mapped_column(SmallInteger)
    """The filter, as a sum of `Activity` bits; 0: everybody."""
    is_any: Mapped[bool]
    """Whether one of the bits is enough."""
    version: Mapped[int]
    people_count: Mapped[int]
    has_fences: Mapped[bool]
    built_at: Mapped[datetime]


class PeopleFence(Base):
    """Where in the order of addresses a number of people under a filter has passed: a deep page starts from there."""

    __tablename__ = "people_fences"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "action_id", "bits", "is_any", "before_count"),)

    owner_id: Mapped[int]
    action_id: Mapped[int]
    bits: Mapped[int] = mapped_column(SmallInteger)
    is_any: Mapped[bool]
    before_count: Mapped[int]
    """How many people come before this one."""
    email_address: Mapped[str]
    subscriber_id: Mapped[int]
