"""SQL of the rollups. Each answers for any number of journeys with one statement."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lanes import Lane, Prepared
from journeys_api.models import ActionDayTotals, ActionTotals, CounterDelta, JourneyDay, JourneyTotals
from journeys_api.stats.windows import Window

COUNTERS = (
    "send_count",
    "delivery_count",
    "open_count",
    "click_count",
    "conversion_count",
    "browser_view_count",
    "forward_count",
    "unsubscribe_count",
    "bounce_count",
    "spam_complaint_count",
    "revenue_cents",
)
"""Columns of `MailCounters`, in the order of their wire names."""
LARGEST = 2**63 - 1
"""Where revenue ends: what is more is told as this. No count comes near it; money may, and no sum shall fail for it."""
CHANGES_PEOPLE = f"(total_count <> 0 OR {' OR '.join(f'{counter} > 0' for counter in COUNTERS[:-1])})"
"""Whether a change of numbers may have changed who reached the action, or what somebody did with its mail; SQL."""

_OF_JOURNEYS = ("active_count", "total_count", *COUNTERS)
_OF_DAYS = ("total_count", *COUNTERS)
_OF_ACTIONS = ("active_count", "total_count", "completed_runs", *COUNTERS)
_OWNER = bindparam("owner_id", type_=BigInteger)
_JOURNEY = bindparam("journey_id", type_=BigInteger)
_DAYS = (bindparam("start_on", type_=Date), bindparam("end_on", type_=Date))


ROWS_IN_A_ROW = 2000
"""How many rows are gone through before other calls have their turn."""


class Counted(NamedTuple):
    """All-time numbers of one action; action 0: of the journey itself."""

    action_id: int
    active_count: int
    total_count: int
    completed_runs: int
    send_count: int
    delivery_count: int
    open_count: int
    click_count: int
    conversion_count: int
    browser_view_count: int
    forward_count: int
    unsubscribe_count: int
    bounce_count: int
    spam_complaint_count: int
    revenue_cents: int


class DayCounted(NamedTuple):
    """One day of a journey, or of the mails of an action."""

    counted_on: date
    total_count: int
    """Enrollments that began on the day; 0 of an action."""
    send_count: int
    delivery_count: int
    open_count: int
    click_count: int
    conversion_count: int
    browser_view_count: int
    forward_count: int
    unsubscribe_count: int
    bounce_count: int
    spam_complaint_count: int
    revenue_cents: int


class Totals(NamedTuple):
    """All-time numbers of one journey and of its actions."""

    journey: Counted | None
    """None when there is nothing yet."""
    actions: dict[int, Counted]


class Days(NamedTuple):
    """Numbers of the days of a window, of one journey and of its actions; days without a row are left out."""

    journey: dict[date, DayCounted]
    actions: dict[int, dict[date, DayCounted]]


def sums(*sources: Any, by: Sequence[str], counters: Sequence[str]) -> Select[Any]:
    """Totals and what is not folded into them yet, added up: the columns of `by`, then the counters."""
    both = union_all(*sources).subquery("both")
    return select(
        *(both.c[name] for name in by),
        *(_sum(both.c[counter]).label(counter) for counter in counters),
    ).group_by(*(both.c[name] for name in by))


def _sum(counter: Any) -> Any:
    total: ColumnElement[Any] = func.sum(counter)
    if counter.name == "revenue_cents":
        total = func.least(total, literal_column(str(LARGEST)))
    # a sum of BIGINT is NUMERIC, which costs ten times as much to read
    return cast(total, BigInteger)


def columns(table: Any, names: Sequence[str]) -> list[Any]:
    """The table's columns of these names."""
    return [getattr(table, name) for name in names]


