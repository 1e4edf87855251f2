"""Setting aside what breaks every batch that it is in, so that the others go on."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine import queues

log = structlog.get_logger()

PUT_OFF = timedelta(minutes=15)


async def set_event_aside(session: AsyncSession, shard: int, *, turns: Mapping[int, int], now: datetime) -> bool:
    """Take the shard's next event off the queue and keep it as a refusal of no journey; whether there was one.

    It is the oldest of the account whose turn it is, which a batch of one has just failed with.
    """
    owner_ids = await queues.accounts_in_turn(session, shard, after=turns.get(shard, 0), limit=1)
    if not owner_ids:
        return False
    row = (
        await session.execute(
            text(
                "WITH gone AS (DELETE FROM trigger_events WHERE shard = :shard AND owner_id = :owner AND event_id = "
                "(SELECT min(event_id) FROM trigger_events WHERE shard = :shard AND owner_id = :owner) RETURNING *) "
                "INSERT INTO enrollment_refusals "
                "(owner_id, journey_id, list_id, subscriber_id, kind, reason, refused_at) "
                "SELECT owner_id, 0, list_id, subscriber_id, kind, 'the event cannot be processed', :now FROM gone "
                "RETURNING refusal_id, owner_id"
            ),
            {"shard": shard, "owner": owner_ids[0], "now": now},
        )
    ).one_or_none()
    if row is not None:
        log.error("event_set_aside", refusal_id=row.refusal_id, owner_id=row.owner_id)
    return row is not None


async def put_timer_off(session: AsyncSession, shard: int, *, turns: Mapping[int, int], now: datetime) -> bool:
    """Put off the timer that is next in the shard's round (six times, then its person fails); whether there was one.

    Its journey goes to the end of the round, also when nobody in it is due: the others are not put off for it. The
    turns of accounts do not matter: timers have their own round.
    """
    journeys = await queues.due_journeys(session, shard, now=now, limit=1)
    if not journeys:
        return False
    row = (
        await session.execute(_PUT_OFF, {"shard": shard, "journey": journeys[0], "now": now, "later": now + PUT_OFF})
    ).first()
    await queues.settle_round(session, shard, journey_ids=journeys, now=now)
    if row is not None:
        log.error("timer_put_off", enrollment_id=row.enrollment_id, owner_id=row.owner_id)
    return True


_PUT_OFF = text(
    """
WITH next AS MATERIALIZED (
    SELECT owner_id, enrollment_id, due_at FROM timers
    WHERE shard = :shard AND journey_id = :journey AND due_at <= :now ORDER BY due_at LIMIT 1
), person AS (
    UPDATE enrollments e SET attempts = e.attempts + 1,
        state = CASE WHEN e.attempts >= 5 THEN 'failed' ELSE e.state END,
        ended_at = CASE WHEN e.attempts >= 5 THEN CAST(:now AS timestamptz) END,
        due_at = CASE WHEN e.attempts >= 5 THEN NULL ELSE CAST(:later AS timestamptz) END,
        reason = 'the step cannot be processed'
    FROM next WHERE e.owner_id = next.owner_id AND e.enrollment_id = next.enrollment_id
        AND e.state = 'active' AND e.due_at = next.due_at
    RETURNING e.owner_id, e.journey_id, e.action_id, e.state
), counted AS (
    INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count)
    SELECT owner_id, journey_id, 0, -1 FROM person WHERE state = 'failed'
    UNION ALL SELECT owner_id, journey_id, action_id, -1 FROM person WHERE state = 'failed' AND action_id IS NOT NULL
)
UPDATE timers t SET due_at = :later FROM next WHERE t.shard = :shard
AND t.owner_id = next.owner_id AND t.enrollment_id = next.enrollment_id AND t.due_at = next.due_at
RETURNING t.enrollment_id, t.owner_id
"""
)
