"""From events to enrollments: a batch of events is looked at, answered and deleted in one transaction.

Every event ends as an enrollment, as a recorded refusal with its reason, or as nothing because no journey waits for it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Row, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.criteria import CriteriaInvalid, CriteriaNotEvaluable
from journeys_api.engine import admissions, queues
from journeys_api.engine.admissions import Entrant, Refused
from journeys_api.engine.frequency import TOO_OFTEN, too_often
from journeys_api.engine.isolation import Claimed
from journeys_api.engine.matching import PULLED, Matcher
from journeys_api.engine.subjects import these
from journeys_api.failures import is_passing, reason_of
from journeys_api.journeys.leaving import DELETED, Exit, exit_journeys
from journeys_api.models import Journey, JourneyStatus, Subscriber, User
from journeys_api.segments.service import criteria_of_segments
from journeys_api.trigger_events import EXIT, MAX_DEPTH, START

INACTIVE = "active already"
NOT_ENABLED = "the journey is not enabled"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody whom an event would let into a journey."""

    list_id: int
    subscriber_id: int
    email_address: str
    kind: str
    depth: int
    cause: str
    """What lets the person in, as JSON text: `kind`, and for website events `Event`."""


@dataclass
class Admission:
    """What became of the candidates of a batch."""

    entered: int = 0
    refused: list[Refused] = field(default_factory=list)


async def enroll_events(
    session: AsyncSession, *, shard: int, limit: int, turns: dict[int, int], claimed: Claimed, now: datetime
) -> int:
    """Take one batch of a shard's events, a share of each account that has some; how many. 0: there are none.

    The caller holds the shard.

    Args:
        turns: shard → the account served last; the next batch begins behind it.
        claimed: learns which event a batch of one has taken, for when it fails.
    """
    most = min(limit, queues.MOST_ACCOUNTS)
    owner_ids = await queues.accounts_in_turn(session, shard, after=turns.get(shard, 0), limit=most)
    if not owner_ids:
        return 0
    events = await queues.take_events(session, shard, owner_ids=owner_ids, limit=limit)
    if limit == 1 and events:
        claimed.owner_id, claimed.event_id = events[0].owner_id, events[0].event_id
    # of nobody are there two: who leaves and who comes are different people, and either may be first
    await exit_journeys(session, [_exit_of(event) for event in events if event.kind == EXIT], now=now)
    starting = [event for event in events if event.kind != EXIT]
    if starting:
        await _let_in(session, starting, now=now)
    turns[shard] = owner_ids[-1]
    return len(events)


def _exit_of(event: Row[Any]) -> Exit:
    reason = event.payload.get("reason", "left by a journey")
    return Exit(
        event.owner_id,
        event.list_id,
        event.subscriber_id,
        event.subject_id,
        reason,
        event.payload.get("but", ()),
        # nothing lets somebody in who is deleted
        None if reason == DELETED else event.occurred_at,
    )


async def _let_in(session: AsyncSession, events: Sequence[Row[Any]], *, now: datetime) -> None:
    journeys = await _waiting_journeys(session, events)
    enabled = {journey.journey_id for journey in journeys}
    refused = [
        Refused(event.owner_id, event.subject_id, event.list_id, event.subscriber_id, event.kind, NOT_ENABLED)
        for event in events
        if event.kind in (START, PULLED) and event.subject_id not in enabled
    ]
    matcher = Matcher(journeys)
    people = await admissions.living(session, {(event.owner_id, event.subscriber_id) for event in events})
    candidates: dict[int, list[Candidate]] = defaultdict(list)
    for event in events:
        person = people.get((event.owner_id, event.subscriber_id))
        for journey_id in matcher.matching(event):
            if person is None:
                reason = "the subscriber is gone"
            elif event.depth > MAX_DEPTH:
                reason = f"more than {MAX_DEPTH} journeys in a chain"
            else:
                candidates[journey_id].append(
                    Candidate(
                        person[0],
                        event.subscriber_id,
                        person[1],
                        event.kind,
                        event.depth,
                        cause_of(event.kind, event.payload),
                    )
                )
                continue
            refused.append(Refused(event.owner_id, journey_id, event.list_id, event.subscriber_id, event.kind, reason))
    by_id = {journey.journey_id: journey for journey in journeys}
    admission = await admit(
        session, [(by_id[journey_id], wanted) for journey_id, wanted in candidates.items()], now=now
    )
    await admissions.insert_refusals(session, [*refused, *admission.refused], now=now)


