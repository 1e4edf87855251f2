"""The commands of tag definitions (AC 2.6). Tagging people is a matter of the subscribers' commands."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, boolean, identifier, known_ids, scalar_text, text
from journeys_api.commands.registry import Param, Reading, Refusal, command
from journeys_api.lists.errors import ListNotFound
from journeys_api.tags import service, wire
from journeys_api.tags.errors import TagNameTaken, TagNotFound
from journeys_api.tags.names import LONGEST_NAME, is_tag_name


def _trimmed(value: Any) -> str:
    return scalar_text(value).strip()


_name = Reader(_trimmed, {"type": "string", "maxLength": LONGEST_NAME})
_BAD_NAME = Refusal(
    3, "Invalid tag format (only letters, numbers, spaces, hyphens and underscores allowed, and percent signs)"
)


def _judge_name(reading: Reading, *, blank: int) -> None:
    """Refuse a name with other characters (3), or one that is nothing but blanks.

    Args:
        blank: the code of the latter.
    """
    name: str | None = reading["name"]
    if name is None:
        return
    if not name:
        reading.refuse(blank)
    elif not is_tag_name(name):
        reading.refuse(3)


def _check_create(reading: Reading) -> None:
    _judge_name(reading, blank=2)


def _check_update(reading: Reading) -> None:
    _judge_name(reading, blank=4)


@command(
    "subscriber.tags.create",
    permission="List.Update",
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=4, also=("SubscriberListID",), refers_to="list"),
        Param(
            "TagName",
            "name",
            _name,
            missing=2,
            invalid=3,
            also=("Tag",),
            doc="Trimmed; letters, digits, blanks, `-`, `_` and `%`; unique on the list without case",
        ),
        Param("TagDescription", "description", text, default=""),
    ],
    refusals=[
        Refusal(1, "Missing ListID parameter"),
        Refusal(2, "Missing TagName parameter"),
        _BAD_NAME,
        Refusal(4, "Invalid ListID"),
        Refusal(5, "Tag name already exists"),
    ],
    errors={ListNotFound: 4, TagNameTaken: 5},
    check=_check_create,
    title="Create a Subscriber Tag",
    source="AC 2.6",
    example={"ListID": 123, "TagName": "VIP Customer", "TagDescription": "High-value customers"},
    answer={"TagID": 789},
)
async def subscriber_tags_create(call: Call, *, list_id: int, name: str, description: str) -> Body:
    """Make a tag of a list. The name is kept as sent; another tag may not differ in case alone."""
    tag_id = await service.create_tag(
        call.session, owner_id=call.owner_id, list_id=list_id, name=name, description=description, now=call.now
    )
    return {"TagID": tag_id}


@command(
    "subscriber.tags.update",
    permission="List.Update",
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=4, also=("SubscriberListID",), refers_to="list"),
        Param("TagID", "tag_id", identifier, missing=2, invalid=4, refers_to="tag"),
        Param("TagName", "name", _name, invalid=3, also=("Tag",), doc="Trimmed; the characters of a new tag's name"),
        Param("TagDescription", "description", text, keeps_empty=True),
    ],
    refusals=[
        Refusal(1, "Missing ListID parameter"),
        Refusal(2, "Missing TagID parameter"),
        _BAD_NAME,
        Refusal(4, "Invalid ListID, Invalid TagID, or Tag cannot be empty after trimming whitespace"),
        Refusal(5, "Tag name already exists"),
    ],
    errors={ListNotFound: 4, TagNotFound: 4, TagNameTaken: 5},
    check=_check_update,
    title="Update a Subscriber Tag",
    source="AC 2.6",
    example={"ListID": 123, "TagID": 789, "TagName": "Premium Customer"},
)
async def subscriber_tags_update(
    call: Call, *, list_id: int, tag_id: int, name: str | None, description: str | None
) -> Body:
    """Rename or describe a tag; who carries it keeps it, and journeys that name it by its id go on."""
    await service.update_tag(
        call.session, owner_id=call.owner_id, list_id=list_id, tag_id=tag_id, name=name, description=description
    )
    return {}


_ORDERS = {"tagname": "name", "tag": "name", "tagid": "tag_id", "createdat": "created_at"}


@command(
    "subscriber.tags.get",
    permission="List.Update",
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=2, also=("SubscriberListID",), refers_to="list"),
        Param("OrderField", "order_field", text, default="TagName", doc="TagName or TagID"),
        Param("OrderType", "order_type", text, default="ASC", doc="ASC or DESC"),
        Param("DisableSubscriberCount", "without_counts", boolean, default=False, doc="Leave SubscriberCount out"),
    ],
    refusals=[Refusal(1, "Missing ListID parameter"), Refusal(2, "Invalid ListID")],
    errors={ListNotFound: 2},
    title="Get Subscriber Tags",
    source="AC 2.6",
    example={"ListID": 123},
    answer={
        "TagCount": 1,
        "Tags": [
            {
                "TagID": 789,
                "TagName": "VIP Customer",
                "TagDescription": "High-value customers",
                "SubscriberCount": 50,
            }
        ],
    },
)
async def subscriber_tags_get(
    call: Call, *, list_id: int, order_field: str, order_type: str, without_counts: bool
) -> Body:
    """The tags of a list, all of them, with how many subscribers carry each."""
    tags = await service.tags_of_list(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        order_by=_ORDERS.get(order_field.lower(), "name"),
        descending=order_type.lower() == "desc",
    )
    counts = {} if without_counts else await service.count_carriers(call.session, tags=tags)
    rows = [wire.tag_row(tag, subscriber_count=None if without_counts else counts.get(tag.tag_id, 0)) for tag in tags]
    return {"TagCount": len(rows), "Tags": rows}


@command(
    "subscriber.tags.delete",
    permission="List.Update",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=2, invalid=4, also=("ListID",), refers_to="list"),
        Param("TagIDs", "tag_ids", known_ids, missing=5, invalid=5, refers_to="tag", doc="Comma-separated ids"),
    ],
    refusals=[
        Refusal(2, "Missing SubscriberListID parameter"),
        Refusal(4, "Invalid SubscriberListID"),
        Refusal(5, "Tag ids are missing"),
    ],
    errors={ListNotFound: 4},
    title="Delete a Subscriber Tag",
    source="AC 2.6",
    example={"SubscriberListID": 123, "TagIDs": "789,790"},
)
async def subscriber_tags_delete(call: Call, *, list_id: int, tag_ids: list[int]) -> Body:
    """Remove tags of a list and take them off everybody who carries one.

    Members that are no ids, or no tags of the list, are skipped; a list of ids without a single id is answered with 5.
    """
    await service.delete_tags(call.session, owner_id=call.owner_id, list_id=list_id, tag_ids=tag_ids)
    return {}
