"""What the engine has yet to do: events to look at, people who are due, messages owed; and what it has done."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Date, Identity, Index, PrimaryKeyConstraint, SmallInteger, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of
from journeys_api.models.stats import MailCounters

SHARDS = 16
"""How many ways events and timers are divided, by subscriber: one worker at a time works on a shard, so that two never
meet on one index head or on one person. Never change it under people: their timers would be looked for elsewhere."""


class DeliveryKind(StrEnum):
    """What is delivered."""

    MAIL = "mail"
    CONFIRMATION = "confirmation"
    """The mail that asks a new subscriber of a double opt-in list to confirm; of no journey."""
    FORWARD = "forward"
    """A mail of a journey that its recipient sends on to a friend; of no journey itself. `payload` says to whom (`To`)
    and which delivery it was (`Forwarded`)."""
    SMS = "sms"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """Where a delivery is in its life; `sent`, `refused` and `withdrawn` are final."""

    PENDING = "pending"
    SENDING = "sending"
    HELD = "held"
    """Its journey is disabled; it goes on when the journey does."""
    SENT = "sent"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """It was not wanted any more when its turn came; the reason says why."""


class TriggerEvent(Base):
    """Something happened to a subscriber that may start a journey; deleted by the transaction that has looked at it."""

    __tablename__ = "trigger_events"
    __table_args__ = (
        # a batch goes round the accounts of a shard; nothing else is looked up, and every event pays for an index
        PrimaryKeyConstraint("shard", "owner_id", "event_id"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_cost_delay": "0"}},
    )

    event_id: Mapped[int] = mapped_column(Identity())
    shard: Mapped[int] = mapped_column(SmallInteger)
    owner_id: Mapped[int]
    kind: Mapped[str]
    """A trigger's name, or `Exit` or `Start`: a journey's effect on another journey."""
    list_id: Mapped[int]
    subscriber_id: Mapped[int]
    subject_id: Mapped[int] = mapped_column(server_default=text("0"))
    """The tag, field, email or journey that it happened with; 0: none."""
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    depth: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """How many journeys deep in a chain of causes."""
    occurred_at: Mapped[datetime]


class EnrollmentRefusal(Base):
    """An event matched a journey and nobody entered; why."""

    __tablename__ = "enrollment_refusals"
    __table_args__ = (Index("ix_enrollment_refusals_owner_id", "owner_id", "journey_id", "refused_at"),)

    refusal_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    journey_id: Mapped[int]
    list_id: Mapped[int]
    subscriber_id: Mapped[int]
    kind: Mapped[str]
    reason: Mapped[str]
    refused_at: Mapped[datetime]


class EntryCount(Base):
    """How many entered a journey in one minute; sliding hours and days are sums of at most 61 and 1,441 of them."""

    __tablename__ = "entry_counts"
    __table_args__ = (PrimaryKeyConstraint("journey_id", "minute"),)

    journey_id: Mapped[int]
    minute: Mapped[datetime]
    entries: Mapped[int]


class Timer(Base):
    """When an active enrollment is looked at next. Narrow and churning: one row each, and no foreign key."""

    __tablename__ = "timers"
    __table_args__ = (
        Index("ix_timers_due", "shard", "journey_id", "due_at"),
        {
            "postgresql_with": {
                "fillfactor": "80",
                "autovacuum_vacuum_scale_factor": "0.02",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )
    __mapper_args__ = {"primary_key": ["owner_id", "enrollment_id"]}  # noqa: RUF012 (declarative)

    shard: Mapped[int] = mapped_column(SmallInteger)
    journey_id: Mapped[int]
    due_at: Mapped[datetime]
    owner_id: Mapped[int]
    enrollment_id: Mapped[int]


class RunnableJourney(Base):
    """An enabled journey that has timers in a shard. A disabled one has no row, so its backlog is never looked at."""

    __tablename__ = "runnable_journeys"
    __table_args__ = (
        PrimaryKeyConstraint("shard", "journey_id"),
        Index("ix_runnable_journeys_next_due_at", "shard", "next_due_at"),
    )

    shard: Mapped[int] = mapped_column(SmallInteger)
    journey_id: Mapped[int]
    owner_id: Mapped[int]
    next_due_at: Mapped[datetime]
    """Not later than the journey's earliest timer in the shard."""
    served_at: Mapped[datetime] = mapped_column(server_default=text("'-infinity'"))
    """When people of it were last moved: the round goes to whoever waited longest."""


