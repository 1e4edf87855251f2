"""Where the time comes from: the process's clock in the doors, the database's in workers, one set by hand."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Clock(Protocol):
    """Tells the instant that a call counts from."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""


class SystemClock:
    """The process's own clock."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.now(UTC)


class FrozenClock:
    """A clock that stands still until it is moved."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant

    def tick(self, step: timedelta) -> None:
        """Move the clock by `step`."""
        self.instant += step


class WorkClock(Protocol):
    """What instant a worker's transaction counts as."""

    async def now(self, session: AsyncSession) -> datetime:
        """The instant, aware, UTC."""


class DatabaseClock:
    """The transaction's own time: workers on machines whose clocks differ agree."""

    async def now(self, session: AsyncSession) -> datetime:
        """The instant that the database began the transaction at."""
        now = await session.scalar(text("SELECT now()"))
        if not isinstance(now, datetime):
            raise TypeError("the database told no time")
        return now


class SetClock:
    """A clock that says what it was set to: for tests, simulations and demonstrations."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    async def now(self, session: AsyncSession) -> datetime:
        """The instant it was set to."""
        return self.instant
