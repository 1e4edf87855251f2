"""What operators ask of the queue."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.errors import DomainError
from journeys_api.operators import counts, entries
from journeys_api.operators.counts import JUDGED, Count, Queue, Throughput
from journeys_api.operators.entries import Sought, TouchState, Wanted, touch_state

PROBES = 100
"""So many people of a crowded journey are looked at."""


class JourneyUnknown(DomainError):
    """Journey not found"""


class NobodyStuck(DomainError):
    """No stuck entries found"""


class ActionUnknown(DomainError):
    """Action not found"""


class NotInQueue(DomainError):
    """Subscriber not found in queue"""


# The definition of a stuck entry: somebody stands at an action and there is no instant to go on at. A constraint of the
# table forbids it, and the planner refutes the condition by the constraint without reading a row.
_STUCK = """
SELECT journey_id, count(*) AS stuck FROM enrollments WHERE state = 'active' AND due_at IS NULL GROUP BY journey_id
"""


async def stuck(session: AsyncSession) -> Sequence[Row[Any]]:
    """Journeys with entries that will never go on (`journey_id`, `name`, `owner_id`, `stuck`)."""
    await session.execute(text("SELECT set_config('constraint_exclusion', 'on', true)"))
    statement = (
        f"SELECT j.journey_id, j.name, j.owner_id, s.stuck FROM ({_STUCK}) AS s JOIN journeys j USING (journey_id) "  # noqa: S608
        "ORDER BY j.journey_id"
    )
    return (await session.execute(text(statement))).all()


async def unstick(session: AsyncSession, *, journey_id: int | None) -> NoReturn:
    """Refuse to let stuck entries go on: there are none.

    Raises:
        JourneyUnknown: there is no such journey.
        NobodyStuck: as it must be while the table's constraint stands.
        LookupError: somebody took the constraint away and broke entries by hand.
    """
    if journey_id is not None and not await session.scalar(
        text("SELECT 1 FROM journeys WHERE journey_id = :journey AND deleted_at IS NULL"), {"journey": journey_id}
    ):
        raise JourneyUnknown
    if any(journey_id in (None, row.journey_id) for row in await stuck(session)):
        raise LookupError("there are active enrollments without an instant, against the table's constraint")
    raise NobodyStuck


async def _plan_anew(session: AsyncSession) -> None:
    """Have the call's statements planned for the tables as they are.

    A connection keeps a plan from when the tables were small until they are analyzed; it may read all of one for each
    row of another, which takes seconds once thousands are parked.
    """
    await session.execute(text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"))


async def pending(session: AsyncSession, *, now: datetime) -> tuple[list[tuple[int, str, int]], bool]:
    """(account, its name, people whose turn it is), those with most first; and whether the numbers are estimates."""
    await _plan_anew(session)
    by_owner, is_estimate = await counts.due_by_owner(session, now=now)
    names = await session.execute(
        text("SELECT user_id, username FROM users WHERE user_id = ANY(CAST(:users AS bigint[]))"),
        {"users": list(by_owner)},
    )
    rows = [(row.user_id, row.username, by_owner[row.user_id]) for row in names]
    return sorted(rows, key=lambda row: (-row[2], row[0])), is_estimate


async def overview(session: AsyncSession, *, journey_id: int | None, now: datetime) -> tuple[Queue, Throughput]:
    """The queue and the speed at which it is worked off."""
    await _plan_anew(session)
    return await counts.queue(session, now=now, journey_id=journey_id), await counts.throughput(session)


@dataclass(frozen=True)
class Page:
    """One page of the queue."""

    rows: Sequence[Row[Any]]
    total: Count


async def queue_page(session: AsyncSession, wanted: Wanted, *, now: datetime) -> Page:
    """A page of entries, and how many there are."""
    await _plan_anew(session)
    rows, total = await entries.page(session, wanted, now=now)
    if total is not None:
        return Page(rows, Count(total, is_estimate=total >= entries.LOOKED_AT and not wanted.keyword))
    if wanted.action_id is not None:
        action = await _action(session, wanted.action_id)
        if action is None or wanted.journey_id not in (None, action.journey_id):
            return Page(rows, Count(0))
        if wanted.state is None:
            at = {"owner_id": action.owner_id, "journey_id": action.journey_id, "action_id": action.action_id}
            return Page(rows, Count((await counts.active_at(session, **at))[0]))
        crowd = await _crowd(session, action, now=now)
        return Page(rows, Count(crowd.states[wanted.state], crowd.is_estimate))
    if wanted.state is None:
        inside = await counts.active(session, journey_id=wanted.journey_id)
        return Page(rows, Count(inside.moving + inside.frozen))
    queue = await counts.queue(session, now=now, journey_id=wanted.journey_id)
    return Page(rows, Count(queue.states[wanted.state], queue.is_estimate))


@dataclass(frozen=True)
class Place:
    """Somebody's place in the queue."""

    row: Row[Any]
    position: Count
    state: TouchState


