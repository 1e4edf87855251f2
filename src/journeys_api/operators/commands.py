"""The administrator's commands about the queue (JC 1.23)."""

from collections.abc import Callable
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, Unreadable, as_given, bounded_text, identifier, number, one_of, whole
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Handler,
    Param,
    Reading,
    Refusal,
    Scope,
    command,
    not_found,
)
from journeys_api.operators import service, wire
from journeys_api.operators.entries import Sought, TouchState, Wanted

SOURCE = "JC 1.23"
FAILED = Refusal(1, "Database query failed", 500)


def _or_none(value: Any) -> int:
    """An id, or 0, which nothing has: the command has no code for a malformed id but "not found"."""
    try:
        return whole(value)
    except Unreadable:
        return 0


def _told(**body: object) -> Body:
    return {"Success": True, "ErrorCode": 0, "ErrorText": "", **body}


def _queue_command(name: str, *, method: str = "GET", **declared: Any) -> Callable[[Handler], Handler]:
    """Declare a command of administrators at the route of its own name; the rest as `command` takes it."""
    return command(
        name,
        routes=[(method, f"/api/v1/{name}")],
        scope=Scope.ADMIN,
        limit=HUNDRED_A_MINUTE,
        envelope=Envelope.SCALAR,
        source=SOURCE,
        **declared,
    )


@_queue_command(
    "admin.journeys.stuck",
    failure=FAILED,
    title="List Stuck Journey Entries",
    answer=_told(TotalStuckEntries=0, Journeys=[], Message=wire.STUCK),
)
async def admin_journeys_stuck(call: Call) -> Body:
    """Entries that will never go on by themselves. There are none: the database refuses to hold one.

    Source: JC 1.23.
    """
    found = await service.stuck(call.session)
    journeys = [
        {"JourneyID": row.journey_id, "JourneyName": row.name, "RelUserID": row.owner_id, "StuckCount": row.stuck}
        for row in found
    ]
    told = _told(TotalStuckEntries=sum(row.stuck for row in found), Journeys=journeys)
    return told if found else {**told, "Message": wire.STUCK}


@_queue_command(
    "admin.journeys.unstuck",
    method="POST",
    params=[
        Param("JourneyID", "journey_id", Reader(_or_none, identifier.schema), refers_to="journey",
              doc="The journey; absent: all"),
    ],
    refusals=[not_found(1, "Journey not found"), not_found(2, "No stuck entries found")],
    errors={service.JourneyUnknown: 1, service.NobodyStuck: 2},
    failure=Refusal(3, "Database error", 500),
    title="Reset Stuck Journey Entries",
    example={"JourneyID": 456},
    answer=_told(EntriesReset=0, Message="0 stuck journey entry(ies) have been reset."),
)  # fmt: skip
async def admin_journeys_unstuck(call: Call, *, journey_id: int | None) -> Body:
    """Let stuck entries go on. Nothing here can be stuck, so that this answers 2 for every journey there is.

    Source: JC 1.23.
    """
    await service.unstick(call.session, journey_id=journey_id)


@_queue_command(
    "admin.journeys.pending",
    failure=FAILED,
    title="Count Pending Journey Entries",
    answer=_told(
        TotalPendingEntries=42, Users=[{"UserID": 1, "Username": "demo", "PendingCount": 42}], IsEstimate=False
    ),
)
async def admin_journeys_pending(call: Call) -> Body:
    """People of enabled journeys whose turn it is, by account. Beyond 5,000 the numbers are estimates.

    Source: JC 1.23.
    """
    rows, is_estimate = await service.pending(call.session, now=call.now)
    return _told(
        TotalPendingEntries=sum(pending for _, _, pending in rows),
        Users=[{"UserID": user_id, "Username": name, "PendingCount": pending} for user_id, name, pending in rows],
        IsEstimate=is_estimate,
    )


@_queue_command(
    "admin.journeys.overview",
    params=[
        Param("JourneyID", "journey_id", identifier, invalid=2, refers_to="journey", doc="One journey; absent: all")
    ],
    refusals=[Refusal(2, "Invalid journey_id parameter")],
    failure=FAILED,
    title="Get an Overview of the Journey Queue",
    example={"JourneyID": 456},
    answer=_told(
        QueueStats={
            "TotalActive": 5000,
            "NeverTouched": 10,
            "WaitingForNextPass": 0,
            "SnoozedCount": 4900,
            "OverdueCount": 90,
            "StuckCount": 0,
            "InProgressCount": 0,
            "FrozenCount": 0,
            "EstimatedDrainMinutes": 1,
            "IsEstimate": False,
        },
        Throughput={"PerMinute": 120.0, "PerSecond": 2.0, "MeasurementWindowMinutes": 5, "CompletionsInWindow": 600},
        Workers={"Total": 2, "Healthy": 2, "Unhealthy": 0},
    ),
)
async def admin_journeys_overview(call: Call, *, journey_id: int | None) -> Body:
    """What the queue consists of, how fast it is worked off, and by how many workers.

    `FrozenCount` are those of disabled journeys. Beyond 500 people whose turn it is, how they divide is an estimate.

    Source: JC 1.23.
    """
    queue, throughput = await service.overview(call.session, journey_id=journey_id, now=call.now)
    return _told(
        QueueStats=wire.queue_stats(queue, throughput),
        Throughput=wire.measured(throughput),
        Workers=wire.workers(throughput),
    )