def totals_of_one(owner_id: Any, journey_id: Any) -> Select[Any]:
    """The numbers of a journey and of each of its actions, in the columns of `Counted`.

    Args:
        owner_id, journey_id: columns or parameters.
    """

    def one(table: Any) -> Any:
        return and_(table.owner_id == owner_id, table.journey_id == journey_id)

    none: list[Any] = [literal_column("0")] * 3
    sources = (
        select(
            literal_column("0").label("action_id"),
            JourneyTotals.active_count,
            JourneyTotals.total_count,
            literal_column("0").label("completed_runs"),
            *columns(JourneyTotals, COUNTERS),
        ).where(one(JourneyTotals)),
        select(ActionTotals.action_id, *columns(ActionTotals, _OF_ACTIONS)).where(one(ActionTotals)),
        select(CounterDelta.action_id, *columns(CounterDelta, _OF_ACTIONS)).where(one(CounterDelta)),
        # a mail counts for its action and for the journey
        select(literal_column("0"), *none, *columns(CounterDelta, COUNTERS)).where(
            one(CounterDelta), CounterDelta.action_id != 0
        ),
    )
    return sums(*sources, by=("action_id",), counters=_OF_ACTIONS)


def totals_of(rows: Iterable[Iterable[Any]]) -> Totals:
    """What `totals_of_one` found."""
    actions = {counted.action_id: counted for counted in map(Counted._make, rows)}
    return Totals(actions.pop(0, None), actions)


# people are counted by the changes of journeys, mails by those of actions
_IS_JOURNEYS = CounterDelta.action_id == literal_column("0")
_ENTRIES = case((_IS_JOURNEYS, CounterDelta.total_count), else_=literal_column("0")).label("total_count")


def within(table: Any) -> Any:
    """Whether a row's day lies between the parameters `start_on` and `end_on`."""
    return table.counted_on.between(*_DAYS)


def days_of_one(owner_id: Any, journey_id: Any) -> Select[Any]:
    """The days of a journey (action 0) and of each of its actions: `action_id`, then the columns of `DayCounted`.

    Reads a row for each day on which an action did something, never the domains or the mails behind it. The window lies
    between the parameters `start_on` and `end_on`.
    """

    def one(table: Any) -> Any:
        return and_(table.owner_id == owner_id, table.journey_id == journey_id, within(table))

    by = ("action_id", "counted_on")
    zero: Any = literal_column("0")
    start_on, end_on = _DAYS
    every_day = select(start_on + func.generate_series(zero, end_on - start_on)).scalar_subquery()
    sources = (
        select(zero.label("action_id"), JourneyDay.counted_on, *columns(JourneyDay, _OF_DAYS)).where(
            JourneyDay.owner_id == owner_id,
            JourneyDay.journey_id == journey_id,
            # days come first in the key: those of one journey are looked up one by one
            JourneyDay.counted_on == any_(func.array(every_day)),
        ),
        select(*columns(ActionDayTotals, by), zero, *columns(ActionDayTotals, COUNTERS)).where(one(ActionDayTotals)),
        select(*columns(CounterDelta, by), _ENTRIES, *columns(CounterDelta, COUNTERS)).where(one(CounterDelta)),
        # a mail counts for its action and for the journey
        select(zero, CounterDelta.counted_on, zero, *columns(CounterDelta, COUNTERS)).where(
            one(CounterDelta), CounterDelta.action_id != zero
        ),
    )
    return sums(*sources, by=by, counters=_OF_DAYS)


def days_found(rows: Iterable[Iterable[Any]]) -> Days:
    """What `days_of_one` found."""
    actions = by_first(rows)
    return Days(actions.pop(0, {}), actions)


def by_first(
    rows: Iterable[Iterable[Any]], into: dict[int, dict[date, DayCounted]] | None = None
) -> dict[int, dict[date, DayCounted]]:
    """Rows of an id and the columns of `DayCounted`, by id and day; rows of one day are added up.

    Args:
        into: what earlier rows have come to.
    """
    days = {} if into is None else into
    for first, *row in rows:
        counted = DayCounted._make(row)
        of_first = days.setdefault(first, {})
        known = of_first.get(counted.counted_on)
        of_first[counted.counted_on] = counted if known is None else added(known, counted)
    return days


