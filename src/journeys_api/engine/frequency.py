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
    session: AsyncSession, journey: Journey, subscriber_ids: Sequence[int], *, now: datetime
) -> set[int]:
    """Those of the subscribers whom the cap keeps out now. Their entries count, whatever let them in."""
    parameters = load(journey.trigger, journey.trigger_parameters)
    if not subscriber_ids or not isinstance(parameters, PullParameters) or parameters.frequency_cap is None:
        return set()
    count, span = parameters.frequency_cap
    rows = await session.execute(
        text(
            "SELECT subscriber_id FROM enrollments WHERE owner_id = :owner AND journey_id = :journey "
            "AND subscriber_id = ANY(CAST(:people AS bigint[])) AND created_at > :since "
            "GROUP BY subscriber_id HAVING count(*) >= :count"
        ),
        {
            "owner": journey.owner_id,
            "journey": journey.journey_id,
            "people": list(subscriber_ids),
            "since": now - span,
            "count": count,
        },
    )
    return set(rows.scalars())
