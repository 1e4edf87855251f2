"""Work on whole journeys, in chunks: ending everybody in a deleted one, releasing what waited for an enabled one, and
having people follow an edit.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys import insiders
from journeys_api.models import SHARDS, Journey

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
                "SELECT job_id, owner_id, journey_id, kind, done_until, changed_actions FROM journey_jobs "
                "ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED"
            )
        )
    ).one_or_none()
    if job is None:
        return 0
    if job.kind == "edit":
        await _follow_edit(session, job, now=now)
        return 1
    parameters = {"owner": job.owner_id, "journey": job.journey_id, "now": now}
    statements = (_WITHDRAW, _END, _FORGET_TIMERS) if job.kind == "end" else (_RELEASE,)
    done = 0
    for statement in statements:
        done += len((await session.execute(statement, parameters)).all())
    if not done:
        await _strike_off(session, job)
    return done + 1


async def _follow_edit(session: AsyncSession, job: Row[Any], *, now: datetime) -> None:
    # nobody edits it meanwhile, and would move people from where they are moved to just now
    journey = await session.scalar(
        select(Journey)
        .where(Journey.owner_id == job.owner_id, Journey.journey_id == job.journey_id, Journey.deleted_at.is_(None))
        .with_for_update(read=True)
    )
    done_until = None
    if journey is not None:
        done_until = await insiders.follow_chunk(
            session, journey=journey, after=job.done_until, changed=job.changed_actions, now=now
        )
    if done_until is None:
        await _strike_off(session, job)
        return
    await session.execute(
        text("UPDATE journey_jobs SET done_until = :done WHERE job_id = :job"), {"done": done_until, "job": job.job_id}
    )


async def _strike_off(session: AsyncSession, job: Row[Any]) -> None:
    await session.execute(text("DELETE FROM journey_jobs WHERE job_id = :job"), {"job": job.job_id})
