"""The commands that show journeys with their numbers (journeys page)."""

import asyncio
from collections.abc import Mapping

from journeys_api.commands.call import Body, Call
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Refusal,
    Transaction,
    command,
)
from journeys_api.journeys import errors, wire
from journeys_api.journeys.numbers import mails_of_journey
from journeys_api.journeys.parameters import (
    EMAIL_ID,
    INVALID_EMAIL_ID,
    INVALID_ISP,
    ISP,
    JOURNEY_CODES,
    JOURNEY_ID,
    PERMISSION,
    SHOWN,
    SKIP_STATS,
    WITH_COUNTERS,
    check_window,
    stats_params,
)
from journeys_api.journeys.reading import read_journey, read_journeys
from journeys_api.stats import queries as stats
from journeys_api.stats.slices import Slice
from journeys_api.stats.windows import Window
from journeys_api.stats.wire import activity_counters, days_enrolments, journey_stats

JOURNEYS_IN_A_ROW = 50
"""How many journeys of a long list are described before other calls have their turn."""


@command(
    "journey.get",
    routes=[("GET", "/api/v1/journey")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        JOURNEY_ID,
        *stats_params("StartDate", "EndDate", invalid_start=4, invalid_end=5),
        WITH_COUNTERS,
        EMAIL_ID,
        ISP,
    ],
    check=check_window(6, 4, 5),
    refusals=[
        *JOURNEY_CODES,
        Refusal(4, "Invalid StartDate format"),
        Refusal(5, "Invalid EndDate format"),
        Refusal(6, "StartDate must be before EndDate"),
        INVALID_EMAIL_ID,
        INVALID_ISP,
    ],
    errors={errors.JourneyNotFound: 3, errors.ActionNotFound: 7},
    envelope=Envelope.ERRORS,
    transaction=Transaction.EACH,
    title="Get a Journey",
    example={"JourneyID": 456, "StartDate": "2025-01-01", "EndDate": "2025-01-31"},
    answer={
        **SHOWN,
        "TriggerParameters": {"ListID": 123},
        "Status": "Enabled",
        "Notes": "Onboarding journey",
        "Actions": [],
        "JourneyStats": {"ActiveSubscribers": 150, "TotalSubscribers": 500},
    },
)
async def journey_get(
    call: Call, *, journey_id: int, window: Window, with_activity: bool, of_action_id: int | None, domain: str | None
) -> Body:
    """One journey with its actions and numbers, and with what it was created with.

    With `EmailID` or `ISP` the journey's own numbers are about those mails only; people, enrollments and the actions'
    numbers stay whole.

    Source: journeys, "Get a Journey"; rulings 8; JC 8.
    """
    found = await read_journey(call.lane, owner_id=call.owner_id, journey_id=journey_id, window=window)
    mails = await mails_of_journey(
        call.lane, owner_id=call.owner_id, found=found, window=window, of=Slice(of_action_id, domain)
    )
    numbers = journey_stats(found.totals.journey, mails.totals, mails.days, window)
    if with_activity:
        activity = await stats.journey_activity(call.lane, owner_id=call.owner_id, journey_id=journey_id)
        numbers |= activity_counters(activity.get(journey_id), found.days.journey, mails.days)
        numbers["AggregatedDaysEnrolments"] = days_enrolments(found.days.journey, window)
    return {
        **wire.described(found.journey),
        "Actions": wire.action_tree(found.actions, found.totals.actions, found.days.actions, window),
        "JourneyStats": numbers,
        **wire.settings(found.journey),
    }


@command(
    "journey.list",
    routes=[("GET", "/api/v1/journeys")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        *stats_params("StatsStartDate", "StatsEndDate", invalid_start=4, invalid_end=5),
        SKIP_STATS,
        WITH_COUNTERS,
    ],
    check=check_window(6, 4, 5),
    refusals=[
        Refusal(4, "Invalid StatsStartDate format"),
        Refusal(5, "Invalid StatsEndDate format"),
        Refusal(6, "StatsStartDate must be before StatsEndDate"),
    ],
    envelope=Envelope.ERRORS,
    transaction=Transaction.EACH,
    title="List Journeys",
    example={"StatsStartDate": "2025-01-01", "StatsEndDate": "2025-01-31"},
    answer={
        "Journeys": [
            {
                **SHOWN,
                "TriggerParameters": {"ListID": 123},
                "Status": "Enabled",
                "JourneyStats": {
                    "ActiveSubscribers": 150,
                    "TotalSubscribers": 500,
                    "AggregatedEmailActions": {},
                    "AggregatedDaysEmailActions": [],
                    "TotalRevenue": 0,
                    "DaysRevenue": [],
                },
            }
        ]
    },
)
async def journey_list(call: Call, *, window: Window, skips_stats: bool, with_activity: bool) -> Body:
    """All journeys of the account with their numbers, ascending by id, in three statements whatever their number.

    One more with `IncludeActivityCounters`, two fewer with `SkipStats`.

    Source: journeys, "List Journeys"; rulings 8; JC 8.
    """
    journeys = await read_journeys(call.lane, owner_id=call.owner_id)
    if skips_stats:
        return {"Journeys": [wire.listed(journey) for journey in journeys]}
    totals = await stats.journey_totals(call.lane, owner_id=call.owner_id)
    days = await stats.journey_days(call.lane, owner_id=call.owner_id, window=window)
    activity: Mapping[int, stats.Activity] = {}
    if with_activity:
        activity = await stats.journey_activity(call.lane, owner_id=call.owner_id, journey_id=None)
    rows = []
    for place, journey in enumerate(journeys):
        if place % JOURNEYS_IN_A_ROW == JOURNEYS_IN_A_ROW - 1:
            await asyncio.sleep(0)
        counted, of_days = totals.get(journey.journey_id), days.get(journey.journey_id, {})
        numbers = journey_stats(counted, counted, of_days, window)
        if with_activity:
            numbers |= activity_counters(activity.get(journey.journey_id), of_days, of_days)
        rows.append({**wire.listed(journey), "JourneyStats": numbers})
    return {"Journeys": rows}
