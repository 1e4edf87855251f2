"""What cannot be read or written holds up only whom it is about, and loses nobody."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from journeys_api.db import make_engine
from journeys_api.engine.flows import Flows
from journeys_api.engine.worker import Engine
from journeys_api.models import Journey
from tests.simulation.invariants import broken
from tests.simulation.world import SHARDS, World

FIRST = 1_000_000_000


async def test_a_journey_that_could_not_be_read_once_is_read_again(world: World) -> None:
    journey_id = await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"})
    flows = Flows()
    await world.change("UPDATE journey_actions SET action = 'OfTheNextRelease' WHERE journey_id = :j", j=journey_id)
    async with world.sessions() as session:
        journey = await session.get_one(Journey, journey_id)
        with pytest.raises(KeyError):
            await flows.load(session, [(journey, "UTC")])
    await world.change("UPDATE journey_actions SET action = 'Wait' WHERE journey_id = :j", j=journey_id)

    async with world.sessions() as session:
        loaded = await flows.load(session, [(journey, "UTC")])

    assert [action.action for action in loaded[journey_id].actions.values()] == ["Wait"]


async def test_a_journey_that_cannot_be_read_loses_nobody_and_holds_up_nobody(world: World) -> None:
    tag = {"Action": "AddTag", "TargetTagID": world.tag_ids[0]}
    before, poisoned, after = [await world.journey(tag) for _ in range(3)]
    ids = await world.put_people(2, first=FIRST, apart=SHARDS)
    await world.change("UPDATE journey_actions SET action = 'OfTheNextRelease' WHERE journey_id = :j", j=poisoned)
    for journey_id in (before, poisoned, after):
        await world.let_in(journey_id, ids)

    for _ in range(20):
        await world.worker.engine.turn(FIRST % SHARDS)

    rows = await world.rows("SELECT journey_id, state, attempts FROM enrollments ORDER BY enrollment_id")
    assert {(row.journey_id, row.state) for row in rows} == {
        (before, "completed"),
        (poisoned, "active"),
        (after, "completed"),
    }
    assert {row.attempts for row in rows if row.journey_id != poisoned} == {0}
    assert await broken(world.sessions, is_at_rest=False) == []

    await world.change("UPDATE journey_actions SET action = 'AddTag' WHERE journey_id = :j", j=poisoned)
    world.pass_time(minutes=16)
    await world.worker.run_until_quiet()
    assert {row.state for row in await world.rows("SELECT state FROM enrollments")} == {"completed"}
    assert await broken(world.sessions) == []


async def test_whoever_cannot_be_moved_ends_as_failed_in_the_numbers_too(world: World) -> None:
    poisoned = await world.journey({"Action": "AddTag", "TargetTagID": world.tag_ids[0]})
    await world.change("UPDATE journey_actions SET action = 'OfTheNextRelease' WHERE journey_id = :j", j=poisoned)
    await world.let_in(poisoned, await world.put_people(1, first=FIRST))

    for _ in range(7):
        await world.worker.engine.turn(FIRST % SHARDS)
        world.pass_time(minutes=16)

    (row,) = await world.rows("SELECT state, reason FROM enrollments")
    assert tuple(row) == ("failed", "the step cannot be processed")
    assert await broken(world.sessions, is_at_rest=False) == []


class Overtaken(async_sessionmaker[AsyncSession]):
    """Sessions of an engine that something else comes before: at its third transaction, in which it sets aside."""

    def __init__(self, engine: AsyncEngine, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(engine, expire_on_commit=False, autoflush=False)
        self._meanwhile = meanwhile
        self._begun = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:  # type: ignore[override]
        """A transaction, as ever; the third one only after all that comes before it."""
        self._begun += 1
        if self._begun == 3:
            await self._meanwhile()
        async with super().begin() as session:
            yield session


@pytest.fixture
async def pool(world: World) -> AsyncIterator[AsyncEngine]:
    """Connections of a second engine's own."""
    made = make_engine(str(world.app.settings.database_url), pool_size=2, statement_timeout=timedelta(seconds=30))
    yield made
    await made.dispose()


async def test_two_engines_that_meet_one_poisoned_event_lose_no_other(world: World, pool: AsyncEngine) -> None:
    journey_id = await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"})
    poisoned, *healthy = await world.put_people(4, first=FIRST, apart=SHARDS)
    await world.change(f"ALTER TABLE enrollments ADD CONSTRAINT poison CHECK (subscriber_id <> {poisoned})")
    await world.let_in(journey_id, [poisoned, *healthy])
    second = world.worker.engine
    first = Engine(Overtaken(pool, lambda: second.enroll(FIRST % SHARDS)), clock=world.clock)

    await first.enroll(FIRST % SHARDS)
    await world.worker.run_until_quiet()

    refused = await world.rows("SELECT subscriber_id, reason FROM enrollment_refusals")
    assert [tuple(row) for row in refused] == [(poisoned, "the event cannot be processed")]
    entered = await world.rows("SELECT subscriber_id FROM enrollments ORDER BY subscriber_id")
    assert [row.subscriber_id for row in entered] == healthy


async def test_two_engines_that_meet_one_poisoned_step_put_off_no_other(world: World, pool: AsyncEngine) -> None:
    journey_id = await world.journey({"Action": "AddTag", "TargetTagID": world.tag_ids[0]})
    poisoned, *healthy = await world.put_people(4, first=FIRST, apart=SHARDS)
    await world.let_in(journey_id, [poisoned, *healthy])
    await world.worker.engine.enroll(FIRST % SHARDS)
    [enrollment_id] = (
        await world.rows("SELECT enrollment_id FROM enrollments WHERE subscriber_id = :poisoned", poisoned=poisoned)
    )[0]
    await world.change(f"ALTER TABLE steps ADD CONSTRAINT poison CHECK (enrollment_id <> {enrollment_id})")
    # it is the first in turn
    for table in ("timers", "enrollments"):
        await world.change(
            f"UPDATE {table} SET due_at = due_at - interval '1 second' WHERE enrollment_id = {enrollment_id}"
        )
    second = world.worker.engine
    first = Engine(Overtaken(pool, lambda: second.step(FIRST % SHARDS)), clock=world.clock)

    await first.step(FIRST % SHARDS)

    rows = await world.rows("SELECT subscriber_id, attempts FROM enrollments ORDER BY subscriber_id")
    assert [tuple(row) for row in rows] == [(poisoned, 1), *((each, 0) for each in healthy)]
    assert await broken(world.sessions, is_at_rest=False) == []
