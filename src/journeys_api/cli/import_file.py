"""`journeys-api import`: hand a file in, and watch it go onto the list."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import SystemClock
from journeys_api.db import Sessions
from journeys_api.fields import service as fields
from journeys_api.imports import service, wire
from journeys_api.imports.formats import LONGEST, MOST_LINES, Format, records
from journeys_api.imports.mapping import guessed
from journeys_api.imports.service import Asked
from journeys_api.models import Job, JobState, User
from journeys_api.uploads import BLOCK

LOOK_EVERY = 0.3
PATIENCE = 5.0
"""Seconds without a worker's turn after which a person is told what is missing."""


class CannotImport(Exception):
    """The file cannot be imported as asked; the text says why."""


@dataclass(frozen=True)
class Wanted:
    """What the command line says."""

    path: Path
    username: str
    list_id: int
    form: Format
    mapped: Mapping[str, str]
    """Empty: guessed from the file's first record."""
    updates: bool
    triggers: bool
    tags: tuple[str, ...]


async def import_file(sessions: Sessions, wanted: Wanted, console: Console, *, waits: bool) -> Job:
    """Hand the file in, and wait until it is on the list.

    Args:
        waits: otherwise it is left to the workers.

    Raises:
        CannotImport: there is no such user.
        ListNotFound, FieldMappingInvalid: as the API's command.
    """
    columns = (TextColumn("{task.description:<9}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console) as bars:
        task = bars.add_task("reading", total=max(wanted.path.stat().st_size, 1))

        def blocks() -> Iterator[bytes]:
            with wanted.path.open("rb") as file:
                while block := file.read(BLOCK):
                    bars.advance(task, len(block))
                    yield block

        async with sessions.begin() as session:
            owner_id = await _owner(session, wanted.username)
            job = await _submit(session, owner_id, wanted, blocks())
        if not waits:
            return job
        loading = bars.add_task("loading", total=100)
        began = time.monotonic()
        while True:
            async with sessions() as session:
                job = await service.get_import(session, owner_id=owner_id, list_id=wanted.list_id, job_id=job.job_id)
            bars.update(loading, completed=int(str(wire.import_job(job)["Progress"])))
            if job.state in (JobState.COMPLETED, JobState.FAILED):
                return job
            if job.state is JobState.PENDING and began + PATIENCE < time.monotonic():
                console.print("No worker has taken it yet: start journeys-api serve, or journeys-api worker.")
                began = float("inf")
            await asyncio.sleep(LOOK_EVERY)


async def _owner(session: AsyncSession, username: str) -> int:
    owner_id = await session.scalar(select(User.user_id).where(func.lower(User.username) == username.lower()))
    if owner_id is None:
        raise CannotImport(f"there is no user {username}")
    return owner_id


async def _submit(session: AsyncSession, owner_id: int, wanted: Wanted, blocks: Iterator[bytes]) -> Job:
    mapped = wanted.mapped
    if not mapped:
        known = await fields.fields_of_list(session, owner_id=owner_id, list_id=wanted.list_id)
        mapped = guessed(_first_record(wanted), known)
    return await service.submit(
        session,
        owner_id=owner_id,
        list_id=wanted.list_id,
        asked=Asked(wanted.form, mapped, updates=wanted.updates, triggers=wanted.triggers, tags=wanted.tags),
        data=blocks,
        url=None,
        now=SystemClock().now(),
    )


def _first_record(wanted: Wanted) -> list[str]:
    with wanted.path.open("rb") as file:
        beginning = file.read(2 * LONGEST).removeprefix(b"\xef\xbb\xbf")
    return next(records(beginning.split(b"\n", MOST_LINES), wanted.form, of_these=1)).cells


def print_outcome(job: Job, console: Console) -> None:
    """What became of the file, and which lines were left out."""
    told = wire.import_job(job)
    for line, reason in job.results.get("failures", []):
        console.print(f"line {line}: {reason}", markup=False, highlight=False)
    console.print(
        f"Import {job.job_id} {str(told['ImportStatus']).lower()}: {told['TotalImported']} came, "
        f"{told['TotalDuplicates']} were there already, {told['TotalFailed']} lines were left out.",
        highlight=False,
    )
