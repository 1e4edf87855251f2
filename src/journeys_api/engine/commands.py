"""The commands about a subscriber's place in journeys (AC 2.14, JC 9.1–9.4)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, Unreadable, array, boolean, identifier, whole
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.commands.wire import instant
from journeys_api.engine import membership
from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.lists.errors import ListNotFound
from journeys_api.subscribers.errors import SubscriberNotFound

SOURCE = "AC 2.14"
PERMISSION = "Campaign.Create"


def _one_or_several(value: Any) -> list[int]:
    """One id, or an array of ids."""
    if isinstance(value, list | dict) or (isinstance(value, str) and value.startswith("[")):
        ids = [whole(each) for each in array(value)]
        if not ids:
            raise Unreadable
        return ids
    return [whole(value)]


_SCHEMA = {"oneOf": [identifier.schema, {"type": "array", "items": identifier.schema}]}
_JOURNEYS = Param("JourneyID", "journey_ids", Reader(_one_or_several, _SCHEMA), missing=1, invalid=4,
                  refers_to="journey", doc="A journey, or an array of journeys")  # fmt: skip
_JOURNEY = Param("JourneyID", "journey_id", identifier, missing=1, invalid=4, refers_to="journey", doc="The journey")
_LIST = Param("ListID", "list_id", identifier, missing=2, invalid=5, also=("SubscriberListID",), refers_to="list",
              doc="The subscriber's list")  # fmt: skip
_SUBSCRIBER = Param("SubscriberID", "subscriber_id", identifier, missing=3, invalid=6, refers_to="subscriber",
                    doc="The subscriber")  # fmt: skip
_CODES = (
    missing(1, "JourneyID"),
    missing(2, "ListID"),
    missing(3, "SubscriberID"),
    invalid(4, "JourneyID"),
    invalid(5, "ListID"),
    invalid(6, "SubscriberID"),
    not_found(7, "Journey not found"),
    not_found(8, "List not found"),
    not_found(9, "Subscriber not found"),
)
_ERRORS = {JourneyNotFound: 7, ListNotFound: 8, SubscriberNotFound: 9}
_EXAMPLE = {"JourneyID": 789, "ListID": 123, "SubscriberID": 456}


def _processed(processed: membership.Processed, list_id: int, subscriber_id: int) -> Body:
    body: dict[str, object] = {
        "Success": True,
        "JourneyIDs": processed.journey_ids,
        "ListID": list_id,
        "SubscriberID": subscriber_id,
    }
    if processed.skipped:
        body["SkippedJourneys"] = [{"JourneyID": each, "Reason": reason} for each, reason in processed.skipped]
    return body


@command(
    "subscriber.journey.trigger",
    routes=[("POST", "/api/v1/subscriber.journey.trigger")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        _JOURNEYS,
        _LIST,
        _SUBSCRIBER,
        Param("BypassJourneyStatusCheck", "ignores_status", boolean, default=False,
              doc="Whether to enter disabled journeys too"),
    ],
    refusals=_CODES,
    errors=_ERRORS,
    envelope=Envelope.SUCCESS_ERRORS,
    title="Trigger a Journey for a Subscriber",
    source=SOURCE,
    example=_EXAMPLE,
    answer={"Success": True, "JourneyIDs": [789], "ListID": 123, "SubscriberID": 456},
)  # fmt: skip
async def subscriber_journey_trigger(
    call: Call, *, journey_ids: list[int], list_id: int, subscriber_id: int, ignores_status: bool
) -> Body:
    """Let a subscriber into one or several journeys; entry caps do not stop it, but count it.

    Source: JC 9.1; rulings 7.
    """
    processed = await membership.trigger(
        call.session,
        owner_id=call.owner_id,
        journey_ids=journey_ids,
        list_id=list_id,
        subscriber_id=subscriber_id,
        ignores_status=ignores_status,
        now=call.now,
    )
    return _processed(processed, list_id, subscriber_id)


@command(
    "subscriber.journey.remove",
    routes=[("POST", "/api/v1/subscriber.journey.remove")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_JOURNEYS, _LIST, _SUBSCRIBER],
    refusals=_CODES,
    errors=_ERRORS,
    envelope=Envelope.SUCCESS_ERRORS,
    title="Remove a Subscriber from a Journey",
    source=SOURCE,
    example=_EXAMPLE,
    answer={"Success": True, "JourneyIDs": [789], "ListID": 123, "SubscriberID": 456},
)
async def subscriber_journey_remove(call: Call, *, journey_ids: list[int], list_id: int, subscriber_id: int) -> Body:
    """Erase a subscriber's place in one or several journeys, enabled or not.

    Source: JC 9.2.
    """
    processed = await membership.remove(
        call.session,
        owner_id=call.owner_id,
        journey_ids=journey_ids,
        list_id=list_id,
        subscriber_id=subscriber_id,
        now=call.now,
    )
    return _processed(processed, list_id, subscriber_id)


@command(
    "subscriber.journey.exit",
    routes=[("POST", "/api/v1/subscriber.journey.exit")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_JOURNEY, _LIST, _SUBSCRIBER],
    refusals=_CODES,
    errors=_ERRORS,
    envelope=Envelope.ERRORS,
    title="End a Journey for a Subscriber",
    source=SOURCE,
    example=_EXAMPLE,
    answer={"JourneyID": 789, "ListID": 123, "SubscriberID": 456},
)
async def subscriber_journey_exit(call: Call, *, journey_id: int, list_id: int, subscriber_id: int) -> Body:
    """End a subscriber's pass through a journey without completing it; who is not inside stays as they are.

    Source: JC 9.2, 9.3.
    """
    await membership.leave(
        call.session,
        owner_id=call.owner_id,
        journey_id=journey_id,
        list_id=list_id,
        subscriber_id=subscriber_id,
        now=call.now,
    )
    return {"JourneyID": journey_id, "ListID": list_id, "SubscriberID": subscriber_id}


@command(
    "subscriber.journey.list",
    routes=[("POST", "/api/v1/subscriber.journey.list")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_LIST, _SUBSCRIBER],
    refusals=[each for each in _CODES if each.code in (2, 3, 5, 6, 8, 9)],
    errors={ListNotFound: 8, SubscriberNotFound: 9},
    envelope=Envelope.ERRORS,
    title="List a Subscriber's Journeys",
    source=SOURCE,
    example={"ListID": 123, "SubscriberID": 456},
    answer={
        "ListID": 123,
        "SubscriberID": 456,
        "Journeys": [
            {
                "JourneyID": 789,
                "JourneyName": "Welcome Series",
                "Status": "Enabled",
                "JoinedAt": "2025-01-15 10:30:00",
            }
        ],
    },
)
async def subscriber_journey_list(call: Call, *, list_id: int, subscriber_id: int) -> Body:
    """The journeys that a subscriber is inside.

    Source: JC 9.4.
    """
    found = await membership.memberships(
        call.session, owner_id=call.owner_id, list_id=list_id, subscriber_id=subscriber_id
    )
    return {
        "ListID": list_id,
        "SubscriberID": subscriber_id,
        "Journeys": [
            {
                "JourneyID": journey.journey_id,
                "JourneyName": journey.name,
                "Status": journey.status.value,
                "JoinedAt": instant(entered_at),
            }
            for journey, entered_at in found
        ],
    }
