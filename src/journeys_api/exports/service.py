"""Rules of exports of journeys: submit one, write it turn by turn, hand it out, forget it."""

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.commands.wire import money
from journeys_api.exports import tables
from journeys_api.exports.errors import AnotherKindOfJob, ExportNotReady
from journeys_api.jobs import service as jobs
from journeys_api.journeys import service as journeys
from journeys_api.models import Job, JobKind, JobState, Journey, JourneyAction, JourneyStatus
from journeys_api.stats import queries as stats
from journeys_api.stats.windows import Window
from journeys_api.stats.wire import MAIL_KEYS

JOURNEYS_A_TURN = 200
KEPT = timedelta(days=7)
"""How long an export can be fetched; then it is deleted."""
ALL = "all"
_HEAD = ["JourneyID", "JourneyName", "Status", "Trigger", "Notes", "CreatedAt", "UpdatedAt"]
_PEOPLE = ["ActiveSubscribers", "TotalSubscribers"]
_ACTION = ["ActionID", "OrderNo", "Action", "Published", "CompletedRuns"]


async def submit(
    session: AsyncSession, *, owner_id: int, window: Window, status: str, with_actions: bool, now: datetime
) -> Job:
    """Want a file of the account's journeys with their numbers.

    Args:
        window: the days that mails are counted for.
        status: a journey's status, or ALL.
        with_actions: whether each journey's actions follow it.

    Raises:
        TooManyRequests: the account has many exports that are not written yet.
    """
    parameters = {
        "start_on": window.start_on.isoformat(),
        "end_on": window.end_on.isoformat(),
        "status": status,
        "with_actions": with_actions,
    }
    await jobs.require_room(session, owner_id=owner_id, kind=JobKind.JOURNEY_EXPORT, wanted=1)
    return await jobs.submit(
        session, owner_id=owner_id, kind=JobKind.JOURNEY_EXPORT, parameters=parameters, total=0, now=now
    )


async def get_export(session: AsyncSession, *, owner_id: int, job_id: int) -> tuple[Job, int]:
    """The account's export, and how many bytes it has.

    Raises:
        JobNotFound: no such job in this account.
        AnotherKindOfJob: the job is something else.
    """
    job = await jobs.get_any(session, owner_id=owner_id, job_id=job_id)
    if job.kind is not JobKind.JOURNEY_EXPORT:
        raise AnotherKindOfJob
    return job, await jobs.size_of(session, job)


def content_of(open_session: Callable[[], AsyncSession], job: Job) -> AsyncIterator[bytes]:
    """The file of an export, piece by piece.

    Raises:
        ExportNotReady: it is not written yet.
    """
    if job.state is not JobState.COMPLETED:
        raise ExportNotReady
    return jobs.pieces(open_session, job)


async def turn(session: AsyncSession, job: Job, now: datetime) -> None:
    """Write the next journeys of a locked export; end it when there are no more."""
    asked = job.parameters
    status = None if asked["status"] == ALL else JourneyStatus(asked["status"])
    found = await journeys.journeys_after(
        session, owner_id=job.owner_id, journey_id=job.cursor.get("after", 0), status=status, most=JOURNEYS_A_TURN
    )
    rows: list[list[object]] = [] if job.cursor else [_headings(with_actions=asked["with_actions"])]
    rows += await _rows(session, job, found) if found else []
    if rows:
        await jobs.add_piece(session, job, tables.lines(rows))
    job.done += len(found)
    job.total = max(job.total, job.done)
    job.cursor = {"after": found[-1].journey_id if found else job.cursor.get("after", 0)}
    if len(found) < JOURNEYS_A_TURN:
        jobs.complete(job, expires_at=now + KEPT, now=now)


def _headings(*, with_actions: bool) -> list[object]:
    return [*_HEAD, *(_ACTION if with_actions else ()), *_PEOPLE, *MAIL_KEYS]


async def _rows(session: AsyncSession, job: Job, found: list[Journey]) -> list[list[object]]:
    asked = job.parameters
    window = Window(date.fromisoformat(asked["start_on"]), date.fromisoformat(asked["end_on"]))
    ids = [journey.journey_id for journey in found]
    totals = await stats.people_totals(session, owner_id=job.owner_id, journey_ids=ids)
    sums = await stats.action_windows(session, owner_id=job.owner_id, journey_ids=ids, window=window)
    actions: dict[int, list[JourneyAction]] = {}
    if asked["with_actions"]:
        actions = await journeys.actions_of_journeys(session, owner_id=job.owner_id, journey_ids=ids)
    rows: list[list[object]] = []
    blank: list[object] = [""] * len(_ACTION) if asked["with_actions"] else []
    for journey in found:
        of_journey = sums.get(journey.journey_id, {})
        head = _head(journey)
        rows.append([*head, *blank, *_people(totals.get((journey.journey_id, 0))), *_mails(of_journey.values())])
        for action in actions.get(journey.journey_id, ()):
            total = totals.get((journey.journey_id, action.action_id))
            own = of_journey.get(action.action_id)
            rows.append([*head, *_action(action, total), *_people(total), *_mails([own] if own else [])])
    return rows


def _head(journey: Journey) -> list[object]:
    instants = [each.strftime("%Y-%m-%d %H:%M:%S") for each in (journey.created_at, journey.updated_at)]
    return [journey.journey_id, journey.name, journey.status.value, journey.trigger, journey.notes, *instants]


def _action(action: JourneyAction, total: Any) -> list[object]:
    published = "Yes" if action.is_published else "No"
    return [action.action_id, action.order_no, action.action, published, int(total.completed_runs) if total else 0]


def _people(total: Any) -> list[object]:
    return [int(total.active_count), int(total.total_count)] if total else [0, 0]


def _mails(rows: Iterable[Any]) -> list[object]:
    counted = list(rows)
    sums = [sum(int(getattr(row, counter)) for row in counted) for counter in stats.COUNTERS]
    return [*sums[:-1], money(sums[-1])]
