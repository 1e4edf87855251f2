"""RulesJson → a checked tree (JC 5.1)."""

from collections.abc import Callable, Mapping
from typing import Any

from journeys_api import strict_json
from journeys_api.criteria import events, fields, memberships, values
from journeys_api.criteria.errors import CriteriaInvalid
from journeys_api.criteria.subjects import is_custom
from journeys_api.criteria.tree import MOST_RULES, Criteria, Node, Rule, Unevaluable
from journeys_api.criteria.values import BadValue
from journeys_api.errors import NotReadable
from journeys_api.strict_json import fold

RULES: Mapping[str, Callable[[Mapping[str, Any]], Rule]] = {
    "fields": fields.read_rule,
    "tags": memberships.read_tags,
    "journeys": memberships.read_journeys,
    "journey-email-action": memberships.read_journey_email_action,
    "segments": memberships.read_segments,
    "suppressions": memberships.read_suppressions,
    "website-events": events.read_website_events,
    "campaign-events": events.read_campaign_events,
}
"""Folded `type` → how the rule is read, names folded."""

_ID_KEYS: Mapping[str, tuple[str, ...]] = {
    "tags": ("value",),
    "journeys": ("value",),
    "journey-email-action": ("value", "journey-id"),
    "segments": ("value",),
    "campaign-events": ("value", "email-id"),
}
"""Folded `type` → the keys of a rule under which ids of records stand, whatever its operator; fields apart."""

_DEEPEST = 2
"""Levels of arrays below the outermost: groups and subgroups."""
_NO_TYPE = "no type"


def parse(rules: object, *, operator: object, needs_types: bool = False) -> Criteria:
    """Check RulesJson: a list of groups of rules and subgroups; a bare rule is a group of one. JSON text is read.

    None, "", [] and {} are no rules. A rule of an unknown type or operator, or with a value that does not suit, is kept
    as one that cannot be evaluated: `problems` names it.

    Args:
        operator: `or` in any case; whatever else is `and`.
        needs_types: whether an object without a type is no rule at all.

    Raises:
        CriteriaInvalid: not a list of rules: a typo must not become "everybody". An empty group is such a typo, too.

    Source: criteria-syntax "Schema"; segments "SegmentOperator alternates with nesting depth".
    """
    if isinstance(rules, str) and rules:
        try:
            rules = strict_json.loads(rules)
        except NotReadable as error:
            raise CriteriaInvalid(f"the criteria are not JSON: {error}") from None
    check(rules)
    criteria = Criteria(_nodes(rules) if isinstance(rules, list) else (), is_or=_is_or(operator))
    for place, rule in criteria.rules() if needs_types else ():
        if rule.problem == _NO_TYPE:
            raise CriteriaInvalid(f"{place}: a rule without a type")
    return criteria


def check(rules: object) -> None:
    """Judge the structure of RulesJson as `parse` does, whatever the rules say: far cheaper. JSON text is not read.

    Raises:
        CriteriaInvalid: not a list of rules.
    """
    if rules is None or rules in ("", [], {}):
        return
    if _count(rules, "", depth=0) > MOST_RULES:
        raise CriteriaInvalid(f"the criteria have more than {MOST_RULES} rules")


def problems(criteria: Criteria) -> list[str]:
    """What keeps rules from being evaluated, each with the rule's place: `[0][1]: unknown operator "exists"`."""
    return [f"{place}: {rule.problem}" for place, rule in criteria.rules() if rule.problem is not None]


def read_rule(rule: Mapping[str, Any]) -> Rule:
    """One rule; what cannot be understood of it makes it unevaluable.

    Args:
        rule: with folded names.
    """
    if "type" not in rule:
        return Unevaluable(_NO_TYPE)
    kind = rule["type"]
    if not isinstance(kind, str) or fold(kind) not in RULES:
        return Unevaluable(f"unknown type {values.quoted(kind)}")
    try:
        return RULES[fold(kind)](rule)
    except BadValue as error:
        return Unevaluable(str(error))


def names_records(rule: Mapping[str, Any]) -> bool:
    """Whether a rule, as it was sent, names a record of its account; also one that cannot be evaluated."""
    named = strict_json.folded(dict(rule))
    kind = named.get("type")
    if not isinstance(kind, str):
        return False
    if fold(kind) == "fields":
        return is_custom(named.get("field_id"))
    return any(named.get(key) not in (None, "", 0, "0", [], {}) for key in _ID_KEYS.get(fold(kind), ()))


def _is_or(operator: object) -> bool:
    return isinstance(operator, str) and fold(operator) == "or"


def _count(members: object, place: str, *, depth: int) -> int:
    """How many rules there are, of what is groups and rules throughout."""
    if not isinstance(members, list):
        raise CriteriaInvalid(f"{place or 'the criteria'}: not a list of rules")
    if not members:
        raise CriteriaInvalid(f"{place}: a group without rules")
    if depth > _DEEPEST:
        raise CriteriaInvalid(f"{place}: groups nest deeper than three levels")
    return sum(
        1 if isinstance(member, Mapping) else _count(member, f"{place}[{index}]", depth=depth + 1)
        for index, member in enumerate(members)
    )


def _nodes(members: list[Any]) -> tuple[Node, ...]:
    return tuple(
        read_rule(strict_json.folded(dict(member))) if isinstance(member, Mapping) else _nodes(member)
        for member in members
    )
