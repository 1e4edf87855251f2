"""The commands that answer nothing but numbers, and the emails that these are about (JC 1.14–1.17)."""

import html

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import boolean, number
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Refusal,
    command,
    missing,
    not_found,
)
from journeys_api.commands.wire import day
from journeys_api.journeys import errors, sending
from journeys_api.journeys.parameters import (
    EMAIL_ID,
    INVALID_EMAIL_ID,
    INVALID_ISP,
    ISP,
    PERMISSION,
    check_window,
    stats_params,
)
from journeys_api.stats.benchmarks import benchmark
from journeys_api.stats.slices import Slice, action_days, domains
from journeys_api.stats.windows import Window
from journeys_api.stats.wire import benchmark_rates, brief_stats, daily_stats, domain_stats

_JOURNEY_ID = Param(
    "JourneyID", "journey_id", number(1), missing=1, invalid=2, refers_to="journey", doc="ID of the journey"
)
_DAYS = stats_params("StartDate", "EndDate", invalid_start=4, invalid_end=5)
_CODES = (
    missing(1, "JourneyID"),
    Refusal(2, "Invalid JourneyID parameter (must be a positive integer)"),
    not_found(3, "Journey not found"),
    Refusal(4, "Invalid StartDate format"),
    Refusal(5, "Invalid EndDate format"),
    Refusal(6, "StartDate must be before EndDate"),
    INVALID_EMAIL_ID,
)
_ERRORS = {errors.JourneyNotFound: 3, errors.ActionNotFound: 7}


@command(
    "journey.stats.byisp",
    routes=[("GET", "/api/v1/journey.stats.byisp")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_JOURNEY_ID, *_DAYS, EMAIL_ID],
    check=check_window(6, 4, 5),
    refusals=_CODES,
    errors=_ERRORS,
    envelope=Envelope.ERRORS,
    title="Get Journey Statistics by ISP",
    source="JC 1.15",
    example={"JourneyID": 456, "StartDate": "2025-01-01", "EndDate": "2025-01-31"},
    answer={
        "Success": True,
        "ByISP": [
            {
                "Domain": "gmail.com",
                "Sent": 120,
                "Delivered": 120,
                "Opened": 60,
                "Clicked": 12,
                "Bounced": 1,
                "Unsubscribed": 2,
                "Complained": 0,
            }
        ],
    },
)
async def journey_stats_byisp(call: Call, *, journey_id: int, window: Window, of_action_id: int | None) -> Body:
    """What became of a journey's mails, by the recipients' domain; the most sent to first.

    Source: JC 1.15.
    """
    await sending.check_slice(call.session, owner_id=call.owner_id, journey_id=journey_id, action_id=of_action_id)
    rows = await domains(
        call.lane, owner_id=call.owner_id, journey_id=journey_id, window=window, of=Slice(of_action_id)
    )
    return {"Success": True, "ByISP": [domain_stats(row) for row in rows]}


