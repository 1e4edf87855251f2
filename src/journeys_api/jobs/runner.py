"""The loop that works on jobs: turn after turn, each a transaction; asleep when there is none."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import WorkClock
from journeys_api.db import Sessions
from journeys_api.errors import DomainError
from journeys_api.failures import is_passing, reason_of, tell
from journeys_api.jobs import service
from journeys_api.loops import keep_going
from journeys_api.models import Job, JobKind

log = structlog.get_logger()

Outside = Callable[[], Awaitable[None]]
"""What is done after the turn's transaction, outside any and beside the turns of others: it opens its own."""
Turn = Callable[[AsyncSession, Job, datetime], Awaitable[Outside | None]]
"""One piece of a locked job: it moves the cursor with its effects and ends the job when nothing is left."""

GivenUp = Callable[[AsyncSession, Job, datetime], Awaitable[None]]
"""What follows, in the same transaction, when a job has failed because its turns did."""

KEPT = timedelta(days=30)
"""How long the record of a failed job stays."""
REST = timedelta(seconds=1)
"""How long a job lets others go first when something passing was in its way."""
MOST_OUTSIDE = 4
"""So many jobs are outside at once, one of an account: servers that answer slowly hold up nothing else."""
BUSY = timedelta(seconds=5)
"""When a job for which there was no room outside asks again."""
LONGEST_SLEEP = 1.0


class Runner:
    """Works on jobs. Any number of runners may work on one database.

    Args:
        turns: how a turn of each kind of job is done.
        given_up: what follows, for some kinds, when the runner itself ends a job. Turns see to that where they end one.
    """

    def __init__(
        self,
        sessions: Sessions,
        turns: Mapping[JobKind, Turn],
        *,
        clock: WorkClock,
        given_up: Mapping[JobKind, GivenUp] | None = None,
    ) -> None:
        self._sessions = sessions
        self._turns = turns
        self._given_up = given_up or {}
        self._clock = clock
        self._outside: dict[asyncio.Task[None], int] = {}
        """What is being done outside, and whose it is."""
        self.turns_taken = 0

    async def turn(self) -> int:
        """One turn of one job; 0: there is none.

        Raises:
            DBAPIError: the database is away.
        """
        job_id = 0
        try:
            async with self._sessions.begin() as session:
                now = await self._clock.now(session)
                job = await service.take_next(session, now=now)
                if job is None:
                    return 0
                job_id = job.job_id
                outside = await self._turns[job.kind](session, job, now)
                if outside is None:
                    job.attempts = 0
                elif len(self._outside) >= MOST_OUTSIDE or job.owner_id in self._outside.values():
                    job.next_turn_at, outside = now + BUSY, None
                state, owner_id = job.state, job.owner_id
            self.turns_taken += 1
            log.debug("job_turned", job_id=job_id, state=state.value)
            if outside is not None:
                going = asyncio.create_task(self._go_outside(job_id, outside))
                self._outside[going] = owner_id
                going.add_done_callback(self._outside.pop)
        except Exception as error:
            await self._failed(job_id, error)
        return 1

    async def _go_outside(self, job_id: int, outside: Outside) -> None:
        try:
            await outside()
        except asyncio.CancelledError:
            await self._rest(job_id)
            raise
        except Exception as error:
            try:
                await self._failed(job_id, error)
            except Exception as again:
                tell("jobs", again)

    async def _failed(self, job_id: int, error: Exception) -> None:
        """See to a job whose turn failed. Raises the error when it says nothing about the job."""
        if is_passing(error):
            if job_id:
                await self._rest(job_id)
            raise error
        log.exception("job_turn_failed", job_id=job_id)
        await self._put_off(job_id, error)

    async def _rest(self, job_id: int) -> None:
        """Let others go before a job; where the database is away, nobody goes."""
        with contextlib.suppress(DBAPIError, OSError, PoolTimeout):
            async with self._sessions.begin() as session:
                await service.rest(session, job_id=job_id, until=await self._clock.now(session) + REST)

    async def _put_off(self, job_id: int, error: Exception) -> None:
        reason = str(error) if isinstance(error, DomainError) else reason_of(error)
        async with self._sessions.begin() as session:
            now = await self._clock.now(session)
            job = await service.put_off(session, job_id=job_id, reason=reason, keep=KEPT, now=now)
            if job is not None and job.kind in self._given_up:
                await self._given_up[job.kind](session, job, now)

    async def chores(self) -> int:
        """Delete what has expired; how many jobs."""
        async with self._sessions.begin() as session:
            return await service.delete_expired(session, now=await self._clock.now(session))

    async def run_until_quiet(self) -> None:
        """Work until no job wants a turn now: for tests and demonstrations."""
        while await self.turn() + await self.chores() or self._outside:
            if self._outside:
                await asyncio.wait(self._outside)

    async def run(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        """Work until `stop` is set; `wake` ends a sleep early. The turn under way is finished first, and what is being
        done outside is left to another worker.
        """

        async def turn() -> float:
            return 0 if await self.turn() + await self.chores() else LONGEST_SLEEP

        await keep_going(turn, stop, wake, event="jobs")
        for going in self._outside:
            going.cancel()
        await asyncio.gather(*self._outside, return_exceptions=True)
