"""Dates in a reader's words: PHP's format letters, and the date that a value holds.

Names of days and months are English whatever the server's locale. Source: AC 4, `dateFormat-<fmt>`.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

Format = Callable[[datetime], str]

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_TIME = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _TIME, re.ASCII)
_MONTH_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})" + _TIME, re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[-.](\d{1,2})[-.](\d{4})" + _TIME, re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})" + _TIME, re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_EPOCH = re.compile(r"@?(\d{9,11})(\d{3})?", re.ASCII)
_ORDERS = (
    (_YEAR_FIRST, (1, 2, 3)),
    (_MONTH_FIRST, (3, 1, 2)),
    (_DAY_FIRST, (3, 2, 1)),
    (_COMPACT, (1, 2, 3)),
)


@lru_cache(maxsize=1024)
def zone_named(name: str) -> tzinfo:
    """The time zone of an account; UTC for a name that nobody knows, so that its mail still goes out."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def moment_of(value: object, *, zone: tzinfo, now: datetime) -> datetime | None:
    """The moment that a value names, as the zone's clocks show it; None when it names none.

    Aware instants are moved into the zone. Texts name the clock's time itself and are not moved, unless they carry an
    offset. Understood are `2024-12-25`, `12/25/2024`, `25.12.2024`, `25-12-2024`, `20241225`, each with a time or
    without, `14:30` (today), and seconds or milliseconds since 1970; `0000-00-00` is no date.
    """
    try:
        if isinstance(value, datetime):
            return value.replace(tzinfo=zone) if value.tzinfo is None else value.astimezone(zone)
        if isinstance(value, date):
            return datetime.combine(value, time(), tzinfo=zone)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        return _read(str(value).strip(), zone=zone, now=now)
    except (ValueError, OverflowError, OSError):
        return None


def _read(text: str, *, zone: tzinfo, now: datetime) -> datetime | None:
    if len(text) > 64:
        return None
    for pattern, (year, month, day) in _ORDERS:
        found = pattern.fullmatch(text)
        if found:
            hour, minute, second, offset = found.group(4), found.group(5), found.group(6), found.group(7)
            moment = datetime(
                int(found[year]), int(found[month]), int(found[day]),
                int(hour or 0), int(minute or 0), int(second or 0), tzinfo=_offset(offset) if offset else zone,
            )  # fmt: skip
            return moment.astimezone(zone) if offset else moment
    clock = _CLOCK.fullmatch(text)
    if clock:
        return datetime.combine(
            now.astimezone(zone), time(int(clock[1]), int(clock[2]), int(clock[3] or 0)), tzinfo=zone
        )
    epoch = _EPOCH.fullmatch(text)
    return datetime.fromtimestamp(int(epoch[1]), zone) if epoch else None


def _offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    return datetime.strptime(text, "%z").tzinfo or UTC


@lru_cache(maxsize=1024)
def date_format(pattern: str) -> Format:
    """A function that writes moments by PHP's letters; other characters stand for themselves, `\\` quotes a letter."""
    parts: list[Format | str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            parts.append(next(characters, "\\"))
        else:
            parts.append(_LETTERS.get(character, character))

    def write(moment: datetime) -> str:
        return "".join([part if isinstance(part, str) else part(moment) for part in parts])

    return write


def in_default_form(moment: datetime) -> str:
    """`2024-12-25 14:30:00`, as the API writes instants."""
    return f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}"


def _ending(day: int) -> str:
    return "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in_month(moment: datetime) -> int:
    if moment.month == 2:
        return 29 if _is_leap(moment.year) else 28
    return 30 if moment.month in (4, 6, 9, 11) else 31


def _offset_seconds(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta()).total_seconds())


def _offset_text(moment: datetime, separator: str) -> str:
    seconds = _offset_seconds(moment)
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02d}{separator}{minutes:02d}"


def _zone_name(moment: datetime) -> str:
    key: Any = getattr(moment.tzinfo, "key", None)
    return key if isinstance(key, str) else _offset_text(moment, ":") if _offset_seconds(moment) else "UTC"


def _swatch(moment: datetime) -> str:
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second - _offset_seconds(moment) + 3600
    return f"{int((seconds % 86400) / 86.4):03d}"


def _iso_8601(moment: datetime) -> str:
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{_offset_text(moment, ':')}"


def _rfc_2822(moment: datetime) -> str:
    day, month = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1][:3]
    return f"{day}, {moment.day:02d} {month} {moment.year:04d} {moment:%H:%M:%S} {_offset_text(moment, '')}"


_LETTERS: dict[str, Format] = {
    "d": lambda at: f"{at.day:02d}",
    "D": lambda at: DAYS[at.weekday()][:3],
    "j": lambda at: str(at.day),
    "l": lambda at: DAYS[at.weekday()],
    "N": lambda at: str(at.isoweekday()),
    "S": lambda at: _ending(at.day),
    "w": lambda at: str(at.isoweekday() % 7),
    "z": lambda at: str(at.timetuple().tm_yday - 1),
    "W": lambda at: f"{at.isocalendar().week:02d}",
    "F": lambda at: MONTHS[at.month - 1],
    "m": lambda at: f"{at.month:02d}",
    "M": lambda at: MONTHS[at.month - 1][:3],
    "n": lambda at: str(at.month),
    "t": lambda at: str(_days_in_month(at)),
    "L": lambda at: str(int(_is_leap(at.year))),
    "o": lambda at: str(at.isocalendar().year),
    "Y": lambda at: f"{at.year:04d}",
    "y": lambda at: f"{at.year % 100:02d}",
    "a": lambda at: "am" if at.hour < 12 else "pm",
    "A": lambda at: "AM" if at.hour < 12 else "PM",
    "B": _swatch,
    "g": lambda at: str(at.hour % 12 or 12),
    "G": lambda at: str(at.hour),
    "h": lambda at: f"{at.hour % 12 or 12:02d}",
    "H": lambda at: f"{at.hour:02d}",
    "i": lambda at: f"{at.minute:02d}",
    "s": lambda at: f"{at.second:02d}",
    "u": lambda at: f"{at.microsecond:06d}",
    "v": lambda at: f"{at.microsecond // 1000:03d}",
    "e": _zone_name,
    "I": lambda at: str(int(bool(at.dst()))),
    "O": lambda at: _offset_text(at, ""),
    "P": lambda at: _offset_text(at, ":"),
    "p": lambda at: _offset_text(at, ":") if _offset_seconds(at) else "Z",
    "T": lambda at: at.tzname() or "UTC",
    "Z": lambda at: str(_offset_seconds(at)),
    "c": _iso_8601,
    "r": _rfc_2822,
    "U": lambda at: str(int(at.timestamp())),
}
