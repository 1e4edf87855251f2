"""Several engines on one database: the same result as one alone, and nobody twice."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from journeys_api.db import make_engine, make_sessions
from journeys_api.engine.worker import Engine
from tests.simulation.invariants import broken
from tests.simulation.world import SHARDS, World, sender_of

FIRST = 1_000_000_000
PEOPLE = 2_000


async def _turn_until_quiet(engine: Engine, offset: int) -> None:
    """Shard after shard from another one each; two rounds in which nobody had anything end it."""
    idle = 0
    while idle < 2:
        done = 0
        for shard in range(SHARDS):
            done += await engine.turn((shard + offset) % SHARDS)
        done += await engine.chores()
        idle = 0 if done else idle + 1


@pytest.mark.parametrize("engines", [1, 2, 4, 8])
async def test_many_engines_move_everybody_once(world: World, engines: int) -> None:
    tagged = [{"type": "tags", "operator": "has this tag", "value": str(world.tag_ids[0])}]
    second = await world.journey({"Action": "RemoveTag", "TargetTagID": world.tag_ids[0]})
    first = await world.journey(
        {"Action": "AddTag", "TargetTagID": world.tag_ids[0]},
        {
            "Action": "Decision",
            "Criteria": [tagged],
            "Actions": {"True": [{"Action": "SendEmail", "EmailID": world.email_id, "Published": True}], "False": []},
        },
        {"Action": "Wait", "WaitAmount": 5, "WaitUnit": "minutes"},
        {"Action": "StartJourney", "TargetJourneyID": second},
        Trigger="ListSubscription",
        Trigger_ListID=world.list_id,
    )
    ids = await world.put_people(PEOPLE, first=FIRST)
    await world.tell("ListSubscription", ids)
    await world.tell("ListSubscription", ids[:100])
    pools = [
        make_engine(str(world.app.settings.database_url), pool_size=2, statement_timeout=timedelta(seconds=30))
        for _ in range(engines)
    ]
    sessions = [make_sessions(pool) for pool in pools]
    moving = [Engine(each, clock=world.clock) for each in sessions]
    senders = [sender_of(each, world.app.settings, world.mailer, world.clock) for each in sessions]

    for _ in range(2):
        await asyncio.gather(
            *(_turn_until_quiet(engine, 3 * index) for index, engine in enumerate(moving)),
            *(sender.run_until_quiet() for sender in senders),
        )
        world.pass_time(minutes=6)
    await world.worker.run_until_quiet()

    rows = await world.rows(
        "SELECT e.journey_id, e.state, string_agg(a.action || ' ' || s.outcome, ', ' ORDER BY s.seq) AS history "
        "FROM enrollments e JOIN steps s USING (owner_id, enrollment_id) "
        "JOIN journey_actions a ON a.action_id = s.action_id "
        "GROUP BY e.owner_id, e.enrollment_id"
    )
    assert Counter((row.journey_id, row.state, row.history) for row in rows) == {
        (first, "completed", "AddTag done, Decision true, SendEmail done, Wait done, StartJourney done"): PEOPLE,
        (second, "completed", "RemoveTag done"): PEOPLE,
    }
    refused = await world.rows("SELECT reason, count(*) FROM enrollment_refusals GROUP BY 1")
    assert [tuple(row) for row in refused] == [("active already", 100)]
    assert sorted(Counter(world.mailer.taken).values()) == [1] * PEOPLE
    assert sum(engine.taken_timers for engine in moving) >= 2 * PEOPLE
    assert await broken(world.sessions, accepted=world.mailer.taken) == []
    for pool in pools:
        await pool.dispose()
