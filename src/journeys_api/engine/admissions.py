"""SQL of letting people in: who is there, who is inside already, how many entered lately."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SHARDS, Journey
from journeys_api.trigger_events import AWAITED, wake


async def living(session: AsyncSession, people: Collection[tuple[int, int]]) -> dict[tuple[int, int], tuple[int, str]]:
    """(owner, subscriber) → (list, address), of those who are there."""
    rows = await session.execute(
        # each by its key: a join may be planned as a pass over all of an account that nobody has analyzed yet
        text(
            "SELECT s.owner_id, s.subscriber_id, s.list_id, s.email_address "
            "FROM unnest(CAST(:owners AS bigint[]), CAST(:people AS bigint[])) AS w(owner_id, subscriber_id), "
            "LATERAL (SELECT * FROM subscribers s WHERE s.owner_id = w.owner_id AND s.subscriber_id = w.subscriber_id "
            "LIMIT 1) AS s"
        ),
        {"owners": [owner for owner, _ in people], "people": [person for _, person in people]},
    )
    return {(owner_id, subscriber_id): (list_id, address) for owner_id, subscriber_id, list_id, address in rows.all()}


async def active_in(session: AsyncSession, wanted: Sequence[tuple[Journey, Sequence[int]]]) -> set[tuple[int, int]]:
    """(journey, subscriber) of those subscribers who are active in the journey that they are wanted in."""
    rows = await session.execute(
        text(
            "SELECT w.journey_id, w.subscriber_id "
            "FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), CAST(:people AS bigint[])) "
            "AS w(owner_id, journey_id, subscriber_id), "
            "LATERAL (SELECT FROM enrollments e WHERE e.owner_id = w.owner_id AND e.subscriber_id = w.subscriber_id "
            "AND e.journey_id = w.journey_id AND e.ended_at IS NULL LIMIT 1) AS e"
        ),
        {
            "owners": [owner for journey, people in wanted for owner in [journey.owner_id] * len(people)],
            "journeys": [each for journey, people in wanted for each in [journey.journey_id] * len(people)],
            "people": [subscriber_id for _, people in wanted for subscriber_id in people],
        },
    )
    return {(journey_id, subscriber_id) for journey_id, subscriber_id in rows.all()}


async def entries_since(session: AsyncSession, since: Sequence[tuple[int, datetime]]) -> list[int]:
    """How many entered each journey since its instant, counted by whole minutes, so rather one minute's too many."""
    if not since:
        return []
    rows = await session.execute(
        text(
            "SELECT e.entries FROM unnest(CAST(:journeys AS bigint[]), CAST(:since AS timestamptz[])) WITH ORDINALITY "
            "AS w(journey_id, since, number), LATERAL ("
            "  SELECT coalesce(sum(entries), 0) AS entries FROM entry_counts"
            "  WHERE journey_id = w.journey_id AND minute > w.since - interval '1 minute'"
            ") AS e ORDER BY w.number"
        ),
        {"journeys": [journey_id for journey_id, _ in since], "since": [instant for _, instant in since]},
    )
    return [int(entries) for entries in rows.scalars()]


async def forget_entries(session: AsyncSession, journey_ids: Collection[int], *, now: datetime) -> None:
    """Forget the counts of entries that no window reaches any more."""
    await session.execute(
        text(
            "DELETE FROM entry_counts WHERE journey_id = ANY(CAST(:journeys AS bigint[])) "
            "AND minute < CAST(:now AS timestamptz) - interval '25 hours'"
        ),
        {"now": now, "journeys": sorted(journey_ids)},
    )


@dataclass(frozen=True, slots=True)
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
    """What lets the person in, as JSON text: `kind`, and for website events `Event`."""


