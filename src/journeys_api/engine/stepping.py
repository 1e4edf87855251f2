"""From where people stand to where they stand next: a batch of due people takes its steps in one transaction.

The timers are the queue: a batch deletes those it takes and writes new ones, so a crash leaves everything as it was.
People walk on through actions that take no time; what an earlier action of the batch wrote, a later one sees.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine import actions, queues, records
from journeys_api.engine.flows import Flow, FlowAction, Flows
from journeys_api.engine.people import Move, Moves, Person, Way, skipped
from journeys_api.engine.records import Delta, OwedAt, Taken, Written
from journeys_api.engine.registry import RUNS, Standing, StepFailed
from journeys_api.failures import is_passing, reason_of
from journeys_api.models import Journey, JourneyStatus, User
from journeys_api.trigger_events import Happened, record

log = structlog.get_logger()

assert actions.MODULES, "importing the actions fills the table of what they run"

MOST_HOPS = 100
"""How many actions a person passes in one batch; a longer walk goes on in the next."""
MOST_JOURNEYS = 64
"""How many journeys share a batch."""
LADDER = (timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2), timedelta(hours=4))
"""How long a step that failed inside waits before each further try; then the enrollment fails (rulings 7)."""


@dataclass
class Batch:
    """What a batch has done so far, written at its end."""

    now: datetime
    flows: dict[int, Flow]
    steps: list[Taken] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    timers: list[queues.Due] = field(default_factory=list)
    reached: list[tuple[Person, int]] = field(default_factory=list)
    owed: list[OwedAt] = field(default_factory=list)
    happened: dict[tuple[int, int], list[Happened]] = field(default_factory=lambda: defaultdict(list))
    """By (owner, depth)."""
    deltas: dict[tuple[int, int, int], Delta] = field(default_factory=lambda: defaultdict(Delta))

    def of(self, person: Person, action_id: int = 0) -> Delta:
        """The changed numbers of the person's journey, or of one of its actions."""
        return self.deltas[(person.owner_id, person.journey_id, action_id)]


