"""Rules about fields (JC 5.3): which operators there are, and what each asks of which kind of field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, not_

from journeys_api.criteria import patterns, values
from journeys_api.criteria.comparisons import (
    Comparison,
    DateInText,
    Dates,
    DaysAround,
    FixedDates,
    InstantIsSet,
    InstantWithin,
    IsSet,
    LikeText,
    MatchesPattern,
    NumberBetween,
    NumberInText,
    NumberStands,
    Order,
    OrderedText,
    SameChoice,
    SameText,
    ordered_dates,
)
from journeys_api.criteria.subjects import Custom, Field, Kind, read_field
from journeys_api.criteria.tree import References, Rule, Scope
from journeys_api.criteria.values import BadValue
from journeys_api.models import BounceType


class Test(Enum):
    """What an operator asks, negation left out."""

    IS = "is"
    CONTAINS = "contains"
    BEGINS = "begins with"
    ENDS = "ends with"
    MATCHES = "matches regex"
    IS_SET = "is set"
    EQUALS = "equals to"
    LESS = "is less than"
    AT_MOST = "is less than or equal to"
    GREATER = "is greater than"
    AT_LEAST = "is greater than or equal to"
    BETWEEN = "between"
    BEFORE = "is before"
    AFTER = "is after"
    LAST_DAYS = "in the last x days"
    NEXT_DAYS = "in the next x days"
    DAYS_AGO = "is exactly x days ago"
    DAYS_FROM_NOW = "is exactly x days from now"


OPERATORS: Mapping[str, tuple[Test, bool]] = {
    "is": (Test.IS, False),
    "is not": (Test.IS, True),
    "contains": (Test.CONTAINS, False),
    "does not contain": (Test.CONTAINS, True),
    "begins with": (Test.BEGINS, False),
    "ends with": (Test.ENDS, False),
    "is set": (Test.IS_SET, False),
    "is not set": (Test.IS_SET, True),
    "is less than": (Test.LESS, False),
    "is less than or equal to": (Test.AT_MOST, False),
    "is greater than": (Test.GREATER, False),
    "is greater than or equal to": (Test.AT_LEAST, False),
    # the vendor's segment builder writes these
    "equals to": (Test.EQUALS, False),
    "is smaller than": (Test.LESS, False),
    "is before": (Test.BEFORE, False),
    "is after": (Test.AFTER, False),
    "in the last x days": (Test.LAST_DAYS, False),
    "not in the last x days": (Test.LAST_DAYS, True),
    "in the next x days": (Test.NEXT_DAYS, False),
    "not in the next x days": (Test.NEXT_DAYS, True),
    "is exactly x days ago": (Test.DAYS_AGO, False),
    "is exactly x days from now": (Test.DAYS_FROM_NOW, False),
    "between": (Test.BETWEEN, False),
    "not between": (Test.BETWEEN, True),
    # ours: the vendor has these two on website events only
    "matches regex": (Test.MATCHES, False),
    "does not match regex": (Test.MATCHES, True),
}
"""Folded operator → what it asks, and whether the answer is turned round. The letter X belongs to the name."""

ORDERS: Mapping[Test, Order] = {
    Test.EQUALS: Order.EQUAL,
    Test.LESS: Order.LESS,
    Test.AT_MOST: Order.AT_MOST,
    Test.GREATER: Order.GREATER,
    Test.AT_LEAST: Order.AT_LEAST,
}

_LIKE: Mapping[Test, tuple[str, str]] = {Test.CONTAINS: ("%", "%"), Test.BEGINS: ("", "%"), Test.ENDS: ("%", "")}

_AROUND: Mapping[Test, tuple[int, int]] = {
    Test.LAST_DAYS: (-1, 0),
    Test.NEXT_DAYS: (0, 1),
    Test.DAYS_AGO: (-1, -1),
    Test.DAYS_FROM_NOW: (1, 1),
}
"""First and last day of the stretch, in units of X days from today."""

_SPELLINGS = {"hard bounced": BounceType.HARD, "soft bounced": BounceType.SOFT}
"""Choices as the vendor's segment builder calls them, where that is not the value."""


