"""The engine's loop: shard after shard that has something, events first, then people; asleep when nothing is due."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import DatabaseClock, WorkClock
from journeys_api.db import Sessions
from journeys_api.engine import isolation, queues
from journeys_api.engine.beats import Beats
from journeys_api.engine.deletions import end_deleted_people
from journeys_api.engine.enrolling import enroll_events
from journeys_api.engine.flows import Flows
from journeys_api.engine.isolation import Claimed
from journeys_api.engine.jobs import do_journey_jobs
from journeys_api.engine.partitions import make_months
from journeys_api.engine.pulls import pull_due
from journeys_api.engine.refusals import forget_refusals
from journeys_api.engine.stepping import step_people
from journeys_api.failures import is_passing
from journeys_api.loops import keep_going
from journeys_api.models import SHARDS
from journeys_api.stats.folding import fold_counters

log = structlog.get_logger()

EVENTS_A_BATCH = 2000
PEOPLE_A_BATCH = 2000
LONGEST_SLEEP = timedelta(seconds=1)
"""Notices may be lost: this is how often the queues are looked at without one."""


Work = Callable[[AsyncSession, int, int, Claimed, datetime], Awaitable[int]]
"""Session, shard, limit, what a batch of one has taken, instant → how much there was."""
SetAside = Callable[..., Awaitable[None]]
"""Session, shard, what was taken, `now`: sees to what broke its batch."""


class Engine:
    """Moves people. Any number of engines may work on one database."""

    def __init__(self, sessions: Sessions, *, clock: WorkClock | None = None) -> None:
        self._sessions = sessions
        self._clock = clock or DatabaseClock()
        self._flows = Flows()
        self._turns: dict[int, int] = {}
        """Shard → the account whose events were served last."""
        self._months_made_on: date | None = None
        self._beats = Beats(sessions)
        self.enrolled_events = 0
        self.taken_timers = 0

    async def turn(self, shard: int) -> int:
        """One batch of events and one of people of a shard; how much there was. 0: nothing, or another has the shard.

        Raises:
            DBAPIError: the database is away.
        """
        return await self.enroll(shard) + await self.step(shard)

    async def enroll(self, shard: int) -> int:
        """One batch of events of a shard, as `turn`."""
        events = await self._batch(shard, self._enroll, EVENTS_A_BATCH, isolation.set_event_aside)
        self.enrolled_events += events
        return events

    async def step(self, shard: int) -> int:
        """One batch of people of a shard, as `turn`."""
        people = await self._batch(shard, self._step, PEOPLE_A_BATCH, isolation.put_timer_off)
        self.taken_timers += people
        return people

    async def _enroll(self, session: AsyncSession, shard: int, limit: int, claimed: Claimed, now: datetime) -> int:
        return await enroll_events(session, shard=shard, limit=limit, turns=self._turns, claimed=claimed, now=now)

    async def _step(self, session: AsyncSession, shard: int, limit: int, claimed: Claimed, now: datetime) -> int:
        return await step_people(session, shard=shard, limit=limit, flows=self._flows, claimed=claimed, now=now)

    async def _batch(self, shard: int, work: Work, limit: int, set_aside: SetAside) -> int:
        try:
            return await self._one(shard, work, limit, Claimed())
        except Exception as error:
            if is_passing(error):
                raise
            log.exception("batch_failed", shard=shard, work=work.__name__)
        # what breaks the batch is found by taking it one by one; it is set aside, and the others go on
        claimed = Claimed()
        try:
            return await self._one(shard, work, 1, claimed)
        except Exception as error:
            if is_passing(error) or claimed == Claimed():
                raise  # it is nobody's fault: the loop waits before it tries again
        async with self._sessions.begin() as session:
            # whoever has the shard by now meets the same
            if await queues.try_shard(session, shard):
                await set_aside(session, shard, claimed, now=await self._clock.now(session))
        return 1

    async def _one(self, shard: int, work: Work, limit: int, claimed: Claimed) -> int:
        async with self._sessions.begin() as session:
            if not await queues.try_shard(session, shard):
                return 0
            return await work(session, shard, limit, claimed, await self._clock.now(session))

    async def chores(self) -> int:
        """Work that belongs to no shard: pulls, jobs, deletions, counters, months, old refusals; how much there was."""
        async with self._sessions.begin() as session:
            now = await self._clock.now(session)
            if now.date() != self._months_made_on:
                await make_months(session, now=now)
        self._months_made_on = now.date()
        await self._beats.tell(self.taken_timers)
        pulled = await pull_due(self._sessions, self._clock)
        async with self._sessions.begin() as session:
            done = await do_journey_jobs(session, now=await self._clock.now(session))
        async with self._sessions.begin() as session:
            done += await end_deleted_people(session, now=await self._clock.now(session))
        async with self._sessions.begin() as session:
            done += await fold_counters(session)
        async with self._sessions.begin() as session:
            return pulled + done + await forget_refusals(session, now=await self._clock.now(session))

    async def run_until_quiet(self) -> None:
        """Work until nothing is due: for tests and demonstrations."""
        while True:
            done = 0
            for shard in await self._ready_shards():
                done += await self.turn(shard)
            done += await self.chores()
            if not done:
                return

    async def _ready_shards(self) -> list[int]:
        """Asked in one statement: to look into each would be two transactions a shard, most of them for nothing."""
        async with self._sessions() as session:
            return await queues.ready_shards(session, now=await self._clock.now(session))

    async def next_due(self) -> datetime | None:
        """The earliest instant that somebody in an enabled journey, or a pull, is due at; None: nobody."""
        async with self._sessions() as session:
            return await queues.next_due(session)

    async def run(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        """Work until `stop` is set; `wake` ends a sleep early. The batch under way is finished first."""
        first = random.randrange(SHARDS)  # noqa: S311 (engines start at different shards; no secret)

        async def go_round() -> float:
            done = 0
            for shard in sorted(await self._ready_shards(), key=lambda shard: (shard - first) % SHARDS):
                if stop.is_set():
                    return 0
                done += await self.turn(shard)
            done += await self.chores()
            return 0 if done else await self._until_due()

        await keep_going(go_round, stop, wake, event="engine")

    async def _until_due(self) -> float:
        due = await self.next_due()
        seconds = LONGEST_SLEEP.total_seconds()
        if due is not None and due.year < 9999:
            seconds = min(seconds, max(0.005, (due - datetime.now(UTC)).total_seconds()))
        return seconds