def added(one: DayCounted, other: DayCounted) -> DayCounted:
    """Two numbers of one day as one."""
    both = DayCounted(one.counted_on, *(first + second for first, second in zip(one[1:], other[1:], strict=True)))
    return both if both.revenue_cents <= LARGEST else both._replace(revenue_cents=LARGEST)


_TOTALS_OF_JOURNEY = Prepared(totals_of_one(_OWNER, _JOURNEY))
_TOTALS_OF_ACCOUNT = Prepared(
    sums(
        select(JourneyTotals.journey_id, *columns(JourneyTotals, _OF_JOURNEYS)).where(JourneyTotals.owner_id == _OWNER),
        select(
            CounterDelta.journey_id,
            case((_IS_JOURNEYS, CounterDelta.active_count), else_=literal_column("0")).label("active_count"),
            _ENTRIES,
            *columns(CounterDelta, COUNTERS),
        ).where(CounterDelta.owner_id == _OWNER),
        by=("journey_id",),
        counters=_OF_JOURNEYS,
    )
)
# what is folded is one row a journey and day already: only what is not has to be grouped
_DAYS_OF_ACCOUNT = Prepared(
    union_all(
        select(JourneyDay.journey_id, JourneyDay.counted_on, *columns(JourneyDay, _OF_DAYS)).where(
            JourneyDay.owner_id == _OWNER, within(JourneyDay)
        ),
        sums(
            select(CounterDelta.journey_id, CounterDelta.counted_on, _ENTRIES, *columns(CounterDelta, COUNTERS)).where(
                CounterDelta.owner_id == _OWNER, within(CounterDelta)
            ),
            by=("journey_id", "counted_on"),
            counters=_OF_DAYS,
        ),
    )
)
_WINDOW_OF_ACCOUNT = Prepared(
    sums(
        *(
            select(table.journey_id, *columns(table, COUNTERS)).where(table.owner_id == _OWNER, within(table))
            for table in (JourneyDay, CounterDelta)
        ),
        by=("journey_id",),
        counters=COUNTERS,
    )
)


async def totals_of_journey(lane: Lane, *, owner_id: int, journey_id: int) -> Totals:
    """The numbers of a journey and of each of its actions, in one statement."""
    return totals_of(await lane.rows(_TOTALS_OF_JOURNEY, owner_id=owner_id, journey_id=journey_id))


async def journey_totals(lane: Lane, *, owner_id: int) -> dict[int, Counted]:
    """All-time numbers of the account's journeys by id. Journeys without any are left out."""
    rows = await lane.rows(_TOTALS_OF_ACCOUNT, owner_id=owner_id)
    return {journey_id: Counted(0, active, total, 0, *counters) for journey_id, active, total, *counters in rows}


async def journey_days(lane: Lane, *, owner_id: int, window: Window) -> dict[int, dict[date, DayCounted]]:
    """Numbers of the account by journey and day over the window; days without a row are left out.

    Reads a row for each day on which a journey did something, whatever the number of its mails and their domains.
    """
    rows = await lane.rows(_DAYS_OF_ACCOUNT, owner_id=owner_id, start_on=window.start_on, end_on=window.end_on)
    days: dict[int, dict[date, DayCounted]] = {}
    for at in range(0, len(rows), ROWS_IN_A_ROW):
        by_first(rows[at : at + ROWS_IN_A_ROW], days)
        await asyncio.sleep(0)  # ten thousand journeys have 310,000 rows a month: other calls have their turn
    return days


async def journey_windows(lane: Lane, *, owner_id: int, window: Window) -> dict[int, dict[str, int]]:
    """The mail counters of the account's journeys by id, summed over the window; what has none is left out."""
    rows = await lane.rows(_WINDOW_OF_ACCOUNT, owner_id=owner_id, start_on=window.start_on, end_on=window.end_on)
    return {journey_id: dict(zip(COUNTERS, counters, strict=True)) for journey_id, *counters in rows}


class Activity(NamedTuple):
    """When a journey was last busy, and how many different people it had."""

    people_count: int
    last_enrolled_at: datetime | None
    last_active_at: datetime | None


