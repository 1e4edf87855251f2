"""SQL of the engine's queues: shards, events, timers, and the round over journeys.

Every statement takes arrays: its cost grows with the batch, its number does not. Limits stand in the text of a
statement: a bound one may be planned for a tenth of the table.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SHARDS

LOCK_SPACE = 0x4A59
"""First key of our two-key advisory locks; the second is the shard."""
CAP_SPACE = 0x4A5A


async def try_shard(session: AsyncSession, shard: int) -> bool:
    """Take a shard for this transaction; False when another worker has it."""
    taken = await session.scalar(
        text("SELECT pg_try_advisory_xact_lock(:space, :shard)"), {"space": LOCK_SPACE, "shard": shard}
    )
    return bool(taken)


async def lock_caps(session: AsyncSession, journey_ids: Collection[int]) -> None:
    """Let nobody else admit people to these journeys until the transaction ends; always in the same order."""
    for journey_id in sorted(journey_ids):
        # the second key has 32 bits: journeys that share one only wait for each other
        await session.execute(
            text("SELECT pg_advisory_xact_lock(:space, :journey)"),
            {"space": CAP_SPACE, "journey": (journey_id & 0xFFFFFFFF) - 0x80000000},
        )


# One event a person: those of one subscriber are looked at in their order, one batch after the other.
_TAKE_EVENTS = """
WITH picked AS MATERIALIZED (
    SELECT event_id, subscriber_id FROM trigger_events WHERE shard = :shard
    ORDER BY event_id LIMIT {limit} FOR UPDATE SKIP LOCKED
), first AS (
    SELECT min(event_id) AS event_id FROM picked GROUP BY subscriber_id
)
DELETE FROM trigger_events e USING first
WHERE e.shard = :shard AND e.event_id = first.event_id
RETURNING e.event_id, e.owner_id, e.kind, e.list_id, e.subscriber_id, e.subject_id, e.payload, e.depth, e.occurred_at
"""


async def take_events(session: AsyncSession, shard: int, limit: int) -> list[Row[Any]]:
    """The oldest event of each of the shard's subscribers who have one, deleted, in their order."""
    # the limit stands in the text: a bound one may be planned for a tenth of the table
    rows = (await session.execute(text(_TAKE_EVENTS.format(limit=int(limit))), {"shard": shard})).all()
    return sorted(rows, key=lambda row: row.event_id)


@dataclass(frozen=True, slots=True)
class Due:
    """When an enrollment shall be looked at."""

    owner_id: int
    journey_id: int
    subscriber_id: int
    enrollment_id: int
    due_at: datetime


async def set_timers(session: AsyncSession, timers: Sequence[Due]) -> None:
    """Write timers. The enrollments' own `due_at` must say the same, or they do nothing."""
    if timers:
        await session.execute(
            text(
                "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) "
                "SELECT * FROM unnest(CAST(:shards AS smallint[]), CAST(:journeys AS bigint[]), "
                "CAST(:dues AS timestamptz[]), CAST(:owners AS bigint[]), CAST(:enrollments AS bigint[]))"
            ),
            {
                "shards": [each.subscriber_id % SHARDS for each in timers],
                "journeys": [each.journey_id for each in timers],
                "dues": [each.due_at for each in timers],
                "owners": [each.owner_id for each in timers],
                "enrollments": [each.enrollment_id for each in timers],
            },
        )


async def announce(session: AsyncSession, timers: Sequence[Due]) -> None:
    """Tell the round over journeys that these have timers; not for timers of the journeys being served just now."""
    earliest: dict[tuple[int, int, int], datetime] = {}
    for each in timers:
        place = (each.subscriber_id % SHARDS, each.journey_id, each.owner_id)
        earliest[place] = min(earliest.get(place, each.due_at), each.due_at)
    if earliest:
        places = sorted(earliest)
        await session.execute(
            text(
                "INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) "
                "SELECT * FROM unnest(CAST(:shards AS smallint[]), CAST(:journeys AS bigint[]), "
                "CAST(:owners AS bigint[]), CAST(:dues AS timestamptz[])) "
                "ON CONFLICT (shard, journey_id) DO UPDATE "
                "SET next_due_at = least(runnable_journeys.next_due_at, excluded.next_due_at)"
            ),
            {
                "shards": [shard for shard, _, _ in places],
                "journeys": [journey for _, journey, _ in places],
                "owners": [owner for _, _, owner in places],
                "dues": [earliest[place] for place in places],
            },
        )


