"""The turns of an import: a piece of the file goes onto the list, with everything that comes of it, and the cursor
behind it, in one transaction."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import WorkClock
from journeys_api.db import Sessions
from journeys_api.delivery.notices import owe_notice
from journeys_api.fields import service as fields
from journeys_api.imports.ahead import Ahead
from journeys_api.imports.batches import Batch
from journeys_api.imports.errors import FieldMappingInvalid, SourceUnreachable
from journeys_api.imports.staging import stage
from journeys_api.imports.wire import import_notice
from journeys_api.jobs import service as jobs
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import Job, SubscriberList, SuppressionSource
from journeys_api.subscribers import values
from journeys_api.subscribers.arrivals import NO_ROOM, Manner, arrive
from journeys_api.suppressions import service as suppressions
from journeys_api.uploads import Upload

log = structlog.get_logger()

KEPT = timedelta(days=30)
"""How long the record of an import stays after its end."""
MOST_FAILURES = 1000
"""How many failed lines are told; all are counted."""
FETCH_LEASE = timedelta(minutes=15)
"""How long one worker may take to fetch a file before another tries."""
SUPPRESSED_BECAUSE = "Failed import"

Fetch = Callable[[str, Upload], Awaitable[None]]
"""Fetches what is at an address. Raises SourceUnreachable."""


async def turn(session: AsyncSession, job: Job, now: datetime, ahead: Ahead | None = None) -> None:
    """Load the next piece of a locked job that has pieces; end it when there is none.

    Args:
        ahead: keeps what is read of the piece behind it meanwhile; None: nothing is read ahead.
    """
    try:
        found = await lists.get_list(session, owner_id=job.owner_id, list_id=job.parameters["list_id"])
    except ListNotFound as error:
        await end_in_failure(session, job, str(error), now=now)
        return
    await session.execute(text("SET LOCAL statement_timeout = '10min'"))
    known = await fields.fields_of_list(session, owner_id=job.owner_id, list_id=found.list_id)
    ahead = ahead or Ahead()
    batch = await ahead.taken(session, job, known)
    if batch is None:
        await _complete(session, job, now=now)
        return
    await jobs.drop_pieces(session, job, below=job.cursor["place"] + 1)
    job.cursor = {**job.cursor, "place": job.cursor["place"] + 1, "offset": batch.overlap, "line": batch.next_line}
    job.done = min(job.total, job.done + batch.size)
    if job.done < job.total:
        await ahead.begin(session, job, known)
    await _load(session, job, batch, found, values.defaults(known), now=now)
    if job.done >= job.total:
        await _complete(session, job, now=now)


async def _load(
    session: AsyncSession, job: Job, batch: Batch, found: SubscriberList, defaults: dict[str, str], *, now: datetime
) -> None:
    manner = Manner(
        updates=job.parameters["updates"],
        triggers=job.parameters["triggers"],
        tags=tuple(job.parameters["tags"]),
        defaults=defaults,
        source_ref=f"import {job.job_id}",
    )
    arrived = await arrive(session, batch.arrivals, found=found, manner=manner, now=now)
    failures = sorted([*batch.failures, *((each.line, NO_ROOM) for each in arrived.refused)])
    scopes = [(found.owner_id, found.list_id if scope == "list" else 0) for scope in job.parameters["suppresses"]]
    for scope in scopes:
        await suppressions.suppress(
            session,
            scope=scope,
            addresses={found.owner_id: [*batch.failed_addresses, *(each.email_address for each in arrived.refused)]},
            source=SuppressionSource.USER,
            reason=SUPPRESSED_BECAUSE,
            now=now,
        )
    before: dict[str, Any] = job.results
    told = before["failures"]
    job.results = {
        **before,
        "imported": before["imported"] + arrived.newcomers,
        "duplicates": before["duplicates"] + arrived.known + batch.repeated,
        "failed": before["failed"] + len(failures),
        "failures": [*told, *failures[: max(0, MOST_FAILURES - len(told))]],
    }


async def _complete(session: AsyncSession, job: Job, *, now: datetime) -> None:
    await jobs.drop_pieces(session, job)
    jobs.complete(job, expires_at=now + KEPT, now=now)
    await tell_end(session, job, now)


async def end_in_failure(session: AsyncSession, job: Job, reason: str, *, now: datetime) -> None:
    """Nothing more of the file goes in; what is in stays."""
    await jobs.drop_pieces(session, job)
    jobs.fail(job, reason, expires_at=now + KEPT, now=now)
    await tell_end(session, job, now)


async def tell_end(session: AsyncSession, job: Job, now: datetime) -> None:
    """Owe the address that was handed in with an import, if there is one, the word that it ended and how.

    Call it once, in the transaction that ends the import.
    """
    url = job.parameters.get("webhook")
    if url is not None:
        await owe_notice(
            session,
            owner_id=job.owner_id,
            list_id=job.parameters["list_id"],
            url=url,
            body=import_notice(job),
            now=now,
        )


class Importer:
    """Takes the turns of imports in a worker, also of those whose file must be fetched first.

    Args:
        fetch: goes outside; it is called outside any transaction.
    """

    def __init__(self, sessions: Sessions, *, clock: WorkClock, fetch: Fetch) -> None:
        self._sessions = sessions
        self._clock = clock
        self._fetch = fetch
        self._ahead = Ahead()

    async def turn(self, session: AsyncSession, job: Job, now: datetime) -> Callable[[], Awaitable[None]] | None:
        """One turn of a locked job."""
        if job.cursor:
            await turn(session, job, now, self._ahead)
            return None
        job_id, url = job.job_id, str(job.parameters["url"])
        fence = jobs.lend(job, until=now + FETCH_LEASE)
        return lambda: self._bring(job_id, fence, url)

    async def _bring(self, job_id: int, fence: int, url: str) -> None:
        """Fetch a file, and keep it if the job is still ours; a transfer that breaks off leaves nothing behind."""
        upload = Upload()
        try:
            trouble = ""
            try:
                await self._fetch(url, upload)
            except SourceUnreachable as error:
                trouble = str(error)
            async with self._sessions.begin() as session:
                job = await jobs.take_again(session, job_id=job_id, fence=fence)
                if job is None:
                    log.warning("import_lease_lost", job_id=job_id)
                    return
                now = await self._clock.now(session)
                if not trouble:
                    await session.execute(text("SET LOCAL statement_timeout = '10min'"))
                    try:
                        await stage(session, job, upload.blocks())
                    except FieldMappingInvalid as error:
                        trouble = f"Field mapping is invalid: {error}"
                if trouble:
                    await end_in_failure(session, job, trouble, now=now)
                else:
                    job.next_turn_at = job.updated_at = now
        finally:
            upload.close()
