"""SQL of enrollments and of everything a batch writes about them.

Every statement takes arrays: its cost grows with the batch, its number does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine.people import Owed, Person

_LOCK_PEOPLE = text(
    """
SELECT e.enrollment_id, e.owner_id, e.journey_id, e.list_id, e.subscriber_id, e.email_address, e.action_id,
       e.entered_at, e.seq, e.attempts, e.depth, e.cause
FROM enrollments e
JOIN unnest(CAST(:owners AS bigint[]), CAST(:enrollments AS bigint[]), CAST(:dues AS timestamptz[]))
     AS w(owner_id, enrollment_id, due_at) USING (owner_id, enrollment_id)
WHERE e.state = 'active' AND e.due_at = w.due_at
ORDER BY e.enrollment_id FOR UPDATE OF e
"""
)


async def lock_people(session: AsyncSession, timers: Sequence[Row[Any]]) -> list[Person]:
    """The people whose timers these are, locked; those who ended or got another timer meanwhile are left out."""
    rows = await session.execute(
        _LOCK_PEOPLE,
        {
            "owners": [row.owner_id for row in timers],
            "enrollments": [row.enrollment_id for row in timers],
            "dues": [row.due_at for row in timers],
        },
    )
    return [Person(*row) for row in rows]


@dataclass(slots=True)
class Written:
    """What a batch changes about one enrollment."""

    person: Person
    state: str
    due_at: datetime | None
    reason: str | None


_UPDATE_PEOPLE = text(
    """
UPDATE enrollments e
SET action_id = w.action_id, entered_at = w.entered_at, due_at = w.due_at, seq = w.seq, attempts = w.attempts,
    state = w.state, reason = w.reason,
    ended_at = CASE WHEN w.state = 'active' THEN NULL ELSE CAST(:now AS timestamptz) END
FROM unnest(CAST(:owners AS bigint[]), CAST(:enrollments AS bigint[]), CAST(:actions AS bigint[]),
            CAST(:entered AS timestamptz[]), CAST(:dues AS timestamptz[]), CAST(:seqs AS bigint[]),
            CAST(:attempts AS smallint[]), CAST(:states AS text[]), CAST(:reasons AS text[]))
     AS w(owner_id, enrollment_id, action_id, entered_at, due_at, seq, attempts, state, reason)
