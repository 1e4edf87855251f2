"""Setting aside what breaks every batch that it is in, so that the others go on."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

log = structlog.get_logger()

PUT_OFF = timedelta(minutes=15)


async def set_event_aside(session: AsyncSession, shard: int, *, now: datetime) -> bool:
    """Take the shard's oldest event off the queue and keep it as a refusal of no journey; whether there was one."""
    row = (
        await session.execute(
            text(
                "WITH gone AS (DELETE FROM trigger_events WHERE shard = :shard AND event_id = "
                "(SELECT min(event_id) FROM trigger_events WHERE shard = :shard) RETURNING *) "
                "INSERT INTO enrollment_refusals "
                "(owner_id, journey_id, list_id, subscriber_id, kind, reason, refused_at) "
                "SELECT owner_id, 0, list_id, subscriber_id, kind, 'the event cannot be processed', :now FROM gone "
                "RETURNING refusal_id, owner_id"
            ),
            {"shard": shard, "now": now},
        )
    ).one_or_none()
    if row is not None:
        log.error("event_set_aside", refusal_id=row.refusal_id, owner_id=row.owner_id)
    return row is not None


async def put_timer_off(session: AsyncSession, shard: int, *, now: datetime) -> bool:
    """Put off the timer that is next in the shard's round (six times, then its person fails); whether there was one."""
    row = (
        await session.execute(
            text(
                "WITH next AS ("
                "  SELECT t.owner_id, t.enrollment_id, t.due_at FROM timers t JOIN runnable_journeys r "
                "  ON r.shard = t.shard AND r.journey_id = t.journey_id "
                "  WHERE t.shard = :shard AND t.due_at <= :now ORDER BY r.served_at, r.journey_id, t.due_at LIMIT 1"
                "), person AS ("
                "  UPDATE enrollments e SET attempts = e.attempts + 1,"
                "    state = CASE WHEN e.attempts >= 5 THEN 'failed' ELSE e.state END,"
                "    ended_at = CASE WHEN e.attempts >= 5 THEN CAST(:now AS timestamptz) END,"
                "    due_at = CASE WHEN e.attempts >= 5 THEN NULL ELSE CAST(:later AS timestamptz) END,"
                "    reason = 'the step cannot be processed'"
                "  FROM next WHERE e.owner_id = next.owner_id AND e.enrollment_id = next.enrollment_id"
                "    AND e.state = 'active' AND e.due_at = next.due_at RETURNING e.enrollment_id, e.owner_id"
                ") "
                "UPDATE timers t SET due_at = :later FROM next WHERE t.shard = :shard "
                "AND t.owner_id = next.owner_id AND t.enrollment_id = next.enrollment_id AND t.due_at = next.due_at "
                "RETURNING t.enrollment_id, t.owner_id"
            ),
            {"shard": shard, "now": now, "later": now + PUT_OFF},
        )
    ).first()
    if row is not None:
        log.error("timer_put_off", enrollment_id=row.enrollment_id, owner_id=row.owner_id)
    return row is not None