_STATES = (
    "all",
    *(state.value for state in (TouchState.OVERDUE, TouchState.SNOOZED, TouchState.NEVER_TOUCHED, TouchState.WAITING)),
)
_FIELDS = ("EntryID", "CreatedAt", "SnoozedUntil")
_BAD = {
    "journey_id": Refusal(2, "Invalid journey_id parameter"),
    "action_id": Refusal(2, "Invalid action_id parameter"),
    "state": Refusal(2, f"Invalid status parameter. Allowed values: {', '.join(_STATES)}"),
    "keyword": Refusal(2, "Invalid search_keyword parameter"),
    "count": Refusal(2, "Invalid records_per_request parameter"),
    "offset": Refusal(2, "Invalid records_from parameter"),
    "order": Refusal(2, f"Invalid order_field parameter. Allowed values: {', '.join(_FIELDS)}"),
    "direction": Refusal(2, "Invalid order_type parameter. Allowed values: ASC, DESC"),
}
_READERS = {
    "journey_id": identifier,
    "action_id": identifier,
    "state": one_of(*_STATES),
    "keyword": bounded_text(255),
    "count": number(0),
    "offset": number(0, 10**9),
    "order": one_of(*_FIELDS),
    "direction": one_of("ASC", "DESC"),
}
MAX_PAGE = 500
DEFAULT_PAGE = 25


def _check_queue(reading: Reading) -> None:
    """One code stands for every parameter, with a message of its own for each."""
    read: dict[str, Any] = {}
    for name, reader in _READERS.items():
        value = reading.arguments.pop(name)
        try:
            read[name] = None if value is None else reader(value)
        except Unreadable:
            reading.refuse(_BAD[name])
            read[name] = None
    reading["wanted"] = Wanted(
        journey_id=read["journey_id"],
        action_id=read["action_id"],
        state=None if read["state"] in (None, "all") else TouchState(read["state"]),
        keyword=read["keyword"],
        by_due=read["order"] == "SnoozedUntil",
        is_descending=read["direction"] == "DESC",
        count=min(read["count"] or DEFAULT_PAGE, MAX_PAGE),
        offset=read["offset"] or 0,
    )


def _judged_later(wire_name: str, name: str, **more: Any) -> Param:
    return Param(wire_name, name, Reader(as_given.parse, _READERS[name].schema), **more)


@_queue_command(
    "admin.journeys.queue",
    params=[
        _judged_later("JourneyID", "journey_id", refers_to="journey", doc="Only entries of this journey"),
        _judged_later("ActionID", "action_id", refers_to="action", doc="Only entries at this action"),
        _judged_later("Status", "state", doc=f"One of {', '.join(_STATES)} (default: all)"),
        _judged_later("SearchKeyword", "keyword", doc="A piece of the address, taken literally"),
        _judged_later("RecordsPerRequest", "count", doc="Entries per page (default: 25, at most 500)"),
        _judged_later("RecordsFrom", "offset", doc="How many entries to skip (default: 0)"),
        _judged_later("OrderField", "order", doc=f"One of {', '.join(_FIELDS)} (default: EntryID)"),
        _judged_later("OrderType", "direction", doc="ASC or DESC (default: ASC)"),
    ],
    check=_check_queue,
    refusals=list(_BAD.values()),
    failure=FAILED,
    title="List the Journey Queue",
    example={"JourneyID": 456, "Status": "snoozed", "RecordsPerRequest": 25},
    answer=_told(
        TotalQueueEntries=1,
        QueueEntries=[
            {
                "EntryID": 9001,
                "RelJourneyID": 456,
                "JourneyName": "Welcome Series",
                "RelListID": 123,
                "RelSubscriberID": 101,
                "EmailAddress": "user@example.com",
                "RelUserID": 1,
                "RelActionID": 789,
                "ActionType": "Wait",
                "ActionOrderNo": 2,
                "TouchState": "snoozed",
                "DueAt": "2025-01-16 10:30:00",
                "CreatedAt": "2025-01-15 10:30:00",
                "ActionUpdatedAt": "2025-01-15 10:30:00",
                "SnoozedUntil": "2025-01-16 10:30:00",
            }
        ],
        IsEstimate=False,
    ),
)
async def admin_journeys_queue(call: Call, *, wanted: Wanted) -> Body:
    """The people inside journeys, page by page. Ids are given in order of entry, so that CreatedAt orders like EntryID.

    Of those whose turn it is (overdue, never_touched, waiting) the first 2,000 are looked at. Everything is read by
    index but a piece of an address, which is looked for in the addresses of everybody in question.

    Source: JC 1.23.
    """
    page = await service.queue_page(call.session, wanted, now=call.now)
    return _told(
        TotalQueueEntries=page.total.number,
        QueueEntries=[wire.queue_entry(row, now=call.now) for row in page.rows],
        IsEstimate=page.total.is_estimate,
    )


