"""The command that shows lists with what hangs on them (AC 2.4)."""

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import boolean, text
from journeys_api.commands.registry import Param, Refusal, command
from journeys_api.fields.wire import picked_field_row
from journeys_api.lists import overview
from journeys_api.lists.errors import OverviewTooLarge
from journeys_api.models import Segment, SubscriberList, Tag

_ORDERS = {"listid": "list_id", "createdon": "created_at"}
_ARCHIVED: dict[str, bool | None] = {"archived": True, "all": None}


@command(
    "lists.overview",
    permission="Lists.Get",
    params=[
        Param("IncludeCustomFields", "with_fields", boolean, default=False, doc="Also `CustomFields`, global ones too"),
        Param("IncludeSegments", "with_segments", boolean, default=False, doc="Also `Segments`"),
        Param("IncludeSubscriberTags", "with_tags", boolean, default=False, doc="Also `SubscriberTags`, by name"),
        Param("Archived", "archived", text, default="active", doc="`active`, `archived` or `all`"),
        Param("Search", "search", text, default="", doc="Part of Name or Description, without case"),
        Param("OrderField", "order_field", text, default="Name", doc="ListID, Name or CreatedOn; anything else: Name"),
        Param("OrderType", "order_type", text, default="ASC", doc="ASC or DESC"),
    ],
    refusals=[
        Refusal(
            1,
            f"Too much for one answer; Search for fewer lists (max {overview.MOST_ROWS} of a kind)",
            source="ours: one server, many accounts",
        )
    ],
    errors={OverviewTooLarge: 1},
    title="Get Lists Overview",
    source="AC 2.4",
    example={"IncludeCustomFields": True, "IncludeSegments": True, "IncludeSubscriberTags": True, "Search": "news"},
    answer={
        "TotalListCount": 1,
        "Lists": [
            {
                "ListID": 12,
                "Name": "Newsletter",
                "CustomFields": [
                    {
                        "CustomFieldID": 3,
                        "RelListID": 12,
                        "FieldName": "City",
                        "FieldType": "Single line",
                        "ValidationMethod": "Disabled",
                        "MergeTagAlias": "City",
                        "Options": [],
                        "SQLDataType": None,
                        "SQLDataTypeValues": None,
                    }
                ],
                "Segments": [{"SegmentID": 7, "RelListID": 12, "SegmentName": "Active", "SegmentOperator": "and"}],
                "SubscriberTags": [{"TagID": 4, "Tag": "VIP"}],
            }
        ],
    },
)
async def lists_overview(
    call: Call,
    *,
    with_fields: bool,
    with_segments: bool,
    with_tags: bool,
    archived: str,
    search: str,
    order_field: str,
    order_type: str,
) -> Body:
    """The account's lists with what a picker for triggers and decisions offers, in one call.

    `CustomFields`, `Segments` and `SubscriberTags` are there only where asked for. `TotalListCount` counts what passes
    the filter; of more than 10,000 lists the first are answered.
    """
    found = await overview.overview(
        call.session,
        owner_id=call.owner_id,
        search=search,
        is_archived=_ARCHIVED.get(archived.lower(), False),
        order_by=_ORDERS.get(order_field.lower(), "name"),
        descending=order_type.lower() == "desc",
        with_fields=with_fields,
        with_segments=with_segments,
        with_tags=with_tags,
    )
    return {"TotalListCount": found.total, "Lists": [_row(each, found) for each in found.lists]}


def _row(each: SubscriberList, found: overview.Overview) -> dict[str, object]:
    row: dict[str, object] = {"ListID": each.list_id, "Name": each.name}
    if found.fields is not None:
        row["CustomFields"] = [picked_field_row(field) for field in found.fields.get(each.list_id, ())]
    if found.segments is not None:
        row["Segments"] = [_segment(segment) for segment in found.segments.get(each.list_id, ())]
    if found.tags is not None:
        row["SubscriberTags"] = [_tag(tag) for tag in found.tags.get(each.list_id, ())]
    return row


def _segment(segment: Segment) -> dict[str, object]:
    return {
        "SegmentID": segment.segment_id,
        "RelListID": segment.list_id,
        "SegmentName": segment.name,
        "SegmentOperator": segment.operator,
    }


def _tag(tag: Tag) -> dict[str, object]:
    return {"TagID": tag.tag_id, "Tag": tag.name}