WHERE e.owner_id = w.owner_id AND e.enrollment_id = w.enrollment_id
"""
)


async def update_people(session: AsyncSession, written: Sequence[Written], *, now: datetime) -> None:
    """Write new positions and ends."""
    if written:
        await session.execute(
            _UPDATE_PEOPLE,
            {
                "now": now,
                "owners": [each.person.owner_id for each in written],
                "enrollments": [each.person.enrollment_id for each in written],
                "actions": [each.person.action_id for each in written],
                "entered": [each.person.entered_at for each in written],
                "dues": [each.due_at for each in written],
                "seqs": [each.person.seq for each in written],
                "attempts": [each.person.attempts for each in written],
                "states": [each.state for each in written],
                "reasons": [each.reason for each in written],
            },
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """One step for the history."""

    owner_id: int
    enrollment_id: int
    seq: int
    action_id: int
    outcome: str
    note: str | None


async def insert_steps(session: AsyncSession, steps: Sequence[Taken], *, now: datetime) -> None:
    """Append to the history."""
    if steps:
        await session.execute(
            text(
                "INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome, note) "
                "SELECT owner_id, enrollment_id, seq, action_id, :now, outcome, note "
                "FROM unnest(CAST(:owners AS bigint[]), CAST(:enrollments AS bigint[]), CAST(:seqs AS bigint[]), "
                "CAST(:actions AS bigint[]), CAST(:outcomes AS text[]), CAST(:notes AS text[])) "
                "AS w(owner_id, enrollment_id, seq, action_id, outcome, note)"
            ),
            {
                "now": now,
                "owners": [each.owner_id for each in steps],
                "enrollments": [each.enrollment_id for each in steps],
                "seqs": [each.seq for each in steps],
                "actions": [each.action_id for each in steps],
                "outcomes": [each.outcome for each in steps],
                "notes": [each.note for each in steps],
            },
        )


async def insert_reached(session: AsyncSession, reached: Sequence[tuple[Person, int]], *, now: datetime) -> None:
    """Write down who reached which action, once each."""
    if reached:
        await session.execute(
            text(
                "INSERT INTO action_subscribers "
                "(owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at) "
                "SELECT DISTINCT ON (1, 2, 3, 4) owner_id, action_id, list_id, subscriber_id, email_address, 0, :now "
                "FROM unnest(CAST(:owners AS bigint[]), CAST(:actions AS bigint[]), CAST(:lists AS bigint[]), "
                "CAST(:people AS bigint[]), CAST(:addresses AS text[])) "
                "AS w(owner_id, action_id, list_id, subscriber_id, email_address) ON CONFLICT DO NOTHING"
            ),
            {
                "now": now,
                "owners": [person.owner_id for person, _ in reached],
                "actions": [action_id for _, action_id in reached],
                "lists": [person.list_id for person, _ in reached],
                "people": [person.subscriber_id for person, _ in reached],
                "addresses": [person.email_address for person, _ in reached],
            },
        )


@dataclass(frozen=True, slots=True)
class OwedAt:
    """What a person is owed by one visit of one action."""

    owed: Owed
    action_id: int
    visit: int
    payload: str
    """JSON text of `Owed.payload`."""


async def insert_deliveries(session: AsyncSession, owed: Sequence[OwedAt], *, now: datetime) -> None:
    """Write what is owed into the outbox; twice the same is once."""
    if owed:
        await session.execute(
            text(
                "INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, "
                "subscriber_id, email_id, payload, destination, next_attempt_at, created_at) "
                "SELECT owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id, "
                "CAST(payload AS json), destination, coalesce(not_before, :now), :now "
                "FROM unnest(CAST(:owners AS bigint[]), CAST(:kinds AS text[]), CAST(:enrollments AS bigint[]), "
                "CAST(:actions AS bigint[]), CAST(:visits AS bigint[]), CAST(:journeys AS bigint[]), "
                "CAST(:lists AS bigint[]), CAST(:people AS bigint[]), CAST(:emails AS bigint[]), "
                "CAST(:payloads AS text[]), CAST(:destinations AS text[]), CAST(:not_before AS timestamptz[])) "
                "AS w(owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id, "
                "payload, destination, not_before) ON CONFLICT DO NOTHING"
            ),
            {
                "now": now,
                "owners": [each.owed.person.owner_id for each in owed],
                "kinds": [each.owed.kind.value for each in owed],
                "enrollments": [each.owed.person.enrollment_id for each in owed],
                "actions": [each.action_id for each in owed],
                "visits": [each.visit for each in owed],
                "journeys": [each.owed.person.journey_id for each in owed],
                "lists": [each.owed.person.list_id for each in owed],
                "people": [each.owed.person.subscriber_id for each in owed],
                "emails": [each.owed.email_id for each in owed],
                "payloads": [each.payload for each in owed],
                "destinations": [each.owed.destination for each in owed],
                "not_before": [each.owed.not_before for each in owed],
            },
        )


@dataclass(slots=True)
class Delta:
    """Change of the numbers of an action, or (action 0) of a journey."""

    active: int = 0
    total: int = 0
    completed: int = 0


async def insert_deltas(session: AsyncSession, deltas: dict[tuple[int, int, int], Delta]) -> None:
    """Append changes by (owner, journey, action)."""
    changed = {place: delta for place, delta in deltas.items() if delta.active or delta.total or delta.completed}
    if changed:
        await session.execute(
            text(
                "INSERT INTO counter_deltas "
                "(owner_id, journey_id, action_id, active_count, total_count, completed_runs) "
                "SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), "
                "CAST(:actions AS bigint[]), CAST(:active AS bigint[]), CAST(:total AS bigint[]), "
                "CAST(:completed AS bigint[]))"
            ),
            {
                "owners": [owner for owner, _, _ in changed],
                "journeys": [journey for _, journey, _ in changed],
                "actions": [action for _, _, action in changed],
                "active": [delta.active for delta in changed.values()],
                "total": [delta.total for delta in changed.values()],
                "completed": [delta.completed for delta in changed.values()],
            },
        )


_EXIT = text(
    """
WITH ended AS (
    UPDATE enrollments e
    SET state = 'exited', ended_at = :now, reason = :reason, due_at = NULL
    WHERE e.owner_id = :owner AND e.subscriber_id = :person AND e.list_id = :list AND e.state = 'active'
      AND (CAST(:journey AS bigint) = 0 OR e.journey_id = :journey) AND e.journey_id <> ALL(CAST(:but AS bigint[]))
    RETURNING e.owner_id, e.journey_id, e.action_id
)
INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count)
SELECT owner_id, journey_id, action_id, -1 FROM ended WHERE action_id IS NOT NULL
UNION ALL SELECT owner_id, journey_id, 0, -1 FROM ended
RETURNING journey_id
"""
)


async def exit_journeys(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    subscriber_id: int,
    journey_id: int,
    but: Sequence[int] = (),
    reason: str,
    now: datetime,
) -> set[int]:
    """End somebody's active enrollments without completing them; the journeys that were left.

    Their timers stay and do nothing: the enrollments are not active any more.

    Args:
        journey_id: 0: of every journey except those in `but`.
    """
    rows = await session.execute(
        _EXIT,
        {
            "owner": owner_id,
            "list": list_id,
            "person": subscriber_id,
            "journey": journey_id,
            "but": list(but),
            "reason": reason,
            "now": now,
        },
    )
    return set(rows.scalars())
