"""Work that outlives its call: imports, exports, and what is done to whole selections of people."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Identity, Index, PrimaryKeyConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from journeys_api.models.base import Base, kept_as_text, one_of


class JobKind(StrEnum):
    """What a job does."""

    IMPORT = "import"
    JOURNEY_EXPORT = "journey export"
    JOURNEY_BULK = "journey bulk"


class JobState(StrEnum):
    """How far a job is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Job(Base):
    """Work done in turns: each is one transaction that moves the cursor together with its effects."""

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("kind", JobKind),
        one_of("state", JobState),
        Index("ix_jobs_next_turn_at", "next_turn_at", postgresql_where=text("state IN ('pending', 'running')")),
        Index("ix_jobs_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_jobs_owner_id", "owner_id", "kind"),
        # how many an account has waiting, however many it has had
        Index("ix_jobs_open", "owner_id", "kind", postgresql_where=text("state IN ('pending', 'running')")),
    )

    job_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    kind: Mapped[JobKind] = mapped_column(kept_as_text(JobKind))
    state: Mapped[JobState] = mapped_column(kept_as_text(JobState), server_default=text("'pending'"))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What was asked for; the kind says in which shape. Never changed."""
    cursor: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """Where the next turn begins; the kind says in which shape."""
    results: Mapped[dict[str, Any]] = mapped_column(JSON, server_default=text("'{}'"))
    """What came of it so far; the kind says in which shape."""
    done: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    """How much there is to do, in the unit of `done`."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    """Turns in a row that ended in a failure."""
    fence: Mapped[int] = mapped_column(server_default=text("0"))
    """Counts who went outside for the job: only the last one may bring something back."""
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    """Why it failed."""
    next_turn_at: Mapped[datetime]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """When the job is deleted with everything that belongs to it."""


class JobPiece(Base):
    """Some of the bytes that a job works on or has made, in order."""

    __tablename__ = "job_pieces"
    __table_args__ = (PrimaryKeyConstraint("job_id", "place"), Index("ix_job_pieces_owner_id", "owner_id"))

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.job_id", ondelete="CASCADE"))
    place: Mapped[int]
    """0, 1, 2 …"""
    owner_id: Mapped[int]
    content: Mapped[bytes]
