"""SQL of the engine's queues: shards, events, timers, and the round over journeys.

Every statement takes arrays: its cost grows with the batch, its number does not. Limits stand in the text of a
statement: a bound one may be planned for a tenth of the table.
"""

from collections.abc import Collection, Sequence
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
    if journey_ids:
        # the second key has 32 bits: journeys that share one only wait for each other
        keys = {(journey_id & 0xFFFFFFFF) - 0x80000000 for journey_id in journey_ids}
        await session.execute(
            # one after the other, in the order of the array
            text("SELECT pg_advisory_xact_lock(:space, key) FROM unnest(CAST(:keys AS int[])) AS k(key)"),
            {"space": CAP_SPACE, "keys": sorted(keys)},
        )


MOST_ACCOUNTS = 64
"""How many accounts share a batch of events."""

# From account to account within the index of the key, one look-up each, however many events an account has waiting.
# Ordered by the whole beginning of the key, so that no other index will do.
_ACCOUNTS_WAITING = """
WITH RECURSIVE waiting(shard, owner_id) AS (
    (SELECT shard, owner_id FROM trigger_events
     WHERE (shard, owner_id) > (CAST(:shard AS smallint), CAST(:after AS bigint)) ORDER BY shard, owner_id LIMIT 1)
    UNION ALL
    SELECT next.* FROM waiting w, LATERAL (
        SELECT shard, owner_id FROM trigger_events e
        WHERE (e.shard, e.owner_id) > (w.shard, w.owner_id) ORDER BY shard, owner_id LIMIT 1
    ) AS next WHERE w.shard = :shard
)
SELECT owner_id FROM waiting WHERE shard = :shard LIMIT {limit}
"""


async def accounts_in_turn(session: AsyncSession, shard: int, *, after: int, limit: int) -> list[int]:
    """Accounts with events in the shard, at most `limit`: those that come after the one served last, then the first."""
    statement = text(_ACCOUNTS_WAITING.format(limit=int(limit)))
    found = list(await session.scalars(statement, {"shard": shard, "after": after}))
    if len(found) < limit and after:
        before = await session.scalars(statement, {"shard": shard, "after": 0})
        found += [owner_id for owner_id in before if owner_id <= after][: limit - len(found)]
    return found


# One event a person: those of one subscriber are looked at in their order, one batch after the other. Nothing is
# locked: whoever takes events has the shard.
_TAKE_EVENTS = """
WITH looked_at AS MATERIALIZED (
    SELECT e.* FROM unnest(CAST(:owners AS bigint[])) AS o(owner_id), LATERAL (
        SELECT ctid AS place, event_id, subscriber_id FROM trigger_events
        WHERE shard = :shard AND owner_id = o.owner_id
        ORDER BY shard, owner_id, event_id LIMIT {window}
    ) AS e
), first AS MATERIALIZED (
    SELECT DISTINCT ON (subscriber_id) place, event_id FROM looked_at
    WHERE NOT EXISTS (SELECT FROM unnest(CAST(:but AS bigint[])) AS but(subscriber_id)
                      WHERE but.subscriber_id = looked_at.subscriber_id)
    ORDER BY subscriber_id, event_id
)
DELETE FROM trigger_events WHERE ctid = ANY (ARRAY (SELECT place FROM first ORDER BY event_id LIMIT :most))
RETURNING event_id, owner_id, kind, list_id, subscriber_id, subject_id, payload, depth, occurred_at,
    (SELECT count(*) FROM looked_at) AS looked_at
"""
WIDER = 16
"""How many times as far is looked where most events are of a few people, whose turn comes once a batch: otherwise a
visitor who does a thing four thousand times would have everybody else of the account wait for four thousand batches."""


async def take_events(session: AsyncSession, shard: int, *, owner_ids: Sequence[int], limit: int) -> list[Row[Any]]:
    """The oldest event of each subscriber, an equal share of each account; deleted, in their order.

    The caller holds the shard.
    """

    async def take(window: int, most: int, but: Sequence[int]) -> Sequence[Row[Any]]:
        # the window stands in the text: a bound one may be planned for a tenth of the table
        statement = text(_TAKE_EVENTS.format(window=window))
        parameters = {"shard": shard, "owners": list(owner_ids), "but": but, "most": most}
        return (await session.execute(statement, parameters)).all()

    share = max(1, limit // len(owner_ids))
    events = list(await take(share, limit, []))
    if events and share <= events[0].looked_at > 2 * len(events):
        events += await take(WIDER * share, limit - len(events), [event.subscriber_id for event in events])
    return sorted(events, key=lambda event: event.event_id)


_DUE_JOURNEYS = """
SELECT journey_id FROM runnable_journeys WHERE shard = :shard AND next_due_at <= :now
ORDER BY served_at, journey_id LIMIT {limit} FOR UPDATE SKIP LOCKED
"""


async def due_journeys(session: AsyncSession, shard: int, *, now: datetime, limit: int) -> list[int]:
    """The journeys of the shard with people due, those first that waited longest to be served; locked."""
    rows = await session.execute(text(_DUE_JOURNEYS.format(limit=int(limit))), {"shard": shard, "now": now})
    return list(rows.scalars())


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


# One look-up a shard and index, whatever waits there: an EXISTS could be planned as a pass over the table.
_READY = """
SELECT shard FROM generate_series(0, {last}) AS s(shard)
WHERE (SELECT TRUE FROM trigger_events e WHERE e.shard = s.shard ORDER BY e.shard, e.owner_id, e.event_id LIMIT 1)
    OR (SELECT next_due_at <= :now FROM runnable_journeys r WHERE r.shard = s.shard
        ORDER BY r.shard, r.next_due_at LIMIT 1)
"""


async def ready_shards(session: AsyncSession, *, now: datetime) -> list[int]:
    """The shards with an event, or with somebody due, whoever may be at work on them."""
    return list(await session.scalars(text(_READY.format(last=SHARDS - 1)), {"now": now}))


_NEXT_DUE = """
SELECT least(
    (SELECT min(first.next_due_at) FROM generate_series(0, {last}) AS s(shard), LATERAL (
        SELECT next_due_at FROM runnable_journeys r WHERE r.shard = s.shard ORDER BY r.shard, r.next_due_at LIMIT 1
    ) AS first),
    (SELECT min(due_at) FROM scheduled_pulls)
)
"""


async def next_due(session: AsyncSession) -> datetime | None:
    """The earliest instant that any enabled journey has somebody due at, or pulls people."""
    found = await session.scalar(text(_NEXT_DUE.format(last=SHARDS - 1)))
    return found if isinstance(found, datetime) else None