class ScheduledPull(Base):
    """When an enabled ScheduledPull journey takes people next. A disabled one has no row."""

    __tablename__ = "scheduled_pulls"
    __table_args__ = (Index("ix_scheduled_pulls_due_at", "due_at"),)

    journey_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int]
    due_at: Mapped[datetime]


class WorkerBeat(Base):
    """A sign of life of an engine; kept for some minutes."""

    __tablename__ = "worker_beats"
    __table_args__ = (PrimaryKeyConstraint("worker_id", "beat_at"), Index("ix_worker_beats_beat_at", "beat_at"))

    worker_id: Mapped[UUID] = mapped_column(Uuid)
    beat_at: Mapped[datetime]
    moved: Mapped[int]
    """How many people it has looked at since the one before."""


class JourneyJob(Base):
    """Work on a whole journey, done in chunks: ending the enrollments of a deleted one, releasing what was held,
    having its people follow an edit."""

    __tablename__ = "journey_jobs"
    __table_args__ = (CheckConstraint("kind IN ('end', 'release', 'edit')", name="kind_known"),)

    job_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    journey_id: Mapped[int]
    kind: Mapped[str]
    done_until: Mapped[int] = mapped_column(server_default=text("0"))
    """Of an edit: the last enrollment that has followed it."""
    changed_actions: Mapped[list[int]] = mapped_column(JSON, server_default=text("'[]'"))
    """Of an edit: the actions whose people are looked at anew."""
    created_at: Mapped[datetime]


class Deletion(Base):
    """Many people of a list were deleted at once: those of them who are inside journeys are yet to be ended."""

    __tablename__ = "deletions"

    deletion_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    list_id: Mapped[int]
    journey_id: Mapped[int] = mapped_column(server_default=text("0"))
    """The next chunk begins in this journey, behind the person."""
    subscriber_id: Mapped[int] = mapped_column(server_default=text("0"))


class Step(Base):
    """One action done by one enrollment. Append only and lean: no key, no index; partitioned by month."""

    __tablename__ = "steps"
    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)
    __mapper_args__ = {"primary_key": ["owner_id", "enrollment_id", "seq"]}  # noqa: RUF012 (declarative)

    owner_id: Mapped[int]
    enrollment_id: Mapped[int]
    seq: Mapped[int]
    """1, 2, 3 … without a gap."""
    action_id: Mapped[int]
    at: Mapped[datetime]
    outcome: Mapped[str]
    """`done`, `skipped`, `true`, `false`, `exited`, `failed`."""
    note: Mapped[str | None]


