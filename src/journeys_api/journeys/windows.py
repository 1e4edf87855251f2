"""When a wait is over: plain arithmetic of instants, windows of the week, and time zones."""

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from journeys_api.journeys.action_types import DAYS, WaitParameters

UNITS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
}
DEFAULT_NOT_BEFORE = "09:00"
DEFAULT_NOT_AFTER = "19:00"
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""When that is over which never is. Beyond it calendars and time zones end, and the database would keep `infinity`."""


def wait_ends(entered_at: datetime, parameters: WaitParameters, *, time_zone: str) -> datetime:
    """When someone who reached a Wait at `entered_at` goes on (JC 3.2).

    First the amount, counted from the arrival; a unit or amount not chosen yet waits for nothing. Then, with the
    constraint on, to the next instant inside the window. At the latest it is over at `NEVER`.
    """
    unit = UNITS.get(parameters.unit or "", timedelta())
    try:
        over = entered_at + unit * int(parameters.amount or 0)
        return min(inside_window(over, parameters, time_zone=time_zone), NEVER)
    except OverflowError:
        return NEVER


def inside_window(instant: datetime, parameters: WaitParameters, *, time_zone: str) -> datetime:
    """The earliest instant from `instant` on at which a Wait lets people go on, their amount apart."""
    if parameters.has_window is not True:
        return instant
    return next_inside(
        instant,
        not_before=parameters.not_before or DEFAULT_NOT_BEFORE,
        not_after=parameters.not_after or DEFAULT_NOT_AFTER,
        days=parameters.allowed_days or DAYS,
        time_zone=time_zone,
    )


def next_inside(
    instant: datetime, *, not_before: str, not_after: str, days: Collection[str], time_zone: str
) -> datetime:
    """The earliest instant from `instant` on that lies inside the window; both bounds belong to it, minutes whole.

    A window that ends before it begins goes over midnight; an allowed day then has its first hours and its last ones.
    A bound that the clocks skip in spring is the instant they jump to; one that comes twice in autumn is the first.
    """
    if _clock(not_after) < _clock(not_before):
        return min(
            next_inside(instant, not_before=start, not_after=end, days=days, time_zone=time_zone)
            for start, end in (("00:00", not_after), (not_before, "23:59"))
        )
    zone = zone_of(time_zone)
    start, end = _clock(not_before), _clock(not_after)
    local = instant.astimezone(zone)
    for offset in range(8):
        day = (local + timedelta(days=offset)).date()
        if DAYS[day.weekday()] not in days:
            continue
        opens = datetime.combine(day, start, zone).astimezone(UTC)
        # 19:00 still belongs to it, up to the end of that minute
        closes = datetime.combine(day, end, zone).astimezone(UTC) + timedelta(minutes=1)
        if instant < opens:
            return opens
        if instant < closes:
            return instant
    return instant


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _clock(text: str) -> time:
    hours, _, minutes = text.partition(":")
    return time(int(hours), int(minutes))
