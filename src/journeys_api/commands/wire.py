"""How values look on the wire, the same for every noun."""

from datetime import UTC, date, datetime


def instant(value: datetime | None, *, absent: str | None = "0000-00-00 00:00:00") -> str | None:
    """`YYYY-MM-DD HH:MM:SS`, UTC; None as `absent` (the vendor writes a zero date)."""
    if value is None:
        return absent
    # PostgreSQL's infinities come without a zone, and are at the very ends of what a datetime can be
    return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat(" ", "seconds")[:19]


def day(value: date) -> str:
    """`YYYY-MM-DD`."""
    return value.isoformat()


def yes_no(value: bool) -> str:
    """The vendor's `Yes` and `No`."""
    return "Yes" if value else "No"


def money(cents: int) -> float | int:
    """Currency units of whole cents; whole amounts as integers."""
    return cents // 100 if cents % 100 == 0 else cents / 100
