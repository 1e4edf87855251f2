"""Comparisons of one value of a subscriber with what a rule says, each as SQL that is TRUE or FALSE and never NULL.

Texts are compared without case, in the database's own folding. A text subject is never NULL: no value is the empty
text. Wildcards of LIKE in a rule's text stand for themselves.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Numeric,
    Text,
    and_,
    between,
    case,
    cast,
    collate,
    false,
    func,
    literal,
    true,
)

from journeys_api.criteria.tree import Scope
from journeys_api.criteria.values import DATE, LONGEST_NUMBER, LONGEST_TEXT, NUMBER, When

DAY = timedelta(days=1)


class Order(Enum):
    """How one value stands to another."""

    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="

    def between(self, left: ColumnElement[Any], right: Any) -> ColumnElement[bool]:
        """Whether `left` stands so to `right`."""
        return left.bool_op(self.value)(right)


class Comparison:
    """What a rule asks of a value."""

    reads_text = False
    """Whether its subject is the value's text rather than the column itself."""

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """Whether the subject is as asked; TRUE or FALSE."""
        raise NotImplementedError


@dataclass(frozen=True)
class SameText(Comparison):
    """The same text, but for case."""

    text: str
    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return func.lower(subject) == func.lower(literal(self.text, Text))


@dataclass(frozen=True)
class LikeText(Comparison):
    """Contains, begins or ends with a text."""

    text: str
    before: str
    """`%` or nothing: what may stand before the text; `after` likewise."""
    after: str
    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        escaped = self.text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        pattern = f"{self.before}{escaped}{self.after}"
        # without an ESCAPE clause, which would keep the planner from reading a beginning as a range of the index
        return func.lower(subject).like(func.lower(literal(pattern, Text)))


@dataclass(frozen=True)
class MatchesPattern(Comparison):
    """Contains a match of a regular expression that `patterns.for_postgresql` has translated."""

    pattern: str
    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return func.left(subject, LONGEST_TEXT).bool_op("~")(literal(self.pattern, Text))


@dataclass(frozen=True)
class IsSet(Comparison):
    """There is a value, and it is not empty."""

    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return subject != literal("", Text)


@dataclass(frozen=True)
class OrderedText(Comparison):
    """How a text stands to another: as numbers when both are numbers, as dates when both are dates, else by letters.

    No value stands in no order to anything.
    """

    order: Order
    text: str
    number: Decimal | None
    dates: "Dates | None"
    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        letters = collate(func.lower(func.nullif(subject, "")), "C")
        by_letters = func.coalesce(
            self.order.between(letters, collate(func.lower(literal(self.text, Text)), "C")), false()
        )
        if self.number is not None:
            return case(
                (is_number(subject), self.order.between(cast(subject, Numeric), literal(self.number, Numeric))),
                else_=by_letters,
            )
        if self.dates is not None:
            return case((_is_date(subject), _within(_spelled_out(subject), self.dates, scope)), else_=by_letters)
        return by_letters


@dataclass(frozen=True)
class NumberInText(Comparison):
    """A text that is a number from `least` to `most`."""

    least: Decimal
    most: Decimal
    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        bounds = literal(self.least, Numeric), literal(self.most, Numeric)
        return case((is_number(subject), between(cast(subject, Numeric), *bounds)), else_=false())


@dataclass(frozen=True)
class DateInText(Comparison):
    """A text that is a day, or a day with a time, in local time, within a stretch of time."""

    dates: "Dates"
    reads_text = True

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return and_(_is_date(subject), _within(_spelled_out(subject), self.dates, scope))


@dataclass(frozen=True)
class InstantWithin(Comparison):
    """An instant within a stretch of local time."""

    dates: "Dates"

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        start, end = self.dates.stretch(scope)
        bounds: list[ColumnElement[bool]] = [subject.is_not(None)]
        if start is not None:
            bounds.append(subject >= _instant(start, scope.zone))
        if end is not None:
            bounds.append(subject < _instant(end, scope.zone))
        return and_(*bounds)


@dataclass(frozen=True)
class InstantIsSet(Comparison):
    """There is an instant."""

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return subject.is_not(None)


@dataclass(frozen=True)
class SameChoice(Comparison):
    """One state of a column of states."""

    choice: StrEnum

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return subject == self.choice


@dataclass(frozen=True)
class NumberStands(Comparison):
    """A whole number that stands so to a number."""

    order: Order
    number: Decimal

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        is_id = self.number == int(self.number) and abs(self.number) < 2**63
        # a numeric beside a bigint column would keep the planner from the index
        bound = literal(int(self.number), BigInteger) if is_id else literal(self.number, Numeric)
        return self.order.between(subject, bound)


@dataclass(frozen=True)
class NumberBetween(Comparison):
    """A whole number from `least` to `most`."""

    least: Decimal
    most: Decimal

    def holds(self, subject: ColumnElement[Any], scope: Scope) -> ColumnElement[bool]:
        """As `Comparison.holds`."""
        return between(subject, literal(self.least, Numeric), literal(self.most, Numeric))


class Dates:
    """A stretch of local time."""

    def stretch(self, scope: Scope) -> tuple[datetime | None, datetime | None]:
        """Its start and its end, which it does not include; None: open."""
        raise NotImplementedError


@dataclass(frozen=True)
class FixedDates(Dates):
    """From one instant to another, whatever the day."""

    start: datetime | None
    end: datetime | None

    def stretch(self, scope: Scope) -> tuple[datetime | None, datetime | None]:
        """As `Dates.stretch`."""
        return self.start, self.end


@dataclass(frozen=True)
class DaysAround(Dates):
    """Whole days, counted from today: -3 to 0 are the last three days and today."""

    first: int
    last: int

    def stretch(self, scope: Scope) -> tuple[datetime | None, datetime | None]:
        """As `Dates.stretch`."""
        midnight = datetime.combine(scope.today, time())
        return midnight + self.first * DAY, midnight + (self.last + 1) * DAY


def ordered_dates(order: Order, day: When) -> Dates:
    """The stretch of what is on, before, up to, after or from a day or second."""
    return {
        Order.EQUAL: FixedDates(day.start, day.end),
        Order.LESS: FixedDates(None, day.start),
        Order.AT_MOST: FixedDates(None, day.end),
        Order.GREATER: FixedDates(day.end, None),
        Order.AT_LEAST: FixedDates(day.start, None),
    }[order]


def is_number(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a text is a number that PostgreSQL can make of it."""
    return (func.length(subject) <= LONGEST_NUMBER) & subject.bool_op("~")(literal(NUMBER, Text))


def _is_date(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return subject.bool_op("~")(literal(DATE, Text))


def _spelled_out(subject: ColumnElement[Any]) -> ColumnElement[str]:
    """The date in a text as `YYYY-MM-DD HH:MM:SS`, whose letters are ordered like the dates."""
    return subject + func.substr(literal(" 00:00:00", Text), func.length(subject) - 9)


def _within(spelled_out: ColumnElement[str], dates: Dates, scope: Scope) -> ColumnElement[bool]:
    start, end = dates.stretch(scope)
    letters = collate(spelled_out, "C")
    bounds: list[ColumnElement[bool]] = [true()]
    if start is not None:
        bounds.append(letters >= literal(start.isoformat(" ", "seconds"), Text))
    if end is not None:
        bounds.append(letters < literal(end.isoformat(" ", "seconds"), Text))
    return and_(*bounds)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time; the first of two, and for one that the clocks skipped, as if they had not."""
    return local.replace(tzinfo=zone).astimezone(UTC)
