"""The people inside a journey when the journey itself changes: enabled, disabled, deleted, its actions edited.

Each of these is a handful of statements whatever the number of people; what concerns each of them is done in chunks.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
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


def changed_actions(before: Sequence[JourneyAction], after: Sequence[Row]) -> set[int]:
    """The surviving actions that would do something else to who stands on them now."""
    rows = {row.action_id: row for row in after}
    return {
        action.action_id
        for action in before
        if (row := rows.get(action.action_id)) is not None
        and (row.action, row.parameters, row.is_published) != (action.action, action.parameters, action.is_published)
    }


PEOPLE_A_CHUNK = 5000
"""How many people of a journey are looked at in one transaction after an edit."""

_NEXT_PEOPLE = """
SELECT count(*), max(enrollment_id) FROM (
    SELECT enrollment_id FROM enrollments
    WHERE owner_id = :owner AND journey_id = :journey AND state = 'active' AND enrollment_id > :after
    ORDER BY enrollment_id LIMIT {limit}
) AS next
"""
# In order of enrollment, as steps lock people. Whoever moved on meanwhile is somewhere that the edit left alone.
_FOLLOW = """
WITH standing AS MATERIALIZED (
    SELECT e.enrollment_id, e.action_id AS stood, a.action_id IS NULL OR a.removed_at IS NOT NULL AS is_gone,
           a.successor_action_id AS successor
    FROM enrollments e LEFT JOIN journey_actions a ON a.action_id = e.action_id AND a.journey_id = :journey
    WHERE e.owner_id = :owner AND e.journey_id = :journey AND e.state = 'active' AND {whom}
    ORDER BY e.enrollment_id FOR UPDATE OF e
), moved AS (
    UPDATE enrollments e
    SET action_id = CASE WHEN s.is_gone THEN s.successor ELSE e.action_id END,
        entered_at = CASE WHEN s.is_gone THEN CAST(:now AS timestamptz) ELSE e.entered_at END,
        attempts = 0,
        due_at = CASE WHEN s.is_gone AND s.successor IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END,
        state = CASE WHEN s.is_gone AND s.successor IS NULL THEN 'exited' ELSE 'active' END,
        ended_at = CASE WHEN s.is_gone AND s.successor IS NULL THEN CAST(:now AS timestamptz) END,
        reason = CASE WHEN s.is_gone AND s.successor IS NULL THEN :reason END
    FROM standing s WHERE e.owner_id = :owner AND e.enrollment_id = s.enrollment_id
    RETURNING e.enrollment_id, e.list_id, e.subscriber_id, e.email_address, e.state, s.is_gone, s.stood, s.successor
), reached AS (
    INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at)
    SELECT :owner, a.action_id, m.list_id, m.subscriber_id, m.email_address, 0, :now
    FROM moved m JOIN journey_actions a ON m.is_gone AND a.action_id = m.successor AND a.action <> 'SendEmail'
    ON CONFLICT DO NOTHING
), timed AS (
    INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
    SELECT subscriber_id % :shards, :journey, :now, :owner, enrollment_id FROM moved WHERE state = 'active'
), counted AS (
    INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count, total_count)
    SELECT :owner, :journey, stood, -count(*), 0 FROM moved WHERE is_gone GROUP BY stood
    UNION ALL
    SELECT :owner, :journey, successor, count(*), count(*) FROM moved WHERE is_gone AND state = 'active'
    GROUP BY successor
    UNION ALL SELECT :owner, :journey, 0, -count(*), 0 FROM moved WHERE state = 'exited' HAVING count(*) > 0
)
SELECT count(*) FROM moved
"""
_FOLLOW_CHUNK = text(
    _FOLLOW.format(
        whom="e.enrollment_id > :after AND e.enrollment_id <= :last AND "
        "(a.removed_at IS NOT NULL OR (a.action_id = ANY(CAST(:changed AS bigint[])) AND e.due_at > :now))"
    )
)
_FOLLOW_THESE = text(_FOLLOW.format(whom="e.enrollment_id = ANY(CAST(:people AS bigint[]))"))


async def follow_edit(
    session: AsyncSession, *, journey: Journey, removed: Collection[int], changed: Collection[int], now: datetime
) -> None:
    """Have the people inside a locked journey follow an edit of its actions.

    Who stands on a removed action goes to its successor, or ends as exited, `action removed`, where there is none; who
    stands on a changed one is looked at anew. A journey of few is done with at once, others in chunks by the workers.
    """
    if not removed and not changed:
        return
    after = await follow_chunk(session, journey=journey, after=0, changed=changed, now=now)
    if after is not None:
        await session.execute(
            text(
                "INSERT INTO journey_jobs (owner_id, journey_id, kind, done_until, changed_actions, created_at) "
                "VALUES (:owner, :journey, 'edit', :after, CAST(:changed AS json), :now)"
            ),
            {
                "owner": journey.owner_id,
                "journey": journey.journey_id,
                "after": after,
                "changed": orjson.dumps(sorted(changed)).decode(),
                "now": now,
            },
        )


async def follow_chunk(
    session: AsyncSession, *, journey: Journey, after: int, changed: Collection[int], now: datetime
) -> int | None:
    """Have the next people of a locked journey follow its edits; the last of them. None: there are no more.

    Their old timers stay and do nothing: the enrollments name new ones.

    Args:
        after: the enrollment that the chunk begins behind.
        changed: the actions whose people are looked at anew.
    """
    parameters: dict[str, Any] = {"owner": journey.owner_id, "journey": journey.journey_id, "after": after}
    seen, last = (await session.execute(text(_NEXT_PEOPLE.format(limit=PEOPLE_A_CHUNK)), parameters)).one()
    if seen:
        parameters |= {"last": last, "changed": list(changed), "shards": SHARDS, "reason": REMOVED, "now": now}
        moved = await session.scalar(_FOLLOW_CHUNK, parameters)
        if moved and journey.status == "Enabled":
            await let_run(session, owner_id=journey.owner_id, journey_ids=[journey.journey_id], now=now)
    return last if seen == PEOPLE_A_CHUNK else None


async def reseat(
    session: AsyncSession, *, owner_id: int, journey_id: int, enrollment_ids: Sequence[int], now: datetime
) -> None:
    """Move these people off the removed actions they stand on, as `follow_edit`, before their chunk has its turn."""
    await session.execute(
        _FOLLOW_THESE,
        {
            "owner": owner_id,
            "journey": journey_id,
            "people": list(enrollment_ids),
            "shards": SHARDS,
            "reason": REMOVED,
            "now": now,
        },
    )
