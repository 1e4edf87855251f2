"""Reading the next piece of an import while the one before it goes into the database."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.imports.batches import Batch, read_batch
from journeys_api.imports.formats import LONGEST, Format
from journeys_api.imports.mapping import Columns
from journeys_api.jobs import service as jobs
from journeys_api.models import CustomField, Job

MOST = 4
"""Imports that something is kept of: a piece of each is a dozen megabytes when it is read."""


@dataclass(frozen=True)
class _Reading:
    """A piece that is being read, and from where on and by which fields: it is good for nothing else."""

    cursor: dict[str, Any]
    fields: list[tuple[Any, ...]]
    batch: asyncio.Task[Batch]


class Ahead:
    """What is read of pieces whose turn has not come. Lost with the process, and read again then."""

    def __init__(self) -> None:
        self._readings: OrderedDict[int, _Reading] = OrderedDict()

    async def taken(self, session: AsyncSession, job: Job, known: Sequence[CustomField]) -> Batch | None:
        """The piece at the job's cursor, read; None: there is none."""
        reading = self._readings.pop(job.job_id, None)
        if reading is None or reading.cursor != job.cursor or reading.fields != _as_values(known):
            # nobody has begun it, or its turn was undone, or a field is another one by now
            reading = await self._read(session, job, known)
        return None if reading is None else await reading.batch

    async def begin(self, session: AsyncSession, job: Job, known: Sequence[CustomField]) -> None:
        """Begin to read the piece at the job's cursor, for its next turn."""
        reading = await self._read(session, job, known)
        if reading is not None:
            self._readings[job.job_id] = reading
            if len(self._readings) > MOST:
                self._readings.popitem(last=False)

    async def _read(self, session: AsyncSession, job: Job, known: Sequence[CustomField]) -> _Reading | None:
        place, offset = job.cursor["place"], job.cursor["offset"]
        piece = await jobs.piece(session, job, place)
        if piece is None:
            return None
        behind = b""
        if job.parameters["format"]["encloser"] or job.parameters["format"]["escape"]:
            behind = await jobs.piece(session, job, place + 1, most=LONGEST + 1) or b""
        reading = asyncio.to_thread(
            _read_whole,
            piece,
            offset,
            behind,
            Format(**job.parameters["format"]),
            Columns.of(job.cursor["columns"]).of_fields(each.field_id for each in known),
            {each.field_id: each for each in known},
            first_line=job.cursor["line"],
            updates=job.parameters["updates"],
        )
        return _Reading(dict(job.cursor), _as_values(known), asyncio.create_task(reading))


def _read_whole(piece: bytes, offset: int, *given: Any, **more: Any) -> Batch:
    batch = read_batch(piece[offset:], *given, **more)
    batch.size = len(piece)
    return batch


def _as_values(known: Sequence[CustomField]) -> list[tuple[Any, ...]]:
    names = [each.key for each in inspect(CustomField).column_attrs]
    return [tuple(getattr(each, name) for name in names) for each in known]
