"""Ending the passes of people who were deleted many at once, in chunks."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys import leaving

CHUNK = 5000

# journey after journey of the account, in the index that keeps people from being active twice
_PEOPLE = f"""
SELECT j.journey_id, e.subscriber_id, (
    SELECT true FROM subscribers s WHERE s.owner_id = :owner AND s.subscriber_id = e.subscriber_id LIMIT 1
) IS NULL AS is_gone
FROM (
    SELECT journey_id FROM journeys WHERE owner_id = :owner AND journey_id >= :journey ORDER BY journey_id OFFSET 0
) AS j, LATERAL (
    SELECT subscriber_id FROM enrollments
    WHERE owner_id = :owner AND journey_id = j.journey_id AND list_id = :list AND state = 'active'
      AND subscriber_id > CASE WHEN j.journey_id = :journey THEN CAST(:person AS bigint) ELSE 0 END
    ORDER BY subscriber_id LIMIT {CHUNK}
) AS e
ORDER BY journey_id, subscriber_id LIMIT {CHUNK}
"""  # noqa: S608 (a number of ours)


async def end_deleted_people(session: AsyncSession, *, now: datetime) -> int:
    """One chunk of the oldest deletion that nobody else is at; how much it was. One that is through is struck off.

    Who is let into a journey behind the place that it has reached is found gone by their first step.
    """
    deletion = (
        await session.execute(text("SELECT * FROM deletions ORDER BY deletion_id LIMIT 1 FOR UPDATE SKIP LOCKED"))
    ).one_or_none()
    if deletion is None:
        return 0
    place = {"journey": deletion.journey_id, "person": deletion.subscriber_id}
    inside = (
        await session.execute(text(_PEOPLE), {"owner": deletion.owner_id, "list": deletion.list_id, **place})
    ).all()
    gone = {row.subscriber_id for row in inside if row.is_gone}
    if gone:
        people = [(deletion.list_id, subscriber_id) for subscriber_id in sorted(gone)]
        await leaving.end_deleted(session, people, owner_id=deletion.owner_id, now=now)
    if len(inside) < CHUNK:
        statement, reached = "DELETE FROM deletions WHERE deletion_id = :deletion", {}
    else:
        statement = "UPDATE deletions SET journey_id = :journey, subscriber_id = :person WHERE deletion_id = :deletion"
        reached = {"journey": inside[-1].journey_id, "person": inside[-1].subscriber_id}
    await session.execute(text(statement), {"deletion": deletion.deletion_id, **reached})
    return len(inside) + 1
