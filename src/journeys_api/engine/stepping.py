"""From where people stand to where they stand next: a batch of due people takes its steps in one transaction.

The timers are the queue: a batch deletes those it takes and writes new ones, so a crash leaves everything as it was.
People walk on through actions that take no time; what an earlier action of the batch wrote, a later one sees. Those who
stand at one action and came the same way are a cohort and moved as one: who they are is only looked at by actions that
ask, so that what many do together costs hardly more than what one does.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine import actions, deliveries, queues, records
from journeys_api.engine.batches import Batch
from journeys_api.engine.flows import Flow, FlowAction, Flows
from journeys_api.engine.isolation import Claimed
from journeys_api.engine.people import Cohort, Crowd, Move, Moves, Way, skipped
from journeys_api.engine.registry import READING_OUTBOX, RUNS, WITHOUT_SQL, Standing, StepFailed
from journeys_api.failures import is_passing, reason_of
from journeys_api.journeys import insiders
from journeys_api.journeys.leaving import DELETED
from journeys_api.models import Journey, JourneyStatus, User
from journeys_api.trigger_events import Happened, record

log = structlog.get_logger()

assert actions.MODULES, "importing the actions fills the table of what they run"

MOST_HOPS = 100
"""How many actions a person passes in one batch; a longer walk goes on in the next."""
MOST_JOURNEYS = 64
"""How many journeys share a batch."""


async def step_people(
    session: AsyncSession, *, shard: int, limit: int, now: datetime, flows: Flows, claimed: Claimed
) -> int:
    """Take one batch of a shard's due people; how many timers were taken. 0: nobody is due.

    The caller holds the shard.

    Args:
        claimed: learns whom a batch of one has taken, for when it fails.
    """
    # a batch of one is of one journey: it is to find out whom a failure is about
    due = await queues.due_journeys(session, shard, now=now, limit=min(limit, MOST_JOURNEYS))
    if not due:
        return 0
    if limit == 1:
        claimed.journey_id = due[0]
    enabled = await _enabled_flows(session, due, flows)
    if len(enabled) < len(due):
        await queues.leave_round(session, shard, await _not_enabled(session, due))
    if not enabled:
        return 0
    share = max(1, limit // len(enabled))
    batch = Batch(now=now, flows=enabled)
    taken, cohorts = await records.take_people(
        session, shard, journey_ids=list(enabled), share=share, now=now, path=batch.start
    )
    if limit == 1 and cohorts:
        claimed.enrollment_id = cohorts[0][0].people[0].enrollment_id
    if cohorts:
        await _walk(session, batch, cohorts)
        await _write(session, batch)
    await queues.settle_round(session, shard, journey_ids=list(enabled), now=now)
    return taken


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


async def _walk(session: AsyncSession, batch: Batch, cohorts: Sequence[tuple[Cohort, bool, bool]]) -> None:
    """Everybody goes on until they wait or end, one action after the other.

    Args:
        cohorts: with each whether it has taken no step yet, and whether these people were deleted.
    """
    standing: dict[tuple[int, int | None], list[Cohort]] = defaultdict(list)
    for cohort, is_new, is_gone in cohorts:
        if is_new:
            batch.begin(cohort)
        if is_gone:
            batch.end(cohort, DELETED)
        else:
            standing[(cohort.origin.journey_id, cohort.action_id)].append(cohort)
    while standing:
        (journey_id, action_id), group = standing.popitem()
        flow = batch.flows[journey_id]
        action = flow.actions.get(action_id) if action_id is not None else None
        if action is None:
            # it was removed, and their chunk has not had its turn; they go on in the next batch
            people = [person.enrollment_id for person in Crowd(group)]
            await insiders.reseat(
                session, owner_id=flow.owner_id, journey_id=journey_id, enrollment_ids=people, now=batch.now
            )
            continue
        fresh = [cohort for cohort in group if cohort.path.length < MOST_HOPS]
        for cohort in group:
            if cohort.path.length >= MOST_HOPS:
                batch.stay(cohort, batch.now)
        if fresh:
            for there, going in await _run(session, batch, flow, action, Crowd(fresh)):
                standing[(journey_id, there)].append(going)


async def _run(
    session: AsyncSession, batch: Batch, flow: Flow, action: FlowAction, crowd: Crowd
) -> list[tuple[int, Cohort]]:
    """Do one action for all who stand at it; who goes on to which other. One that fails is done for halves of them."""
    if not action.is_published:
        return batch.move(action, crowd, Moves(skipped("unpublished")))
    if action.action in READING_OUTBOX:
        await _write_owed(session, batch)
    standing = Standing(session, flow, action, batch.now)
    try:
        async with nullcontext() if action.action in WITHOUT_SQL else session.begin_nested():
            moves = await RUNS[action.action](standing, crowd, action.parameters)
            await _record(standing, moves)
    except StepFailed as error:
        # the reason is about the action, not about one of them
        return batch.move(action, crowd, Moves(Move(Way.RETRY, "failed", str(error))))
    except Exception as error:
        if is_passing(error):
            raise
        if len(crowd) > 1:
            first, second = crowd.halves()
            return await _run(session, batch, flow, action, first) + await _run(session, batch, flow, action, second)
        log.exception("step_failed", journey_id=flow.journey_id, action_id=action.action_id)
        return batch.move(action, crowd, Moves(Move(Way.RETRY, "failed", reason_of(error))))
    return batch.move(action, crowd, moves)


async def _record(standing: Standing, moves: Moves) -> None:
    """Write down what an action sets off. At once: it comes before what a later action of the same people sets off."""
    by_depth: dict[int, list[Happened]] = defaultdict(list)
    for happened, depth in moves.happened:
        by_depth[depth].append(happened)
    for depth, events in by_depth.items():
        await record(standing.session, events, owner_id=standing.owner_id, now=standing.now, depth=depth)


async def _write(session: AsyncSession, batch: Batch) -> None:
    """Everything the batch did, each kind as one statement."""
    await records.write_people(session, batch.settled, now=batch.now)
    await _write_owed(session, batch)
    await records.insert_deltas(session, batch.deltas, now=batch.now)


async def _write_owed(session: AsyncSession, batch: Batch) -> None:
    """Write what the batch owes so far into the outbox."""
    await deliveries.insert_deliveries(session, batch.owed, now=batch.now)
    batch.owed.clear()
