"""What criteria mean, said a second time and without SQL: the SQL is compared with this.

Written from the contract (JC 5) and shares no code with `journeys_api.criteria`.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import re2


@dataclass
class Person:
    """One subscriber, with all that a rule may ask."""

    subscriber_id: int
    email: str
    status: str = "Subscribed"
    bounce: str = "Not Bounced"
    subscribed_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    opted_in_at: datetime | None = None
    subscription_ip: str = ""
    unsubscription_ip: str = ""
    source: str = "API"
    source_ref: str = ""
    custom: dict[int, str] = field(default_factory=dict)
    shared: dict[int, str] = field(default_factory=dict)
    """Values of account-wide fields."""
    tags: frozenset[int] = frozenset()
    journeys: frozenset[tuple[int, str]] = frozenset()
    """(journey, state of the enrollment)"""
    activity: dict[int, int] = field(default_factory=dict)
    """Action → bits."""
    suppressed: frozenset[str] = frozenset()
    """Of `list`, `other list`, `account`, `stranger`, `everybody`."""


@dataclass
class Circumstances:
    """What is not in the person."""

    now: datetime
    zone: ZoneInfo
    actions_of: dict[int, set[int]]
    """Journey → its actions."""
    segments: dict[int, tuple[Any, str]] = field(default_factory=dict)
    """Segment → its rules and operator."""


def matches(rules: list[Any], operator: str, person: Person, around: Circumstances) -> bool:
    """Whether the person is meant."""
    if not rules:
        return True
    return _joined(rules, operator.lower() == "or", person, around)


def _joined(members: list[Any], any_will_do: bool, person: Person, around: Circumstances) -> bool:
    results = [
        _joined(member, not any_will_do, person, around) if isinstance(member, list) else _rule(member, person, around)
        for member in members
    ]
    return any(results) if any_will_do else all(results)


def _rule(rule: dict[str, Any], person: Person, around: Circumstances) -> bool:
    named = {name.lower(): value for name, value in rule.items()}
    return {
        "fields": _field,
        "tags": _tags,
        "journeys": _journeys,
        "journey-email-action": _journeys,
        "segments": _segment,
        "suppressions": _suppressions,
    }[named["type"].lower()](named, named["operator"].lower(), person, around)


def _tags(rule: dict[str, Any], operator: str, person: Person, around: Circumstances) -> bool:
    if operator == "has no tags":
        return not person.tags
    given = rule["value"]
    wanted = {int(part) for part in (given if isinstance(given, list) else str(given).split(","))}
    if operator == "does not have this tag":
        return not wanted & person.tags
    return wanted <= person.tags if operator == "has all of these tags" else bool(wanted & person.tags)


def _journeys(rule: dict[str, Any], operator: str, person: Person, around: Circumstances) -> bool:
    if operator.endswith("journey"):
        state = "completed" if operator == "completed journey" else "active"
        return ((int(rule["value"]), state) in person.journeys) is not operator.startswith("not")
    actions = around.actions_of[int(rule["journey-id"])] if rule["value"] == "" else {int(rule["value"])}
    bits = {"opened": 3, "clicked": 2, "unsubscribed": 32, "complained": 128, "bounced": 64}[operator.split()[-1]]
    return any(person.activity.get(action, 0) & bits for action in actions) is not operator.startswith("not")


def _segment(rule: dict[str, Any], operator: str, person: Person, around: Circumstances) -> bool:
    rules, connector = around.segments[int(rule["value"])]
    return matches(rules, connector, person, around) is (operator == "belongs to")


def _suppressions(rule: dict[str, Any], operator: str, person: Person, around: Circumstances) -> bool:
    return bool(person.suppressed & {"list", "account", "everybody"}) is (operator == "exist")


DATES = {
    "subscriptiondate": "subscribed_at",
    "unsubscriptiondate": "unsubscribed_at",
    "optindate": "opted_in_at",
}
TEXTS = {
    "emailaddress": "email",
    "email": "email",
    "subscriptionip": "subscription_ip",
    "unsubscriptionip": "unsubscription_ip",
    "subscriptionsource": "source",
    "subscriptionsourceref": "source_ref",
    "bouncetype": "bounce",
    "subscriptionstatus": "status",
}
NEGATIONS = {
    "is not": "is",
    "does not contain": "contains",
    "is not set": "is set",
    "not in the last x days": "in the last x days",
    "not in the next x days": "in the next x days",
    "not between": "between",
    "does not match regex": "matches regex",
}


def _field(rule: dict[str, Any], operator: str, person: Person, around: Circumstances) -> bool:
    if operator in NEGATIONS:
        return not _field(rule, NEGATIONS[operator], person, around)
    name = str(rule["field_id"]).lower()
    value = rule.get("value")
    asked = _written(value) if isinstance(value, str | int | float) else ""
    if name in DATES:
        return _instant(operator, value, asked, getattr(person, DATES[name]), around)
    if name in TEXTS:
        had = getattr(person, TEXTS[name])
    elif name == "emaildomain":
        had = person.email.rsplit("@", 1)[-1]
    elif name == "subscriberid":
        had = str(person.subscriber_id)
        if operator == "is":
            operator = "equals to"
    else:
        field_id = int(re.sub("[^0-9]", "", name))
        had = person.custom.get(field_id, person.shared.get(field_id, ""))
        if (answer := _as_date(operator, value, asked, had, around)) is not None:
            return answer
    return _text(operator, value, asked, had)


def _written(value: str | int | float) -> str:
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def low(text: str) -> str:
    """PostgreSQL's lower(): letter by letter."""
    return "".join("i" if letter == "İ" else letter.lower() for letter in text)


