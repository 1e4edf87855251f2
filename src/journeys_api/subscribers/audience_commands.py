"""The commands of many subscribers at once: get, search, delete, tag, untag (AC 2.5, 2.6)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import as_given, boolean, one_of, text
from journeys_api.commands.registry import Param, Reading, Refusal, command, missing, not_found
from journeys_api.criteria import Criteria, CriteriaNotEvaluable, SegmentsRecurse
from journeys_api.fields.errors import FieldNotFound
from journeys_api.lists.errors import ListNotFound
from journeys_api.segments.errors import SegmentNotFound
from journeys_api.subscribers import audience, views, wire
from journeys_api.subscribers.audience import NamedSegment
from journeys_api.subscribers.errors import SubscriberNotFound, TagsNotFound
from journeys_api.subscribers.history import revenue_of
from journeys_api.subscribers.ordering import Search
from journeys_api.subscribers.parameters import (
    RULES_REFUSED,
    judge_rules,
    list_id,
    paging_params,
    positive_ids,
    rules_params,
    rules_text,
    search_field,
    segment,
    subscriber_list_id,
    window_of,
)
from journeys_api.subscribers.selection import Selection


@command(
    "subscribers.get",
    permission="Subscribers.Get",
    params=[
        subscriber_list_id(missing=1, invalid=3),
        Param("SubscriberSegment", "segment", segment, missing=2, invalid=2),
        *paging_params(),
        Param("SearchField", "search_field", search_field, invalid=4),
        Param("SearchKeyword", "keyword", text, doc="Part of it, in any case; without a field, of the address."),
    ],
    refusals=[
        missing(1, "SubscriberListID"),
        missing(2, "SubscriberSegment"),
        Refusal(3, "Invalid ListID or list does not belong to user"),
        Refusal(4, "Invalid SearchField"),
    ],
    errors={ListNotFound: 3, SegmentNotFound: not_found(2, "Segment not found"), FieldNotFound: 4},
    title="Get Subscribers List",
    source="AC 2.5",
    example={"SubscriberListID": 123, "SubscriberSegment": "Active", "RecordsPerRequest": 50},
    answer={
        "Subscribers": [
            {
                "SubscriberID": 456,
                "EmailAddress": "user@example.com",
                "SubscriptionStatus": "Subscribed",
                "SubscriptionDate": "2025-01-01 12:00:00",
            }
        ],
        "TotalSubscribers": 1500,
    },
)
async def subscribers_get(
    call: Call,
    *,
    list_id: int,
    segment: NamedSegment | int,
    search_field: str | int | None,
    keyword: str | None,
    **paging: Any,
) -> Body:
    """A page of a segment of a list. Active: Subscribed and not hard-bounced; Suppressed: a send to the list would
    drop the address. A segment whose rules cannot be evaluated has nobody."""
    search = None
    if keyword is not None or isinstance(search_field, int):
        search = Search(search_field if search_field is not None else "emailaddress", keyword or "")
    page = await audience.page_of_segment(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        segment=segment,
        search=search,
        window=window_of(**paging),
        now=call.now,
    )
    found = await views.view_page(
        call.session,
        page.subscribers,
        owner_id=call.owner_id,
        list_id=list_id,
        with_suppression=False,
        with_tags=False,
    )
    return {"Subscribers": [wire.columns(view) for view in found], "TotalSubscribers": page.total}


_INVALID_SEARCH = Refusal(6, RULES_REFUSED)


def _check_search(reading: Reading) -> None:
    judge_rules(reading, _INVALID_SEARCH, refuses_unknown_types=True)
    if reading.has("legacy_rules") and not reading.has("rules"):
        reading.refuse(4, "the legacy Rules are not evaluated; send RulesJSON")


@command(
    "subscribers.search",
    permission="Subscribers.Get",
    params=[
        list_id(missing=1, invalid=3),
        Param("Operator", "operator", one_of("and", "or"), missing=2, invalid=2),
        Param("Rules", "legacy_rules", as_given, doc="The vendor's older form, which is refused: send RulesJSON."),
        Param("RulesJSON", "rules", rules_text, invalid=6, doc="Absent or empty: the whole list."),
        *paging_params(),
        Param("OnlyTotal", "only_total", boolean, default=False),
        Param("AddMustHaveFilters", "adds_filters", boolean, default=False, doc="Accepted; nothing depends on it."),
        Param("DebugQueryBuilder", "debugs", boolean, default=False, doc="Accepted; no SQL is shown."),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "Operator"),
        Refusal(3, "ListID not found"),
        Refusal(4, "Problem with the segment engine"),
        Refusal(5, "Segment recursion limit exceeded"),
        _INVALID_SEARCH,
    ],
    errors={ListNotFound: 3, SegmentsRecurse: 5, CriteriaNotEvaluable: 4},
    check=_check_search,
    title="Search Subscribers",
    source="AC 2.5",
    answer={
        "TotalSubscribers": 150,
        "Subscribers": [
            {
                "SubscriberID": 456,
                "EmailAddress": "user@example.com",
                "SubscriptionStatus": "Subscribed",
                "SubscriberTags": [],
                "Suppressed": False,
                "TotalRevenue": 0,
            }
        ],
    },
    example={
        "ListID": 123,
        "Operator": "and",
        "RulesJSON": '[[{"type":"fields","field_id":"EmailAddress","operator":"contains","value":"example"}]]',
    },
)
async def subscribers_search(
    call: Call,
    *,
    list_id: int,
    rules: Criteria | None,
    only_total: bool,
    records: int,
    start: int,
    order_field: str,
    order_type: str,
    **_accepted: object,
) -> Body:
    """A page of those subscribers of a list that rules match, with their tags.

    A rule that cannot be evaluated, such as one about a tag that is gone, is answered with 4 and its place.
    """
    window = window_of(records, start, order_field, order_type)
    page = await audience.search_list(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        rules=rules,
        window=None if only_total else window,
        now=call.now,
    )
    found = await views.view_page(call.session, page.subscribers, owner_id=call.owner_id, list_id=list_id)
    people = [subscriber.subscriber_id for subscriber in page.subscribers]
    revenue = await revenue_of(call.session, owner_id=call.owner_id, subscriber_ids=people)
    rows = [wire.found_row(view, revenue.get(view.subscriber.subscriber_id, 0)) for view in found]
    return {"TotalSubscribers": page.total, "Subscribers": rows}


_INVALID_RULES = Refusal(7, RULES_REFUSED)


def _check_delete(reading: Reading) -> None:
    judge_rules(reading, _INVALID_RULES)
    if not reading.has("subscriber_ids") and not reading.has("rules"):
        reading.refuse(1)
        reading.refuse(3)
        if not reading.has("operator"):
            reading.refuse(4)


@command(
    "subscribers.delete",
    permission="Subscribers.Delete",
    params=[
        subscriber_list_id(missing=2, invalid=5),
        Param("Subscribers", "subscriber_ids", positive_ids, invalid=8, refers_to="subscriber"),
        *rules_params(invalid=7),
        Param(
            "Suppressed",
            "only_suppressions",
            boolean,
            default=False,
            doc="Do not delete them: take their addresses from the suppressions of the list and of the account.",
        ),
    ],
    refusals=[
        missing(1, "Subscribers"),
        Refusal(2, "Missing subscriber list id"),
        missing(3, "RulesJSON"),
        missing(4, "RulesOperator"),
        Refusal(5, "Invalid list id"),
        Refusal(6, "Invalid query builder response"),
        _INVALID_RULES,
        Refusal(8, "Invalid Subscribers value"),
    ],
    errors={ListNotFound: 5, CriteriaNotEvaluable: 6},
    check=_check_delete,
    title="Delete Subscribers",
    source="AC 2.5",
    example={"SubscriberListID": 123, "Subscribers": "456,789"},
)
async def subscribers_delete(
    call: Call,
    *,
    list_id: int,
    subscriber_ids: list[int] | None,
    rules: Criteria | None,
    only_suppressions: bool,
    **_accepted: object,
) -> Body:
    """Delete subscribers of a list: those of `Subscribers`, or else those that the rules match.

    Ids that are not on the list are passed over. None of the list's settings takes effect, and no journey starts.
    """
    act = audience.release_subscribers if only_suppressions else audience.delete_subscribers
    await act(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        chosen=_selection(subscriber_ids, rules),
        now=call.now,
    )
    return {}


_MISSING_RULES = missing(6, "RulesJSON")
_MISSING_OPERATOR = missing(7, "RulesOperator")


def _check_tag(reading: Reading) -> None:
    judge_rules(reading, _INVALID_RULES)
    if reading.has("subscriber_ids"):
        return
    if not reading.has("rules"):
        reading.refuse(_MISSING_RULES)
    if not reading.has("operator"):
        reading.refuse(_MISSING_OPERATOR)


_TAG_PARAMS = [
    Param(
        "TagID",
        "tag_ids",
        positive_ids,
        missing=1,
        invalid=6,
        doc="Tags of the list; others are passed over as long as one is.",
        refers_to="tag",
    ),
    subscriber_list_id(missing=2, invalid=4),
    Param(
        "SubscriberID",
        "subscriber_ids",
        positive_ids,
        invalid=5,
        doc="Subscribers of the list; others are passed over as long as one is.",
        refers_to="subscriber",
    ),
    *rules_params(invalid=7),
    Param("TriggerEvents", "triggers_events", boolean, default=True, doc="Let journeys start by it."),
]
_TAG_REFUSALS = [
    missing(1, "TagID"),
    missing(2, "SubscriberListID"),
    Refusal(4, "Invalid SubscriberListID"),
    Refusal(5, "Invalid SubscriberID"),
    Refusal(6, "Invalid TagID"),
    _MISSING_RULES,
    _INVALID_RULES,
    _MISSING_OPERATOR,
    Refusal(8, "Invalid query builder response"),
]
_TAG_ERRORS = {ListNotFound: 4, SubscriberNotFound: 5, TagsNotFound: 6, CriteriaNotEvaluable: 8}


@command(
    "subscriber.tag",
    permission="Subscriber.Update",
    params=_TAG_PARAMS,
    refusals=_TAG_REFUSALS,
    errors=_TAG_ERRORS,
    check=_check_tag,
    title="Tag a Subscriber",
    source="AC 2.6",
    example={"SubscriberListID": 123, "SubscriberID": 456, "TagID": 789},
)
async def subscriber_tag(
    call: Call,
    *,
    list_id: int,
    tag_ids: list[int],
    subscriber_ids: list[int] | None,
    rules: Criteria | None,
    triggers_events: bool,
    **_accepted: object,
) -> Body:
    """Give tags of a list to subscribers of it: those of `SubscriberID`, or else those that the rules match."""
    await audience.tag_selected(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        tag_ids=tag_ids,
        chosen=_selection(subscriber_ids, rules),
        triggers_journeys=triggers_events,
        now=call.now,
    )
    return {}


@command(
    "subscriber.untag",
    permission="Subscriber.Update",
    params=_TAG_PARAMS,
    refusals=_TAG_REFUSALS,
    errors=_TAG_ERRORS,
    check=_check_tag,
    title="Untag a Subscriber",
    source="AC 2.6",
    example={"SubscriberListID": 123, "SubscriberID": 456, "TagID": 789},
)
async def subscriber_untag(
    call: Call,
    *,
    list_id: int,
    tag_ids: list[int],
    subscriber_ids: list[int] | None,
    rules: Criteria | None,
    triggers_events: bool,
    **_accepted: object,
) -> Body:
    """Take tags of a list off subscribers of it: those of `SubscriberID`, or else those that the rules match. Journeys
    go on for them."""
    await audience.untag_selected(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        tag_ids=tag_ids,
        chosen=_selection(subscriber_ids, rules),
        triggers_journeys=triggers_events,
        now=call.now,
    )
    return {}


def _selection(subscriber_ids: list[int] | None, rules: Criteria | None) -> Selection:
    return Selection(rules=rules) if subscriber_ids is None else Selection(subscriber_ids=subscriber_ids)
