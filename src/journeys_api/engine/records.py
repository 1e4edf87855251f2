"""SQL of enrollments and of everything a batch writes about them.

Every statement takes arrays: its cost grows with the batch, its number does not. Rows are found by where they are
(`ctid`) or one by one by their key, in plans that are the same for a table nobody has analyzed yet: a join that may be
planned as a pass over a big table will be one day.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine.batches import Delta, Settled
from journeys_api.engine.people import Cohort, Origin, Path, Taken
from journeys_api.models import SHARDS
from journeys_api.trigger_events import AWAITED, wake

# The caller holds the shard, so nobody else takes these timers: they need no lock before they are deleted. Their people
# are locked in order of enrollment. LATERAL with FOR UPDATE cannot be planned but as one look-up for each; `ended_at IS
# NULL` is `state = 'active'` without an invitation to a partial index that begins with the account. The share stands in
# the text: a bound one may be planned for a tenth of the table.
# Who has the most in common comes as one row, with a text for each column of what is everybody's own: making rows and
# values of thousands of people costs more than all that is done with them. What let somebody in is told of website
# events only, as nobody asks otherwise; `entered` where not all came at one instant.
# Whether people are gone is asked of those only who may be: of a list that is losing many just now, and before the
# first step, since nobody is kept from being deleted while they are let in.
_TAKE_PEOPLE = """
WITH gone AS (
    DELETE FROM timers WHERE ctid = ANY (ARRAY (
        SELECT t.place FROM unnest(CAST(:journeys AS bigint[])) AS j(journey_id), LATERAL (
            SELECT ctid AS place FROM timers
            WHERE shard = :shard AND journey_id = j.journey_id AND due_at <= :now
            ORDER BY due_at LIMIT {share}
        ) AS t
    ))
    RETURNING owner_id, enrollment_id, due_at
), people AS (
    SELECT p.* FROM (SELECT DISTINCT enrollment_id, owner_id, due_at FROM gone ORDER BY enrollment_id) AS w
    LEFT JOIN LATERAL (
        SELECT e.ctid AS place, e.enrollment_id, e.owner_id, e.journey_id, e.list_id, e.subscriber_id, e.action_id,
               e.entered_at, e.seq, e.attempts, e.depth, CAST(e.cause AS text) AS cause
        FROM enrollments e
        WHERE e.owner_id = w.owner_id AND e.enrollment_id = w.enrollment_id AND e.ended_at IS NULL
          AND e.due_at = w.due_at
        FOR UPDATE
    ) AS p ON true
)
SELECT count(*) AS size, owner_id, journey_id, list_id, depth, action_id, attempts, seq = 0 AS is_new,
       CASE WHEN min(entered_at) = max(entered_at) THEN min(entered_at) END AS entered_at,
       CAST(array_agg(place) AS text) AS places, CAST(array_agg(enrollment_id) AS text) AS enrollment_ids,
       CAST(array_agg(subscriber_id) AS text) AS subscriber_ids, CAST(array_agg(seq) AS text) AS seqs,
       CASE WHEN min(entered_at) < max(entered_at) THEN array_agg(entered_at) END AS entered,
       CASE WHEN has_event THEN array_agg(cause) END AS causes, is_gone
