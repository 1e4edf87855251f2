"""When enabled ScheduledPull journeys take people next; who is taken, and that it happens, is the engine's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys.triggers import PullParameters, load
from journeys_api.models import Journey
from journeys_api.trigger_events import wake

_PLAN = text(
    "INSERT INTO scheduled_pulls (journey_id, owner_id, due_at) "
    "SELECT * FROM unnest(CAST(:journeys AS bigint[]), CAST(:owners AS bigint[]), CAST(:dues AS timestamptz[])) "
    # a client that sends the same trigger again and again must not put the pull off for ever
    "ON CONFLICT (journey_id) DO UPDATE SET due_at = least(scheduled_pulls.due_at, excluded.due_at)"
)


async def plan(session: AsyncSession, journeys: Sequence[Journey], *, now: datetime) -> None:
    """Set the next instant of locked, enabled journeys: a period from now, or none where they do not pull.

    One that has an instant already keeps it where it comes first. Windows are judged when it has come.
    """
    schedules = {
        journey.journey_id: parameters
        for journey in journeys
        if isinstance(parameters := load(journey.trigger, journey.trigger_parameters), PullParameters)
    }
    others = [journey.journey_id for journey in journeys if journey.journey_id not in schedules]
    if others:
        await cancel(session, others)
    pulling = [journey for journey in journeys if journey.journey_id in schedules]
    if pulling:
        await session.execute(
            _PLAN,
            {
                "journeys": [journey.journey_id for journey in pulling],
                "owners": [journey.owner_id for journey in pulling],
                "dues": [now + schedules[journey.journey_id].period for journey in pulling],
            },
        )
        await wake(session)


async def cancel(session: AsyncSession, journey_ids: Sequence[int]) -> None:
    """Take no more people into these journeys by schedule."""
    await session.execute(
        text("DELETE FROM scheduled_pulls WHERE journey_id = ANY(CAST(:journeys AS bigint[]))"),
        {"journeys": list(journey_ids)},
    )