def _activity(*conditions: Callable[[Any], Any]) -> Prepared:
    entered = case((and_(_IS_JOURNEYS, CounterDelta.total_count > literal_column("0")), CounterDelta.happened_at))
    both = union_all(
        select(
            JourneyTotals.journey_id,
            JourneyTotals.people_count,
            JourneyTotals.last_enrolled_at,
            JourneyTotals.last_active_at,
        ).where(*(condition(JourneyTotals) for condition in conditions)),
        select(
            CounterDelta.journey_id,
            CounterDelta.people_count,
            entered.label("last_enrolled_at"),
            CounterDelta.happened_at.label("last_active_at"),
        ).where(*(condition(CounterDelta) for condition in conditions)),
    ).subquery("both")
    return Prepared(
        select(
            both.c.journey_id,
            cast(func.sum(both.c.people_count), BigInteger).label("people_count"),
            func.max(both.c.last_enrolled_at).label("last_enrolled_at"),
            func.max(both.c.last_active_at).label("last_active_at"),
        ).group_by(both.c.journey_id)
    )


_ACTIVITY_OF_ACCOUNT = _activity(lambda table: table.owner_id == _OWNER)
_ACTIVITY_OF_JOURNEY = _activity(lambda table: and_(table.owner_id == _OWNER, table.journey_id == _JOURNEY))


async def journey_activity(lane: Lane, *, owner_id: int, journey_id: int | None) -> dict[int, Activity]:
    """Activity by journey; None of `journey_id`: all of the account."""
    if journey_id is None:
        rows = await lane.rows(_ACTIVITY_OF_ACCOUNT, owner_id=owner_id)
    else:
        rows = await lane.rows(_ACTIVITY_OF_JOURNEY, owner_id=owner_id, journey_id=journey_id)
    return {journey_id: Activity(*counted) for journey_id, *counted in rows}


async def action_windows(
    session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int], window: Window
) -> dict[int, dict[int, Any]]:
    """Sums over the window by journey and action; actions without a row are left out."""
    by = ("journey_id", "action_id")
    wanted = list(journey_ids)
    sources = [
        select(*columns(table, (*by, *COUNTERS))).where(
            table.owner_id == owner_id,
            table.counted_on.between(window.start_on, window.end_on),
            table.action_id != literal_column("0"),
            table.journey_id.in_(wanted),
        )
        for table in (ActionDayTotals, CounterDelta)
    ]
    found: dict[int, dict[int, Any]] = {}
    for row in await session.execute(sums(*sources, by=by, counters=COUNTERS)):
        found.setdefault(row.journey_id, {})[row.action_id] = row
    return found


async def people_totals(
    session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int]
) -> dict[tuple[int, int], Any]:
    """All-time numbers of people by journey and action, action 0 for the journey itself; what has none is left out."""
    wanted = list(journey_ids)
    counters = ("active_count", "total_count", "completed_runs")
    by = ("journey_id", "action_id")
    sources = [
        select(
            JourneyTotals.journey_id,
            literal_column("0").label("action_id"),
            JourneyTotals.active_count,
            JourneyTotals.total_count,
            literal_column("0").label("completed_runs"),
        ).where(JourneyTotals.owner_id == owner_id, JourneyTotals.journey_id.in_(wanted)),
        *(
            select(*columns(table, (*by, *counters))).where(table.owner_id == owner_id, table.journey_id.in_(wanted))
            for table in (ActionTotals, CounterDelta)
        ),
    ]
    rows = await session.execute(sums(*sources, by=by, counters=counters))
    return {(row.journey_id, row.action_id): row for row in rows}


async def has_revenue(session: AsyncSession, *, owner_id: int) -> bool:
    """Whether any revenue of the account was ever counted."""
    counted = (
        exists().where(table.owner_id == owner_id, table.revenue_cents > literal_column("0"))
        for table in (JourneyTotals, CounterDelta)
    )
    return bool(await session.scalar(select(or_(*counted))))
