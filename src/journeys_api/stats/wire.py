"""Wire shapes of the numbers (rulings 8, JC 8.1)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

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


def mail_counters(counted: Any) -> dict[str, object]:
    """The eleven keys of anything that has the counters; None: all zero."""
    values = [int(getattr(counted, counter)) if counted is not None else 0 for counter in COUNTERS]
    return {**dict(zip(MAIL_KEYS, values, strict=True)), "TotalRevenue": money(values[-1])}


def journey_stats(totals: Any, days: Mapping[date, Any], window: Window) -> dict[str, object]:
    """`JourneyStats`: all-time totals, and the days of the window (newest first, zero-filled; `[]` without any)."""
    series: dict[str, object] | list[object] = []
    revenue: list[object] = []
    if days:
        every = list(window.days())
        series = {day(each): mail_counters(days.get(each)) for each in reversed(every)}
        if any(counted.revenue_cents for counted in days.values()):
            revenue = [
                {"Date": day(each), "Amount": money(int(days[each].revenue_cents) if each in days else 0)}
                for each in every
            ]
    return {
        "ActiveSubscribers": int(totals.active_count) if totals else 0,
        "TotalSubscribers": int(totals.total_count) if totals else 0,
        "AggregatedEmailActions": mail_counters(totals),
        "AggregatedDaysEmailActions": series,
        "TotalRevenue": money(int(totals.revenue_cents) if totals else 0),
        "DaysRevenue": revenue,
    }


def action_stats(action: str, totals: Any) -> dict[str, object]:
    """`Stats` of one action; for SendEmail with what became of its mails."""
    stats: dict[str, object] = {
        "ActiveSubscribers": int(totals.active_count) if totals else 0,
        "TotalSubscribers": int(totals.total_count) if totals else 0,
    }
    if action == "SendEmail":
        stats |= {
            "EmailSent": int(totals.send_count) if totals else 0,
            "EmailOpened": int(totals.open_count) if totals else 0,
            "EmailClicked": int(totals.click_count) if totals else 0,
            "EmailConverted": int(totals.conversion_count) if totals else 0,
            "EmailUnsubscribed": int(totals.unsubscribe_count) if totals else 0,
            "EmailBounced": int(totals.bounce_count) if totals else 0,
            "EmailSpamComplaint": int(totals.spam_complaint_count) if totals else 0,
            "TotalRevenue": money(int(totals.revenue_cents) if totals else 0),
        }
    return stats