def _is_number(text: str) -> bool:
    return len(text) <= 100 and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text, re.ASCII) is not None


def _text(operator: str, value: Any, asked: str, had: str) -> bool:
    if operator == "between":
        least, most = _ends(value)
        return _is_number(had) and Decimal(least) <= Decimal(had) <= Decimal(most)
    match operator:
        case "is":
            return low(had) == low(asked)
        case "contains":
            return low(asked) in low(had)
        case "begins with":
            return low(had).startswith(low(asked))
        case "ends with":
            return low(had).endswith(low(asked))
        case "is set":
            return had != ""
        case "matches regex":
            return re2.search(asked, had[:8192]) is not None
    if had == "":
        return operator == "equals to" and asked == ""
    left, right = (Decimal(had), Decimal(asked)) if _is_number(had) and _is_number(asked) else (low(had), low(asked))
    return _ordered(operator, left, right)


def _ordered(operator: str, left: Any, right: Any) -> bool:
    return bool(
        {
            "equals to": left == right,
            "is": left == right,
            "is less than": left < right,
            "is smaller than": left < right,
            "is before": left < right,
            "is less than or equal to": left <= right,
            "is greater than": left > right,
            "is after": left > right,
            "is greater than or equal to": left >= right,
        }[operator]
    )


def _ends(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        value = [value["start"], value["end"]]
    start, end = value if isinstance(value, list) else value.split(",")
    return str(start), str(end)


def _local(text: str) -> date | datetime | None:
    """A calendar date, or a local time to the second; None: neither."""
    for pattern in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"):
        if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?", text, re.ASCII):
            try:
                read = datetime.strptime(text, pattern)
            except ValueError:
                continue
            return read.date() if pattern == "%Y-%m-%d" else read
    return None


AROUND = {
    "in the last x days": (-1, 0),
    "in the next x days": (0, 1),
    "is exactly x days ago": (-1, -1),
    "is exactly x days from now": (1, 1),
}
ORDERED = {
    "equals to",
    "is less than",
    "is smaller than",
    "is less than or equal to",
    "is greater than",
    "is greater than or equal to",
}
DATE_ONLY = {*AROUND, "is before", "is after"}


def _around(operator: str, asked: str, day: date, around: Circumstances) -> bool:
    today = around.now.astimezone(around.zone).date()
    first, last = (today + timedelta(days=end * int(asked)) for end in AROUND[operator])
    return first <= day <= last


def _instant(operator: str, value: Any, asked: str, had: datetime | None, around: Circumstances) -> bool:
    if operator in {"contains", "begins with", "ends with", "is set", "matches regex"} or asked == value == "":
        return _text(operator, value, asked, "" if had is None else had.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))
    if had is None:
        return False
    if operator in AROUND:
        return _around(operator, asked, had.astimezone(around.zone).date(), around)
    if operator == "between":
        start, end = _ends(value)
        return _instant("is greater than or equal to", start, start, had, around) and _instant(
            "is less than or equal to", end, end, had, around
        )
    read = _local(asked)
    assert read is not None
    if isinstance(read, datetime):
        instant = read.replace(tzinfo=around.zone).astimezone(UTC)
        return _ordered(operator, had.replace(microsecond=0), instant)
    return _ordered(operator, had.astimezone(around.zone).date(), read)


def _as_date(operator: str, value: Any, asked: str, had: str, around: Circumstances) -> bool | None:
    """For a custom field: the answer when the rule speaks of dates; None: it is no matter of dates."""
    mine = _local(had)
    my_day = mine.date() if isinstance(mine, datetime) else mine
    if operator in AROUND:
        return my_day is not None and _around(operator, asked, my_day, around)
    if operator == "between":
        start, end = _ends(value)
        if _local(start) is None:
            return None
        after = _as_date("is greater than or equal to", start, start, had, around)
        return mine is not None and bool(after and _as_date("is less than or equal to", end, end, had, around))
    asked_date = _local(asked)
    if asked_date is None or operator not in {*DATE_ONLY, *ORDERED, "is"}:
        return None
    if mine is None:
        return False if operator in {*DATE_ONLY, "is"} else None
    if isinstance(asked_date, datetime):
        exact = mine if isinstance(mine, datetime) else datetime.combine(mine, datetime.min.time())
        return _ordered(operator, exact, asked_date)
    return _ordered(operator, my_day, asked_date)
