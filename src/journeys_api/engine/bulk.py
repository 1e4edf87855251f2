"""Letting a whole selection of a list into a journey, or taking it out: a job, a batch a turn.

The cursor is the last subscriber who was looked at, and only those who were on the list when it was asked for are: so
that everybody has one turn, whatever the turns of others change about who is selected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.criteria import CriteriaInvalid, CriteriaNotEvaluable
from journeys_api.engine import admissions, membership
from journeys_api.engine.enrolling import Candidate, admit, cause_of
from journeys_api.errors import DomainError
from journeys_api.jobs import service as jobs
from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import Job, JobKind, Journey, JourneyStatus, Subscriber
from journeys_api.segments import service as segments
from journeys_api.segments.errors import SegmentNotFound
from journeys_api.subscribers import selection
from journeys_api.trigger_events import wake

PEOPLE_A_TURN = 2000
KEPT = timedelta(days=30)
"""How long the record stays after its end."""


class Mode(StrEnum):
    """What is done to the selection."""

    ENROLL = "enroll"
    UNENROLL = "unenroll"


class JourneyDisabled(DomainError):
    """Journey is disabled"""


class SegmentEngineTrouble(DomainError):
    """The selection cannot be evaluated"""


@dataclass(frozen=True)
class Selected:
    """Whom of a list: those that the rules match, or those of a segment whose address contains a text, or all."""

    rules: Sequence[Any] | None
    operator: str
    segment_id: int | None
    search: str | None


@dataclass(frozen=True)
class Bulk:
    """What became of a call."""

    matching: int
    job: Job | None
    """None: nobody is selected."""


async def submit(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    journey_id: int,
    mode: Mode,
    selected: Selected,
    now: datetime,
) -> Bulk:
    """Let a selection in, or take it out, in the background.

    Raises:
        ListNotFound, JourneyNotFound, SegmentNotFound: not the account's.
        JourneyDisabled: nobody can be let into it.
        SegmentEngineTrouble: the rules cannot be evaluated.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    # not locked, since counting takes long; turns judge again
    await _journey(session, owner_id, journey_id, mode)
    who = await _condition(session, selected, owner_id=owner_id, list_id=list_id, now=now)
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    counted = select(func.count(), func.max(Subscriber.subscriber_id)).where(who)
    matching, last = (await session.execute(counted)).one()
    if not matching:
        return Bulk(0, None)
    parameters = {
        "list_id": list_id,
        "journey_id": journey_id,
        "mode": mode.value,
        "rules": selected.rules,
        "operator": selected.operator,
        "segment_id": selected.segment_id,
        "search": selected.search,
        "last": last,
    }
    job = await jobs.submit(
        session, owner_id=owner_id, kind=JobKind.JOURNEY_BULK, parameters=parameters, total=matching, now=now
    )
    return Bulk(matching, job)


async def turn(session: AsyncSession, job: Job, now: datetime) -> None:
    """Let the next people of a locked job in, or take them out; end it when there are no more."""
    asked = job.parameters
    mode = Mode(asked["mode"])
    try:
        await lists.get_list(session, owner_id=job.owner_id, list_id=asked["list_id"])
        await _journey(session, job.owner_id, asked["journey_id"], mode)
        selected = Selected(asked["rules"], asked["operator"], asked["segment_id"], asked["search"])
        who = await _condition(session, selected, owner_id=job.owner_id, list_id=asked["list_id"], now=now)
        people = await _next_people(session, job, who)
        # only now: whoever disables the journey or edits it need not wait for the search
        journey = await _journey(session, job.owner_id, asked["journey_id"], mode, locks=True)
    except (ListNotFound, JourneyNotFound, SegmentNotFound, JourneyDisabled, SegmentEngineTrouble) as error:
        jobs.fail(job, str(error), expires_at=now + KEPT, now=now)
        return
    if people:
        changed = await _change(session, journey, mode, asked["list_id"], [(row[0], row[1]) for row in people], now=now)
        job.cursor = {"after": people[-1].subscriber_id}
        job.results = {"changed": job.results.get("changed", 0) + changed}
        job.done += len(people)
    if len(people) < PEOPLE_A_TURN:
        jobs.complete(job, expires_at=now + KEPT, now=now)


async def _next_people(session: AsyncSession, job: Job, who: ColumnElement[bool]) -> Sequence[Row[int, str]]:
    """Id and address of those whose turn it is."""
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    after = job.cursor.get("after", 0)
    found = await session.execute(
        select(Subscriber.subscriber_id, Subscriber.email_address)
        .where(who, Subscriber.subscriber_id > after, Subscriber.subscriber_id <= job.parameters["last"])
        .order_by(Subscriber.subscriber_id)
        .limit(PEOPLE_A_TURN)
    )
    return found.all()


async def _change(
    session: AsyncSession,
    journey: Journey,
    mode: Mode,
    list_id: int,
    people: Sequence[tuple[int, str]],
    *,
    now: datetime,
) -> int:
    """How many came in, or went out; who is inside already, or not, stays as they are."""
    if mode is Mode.UNENROLL:
        return await membership.erase(
            session,
            owner_id=journey.owner_id,
            journey_ids=[journey.journey_id],
            list_id=list_id,
            subscriber_ids=[subscriber_id for subscriber_id, _ in people],
            now=now,
        )
    manual = membership.MANUAL
    candidates = [
        Candidate(list_id, subscriber_id, address, manual, 0, cause_of(manual)) for subscriber_id, address in people
    ]
    admission = await admit(session, [(journey, candidates)], now=now, ignores_caps=True)
    await admissions.insert_refusals(session, admission.refused, now=now)
    await wake(session)
    return admission.entered


async def _journey(
    session: AsyncSession, owner_id: int, journey_id: int, mode: Mode, *, locks: bool = False
) -> Journey:
    """The journey, kept from changing until the transaction ends if it `locks`."""
    statement = select(Journey).where(
        Journey.owner_id == owner_id, Journey.journey_id == journey_id, Journey.deleted_at.is_(None)
    )
    if locks:
        statement = statement.with_for_update(read=True)
    journey = await session.scalar(statement.execution_options(populate_existing=True))
    if journey is None:
        raise JourneyNotFound
    if mode is Mode.ENROLL and journey.status is not JourneyStatus.ENABLED:
        raise JourneyDisabled
    return journey


async def _condition(
    session: AsyncSession, selected: Selected, *, owner_id: int, list_id: int, now: datetime
) -> ColumnElement[bool]:
    who = (Subscriber.owner_id == owner_id) & (Subscriber.list_id == list_id)
    try:
        rules = None
        if selected.segment_id is not None:
            segment = await segments.get_segment(
                session, owner_id=owner_id, list_id=list_id, segment_id=selected.segment_id
            )
            rules = segments.criteria_of(segment)
        elif selected.rules is not None:
            rules = criteria.parse(selected.rules, operator=selected.operator)
        if rules is not None:
            who &= await selection.matched_by(session, rules, owner_id=owner_id, list_id=list_id, now=now)
    except (CriteriaInvalid, CriteriaNotEvaluable) as error:
        raise SegmentEngineTrouble(str(error)) from None
    if selected.search is not None:
        who &= Subscriber.email_address.icontains(selected.search, autoescape=True)
    return who
