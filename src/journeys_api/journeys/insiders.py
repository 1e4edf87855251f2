"""The people inside a journey when the journey itself changes: enabled, disabled, deleted, its actions removed.

Each of these is a handful of statements whatever the number of people, except where people have to be re-seated: that
costs what there are people on removed actions.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys import pulls
from journeys_api.journeys.trees import Row
from journeys_api.models import SHARDS, Journey, JourneyAction
from journeys_api.trigger_events import wake

REMOVED = "action removed"


async def let_run(session: AsyncSession, *, owner_id: int, journey_ids: Sequence[int], now: datetime) -> None:
    """Put enabled journeys into the round of every shard where they have people, and release their held messages."""
    parameters = {"owner": owner_id, "journeys": list(journey_ids), "now": now, "last": SHARDS - 1}
    await session.execute(
        text(
            "INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) "
            "SELECT shard, journey_id, :owner, :now FROM generate_series(0, :last) AS shard, "
            "unnest(CAST(:journeys AS bigint[])) AS j(journey_id) "
            "WHERE EXISTS (SELECT FROM timers t WHERE t.shard = shard.shard AND t.journey_id = j.journey_id) "
            "ORDER BY shard, journey_id "
            "ON CONFLICT (shard, journey_id) DO UPDATE "
            "SET next_due_at = least(runnable_journeys.next_due_at, excluded.next_due_at)"
        ),
        parameters,
    )
    await session.execute(
        text(
            "INSERT INTO journey_jobs (owner_id, journey_id, kind, created_at) "
            "SELECT :owner, journey_id, 'release', :now FROM unnest(CAST(:journeys AS bigint[])) AS j(journey_id) "
            "WHERE EXISTS (SELECT FROM deliveries d WHERE d.journey_id = j.journey_id AND d.state = 'held')"
        ),
        parameters,
    )
    await wake(session)


async def freeze(session: AsyncSession, journey_ids: Sequence[int]) -> None:
    """Take journeys out of the round: nobody moves or is pulled in, and what waits there costs nobody anything."""
    await pulls.cancel(session, journey_ids)
    await session.execute(
        text("DELETE FROM runnable_journeys WHERE journey_id = ANY(CAST(:journeys AS bigint[]))"),
        {"journeys": list(journey_ids)},
    )


async def end_all(session: AsyncSession, *, owner_id: int, journey_ids: Sequence[int], now: datetime) -> None:
    """Have everybody in deleted journeys ended and what was not sent withdrawn, in chunks by the workers."""
    await freeze(session, journey_ids)
    await session.execute(
        text(
            "INSERT INTO journey_jobs (owner_id, journey_id, kind, created_at) "
            "SELECT :owner, journey_id, 'end', :now FROM unnest(CAST(:journeys AS bigint[])) AS j(journey_id)"
        ),
        {"owner": owner_id, "journeys": list(journey_ids), "now": now},
    )
    await wake(session)


def successors(before: Sequence[JourneyAction], after: Sequence[Row]) -> Mapping[int, int | None]:
    """Removed action → the next surviving action after it, in the order of the old tree; None: there is none.

    Next come the actions behind it on its own branch, then those behind its parent, and so on outwards (rulings 6).
    """
    surviving = {row.action_id for row in after}
    siblings: dict[tuple[int | None, str], list[int]] = {}
    place: dict[int, tuple[int | None, str]] = {}
    for action in before:
        place[action.action_id] = (action.parent_action_id, action.branch)
        siblings.setdefault(place[action.action_id], []).append(action.action_id)

    def following(action_id: int) -> int | None:
        branch = siblings[place[action_id]]
        for candidate in branch[branch.index(action_id) + 1 :]:
            if candidate in surviving:
                return candidate
        parent = place[action_id][0]
        return following(parent) if parent is not None else None

    return {action_id: following(action_id) for action_id in place if action_id not in surviving}


_RESEAT = text(
    """
WITH moved AS (
    UPDATE enrollments e
    SET action_id = w.successor, entered_at = :now, attempts = 0,
        due_at = CASE WHEN w.successor IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END,
        state = CASE WHEN w.successor IS NULL THEN 'exited' ELSE 'active' END,
        ended_at = CASE WHEN w.successor IS NULL THEN CAST(:now AS timestamptz) END,
        reason = CASE WHEN w.successor IS NULL THEN :reason END
    FROM unnest(CAST(:removed AS bigint[]), CAST(:successors AS bigint[])) AS w(removed, successor)
    WHERE e.owner_id = :owner AND e.journey_id = :journey AND e.state = 'active' AND e.action_id = w.removed
    RETURNING e.enrollment_id, e.list_id, e.subscriber_id, e.email_address, w.removed, w.successor
), reached AS (
    INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at)
    SELECT :owner, a.action_id, m.list_id, m.subscriber_id, m.email_address, 0, :now
    FROM moved m JOIN journey_actions a ON a.action_id = m.successor AND a.action <> 'SendEmail'
    ON CONFLICT DO NOTHING
), timed AS (
    INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
    SELECT subscriber_id % :shards, :journey, :now, :owner, enrollment_id FROM moved WHERE successor IS NOT NULL
    RETURNING shard
)
INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count, total_count)
SELECT :owner, :journey, removed, -count(*), 0 FROM moved GROUP BY removed
UNION ALL
SELECT :owner, :journey, successor, count(*), count(*) FROM moved WHERE successor IS NOT NULL GROUP BY successor
UNION ALL SELECT :owner, :journey, 0, -count(*), 0 FROM moved WHERE successor IS NULL HAVING count(*) > 0
"""
)


async def reseat(session: AsyncSession, *, journey: Journey, moves: Mapping[int, int | None], now: datetime) -> None:
    """Move people off removed actions, each to its successor; without one they end as exited, `action removed`.

    Their old timers stay and do nothing: the enrollments name new ones.
    """
    if not moves:
        return
    await session.execute(
        _RESEAT,
        {
            "owner": journey.owner_id,
            "journey": journey.journey_id,
            "removed": list(moves),
            "successors": list(moves.values()),
            "shards": SHARDS,
            "reason": REMOVED,
            "now": now,
        },
    )
    if journey.status == "Enabled":
        await let_run(session, owner_id=journey.owner_id, journey_ids=[journey.journey_id], now=now)
