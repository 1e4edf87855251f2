"""Numbers, kept beside the facts they count: totals of a journey and of an action, and an action's days."""

from datetime import date

from sqlalchemy import Date, PrimaryKeyConstraint, text
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


class ActionDay(MailCounters, Base):
    """One UTC day of one action towards one recipient domain."""

    __tablename__ = "action_days"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "journey_id", "counted_on", "action_id", "domain"),)

    owner_id: Mapped[int]
    journey_id: Mapped[int]
    action_id: Mapped[int]
    domain: Mapped[str]
    counted_on: Mapped[date] = mapped_column(Date)