FROM (
    SELECT *, strpos(cause, '"Event"') > 0 AS has_event,
           CASE WHEN seq = 0 OR list_id = ANY (ARRAY (SELECT list_id FROM deletions)) THEN (
               SELECT true FROM subscribers s
               WHERE s.owner_id = people.owner_id AND s.subscriber_id = people.subscriber_id LIMIT 1
           ) IS NULL ELSE false END AS is_gone
    FROM people
) AS p
GROUP BY owner_id, journey_id, list_id, depth, action_id, attempts, seq = 0, has_event, is_gone
"""


async def take_people(
    session: AsyncSession, shard: int, *, journey_ids: Sequence[int], share: int, now: datetime, path: Path
) -> tuple[int, list[tuple[Cohort, bool, bool]]]:
    """Delete due timers of the journeys, at most `share` of each; of how many people, and these people, locked.

    Those who ended or got another timer meanwhile are left out. With each cohort: whether it has taken no step yet, and
    whether these people were deleted.
    """
    rows = await session.execute(
        text(_TAKE_PEOPLE.format(share=int(share))), {"shard": shard, "journeys": list(journey_ids), "now": now}
    )
    taken = 0
    cohorts = []
    for row in rows:
        taken += row.size
        if row.owner_id is None:
            continue
        who = Taken(
            row.size,
            places=row.places[1:-1],
            enrollment_ids=row.enrollment_ids[1:-1],
            subscriber_ids=row.subscriber_ids[1:-1],
            seqs=row.seqs[1:-1],
            entered=row.entered,
            causes=row.causes,
        )
        cohort = Cohort(
            Origin(row.owner_id, row.journey_id, row.list_id, row.depth),
            who,
            action_id=row.action_id,
            attempts=row.attempts,
            entered_at=row.entered_at,
            path=path,
        )
        cohorts.append((cohort, row.is_new, row.is_gone))
    return taken, cohorts


# What people have in common is written once a group: arrays of groups, subscripted with each person's. `firsts` and
# `lengths` say where a group's steps stand in the arrays of steps, and so for the actions it reached.
_WRITE_PEOPLE = text(
    f"""
