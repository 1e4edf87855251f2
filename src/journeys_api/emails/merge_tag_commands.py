"""The commands that tell editors which merge tags there are (AC 2.8): `/api.php` only, no permission of their own."""

from collections.abc import Iterable, Sequence

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import identifier, members
from journeys_api.commands.registry import Param, Reading, Refusal, command, not_found
from journeys_api.emails import merge_tags
from journeys_api.emails.merge_tags import MergeTag, TagScope
from journeys_api.fields import service as fields
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.strict_json import fold

CATEGORIES = ("Subscriber", "Link", "User")


def _judge_categories(reading: Reading) -> None:
    named = {fold(category): category for category in CATEGORIES}
    given = reading["categories"]
    if not given:
        reading["categories"] = CATEGORIES
    elif any(fold(each) not in named for each in given):
        reading.refuse(3)
    else:
        reading["categories"] = [category for category in CATEGORIES if fold(category) in map(fold, given)]


@command(
    "personalization.gettags",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=1, invalid=2, refers_to="list"),
        Param("Categories", "categories", members, invalid=3, doc="Of Subscriber, Link and User; absent: all three."),
    ],
    refusals=[
        Refusal(1, "Missing required parameter SubscriberListID"),
        Refusal(2, "Invalid subscriber list id"),
        Refusal(3, "Invalid Categories value"),
    ],
    errors={ListNotFound: not_found(2, "Invalid subscriber list id")},
    check=_judge_categories,
    title="Get the Catalog of Personalization Tags",
    source="AC 2.8, 4",
    example={"SubscriberListID": 123, "Categories": "Subscriber,Link"},
    answer={
        "Tags": {
            "Subscriber": [{"Tag": "{{ Subscriber:EmailAddress }}", "Label": "Email Address", "Description": ""}],
            "Link": [{"Tag": "%Link:Unsubscribe%", "Label": "Unsubscription Link", "Description": ""}],
        }
    },
)
async def personalization_gettags(call: Call, *, list_id: int, categories: Sequence[str]) -> Body:
    """The merge tags for mail to a list, by category; its custom fields and the global ones are among the subscriber's.

    Subscriber tags are answered in braces, except HashedSubscriberID; links and the account's between percent signs.
    Either form of each is understood.
    """
    await lists.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    tags: dict[str, Iterable[MergeTag]] = {"Link": merge_tags.ALL_LINKS, "User": merge_tags.USER}
    if "Subscriber" in categories:
        own = await fields.fields_of_list(call.session, owner_id=call.owner_id, list_id=list_id)
        tags["Subscriber"] = merge_tags.subscriber_tags(own)
    return {"Tags": {category: [_entry(tag) for tag in tags[category]] for category in categories}}


def _entry(tag: MergeTag) -> dict[str, str]:
    return {"Tag": tag.listed, "Label": tag.label, "Description": ""}


def _judge_scope(reading: Reading) -> None:
    named = {fold(scope.value): scope for scope in TagScope}
    given = reading["scopes"]
    if given is None:
        return
    scopes = {named[fold(each)] for each in given if fold(each) in named}
    if not given or len(scopes) < len({fold(each) for each in given}):
        reading.refuse(1)
    reading["scopes"] = scopes
    if TagScope.SUBSCRIBER in scopes and not reading.has("list_id"):
        reading.refuse(2)


@command(
    "email.personalizationtags",
    params=[
        Param("Scope", "scopes", members, missing=1, invalid=1, doc=f"Of {', '.join(TagScope)}; an array or a list."),
        Param("ListID", "list_id", identifier, invalid=2, refers_to="list", doc="Needed with Subscriber."),
    ],
    refusals=[
        Refusal(1, "Missing required parameter Scope"),
        Refusal(2, "Missing required parameter ListID"),
    ],
    errors={ListNotFound: not_found(2, "List not found", source="ours: the page has no code for it")},
    check=_judge_scope,
    title="Get Personalization Tags",
    source="AC 2.8",
    example={"Scope": ["Subscriber", "ListLinks"], "ListID": 123},
    answer={
        "PersonalizationTags": [
            {"Tag": "%Subscriber:EmailAddress%", "Description": "Email Address", "Category": "Subscriber"},
            {"Tag": "%Link:Unsubscribe%", "Description": "Unsubscription Link", "Category": "Links"},
        ]
    },
)
async def email_personalizationtags(call: Call, *, scopes: set[TagScope], list_id: int | None) -> Body:
    """The merge tags of the scopes, each once, between percent signs."""
    tags: dict[MergeTag, str] = {}
    if list_id is not None:
        await lists.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    if TagScope.SUBSCRIBER in scopes and list_id is not None:
        own = await fields.fields_of_list(call.session, owner_id=call.owner_id, list_id=list_id)
        tags |= dict.fromkeys(merge_tags.subscriber_tags(own), "Subscriber")
    for scope, links in merge_tags.LINKS.items():
        if scope in scopes:
            tags |= dict.fromkeys(links, "Links")
    if TagScope.USER in scopes:
        tags |= dict.fromkeys(merge_tags.USER, "User")
    return {
        "PersonalizationTags": [
            {"Tag": tag.legacy, "Description": tag.label, "Category": category} for tag, category in tags.items()
        ]
    }
