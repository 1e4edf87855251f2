"""The commands of website events (AC 2.9)."""

from collections.abc import Mapping
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import email_address, identifier
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Limit,
    Param,
    Reading,
    Refusal,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.links.tokens import read_attribution
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import WebsiteEventKind
from journeys_api.website_events import service
from journeys_api.website_events.kinds import kind_of, text_of
from journeys_api.website_events.reading import conversion_problems, event_name, event_properties, identify_properties
from journeys_api.website_events.service import Tracked

_CONVERSION = {"conversion-id": 8, "conversion-name": 9, "conversion-value": 10}


def _check(reading: Reading) -> None:
    if not reading.has("event") or reading["event"] is None:
        return
    is_identify = kind_of(reading["event"]) is WebsiteEventKind.IDENTIFY
    if is_identify and not any(map(reading.has, ("email_address", "external_id", "uuid"))):
        reading.refuse(6)
    for problem in conversion_problems(reading["event"], reading["properties"]):
        reading.refuse(_CONVERSION[problem.name], problem.detail)


@command(
    "event.track",
    routes=[("POST", "/api/v1/event")],
    limit=Limit(5000, 60),
    envelope=Envelope.ERRORS,
    params=[
        Param(
            "ListID",
            "list_id",
            identifier,
            invalid=4,
            also=("SubscriberListID",),
            doc="Whose visitor",
            refers_to="list",
        ),
        Param(
            "Event",
            "event",
            event_name,
            missing=5,
            invalid=5,
            doc="`page_view`, `identify`, `conversion`; any other name is a custom event",
        ),
        Param("Email", "email_address", email_address, invalid=7, doc="The visitor's address; never a hash"),
        Param(
            "ID",
            "external_id",
            event_name,
            doc="The value of the list's unique-identifier field, or the SHA-256 of the address in hex digits",
        ),
        Param("UUID", "uuid", event_name, doc="The visitor's id; one is made when nothing says who it is"),
        Param(
            "Properties",
            "properties",
            event_properties,
            default={},
            doc="Of the event: at most 100, in 64 KiB. `isTest`: nothing is kept; `isSilent`: no journey is told. "
            "A conversion needs `conversion-id`, `conversion-name` and `conversion-value`, an amount of money in all, "
            "in `conversion-currency` or else the account's. `pr`: the mark that a link of a mail gave its target",
        ),
        Param(
            "IdentifyProperties",
            "identify_properties",
            identify_properties,
            default={},
            doc="Custom values by merge-tag alias or `CustomField<ID>`, of an identify event or a new address",
        ),
    ],
    refusals=[
        invalid(4, "ListID"),
        Refusal(5, "Missing event parameter"),
        Refusal(6, "Missing email parameter"),
        Refusal(7, "Invalid email parameter"),
        *(Refusal(code, f"Missing {name} event property") for name, code in _CONVERSION.items()),
    ],
    errors={ListNotFound: 4},
    check=_check,
    title="Track a Website Event",
    source="AC 2.9",
    example={
        "ListID": 123,
        "Event": "page_view",
        "Email": "jane@example.com",
        "Properties": {"$current_url": "https://example.com/pricing"},
    },
    answer={"status": "success", "uuid": "", "external_id": "", "identify_event_sent": True},
)
async def event_track(call: Call, **given: Any) -> Body:
    """Report what a visitor of a website did. Journeys with a `WebsiteEvent_…` trigger are told when the visitor is a
    subscriber.

    The visitor is known by `Email`, else by `ID`, else by a `UUID` that an earlier event tied to somebody. A new
    `Email` on a list becomes a subscriber there, and an identify event is added; an `ID` makes nobody. Without
    `ListID`, an address is looked for on all lists; of several, it is on the one whose mail was opened or clicked last,
    within `JOURNEYS_ATTRIBUTION_WINDOW`. A conversion that is sent again, with the same `conversion-id`, is kept once.
    Events of nobody known are kept under their `UUID`; an address gets a new one where none was sent.
    `identify_event_sent` says whether an identify event of a subscriber was kept: the one that was sent, or one added.

    A conversion of a subscriber counts, with its money, for the journey's message that its property `pr` names, if that
    was written to the same person; else for the message that the person opened or clicked last, on whichever list,
    within `JOURNEYS_ATTRIBUTION_WINDOW`. Money of another currency than the account's is kept and not summed; an
    account without one takes that of its first conversion that names one (`Currency` of `user.update`).
    """
    answer = await service.track(
        call.session,
        owner_id=call.owner_id,
        tracked=Tracked(**given, message_id=_message_id(call, given["properties"])),
        window=call.settings.attribution_window,
        now=call.now,
    )
    return {
        "status": "success",
        "uuid": answer.uuid,
        "external_id": given["external_id"] or "",
        "identify_event_sent": answer.is_identify_sent,
    }


def _message_id(call: Call, properties: Mapping[str, Any]) -> int | None:
    """The message that the property `pr` names; None: it is not the account's, or no mark of ours."""
    message = read_attribution(call.pepper, text_of(properties, "pr"))
    return message[1] if message is not None and message[0] == call.owner_id else None


@command(
    "website_events.properties",
    routes=[("GET", "/api/v1/website_events.properties")],
    permission="Subscribers.Get",
    limit=HUNDRED_A_MINUTE,
    envelope=Envelope.ERRORS,
    params=[
        Param("ListID", "list_id", identifier, missing=1, invalid=2, also=("SubscriberListID",), refers_to="list"),
    ],
    refusals=[missing(1, "ListID"), invalid(2, "ListID"), not_found(3, "List not found")],
    errors={ListNotFound: 3},
    title="Get Website Event Properties",
    source="AC 2.9",
    example={"ListID": 123},
    answer={"ListID": 123, "Properties": {"pageView": ["$current_url", "$pageTitle"]}},
)
async def website_events_properties(call: Call, *, list_id: int) -> Body:
    """The names of properties that events of a list have had, by event: what criteria of journeys may name."""
    names = await service.property_names(call.session, owner_id=call.owner_id, list_id=list_id)
    return {"ListID": list_id, "Properties": names}
