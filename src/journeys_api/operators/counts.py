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


# a count ends at its bound within an index; a journey that is not enabled has no row in the round
_UNTIL = f"""
SELECT i.place, (SELECT count(*) FROM (
    SELECT FROM runnable_journeys r CROSS JOIN LATERAL (
        SELECT FROM timers t
        WHERE t.shard = r.shard AND t.journey_id = r.journey_id AND t.due_at <= i.at LIMIT {COUNTED}
    ) AS due WHERE {{one}} r.next_due_at <= i.at LIMIT {COUNTED}
) AS counted) AS number
FROM unnest(CAST(:instants AS timestamptz[])) WITH ORDINALITY AS i(at, place) ORDER BY i.place
"""  # noqa: S608 (constants of ours)
_SAMPLE = f"""
SELECT t.owner_id, t.due_at FROM timers t
TABLESAMPLE SYSTEM (least(100, 100.0 * {SAMPLED_BYTES} / greatest(1, pg_relation_size('timers'))))
WHERE {{one}} EXISTS (SELECT FROM runnable_journeys r WHERE r.shard = t.shard AND r.journey_id = t.journey_id)
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
    counted = [Count(row.number) for row in rows]
    if all(each.number < COUNTED for each in counted):
        return counted
    sample = await _sample(session, journey_id=journey_id)
    moving = (await active(session, journey_id=journey_id)).moving
    return [
        each if each.number < COUNTED else _estimated(sum(row.due_at <= at for row in sample), len(sample), moving)
        for each, at in zip(counted, instants, strict=True)
    ]


async def _sample(session: AsyncSession, *, journey_id: int | None = None) -> Sequence[Row[Any]]:
    """Timers of enabled journeys from some pages drawn at random."""
    parameters: dict[str, Any] = {} if journey_id is None else {"journey": journey_id}
    one = "" if journey_id is None else "t.journey_id = :journey AND"
    return (await session.execute(text(_SAMPLE.format(one=one)), parameters)).all()


def _estimated(hits: int, sampled: int, of: int) -> Count:
    share = hits / sampled if sampled else 1.0
    return Count(max(COUNTED, round(of * share)), is_estimate=True)


_BY_OWNER = f"""
SELECT due.owner_id, count(*) AS number FROM (
    SELECT r.owner_id FROM runnable_journeys r CROSS JOIN LATERAL (
        SELECT FROM timers t
        WHERE t.shard = r.shard AND t.journey_id = r.journey_id AND t.due_at <= :now LIMIT {COUNTED}
    ) AS due WHERE r.next_due_at <= :now LIMIT {COUNTED}
) AS due GROUP BY due.owner_id
"""  # noqa: S608 (constants of ours)


async def due_by_owner(session: AsyncSession, *, now: datetime) -> tuple[dict[int, int], bool]:
    """How many people of each account are due now, and whether the numbers are estimates."""
    rows = (await session.execute(text(_BY_OWNER), {"now": now})).all()
    found = {row.owner_id: row.number for row in rows}
    if sum(found.values()) < COUNTED:
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
SELECT e.seq, e.created_at, e.entered_at, e.due_at FROM (
    SELECT due.* FROM runnable_journeys r CROSS JOIN LATERAL (
        SELECT owner_id, journey_id, enrollment_id, due_at FROM timers t
        WHERE t.shard = r.shard AND t.journey_id = r.journey_id AND t.due_at <= :now LIMIT {JUDGED}
    ) AS due WHERE {{one}} r.next_due_at <= :now LIMIT {JUDGED}
) AS t JOIN enrollments e USING (owner_id, journey_id, enrollment_id) WHERE e.state = 'active' AND e.due_at = t.due_at
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
    judged = (await session.execute(text(_JUDGE.format(one=one)), parameters)).all() if due.number else []
    states = shares([touch_state(row, now=now) for row in judged], TouchState, of=due.number)
    # counters and timers are read one after the other: people may have moved between
    states[TouchState.SNOOZED] = max(0, inside.moving - sum(states.values()))
    is_estimate = due.is_estimate or due.number > JUDGED
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
