"""Setting aside what breaks every batch that it is in, so that the others go on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine import queues

log = structlog.get_logger()

PUT_OFF = timedelta(minutes=15)


@dataclass
class Claimed:
    """What a batch of one has taken: once it has failed, this is what it failed with. 0: nothing yet."""

    owner_id: int = 0
    event_id: int = 0
    journey_id: int = 0
    enrollment_id: int = 0
    """0 with a journey: whoever is next in it. The journey is at fault for all who stand in it."""


async def set_event_aside(session: AsyncSession, shard: int, claimed: Claimed, *, now: datetime) -> None:
    """Take the event off the queue and keep it as a refusal of no journey, unless another engine has done so.

    The caller holds the shard.
    """
    row = (
        await session.execute(
            text(
                "WITH gone AS (DELETE FROM trigger_events "
                "WHERE shard = :shard AND owner_id = :owner AND event_id = :event RETURNING *) "
                "INSERT INTO enrollment_refusals "
                "(owner_id, journey_id, list_id, subscriber_id, kind, reason, refused_at) "
                "SELECT owner_id, 0, list_id, subscriber_id, kind, 'the event cannot be processed', :now FROM gone "
                "RETURNING refusal_id, owner_id"
            ),
            {"shard": shard, "owner": claimed.owner_id, "event": claimed.event_id, "now": now},
        )
    ).one_or_none()
    if row is not None:
        log.error("event_set_aside", refusal_id=row.refusal_id, owner_id=row.owner_id)


async def put_timer_off(session: AsyncSession, shard: int, claimed: Claimed, *, now: datetime) -> None:
    """Put off the timer (six times, then its person fails), unless another engine has done so.

    Its journey goes to the end of the round, also when nobody in it is due: the others are not put off for it. The
    caller holds the shard.
    """
    parameters = {"shard": shard, "journey": claimed.journey_id, "enrollment": claimed.enrollment_id, "now": now}
    # before its people, as by a batch that takes them; whoever has it is changing the journey
    if (await session.execute(_TAKE_JOURNEY, parameters)).first() is None:
        return
    row = (await session.execute(_PUT_OFF, {**parameters, "later": now + PUT_OFF})).first()
    await queues.settle_round(session, shard, journey_ids=[claimed.journey_id], now=now)
    if row is not None:
        log.error("timer_put_off", enrollment_id=row.enrollment_id, owner_id=row.owner_id)


_TAKE_JOURNEY = text(
    "SELECT 1 FROM runnable_journeys WHERE shard = :shard AND journey_id = :journey FOR UPDATE SKIP LOCKED"
)
_PUT_OFF = text(
    """
WITH next AS MATERIALIZED (
    SELECT owner_id, enrollment_id, due_at FROM timers
    WHERE shard = :shard AND journey_id = :journey AND due_at <= :now
    AND CAST(:enrollment AS bigint) IN (0, enrollment_id) ORDER BY due_at LIMIT 1
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
