"""Comparisons of one property of an event (JC 4, 5.4), and the rules about events that subscribers have had."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, column, exists, func, literal, not_, select
from sqlalchemy.orm import aliased

from journeys_api.criteria import patterns, values
from journeys_api.criteria.comparisons import (
    Comparison,
    DaysAround,
    InstantWithin,
    IsSet,
    LikeText,
    MatchesPattern,
    Order,
    OrderedText,
    SameText,
)
from journeys_api.criteria.tree import Rule, Scope, Unevaluable
from journeys_api.models import Subscriber, WebsiteEvent, WebsiteEventKind
from journeys_api.strict_json import fold


class Test(Enum):
    """What an operator asks of a property, negation left out."""

    EQUALS = "equals"
    CONTAINS = "contains"
    MATCHES = "matches regex"
    GREATER = "greater than"
    LESS = "less than"
    IS_SET = "is set"


OPERATORS: Mapping[str, tuple[Test, bool]] = {
    "equals": (Test.EQUALS, False),
    "does not equal": (Test.EQUALS, True),
    "doesn't equal": (Test.EQUALS, True),
    "contains": (Test.CONTAINS, False),
    "does not contain": (Test.CONTAINS, True),
    "doesn't contain": (Test.CONTAINS, True),
    "matches regex": (Test.MATCHES, False),
    "does not match regex": (Test.MATCHES, True),
    "doesn't match regex": (Test.MATCHES, True),
    "greater than": (Test.GREATER, False),
    "less than": (Test.LESS, False),
    "is set": (Test.IS_SET, False),
    "is not set": (Test.IS_SET, True),
}
"""Folded operator, in the spelling of triggers and in that of criteria → what it asks, and whether that is turned
round."""


@dataclass(frozen=True)
class PropertyTest:
    """What is asked of one property's value."""

    test: Test
    text: str
    is_negated: bool

    def matches(self, value: object) -> bool:
        """Whether the value (None: there is none) is as asked. A negation also matches no value."""
        return self._holds(property_text(value)) is not self.is_negated

    def _holds(self, given: str) -> bool:
        asked = self.text
        if self.test is Test.IS_SET:
            return given != ""
        if self.test is Test.CONTAINS:
            return asked.lower() in given.lower()
        if self.test is Test.MATCHES:
            return patterns.found(asked, given)
        numbers = values.number(given), values.number(asked)
        if numbers[0] is not None and numbers[1] is not None:
            return _stands(self.test, *numbers)
        if given == "" and self.test is not Test.EQUALS:
            return False
        return _stands(self.test, given.lower(), asked.lower())


def _stands(test: Test, left: Any, right: Any) -> bool:
    if test is Test.EQUALS:
        return bool(left == right)
    return bool(left > right if test is Test.GREATER else left < right)


def read_test(operator: object, value: object) -> PropertyTest:
    """The test that an operator of either dialect makes of a value.

    Raises:
        BadValue: an unknown operator, or a value that it does not take.
    """
    straight = operator.replace("’", "'") if isinstance(operator, str) else operator
    test, is_negated = values.one_of(OPERATORS, straight)
    if test is Test.IS_SET:
        return PropertyTest(test, "", is_negated)
    given = values.text(value) if test is Test.EQUALS else values.filled(value)
    if test is Test.MATCHES:
        patterns.compiled(given)
    return PropertyTest(test, given, is_negated)