async def places(session: AsyncSession, whose: Sought, *, now: datetime) -> tuple[list[Place], Throughput]:
    """Where somebody stands: how many are due no later.

    Raises:
        NotInQueue: no active entry.
    """
    await _plan_anew(session)
    rows = await entries.sought(session, whose)
    if not rows:
        raise NotInQueue
    positions = await counts.due_until(session, [row.due_at for row in rows])
    found = [Place(row, position, touch_state(row, now=now)) for row, position in zip(rows, positions, strict=True)]
    return found, await counts.throughput(session)


_ACTION = """
SELECT a.action_id, a.action, a.order_no, a.owner_id, j.journey_id, j.name, j.status FROM journey_actions a
JOIN journeys j USING (journey_id) WHERE a.action_id = :action AND a.removed_at IS NULL AND j.deleted_at IS NULL
"""
_INSIDE = "e.owner_id = :owner AND e.journey_id = :journey AND e.state = 'active'"
_PERSON = "e.action_id, e.seq, e.created_at, e.entered_at, e.due_at, s.status, s.bounce_type"
_ALL = f"""
SELECT {_PERSON} FROM (SELECT * FROM enrollments e WHERE {_INSIDE} LIMIT {JUDGED}) AS e
LEFT JOIN subscribers s ON s.owner_id = e.owner_id AND s.subscriber_id = e.subscriber_id
WHERE e.action_id = :action
"""  # noqa: S608 (constants of ours)
_BOUNDS = f"""
SELECT (SELECT enrollment_id FROM enrollments e WHERE {_INSIDE} ORDER BY e.enrollment_id LIMIT 1) AS lowest,
       (SELECT enrollment_id FROM enrollments e WHERE {_INSIDE} ORDER BY e.enrollment_id DESC LIMIT 1) AS highest
"""  # noqa: S608
# no index leads to the people of an action, for the sake of those who move: some of the journey's are drawn
_SOME = f"""
SELECT {_PERSON} FROM (
    SELECT DISTINCT ON (e.enrollment_id) e.* FROM unnest(CAST(:points AS bigint[])) AS p(point) CROSS JOIN LATERAL (
        SELECT * FROM enrollments e WHERE {_INSIDE} AND e.enrollment_id >= p.point ORDER BY e.enrollment_id LIMIT 1
    ) AS e ORDER BY e.enrollment_id
) AS e LEFT JOIN subscribers s ON s.owner_id = e.owner_id AND s.subscriber_id = e.subscriber_id
WHERE e.action_id = :action
"""  # noqa: S608


@dataclass(frozen=True)
class Crowd:
    """The people at an action, or what those of them say of all who were among some of the journey's."""

    total: int
    states: dict[TouchState, int]
    statuses: dict[str | None, int]
    """By subscription status; None: the subscriber is gone."""
    bounces: dict[str | None, int]
    is_estimate: bool
    completed: int


async def audit(session: AsyncSession, *, action_id: int, now: datetime) -> tuple[Row[Any], Crowd]:
    """An action and the people at it.

    Raises:
        ActionUnknown: there is no such action.
    """
    await _plan_anew(session)
    action = await _action(session, action_id)
    if action is None:
        raise ActionUnknown
    return action, await _crowd(session, action, now=now)


async def _action(session: AsyncSession, action_id: int) -> Row[Any] | None:
    return (await session.execute(text(_ACTION), {"action": action_id})).one_or_none()


async def _crowd(session: AsyncSession, action: Row[Any], *, now: datetime) -> Crowd:
    at = {"owner_id": action.owner_id, "journey_id": action.journey_id, "action_id": action.action_id}
    total, completed = await counts.active_at(session, **at)
    inside = await counts.active(session, journey_id=action.journey_id)
    parameters = {"owner": action.owner_id, "journey": action.journey_id, "action": action.action_id}
    is_sample = inside.moving + inside.frozen > JUDGED
    if is_sample:
        bounds = (await session.execute(text(_BOUNDS), {**parameters})).one()
        lowest, highest = bounds.lowest or 0, bounds.highest or 0
        points = [random.randint(lowest, highest) for _ in range(PROBES)]  # noqa: S311 (a sample, no secret)
        people = (await session.execute(text(_SOME), {**parameters, "points": points})).all()
    else:
        people = (await session.execute(text(_ALL), parameters)).all()
        total = len(people)
    statuses = [row.status for row in people]
    bounces = [row.bounce_type for row in people]
    return Crowd(
        total=total,
        states=counts.shares([touch_state(row, now=now) for row in people], TouchState, of=total),
        statuses=counts.shares(statuses, set(statuses), of=total),
        bounces=counts.shares(bounces, set(bounces), of=total),
        is_estimate=is_sample,
        completed=completed,
    )
