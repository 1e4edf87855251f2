"""A backlog is its own journey's: nobody else waits for it."""

from datetime import datetime

import pytest

from journeys_api.engine.worker import EVENTS_A_BATCH
from tests.simulation.world import SHARDS, World

BACKLOG = 20_000
FIRST = 1_000_000_000


async def _overdue(world: World, journey_id: int, *, owner_id: int, list_id: int, first: int) -> None:
    """People who have stood at the journey's first action for a day, as many as `BACKLOG`."""
    ids: dict[str, int | datetime] = {"first": first, "last": first + BACKLOG - 1, "now": world.now}
    ids |= {"owner": owner_id, "list": list_id, "journey": journey_id}
    await world.change(
        "INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at) "
        "OVERRIDING SYSTEM VALUE SELECT p, CAST(:owner AS bigint), CAST(:list AS bigint), 'p' || p || '@example.com', "
        "'Subscribed', :now, :now FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS p",
        **{name: value for name, value in ids.items() if name != "journey"},
    )
    await world.change(
        "WITH made AS (INSERT INTO enrollments (owner_id, journey_id, list_id, subscriber_id, email_address, "
        "action_id, entered_at, due_at, created_at) "
        "SELECT :owner, :journey, :list, p, 'p' || p || '@example.com', j.first_action_id, day, day, day "
        "FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS p, journeys j, "
        "LATERAL (SELECT CAST(:now AS timestamptz) - interval '1 day' AS day) AS d "
        "WHERE j.journey_id = :journey RETURNING *), "
        "timed AS (INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) "
        "SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM made RETURNING shard, due_at), "
        "counted AS (INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count, total_count) "
        "SELECT owner_id, journey_id, unnest(ARRAY[0, min(action_id)]), count(*), count(*) FROM made GROUP BY 1, 2) "
        "INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) "
        "SELECT shard, :journey, :owner, min(due_at) FROM timed GROUP BY shard",
        **ids,
    )
    # as autovacuum would have within a minute: statements planned for an empty table would go through all of it
    await world.change("ANALYZE subscribers, enrollments, timers, runnable_journeys")


