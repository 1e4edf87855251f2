"""What the values of rules may be: texts, numbers, days, ids. Each reader takes the JSON value as it was sent."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from journeys_api.strict_json import fold

LONGEST_TEXT = 8192
LARGEST_ID = 2**63 - 1
MOST_IDS = 1000
MOST_DAYS = 36_500
LONGEST_NUMBER = 100
"""Characters of a text that still counts as a number: PostgreSQL's numeric holds far more, and nobody means it."""

NUMBER = r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$"
"""A number in a text, of any length: to look ahead for its end makes it four times as dear."""
DATE = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"( ([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?)?$"
)
"""A day, or a day with a time, in a text; PostgreSQL compares such texts without making dates of them."""

_DATE = re.compile(DATE.strip("^$"))
_DIGITS = re.compile(r"[0-9]{1,40}")
_FIRST_YEAR, _LAST_YEAR = 2, 9998  # a day to either side, and any zone, still make a datetime


Named = TypeVar("Named")


class BadValue(Exception):
    """The value is not what the rule's operator takes; the text says what that is."""


@dataclass(frozen=True)
class When:
    """A calendar day, or a second of one, in local time: the half-open stretch from `start` to `end`."""

    start: datetime
    end: datetime


def quoted(value: object) -> str:
    """A value as a reason may quote it."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    return written if len(written) <= 60 else written[:57] + "…"


def one_of(operators: Mapping[str, Named], value: object) -> Named:
    """What an operator's name stands for; names are compared without case.

    Raises:
        BadValue: no such operator. Guessing here once sent mail to those who were to be left out.
    """
    if value is None or value == "":
        raise BadValue("no operator")
    if not isinstance(value, str) or fold(value) not in operators:
        raise BadValue(f"unknown operator {quoted(value)}")
    return operators[fold(value)]


def text(value: object) -> str:
    """The text of a scalar: `7` and `"7"` are one thing.

    Raises:
        BadValue: no scalar, too long, or nothing that a column can hold.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadValue("the value must be a text or a number")
    if isinstance(value, float):
        # 1e20 is a number to whoever wrote it, and no field would hold it spelled so
        value = format(Decimal(repr(value)), "f")
    given = str(value)
    if len(given) > LONGEST_TEXT:
        raise BadValue(f"the value is longer than {LONGEST_TEXT} characters")
    if "\x00" in given or any("\ud800" <= character <= "\udfff" for character in given):
        raise BadValue("the value contains a character that no text may have")
    return given


def filled(value: object) -> str:
    """A text that is not empty: every text contains the empty one, and a slip must not become "everybody".

    Raises:
        BadValue: as `text`, or empty.
    """
    given = text(value)
    if not given:
        raise BadValue("the value is empty")
    return given


def number(given: str) -> Decimal | None:
    """The number that a text is; None: it is none."""
    return Decimal(given) if len(given) <= LONGEST_NUMBER and re.fullmatch(NUMBER, given) else None


def when(given: str) -> When | None:
    """The day or second that a text names; None: neither."""
    if not _DATE.fullmatch(given):
        return None
    try:
        start = datetime.fromisoformat(given)
    except ValueError:
        return None
    if not _FIRST_YEAR <= start.year <= _LAST_YEAR:
        return None
    return When(start, start + (timedelta(days=1) if len(given) == len("YYYY-MM-DD") else timedelta(seconds=1)))


def day_count(value: object) -> int:
    """A whole number of days.

    Raises:
        BadValue: none, or more than a hundred years.
    """
    given = text(value)
    if not _DIGITS.fullmatch(given) or int(given) > MOST_DAYS:
        raise BadValue(f"the value must be a number of days from 0 to {MOST_DAYS}")
    return int(given)


def identifier(value: object) -> int:
    """The id of a record.

    Raises:
        BadValue: no id.
    """
    given = text(value)
    if not _DIGITS.fullmatch(given) or not 0 < int(given) <= LARGEST_ID:
        raise BadValue("the value must be an id")
    return int(given)


def identifiers(value: object) -> tuple[int, ...]:
    """The ids of an array or of a comma list whose members are trimmed; ascending, each once.

    Raises:
        BadValue: a member is no id, there is none, or there are too many.
    """
    members: list[object] = (
        list(value) if isinstance(value, list) else [part.strip() for part in text(value).split(",")]
    )
    if len(members) > MOST_IDS:
        raise BadValue(f"the value has more than {MOST_IDS} ids")
    found = sorted({identifier(member) for member in members if member != ""})
    if not found:
        raise BadValue("the value must be one id or several")
    return tuple(found)


def pair(value: object) -> tuple[str, str]:
    """The two ends of a range: `{"start": …, "end": …}`, `[…, …]` or `"…,…"`.

    Raises:
        BadValue: not two ends.
    """
    if isinstance(value, Mapping):
        named = {fold(str(name)): end for name, end in value.items()}
        ends: list[object] = [named.get("start"), named.get("end")]
    elif isinstance(value, list):
        ends = list(value)
    else:
        ends = [part.strip() for part in text(value).split(",")]
    if len(ends) != 2:
        raise BadValue("the value must have a start and an end")
    return text(ends[0]), text(ends[1])
