"""The commands of one subscriber that their account calls: create, update, get, exists (AC 2.5)."""

from collections.abc import Sequence
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import boolean, choice, email_address, identifier, instant, ip, text
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Reading,
    Refusal,
    command,
    missing,
    not_found,
)
from journeys_api.commands.wire import money
from journeys_api.emails.errors import EmailNotFound
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import BounceType, SubscriptionStatus
from journeys_api.segments import service as segments
from journeys_api.subscribers import service, views, wire
from journeys_api.subscribers.errors import (
    AddressTaken,
    FieldValueTaken,
    PreviouslyUnsubscribed,
    RequiredFieldMissing,
    SubscriberLimitExceeded,
    SubscriberNotFound,
    UnknownFields,
    ValueNotKept,
)
from journeys_api.subscribers.history import Happened, Happening, history_of, revenue_of
from journeys_api.subscribers.parameters import custom_values, list_id, source, source_ref, subscriber_list_id
from journeys_api.subscribers.service import NewSubscriber, SubscriberChanges

_ENFORCE = Param(
    "EnforceRequiredFields",
    "enforces_fields",
    boolean,
    default=False,
    doc="Enforce what the fields want: required, unique, valid by their method.",
)

_COLUMNS = {
    "SubscriberID": 456,
    "EmailAddress": "subscriber@example.com",
    "BounceType": "Not Bounced",
    "SubscriptionStatus": "Subscribed",
    "SubscriptionDate": "2025-01-01 12:00:00",
    "SubscriptionIP": "192.168.1.1",
    "UnsubscriptionDate": "0000-00-00 00:00:00",
    "UnsubscriptionIP": wire.NO_IP_ADDRESS,
    "OptInDate": "0000-00-00 00:00:00",
    "SubscriptionSource": "API",
    "SubscriptionSourceRef": "",
}


def _check_create(reading: Reading) -> None:
    """Dates and addresses that the status asks for."""
    if any(refusal.code == 6 for refusal in reading.refusals):
        return
    if reading["status"] in service.HERE:
        wanted = {"subscribed_at": 8, "subscription_ip": 9}
    else:
        wanted = {"unsubscribed_at": 11, "unsubscription_ip": 12}
    for name, code in wanted.items():
        if not reading.has(name):
            reading.refuse(code)


