"""The window of days that statistics are asked for (rulings 8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

MAX_DAYS = 3660
"""Ten years: each day of the window is a line of the answer."""
DEFAULT_DAYS = 30


@dataclass(frozen=True)
class Window:
    """Days from `start_on` to `end_on`, both included, UTC."""

    start_on: date
    end_on: date

    def days(self) -> Iterator[date]:
        """Every day, oldest first."""
        for offset in range((self.end_on - self.start_on).days + 1):
            yield self.start_on + timedelta(days=offset)


class WindowReversed(Exception):
    """The start lies after the end."""


class WindowTooLong(Exception):
    """The window has more than `MAX_DAYS` days."""


def window(start_on: date | None, end_on: date | None, *, today: date) -> Window:
    """The window of two bounds of which either may be left out: 30 days ago … today.

    Raises:
        WindowReversed: also where only the default of the other bound makes it so.
        WindowTooLong: more than ten years.
    """
    start = today - timedelta(days=DEFAULT_DAYS) if start_on is None else start_on
    end = today if end_on is None else end_on
    if start > end:
        raise WindowReversed
    if (end - start).days >= MAX_DAYS:
        raise WindowTooLong
    return Window(start, end)
