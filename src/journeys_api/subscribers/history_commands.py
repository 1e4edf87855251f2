"""The command that tells what happened to a subscriber (AC 2.5)."""

from collections.abc import Collection
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import array_of_any, identifier, number, one_of
from journeys_api.commands.registry import Param, Reading, Refusal, command, missing, not_found
from journeys_api.commands.wire import instant
from journeys_api.strict_json import fold
from journeys_api.subscribers import service, wire
from journeys_api.subscribers.errors import SubscriberNotFound
from journeys_api.subscribers.history import Happened, Happening, history_of
from journeys_api.subscribers.parameters import subscriber_list_id

MOST_ROWS = 1000
_KINDS = {kind.value: kind for kind in Happening}
_V55 = "AC 2.5 (v5.5.x)"


def _judge_kinds(reading: Reading) -> None:
    given = reading["kinds"]
    if not given:
        reading["kinds"] = tuple(Happening)
    elif all(isinstance(each, str) and fold(each) in _KINDS for each in given):
        reading["kinds"] = {_KINDS[fold(each)] for each in given}
    else:
        reading.refuse(4)


@command(
    "subscriber.get.activity",
    permission="Subscribers.Get",
    params=[
        Param("SubscriberID", "subscriber_id", identifier, missing=1, invalid=1, refers_to="subscriber"),
        subscriber_list_id(missing=2, invalid=2),
        Param(
            "FilterJson",
            "kinds",
            array_of_any,
            invalid=4,
            doc=f"Only these kinds: a JSON array of {', '.join(Happening)}.",
            source=_V55,
        ),
        Param("Operator", "operator", one_of("OR"), invalid=5, doc="Only `OR`: any of the kinds.", source=_V55),
        Param("RecordsPerRequest", "most", number(), default=0, doc=f"0, and at most: {MOST_ROWS}.", source=_V55),
        Param("RecordsFrom", "first", number(), default=0, source=_V55),
    ],
    refusals=[
        missing(1, "SubscriberID"),
        missing(2, "SubscriberListID"),
        not_found(3, "Subscriber not found"),
        Refusal(4, "Invalid FilterJson criteria", source=_V55),
        Refusal(5, "Invalid criteria operator", source=_V55),
    ],
    errors={SubscriberNotFound: 3},
    check=_judge_kinds,
    title="Get Subscriber Activity",
    source="AC 2.5",
    example={"SubscriberID": 456, "SubscriberListID": 123},
    answer={
        "Activity": [
            {"ActivityType": "EmailOpen", "CampaignID": 0, "EmailID": 101, "ActivityDate": "2025-01-15 10:30:00"}
        ],
        "SubscriberActivity": [
            {
                "ActivityDate": "2025-01-15 10:30:00",
                "UserID": "1",
                "ListID": "123",
                "SubscriberID": "456",
                "ActivityType": "email open",
                "Parameters": {"journey_id": "9", "action_id": "12", "email_id": "101", "email_subject": "Welcome"},
            }
        ],
        "TotalSubscriberActivity": "1",
    },
)
async def subscriber_get_activity(
    call: Call, *, subscriber_id: int, list_id: int, kinds: Collection[Happening], most: int, first: int, **_: object
) -> Body:
    """What happened to somebody on a list, the latest first, as both of the vendor's generations answer it.

    A mail of a journey counts as a transactional delivery. Tags are told while they are carried, the subscription as it
    stands; what machines did is left out.
    """
    subscriber = await service.get_subscriber(
        call.session, owner_id=call.owner_id, list_id=list_id, subscriber_id=subscriber_id
    )
    total, rows = await history_of(
        call.session, subscriber=subscriber, kinds=kinds, first=first, most=min(most or MOST_ROWS, MOST_ROWS)
    )
    return {
        "Activity": [_short(row) for row in rows],
        "SubscriberActivity": [wire.happening(row, subscriber) for row in rows],
        "TotalSubscriberActivity": str(total),
    }


def _short(row: Happened) -> dict[str, Any]:
    name = "".join(word.capitalize() for word in row.kind.value.split())
    return {
        "ActivityType": name,
        "CampaignID": 0,
        "EmailID": row.email_id,
        "ActivityDate": instant(row.happened_at),
    }