@command(
    "subscriber.create",
    routes=[("POST", "/api/v1/subscriber.create")],
    permission="Subscribers.Import",
    limit=HUNDRED_A_MINUTE,
    envelope=Envelope.HYBRID,
    params=[
        list_id(missing=1, invalid=4),
        Param("EmailAddress", "email_address", email_address, missing=2, invalid=3),
        Param(
            "Status",
            "status",
            choice(SubscriptionStatus),
            invalid=6,
            default=SubscriptionStatus.SUBSCRIBED,
        ),
        Param("SubscriptionDate", "subscribed_at", instant, invalid=7, doc="Wanted for Subscribed, Opt-In Pending."),
        Param("SubscriptionIP", "subscription_ip", ip, invalid=10, doc="Wanted for Subscribed, Opt-In Pending."),
        Param("UnsubscriptionDate", "unsubscribed_at", instant, invalid=13, doc="Wanted for the other statuses."),
        Param("UnsubscriptionIP", "unsubscription_ip", ip, invalid=14, doc="Wanted for the other statuses."),
        Param("OptInDate", "opted_in_at", instant, invalid=16),
        Param("BounceType", "bounce_type", choice(BounceType), invalid=5),
        Param("CustomFields", "custom_values", custom_values, invalid=17, default={}),
        _ENFORCE,
        Param(
            "OptInConfirmationEmailID",
            "confirmation_email_id",
            identifier,
            invalid=24,
            default=0,
            doc="The email that asks for the confirmation, in place of the list's own.",
            refers_to="email",
        ),
        Param(
            "UpdateIfDuplicate",
            "updates_duplicate",
            boolean,
            default=False,
            doc="Update who has the address; not somebody unsubscribed.",
        ),
        Param("UpdateIfUnsubscribed", "updates_unsubscribed", boolean, default=False, doc="Update somebody who left."),
        Param(
            "ApplyBehaviors",
            "applies_behaviors",
            boolean,
            default=False,
            doc="Apply the list's opt-in settings, and let journeys start that wait for a subscription.",
        ),
        Param(
            "SendConfirmationEmail",
            "asks_for_confirmation",
            boolean,
            default=False,
            doc="Mail who is pending after this the request for the confirmation.",
        ),
        Param("UpdateStatistics", "updates_statistics", boolean, default=False, doc="Accepted; nothing depends on it."),
        Param("TriggerWebServices", "triggers_services", boolean, default=False, doc="Accepted; there are none."),
        Param(
            "TriggerAutoResponders",
            "triggers_journeys",
            boolean,
            default=False,
            doc="Let journeys start that wait for a subscription.",
        ),
        Param("Source", "source", source),
        Param("SourceRef", "source_ref", source_ref),
    ],
    refusals=[
        missing(1, "ListID"),
        missing(2, "EmailAddress"),
        Refusal(3, "Invalid EmailAddress"),
        Refusal(4, "Invalid ListID"),
        Refusal(5, "Invalid BounceType value"),
        Refusal(6, "Invalid Status value"),
        Refusal(7, "Invalid SubscriptionDate value"),
        missing(8, "SubscriptionDate"),
        missing(9, "SubscriptionIP"),
        Refusal(10, "Invalid SubscriptionIP value"),
        missing(11, "UnsubscriptionDate"),
        missing(12, "UnsubscriptionIP"),
        Refusal(13, "Invalid UnsubscriptionDate value"),
        Refusal(14, "Invalid UnsubscriptionIP value"),
        missing(15, "OptInDate"),
        Refusal(16, "Invalid OptInDate value"),
        Refusal(17, "Invalid Custom Field value"),
        Refusal(18, "Subscriber create limit is exceeded"),
        Refusal(19, "Invalid EmailAddress"),
        Refusal(20, "Duplicate EmailAddress"),
        Refusal(21, "Previously unsubscribed EmailAddress"),
        Refusal(22, "Invalid user information"),
        Refusal(23, "Invalid list information"),
        Refusal(24, "Invalid OptInConfirmationEmailID value"),
        Refusal(25, "Invalid OptInConfirmationEmailID (email does not exist or does not belong to user)"),
        Refusal(26, "Required custom field is empty or was omitted"),
        Refusal(27, "Unique custom field value already exists"),
        Refusal(28, "Custom field value failed its validation method"),
    ],
    errors={
        ListNotFound: 4,
        EmailNotFound: 25,
        UnknownFields: 17,
        ValueNotKept: 17,
        SubscriberLimitExceeded: 18,
        AddressTaken: 20,
        PreviouslyUnsubscribed: 21,
        RequiredFieldMissing: 26,
        FieldValueTaken: 27,
        InvalidFieldValue: 28,
    },
    check=_check_create,
    title="Create a Subscriber",
    source="AC 2.5",
    example={
        "ListID": 123,
        "EmailAddress": "subscriber@example.com",
        "Status": "Subscribed",
        "SubscriptionDate": "2025-01-01 12:00:00",
        "SubscriptionIP": "192.168.1.1",
    },
    answer={
        "Success": True,
        "ErrorCode": 0,
        "SubscriberInformation": _COLUMNS,
        "Suppressed": False,
        "SubscriberTags": [],
        "SubscriberSegments": [],
        "SubscriberJourneys": [],
        "SubscriberWebsiteEvents": [],
    },
)
async def subscriber_create(
    call: Call,
    *,
    list_id: int,
    source: str | None,
    source_ref: str | None,
    updates_statistics: bool,
    triggers_services: bool,
    **told: Any,
) -> Body:
    """Put somebody on a list. It is quiet unless asked not to be: no journey starts and no list setting takes effect
    without `ApplyBehaviors` (or, for journeys, `TriggerAutoResponders`).

    A new subscriber gets the default values of the list's fields. Codes 15, 19, 22 and 23 are the vendor's and are
    not answered: 2, 3 and 4 say the same.
    """
    given = NewSubscriber(source=source, source_ref=source_ref, **told)
    kept = await service.create_subscriber(
        call.session, owner_id=call.owner_id, list_id=list_id, given=given, now=call.now
    )
    (view,) = await views.view_page(call.session, [kept], owner_id=call.owner_id, list_id=list_id)
    return {"Success": True, "ErrorCode": 0, **wire.information(view)}