async def step_people(session: AsyncSession, *, shard: int, limit: int, now: datetime, flows: Flows) -> int:
    """Take one batch of a shard's due people; how many timers were taken. 0: nobody is due.

    The caller holds the shard.
    """
    # a batch of one is of one journey: it is to find out whom a failure is about
    due = await queues.due_journeys(session, shard, now=now, limit=min(limit, MOST_JOURNEYS))
    if not due:
        return 0
    enabled = await _enabled_flows(session, due, flows)
    await queues.leave_round(session, shard, await _not_enabled(session, due))
    if not enabled:
        return 0
    share = max(1, limit // len(enabled))
    timers = await queues.take_timers(session, shard, journey_ids=list(enabled), share=share, now=now)
    batch = Batch(now=now, flows=enabled)
    if timers:
        await _walk(session, batch, await records.lock_people(session, timers))
        await _write(session, batch)
    await queues.settle_round(session, shard, journey_ids=list(enabled), now=now)
    return len(timers)


async def _enabled_flows(session: AsyncSession, journey_ids: Sequence[int], flows: Flows) -> dict[int, Flow]:
    """The flows of the enabled among the journeys, kept from changing; one that is being edited is left for later."""
    statement = (
        select(Journey, User.time_zone)
        .join(User, User.user_id == Journey.owner_id)
        .where(
            Journey.journey_id.in_(journey_ids),
            Journey.status == JourneyStatus.ENABLED,
            Journey.deleted_at.is_(None),
        )
        .order_by(Journey.journey_id)
        .with_for_update(read=True, skip_locked=True, of=Journey)
        .execution_options(populate_existing=True)
    )
    rows = (await session.execute(statement)).all()
    return await flows.load(session, rows)


async def _not_enabled(session: AsyncSession, journey_ids: Sequence[int]) -> list[int]:
    """Those of the journeys that stand in the round and should not: disabled or deleted ones."""
    enabled = select(Journey.journey_id).where(
        Journey.journey_id.in_(journey_ids), Journey.status == JourneyStatus.ENABLED, Journey.deleted_at.is_(None)
    )
    found = set(await session.scalars(enabled))
    return [journey_id for journey_id in journey_ids if journey_id not in found]


async def _walk(session: AsyncSession, batch: Batch, people: Sequence[Person]) -> None:
    """Everybody goes on until they wait or end, grouped by the action they stand at."""
    standing: dict[tuple[int, int | None], list[Person]] = defaultdict(list)
    for person in people:
        standing[(person.journey_id, person.action_id)].append(person)
        if person.seq == 0 and person.action_id is not None:
            _arrive(batch, person, person.action_id)
    while standing:
        (journey_id, action_id), group = standing.popitem()
        flow = batch.flows[journey_id]
        action = flow.actions.get(action_id) if action_id is not None else None
        if action is None:
            # an edit re-seats everybody it sees; who entered while it was under way ends the same way
            for person in group:
                _end(batch, person, "exited", "action removed")
            continue
        tired = [person for person in group if person.hops >= MOST_HOPS]
        for person in tired:
            _stay(batch, person, batch.now)
        for person in await _run(session, batch, flow, action, [each for each in group if each.hops < MOST_HOPS]):
            standing[(person.journey_id, person.action_id)].append(person)


async def _run(
    session: AsyncSession, batch: Batch, flow: Flow, action: FlowAction, people: list[Person]
) -> list[Person]:
    """Do one action for its group; those who go on to another. A group that fails is halved to find who breaks it."""
    if not people:
        return []
    if not action.is_published:
        return _move(batch, action, people, Moves.same(people, skipped("unpublished")))
    standing = Standing(session, flow, action, batch.now)
    try:
        async with session.begin_nested():
            moves = await RUNS[action.action](standing, people, action.parameters)
    except StepFailed as error:
        # the reason is about the action, not about one of them
        return _move(batch, action, people, Moves.same(people, Move(Way.RETRY, "failed", str(error))))
    except Exception as error:
        if is_passing(error):
            raise
        if len(people) > 1:
            half = len(people) // 2
            first = await _run(session, batch, flow, action, people[:half])
            return first + await _run(session, batch, flow, action, people[half:])
        log.exception("step_failed", journey_id=flow.journey_id, action_id=action.action_id)
        return _move(batch, action, people, Moves.same(people, Move(Way.RETRY, "failed", reason_of(error))))
    return _move(batch, action, people, moves)


def _move(batch: Batch, action: FlowAction, people: Sequence[Person], moves: Moves) -> list[Person]:
    """Take note of everybody's way; those who stand at another action now."""
    going: list[Person] = []
    for owed in moves.owed:
        # the person goes on: what is owed belongs to the action and the visit of now
        batch.owed.append(OwedAt(owed, action.action_id, owed.person.seq + 1, orjson.dumps(owed.payload).decode()))
    for happened, depth in moves.happened:
        batch.happened[(people[0].owner_id, depth)].append(happened)
    for person in people:
        move = moves.each[person.enrollment_id]
        if move.way is Way.WAIT:
            assert move.until is not None
            person.attempts = 0
            _stay(batch, person, move.until)
        elif move.way is Way.RETRY and person.attempts < len(LADDER):
            wait = LADDER[person.attempts]
            person.attempts += 1
            _stay(batch, person, batch.now + wait, move.note)
        else:
            _leave(batch, action, person, move)
            if person.action_id is not None:
                going.append(person)
    return going


def _leave(batch: Batch, action: FlowAction, person: Person, move: Move) -> None:
    """The person has done the action: history, numbers, and where it stands now (nowhere: it has ended)."""
    person.seq += 1
    person.hops += 1
    person.attempts = 0
    batch.steps.append(
        Taken(person.owner_id, person.enrollment_id, person.seq, action.action_id, move.outcome, move.note)
    )
    left = batch.of(person, action.action_id)
    left.active -= 1
    if move.way in (Way.EXIT, Way.RETRY):
        person.action_id = None
        _close(batch, person, "exited" if move.way is Way.EXIT else "failed", move.note)
        return
    left.completed += 1
    goes_to = {Way.TRUE: action.true_action_id, Way.FALSE: action.false_action_id}.get(move.way, action.next_action_id)
    person.action_id = goes_to
    person.entered_at = batch.now
    if goes_to is None:
        happened = Happened("JourneyCompleted", person.list_id, person.subscriber_id, person.journey_id)
        batch.happened[(person.owner_id, person.depth + 1)].append(happened)
        _close(batch, person, "completed", None)
        return
    arrived = batch.of(person, goes_to)
    arrived.active += 1
    arrived.total += 1
    _arrive(batch, person, goes_to)


def _arrive(batch: Batch, person: Person, action_id: int) -> None:
    """The person is one of those who reached the action; for SendEmail it becomes one when the mail was sent."""
    action = batch.flows[person.journey_id].actions.get(action_id)
    if action is not None and action.action != "SendEmail":
        batch.reached.append((person, action_id))


def _stay(batch: Batch, person: Person, until: datetime, reason: str | None = None) -> None:
    batch.written.append(Written(person, "active", until, reason))
    batch.timers.append(
        queues.Due(person.owner_id, person.journey_id, person.subscriber_id, person.enrollment_id, until)
    )


def _end(batch: Batch, person: Person, state: str, reason: str) -> None:
    """End somebody who stands nowhere any more."""
    if person.action_id is not None:
        batch.of(person, person.action_id).active -= 1
        person.action_id = None
    _close(batch, person, state, reason)


def _close(batch: Batch, person: Person, state: str, reason: str | None) -> None:
    batch.of(person).active -= 1
    batch.written.append(Written(person, state, None, reason))


async def _write(session: AsyncSession, batch: Batch) -> None:
    """Everything the batch did, each kind as one statement."""
    await records.update_people(session, batch.written, now=batch.now)
    await records.insert_steps(session, batch.steps, now=batch.now)
    await records.insert_reached(session, batch.reached, now=batch.now)
    await records.insert_deliveries(session, batch.owed, now=batch.now)
    await records.insert_deltas(session, batch.deltas)
    await queues.set_timers(session, batch.timers)
    for (owner_id, depth), happened in batch.happened.items():
        await record(session, happened, owner_id=owner_id, now=batch.now, depth=depth)
