"""Work on whole journeys, in chunks: ending everybody in a deleted one, releasing what waited for an enabled one."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SHARDS

_END = text(
    """
WITH chunk AS MATERIALIZED (
    SELECT owner_id, enrollment_id FROM enrollments
    WHERE owner_id = :owner AND journey_id = :journey AND state = 'active'
    ORDER BY enrollment_id LIMIT 5000 FOR UPDATE
), ended AS (
    UPDATE enrollments e SET state = 'exited', ended_at = :now, reason = 'journey deleted', due_at = NULL
    FROM chunk WHERE e.owner_id = chunk.owner_id AND e.enrollment_id = chunk.enrollment_id
    RETURNING e.enrollment_id, e.action_id
), counted AS (
    INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count)
    SELECT :owner, :journey, action_id, -count(*) FROM ended WHERE action_id IS NOT NULL GROUP BY action_id
    UNION ALL SELECT :owner, :journey, 0, -count(*) FROM ended HAVING count(*) > 0
)
SELECT enrollment_id FROM ended
"""
)
_WITHDRAW = text(
    """
WITH chunk AS MATERIALIZED (
    SELECT delivery_id FROM deliveries WHERE journey_id = :journey AND state IN ('pending', 'held')
    LIMIT 5000 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET state = 'withdrawn', reason = 'journey deleted', ended_at = :now, deleted_subscriber = NULL
FROM chunk WHERE d.delivery_id = chunk.delivery_id
RETURNING d.delivery_id
"""
)
_FORGET_TIMERS = text(
    f"""
DELETE FROM timers WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM timers
    WHERE shard = ANY(ARRAY(SELECT generate_series(0, {SHARDS - 1}))) AND journey_id = :journey LIMIT 5000
)) RETURNING enrollment_id
"""  # noqa: S608 (a constant of ours)
)
_RELEASE = text(
    """
WITH chunk AS MATERIALIZED (
    SELECT delivery_id FROM deliveries WHERE journey_id = :journey AND state = 'held'
    LIMIT 5000 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET state = 'pending', next_attempt_at = :now
FROM chunk WHERE d.delivery_id = chunk.delivery_id
RETURNING d.delivery_id
"""
)


async def do_journey_jobs(session: AsyncSession, *, now: datetime) -> int:
    """One chunk of the oldest job that nobody else is at; how much it was. A job with nothing left is struck off."""
    job = (
        await session.execute(
            text(
                "SELECT job_id, owner_id, journey_id, kind FROM journey_jobs "
                "ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED"
            )
        )
    ).one_or_none()
    if job is None:
        return 0
    parameters = {"owner": job.owner_id, "journey": job.journey_id, "now": now}
    statements = (_WITHDRAW, _END, _FORGET_TIMERS) if job.kind == "end" else (_RELEASE,)
    done = 0
    for statement in statements:
        done += len((await session.execute(statement, parameters)).all())
    if not done:
        await session.execute(text("DELETE FROM journey_jobs WHERE job_id = :job"), {"job": job.job_id})
    return done + 1
