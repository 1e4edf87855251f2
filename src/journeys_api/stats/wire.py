"""Wire shapes of the numbers (rulings 8, JC 8.1)."""

from collections.abc import Mapping
from datetime import date
from operator import attrgetter
from typing import Any

import orjson

from journeys_api.commands.wire import day, money
from journeys_api.stats.queries import COUNTERS
from journeys_api.stats.windows import Window

MAIL_KEYS = (
    "SendCount",
    "DeliveryCount",
    "OpenCount",
    "ClickCount",
    "ConversionCount",
    "BrowserViewCount",
    "ForwardCount",
    "UnsubscribeCount",
    "BounceCount",
    "SpamComplaintCount",
    "TotalRevenue",
)
"""The eleven keys, in the order of `COUNTERS`."""


_counters = attrgetter(*COUNTERS)
_NOTHING: dict[str, object] = dict.fromkeys(MAIL_KEYS, 0)
_NOTHING_RENDERED = orjson.Fragment(orjson.dumps(_NOTHING))
"""Rendered once: a month of one journey has thirty of these, a list thousands."""


def mail_counters(counted: Any) -> dict[str, object]:
    """The eleven keys of anything that has the counters; None: all zero."""
    if counted is None:
        return _NOTHING
    values = dict(zip(MAIL_KEYS, _counters(counted), strict=True))
    values["TotalRevenue"] = money(values["TotalRevenue"])
    return values


def journey_stats(totals: Any, days: Mapping[date, Any], window: Window) -> dict[str, object]:
    """`JourneyStats`: all-time totals, and the days of the window (newest first, zero-filled; `[]` without any)."""
    series: dict[str, object] | list[object] = []
    revenue: list[object] = []
    if days:
        every = list(window.days())
        series = {
            day(each): mail_counters(days[each]) if each in days else _NOTHING_RENDERED for each in reversed(every)
        }
        if any(counted.revenue_cents for counted in days.values()):
            revenue = [
                {"Date": day(each), "Amount": money(days[each].revenue_cents if each in days else 0)} for each in every
            ]
    return {
        "ActiveSubscribers": totals.active_count if totals else 0,
        "TotalSubscribers": totals.total_count if totals else 0,
        "AggregatedEmailActions": mail_counters(totals),
        "AggregatedDaysEmailActions": series,
        "TotalRevenue": money(totals.revenue_cents if totals else 0),
        "DaysRevenue": revenue,
    }


def action_stats(action: str, totals: Any) -> dict[str, object]:
    """`Stats` of one action; for SendEmail with what became of its mails."""
    stats: dict[str, object] = {
        "ActiveSubscribers": totals.active_count if totals else 0,
        "TotalSubscribers": totals.total_count if totals else 0,
    }
    if action == "SendEmail":
        stats |= {
            "EmailSent": totals.send_count if totals else 0,
            "EmailOpened": totals.open_count if totals else 0,
            "EmailClicked": totals.click_count if totals else 0,
            "EmailConverted": totals.conversion_count if totals else 0,
            "EmailUnsubscribed": totals.unsubscribe_count if totals else 0,
            "EmailBounced": totals.bounce_count if totals else 0,
            "EmailSpamComplaint": totals.spam_complaint_count if totals else 0,
            "TotalRevenue": money(totals.revenue_cents if totals else 0),
        }
    return stats