_LET_IN = text(
    f"""
WITH entered AS (
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
    RETURNING enrollment_id, owner_id, journey_id, list_id, subscriber_id, action_id, depth
), timed AS (
    INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
    SELECT subscriber_id % {SHARDS}, journey_id, :now, owner_id, enrollment_id FROM entered WHERE action_id IS NOT NULL
), announced AS (
    INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at)
    SELECT DISTINCT subscriber_id % {SHARDS}, journey_id, owner_id, CAST(:now AS timestamptz)
    FROM entered WHERE action_id IS NOT NULL ORDER BY 1, 2
    ON CONFLICT (shard, journey_id) DO UPDATE SET next_due_at = excluded.next_due_at
    WHERE runnable_journeys.next_due_at > excluded.next_due_at
), numbers AS (
    INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count, total_count, counted_on, happened_at)
    SELECT owner_id, journey_id, 0, count(action_id), count(*),
           CAST(CAST(:now AS timestamptz) AT TIME ZONE 'UTC' AS date), :now FROM entered GROUP BY 1, 2
    UNION ALL SELECT owner_id, journey_id, action_id, count(*), count(*), CAST(NULL AS date), :now
    FROM entered WHERE action_id IS NOT NULL GROUP BY 1, 2, 3
), counted AS (
    INSERT INTO entry_counts (journey_id, minute, entries)
    SELECT journey_id, date_trunc('minute', CAST(:now AS timestamptz)), count(*)
    FROM entered GROUP BY journey_id ORDER BY journey_id
    ON CONFLICT (journey_id, minute) DO UPDATE SET entries = entry_counts.entries + excluded.entries
), told AS (
    INSERT INTO trigger_events
        (shard, owner_id, kind, list_id, subscriber_id, subject_id, payload, depth, occurred_at)
    SELECT subscriber_id % {SHARDS}, owner_id, 'JourneyCompleted', list_id, subscriber_id, journey_id, '{{}}',
           depth + 1, :now
    FROM entered WHERE action_id IS NULL AND {AWAITED.format(owner="entered.owner_id", kind="'JourneyCompleted'")}
    RETURNING 1
)
SELECT count(*) AS entered, array_agg(owner_id ORDER BY enrollment_id) AS owners,
       array_agg(enrollment_id ORDER BY enrollment_id) AS enrollments, (SELECT count(*) FROM told) AS told
FROM entered
"""  # noqa: S608 (pieces of ours)
)
# asked after they were written: whoever was about to take the same person out is done by then. One look-up for each,
# whatever is known of the table: joins may be planned as a pass over it.
_COUNT_NEW_PEOPLE = text(
    """
INSERT INTO counter_deltas (owner_id, journey_id, people_count)
SELECT e.owner_id, e.journey_id, count(*)
FROM unnest(CAST(:owners AS bigint[]), CAST(:enrollments AS bigint[])) AS w(owner_id, enrollment_id), LATERAL (
    SELECT owner_id, journey_id, subscriber_id, enrollment_id FROM enrollments
    WHERE owner_id = w.owner_id AND enrollment_id = w.enrollment_id LIMIT 1
) AS e
WHERE (
    SELECT true FROM enrollments o WHERE o.owner_id = e.owner_id AND o.subscriber_id = e.subscriber_id
    AND o.journey_id = e.journey_id AND o.enrollment_id <> e.enrollment_id LIMIT 1
) IS NULL
GROUP BY 1, 2
"""
)


async def let_in(session: AsyncSession, entrants: Sequence[Entrant], *, now: datetime) -> int:
    """Let people in, with their timers and numbers; how many. Those who are active in their journey stay as they are.

    The round over journeys learns of them, and journeys of those that are completed at once.
    """
    if not entrants:
        return 0
    row = (
        await session.execute(
            _LET_IN,
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
    ).one()
    if row.entered:
        entered = {"owners": row.owners, "enrollments": row.enrollments}
        await session.execute(_COUNT_NEW_PEOPLE, entered)
    if row.told:
        await wake(session)
    return int(row.entered)


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