@command(
    "journey.stats.byaction",
    routes=[("GET", "/api/v1/journey.stats.byaction")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[_JOURNEY_ID, *_DAYS, EMAIL_ID, ISP],
    check=check_window(6, 4, 5),
    refusals=(*_CODES, INVALID_ISP),
    errors=_ERRORS,
    envelope=Envelope.ERRORS,
    title="Get Journey Statistics by Action",
    source="JC 1.16",
    example={"JourneyID": 456, "StartDate": "2025-01-01", "EndDate": "2025-01-31"},
    answer={
        "Success": True,
        "Actions": [
            {
                "ActionID": 789,
                "Action": "SendEmail",
                "EmailID": 123,
                "EmailName": "Welcome",
                "OrderNo": 1,
                "Stats": {"SendCount": 120, "OpenCount": 60, "ClickCount": 12},
                "DailyStats": [],
            }
        ],
    },
)
async def journey_stats_byaction(
    call: Call, *, journey_id: int, window: Window, of_action_id: int | None, domain: str | None
) -> Body:
    """What became of the mails of each of a journey's SendEmail actions over the window, in `OrderNo` order.

    Source: JC 1.16.
    """
    await sending.check_slice(call.session, owner_id=call.owner_id, journey_id=journey_id, action_id=of_action_id)
    actions = await sending.sending_actions(call.session, owner_id=call.owner_id, journey_id=journey_id)
    days = await action_days(
        call.lane, owner_id=call.owner_id, journey_id=journey_id, window=window, of=Slice(of_action_id, domain)
    )
    return {
        "Success": True,
        "Actions": [
            {
                "ActionID": each.action_id,
                "Action": sending.SENDS,
                "EmailID": each.email_id,
                "EmailName": html.unescape(each.email_name),
                "OrderNo": each.order_no,
                "Stats": brief_stats(days.get(each.action_id, {})),
                "DailyStats": daily_stats(days.get(each.action_id, {}), window),
            }
            for each in actions
            if of_action_id in (None, each.action_id)
        ],
    }


@command(
    "account.journey.benchmark",
    routes=[("GET", "/api/v1/account.journey.benchmark")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=stats_params("StartDate", "EndDate", invalid_start=1, invalid_end=2),
    check=check_window(3, 1, 2),
    refusals=[
        Refusal(1, "Invalid StartDate format"),
        Refusal(2, "Invalid EndDate format"),
        Refusal(3, "StartDate must not be after EndDate"),
    ],
    envelope=Envelope.ERRORS,
    title="Get the Account's Journey Benchmark",
    source="JC 1.17",
    example={"StartDate": "2025-01-01", "EndDate": "2025-01-31"},
    answer={
        "Success": True,
        "StartDate": "2025-01-01",
        "EndDate": "2025-01-31",
        "Benchmark": {"OpenRate": 0.5, "ClickRate": 0.1, "JourneyCount": 3, "TotalSent": 1200},
    },
)
async def account_journey_benchmark(call: Call, *, window: Window) -> Body:
    """Rates of all journeys of the account that sent something in the window, weighted by what they sent.

    Source: JC 1.17, 8.3.
    """
    rates = await benchmark(call.lane, owner_id=call.owner_id, window=window)
    return {
        "Success": True,
        "StartDate": day(window.start_on),
        "EndDate": day(window.end_on),
        "Benchmark": benchmark_rates(rates),
    }


@command(
    "journey.sendemailactions",
    routes=[("GET", "/api/v1/journey.sendemailactions")],
    permission=PERMISSION,
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("JourneyID", "journey_id", number(1), invalid=1, refers_to="journey", doc="ID of one journey only"),
        Param("IncludeDisabled", "with_disabled", boolean, default=False, doc="Whether disabled journeys count"),
        Param("IncludeUnpublished", "with_unpublished", boolean, default=False,
              doc="Whether unpublished actions count"),
    ],
    refusals=[Refusal(1, "Invalid JourneyID parameter")],
    envelope=Envelope.ERRORS,
    title="List Journey Emails",
    source="JC 1.14",
    example={"IncludeDisabled": True},
    answer={
        "Success": True,
        "Actions": [
            {
                "ActionID": 789,
                "JourneyID": 456,
                "JourneyName": "Welcome Series",
                "EmailName": "Welcome",
                "Subject": "Hello",
                "OrderNo": 1,
                "Published": True,
            }
        ],
    },
)  # fmt: skip
async def journey_sendemailactions(
    call: Call, *, journey_id: int | None, with_disabled: bool, with_unpublished: bool
) -> Body:
    """The SendEmail actions of the account's journeys, or of one; a journey that is not the caller's has none.

    Source: JC 1.14.
    """
    actions = await sending.sending_actions(
        call.session,
        owner_id=call.owner_id,
        journey_id=journey_id,
        only_enabled=not with_disabled,
        only_published=not with_unpublished,
    )
    return {
        "Success": True,
        "Actions": [
            {
                "ActionID": each.action_id,
                "JourneyID": each.journey_id,
                "JourneyName": html.unescape(each.journey_name),
                "EmailName": html.unescape(each.email_name),
                "Subject": html.unescape(each.subject),
                "OrderNo": each.order_no,
                "Published": each.is_published,
            }
            for each in actions
        ],
    }
