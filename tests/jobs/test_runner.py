"""Turns of jobs: what is in the way of one is in the way of no other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import service as accounts
from journeys_api.app import create_app
from journeys_api.clock import SetClock, SystemClock
from journeys_api.db import Sessions
from journeys_api.jobs import service
from journeys_api.jobs.runner import Outside, Runner
from journeys_api.models import Job, JobKind
from journeys_api.settings import Settings
from tests.conftest import Maker

SLOW, QUICK = JobKind.IMPORT, JobKind.JOURNEY_EXPORT


@dataclass
class Jobs:
    """Jobs of two accounts in a database of their own, and when it is."""

    sessions: Sessions
    clock: SetClock
    owners: list[int]

    async def submit(self, kind: JobKind, *, owner: int = 0) -> int:
        """A job of the first account, or of another."""
        async with self.sessions.begin() as session:
            job = await service.submit(
                session, owner_id=self.owners[owner], kind=kind, parameters={}, total=0, now=self.clock.instant
            )
        return job.job_id

    async def states(self) -> dict[int, str]:
        """State by job."""
        async with self.sessions() as session:
            return {row.job_id: row.state for row in await session.execute(text("SELECT job_id, state FROM jobs"))}


@pytest.fixture
async def jobs(settings: Settings, make_database: Any, template: str) -> AsyncIterator[Jobs]:
    application = create_app(settings.model_copy(update={"database_url": await make_database(template)}))
    async with application.sessions.begin() as session:
        await accounts.ensure_default_group(session, now=SystemClock().now())
    maker = Maker(application, None)  # type: ignore[arg-type]
    owners = [(await maker.account()).user_id for _ in range(2)]
    yield Jobs(application.sessions, SetClock(datetime.now(UTC)), owners)
    await application.close()


async def _at_once(_: AsyncSession, job: Job, now: datetime) -> None:
    service.complete(job, expires_at=None, now=now)


async def test_what_is_in_the_way_of_one_job_for_the_moment_holds_up_no_other(jobs: Jobs) -> None:
    async def locked(*_: Any) -> None:
        raise OSError

    held_up, other = await jobs.submit(SLOW), await jobs.submit(QUICK)
    runner = Runner(jobs.sessions, {SLOW: locked, QUICK: _at_once}, clock=jobs.clock)

    with pytest.raises(OSError):
        await runner.turn()
    await runner.turn()
    first = await jobs.states()
    later = Runner(jobs.sessions, {SLOW: _at_once}, clock=SetClock(jobs.clock.instant + timedelta(seconds=2)))
    await later.turn()

    assert first == {held_up: "pending", other: "completed"}
    assert await jobs.states() == {held_up: "completed", other: "completed"}


async def test_who_waits_for_a_slow_server_holds_up_no_other(jobs: Jobs) -> None:
    answers, asked = asyncio.Event(), list[int]()

    async def asks(_: AsyncSession, job: Job, now: datetime) -> Outside | None:
        if job.cursor:
            await _at_once(_, job, now)
            return None
        job_id, fence = job.job_id, service.lend(job, until=now + timedelta(minutes=15))

        async def outside() -> None:
            asked.append(job_id)
            await answers.wait()
            async with jobs.sessions.begin() as session:
                taken = await service.take_again(session, job_id=job_id, fence=fence)
                assert taken is not None
                taken.cursor, taken.next_turn_at = {"fetched": True}, now

        return outside

    own = [await jobs.submit(SLOW), await jobs.submit(SLOW)]
    others, quick = await jobs.submit(SLOW, owner=1), await jobs.submit(QUICK)
    runner = Runner(jobs.sessions, {SLOW: asks, QUICK: _at_once}, clock=jobs.clock)

    while await runner.turn():
        pass
    meanwhile, waited_for = await jobs.states(), list(asked)
    answers.set()
    await runner.run_until_quiet()
    jobs.clock.instant += timedelta(seconds=6)
    await runner.run_until_quiet()

    # one of an account at a time
    assert waited_for == [own[0], others]
    assert meanwhile[quick] == "completed"
    assert set((await jobs.states()).values()) == {"completed"}


async def test_a_worker_that_stops_gives_back_what_it_waits_for(jobs: Jobs) -> None:
    begun, stop = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def asks(_: AsyncSession, job: Job, now: datetime) -> Outside:
        service.lend(job, until=now + timedelta(minutes=15))
        return never

    job_id = await jobs.submit(SLOW)
    running = asyncio.create_task(Runner(jobs.sessions, {SLOW: asks}, clock=jobs.clock).run(stop, asyncio.Event()))
    await begun.wait()
    stop.set()
    await asyncio.wait_for(running, 10)
    later = Runner(jobs.sessions, {SLOW: _at_once}, clock=SetClock(jobs.clock.instant + timedelta(seconds=2)))

    assert await later.turn() == 1
    assert await jobs.states() == {job_id: "completed"}
