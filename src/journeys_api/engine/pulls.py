"""ScheduledPull: every so often some people of a list are let into a journey (JC 4.16).

Who is drawn is written down as events, together with the next instant, in one transaction: a worker that is killed on
the way has drawn nobody, and no two draw for one instant. What the events lead to (criteria, caps, nobody twice,
refusals) is decided where all events are.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import WorkClock
from journeys_api.db import Sessions
from journeys_api.engine import admissions
from journeys_api.engine.drawing import draw
from journeys_api.engine.enrolling import meeting_run_criteria
from journeys_api.engine.frequency import too_often
from journeys_api.engine.matching import PULLED
from journeys_api.failures import is_passing
from journeys_api.journeys.triggers import PullParameters, load
from journeys_api.journeys.windows import NEVER, next_inside
from journeys_api.models import Journey, JourneyStatus, User
from journeys_api.trigger_events import Happened, record

log = structlog.get_logger()

_SHOWN = 10
"""How many of those that do not meet the criteria are tried when nobody does, so that the history says why."""

_CLAIM = text(
    "SELECT journey_id, owner_id, due_at FROM scheduled_pulls WHERE due_at <= :now AND NOT journey_id = ANY(:skipped) "
    "ORDER BY due_at, journey_id LIMIT 1 FOR UPDATE SKIP LOCKED"
)


@dataclass(frozen=True)
class Pulled:
    """What became of a due instant."""

    journey_id: int
    people: int | None
    """None: its journey is being edited, and the instant stays due."""


async def pull_due(sessions: Sessions, clock: WorkClock) -> int:
    """Serve every pull that is due and that nobody else is at, each in a transaction of its own; how many."""
    seen: list[int] = []
    served = 0
    while True:
        claimed: list[int] = []
        try:
            async with sessions.begin() as session:
                now = await clock.now(session)
                pulled = await _pull_next(session, claimed, but=seen, now=now)
        except Exception as error:
            if is_passing(error) or not claimed:
                raise
            # a journey that cannot be served must not keep the others from theirs
            log.exception("pull_failed", journey_id=claimed[0])
            async with sessions.begin() as session:
                await _put_off(session, claimed[0], now=await clock.now(session))
            seen += claimed
            continue
        if pulled is None:
            return served
        seen.append(pulled.journey_id)
        served += pulled.people is not None
        if pulled.people:
            log.info("people_pulled", journey_id=pulled.journey_id, people=pulled.people)


async def _pull_next(session: AsyncSession, claimed: list[int], *, but: Sequence[int], now: datetime) -> Pulled | None:
    """Serve the pull that is longest due; None: none is. `claimed` learns whose it is, for when it fails."""
    row = (await session.execute(_CLAIM, {"now": now, "skipped": list(but)})).one_or_none()
    if row is None:
        return None
    claimed.append(row.journey_id)
    # one that is being edited is left for the next turn: its editor may be waiting for our row
    journey = await session.scalar(
        select(Journey)
        .where(Journey.journey_id == row.journey_id, Journey.owner_id == row.owner_id)
        .with_for_update(read=True, skip_locked=True)
    )
    if journey is None:
        return Pulled(row.journey_id, None)
    parameters = load(journey.trigger, journey.trigger_parameters)
    if (
        journey.status is not JourneyStatus.ENABLED
        or journey.deleted_at is not None
        or not isinstance(parameters, PullParameters)
    ):
        await session.execute(text("DELETE FROM scheduled_pulls WHERE journey_id = :j"), {"j": journey.journey_id})
        return Pulled(journey.journey_id, 0)
    zone = await session.scalar(select(User.time_zone).where(User.user_id == journey.owner_id)) or "UTC"
    people: list[int] = []
    if opens_at(now, parameters, time_zone=zone) == now:
        people = await _choose(session, journey, parameters, now=now)
        await record(
            session,
            [Happened(PULLED, parameters.list_id or 0, each, journey.journey_id) for each in people],
            owner_id=journey.owner_id,
            now=now,
        )
    await session.execute(
        text("UPDATE scheduled_pulls SET due_at = :due WHERE journey_id = :journey"),
        {"journey": journey.journey_id, "due": next_pull(row.due_at, parameters, time_zone=zone, now=now)},
    )
    return Pulled(journey.journey_id, len(people))


def opens_at(instant: datetime, parameters: PullParameters, *, time_zone: str) -> datetime:
    """The earliest instant from `instant` on at which people may be pulled; `NEVER` without a day."""
    if not parameters.has_window:
        return instant
    if not parameters.allowed_days:
        return NEVER
    return next_inside(
        instant,
        not_before=parameters.not_before,
        not_after=parameters.not_after,
        days=parameters.allowed_days,
        time_zone=time_zone,
    )


def next_pull(due_at: datetime, parameters: PullParameters, *, time_zone: str, now: datetime) -> datetime:
    """When the next pull is due after one that was due at `due_at` and is served now.

    Instants keep their distance from each other; those that went by meanwhile are not made up for. One that came
    outside of the window moves to where it opens.
    """
    opens = opens_at(now, parameters, time_zone=time_zone)
    if opens > now:
        return opens
    periods = max(1, (now - due_at) // parameters.period + 1)
    return opens_at(due_at + parameters.period * periods, parameters, time_zone=time_zone)


async def _choose(session: AsyncSession, journey: Journey, parameters: PullParameters, *, now: datetime) -> list[int]:
    """Whom this pull takes: people of the list who may enter, as many as asked for or as are found."""
    least, most = parameters.counts
    wanted = random.randint(least, most)  # noqa: S311 (a lottery, no secret)
    list_id = await session.scalar(
        text("SELECT list_id FROM lists WHERE list_id = :list AND owner_id = :owner"),
        {"list": parameters.list_id, "owner": journey.owner_id},
    )
    if list_id is None or not wanted:
        return []
    chosen: list[int] = []
    unfit: list[int] = []
    async for batch in draw(session, list_id=list_id, wanted=wanted):
        wanted_in = [(journey, batch)]
        out = await admissions.active_in(session, wanted_in) | await too_often(session, wanted_in, now=now)
        free = [each for each in batch if (journey.journey_id, each) not in out]
        if journey.run_criteria and free:
            met, _ = await meeting_run_criteria(session, journey, free, now=now)
            unfit += [each for each in free if each not in met][: _SHOWN - len(unfit)]
            free = [each for each in free if each in met]
        chosen += free[: wanted - len(chosen)]
        if len(chosen) >= wanted:
            break
    return chosen or unfit[:wanted]


async def _put_off(session: AsyncSession, journey_id: int, *, now: datetime) -> None:
    """Look at a pull that failed again after an hour."""
    await session.execute(
        text("UPDATE scheduled_pulls SET due_at = :due WHERE journey_id = :journey"),
        {"journey": journey_id, "due": now + timedelta(hours=1)},
    )
