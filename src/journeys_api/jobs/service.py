"""Rules of jobs: submit one, work on it turn by turn, let it end, forget it.

The row lock of a turn's transaction is the claim: it ends with the transaction, so that a worker that dies leaves
nothing to clean up, and what its turn did is undone with it.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.errors import TooManyRequests
from journeys_api.jobs import queries
from journeys_api.jobs.errors import JobNotFound
from journeys_api.models import Job, JobKind, JobState
from journeys_api.trigger_events import wake

RETRIES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
"""How long a job rests after each turn in a row that failed; then it has failed itself."""
MOST_OPEN = 100
"""Jobs of a kind that an account may have waiting: an import keeps its file meanwhile, and each takes its turns."""
OPEN_RETRY_SECONDS = 60
"""When somebody who has as many may ask again."""


async def submit(
    session: AsyncSession, *, owner_id: int, kind: JobKind, parameters: Mapping[str, Any], total: int, now: datetime
) -> Job:
    """Write a job down; workers are told when the transaction commits."""
    job = Job(
        owner_id=owner_id,
        kind=kind,
        state=JobState.PENDING,
        parameters=dict(parameters),
        cursor={},
        results={},
        done=0,
        total=total,
        next_turn_at=now,
        created_at=now,
        updated_at=now,
    )
    session.add(job)
    await session.flush()
    await wake(session)
    return job


async def require_room(session: AsyncSession, *, owner_id: int, kind: JobKind, wanted: int) -> None:
    """See to it that an account has no more jobs of a kind waiting than it may have.

    Calls that run at the same time do not see each other's jobs, and may pass the limit by as many as they are.

    Args:
        wanted: how many more are to fit: 1 before a job is written, 0 when it was.

    Raises:
        TooManyRequests: they do not; the caller's transaction is to be undone.
    """
    if await queries.count_open(session, owner_id=owner_id, kind=kind, most=MOST_OPEN + 1) + wanted > MOST_OPEN:
        raise TooManyRequests(OPEN_RETRY_SECONDS)


async def get_job(session: AsyncSession, *, owner_id: int, kind: JobKind, job_id: int) -> Job:
    """The account's job.

    Raises:
        JobNotFound: no such job of this kind in this account.
    """
    found = await session.scalar(queries.owned_jobs(owner_id, kind).where(Job.job_id == job_id))
    if found is None:
        raise JobNotFound
    return found


async def get_any(session: AsyncSession, *, owner_id: int, job_id: int) -> Job:
    """The account's job, of whichever kind.

    Raises:
        JobNotFound: no such job in this account.
    """
    found = await session.scalar(queries.all_owned_jobs(owner_id).where(Job.job_id == job_id))
    if found is None:
        raise JobNotFound
    return found


async def take_next(session: AsyncSession, *, now: datetime) -> Job | None:
    """The job whose turn it is, locked until the transaction ends; None: there is none, or others are at all of them.

    A job that has had its turn stands behind all that wait: a long one does not hold up a short one.
    """
    job = await queries.lock_next(session, now=now)
    if job is not None:
        job.state = JobState.RUNNING
        job.started_at = job.started_at or now
        job.updated_at = job.next_turn_at = now
    return job


async def take_again(session: AsyncSession, *, job_id: int, fence: int) -> Job | None:
    """The job that somebody went outside for, locked; None: it is over, or another went after them."""
    job = await queries.lock_open(session, job_id)
    return job if job is not None and job.fence == fence else None


def lend(job: Job, *, until: datetime) -> int:
    """Keep a job for somebody who goes outside for it; the fence that they come back with."""
    job.fence += 1
    job.next_turn_at = until
    return job.fence


def complete(job: Job, *, expires_at: datetime | None, now: datetime) -> None:
    """Nothing is left to do."""
    _end(job, JobState.COMPLETED, expires_at=expires_at, now=now)


def fail(job: Job, reason: str, *, expires_at: datetime | None, now: datetime) -> None:
    """It cannot be done; what was done so far stays."""
    job.reason = reason
    _end(job, JobState.FAILED, expires_at=expires_at, now=now)


def _end(job: Job, state: JobState, *, expires_at: datetime | None, now: datetime) -> None:
    job.state, job.finished_at, job.updated_at, job.expires_at = state, now, now, expires_at


async def put_off(session: AsyncSession, *, job_id: int, reason: str, keep: timedelta, now: datetime) -> Job | None:
    """A turn ended in a failure and left nothing behind: the job rests, or, after the last retry, has failed.

    Returns:
        The job if it has failed with that.
    """
    job = await queries.lock_open(session, job_id)
    if job is None:
        return None
    if job.attempts >= len(RETRIES):
        await queries.drop_pieces(session, job)
        fail(job, reason, expires_at=now + keep, now=now)
        return job
    job.next_turn_at = now + RETRIES[job.attempts]
    job.attempts += 1
    job.updated_at = now
    return None


async def rest(session: AsyncSession, *, job_id: int, until: datetime) -> None:
    """A turn ended through no fault of the job's: it waits a little, so that it keeps nobody else waiting."""
    job = await queries.lock_open(session, job_id, waits=False)
    if job is not None:
        job.next_turn_at = until


async def put_pieces(session: AsyncSession, job: Job, contents: Iterable[bytes] | AsyncIterator[bytes]) -> int:
    """Keep the bytes that a job works on; how many."""
    return await queries.copy_pieces(session, job, contents)


async def add_piece(session: AsyncSession, job: Job, content: bytes) -> None:
    """Keep some more of what a job makes."""
    await queries.add_piece(session, job, content)


async def piece(session: AsyncSession, job: Job, place: int, *, most: int | None = None) -> bytes | None:
    """The bytes at one place, or the first `most` of them; None: there is no such place."""
    return await queries.piece(session, job, place, most=most)


async def pieces(open_session: Callable[[], AsyncSession], job: Job) -> AsyncIterator[bytes]:
    """Everything, in order. Each piece has a session of its own: no connection is kept while a slow reader takes it."""
    for place in itertools.count():
        async with open_session() as session:
            content = await queries.piece(session, job, place)
        if content is None:
            return
        yield content


async def size_of(session: AsyncSession, job: Job) -> int:
    """How many bytes a job has."""
    return await queries.size_of(session, job)


async def drop_pieces(session: AsyncSession, job: Job, *, below: int | None = None) -> None:
    """Delete a job's bytes, all or those at places below one."""
    await queries.drop_pieces(session, job, below=below)


async def delete_expired(session: AsyncSession, *, now: datetime) -> int:
    """Delete some jobs whose time has come, with their bytes; how many."""
    return await queries.delete_expired(session, now=now, most=100)
