"""`TriggerParameters` of ScheduledPull: the names of its keys, and how each is read (JC 4.16)."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from journeys_api.commands.reading import Unreadable, comma_members, mapping, one_of, scalar_text, whole
from journeys_api.errors import NotReadable
from journeys_api.journeys.action_types import DAYS
from journeys_api.strict_json import fold

UNITS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}
MOST_AT_ONCE = 100_000
"""How many people one pull may take."""
LONGEST = 100_000
"""How many units a period may have."""

NAMES = {
    "interval_value": "IntervalValue",
    "interval_unit": "IntervalUnit",
    "count_mode": "SubscriberCountMode",
    "count_fixed": "SubscriberCountFixed",
    "count_min": "SubscriberCountMin",
    "count_max": "SubscriberCountMax",
    "has_window": "TimeConstraintEnabled",
    "allowed_days": "AllowedDays",
    "not_before": "DontSendBefore",
    "not_after": "DontSendAfter",
    "has_frequency_cap": "FrequencyCapEnabled",
    "cap_count": "FrequencyCapCount",
    "cap_period": "FrequencyCapPeriod",
    "cap_unit": "FrequencyCapUnit",
}
"""Field of `PullParameters` → key on the wire."""

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")
_BOOLEANS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def sent(given: Any, field: str) -> Any:
    """What `TriggerParameters` says for a field, whatever the case of its key; None and "": nothing.

    Raises:
        NotReadable: it is no object.
    """
    if given is None or given == "":
        return None
    try:
        by_name = {fold(name): value for name, value in mapping(given).items()}
    except Unreadable:
        raise NotReadable("the value of TriggerParameters cannot be read") from None
    value = by_name.get(fold(NAMES[field]))
    return None if value == "" else value


def refuse(field: str) -> NotReadable:
    """The refusal of a key's value; there is no code for it."""
    return NotReadable(f"the value of TriggerParameters.{NAMES[field]} cannot be read")


def _flag(value: Any) -> bool:
    try:
        return _BOOLEANS[scalar_text(value).lower()]
    except KeyError:
        raise Unreadable from None


def _clock(value: Any) -> str:
    text = scalar_text(value)
    if not _CLOCK.fullmatch(text):
        raise Unreadable
    return text.rjust(5, "0")


def _days(value: Any) -> tuple[str, ...]:
    # `Monday` and `mon` are one day
    named = {day.lower()[:3] for day in comma_members(value)}
    if not named <= set(DAYS):
        raise Unreadable
    return tuple(day for day in DAYS if day in named)


def _at_most(most: int) -> Callable[[Any], int]:
    return lambda value: whole(value, most=most)


_unit = one_of(*UNITS)

READERS: Mapping[str, Callable[[Any], Any]] = {
    "interval_value": _at_most(LONGEST),
    "interval_unit": _unit,
    "count_mode": one_of("fixed", "random"),
    "count_fixed": _at_most(MOST_AT_ONCE),
    "count_min": _at_most(MOST_AT_ONCE),
    "count_max": _at_most(MOST_AT_ONCE),
    "has_window": _flag,
    "allowed_days": _days,
    "not_before": _clock,
    "not_after": _clock,
    "has_frequency_cap": _flag,
    "cap_count": _at_most(10**6),
    "cap_period": _at_most(LONGEST),
    "cap_unit": _unit,
}