def property_text(value: object) -> str:
    """The text that a property's value is compared as; none is the empty text, arrays and objects are JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def property_value(properties: Mapping[str, Any], name: str) -> Any:
    """The value of the property that a rule names; None: the event has none.

    The spelling as it stands wins, then the name without its event (`pageView.url`), then the same letters and digits:
    `conversion-id` and `conversionId`, `$page_title` and `$pageTitle` are what the API and the vendor's pages write.
    """
    candidates = [name, *([name.partition(".")[2]] if "." in name else [])]
    for candidate in candidates:
        if candidate in properties:
            return properties[candidate]
    for candidate in candidates:
        for given, value in properties.items():
            if _letters(given) == _letters(candidate):
                return value
    return None


def _letters(name: str) -> str:
    return re.sub("[-_]", "", fold(name))


HAPPENINGS: Mapping[str, bool] = {
    "happened": False,
    "did happen": False,
    "did not happen": True,
    "happened in the last x days": False,
    "did not happen in the last x days": True,
}
"""Folded operators about whole events → whether the answer is turned round."""


KINDS: Mapping[str, WebsiteEventKind] = {
    "page_view": WebsiteEventKind.PAGE_VIEW,
    "pageview": WebsiteEventKind.PAGE_VIEW,
    "identify": WebsiteEventKind.IDENTIFY,
    "conversion": WebsiteEventKind.CONVERSION,
}
"""Folded names of the events that are not custom ones."""


@dataclass(frozen=True)
class WebsiteEventRule(Rule):
    """The subscriber's website events: whether one of a kind happened (of late), or had a property so."""

    event: str
    """As sent: `pageView`, `identify`, `conversion`, the name of a custom one, or `customEvent` for any of those."""
    days: int | None
    """Only events of so many days up to now; None: ever."""
    parameter: str
    asked: Comparison | None
    """None: any event of the kind."""
    is_negated: bool

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`: by index to the subscriber's events of the kind, whose properties are then read."""
        happened = aliased(WebsiteEvent)
        kind = KINDS.get(fold(self.event), WebsiteEventKind.CUSTOM)
        asked = [
            happened.owner_id == scope.owner_id,
            happened.subscriber_id == Subscriber.subscriber_id,
            happened.kind == kind,
        ]
        if kind is WebsiteEventKind.CUSTOM and fold(self.event) != fold(kind.value):
            asked.append(func.lower(happened.name) == func.lower(literal(self.event, Text)))
        if self.days is not None:
            asked.append(InstantWithin(DaysAround(-self.days, 0)).holds(happened.occurred_at.expression, scope))
        if self.asked is not None:
            asked.append(exists(self._properties(happened, self.asked, scope)))
        is_there = exists().where(*asked).correlate_except(happened)
        return not_(is_there) if self.is_negated else is_there

    def _properties(self, happened: Any, asked: Comparison, scope: Scope) -> Select[int]:
        """The event's properties of the name, in whichever spelling, that are as asked."""
        pairs = func.jsonb_each_text(happened.properties).table_valued(column("key", Text), column("value", Text))
        names = {_letters(self.parameter), _letters(self.parameter.partition(".")[2] or self.parameter)}
        letters = func.translate(func.lower(pairs.c.key), "-_", "")
        value = func.coalesce(pairs.c.value, "")
        return select(literal(1)).select_from(pairs).where(letters.in_(sorted(names)), asked.holds(value, scope))


def read_website_events(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "website-events", "event", "operator", "event_parameter", "value"}` (JC 5.4).

    Raises:
        BadValue: an unknown operator, no event or parameter, or a value that the operator does not take.
    """
    event = values.filled(rule.get("event"))
    operator = rule.get("operator")
    if isinstance(operator, str) and fold(operator) in HAPPENINGS:
        days = values.day_count(rule.get("value")) if "last x days" in fold(operator) else None
        return WebsiteEventRule(event, days, "", None, HAPPENINGS[fold(operator)])
    test = read_test(operator, rule.get("value"))
    parameter = values.filled(rule.get("event_parameter"))
    return WebsiteEventRule(event, None, parameter, _comparison(test), test.is_negated)


def _comparison(asked: PropertyTest) -> Comparison:
    """What a test asks, as SQL over the property's text; negation left out."""
    if asked.test is Test.IS_SET:
        return IsSet()
    if asked.test is Test.CONTAINS:
        return LikeText(asked.text, before="%", after="%")
    if asked.test is Test.MATCHES:
        return MatchesPattern(patterns.for_postgresql(asked.text))
    if asked.text == "":
        return SameText("")
    order = {Test.EQUALS: Order.EQUAL, Test.GREATER: Order.GREATER, Test.LESS: Order.LESS}[asked.test]
    return OrderedText(order, asked.text, values.number(asked.text), None)


def read_campaign_events(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "campaign-events", …}`: this server sends no campaigns, so that none can be told."""
    return Unevaluable("campaigns are not kept by this server")
