"""SQL of letting people in: who is there, who is inside already, how many entered lately."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession


async def living(session: AsyncSession, people: Collection[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, str]]:
    """(owner, subscriber) → (list, address), of those who are there."""
    rows = await session.execute(
        text(
            "SELECT s.owner_id, s.subscriber_id, s.list_id, s.email_address FROM subscribers s JOIN "
            "unnest(CAST(:owners AS bigint[]), CAST(:people AS bigint[])) AS w(owner_id, subscriber_id) "
            "USING (owner_id, subscriber_id)"
        ),
        {"owners": [owner for owner, _ in people], "people": [person for _, person in people]},
    )
    return {(row.owner_id, row.subscriber_id): (row.list_id, row.email_address) for row in rows}


async def active_in(
    session: AsyncSession, *, owner_id: int, journey_id: int, subscriber_ids: Sequence[int]
) -> set[int]:
    """Those of the subscribers who are active in the journey."""
    rows = await session.execute(
        text(
            "SELECT subscriber_id FROM enrollments WHERE owner_id = :owner AND journey_id = :journey "
            "AND subscriber_id = ANY(CAST(:people AS bigint[])) AND state = 'active'"
        ),
        {"owner": owner_id, "journey": journey_id, "people": list(subscriber_ids)},
    )
    return set(rows.scalars())


async def entries_since(session: AsyncSession, *, journey_id: int, since: datetime) -> int:
    """How many entered since then, counted by whole minutes, so rather one minute's too many."""
    count = await session.scalar(
        text(
            "SELECT coalesce(sum(entries), 0) FROM entry_counts "
            "WHERE journey_id = :journey AND minute > CAST(:since AS timestamptz) - interval '1 minute'"
        ),
        {"journey": journey_id, "since": since},
    )
    return int(count or 0)


async def count_entries(session: AsyncSession, entries: dict[int, int], *, now: datetime) -> None:
    """Add entries by journey to this minute's count; forget what no window reaches any more."""
    await session.execute(
        text(
            "INSERT INTO entry_counts (journey_id, minute, entries) "
            "SELECT journey_id, date_trunc('minute', CAST(:now AS timestamptz)), entries "
            "FROM unnest(CAST(:journeys AS bigint[]), CAST(:entries AS bigint[])) AS w(journey_id, entries) "
            "ORDER BY journey_id "
            "ON CONFLICT (journey_id, minute) DO UPDATE SET entries = entry_counts.entries + excluded.entries"
        ),
        {"now": now, "journeys": list(entries), "entries": list(entries.values())},
    )
    await session.execute(
        text(
            "DELETE FROM entry_counts WHERE journey_id = ANY(CAST(:journeys AS bigint[])) "
            "AND minute < CAST(:now AS timestamptz) - interval '25 hours'"
        ),
        {"now": now, "journeys": list(entries)},
    )


@dataclass(frozen=True)
class Entrant:
    """Somebody who shall enter a journey."""

    owner_id: int
    journey_id: int
    list_id: int
    subscriber_id: int
    email_address: str
    first_action_id: int | None
    """None: the journey has no published action, and whoever enters completes at once."""
    depth: int
    cause: str
    """JSON text of `Person.cause`."""


_INSERT_ENROLLMENTS = text(
    """
INSERT INTO enrollments (owner_id, journey_id, list_id, subscriber_id, email_address, state, action_id, entered_at,
                         due_at, seq, attempts, depth, cause, created_at, ended_at)
SELECT owner_id, journey_id, list_id, subscriber_id, email_address,
       CASE WHEN action_id IS NULL THEN 'completed' ELSE 'active' END, action_id, :now,
       CASE WHEN action_id IS NULL THEN NULL ELSE CAST(:now AS timestamptz) END,
       0, 0, depth, CAST(cause AS json), :now, CASE WHEN action_id IS NULL THEN CAST(:now AS timestamptz) END
FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), CAST(:lists AS bigint[]),
            CAST(:people AS bigint[]), CAST(:addresses AS text[]), CAST(:actions AS bigint[]),
            CAST(:depths AS smallint[]), CAST(:causes AS text[]))
     AS w(owner_id, journey_id, list_id, subscriber_id, email_address, action_id, depth, cause)
ON CONFLICT (owner_id, journey_id, list_id, subscriber_id) WHERE state = 'active' DO NOTHING
RETURNING enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address, action_id, depth
"""
)


async def insert_enrollments(session: AsyncSession, entrants: Sequence[Entrant], *, now: datetime) -> list[Row[Any]]:
    """Let people in; those who are active in their journey already stay as they are and are not answered."""
    if not entrants:
        return []
    rows = await session.execute(
        _INSERT_ENROLLMENTS,
        {
            "now": now,
            "owners": [each.owner_id for each in entrants],
            "journeys": [each.journey_id for each in entrants],
            "lists": [each.list_id for each in entrants],
            "people": [each.subscriber_id for each in entrants],
            "addresses": [each.email_address for each in entrants],
            "actions": [each.first_action_id for each in entrants],
            "depths": [each.depth for each in entrants],
            "causes": [each.cause for each in entrants],
        },
    )
    return list(rows.all())


@dataclass(frozen=True, slots=True)
class Refused:
    """An event matched a journey and its subscriber did not enter."""

    owner_id: int
    journey_id: int
    list_id: int
    subscriber_id: int
    kind: str
    reason: str


async def insert_refusals(session: AsyncSession, refused: Sequence[Refused], *, now: datetime) -> None:
    """Write down why people did not enter."""
    if refused:
        await session.execute(
            text(
                "INSERT INTO enrollment_refusals "
                "(owner_id, journey_id, list_id, subscriber_id, kind, reason, refused_at) "
                "SELECT owner_id, journey_id, list_id, subscriber_id, kind, reason, :now "
                "FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), CAST(:lists AS bigint[]), "
                "CAST(:people AS bigint[]), CAST(:kinds AS text[]), CAST(:reasons AS text[])) "
                "AS w(owner_id, journey_id, list_id, subscriber_id, kind, reason)"
            ),
            {
                "now": now,
                "owners": [each.owner_id for each in refused],
                "journeys": [each.journey_id for each in refused],
                "lists": [each.list_id for each in refused],
                "people": [each.subscriber_id for each in refused],
                "kinds": [each.kind for each in refused],
                "reasons": [each.reason for each in refused],
            },
        )