def cause_of(kind: str, payload: Mapping[str, Any] | None = None) -> str:
    """What the enrollment remembers of its event: personalization shows it, and the next journeys inherit it."""
    if payload and "Event" in payload:
        return orjson.dumps({"kind": kind, "Event": payload["Event"]}).decode()
    return _plain_cause(kind)


@cache
def _plain_cause(kind: str) -> str:
    return orjson.dumps({"kind": kind}).decode()


async def _waiting_journeys(session: AsyncSession, events: Sequence[Row[Any]]) -> Sequence[Journey]:
    """The enabled journeys that wait for any of these kinds of events; kept from changing until the end."""
    kinds = {(event.owner_id, event.kind) for event in events if event.kind != START}
    started = {(event.owner_id, event.subject_id) for event in events if event.kind == START}
    found: dict[int, Journey] = {}
    for columns, wanted in (
        ((Journey.owner_id, Journey.trigger), kinds),
        ((Journey.owner_id, Journey.journey_id), started),
    ):
        if wanted:
            statement = (
                select(Journey)
                .where(
                    Journey.status == JourneyStatus.ENABLED,
                    Journey.deleted_at.is_(None),
                    tuple_(*columns).in_(wanted),
                )
                .order_by(Journey.journey_id)
                .with_for_update(read=True)
                .execution_options(populate_existing=True)
            )
            found.update({journey.journey_id: journey for journey in await session.scalars(statement)})
    return [found[journey_id] for journey_id in sorted(found)]


async def admit(
    session: AsyncSession,
    wanted: Collection[tuple[Journey, Sequence[Candidate]]],
    *,
    now: datetime,
    ignores_caps: bool = False,
) -> Admission:
    """Let candidates into locked, enabled journeys: criteria, nobody twice, caps; then write who entered.

    Args:
        ignores_caps: whether the journey's entry caps do not stop them (they are counted all the same).
    """
    admission = Admission()
    entrants: list[Entrant] = []
    alone = [
        journey.journey_id
        for journey, _ in wanted
        # who completes at once is kept from entering twice at the same moment by nothing else
        if journey.rate_limit_per_hour or journey.rate_limit_per_day or journey.first_action_id is None
    ]
    await queues.lock_caps(session, alone)
    reasons = await _reasons(session, wanted, now=now)
    rooms = {} if ignores_caps else await _rooms(session, [journey for journey, _ in wanted], now=now)
    for journey, candidates in wanted:
        # read once: a mapped attribute costs more than all else that is done with a candidate here
        owner_id, journey_id, first_action_id = journey.owner_id, journey.journey_id, journey.first_action_id
        passed, refused = _judge(journey, candidates, reasons[journey_id], room=rooms.get(journey_id))
        entrants.extend(
            Entrant(
                owner_id=owner_id,
                journey_id=journey_id,
                list_id=each.list_id,
                subscriber_id=each.subscriber_id,
                email_address=each.email_address,
                first_action_id=first_action_id,
                depth=each.depth,
                cause=each.cause,
            )
            for each in passed
        )
        admission.refused.extend(refused)
    admission.entered = await admissions.let_in(session, entrants, now=now)
    if admission.entered:
        await admissions.forget_entries(session, {journey.journey_id for journey, _ in wanted}, now=now)
    return admission