class Delivery(Base):
    """One message owed; only its lease's holder may say how it ended."""

    __tablename__ = "deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("delivery_id"),
        one_of("kind", DeliveryKind),
        one_of("state", DeliveryState),
        CheckConstraint("(state = 'sending') = (lease_token IS NOT NULL)", name="lease_whole"),
        CheckConstraint("(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_dated"),
        # the effect key: an action of an enrollment owes one message a visit, however often the step is tried
        Index(
            "uq_deliveries_effect",
            "owner_id",
            "enrollment_id",
            "action_id",
            "visit",
            unique=True,
            postgresql_where=text("enrollment_id IS NOT NULL"),
        ),
        Index("ix_deliveries_next_attempt_at", "kind", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        # from account to account, and to the oldest of each
        Index(
            "ix_deliveries_in_turn", "kind", "owner_id", "next_attempt_at", postgresql_where=text("state = 'pending'")
        ),
        Index("ix_deliveries_lease_expires_at", "lease_expires_at", postgresql_where=text("state = 'sending'")),
        # the last mail to an address, of whichever account: a provider may tell no more than the address. One entry a
        # mail that was tried, in the statement that records how
        Index(
            "ix_deliveries_recipient",
            "recipient",
            "delivery_id",
            postgresql_where=text("kind = 'mail' AND recipient IS NOT NULL"),
        ),
        Index("ix_deliveries_refused", "ended_at", postgresql_where=text("state = 'refused'")),
        Index("ix_deliveries_held", "journey_id", postgresql_where=text("state = 'held'")),
        Index(
            "ix_deliveries_journey_id",
            "journey_id",
            "state",
            postgresql_where=text("state IN ('pending', 'held')"),
        ),
    )

    delivery_id: Mapped[int] = mapped_column(Identity())
    owner_id: Mapped[int]
    kind: Mapped[DeliveryKind] = mapped_column(kept_as_text(DeliveryKind))
    enrollment_id: Mapped[int | None]
    action_id: Mapped[int | None]
    visit: Mapped[int] = mapped_column(server_default=text("0"))
    """The enrollment's step number: the same action may be passed again in a later pass."""
    journey_id: Mapped[int | None]
    list_id: Mapped[int]
    subscriber_id: Mapped[int]
    email_id: Mapped[int | None]
    """The email content, for mails."""
    payload: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """What the message needs beyond its subscriber: the event that let the person in."""
    deleted_subscriber: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Of a webhook that has not ended: the row of its subscriber, whom a journey has deleted since."""
    domain: Mapped[str | None]
    """The recipient's domain in lower case, for mails that were claimed once: what their numbers are kept by."""
    recipient: Mapped[str | None]
    """The address that a mail was handed over for at its last try, in lower case. What comes back of it is about this,
    also when the subscriber has another by then or is gone. None: no try has ended yet, or before this was kept; then
    it is the subscriber's of today."""
    activity: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """What has been counted of the mail, as a sum of `Activity` bits: so that it counts once."""
    destination: Mapped[str] = mapped_column(server_default=text("''"))
    """Where it goes: a webhook's host, an SMS gateway's id, `fetch …` for mails of an account with remote contents. A
    slow one holds only its own; empty for all other mail."""
    state: Mapped[DeliveryState] = mapped_column(kept_as_text(DeliveryState), server_default=text("'pending'"))
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    first_attempt_at: Mapped[datetime | None]
    unknowns: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    """Attempts that nobody knows the end of: the most that a recipient may have seen it too often."""
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)
    lease_expires_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    reference: Mapped[str | None]
    """The other side's id of what it took."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class CounterDelta(MailCounters, Base):
    """A change of an action's (action 0: a journey's) numbers that is not folded into the totals yet."""

    __tablename__ = "counter_deltas"
    __table_args__ = (
        Index("ix_counter_deltas_journey_id", "owner_id", "journey_id"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_cost_delay": "0"}},
    )

    delta_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int]
    journey_id: Mapped[int]
    action_id: Mapped[int] = mapped_column(server_default=text("0"))
    domain: Mapped[str | None]
    """Recipient domain, of mails."""
    counted_on: Mapped[date | None] = mapped_column(Date)
    """The day, for what is counted by day: mails, and entries into a journey."""
    happened_at: Mapped[datetime | None]
    """When it was; None where it is no activity."""
    people_count: Mapped[int] = mapped_column(server_default=text("0"))
    """Of a journey: subscribers who were never in it before."""
    active_count: Mapped[int] = mapped_column(server_default=text("0"))
    total_count: Mapped[int] = mapped_column(server_default=text("0"))
    completed_runs: Mapped[int] = mapped_column(server_default=text("0"))
