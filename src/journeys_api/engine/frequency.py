"""The frequency cap of ScheduledPull: how often one subscriber may be let in (JC 4.16)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys.triggers import PullParameters, load
from journeys_api.models import Journey

TOO_OFTEN = "the frequency cap is reached"
"""The reason that the history gives."""


async def too_often(
    session: AsyncSession, wanted: Sequence[tuple[Journey, Sequence[int]]], *, now: datetime
) -> set[tuple[int, int]]:
    """(journey, subscriber) of those whom the journey's cap keeps out now: entries count, whatever let them in."""
    capped = []
    for journey, people in wanted:
        parameters = load(journey.trigger, journey.trigger_parameters) if people else None
        if isinstance(parameters, PullParameters) and parameters.frequency_cap is not None:
            count, span = parameters.frequency_cap
            capped += [(journey.owner_id, journey.journey_id, each, now - span, count) for each in people]
    if not capped:
        return set()
    owners, journeys, subscribers, since, counts = map(list, zip(*capped, strict=True))
    rows = await session.execute(
        text(
            "SELECT w.journey_id, w.subscriber_id FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), "
            "CAST(:people AS bigint[]), CAST(:since AS timestamptz[]), CAST(:counts AS bigint[])) "
            "AS w(owner_id, journey_id, subscriber_id, since, count), LATERAL ("
            "  SELECT count(*) AS entries FROM enrollments e WHERE e.owner_id = w.owner_id"
            "  AND e.subscriber_id = w.subscriber_id AND e.journey_id = w.journey_id AND e.created_at > w.since"
            ") AS e WHERE e.entries >= w.count"
        ),
        {"owners": owners, "journeys": journeys, "people": subscribers, "since": since, "counts": counts},
    )
    return {(journey_id, subscriber_id) for journey_id, subscriber_id in rows.all()}
