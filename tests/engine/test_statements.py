"""How many statements a batch costs: a constant, whatever the number of people, events and journeys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import event

from journeys_api.engine import queues
from journeys_api.models import SHARDS
from journeys_api.trigger_events import EXIT, Happened
from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running

SHARD = 3
A_DAY = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}


@asynccontextmanager
async def counted(work: Work) -> AsyncIterator[list[str]]:
    """The statements that the worker sends meanwhile."""
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    async with work.worker.sessions() as session:
        engine = (await session.connection()).engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def enroll(work: Work, api: Client, *events: Happened) -> list[str]:
    """What one batch of these events costs, when it is not the first."""
    await work.happen(api, Happened(EXIT, 0, SHARD))
    assert await work.worker.engine.enroll(SHARD) == 1
    await work.happen(api, *events)
    async with counted(work) as statements:
        assert await work.worker.engine.enroll(SHARD) == len(events)
    return statements


async def test_a_batch_of_exits_costs_what_one_exit_costs(api: Client, audience: Audience, work: Work) -> None:
    people = await audience.crowd(work, 41, shard=SHARD)
    first, second = [await running(api, A_DAY, Trigger="Tag", Trigger_Value=await audience.tag(each)) for each in "ab"]
    await work.move()
    for journey_id in (first, second):
        await work.happen(api, *[Happened("Start", audience.list_id, each, journey_id) for each in people])
    await work.move()

    one = await enroll(work, api, Happened(EXIT, audience.list_id, people[0], 0))
    many = await enroll(work, api, *[Happened(EXIT, audience.list_id, each, 0) for each in people[1:]])
    nobody = await enroll(work, api, *[Happened(EXIT, audience.list_id, each, 0) for each in people])

    assert len(many) == len(one)
    assert len(nobody) < len(one)
    for journey_id in (first, second):
        assert await work.ends(journey_id) == [("exited", "left by a journey")] * len(people)


async def test_many_events_that_let_people_into_many_journeys_cost_what_one_costs(
    api: Client, audience: Audience, work: Work
) -> None:
    people = await audience.crowd(work, 21, shard=SHARD)
    rare, common = await audience.tag("rare"), await audience.tag("common")
    capped = {"Trigger": "Tag", "Rate_Limit_Per_Hour": 15, "Rate_Limit_Per_Day": 18}
    alone = await running(api, **capped, Trigger_Value=rare)
    journeys = [await running(api, A_DAY, **capped, Trigger_Value=common) for _ in range(6)]
    await work.move()

    one = await enroll(work, api, Happened("Tag", audience.list_id, people[0], rare))
    many = await enroll(work, api, *[Happened("Tag", audience.list_id, each, common) for each in people[1:]])

    assert len(await work.ends(alone)) == 1
    for journey_id in journeys:
        assert len(await work.ends(journey_id)) == 15
        assert await work.refusals(journey_id) == ["the journey's entry cap is reached"] * 5
    # the refusals are written down
    assert len(many) == len(one) + 1


async def test_many_pulled_into_many_journeys_cost_what_one_costs(api: Client, audience: Audience, work: Work) -> None:
    people = await audience.crowd(work, 12, shard=SHARD)
    schedule = {"IntervalValue": 1, "FrequencyCapEnabled": True, "FrequencyCapCount": 1, "FrequencyCapPeriod": 1}
    pulling = {"Trigger": "ScheduledPull", "Trigger_ListID": audience.list_id, "TriggerParameters": schedule}
    journeys = [await running(api, A_DAY, **pulling) for _ in range(4)]
    await work.move()
    pulls = [
        Happened("ScheduledPull", audience.list_id, each, journeys[number % 4]) for number, each in enumerate(people)
    ]

    one = await enroll(work, api, pulls[0])
    many = await enroll(work, api, *pulls[1:])

    assert [len(await work.ends(each)) for each in journeys] == [3] * 4
    assert len(many) == len(one)


async def test_a_step_of_many_people_costs_what_that_of_one_costs(api: Client, audience: Audience, work: Work) -> None:
    people = await audience.crowd(work, 31, shard=SHARD)
    tag_id = await audience.tag()
    journey_id = await running(api, {"Action": "AddTag", "TargetTagID": tag_id}, A_DAY, {"Action": "Debug"})
    await work.move()

    async def step(*who: int) -> list[str]:
        await enroll(work, api, *[Happened("Start", audience.list_id, each, journey_id) for each in who])
        async with counted(work) as statements:
            assert await work.worker.engine.step(SHARD) == len(who)
        return statements

    await step(people[0])  # the engine reads the journey, and remembers it
    one = await step(people[1])
    many = await step(*people[2:])

    assert len(await work.steps(journey_id)) == len(people)
    assert len(many) == len(one)


async def test_nobody_looks_into_a_shard_where_nothing_is_to_be_done(
    api: Client, audience: Audience, work: Work
) -> None:
    here, there = [(await audience.crowd(work, 1, shard=shard))[0] for shard in (3, 5)]
    tag = await audience.tag("a")
    await running(api, A_DAY, Trigger="Tag", Trigger_Value=tag)
    await work.happen(api, Happened("Tag", audience.list_id, there, tag))
    await work.move()
    await work.happen(api, Happened("Tag", audience.list_id, here, tag))

    async with work.worker.sessions() as session:
        now = await work.clock.now(session)
        with_an_event = await queues.ready_shards(session, now=now)
        with_somebody_due_as_well = await queues.ready_shards(session, now=now + timedelta(days=2))
    async with counted(work) as statements:
        await work.worker.engine.run_until_quiet()

    assert (set(with_an_event), set(with_somebody_due_as_well)) == ({3}, {3, 5})
    assert 0 < sum("pg_try_advisory_xact_lock" in statement for statement in statements) < SHARDS
