"""Wire shapes of the numbers (rulings 8, JC 8.1)."""

from collections.abc import Mapping
from datetime import date
from operator import attrgetter
from typing import Any

from journeys_api.commands.wire import day, instant, money
from journeys_api.stats.benchmarks import Benchmark
from journeys_api.stats.queries import COUNTERS, LARGEST, Activity
from journeys_api.stats.series import Series
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
SHORT_KEYS = ("SendCount", "OpenCount", "ClickCount", "TotalRevenue")
"""Of a day of an action (JC 1.16)."""
BRIEF_KEYS = (
    "SendCount",
    "DeliveryCount",
    "OpenCount",
    "ClickCount",
    "BounceCount",
    "UnsubscribeCount",
    "SpamComplaintCount",
    "TotalRevenue",
)
"""Of an action in `journey.stats.byaction` (JC 1.16)."""

_counters = attrgetter(*COUNTERS)
_NOTHING: dict[str, object] = dict.fromkeys(MAIL_KEYS, 0)
_COUNTER_OF = dict(zip(MAIL_KEYS, COUNTERS, strict=True))
_MAILS = Series(dict(zip(COUNTERS, MAIL_KEYS, strict=True)), is_by_day=True)
_SHORT = Series({_COUNTER_OF[key]: key for key in SHORT_KEYS}, is_by_day=False)
_REVENUE = Series({"revenue_cents": "Amount"}, is_by_day=False)


def mail_counters(counted: Any) -> dict[str, object]:
    """The eleven keys of anything that has the counters; None: all zero."""
    if counted is None:
        return _NOTHING
    values = dict(zip(MAIL_KEYS, _counters(counted), strict=True))
    values["TotalRevenue"] = money(values["TotalRevenue"])
    return values


def journey_stats(people: Any, mails: Any, days: Mapping[date, Any], window: Window) -> dict[str, object]:
    """`JourneyStats`: all-time totals, and the days of the window (newest first, zero-filled; `[]` without any).

    Args:
        people: row with the counters of people; None: nobody.
        mails: row with the counters of mails, of the journey or of the slice asked for; None: none.
        days: rows of the same mails by day.
    """
    is_busy = any(any(_counters(counted)) for counted in days.values())
    return {
        "ActiveSubscribers": people.active_count if people else 0,
        "TotalSubscribers": people.total_count if people else 0,
        "AggregatedEmailActions": mail_counters(mails),
        "AggregatedDaysEmailActions": _MAILS.render(days, window) if is_busy else [],
        "TotalRevenue": money(mails.revenue_cents if mails else 0),
        "DaysRevenue": days_revenue(days, window),
    }


def days_revenue(days: Mapping[date, Any], window: Window) -> object:
    """`[{Date, Amount}]`, ascending, zero-filled; `[]` without any."""
    return _REVENUE.render(days, window) if any(counted.revenue_cents for counted in days.values()) else []


def activity_counters(
    activity: Activity | None, days: Mapping[date, Any], mails: Mapping[date, Any]
) -> dict[str, object]:
    """What `IncludeActivityCounters` adds to `JourneyStats` (JC 8.1).

    Args:
        days: the journey's days, for its enrollments.
        mails: the days of the mails asked for.
    """
    return {
        "LastTriggeredAt": instant(activity.last_enrolled_at if activity else None, absent=None),
        "LastActivityAt": instant(activity.last_active_at if activity else None, absent=None),
        "TotalEnrolledLifetime": activity.people_count if activity else 0,
        "TotalEnrolledInRange": sum(counted.total_count for counted in days.values()),
        "WindowedEmailActions": windowed(mails),
    }


def windowed(days: Mapping[date, Any]) -> dict[str, object]:
    """The eleven keys, summed over the days."""
    sums = {counter: sum(getattr(counted, counter) for counted in days.values()) for counter in COUNTERS}
    revenue = min(sums["revenue_cents"], LARGEST)
    return {**dict(zip(MAIL_KEYS, sums.values(), strict=True)), "TotalRevenue": money(revenue)}


def days_enrolments(days: Mapping[date, Any], window: Window) -> dict[str, object] | list[object]:
    """`AggregatedDaysEnrolments`: newest first, zero-filled; `[]` without any."""
    if not any(counted.total_count for counted in days.values()):
        return []
    return {
        day(each): {"EnrolmentCount": days[each].total_count if each in days else 0}
        for each in reversed(list(window.days()))
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


def action_series(totals: Any, days: Mapping[date, Any], window: Window) -> dict[str, object]:
    """What `journey.get` tells of a SendEmail action beside its `Stats` (JC 8.2); `Revenue` is all-time."""
    return {
        "DailyStats": daily_stats(days, window),
        "Revenue": money(totals.revenue_cents if totals else 0),
        "DaysRevenue": days_revenue(days, window),
    }


def daily_stats(days: Mapping[date, Any], window: Window) -> object:
    """`DailyStats` of an action: ascending, zero-filled; `[]` without any (JC 1.16)."""
    return _SHORT.render(days, window) if days else []


def brief_stats(days: Mapping[date, Any]) -> dict[str, object]:
    """`Stats` of an action in `journey.stats.byaction`: of the window."""
    every = windowed(days)
    return {key: every[key] for key in BRIEF_KEYS}


def benchmark_rates(rates: Benchmark) -> dict[str, object]:
    """`Benchmark` of `account.journey.benchmark` (JC 1.17)."""
    return {
        "OpenRate": rates.open_rate,
        "ClickRate": rates.click_rate,
        "ClickToOpenRate": rates.click_to_open_rate,
        "BounceRate": rates.bounce_rate,
        "UnsubscribeRate": rates.unsubscribe_rate,
        "ComplaintRate": rates.complaint_rate,
        "RevenuePerSubscriber": rates.revenue,
        "JourneyCount": rates.journey_count,
        "TotalSent": rates.total_sent,
    }


def domain_stats(row: Any) -> dict[str, object]:
    """One row of `journey.stats.byisp` (JC 1.15)."""
    return {
        "Domain": row.domain,
        "Sent": row.send_count,
        "Delivered": row.delivery_count,
        "Opened": row.open_count,
        "Clicked": row.click_count,
        "Bounced": row.bounce_count,
        "Unsubscribed": row.unsubscribe_count,
        "Complained": row.spam_complaint_count,
    }
