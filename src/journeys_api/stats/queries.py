"""SQL of the rollups. Each answers for any number of journeys with one statement."""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import Label

from journeys_api.models import ActionDay, ActionTotals, JourneyTotals
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


async def journey_totals(
    session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int] | None
) -> dict[int, JourneyTotals]:
    """All-time numbers by journey; None of `journey_ids`: all of the account. Journeys without a row are left out."""
    statement = select(JourneyTotals).where(JourneyTotals.owner_id == owner_id)
    if journey_ids is not None:
        statement = statement.where(JourneyTotals.journey_id.in_(list(journey_ids)))
    return {row.journey_id: row for row in await session.scalars(statement)}


class Totals(NamedTuple):
    """All-time numbers of one journey and of its actions; rows with the columns of their tables."""

    journey: Any
    """None when there is nothing yet."""
    actions: dict[int, Any]


async def totals_of_journey(session: AsyncSession, *, owner_id: int, journey_id: int) -> Totals:
    """The numbers of a journey and of each of its actions, in one statement."""
    of_journey = select(
        literal(0).label("action_id"),
        JourneyTotals.active_count,
        JourneyTotals.total_count,
        literal(0).label("completed_runs"),
        *(getattr(JourneyTotals, counter) for counter in COUNTERS),
    ).where(JourneyTotals.owner_id == owner_id, JourneyTotals.journey_id == journey_id)
    of_actions = select(
        ActionTotals.action_id,
        ActionTotals.active_count,
        ActionTotals.total_count,
        ActionTotals.completed_runs,
        *(getattr(ActionTotals, counter) for counter in COUNTERS),
    ).where(ActionTotals.owner_id == owner_id, ActionTotals.journey_id == journey_id)
    rows: dict[int, Any] = {row.action_id: row for row in await session.execute(union_all(of_journey, of_actions))}
    return Totals(rows.pop(0, None), rows)


async def journey_days(
    session: AsyncSession, *, owner_id: int, journey_ids: Iterable[int] | None, window: Window
) -> dict[int, dict[date, Any]]:
    """Sums by journey and day over the window; days without a row are left out.

    Reads as many rows as the journeys have (day, action, domain) triples in the window, never the events behind them.
    """
    sums: list[Label[int]] = [func.sum(getattr(ActionDay, counter)).label(counter) for counter in COUNTERS]
    statement = (
        select(ActionDay.journey_id, ActionDay.counted_on, *sums)
        .where(
            ActionDay.owner_id == owner_id,
            ActionDay.counted_on.between(window.start_on, window.end_on),
        )
        .group_by(ActionDay.journey_id, ActionDay.counted_on)
    )
    if journey_ids is not None:
        statement = statement.where(ActionDay.journey_id.in_(list(journey_ids)))
    days: dict[int, dict[date, Any]] = {}
    for row in await session.execute(statement):
        days.setdefault(row.journey_id, {})[row.counted_on] = row
    return days
