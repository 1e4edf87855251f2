"""The commands of segments (AC 2.10)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import boolean, bounded_text, identifier, known_ids, one_of, text
from journeys_api.commands.registry import Param, Reading, Refusal, command, invalid, missing, not_found
from journeys_api.lists.errors import ListNotFound
from journeys_api.segments import service, wire
from journeys_api.segments.errors import SegmentNotFound
from journeys_api.segments.parameters import list_id_or_nothing, read_rules, rule_params, sample_size
from journeys_api.segments.service import SegmentChanges

LONGEST_NAME = 250
_RULES = '[[{"type":"fields","field_id":"EmailAddress","operator":"contains","value":"example"}]]'
_RANDOMNESS = [
    Param("Randomness", "is_random", boolean, doc="Whether only a sample belongs to it, always the same people"),
    Param("RandomnessAudienceSize", "random_size", sample_size, doc="How many the sample has; 0: all"),
]


@command(
    "segment.create",
    permission="Segment.Create",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=1, invalid=4, also=("ListID",), refers_to="list"),
        Param("SegmentName", "name", bounded_text(LONGEST_NAME), missing=2, invalid=2),
        Param("SegmentOperator", "operator", one_of("and", "or"), missing=3, invalid=3),
        *rule_params(),
        *_RANDOMNESS,
    ],
    refusals=[
        missing(1, "SubscriberListID"),
        missing(2, "SegmentName"),
        missing(3, "SegmentOperator"),
        not_found(4, "Subscriber list not found"),
    ],
    errors={ListNotFound: 4},
    check=read_rules,
    title="Create a Segment",
    source="AC 2.10",
    example={
        "SubscriberListID": 123,
        "SegmentName": "Example customers",
        "SegmentOperator": "and",
        "RulesJson": _RULES,
    },
    answer={"SegmentID": 12},
)
async def segment_create(
    call: Call,
    *,
    list_id: int,
    name: str,
    operator: str,
    rules: list[Any] | None,
    is_random: bool | None,
    random_size: int | None,
) -> Body:
    """Make a segment: named criteria over the subscribers of a list. Without rules, the whole list.

    A rule of an unknown type or operator, or about a record that is gone, is kept, and the segment has nobody. The
    older `SegmentRuleField`, `SegmentRuleOperator` and `SegmentRuleFilter` make rules about fields.
    """
    made = await service.create_segment(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        name=name,
        operator=operator,
        rules=rules or [],
        randomness=(bool(is_random), random_size or 0),
        now=call.now,
    )
    return {"SegmentID": made.segment_id}


def _check_update(reading: Reading) -> None:
    read_rules(reading)
    is_random, size = reading.arguments.pop("is_random"), reading.arguments.pop("random_size")
    sent = is_random is not None or size is not None
    reading["randomness"] = (bool(is_random), size or 0) if sent else None


@command(
    "segment.update",
    permission="Segment.Update",
    params=[
        Param("SegmentID", "segment_id", identifier, missing=1, invalid=4, refers_to="segment"),
        Param("SegmentName", "name", bounded_text(LONGEST_NAME), missing=2, invalid=2),
        Param("SegmentOperator", "operator", one_of("and", "or"), invalid=5),
        Param(
            "SubscriberListID",
            "list_id",
            list_id_or_nothing,
            also=("ListID",),
            doc="Moves the segment; what is no id is passed over",
            refers_to="list",
        ),
        *rule_params(),
        *_RANDOMNESS,
    ],
    refusals=[
        missing(1, "SegmentID"),
        missing(2, "SegmentName"),
        Refusal(4, "Invalid segment ID"),
        invalid(5, "SegmentOperator"),
        Refusal(6, "Invalid subscriber list id"),
    ],
    errors={
        SegmentNotFound: not_found(4, "Invalid segment ID"),
        ListNotFound: not_found(6, "Invalid subscriber list id"),
    },
    check=_check_update,
    title="Update a Segment",
    source="AC 2.10",
    example={"SegmentID": 12, "SegmentName": "Customers", "SegmentOperator": "or"},
)
async def segment_update(call: Call, *, segment_id: int, **changes: Any) -> Body:
    """Change what is sent of a segment; of `Randomness` and `RandomnessAudienceSize` one resets the other."""
    await service.update_segment(
        call.session, owner_id=call.owner_id, segment_id=segment_id, changes=SegmentChanges(**changes), now=call.now
    )
    return {}


_ORDERS = {
    "segmentname": "name",
    "segmentid": "segment_id",
    "segmentoperator": "operator",
    "subscribercount": "subscriber_count",
    "subscribercountlastcalculatedon": "counted_at",
}


@command(
    "segments.get",
    permission="Segments.Get",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=1, invalid=1, also=("ListID",), refers_to="list"),
        Param("SegmentID", "segment_id", identifier, doc="Only this one", refers_to="segment"),
        Param(
            "IncludeTotals",
            "counts",
            boolean,
            default=True,
            doc="Count the people now; otherwise the numbers are those of the last time",
        ),
        Param(
            "OrderField",
            "order_field",
            text,
            default="SegmentName",
            doc="SegmentName, SegmentID, SegmentOperator, SubscriberCount or SubscriberCountLastCalculatedOn",
        ),
        Param("OrderType", "order_type", text, default="DESC", doc="ASC or DESC"),
    ],
    refusals=[missing(1, "SubscriberListID")],
    errors={ListNotFound: not_found(1, "Subscriber list not found")},
    title="Get Segments",
    source="AC 2.10",
    example={"SubscriberListID": 123},
    answer={
        "TotalSegmentCount": 1,
        "Segments": [
            {
                "SegmentID": 12,
                "SegmentName": "Example customers",
                "SegmentOperator": "and",
                "SubscriberCount": 50,
                "SegmentRulesJson": _RULES,
            }
        ],
    },
)
async def segments_get(
    call: Call, *, list_id: int, segment_id: int | None, counts: bool, order_field: str, order_type: str
) -> Body:
    """The segments of a list, all of them, with their rules and how many people belong to each."""
    found = await service.segments_of_list(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        segment_id=segment_id,
        counts=counts,
        order_by=_ORDERS.get(order_field.lower(), "name"),
        descending=order_type.lower() != "asc",
        now=call.now,
    )
    return {"TotalSegmentCount": len(found), "Segments": [wire.segment_row(each) for each in found]}


@command(
    "segments.delete",
    permission="Segments.Delete",
    params=[
        Param(
            "Segments", "segment_ids", known_ids, missing=1, invalid=1, refers_to="segment", doc="Comma-separated ids"
        )
    ],
    refusals=[Refusal(1, "Segment IDs are missing")],
    title="Delete Segments",
    source="AC 2.10",
    example={"Segments": "12,13"},
)
async def segments_delete(call: Call, *, segment_ids: list[int]) -> Body:
    """Remove segments; members that are no ids, or not the account's segments, are skipped.

    Rules that name a removed segment cannot be evaluated any more: they match nobody.
    """
    await service.delete_segments(call.session, owner_id=call.owner_id, segment_ids=segment_ids)
    return {}