async def _reasons(
    session: AsyncSession, wanted: Collection[tuple[Journey, Sequence[Candidate]]], *, now: datetime
) -> dict[int, dict[int, str]]:
    """Journey → subscriber → why not, of the candidates who may not enter, caps apart.

    One statement for each question and all journeys; but the criteria of each journey are SQL of its own, which may
    fail without keeping people out of others.
    """
    reasons: dict[int, dict[int, str]] = {journey.journey_id: {} for journey, _ in wanted}
    everybody = [(journey, [each.subscriber_id for each in candidates]) for journey, candidates in wanted]
    for journey_id, subscriber_id in await admissions.active_in(session, everybody):
        reasons[journey_id][subscriber_id] = INACTIVE
    pulled = [
        (journey, [each.subscriber_id for each in candidates if each.kind == PULLED]) for journey, candidates in wanted
    ]
    for journey_id, subscriber_id in await too_often(session, pulled, now=now):
        reasons[journey_id][subscriber_id] = TOO_OFTEN
    for journey, ids in everybody:
        why = reasons[journey.journey_id]
        left = [each for each in ids if each not in why]
        if journey.run_criteria and left:
            met, why_not = await meeting_run_criteria(session, journey, left, now=now)
            why.update({each: why_not for each in left if each not in met})
    return reasons


def _judge(
    journey: Journey, candidates: Sequence[Candidate], reasons: dict[int, str], *, room: int | None
) -> tuple[list[Candidate], list[Refused]]:
    """Who of the candidates may enter, and why the others may not.

    Args:
        reasons: subscriber → why not; those for whom there is no room are added.
        room: how many may enter; None: any number.
    """
    passed: list[Candidate] = []
    seen: set[int] = set()
    for each in candidates:
        if each.subscriber_id not in reasons and each.subscriber_id not in seen:
            seen.add(each.subscriber_id)
            passed.append(each)
    if room is not None and len(passed) > room:
        reasons.update({each.subscriber_id: "the journey's entry cap is reached" for each in passed[room:]})
        passed = passed[:room]
    refused = [
        Refused(
            journey.owner_id,
            journey.journey_id,
            each.list_id,
            each.subscriber_id,
            each.kind,
            reasons[each.subscriber_id],
        )
        for each in candidates
        if each.subscriber_id in reasons
    ]
    return passed, refused


async def meeting_run_criteria(
    session: AsyncSession, journey: Journey, subscriber_ids: Sequence[int], *, now: datetime
) -> tuple[set[int], str]:
    """Those of the subscribers who meet the journey's `Run_Criteria`, and the reason for the others."""
    try:
        parsed = criteria.parse(journey.run_criteria, operator=journey.run_criteria_operator)
        time_zone = await session.scalar(select(User.time_zone).where(User.user_id == journey.owner_id))
        # the list of each is its own: people of several lists may be candidates at once
        condition = await criteria.compile(
            session,
            parsed,
            owner_id=journey.owner_id,
            list_id=Subscriber.list_id.expression,
            now=now,
            time_zone=time_zone or "UTC",
            segments=await criteria_of_segments(session, owner_id=journey.owner_id, of=parsed),
        )
        async with session.begin_nested():
            met = await session.scalars(
                select(Subscriber.subscriber_id).where(
                    Subscriber.owner_id == journey.owner_id, these(journey.owner_id, subscriber_ids), condition
                )
            )
            return set(met), "the run criteria are not met"
    except (CriteriaInvalid, CriteriaNotEvaluable) as error:
        return set(), f"the run criteria cannot be evaluated: {error}"
    except DBAPIError as error:
        if is_passing(error):
            raise
        return set(), f"the run criteria cannot be evaluated: {reason_of(error)}"


async def _rooms(session: AsyncSession, journeys: Sequence[Journey], *, now: datetime) -> dict[int, int]:
    """How many may still enter each journey that has caps."""
    caps = [
        (journey.journey_id, cap, now - span)
        for journey in journeys
        for cap, span in (
            (journey.rate_limit_per_hour, timedelta(hours=1)),
            (journey.rate_limit_per_day, timedelta(days=1)),
        )
        if cap
    ]
    entered = await admissions.entries_since(session, [(journey_id, since) for journey_id, _, since in caps])
    rooms: dict[int, int] = {}
    for (journey_id, cap, _), entries in zip(caps, entered, strict=True):
        rooms[journey_id] = max(0, min(cap - entries, rooms.get(journey_id, cap)))
    return rooms
