"""SQL of the rollups. Each answers for any number of journeys with one statement."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Date, Select, and_, bindparam, case, cast, func, literal_column, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lanes import Lane, Prepared
from journeys_api.models import ActionDay, ActionTotals, CounterDelta, JourneyTotals
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


_OF_JOURNEYS = ("active_count", "total_count", *COUNTERS)
_OF_ACTIONS = ("active_count", "total_count", "completed_runs", *COUNTERS)
_OWNER = bindparam("owner_id", type_=BigInteger)
_JOURNEY = bindparam("journey_id", type_=BigInteger)
_DAYS = (bindparam("start_on", type_=Date), bindparam("end_on", type_=Date))


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
    """The mails of a journey on one day."""

    counted_on: date
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


def _sums(*sources: Any, by: Sequence[str], counters: Sequence[str]) -> Select[Any]:
    """Totals and what is not folded into them yet, added up."""
    both = union_all(*sources).subquery("both")
    # a sum of BIGINT is NUMERIC, which costs ten times as much to read; no count comes near the end of BIGINT
    return select(
        *(both.c[name] for name in by),
        *(cast(func.sum(both.c[counter]), BigInteger).label(counter) for counter in counters),
    ).group_by(*(both.c[name] for name in by))


def _columns(table: Any, names: Sequence[str]) -> list[Any]:
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
            *_columns(JourneyTotals, COUNTERS),
        ).where(one(JourneyTotals)),
        select(ActionTotals.action_id, *_columns(ActionTotals, _OF_ACTIONS)).where(one(ActionTotals)),
        select(CounterDelta.action_id, *_columns(CounterDelta, _OF_ACTIONS)).where(one(CounterDelta)),
        # a mail counts for its action and for the journey
        select(literal_column("0"), *none, *_columns(CounterDelta, COUNTERS)).where(
            one(CounterDelta), CounterDelta.action_id != 0
        ),
    )
    return _sums(*sources, by=("action_id",), counters=_OF_ACTIONS)


def totals_of(rows: Iterable[Iterable[Any]]) -> Totals:
    """What `totals_of_one` found."""
    actions = {counted.action_id: counted for counted in map(Counted._make, rows)}
    return Totals(actions.pop(0, None), actions)


def days_of(by: Sequence[str], *conditions: Callable[[Any], Any]) -> Select[Any]:
    """Sums over the window between the parameters `start_on` and `end_on`; days without a row are left out.

    Reads as many rows as the journeys have (day, action, domain) triples in the window, never the events behind them.
    """
    return _sums(
        *(
            select(*_columns(table, (*by, *COUNTERS))).where(
                table.counted_on.between(*_DAYS), *(condition(table) for condition in conditions)
            )
            for table in (ActionDay, CounterDelta)
        ),
        by=by,
        counters=COUNTERS,
    )


def days_of_one(owner_id: Any, journey_id: Any) -> Select[Any]:
    """A journey's days, in the columns of `DayCounted`."""
    return days_of(
        ("counted_on",), lambda table: table.owner_id == owner_id, lambda table: table.journey_id == journey_id
    )


def days_found(rows: Iterable[Iterable[Any]]) -> dict[date, DayCounted]:
    """What `days_of_one` found."""
    return {counted.counted_on: counted for counted in map(DayCounted._make, rows)}


_TOTALS_OF_JOURNEY = Prepared(totals_of_one(_OWNER, _JOURNEY))
# people are counted by the changes of journeys, mails by those of actions
_IS_JOURNEYS = CounterDelta.action_id == literal_column("0")
_TOTALS_OF_ACCOUNT = Prepared(
    _sums(
        select(JourneyTotals.journey_id, *_columns(JourneyTotals, _OF_JOURNEYS)).where(
            JourneyTotals.owner_id == _OWNER
        ),
        select(
            CounterDelta.journey_id,
            case((_IS_JOURNEYS, CounterDelta.active_count), else_=literal_column("0")).label("active_count"),
            case((_IS_JOURNEYS, CounterDelta.total_count), else_=literal_column("0")).label("total_count"),
            *_columns(CounterDelta, COUNTERS),
        ).where(CounterDelta.owner_id == _OWNER),
        by=("journey_id",),
        counters=_OF_JOURNEYS,
    )
)
_DAYS_OF_ACCOUNT = Prepared(days_of(("journey_id", "counted_on"), lambda table: table.owner_id == _OWNER))


async def totals_of_journey(lane: Lane, *, owner_id: int, journey_id: int) -> Totals:
    """The numbers of a journey and of each of its actions, in one statement."""
    return totals_of(await lane.rows(_TOTALS_OF_JOURNEY, owner_id=owner_id, journey_id=journey_id))


async def journey_totals(lane: Lane, *, owner_id: int) -> dict[int, Counted]:
    """All-time numbers of the account's journeys by id. Journeys without any are left out."""
    rows = await lane.rows(_TOTALS_OF_ACCOUNT, owner_id=owner_id)
    return {journey_id: Counted(0, active, total, 0, *counters) for journey_id, active, total, *counters in rows}


async def journey_days(lane: Lane, *, owner_id: int, window: Window) -> dict[int, dict[date, DayCounted]]:
    """Sums of the account by journey and day over the window; days without a row are left out."""
    days: dict[int, dict[date, DayCounted]] = {}
    rows = await lane.rows(_DAYS_OF_ACCOUNT, owner_id=owner_id, start_on=window.start_on, end_on=window.end_on)
    for journey_id, *counted in rows:
        days.setdefault(journey_id, {})[counted[0]] = DayCounted._make(counted)
    return days


async def action_windows(
    session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int], window: Window
) -> dict[int, dict[int, Any]]:
    """Sums over the window by journey and action; actions without a row are left out."""
    by = ("journey_id", "action_id")
    wanted = list(journey_ids)
    sources = [
        select(*_columns(table, (*by, *COUNTERS))).where(
            table.owner_id == owner_id,
            table.counted_on.between(window.start_on, window.end_on),
            table.journey_id.in_(wanted),
        )
        for table in (ActionDay, CounterDelta)
    ]
    sums: dict[int, dict[int, Any]] = {}
    for row in await session.execute(_sums(*sources, by=by, counters=COUNTERS)):
        sums.setdefault(row.journey_id, {})[row.action_id] = row
    return sums


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
            select(*_columns(table, (*by, *counters))).where(table.owner_id == owner_id, table.journey_id.in_(wanted))
            for table in (ActionTotals, CounterDelta)
        ),
    ]
    rows = await session.execute(_sums(*sources, by=by, counters=counters))
    return {(row.journey_id, row.action_id): row for row in rows}
