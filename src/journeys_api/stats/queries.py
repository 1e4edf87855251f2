"""SQL of the rollups. Each answers for any number of journeys with one statement."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

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


def _sums(*sources: Any, by: Sequence[str], counters: Sequence[str]) -> Select[Any]:
    """Totals and what is not folded into them yet, added up."""
    both = union_all(*sources).subquery("both")
    return select(
        *(both.c[name] for name in by), *(func.sum(both.c[counter]).label(counter) for counter in counters)
    ).group_by(*(both.c[name] for name in by))


def _columns(table: Any, names: Sequence[str]) -> list[Any]:
    return [getattr(table, name) for name in names]


_OF_JOURNEYS = ("active_count", "total_count", *COUNTERS)
_OF_ACTIONS = ("active_count", "total_count", "completed_runs", *COUNTERS)


async def journey_totals(session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int] | None) -> dict[int, Any]:
    """All-time numbers by journey; None of `journey_ids`: all of the account. Journeys without any are left out."""
    totals = select(JourneyTotals.journey_id, *_columns(JourneyTotals, _OF_JOURNEYS)).where(
        JourneyTotals.owner_id == owner_id
    )
    # people are counted by the changes of journeys, mails by those of actions
    is_journeys = CounterDelta.action_id == 0
    deltas = select(
        CounterDelta.journey_id,
        case((is_journeys, CounterDelta.active_count), else_=0).label("active_count"),
        case((is_journeys, CounterDelta.total_count), else_=0).label("total_count"),
        *_columns(CounterDelta, COUNTERS),
    ).where(CounterDelta.owner_id == owner_id)
    if journey_ids is not None:
        wanted = list(journey_ids)
        totals = totals.where(JourneyTotals.journey_id.in_(wanted))
        deltas = deltas.where(CounterDelta.journey_id.in_(wanted))
    rows = await session.execute(_sums(totals, deltas, by=("journey_id",), counters=_OF_JOURNEYS))
    return {row.journey_id: row for row in rows}


class Totals(NamedTuple):
    """All-time numbers of one journey and of its actions; rows with the columns of their tables."""

    journey: Any
    """None when there is nothing yet."""
    actions: dict[int, Any]


async def totals_of_journey(session: AsyncSession, *, owner_id: int, journey_id: int) -> Totals:
    """The numbers of a journey and of each of its actions, in one statement."""

    def one(table: Any) -> Any:
        return and_(table.owner_id == owner_id, table.journey_id == journey_id)

    sources = (
        select(
            literal(0).label("action_id"),
            JourneyTotals.active_count,
            JourneyTotals.total_count,
            literal(0).label("completed_runs"),
            *_columns(JourneyTotals, COUNTERS),
        ).where(one(JourneyTotals)),
        select(ActionTotals.action_id, *_columns(ActionTotals, _OF_ACTIONS)).where(one(ActionTotals)),
        select(CounterDelta.action_id, *_columns(CounterDelta, _OF_ACTIONS)).where(one(CounterDelta)),
        # a mail counts for its action and for the journey
        select(literal(0), literal(0), literal(0), literal(0), *_columns(CounterDelta, COUNTERS)).where(
            one(CounterDelta), CounterDelta.action_id != 0
        ),
    )
    rows: dict[int, Any] = {
        row.action_id: row for row in await session.execute(_sums(*sources, by=("action_id",), counters=_OF_ACTIONS))
    }
    return Totals(rows.pop(0, None), rows)


async def journey_days(
    session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int] | None, window: Window
) -> dict[int, dict[date, Any]]:
    """Sums by journey and day over the window; days without a row are left out.

    Reads as many rows as the journeys have (day, action, domain) triples in the window, never the events behind them.
    """
    by = ("journey_id", "counted_on")
    sources = []
    for table in (ActionDay, CounterDelta):
        source = select(*_columns(table, (*by, *COUNTERS))).where(
            table.owner_id == owner_id, table.counted_on.between(window.start_on, window.end_on)
        )
        if journey_ids is not None:
            source = source.where(table.journey_id.in_(list(journey_ids)))
        sources.append(source)
    days: dict[int, dict[date, Any]] = {}
    for row in await session.execute(_sums(*sources, by=by, counters=COUNTERS)):
        days.setdefault(row.journey_id, {})[row.counted_on] = row
    return days