WITH w AS (
    SELECT place, g FROM unnest(CAST(CAST(:places AS text) AS tid[]), CAST(CAST(:groups AS text) AS int[]))
        AS w(place, g)
), moved AS (
    UPDATE enrollments e
    SET action_id = nullif((CAST(:actions AS bigint[]))[w.g], 0),
        entered_at = CASE WHEN (CAST(:lengths AS int[]))[w.g] > 0 THEN CAST(:now AS timestamptz)
                     ELSE e.entered_at END,
        due_at = CASE WHEN (CAST(:states AS text[]))[w.g] = 'active' THEN (CAST(:dues AS timestamptz[]))[w.g] END,
        seq = e.seq + (CAST(:lengths AS int[]))[w.g],
        attempts = (CAST(:attempts AS smallint[]))[w.g],
        state = (CAST(:states AS text[]))[w.g],
        reason = (CAST(:reasons AS text[]))[w.g],
        ended_at = CASE WHEN (CAST(:states AS text[]))[w.g] <> 'active' THEN CAST(:now AS timestamptz) END
    FROM w WHERE e.ctid = ANY (ARRAY (SELECT place FROM w)) AND e.ctid = w.place
    RETURNING e.owner_id, e.enrollment_id, e.journey_id, e.list_id, e.subscriber_id, e.email_address, e.due_at, e.seq,
              e.state, e.depth, w.g
), history AS (
    INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome, note)
    SELECT m.owner_id, m.enrollment_id, m.seq - (CAST(:lengths AS int[]))[m.g] + n,
           (CAST(:step_actions AS bigint[]))[(CAST(:firsts AS int[]))[m.g] + n], :now,
           (CAST(:step_outcomes AS text[]))[(CAST(:firsts AS int[]))[m.g] + n],
           (CAST(:step_notes AS text[]))[(CAST(:firsts AS int[]))[m.g] + n]
    FROM moved m, generate_series(1, (CAST(:lengths AS int[]))[m.g]) AS n
), reached AS (
    INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at)
    SELECT m.owner_id, (CAST(:reached_actions AS bigint[]))[(CAST(:reached_firsts AS int[]))[m.g] + n], m.list_id,
           m.subscriber_id, m.email_address, 0, :now
    FROM moved m, generate_series(1, (CAST(:reached_lengths AS int[]))[m.g]) AS n
    ON CONFLICT DO NOTHING
), timed AS (
    INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
    SELECT m.subscriber_id % {SHARDS}, m.journey_id, m.due_at, m.owner_id, m.enrollment_id
    FROM moved m WHERE m.state = 'active'
), told AS (
    INSERT INTO trigger_events
        (shard, owner_id, kind, list_id, subscriber_id, subject_id, payload, depth, occurred_at)
    SELECT m.subscriber_id % {SHARDS}, m.owner_id, 'JourneyCompleted', m.list_id, m.subscriber_id, m.journey_id,
           '{{}}', m.depth + 1, :now
    FROM moved m WHERE m.state = 'completed' AND {AWAITED.format(owner="m.owner_id", kind="'JourneyCompleted'")}
    RETURNING 1
)
SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM told) AS told
"""  # noqa: S608 (pieces of ours)
)


async def write_people(session: AsyncSession, settled: Mapping[Settled, Sequence[Cohort]], *, now: datetime) -> None:
    """Write positions, ends, history, who reached what, timers, and that journeys were completed."""
    places: list[str] = []
    groups: list[str] = []
    expected = 0
    for number, cohorts in enumerate(settled.values(), 1):
        for cohort in cohorts:
            places.append(cohort.places())
            groups.append(f"{number}," * cohort.count)
            expected += cohort.count
    if not expected:
        return
    arrays = _arrays_of(settled, now=now)
    # as text, which is several times quicker to make than the driver's arrays of thousands
    arrays |= {"places": "{" + ",".join(places) + "}", "groups": "{" + "".join(groups)[:-1] + "}", "now": now}
    row = (await session.execute(_WRITE_PEOPLE, arrays)).one()
    if row.moved != expected:
        raise PeopleLost(expected=expected, written=row.moved)
    if row.told:
        await wake(session)


class PeopleLost(Exception):
    """Rows that the batch had locked were not where they had been."""

    def __init__(self, *, expected: int, written: int) -> None:
        super().__init__(f"{expected} people locked, {written} written")


def _arrays_of(settled: Mapping[Settled, Sequence[Cohort]], *, now: datetime) -> dict[str, Any]:
    """The arrays of groups, and those of the steps and reached actions that their entries point into."""
    step_actions: list[int] = []
    step_outcomes: list[str] = []
    step_notes: list[str | None] = []
    reached_actions: list[int] = []
    known: dict[Path, tuple[int, int, int, int]] = {}
    for each in settled:
        if each.path in known:
            continue
        steps, reached = _unrolled(each.path)
        known[each.path] = (len(step_actions), len(steps), len(reached_actions), len(reached))
        step_actions += [step.action_id for step in steps]
        step_outcomes += [step.outcome for step in steps]
        step_notes += [step.note for step in steps]
        reached_actions += reached
    spans = [known[each.path] for each in settled]
    return {
        "actions": [each.action_id or 0 for each in settled],
        "states": [each.state for each in settled],
        "dues": [each.due_at or now for each in settled],
        "attempts": [each.attempts for each in settled],
        "reasons": [each.reason for each in settled],
        "firsts": [span[0] for span in spans],
        "lengths": [span[1] for span in spans],
        "reached_firsts": [span[2] for span in spans],
        "reached_lengths": [span[3] for span in spans],
        "step_actions": step_actions,
        "step_outcomes": step_outcomes,
        "step_notes": step_notes,
        "reached_actions": reached_actions,
    }


def _unrolled(path: Path) -> tuple[list[Path], list[int]]:
    """The steps of a path from its beginning on, and the actions reached on it."""
    steps: list[Path] = []
    reached: list[int] = []
    while path.before is not None:
        if path.action_id:
            steps.append(path)
        if path.reached is not None:
            reached.append(path.reached)
        path = path.before
    return steps[::-1], reached[::-1]


async def insert_deltas(session: AsyncSession, deltas: dict[tuple[int, int, int], Delta], *, now: datetime) -> None:
    """Append changes by (owner, journey, action); who enters is counted elsewhere."""
    changed = {place: delta for place, delta in deltas.items() if delta.active or delta.total or delta.completed}
    if changed:
        await session.execute(
            text(
                "INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count, total_count, "
                "completed_runs, happened_at) "
                "SELECT *, CAST(:now AS timestamptz) FROM unnest(CAST(:owners AS bigint[]), "
                "CAST(:journeys AS bigint[]), CAST(:actions AS bigint[]), CAST(:active AS bigint[]), "
                "CAST(:total AS bigint[]), CAST(:completed AS bigint[]))"
            ),
            {
                "now": now,
                "owners": [owner for owner, _, _ in changed],
                "journeys": [journey for _, journey, _ in changed],
                "actions": [action for _, _, action in changed],
                "active": [delta.active for delta in changed.values()],
                "total": [delta.total for delta in changed.values()],
                "completed": [delta.completed for delta in changed.values()],
            },
        )