_DUE_JOURNEYS = """
SELECT journey_id FROM runnable_journeys WHERE shard = :shard AND next_due_at <= :now
ORDER BY served_at, journey_id LIMIT {limit} FOR UPDATE SKIP LOCKED
"""


async def due_journeys(session: AsyncSession, shard: int, *, now: datetime, limit: int) -> list[int]:
    """The journeys of the shard with people due, those first that waited longest to be served; locked."""
    rows = await session.execute(text(_DUE_JOURNEYS.format(limit=int(limit))), {"shard": shard, "now": now})
    return list(rows.scalars())


_TAKE_TIMERS = """
WITH picked AS MATERIALIZED (
    SELECT t.place FROM unnest(CAST(:journeys AS bigint[])) AS j(journey_id), LATERAL (
        SELECT ctid AS place FROM timers
        WHERE shard = :shard AND journey_id = j.journey_id AND due_at <= :now
        ORDER BY due_at LIMIT {share} FOR UPDATE SKIP LOCKED
    ) AS t
)
DELETE FROM timers USING picked WHERE timers.ctid = picked.place
RETURNING timers.owner_id, timers.enrollment_id, timers.due_at
"""


async def take_timers(
    session: AsyncSession, shard: int, *, journey_ids: Sequence[int], share: int, now: datetime
) -> list[Row[Any]]:
    """Due timers of the journeys, at most `share` of each, deleted: (owner_id, enrollment_id, due_at)."""
    parameters = {"shard": shard, "journeys": list(journey_ids), "now": now}
    rows = await session.execute(text(_TAKE_TIMERS.format(share=int(share))), parameters)
    return list(rows.all())


async def settle_round(session: AsyncSession, shard: int, *, journey_ids: Sequence[int], now: datetime) -> None:
    """Say of served journeys when they are due next; those without timers leave the round."""
    parameters = {"shard": shard, "journeys": list(journey_ids), "now": now}
    # the earliest timer of each is the first entry of the index
    await session.execute(
        text(
            "WITH next AS MATERIALIZED ("
            "  SELECT j.journey_id, (SELECT due_at FROM timers t WHERE t.shard = :shard AND t.journey_id = j.journey_id"
            "                        ORDER BY due_at LIMIT 1) AS due_at"
            "  FROM unnest(CAST(:journeys AS bigint[])) AS j(journey_id)"
            "), gone AS ("
            "  DELETE FROM runnable_journeys r USING next"
            "  WHERE r.shard = :shard AND r.journey_id = next.journey_id AND next.due_at IS NULL) "
            "UPDATE runnable_journeys r SET next_due_at = next.due_at, served_at = :now FROM next "
            "WHERE r.shard = :shard AND r.journey_id = next.journey_id AND next.due_at IS NOT NULL"
        ),
        parameters,
    )


async def leave_round(session: AsyncSession, shard: int, journey_ids: Sequence[int]) -> None:
    """Take journeys that are not enabled out of the round; enabling puts them back."""
    if journey_ids:
        await session.execute(
            text(
                "DELETE FROM runnable_journeys WHERE shard = :shard AND journey_id = ANY(CAST(:journeys AS bigint[]))"
            ),
            {"shard": shard, "journeys": list(journey_ids)},
        )


async def next_due(session: AsyncSession) -> datetime | None:
    """The earliest instant that any enabled journey has somebody due at."""
    found = await session.scalar(text("SELECT min(next_due_at) FROM runnable_journeys"))
    return found if isinstance(found, datetime) else None
