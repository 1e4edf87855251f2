"""Trigger_Criteria: which events of a trigger's kind count (JC 4). Evaluated here, against one event's properties."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from journeys_api import strict_json
from journeys_api.criteria import values
from journeys_api.criteria.errors import CriteriaInvalid
from journeys_api.criteria.events import PropertyTest, property_value, read_test
from journeys_api.criteria.tree import MOST_RULES
from journeys_api.criteria.values import BadValue
from journeys_api.errors import NotReadable


@dataclass(frozen=True)
class TriggerRule:
    """One rule about one property; the empty name is the new value of a changed custom field."""

    property: str
    test: PropertyTest | None
    problem: str | None = None
    """Why it cannot be evaluated; it then matches no event."""

    def matches(self, properties: Mapping[str, Any]) -> bool:
        """Whether an event with these properties is meant."""
        return self.test is not None and self.test.matches(property_value(properties, self.property))


def parse_trigger(rules: object) -> tuple[TriggerRule, ...]:
    """Check Trigger_Criteria: a list of `{"Property", "Operator", "Value"}`, names in any case. JSON text is read.

    None, "", [] and {} are no rules. A rule without an operator, with an unknown one or an unsuitable value is kept,
    and matches no event: `trigger_problems` names it.

    Raises:
        CriteriaInvalid: not a list of rules.

    Source: journeys "Journey Trigger Criteria".
    """
    if isinstance(rules, str) and rules:
        try:
            rules = strict_json.loads(rules)
        except NotReadable as error:
            raise CriteriaInvalid(f"the criteria are not JSON: {error}") from None
    if rules is None or rules in ("", [], {}):
        return ()
    if not isinstance(rules, list) or len(rules) > MOST_RULES:
        raise CriteriaInvalid("the criteria: not a list of rules")
    return tuple(_rule(rule, f"[{index}]") for index, rule in enumerate(rules))


def trigger_problems(rules: object) -> list[str]:
    """What keeps rules of Trigger_Criteria from being evaluated, each with the rule's place.

    Raises:
        CriteriaInvalid: as `parse_trigger`.
    """
    return [f"[{index}]: {rule.problem}" for index, rule in enumerate(parse_trigger(rules)) if rule.problem is not None]


def matches_event(trigger_criteria: object, properties: Mapping[str, Any]) -> bool:
    """Whether an event counts: all rules match it. No rules: every event counts; one that cannot be told: none does.

    Args:
        trigger_criteria: as stored, or as sent.
        properties: of the event; for a changed custom field `{"": new_value}`.
    """
    try:
        return all(rule.matches(properties) for rule in parse_trigger(trigger_criteria))
    except CriteriaInvalid:
        return False


def _rule(rule: object, place: str) -> TriggerRule:
    if not isinstance(rule, Mapping):
        raise CriteriaInvalid(f"{place}: not a rule")
    named = strict_json.folded(dict(rule))
    try:
        name = named.get("property")
        name = "" if name is None else values.text(name)
        return TriggerRule(name, read_test(named.get("operator"), named.get("value")))
    except BadValue as error:
        return TriggerRule("", None, str(error))