def _check_position(reading: Reading) -> None:
    if reading.refusals:
        return
    whose = Sought(
        **{
            name: reading.arguments[name]
            for name in ("entry_id", "subscriber_id", "email_address", "list_id", "journey_id")
        }
    )
    if whose.entry_id is None and whose.subscriber_id is None:
        if whose.email_address is None:
            reading.refuse(1)
        elif whose.list_id is None:
            reading.refuse(3)
    reading.arguments.clear()
    reading["whose"] = whose


@_queue_command(
    "admin.journey.queue.position",
    params=[
        Param("EntryID", "entry_id", identifier, invalid=5, refers_to="enrollment", doc="The entry"),
        Param("SubscriberID", "subscriber_id", identifier, invalid=5, refers_to="subscriber", doc="Or the subscriber"),
        Param("Email", "email_address", bounded_text(1000), invalid=5, doc="Or an address, with its list"),
        Param("ListID", "list_id", identifier, invalid=5, refers_to="list", doc="The list that the address is on"),
        Param(
            "JourneyID", "journey_id", identifier, invalid=5, refers_to="journey", doc="Only entries of this journey"
        ),
    ],
    check=_check_position,
    refusals=[
        Refusal(1, "One of entry_id, subscriber_id or email is required"),
        not_found(2, "Subscriber not found in queue"),
        Refusal(3, "list_id is required when searching by email"),
        Refusal(5, "Invalid parameter value"),
    ],
    errors={service.NotInQueue: 2},
    failure=Refusal(4, "Database query failed", 500),
    title="Find a Place in the Journey Queue",
    example={"Email": "user@example.com", "ListID": 123},
    answer=_told(
        Entries=[
            {
                "EntryID": 9001,
                "RelJourneyID": 456,
                "JourneyName": "Welcome Series",
                "RelListID": 123,
                "RelSubscriberID": 101,
                "EmailAddress": "user@example.com",
                "Position": 12,
                "IsEstimate": False,
                "EstimatedMinutesUntilProcessed": 1,
                "TouchState": "overdue",
                "DueAt": "2025-01-16 10:30:00",
                "CurrentAction": {"ActionID": 789, "Action": "Wait", "OrderNo": 2},
                "CreatedAt": "2025-01-15 10:30:00",
                "ActionUpdatedAt": "2025-01-15 10:30:00",
                "SnoozedUntil": "2025-01-16 10:30:00",
            }
        ],
        Throughput={"PerMinute": 120.0, "PerSecond": 2.0},
    ),
)
async def admin_journey_queue_position(call: Call, *, whose: Sought) -> Body:
    """Where somebody stands: how many people of enabled journeys are due no later. Beyond 5,000 it is an estimate.

    Source: JC 1.23.
    """
    found, throughput = await service.places(call.session, whose, now=call.now)
    return _told(
        Entries=[wire.place(each, throughput, now=call.now) for each in found], Throughput=wire.speed(throughput)
    )


@_queue_command(
    "admin.journey.action.audit",
    params=[Param("ActionID", "action_id", identifier, missing=1, invalid=1, refers_to="action", doc="The action")],
    refusals=[Refusal(1, "Missing or invalid action_id parameter"), not_found(2, "Action not found")],
    errors={service.ActionUnknown: 2},
    failure=Refusal(3, "Database query failed", 500),
    title="Audit a Journey Action",
    example={"ActionID": 789},
    answer=_told(
        ActionMeta={
            "ActionID": 789,
            "ActionType": "Wait",
            "OrderNo": 2,
            "JourneyID": 456,
            "JourneyName": "Welcome Series",
            "JourneyStatus": "Enabled",
        },
        QueueState={
            "TotalAtAction": 12,
            "NeverTouched": 0,
            "WaitingForNextPass": 0,
            "OverdueCount": 2,
            "SnoozedCount": 10,
            "InProgressCount": 0,
            "IsEstimate": False,
        },
        SubscriptionBreakdown={
            "Subscribed": 11,
            "Unsubscribed": 1,
            "OptInPending": 0,
            "OptOutPending": 0,
            "SubscriberNotFound": 0,
        },
        BounceBreakdown={"NotBounced": 12, "Hard": 0, "Soft": 0, "SubscriberNotFound": 0},
        CompletionCount=40,
    ),
)
async def admin_journey_action_audit(call: Call, *, action_id: int) -> Body:
    """The people at an action, by what they wait for, by subscription and by bounces.

    In a journey of more than 500 people some are drawn at random, and what they say of all is an estimate.

    Source: JC 1.23.
    """
    action, found = await service.audit(call.session, action_id=action_id, now=call.now)
    return _told(ActionMeta=wire.action_meta(action), **wire.crowd(found))
