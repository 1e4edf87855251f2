"""What parameters of several subscriber commands say, and the checks that they share."""

import re
from collections.abc import Mapping
from typing import Any

from journeys_api import strict_json
from journeys_api.commands.reading import Reader, Unreadable, comma_members, identifier, mapping, scalar_text, whole
from journeys_api.commands.registry import Param, Reading, Refusal
from journeys_api.criteria import CriteriaInvalid, parse
from journeys_api.criteria.reading import RULES
from journeys_api.errors import NotReadable
from journeys_api.strict_json import fold
from journeys_api.subscribers.audience import NamedSegment, Window
from journeys_api.subscribers.ordering import SEARCHED, Order

MOST_RECORDS = 1000
MOST_SOURCE_REF = 64
MOST_LISTS = 100
RULES_REFUSED = "Invalid RulesJSON syntax. It must be a properly formatted JSON payload"
SOURCES = ("CSVImport", "API", "Webhook", "Manual", "Other", "Unknown")
_FIELD_NAME = re.compile(r"(?:customfield)?([0-9]{1,40})")
_SEGMENTS = {fold(segment.value): segment for segment in NamedSegment}


def _parse_any_id(value: Any) -> int:
    try:
        return whole(value)
    except Unreadable:
        return 0


def _parse_positive_ids(value: Any) -> list[int]:
    members = [whole(member, least=1) for member in comma_members(value)]
    if not members:
        raise Unreadable
    return list(dict.fromkeys(members))


def _parse_list_ids(value: Any) -> list[int]:
    members = _parse_positive_ids(value)
    if len(members) > MOST_LISTS:
        raise Unreadable
    return members


def _parse_rules(value: Any) -> Any:
    if not isinstance(value, str):
        raise Unreadable
    try:
        return strict_json.loads(value)
    except NotReadable:
        raise Unreadable from None


def _parse_operator(value: Any) -> str:
    return "and" if isinstance(value, str) and fold(value) == "and" else "or"


def _parse_custom_values(value: Any) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for name, each in mapping(value).items():
        if each is not None:
            matched = _FIELD_NAME.fullmatch(fold(name))
            named[str(int(matched[1])) if matched else name] = each
    return named


def _parse_family(value: Mapping[str, Any]) -> dict[str, Any]:
    return {str(int(name)): each for name, each in value.items() if _FIELD_NAME.fullmatch(name)}


def _parse_source(value: Any) -> str:
    known = {fold(source): source for source in SOURCES}
    return known.get(fold(scalar_text(value)), "Unknown")


def _parse_segment(value: Any) -> NamedSegment | int:
    text = scalar_text(value)
    return _SEGMENTS[fold(text)] if fold(text) in _SEGMENTS else whole(text)


def _parse_search_field(value: Any) -> str | int:
    text = scalar_text(value)
    return fold(text) if fold(text) in SEARCHED else whole(text)


any_id = Reader(_parse_any_id, {"type": "integer", "format": "int64", "minimum": 0})
"""For ids without a code for their form: what is no id names nobody."""
positive_ids = Reader(_parse_positive_ids, {"type": "string", "description": "Comma-separated; an array is accepted."})
list_ids = Reader(
    _parse_list_ids, {"type": "string", "description": f"Comma-separated, at most {MOST_LISTS}; an array is accepted."}
)
rules_text = Reader(_parse_rules, {"type": "string", "description": "RulesJson as a JSON text, with one rule or more."})
operator = Reader(_parse_operator, {"type": "string", "enum": ["and", "or"]})
custom_values = Reader(
    _parse_custom_values,
    {"type": "object", "description": "Values by the id of their field, or by `CustomField<ID>`."},
)
custom_field_family = Reader(_parse_family)
source = Reader(_parse_source, {"type": "string", "description": f"{', '.join(SOURCES)}; whatever else is Unknown."})
source_ref = Reader(
    lambda value: scalar_text(value)[:MOST_SOURCE_REF],
    {"type": "string", "description": f"Cut after {MOST_SOURCE_REF} characters."},
)
segment = Reader(_parse_segment, {"type": "string", "description": f"{', '.join(NamedSegment)}, or a segment's id."})
search_field = Reader(
    _parse_search_field,
    {
        "type": "string",
        "description": "EmailAddress, SubscriberID, SubscriptionDate, SubscriptionIP, OptInDate, or a field's id.",
    },
)


def list_id(*, missing: int, invalid: int) -> Param:
    """`ListID`, as some pages call the list."""
    return Param(
        "ListID",
        "list_id",
        identifier,
        missing=missing,
        invalid=invalid,
        also=("SubscriberListID",),
        refers_to="list",
    )


def subscriber_list_id(*, missing: int, invalid: int) -> Param:
    """`SubscriberListID`, as the other pages call the list."""
    return Param(
        "SubscriberListID",
        "list_id",
        identifier,
        missing=missing,
        invalid=invalid,
        also=("ListID",),
        refers_to="list",
    )


def rules_params(*, invalid: int) -> list[Param]:
    """`RulesJSON` and `RulesOperator`; `judge_rules` makes criteria of them."""
    return [
        Param("RulesJSON", "rules", rules_text, invalid=invalid),
        Param("RulesOperator", "operator", operator, default="or", doc="Whatever is not `and` is `or`."),
    ]


def judge_rules(reading: Reading, refusal: Refusal, *, refuses_unknown_types: bool = False) -> None:
    """Put checked criteria in the place of the rules; what is not at least one whole rule is refused: it must not
    become "everybody" (AC 2.5, "RulesJSON check")."""
    if not reading.has("rules"):
        return
    try:
        checked = parse(reading["rules"], operator=reading["operator"], needs_types=True)
    except CriteriaInvalid:
        checked = None
    if checked is None or checked.is_empty or (refuses_unknown_types and _has_unknown_type(reading["rules"])):
        reading.refuse(refusal)
    reading["rules"] = checked


def _has_unknown_type(rules: Any) -> bool:
    if isinstance(rules, list):
        return any(_has_unknown_type(member) for member in rules)
    kind = strict_json.folded(rules).get("type")
    return not isinstance(kind, str) or fold(kind) not in RULES


def paging_params() -> list[Param]:
    """Which part of the subscribers, in which order; `window_of` makes one thing of them."""
    return [
        Param(
            "RecordsPerRequest",
            "records",
            identifier,
            default=25,
            doc=f"At most {MOST_RECORDS}; 0 is 25.",
        ),
        Param("RecordsFrom", "start", identifier, default=0),
        Param(
            "OrderField",
            "order_field",
            Reader(scalar_text, {"type": "string"}),
            default="EmailAddress",
            doc="A column or `CustomField<ID>`, a field of numbers by their size; whatever else is EmailAddress.",
        ),
        Param("OrderType", "order_type", Reader(scalar_text, {"type": "string"}), default="ASC", doc="ASC or DESC."),
    ]


def window_of(records: int, start: int, order_field: str, order_type: str) -> Window:
    """The part of the subscribers that the paging parameters ask for."""
    order = Order(order_field, is_descending=fold(order_type) == "desc")
    return Window(order, start=start, count=min(records or 25, MOST_RECORDS))
