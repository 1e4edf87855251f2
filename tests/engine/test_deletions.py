"""People who are deleted leave their journeys: by every road, few or many, whatever the engine does meanwhile."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.engine.deletions import CHUNK
from journeys_api.journeys import leaving
from journeys_api.models import SHARDS
from journeys_api.settings import Settings
from journeys_api.stats.verifying import differences
from journeys_api.trigger_events import Happened, shard_of
from journeys_api.work import Worker
from tests.conftest import Client, until_one_waits_for
from tests.engine.conftest import Audience, Work, running
from tests.subscribers.people import rule

A_DAY = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}
EVERYBODY = rule("EmailAddress", "contains", "@")
MANY = leaving.AT_ONCE + 200


async def by_id(audience: Audience, people: list[int]) -> None:
    await audience.api.ok("subscribers.delete", SubscriberListID=audience.list_id, Subscribers=people)


async def by_rules(audience: Audience, people: list[int]) -> None:
    await audience.api.ok(
        "subscribers.delete", SubscriberListID=audience.list_id, RulesJSON=EVERYBODY, RulesOperator="and"
    )


async def with_the_list(audience: Audience, people: list[int]) -> None:
    await audience.api.ok("lists.delete", Lists=[audience.list_id])


async def a_list(api: Client, name: str = "Other") -> Audience:
    return Audience(api, int((await api.ok("list.create", SubscriberListName=name))["ListID"]))


async def start(audience: Audience, work: Work, journey_id: int, people: list[int]) -> None:
    """Let people into a journey, and have them walk as far as they go at once."""
    events = [Happened("Start", audience.list_id, each, journey_id) for each in people]
    await work.happen(audience.api, *events)
    await work.run()


async def active(api: Client, journey_id: int) -> int:
    return int((await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]["ActiveSubscribers"])


async def numbers_differ(work: Work, api: Client) -> list[Any]:
    assert api.account
    async with work.worker.sessions.begin() as session:
        return list(await differences(session, owner_id=api.account.user_id))


async def active_dead(work: Work, api: Client) -> list[Any]:
    assert api.account
    return await work.rows(
        "SELECT * FROM enrollments e WHERE e.owner_id = :owner AND e.state = 'active' AND NOT EXISTS "
        "(SELECT FROM subscribers s WHERE s.owner_id = e.owner_id AND s.subscriber_id = e.subscriber_id)",
        owner=api.account.user_id,
    )


@pytest.mark.parametrize("delete", [by_id, by_rules, with_the_list])
async def test_who_is_deleted_during_a_wait_has_left_the_journey_and_is_written_to_no_more(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, delete: Any
) -> None:
    other = await a_list(api)
    mailing = await running(
        api, {"Action": "SendEmail", "EmailID": email_id}, Trigger="ListSubscription", Trigger_ListID=other.list_id
    )
    journey_id = await running(
        api,
        A_DAY,
        {"Action": "SendEmail", "EmailID": email_id},
        A_DAY,
        {"Action": "Subscribe", "TargetListID": other.list_id},
    )
    first = await audience.subscribe(address)
    await audience.enter(journey_id, first)
    await work.move()
    await work.move(days=1)
    assert await work.deliveries(journey_id) == [("mail", "pending", None)]

    await delete(audience, [first])

    assert await work.ends(journey_id) == [("exited", leaving.DELETED)]
    assert await work.deliveries(journey_id) == [("mail", "withdrawn", leaving.DELETED)]
    assert await active(api, journey_id) == 0
    await work.run(days=3)
    assert await work.history(journey_id) == [(address, [("Wait", "done"), ("SendEmail", "done")])]
    assert await work.ends(mailing) == []
    assert work.mails_to(address) == []
    assert await work.rows("SELECT 1 FROM subscribers WHERE list_id = :list", list=other.list_id) == []
    assert await numbers_differ(work, api) == []


async def test_others_of_the_list_and_their_messages_stay(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, A_DAY)
    first, second = await audience.subscribe(address), await audience.subscribe(f"2.{address}")
    for each in (first, second):
        await audience.enter(journey_id, each)
    await work.move()

    await by_id(audience, [first])
    await work.run()

    assert await work.ends(journey_id) == [("exited", leaving.DELETED), ("active", None)]
    assert len(work.mails_to(f"2.{address}")) == 1
    assert await active(api, journey_id) == 1


async def test_a_frozen_journey_lets_go_of_the_deleted_and_of_what_it_holds_for_them(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, A_DAY)
    person = await audience.subscribe(address)
    await audience.enter(journey_id, person)
    await work.move()
    await api.ok("journey.disable", JourneyID=journey_id)
    await work.run()
    assert await work.deliveries(journey_id) == [("mail", "held", None)]

    await by_id(audience, [person])

    assert await work.ends(journey_id) == [("exited", leaving.DELETED)]
    assert await work.deliveries(journey_id) == [("mail", "withdrawn", leaving.DELETED)]


@pytest.mark.parametrize("delete", [by_id, by_rules, with_the_list])
async def test_of_many_nobody_goes_on_before_the_workers_have_ended_them(
    api: Client, audience: Audience, work: Work, delete: Any
) -> None:
    other, target = await a_list(api), await a_list(api, "Target")
    first = {"Action": "Debug"}
    journey_id = await running(api, first, A_DAY, {"Action": "Subscribe", "TargetListID": target.list_id}, A_DAY)
    living = await other.people(work, 40)
    doomed = await audience.people(work, MANY)
    await start(other, work, journey_id, living)
    await start(audience, work, journey_id, doomed)

    await delete(audience, doomed)
    work.pass_time(days=1)
    for shard in range(SHARDS):
        await work.worker.engine.step(shard)
    taken = await work.rows(
        "SELECT list_id, state, reason, seq FROM enrollments WHERE journey_id = :journey GROUP BY 1, 2, 3, 4 "
        "ORDER BY 1, 2",
        journey=journey_id,
    )
    await work.run()

    everybody = {(audience.list_id, "exited", leaving.DELETED, 1), (other.list_id, "active", None, 3)}
    assert {tuple(each) for each in taken} == everybody
    assert await work.rows("SELECT 1 FROM deletions") == []
    come = await work.rows("SELECT 1 FROM subscribers WHERE list_id = :list", list=target.list_id)
    assert len(come) == len(living) == await active(api, journey_id)
    assert await numbers_differ(work, api) == []


async def test_the_workers_end_many_in_chunks_and_leave_the_others(
    api: Client, audience: Audience, work: Work, email_id: int
) -> None:
    journeys = [await running(api, {"Action": "SendEmail", "EmailID": email_id}, A_DAY) for _ in range(2)]
    living, doomed = await audience.people(work, CHUNK), await audience.people(work, MANY)
    for journey_id in journeys:
        await work.happen(api, *(Happened("Start", audience.list_id, each, journey_id) for each in living + doomed))
    await work.move()

    await by_id(audience, doomed)
    async with work.worker.sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM deletions")) == 1
    await work.move()

    assert await work.rows("SELECT 1 FROM deletions") == []
    for journey_id in journeys:
        assert await active(api, journey_id) == CHUNK
        states = await work.rows(
            "SELECT e.subscriber_id = ANY (:doomed) AS was_doomed, e.state, e.reason, d.state, d.reason, count(*) "
            "FROM enrollments e JOIN deliveries d USING (owner_id, enrollment_id) WHERE e.journey_id = :journey "
            "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1",
            journey=journey_id,
            doomed=doomed,
        )
        assert [tuple(row) for row in states] == [
            (False, "active", None, "pending", None, CHUNK),
            (True, "exited", leaving.DELETED, "withdrawn", leaving.DELETED, MANY),
        ]
    assert await numbers_differ(work, api) == []


async def test_whoever_is_deleted_while_a_command_lets_them_in_ends_before_the_first_step(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, {"Action": "Subscribe", "TargetListID": (await a_list(api)).list_id})
    person = await audience.subscribe(address)

    async with work.worker.sessions.begin() as session:
        await session.execute(text("LOCK TABLE enrollments IN SHARE MODE"))
        entering = asyncio.create_task(audience.enter(journey_id, person))
        await until_one_waits_for(session)
        # as the deletion of this person would, if it had not to wait for the lock of this test
        await session.execute(text("DELETE FROM subscribers WHERE subscriber_id = :person"), {"person": person})
    await entering
    await work.run()

    assert await work.ends(journey_id) == [("exited", leaving.DELETED)]
    assert await work.steps(journey_id) == []
    assert await numbers_differ(work, api) == []


@pytest.mark.parametrize("way_in", ["an event", "a command"])
async def test_whoever_is_let_in_and_moved_on_while_being_deleted_leaves_all_the_same(
    api: Client, audience: Audience, work: Work, address: str, way_in: str
) -> None:
    journey_id = await running(api, A_DAY, A_DAY)
    person = await audience.subscribe(address)

    async with work.worker.sessions.begin() as session:
        # the deletion has looked for passes to end, and is not through yet
        await session.execute(text("LOCK TABLE subscriber_tags IN EXCLUSIVE MODE"))
        deleting = asyncio.create_task(by_id(audience, [person]))
        await until_one_waits_for(session)
        if way_in == "a command":
            await audience.enter(journey_id, person)
        else:
            await work.happen(api, Happened("Start", audience.list_id, person, journey_id))
        await work.move()
        assert await work.ends(journey_id) == [("active", None)]
    await deleting
    await work.run()

    assert await work.ends(journey_id) == [("exited", leaving.DELETED)]
    assert await numbers_differ(work, api) == []


async def test_a_deletion_waits_for_the_step_that_has_its_people_and_withdraws_what_that_owes(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id = await running(api, A_DAY, {"Action": "SendEmail", "EmailID": email_id}, A_DAY)
    person = await audience.subscribe(address)
    await audience.enter(journey_id, person)
    await work.run()
    work.pass_time(days=1)

    async with work.worker.sessions.begin() as session:
        # the last that a step writes: what it owes is written, and not committed
        await session.execute(text("LOCK TABLE counter_deltas IN SHARE MODE"))
        stepping = asyncio.create_task(work.worker.engine.step(shard_of(person)))
        await until_one_waits_for(session)
        deleting = asyncio.create_task(by_id(audience, [person]))
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%CAST(e.place AS text)%'"
        )
        async with asyncio.timeout(20):
            while not await work.rows(waiting):  # noqa: ASYNC110 (the database is asked)
                await asyncio.sleep(0.01)
    await asyncio.gather(stepping, deleting)
    await work.run()

    assert await work.ends(journey_id) == [("exited", leaving.DELETED)]
    assert await work.deliveries(journey_id) == [("mail", "withdrawn", leaving.DELETED)]
    assert work.mails_to(address) == []
    assert await numbers_differ(work, api) == []


async def test_engines_at_work_lose_nobody_and_move_nobody_who_was_deleted(
    api: Client, work: Work, settings: Settings
) -> None:
    first, second, third = [await a_list(api, name) for name in ("First", "Second", "Third")]
    lists = [await a_list(api) for _ in range(3)]
    journey_id = await running(
        api,
        {"Action": "Debug"},
        A_DAY,
        {"Action": "Subscribe", "TargetListID": first.list_id},
        A_DAY,
        {"Action": "Subscribe", "TargetListID": second.list_id},
    )
    people = [await each.people(work, 150) for each in lists]
    many = await third.people(work, MANY)
    everybody = [*zip(lists, people, strict=True), (third, many)]
    own = settings.model_copy(update={"mail_dir": work.maildir, "data_dir": work.maildir.parent})
    others = [Worker(own, clock=work.clock) for _ in range(2)]
    engines = [work.worker.engine, *(each.engine for each in others)]

    async def with_engines(*calls: Any) -> None:
        await asyncio.gather(*calls, *(engine.run_until_quiet() for engine in engines))

    async def let_in(audience: Audience, ids: list[int]) -> None:
        await work.happen(api, *(Happened("Start", audience.list_id, each, journey_id) for each in ids))

    async def few_by_few(audience: Audience, ids: list[int]) -> None:
        for at in range(0, len(ids), 5):
            await by_id(audience, ids[at : at + 5])

    work.pass_time()
    # some are deleted while they are let in
    await with_engines(
        *(let_in(audience, ids) for audience, ids in everybody),
        *(few_by_few(audience, ids[:25]) for audience, ids in everybody[:3]),
    )
    # some while they leave the wait
    work.pass_time(days=1)
    await with_engines(
        *(few_by_few(audience, ids[25:75]) for audience, ids in everybody[:2]),
        with_the_list(lists[2], []),
        by_id(third, many[100:]),
    )
    on_second = "SELECT email_address FROM subscribers WHERE list_id = :list"
    assert await work.rows(on_second, list=second.list_id) == []
    work.pass_time(days=1)
    await with_engines()
    for each in others:
        await each.close()

    kept = {*people[0][75:], *people[1][75:], *many[:100]}
    ends = await work.rows(
        "SELECT subscriber_id, state, reason FROM enrollments WHERE journey_id = :journey AND state <> 'exited'",
        journey=journey_id,
    )
    assert {row.subscriber_id for row in ends} == kept
    assert {(row.state, row.reason) for row in ends} == {("completed", None)}
    assert len(await work.rows(on_second, list=second.list_id)) == len(kept)
    assert await active(api, journey_id) == 0 == len(await active_dead(work, api))
    assert await work.rows("SELECT 1 FROM deletions") == []
    assert await numbers_differ(work, api) == []
