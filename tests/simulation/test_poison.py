"""What cannot be read or written holds up only whom it is about, and loses nobody."""

import pytest

from journeys_api.engine.flows import Flows
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
