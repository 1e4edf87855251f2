"""SQL of jobs."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import Job, JobKind, JobPiece, JobState

OPEN = (JobState.PENDING, JobState.RUNNING)


def all_owned_jobs(owner_id: int) -> Select[Job]:
    """The only way to a job: whatever is built on this stays within one account."""
    return select(Job).where(Job.owner_id == owner_id)


def owned_jobs(owner_id: int, kind: JobKind) -> Select[Job]:
    """An account's jobs of one kind."""
    return all_owned_jobs(owner_id).where(Job.kind == kind)


def _is_open() -> ColumnElement[bool]:
    # as text: the planner must see that the partial index covers it
    return text("jobs.state IN ('pending', 'running')")  # type: ignore[return-value]


async def count_open(session: AsyncSession, *, owner_id: int, kind: JobKind, most: int) -> int:
    """How many jobs of a kind an account has open, counted up to `most`."""
    some = owned_jobs(owner_id, kind).with_only_columns(Job.job_id).where(_is_open()).limit(most)
    return int(await session.scalar(select(func.count()).select_from(some.subquery())) or 0)


async def lock_next(session: AsyncSession, *, now: datetime) -> Job | None:
    """The open job that has waited longest for its turn, locked: while one worker has it, no other takes it."""
    statement = (
        select(Job)
        .where(_is_open(), Job.next_turn_at <= now)
        .order_by(Job.next_turn_at, Job.job_id)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return await session.scalar(statement)


async def lock_open(session: AsyncSession, job_id: int, *, waits: bool = True) -> Job | None:
    """The job, locked, if it is still to be worked on; without waiting: if nobody is at it, too."""
    statement = select(Job).where(Job.job_id == job_id, Job.state.in_(OPEN))
    statement = statement.with_for_update(key_share=True, skip_locked=not waits)
    return await session.scalar(statement.execution_options(populate_existing=True))


async def copy_pieces(session: AsyncSession, job: Job, contents: Iterable[bytes] | AsyncIterator[bytes]) -> int:
    """Put the bytes of a job in by COPY, in this transaction; how many bytes."""
    size = 0

    async def records() -> AsyncIterator[tuple[int, int, int, bytes]]:
        nonlocal size
        place = 0
        if isinstance(contents, Iterable):
            for content in contents:
                size += len(content)
                yield (job.job_id, place, job.owner_id, content)
                place += 1
        else:
            async for content in contents:
                size += len(content)
                yield (job.job_id, place, job.owner_id, content)
                place += 1

    # the job's own row was written first: the adapter has begun the transaction that the driver copies in
    await session.flush()
    connection = await (await session.connection()).get_raw_connection()
    assert connection.driver_connection is not None
    columns = ["job_id", "place", "owner_id", "content"]
    await connection.driver_connection.copy_records_to_table("job_pieces", records=records(), columns=columns)
    return size


async def add_piece(session: AsyncSession, job: Job, content: bytes) -> None:
    """Put some more bytes at the end of a job's."""
    last = await session.scalar(select(func.max(JobPiece.place)).where(JobPiece.job_id == job.job_id))
    place = 0 if last is None else last + 1
    session.add(JobPiece(job_id=job.job_id, place=place, owner_id=job.owner_id, content=content))
    await session.flush()


async def piece(session: AsyncSession, job: Job, place: int, *, most: int | None = None) -> bytes | None:
    """The bytes at one place, or the first `most` of them; None: there is no such place."""
    content = JobPiece.content if most is None else func.substring(JobPiece.content, 1, most)
    return await session.scalar(select(content).where(JobPiece.job_id == job.job_id, JobPiece.place == place))


async def size_of(session: AsyncSession, job: Job) -> int:
    """How many bytes there are."""
    lengths = select(func.sum(func.octet_length(JobPiece.content))).where(JobPiece.job_id == job.job_id)
    return int(await session.scalar(lengths) or 0)


async def drop_pieces(session: AsyncSession, job: Job, *, below: int | None = None) -> None:
    """Delete a job's bytes, all or those at places below one."""
    doomed = delete(JobPiece).where(JobPiece.job_id == job.job_id)
    if below is not None:
        doomed = doomed.where(JobPiece.place < below)
    await session.execute(doomed.execution_options(synchronize_session=False))


async def delete_expired(session: AsyncSession, *, now: datetime, most: int) -> int:
    """Delete jobs whose time has come, with their bytes; how many."""
    chosen = (
        select(Job.job_id)
        .where(Job.expires_at.is_not(None), Job.expires_at <= now)
        .order_by(Job.expires_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    gone = await session.scalars(
        delete(Job).where(Job.job_id.in_(chosen)).returning(Job.job_id).execution_options(synchronize_session=False)
    )
    return len(gone.all())
