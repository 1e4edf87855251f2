"""How much the engine and the senders have yet to do, counted no further than matters."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

COUNTED_AT_MOST = 100_001
"""Counting ends here, so that a look at a full queue costs some 50 ms and never seconds."""

# Each count ends at its bound within an index; of journeys that are due, each is looked up once a shard.
_DEPTH = text(
    f"""
SELECT
    (SELECT count(*) FROM (SELECT FROM trigger_events LIMIT {COUNTED_AT_MOST}) AS events) AS events_waiting,
    (SELECT count(*) FROM (
        SELECT FROM runnable_journeys r CROSS JOIN LATERAL (
            SELECT FROM timers t WHERE t.shard = r.shard AND t.journey_id = r.journey_id AND t.due_at <= now()
            LIMIT {COUNTED_AT_MOST}
        ) AS due
        WHERE r.next_due_at <= now() LIMIT {COUNTED_AT_MOST}
    ) AS people) AS people_due,
    (SELECT count(*) FROM (SELECT FROM tracking_hits LIMIT {COUNTED_AT_MOST}) AS hits) AS hits_waiting,
    (SELECT json_object_agg(kind, json_build_array(
        (SELECT count(*) FROM (
            SELECT FROM deliveries d WHERE d.kind = k.kind AND d.state = 'pending' LIMIT {COUNTED_AT_MOST}
        ) AS owed),
        (SELECT greatest(0, extract(epoch FROM now() - d.next_attempt_at)) FROM deliveries d
         WHERE d.kind = k.kind AND d.state = 'pending' ORDER BY d.next_attempt_at LIMIT 1)
    )) FROM (VALUES ('mail'), ('confirmation'), ('forward'), ('sms'), ('webhook')) AS k(kind)) AS deliveries
"""  # noqa: S608 (a constant of ours)
)


@dataclass(frozen=True)
class QueueDepth:
    """What waits. A count of `COUNTED_AT_MOST` means that or more."""

    events_waiting: int
    people_due: int
    hits_waiting: int
    """Visits of tracked links that are not judged yet."""
    deliveries_pending: Mapping[str, int]
    """By kind; those whose next attempt is in the future among them."""
    deliveries_oldest_seconds: float
    """For how long the delivery that is longest due has been due; 0: none is."""


async def queue_depth(session: AsyncSession) -> QueueDepth:
    """Count what waits in the database; one statement."""
    row = (await session.execute(_DEPTH)).one()
    return QueueDepth(
        events_waiting=row.events_waiting,
        people_due=row.people_due,
        hits_waiting=row.hits_waiting,
        deliveries_pending={kind: pending for kind, (pending, _) in row.deliveries.items()},
        deliveries_oldest_seconds=max(float(oldest or 0) for _, oldest in row.deliveries.values()),
    )
