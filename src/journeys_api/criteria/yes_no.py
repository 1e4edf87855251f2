"""The YesNo action's own vocabulary, read as criteria of one rule (JC 3.4)."""

from journeys_api.criteria import fields, values
from journeys_api.criteria.tree import Criteria, Rule, Unevaluable
from journeys_api.criteria.values import BadValue
from journeys_api.strict_json import fold

OPERATORS = frozenset(
    {
        "contains",
        "does not contain",
        "begins with",
        "ends with",
        "equals to",
        "is greater than",
        "is smaller than",
        "is before",
        "is after",
        "is set",
        "is not set",
        "is",
        "is not",
    }
)
"""Folded operators that a field may be compared by; they are those of criteria."""


def from_yes_no(left: object, operator: object, right: object, option: object) -> Criteria:
    """The criteria of a YesNo action. A left side that is not chosen yet makes no rule, and so leads to No.

    Args:
        option: `any` or `all`, how several campaigns are matched; of no effect on fields.

    Source: journey-actions "YesNo".
    """
    if left is None or left in ("", 0):
        return Criteria()
    return Criteria((_rule(left, operator, right),))


def _rule(left: object, operator: object, right: object) -> Rule:
    try:
        if fold(values.text(left)) in {"opens", "clicks"}:
            return Unevaluable("campaigns and autoresponders are not kept by this server")
        if not isinstance(operator, str) or fold(operator) not in OPERATORS:
            raise BadValue(f"unknown operator {values.quoted(operator)}")
        return fields.read_rule({"field_id": left, "operator": operator, "value": right})
    except BadValue as error:
        return Unevaluable(str(error))
