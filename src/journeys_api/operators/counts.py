"""How many people wait for what: kept counters, index entries up to a bound, and a sample where there are more.

Nothing here costs more the more people are parked. A count that ends at its bound is replaced by an estimate from a
random sample of the timers, and says so.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.operators.entries import TouchState, touch_state

COUNTED = 5_000
"""Index entries are counted up to here."""
JUDGED = 500
"""So many of them are looked at more closely."""
SAMPLED_BYTES = 12 * 8192
"""So much of the timers is read for a sample: some thousand of them."""
WINDOW = timedelta(minutes=5)
"""What the throughput is measured over."""
SILENT = timedelta(seconds=20)
"""A worker that has not been heard of for so long is not healthy."""


@dataclass(frozen=True)
class Active:
    """People inside journeys that are not deleted."""

    moving: int
    """In enabled journeys."""
    frozen: int
    """In disabled ones."""


# the changes that are not folded yet belong to the totals
_ACTIVE = """
SELECT coalesce(sum(c.active_count) FILTER (WHERE j.status = 'Enabled'), 0)::bigint AS moving,
       coalesce(sum(c.active_count) FILTER (WHERE j.status <> 'Enabled'), 0)::bigint AS frozen
FROM (
    SELECT owner_id, journey_id, active_count FROM journey_totals WHERE {one} active_count <> 0
    UNION ALL
    SELECT owner_id, journey_id, active_count FROM counter_deltas WHERE {one} action_id = 0 AND active_count <> 0
) AS c JOIN journeys j USING (journey_id) WHERE j.deleted_at IS NULL
"""
_OF_ONE = "(owner_id, journey_id) = (SELECT owner_id, journey_id FROM journeys WHERE journey_id = :journey) AND"


async def active(session: AsyncSession, *, journey_id: int | None = None) -> Active:
    """How many people are inside."""
    statement = _ACTIVE.format(one="" if journey_id is None else _OF_ONE)
    row = (await session.execute(text(statement), {} if journey_id is None else {"journey": journey_id})).one()
    return Active(row.moving, row.frozen)


async def active_at(session: AsyncSession, *, owner_id: int, journey_id: int, action_id: int) -> tuple[int, int]:
    """How many people stand at an action, and how often it was done."""
    row = (
        await session.execute(
            text(
                "SELECT coalesce(sum(active_count), 0)::bigint AS active, "
                "coalesce(sum(completed_runs), 0)::bigint AS done FROM ("
                "SELECT active_count, completed_runs FROM action_totals "
                "WHERE owner_id = :owner AND journey_id = :journey AND action_id = :action UNION ALL "
                "SELECT active_count, completed_runs FROM counter_deltas "
                "WHERE owner_id = :owner AND journey_id = :journey AND action_id = :action) AS c"
            ),
            {"owner": owner_id, "journey": journey_id, "action": action_id},
        )
    ).one()
    return row.active, row.done


@dataclass(frozen=True)
class Count:
    """A number, and whether it is one that was estimated."""

    number: int
    is_estimate: bool = False


# Whoever ended, was taken out or moved elsewhere leaves a timer behind that is nobody's; it goes when it is due. The
# LIMIT, of what there is once, makes it one look-up a timer whatever the planner believes.
_WHOSE = """
LEFT JOIN LATERAL (
    SELECT enrollment_id, seq, created_at, entered_at, due_at FROM enrollments
    WHERE owner_id = due.owner_id AND journey_id = due.journey_id AND enrollment_id = due.enrollment_id
      AND state = 'active' AND due_at = due.due_at LIMIT 1
) AS e ON true
"""
# counting ends at its bound; a journey that is not enabled has no row in the round
_DUE = """
SELECT due.* FROM runnable_journeys r CROSS JOIN LATERAL (
    SELECT owner_id, journey_id, enrollment_id, due_at FROM timers t
    WHERE t.shard = r.shard AND t.journey_id = r.journey_id AND t.due_at <= {at} LIMIT {most}
) AS due WHERE {one} r.next_due_at <= {at} LIMIT {most}
"""
_UNTIL = f"""
SELECT counted.* FROM unnest(CAST(:instants AS timestamptz[])) WITH ORDINALITY AS i(at, place) CROSS JOIN LATERAL (
    SELECT count(*) AS timers, count(e.enrollment_id) AS people
    FROM ({_DUE.format(at="i.at", most=COUNTED, one="{one}")}) AS due {_WHOSE}
) AS counted ORDER BY i.place
"""  # noqa: S608 (constants of ours)
_SAMPLE = f"""
SELECT due.owner_id, due.due_at FROM (
    SELECT t.* FROM timers t
    TABLESAMPLE SYSTEM (least(100, 100.0 * {SAMPLED_BYTES} / greatest(1, pg_relation_size('timers'))))
    WHERE {{one}} EXISTS (SELECT FROM runnable_journeys r WHERE r.shard = t.shard AND r.journey_id = t.journey_id)
) AS due {_WHOSE} WHERE e.enrollment_id IS NOT NULL
"""  # noqa: S608 (constants of ours)


async def due_until(
    session: AsyncSession, instants: Sequence[datetime], *, journey_id: int | None = None
) -> list[Count]:
    """How many people of enabled journeys are due up to each of the instants."""
    parameters: dict[str, Any] = {"instants": list(instants)}
    one = "" if journey_id is None else "r.journey_id = :journey AND"
    if journey_id is not None:
        parameters["journey"] = journey_id
    rows = (await session.execute(text(_UNTIL.format(one=one)), parameters)).all()
    if all(row.timers < COUNTED for row in rows):
        return [Count(row.people) for row in rows]
    sample = await _sample(session, journey_id=journey_id)
    moving = (await active(session, journey_id=journey_id)).moving
    return [
        Count(row.people)
        if row.timers < COUNTED
        else _estimated(sum(each.due_at <= at for each in sample), len(sample), moving, least=row.people)
        for row, at in zip(rows, instants, strict=True)
    ]


async def _sample(session: AsyncSession, *, journey_id: int | None = None) -> Sequence[Row[Any]]:
    """The timers of people of enabled journeys in some pages drawn at random."""
    parameters: dict[str, Any] = {} if journey_id is None else {"journey": journey_id}
    one = "" if journey_id is None else "t.journey_id = :journey AND"
    return (await session.execute(text(_SAMPLE.format(one=one)), parameters)).all()


def _estimated(hits: int, sampled: int, of: int, *, least: int) -> Count:
    share = hits / sampled if sampled else 1.0
    return Count(max(least, round(of * share)), is_estimate=True)


_BY_OWNER = f"""
SELECT due.owner_id, count(*) AS timers, count(e.enrollment_id) AS people
FROM ({_DUE.format(at=":now", most=COUNTED, one="")}) AS due {_WHOSE} GROUP BY due.owner_id
"""  # noqa: S608 (constants of ours)


async def due_by_owner(session: AsyncSession, *, now: datetime) -> tuple[dict[int, int], bool]:
    """How many people of each account are due now, and whether the numbers are estimates."""
    rows = (await session.execute(text(_BY_OWNER), {"now": now})).all()
    found = {row.owner_id: row.people for row in rows if row.people}
    if sum(row.timers for row in rows) < COUNTED:
        return found, False
    sample = await _sample(session)
    moving = (await active(session)).moving
    estimated: dict[int, int] = {}
    for row in sample:
        if row.due_at <= now:
            estimated[row.owner_id] = estimated.get(row.owner_id, 0) + 1
    scaled = {owner_id: round(moving * hits / len(sample)) for owner_id, hits in estimated.items()}
    return {owner_id: max(scaled.get(owner_id, 0), found.get(owner_id, 0)) for owner_id in {*found, *scaled}}, True


_JUDGE = f"""
SELECT e.seq, e.created_at, e.entered_at, e.due_at
FROM ({_DUE.format(at=":now", most=JUDGED, one="{one}")}) AS due {_WHOSE}
"""  # noqa: S608 (constants of ours)


@dataclass(frozen=True)
class Queue:
    """People by what they wait for."""

    active: int
    frozen: int
    states: dict[TouchState, int]
    is_estimate: bool

    @property
    def due(self) -> int:
        """Those whose turn it is."""
        return sum(number for state, number in self.states.items() if state is not TouchState.SNOOZED)


async def queue(session: AsyncSession, *, now: datetime, journey_id: int | None = None) -> Queue:
    """The people of all journeys, or of one."""
    inside = await active(session, journey_id=journey_id)
    (due,) = await due_until(session, [now], journey_id=journey_id)
    parameters: dict[str, Any] = {"now": now}
    if journey_id is not None:
        parameters["journey"] = journey_id
    one = "" if journey_id is None else "r.journey_id = :journey AND"
    timers = (await session.execute(text(_JUDGE.format(one=one)), parameters)).all() if due.number else []
    judged = [row for row in timers if row.due_at is not None]
    states = shares([touch_state(row, now=now) for row in judged], TouchState, of=due.number)
    # counters and timers are read one after the other: people may have moved between
    states[TouchState.SNOOZED] = max(0, inside.moving - sum(states.values()))
    is_estimate = due.is_estimate or (len(judged) < due.number and len(timers) == JUDGED)
    return Queue(sum(states.values()) + inside.frozen, inside.frozen, states, is_estimate)


Kind = TypeVar("Kind", bound=Hashable)


def shares(found: Sequence[Kind], kinds: Iterable[Kind], *, of: int) -> dict[Kind, int]:
    """How many of so many people are of each kind, when these kinds were found of some of them."""
    counted = Counter(found)
    scale = of / len(found) if found else 1
    return {kind: round(counted[kind] * scale) for kind in kinds}


@dataclass(frozen=True)
class Throughput:
    """What workers did lately, and which of them are at it."""

    moved: int
    """People looked at in the window."""
    workers: int
    healthy: int

    @property
    def per_minute(self) -> float:
        """People looked at in a minute."""
        return self.moved / (WINDOW.total_seconds() / 60)


async def throughput(session: AsyncSession) -> Throughput:
    """From the beats of the workers, by the database's clock; those silent for the whole window are forgotten."""
    row = (
        await session.execute(
            text(
                "SELECT coalesce(sum(moved), 0)::bigint AS moved, count(DISTINCT worker_id) AS workers, "
                "count(DISTINCT worker_id) FILTER (WHERE beat_at > now() - CAST(:silent AS interval)) AS healthy "
                "FROM worker_beats WHERE beat_at > now() - CAST(:span AS interval)"
            ),
            {"silent": SILENT, "span": WINDOW},
        )
    ).one()
    return Throughput(row.moved, row.workers, row.healthy)