def _check_update(reading: Reading) -> None:
    if reading.has("email_address") and reading["email_address"] == "":
        reading.refuse(3)


@command(
    "subscriber.update",
    permission="Subscriber.Update",
    params=[
        Param("SubscriberID", "subscriber_id", identifier, missing=1, invalid=6, refers_to="subscriber"),
        subscriber_list_id(missing=2, invalid=5),
        Param("EmailAddress", "email_address", email_address, invalid=4, keeps_empty=True),
        Param("SubscriptionStatus", "status", choice(SubscriptionStatus)),
        Param("UnsubscriptionIP", "unsubscription_ip", ip),
        Param("UnsubscriptionDate", "unsubscribed_at", instant),
        Param("BounceType", "bounce_type", choice(BounceType)),
        Param("Fields", "custom_values", custom_values, default={}, doc="An empty text removes a value."),
        _ENFORCE,
        Param(
            "IgnoreAllOtherCustomFieldsExceptGivenOnes",
            "only_given_fields",
            boolean,
            default=False,
            doc="Enforce nothing of fields that are not in `Fields`.",
        ),
        Param("TriggerEvents", "triggers_journeys", boolean, default=True, doc="Let journeys start by changed values"),
    ],
    refusals=[
        missing(1, "SubscriberID"),
        missing(2, "SubscriberListID"),
        missing(3, "EmailAddress"),
        Refusal(4, "Invalid EmailAddress"),
        Refusal(5, "Invalid ListID"),
        Refusal(6, "Subscriber not found"),
        Refusal(7, "Duplicate EmailAddress"),
        Refusal(8, "Required custom field missing"),
        Refusal(9, "Custom field value is not unique"),
        Refusal(10, "Invalid custom field value"),
        Refusal(11, "Unknown custom field ID(s)"),
    ],
    errors={
        ListNotFound: 5,
        SubscriberNotFound: not_found(6, "Subscriber not found"),
        AddressTaken: 7,
        RequiredFieldMissing: 8,
        FieldValueTaken: 9,
        InvalidFieldValue: 10,
        UnknownFields: 11,
    },
    check=_check_update,
    title="Update a Subscriber",
    source="AC 2.5",
    example={"SubscriberID": 456, "SubscriberListID": 123, "EmailAddress": "newemail@example.com"},
)
async def subscriber_update(call: Call, *, subscriber_id: int, list_id: int, **told: Any) -> Body:
    """Change what is sent of a subscriber; everything else stays, values of other fields too.

    A status is only written down: whoever is to leave a list with all that the list's settings want then is
    unsubscribed by `subscriber.unsubscribe`.
    """
    await service.update_subscriber(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        subscriber_id=subscriber_id,
        changes=SubscriberChanges(**told),
        now=call.now,
    )
    return {}


def _check_get(reading: Reading) -> None:
    if not (reading.has("address") or reading.has("subscriber_id")):
        reading.refuse(1)


MOST_TOLD = 100
"""Rows of activity in `subscriber.get`."""


def _include(wire_name: str, name: str) -> Param:
    return Param(wire_name, name, boolean, default=True)


