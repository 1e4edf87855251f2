"""People leave journeys before the end: sent by a command or by another journey."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Exit:
    """Somebody shall leave journeys without completing them."""

    owner_id: int
    list_id: int
    subscriber_id: int
    journey_id: int
    """0: every journey except those in `but`."""
    reason: str
    but: Sequence[int] = ()
    before: datetime | None = None
    """Whom a call let in after this instant stays: only calls come past the events, which are in order. None: all."""


# In order of enrollment, as people of a batch are locked. A statement of its own: a row that somebody else has moved
# meanwhile is at a place that only the next statement sees. OFFSET is for the planner: one look-up for each, no join.
_LOCK_LEAVING = text(
    """
SELECT CAST(e.place AS text) AS place, l.reason FROM (
    SELECT DISTINCT ON (found.enrollment_id) found.owner_id, found.enrollment_id, w.reason
    FROM unnest(CAST(:owners AS bigint[]), CAST(:lists AS bigint[]), CAST(:people AS bigint[]),
                CAST(:journeys AS bigint[]), CAST(:buts AS text[]), CAST(:reasons AS text[]),
                CAST(:befores AS timestamptz[])) WITH ORDINALITY
         AS w(owner_id, list_id, subscriber_id, journey_id, but, reason, before, number), LATERAL (
        SELECT e.owner_id, e.enrollment_id FROM enrollments e
        WHERE e.owner_id = w.owner_id AND e.subscriber_id = w.subscriber_id AND e.list_id = w.list_id
          AND e.ended_at IS NULL AND w.journey_id IN (0, e.journey_id)
          AND e.journey_id <> ALL (CAST(w.but AS bigint[]))
          AND (w.before IS NULL OR e.created_at <= w.before OR e.cause ->> 'kind' <> 'Manual')
        OFFSET 0
    ) AS found
    ORDER BY found.enrollment_id, w.number
) AS l, LATERAL (
    SELECT ctid AS place FROM enrollments e
    WHERE e.owner_id = l.owner_id AND e.enrollment_id = l.enrollment_id AND e.ended_at IS NULL FOR UPDATE
) AS e
"""
)
_EXIT = text(
    """
WITH w AS (
    SELECT place, reason FROM unnest(CAST(CAST(:places AS text[]) AS tid[]), CAST(:reasons AS text[]))
        AS w(place, reason)
), ended AS (
    UPDATE enrollments e SET state = 'exited', ended_at = :now, reason = w.reason, due_at = NULL
    FROM w WHERE e.ctid = ANY (ARRAY (SELECT place FROM w)) AND e.ctid = w.place
    RETURNING e.owner_id, e.journey_id, e.action_id
)
INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count)
SELECT owner_id, journey_id, action_id, -count(*) FROM ended WHERE action_id IS NOT NULL GROUP BY 1, 2, 3
UNION ALL SELECT owner_id, journey_id, 0, -count(*) FROM ended GROUP BY 1, 2
"""
)


async def exit_journeys(session: AsyncSession, exits: Sequence[Exit], *, now: datetime) -> None:
    """End people's active enrollments without completing them; who is not inside is left alone.

    Their timers stay and do nothing: the enrollments are not active any more.
    """
    if not exits:
        return
    leaving = (
        await session.execute(
            _LOCK_LEAVING,
            {
                "owners": [each.owner_id for each in exits],
                "lists": [each.list_id for each in exits],
                "people": [each.subscriber_id for each in exits],
                "journeys": [each.journey_id for each in exits],
                "buts": ["{" + ",".join(map(str, each.but)) + "}" for each in exits],
                "reasons": [each.reason for each in exits],
                "befores": [each.before for each in exits],
            },
        )
    ).all()
    if leaving:
        places, reasons = [row.place for row in leaving], [row.reason for row in leaving]
        await session.execute(_EXIT, {"places": places, "reasons": reasons, "now": now})