@pytest.mark.parametrize("is_disabled_by_command", [True, False])
async def test_a_backlog_delays_nobody_elses_next_step(world: World, is_disabled_by_command: bool) -> None:
    debug = {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": world.field_id, "NewCustomFieldValue": "late"}
    disabled = await world.journey(debug)
    elsewhere = await world.journey(debug)
    mine = await world.journey({"Action": "AddTag", "TargetTagID": world.tag_ids[0]})
    stranger = int((await world.rows("SELECT max(user_id) + 1000 AS id FROM users"))[0].id)
    await world.change(
        "INSERT INTO users (user_id, group_id, username, email_address, password_hash, time_zone, created_at, "
        "updated_at) OVERRIDING SYSTEM VALUE SELECT :stranger, group_id, 'stranger', 's@example.com', password_hash, "
        "time_zone, created_at, updated_at FROM users LIMIT 1",
        stranger=stranger,
    )
    await world.change(
        "UPDATE journeys SET owner_id = :stranger WHERE journey_id = :journey", stranger=stranger, journey=elsewhere
    )
    await _overdue(world, disabled, owner_id=world.owner_id, list_id=world.list_id, first=2_000_000_000)
    await _overdue(world, elsewhere, owner_id=stranger, list_id=world.list_id, first=3_000_000_000)
    if is_disabled_by_command:
        await world.api.ok("journey.disable", JourneyID=disabled)
    else:
        # as if a worker had put it back into the round just then
        await world.change("UPDATE journeys SET status = 'Disabled' WHERE journey_id = :journey", journey=disabled)
    ids = await world.put_people(SHARDS, first=FIRST)
    await world.let_in(mine, ids)

    for shard in range(SHARDS):
        await world.worker.engine.turn(shard)

    (moved,) = await world.rows(
        "SELECT count(*) FROM enrollments WHERE journey_id = :j AND state = 'completed'", j=mine
    )
    assert moved == (SHARDS,), "one round moves everybody who is due"
    (frozen,) = await world.rows(
        "SELECT count(*) FROM enrollments WHERE journey_id = :j AND state = 'active' AND seq = 0", j=disabled
    )
    assert frozen == (BACKLOG,)


async def test_an_enabled_backlog_is_worked_off_beside_others(world: World) -> None:
    tag = {"Action": "AddTag", "TargetTagID": world.tag_ids[0]}
    # an action that tells nobody: events of a backlog would stand in line before those of others
    backlog = await world.journey({"Action": "ExitThisJourney"})
    mine = await world.journey(tag)
    await _overdue(world, backlog, owner_id=world.owner_id, list_id=world.list_id, first=2_000_000_000)
    await world.change("UPDATE journeys SET status = 'Enabled' WHERE journey_id = :journey", journey=backlog)

    for number in range(3):
        await world.let_in(mine, await world.put_people(1, first=FIRST + SHARDS * number))
        await world.worker.engine.turn(FIRST % SHARDS)
        rows = await world.rows("SELECT state FROM enrollments WHERE journey_id = :j", j=mine)
        assert [row.state for row in rows] == ["completed"] * (number + 1)
        world.pass_time(seconds=1)


async def _tell_of_strangers(world: World, number: int, *, accounts: int) -> None:
    """Events that let nobody in, as many in the shard of `FIRST` for each of some accounts."""
    await world.change(
        "INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, occurred_at) "
        "SELECT 0, CAST(:mine AS bigint) + a, 'Tag', 1, 2000000000 + 16 * (p + 100000 * a), :now "
        "FROM generate_series(1, CAST(:number AS bigint)) AS p, generate_series(1, CAST(:accounts AS bigint)) AS a",
        mine=world.owner_id,
        number=number,
        accounts=accounts,
        now=world.now,
    )


@pytest.mark.parametrize("accounts", [1, 3])
async def test_the_events_of_one_account_delay_no_others_entering(world: World, accounts: int) -> None:
    mine = await world.journey({"Action": "AddTag", "TargetTagID": world.tag_ids[0]})
    (late,) = await world.put_people(1, first=FIRST)
    await _tell_of_strangers(world, BACKLOG // accounts, accounts=accounts)
    await world.worker.engine.turn(FIRST % SHARDS)
    await world.let_in(mine, [late])

    # behind nine batches of others' in the order of things, and in the next one in the round
    await world.worker.engine.turn(FIRST % SHARDS)

    rows = await world.rows("SELECT state FROM enrollments WHERE journey_id = :j", j=mine)
    assert [row.state for row in rows] == ["completed"]
    (waiting,) = await world.rows("SELECT count(*) AS events FROM trigger_events")
    assert waiting.events >= BACKLOG - 2 * EVENTS_A_BATCH - accounts


async def test_more_accounts_than_share_a_batch_are_all_served_in_turn(world: World) -> None:
    mine = await world.journey({"Action": "AddTag", "TargetTagID": world.tag_ids[0]})
    await world.let_in(mine, await world.put_people(1, first=FIRST))
    await _tell_of_strangers(world, 100, accounts=150)

    for _ in range(3):
        await world.worker.engine.turn(FIRST % SHARDS)

    rows = await world.rows("SELECT state FROM enrollments WHERE journey_id = :j", j=mine)
    assert [row.state for row in rows] == ["completed"]
    served = await world.rows("SELECT count(*) AS events FROM trigger_events GROUP BY owner_id")
    assert len(served) == 150
    assert max(row.events for row in served) < 100, "nobody was left out"


async def test_events_of_one_person_stay_in_their_order_in_the_round(world: World) -> None:
    journeys = [await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"}) for _ in range(3)]
    (person,) = await world.put_people(1, first=FIRST)
    await _tell_of_strangers(world, 100, accounts=70)
    for journey_id in journeys:
        await world.let_in(journey_id, [person])

    entered = []
    for _ in range(9):
        await world.worker.engine.turn(FIRST % SHARDS)
        rows = await world.rows("SELECT journey_id FROM enrollments ORDER BY enrollment_id")
        entered.append([row.journey_id for row in rows])

    assert entered[-1] == journeys
    assert all(each == journeys[: len(each)] for each in entered)
