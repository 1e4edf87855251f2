"""What the parameters of segments say: rules as RulesJson, or as the vendor's older three arrays."""

from typing import Any

from journeys_api import strict_json
from journeys_api.commands.reading import Reader, Unreadable, array, scalar_text, whole
from journeys_api.commands.registry import Param, Reading
from journeys_api.criteria import CriteriaInvalid, parse
from journeys_api.errors import NotReadable

MOST_SAMPLE = 1_000_000_000


def _parse_rules(value: Any) -> list[Any]:
    """RulesJson as it is to be stored; `{}` is no rules, as `[]` is."""
    try:
        given = strict_json.loads(value) if isinstance(value, str) else value
        parse(given, operator="and", needs_types=True)
    except (NotReadable, CriteriaInvalid):
        raise Unreadable from None
    if given is not None and not isinstance(given, list | dict):
        raise Unreadable
    return list(given or [])


def _parse_list_id(value: Any) -> int | None:
    try:
        return whole(value, least=1)
    except Unreadable:
        return None


rules = Reader(
    _parse_rules, {"type": "string", "description": "RulesJson, as JSON text or array; `[]`: the whole list"}
)
texts = Reader(
    lambda value: [scalar_text(item) for item in array(value)], {"type": "array", "items": {"type": "string"}}
)
list_id_or_nothing = Reader(_parse_list_id, {"type": "integer", "format": "int64"})
"""A list's id; what is none is passed over, as the vendor documents it."""
sample_size = Reader(lambda value: whole(value, most=MOST_SAMPLE), {"type": "integer", "minimum": 0})

_OLDER = ("fields", "operators", "filters")


def rule_params() -> list[Param]:
    """The rules, in either form; `read_rules` makes one of them."""
    older = "Each rule of the older form; only without RulesJson"
    return [
        Param("RulesJson", "rules", rules, also=("SegmentRulesJson",), doc="The array grammar of the criteria"),
        Param("SegmentRuleField", "fields", texts, doc=older),
        Param("SegmentRuleOperator", "operators", texts, doc=older),
        Param("SegmentRuleFilter", "filters", texts, doc=older),
    ]


def read_rules(reading: Reading) -> None:
    """Put the rules of the older form in their place, one group each; None: no rules were sent.

    Raises:
        NotReadable: the three arrays are not of one length: rules that are left out would make a larger segment.
    """
    older = [reading.arguments.pop(name) or [] for name in _OLDER]
    if reading.has("rules") or not any(older):
        return
    if len({len(each) for each in older}) != 1:
        raise NotReadable("SegmentRuleField, SegmentRuleOperator and SegmentRuleFilter are not of one length")
    reading["rules"] = [
        [{"type": "fields", "field_id": field, "operator": operator.lower(), "value": value}]
        for field, operator, value in zip(*older, strict=True)
    ]
