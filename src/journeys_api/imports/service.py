"""Rules of imports: take a file in, tell how far it is."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.fields import service as fields
from journeys_api.imports import loading
from journeys_api.imports.formats import Format
from journeys_api.imports.mapping import targets
from journeys_api.imports.staging import stage
from journeys_api.jobs import service as jobs
from journeys_api.jobs.errors import JobNotFound
from journeys_api.lists import service as lists
from journeys_api.models import Job, JobKind, JobState
from journeys_api.uploads import Upload

MOST_AT_ONCE = 50
"""Up to so many lines go onto the list while the caller waits."""
OF_THE_LIST = "list"
OF_THE_ACCOUNT = "account"


@dataclass(frozen=True)
class Asked:
    """What an import is told."""

    form: Format
    mapped: Mapping[str, str]
    """`FIELDn` or a column's heading → what it is."""
    updates: bool
    triggers: bool
    tags: tuple[str, ...]
    suppresses: tuple[str, ...] = ()
    """Where addresses of failed lines are suppressed: OF_THE_LIST, OF_THE_ACCOUNT."""
    webhook: str | None = None
    """The address of a web server that is told when the import has ended; None: nobody is told."""


async def submit(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    asked: Asked,
    data: str | Upload | Iterable[bytes] | None,
    url: str | None,
    now: datetime,
) -> Job:
    """Take an import in; one of a few lines is over when this returns.

    Args:
        data: the file; None: it is at `url`, which a worker fetches.

    Raises:
        ListNotFound: no such list in this account.
        FieldMappingInvalid: a target that is no field of the list or the account, or a heading that is not there.
    """
    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
    parameters = {
        "list_id": found.list_id,
        "format": asdict(asked.form),
        "targets": targets(asked.mapped, known),
        "updates": asked.updates,
        "triggers": asked.triggers,
        "tags": list(dict.fromkeys(asked.tags)),
        "suppresses": list(asked.suppresses),
        "url": url,
        "webhook": asked.webhook,
    }
    job = await jobs.submit(session, owner_id=owner_id, kind=JobKind.IMPORT, parameters=parameters, total=0, now=now)
    if data is None:
        return job
    await session.execute(text("SET LOCAL statement_timeout = '10min'"))
    await stage(session, job, _blocks(data))
    if job.results["lines"] <= MOST_AT_ONCE:
        job.started_at = now
        while job.state not in (JobState.COMPLETED, JobState.FAILED):
            await loading.turn(session, job, now)
    return job


def _blocks(data: str | Upload | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(data, str):
        return [data.encode()]
    return data.blocks() if isinstance(data, Upload) else data


async def get_import(session: AsyncSession, *, owner_id: int, list_id: int, job_id: int) -> Job:
    """The account's import to a list.

    Raises:
        ListNotFound: no such list in this account.
        JobNotFound: no such import to this list.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    job = await jobs.get_job(session, owner_id=owner_id, kind=JobKind.IMPORT, job_id=job_id)
    if job.parameters["list_id"] != list_id:
        raise JobNotFound
    return job