@command(
    "subscriber.get",
    permission="Subscribers.Get",
    limit=HUNDRED_A_MINUTE,
    params=[
        list_id(missing=2, invalid=4),
        Param("EmailAddress", "address", text, invalid=3),
        Param("SubscriberID", "subscriber_id", identifier, invalid=3, refers_to="subscriber"),
        _include("IncludeJourneys", "with_journeys"),
        _include("IncludeEvents", "with_events"),
        _include("IncludeActivity", "with_activity"),
        _include("IncludeRevenue", "with_revenue"),
        _include("IncludeTags", "with_tags"),
        _include("IncludeSegments", "with_segments"),
    ],
    refusals=[
        missing(1, "EmailAddress/SubscriberID"),
        missing(2, "ListID"),
        Refusal(3, "Subscriber not found"),
        Refusal(4, "Invalid ListID"),
    ],
    errors={ListNotFound: 4, SubscriberNotFound: not_found(3, "Subscriber not found")},
    check=_check_get,
    title="Get a Subscriber",
    source="AC 2.5",
    example={"ListID": 123, "EmailAddress": "user@example.com"},
    answer={
        "SubscriberInformation": _COLUMNS,
        "Suppressed": False,
        "SubscriberTags": [{"TagID": 1, "TagName": "VIP"}],
        "SubscriberSegments": [],
        "SubscriberJourneys": {
            "InProgress": [
                {
                    "JourneyID": 7,
                    "JourneyName": "Welcome series",
                    "EntryID": 42,
                    "RelActionID": 13,
                    "SnoozedUntil": None,
                    "EnrolledAt": "2026-03-12 09:00:00",
                    "CurrentStep": 3,
                    "TotalSteps": 7,
                }
            ],
            "Completed": [],
        },
        "SubscriberWebsiteEvents": [],
        "SubscriberActivity": [],
        "TotalRevenue": 0,
    },
)
async def subscriber_get(
    call: Call,
    *,
    list_id: int,
    address: str | None,
    subscriber_id: int | None,
    with_journeys: bool,
    with_tags: bool,
    with_segments: bool,
    with_activity: bool,
    with_revenue: bool,
    **_included: object,
) -> Body:
    """A subscriber with every column, tags and journeys; with both address and id, who has both.

    What is not included is answered as empty. Steps count published actions along the longest way. Of the activity the
    latest hundred rows are told (`subscriber.get.activity` has all); revenue is what counts for a journey's message.
    """
    await lists.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    found = await service.find_subscriber(
        call.session, owner_id=call.owner_id, list_id=list_id, subscriber_id=subscriber_id, address=address
    )
    if found is None:
        raise SubscriberNotFound
    (view,) = await views.view_page(call.session, [found], owner_id=call.owner_id, list_id=list_id, with_tags=with_tags)
    journeys = await views.memberships_of(call.session, found, now=call.now) if with_journeys else []
    activity: Sequence[Happened] = ()
    if with_activity:
        _, activity = await history_of(call.session, subscriber=found, kinds=tuple(Happening), first=0, most=MOST_TOLD)
    cents = 0
    if with_revenue:
        people = [found.subscriber_id]
        cents = sum((await revenue_of(call.session, owner_id=call.owner_id, subscriber_ids=people)).values())
    belongs_to = await segments.segments_with(call.session, subscriber=found, now=call.now) if with_segments else []
    return {
        **wire.information(view),
        "SubscriberSegments": wire.segments(belongs_to),
        "SubscriberJourneys": wire.journeys(journeys),
        "SubscriberActivity": [wire.happening(row, found) for row in activity],
        "TotalRevenue": money(cents),
    }


@command(
    "subscriber.exists",
    permission="Subscribers.Get",
    params=[list_id(missing=1, invalid=3), Param("EmailAddress", "address", text, missing=2)],
    refusals=[missing(1, "ListID"), missing(2, "EmailAddress"), Refusal(3, "Invalid ListID")],
    errors={ListNotFound: 3},
    title="Check if Subscriber Exists",
    source="AC 2.5",
    example={"ListID": 123, "EmailAddress": "user@example.com"},
    answer={"Exists": True, "SubscriberID": 456},
)
async def subscriber_exists(call: Call, *, list_id: int, address: str) -> Body:
    """Whether the address is on the list, in whatever status; `SubscriberID` is 0 when it is not."""
    await lists.get_list(call.session, owner_id=call.owner_id, list_id=list_id)
    found = await service.find_subscriber(call.session, owner_id=call.owner_id, list_id=list_id, address=address)
    return {"Exists": found is not None, "SubscriberID": found.subscriber_id if found is not None else 0}
