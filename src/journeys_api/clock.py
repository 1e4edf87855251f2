"""Where the time comes from: the process's clock in the doors, a clock that tests move by hand in tests."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


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