@dataclass(frozen=True)
class FieldRule(Rule):
    """A rule about one field."""

    field: Field
    comparison: Comparison
    is_negated: bool

    @property
    def references(self) -> References:
        """The custom field, if it is one."""
        return (
            References(field_ids=frozenset({self.field.field_id})) if isinstance(self.field, Custom) else References()
        )

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`. A negation also matches whoever has no value."""
        subject = self.field.text(scope) if self.comparison.reads_text else self.field.subject(scope)
        holds = self.comparison.holds(subject, scope)
        return not_(holds) if self.is_negated else holds


def read_rule(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "fields", "field_id", "operator", "value"}`, names folded.

    Raises:
        BadValue: an unknown field or operator, or a value that the two do not take.
    """
    field = read_field(rule.get("field_id"))
    test, is_negated = values.one_of(OPERATORS, rule.get("operator"))
    value = rule.get("value")
    comparison = _COMPARISONS[field.kind](test, value, field) or _of_any_text(test, value)
    if comparison is None:
        raise BadValue(f'the operator "{test.value}" does not suit this field')
    return FieldRule(field, comparison, is_negated)


def _of_any_text(test: Test, value: object) -> Comparison | None:
    """What may be asked of every kind of field, by its text."""
    if test is Test.IS_SET:
        return IsSet()
    if test is Test.IS:
        return SameText(values.text(value))
    if test is Test.MATCHES:
        return MatchesPattern(patterns.for_postgresql(values.filled(value)))
    if test in _LIKE:
        before, after = _LIKE[test]
        return LikeText(values.filled(value), before=before, after=after)
    return None


def _of_text(test: Test, value: object, field: Field) -> Comparison | None:
    if test is Test.BETWEEN:
        return NumberInText(*_numbers(value))
    return _ordered(test, value) if test in ORDERS else None


def _of_custom(test: Test, value: object, field: Field) -> Comparison | None:
    if test is Test.IS:
        day = values.when(values.text(value))
        return DateInText(ordered_dates(Order.EQUAL, day)) if day is not None else None
    if test is Test.BETWEEN and values.number(values.pair(value)[0]) is not None:
        return NumberInText(*_numbers(value))
    if test in ORDERS:
        return _ordered(test, value, may_be_date=True)
    dates = _dates(test, value)
    return DateInText(dates) if dates is not None else None


def _of_instant(test: Test, value: object, field: Field) -> Comparison | None:
    if test is Test.IS_SET:
        return InstantIsSet()
    if test is Test.IS and value == "":
        return SameText("")
    if test is Test.IS or test in ORDERS:
        return InstantWithin(ordered_dates(ORDERS.get(test, Order.EQUAL), _day(value)))
    dates = _dates(test, value)
    return InstantWithin(dates) if dates is not None else None


def _of_number(test: Test, value: object, field: Field) -> Comparison | None:
    if test is Test.BETWEEN:
        return NumberBetween(*_numbers(value))
    if test is Test.IS or test in ORDERS:
        return NumberStands(ORDERS.get(test, Order.EQUAL), _number(values.text(value)))
    return None


def _of_choice(test: Test, value: object, field: Field) -> Comparison | None:
    if test not in {Test.IS, Test.EQUALS}:
        return None
    named = values.filled(value)
    choices = {choice.value.lower(): choice for choice in field.choices or ()} | (
        _SPELLINGS if field.choices is BounceType else {}
    )
    if named.lower() not in choices:
        raise BadValue(f"{values.quoted(named)} is none of this field's values")
    return SameChoice(choices[named.lower()])


_COMPARISONS: Mapping[Kind, Callable[[Test, object, Field], Comparison | None]] = {
    Kind.TEXT: _of_text,
    Kind.NUMBER: _of_number,
    Kind.CHOICE: _of_choice,
    Kind.INSTANT: _of_instant,
    Kind.CUSTOM: _of_custom,
}
"""What may be asked of one kind of field only; None: see `_of_any_text`."""


def _ordered(test: Test, value: object, *, may_be_date: bool = False) -> Comparison:
    if test is Test.EQUALS and value == "":
        return SameText("")
    given = values.filled(value)
    day = values.when(given) if may_be_date else None
    order = ORDERS[test]
    return OrderedText(order, given, values.number(given), ordered_dates(order, day) if day is not None else None)


def _dates(test: Test, value: object) -> Dates | None:
    """The stretch of time that an operator of dates speaks of; None: it is none."""
    if test in _AROUND:
        first, last = _AROUND[test]
        days = values.day_count(value)
        return DaysAround(first * days, last * days)
    if test is Test.BEFORE:
        return ordered_dates(Order.LESS, _day(value))
    if test is Test.AFTER:
        return ordered_dates(Order.GREATER, _day(value))
    if test is Test.BETWEEN:
        start, end = (_day(side) for side in values.pair(value))
        if start.start > end.start:
            raise BadValue("the range ends before it starts")
        return FixedDates(start.start, end.end)
    return None


def _numbers(value: object) -> tuple[Decimal, Decimal]:
    least, most = (_number(side) for side in values.pair(value))
    if least > most:
        raise BadValue("the range ends before it starts")
    return least, most


def _number(given: str) -> Decimal:
    read = values.number(given)
    if read is None:
        raise BadValue("the value must be a number")
    return read


def _day(value: object) -> values.When:
    read = values.when(values.text(value))
    if read is None:
        raise BadValue("the value must be a date: YYYY-MM-DD, or YYYY-MM-DD HH:MM:SS")
    return read
