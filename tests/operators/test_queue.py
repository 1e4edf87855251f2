"""What the administrator's commands say of the queue, at both doors."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from journeys_api.app import Application
from journeys_api.engine.beats import EVERY, Beats
from journeys_api.operators import counts, service
from journeys_api.operators.entries import TouchState
from tests.conftest import Client, Maker
from tests.engine.conftest import Audience, Work, running
from tests.journeys.records import UNKNOWN

_numbers = itertools.count(1)
HOUR = {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 1}
DAYS = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 30}


async def waiting(audience: Audience, work: Work, number: int, *actions: dict[str, Any]) -> tuple[int, list[int]]:
    """A journey, and people whom the engine has brought to its first wait."""
    journey_id = await running(audience.api, *(actions or (HOUR,)))
    people = await entering(audience, journey_id, number)
    work.pass_time()
    await work.worker.engine.run_until_quiet()
    return journey_id, people


async def entering(audience: Audience, journey_id: int, number: int) -> list[int]:
    """People who enter and are not looked at yet."""
    people = [await audience.subscribe(f"p{next(_numbers)}@example.com") for _ in range(number)]
    for person in people:
        await audience.enter(journey_id, person)
    return people


async def age(work: Work, journey_id: int, people: Sequence[int], **by: float) -> None:
    """Let everything of these people have happened earlier."""
    span = timedelta(**by)
    await work.change(
        "UPDATE timers t SET due_at = t.due_at - CAST(:span AS interval) FROM enrollments e WHERE "
        "e.owner_id = t.owner_id AND e.enrollment_id = t.enrollment_id AND e.journey_id = :j AND "
        "e.subscriber_id = ANY(CAST(:people AS bigint[]))",
        span=span, j=journey_id, people=list(people),
    )  # fmt: skip
    await work.change(
        "UPDATE enrollments SET created_at = created_at - CAST(:span AS interval), "
        "entered_at = entered_at - CAST(:span AS interval), due_at = due_at - CAST(:span AS interval) "
        "WHERE journey_id = :j AND subscriber_id = ANY(CAST(:people AS bigint[]))",
        span=span, j=journey_id, people=list(people),
    )  # fmt: skip
    await work.change(
        "UPDATE runnable_journeys SET next_due_at = next_due_at - CAST(:span AS interval) WHERE journey_id = :j",
        span=span, j=journey_id,
    )  # fmt: skip


async def refused(admin: Client, command: str, code: int, message: str, **given: Any) -> None:
    """A refusal with one scalar code, the same body at both doors."""
    answer = await admin.call(command, **given)
    assert answer.json() == {"Success": False, "ErrorCode": code, "ErrorText": message}
    status = 404 if "not found" in message or message.startswith("No ") else 422
    assert answer.status_code == (200 if admin.door == "legacy" else status)


COMMANDS = [
    "admin.journeys.stuck",
    "admin.journeys.unstuck",
    "admin.journeys.pending",
    "admin.journeys.overview",
    "admin.journeys.queue",
    "admin.journey.queue.position",
    "admin.journey.action.audit",
]


@pytest.mark.parametrize("command", COMMANDS)
async def test_users_may_not_look(api: Client, command: str, door: str) -> None:
    answer = await api.at(door).call(command, ActionID=1, EntryID=1)

    assert (answer.status_code, answer.json()["ErrorCode"]) == (403 if door == "rest" else 200, 99999)


async def test_nobody_is_stuck_and_the_command_says_why(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    await waiting(audience, work, 1)

    answer = await admin.at(door).ok("admin.journeys.stuck")

    assert (answer["TotalStuckEntries"], answer["Journeys"]) == (0, [])
    assert answer["Message"].startswith("No entry can be stuck")


async def test_the_database_refuses_an_entry_that_would_be_stuck(audience: Audience, work: Work) -> None:
    journey_id, _ = await waiting(audience, work, 1)

    with pytest.raises(IntegrityError, match="active_due"):
        await work.change("UPDATE enrollments SET due_at = NULL WHERE journey_id = :j", j=journey_id)


async def test_the_stuck_are_looked_for_without_reading_anybody(app: Application) -> None:
    async with app.sessions.begin() as session:
        await session.execute(text("SELECT set_config('constraint_exclusion', 'on', true)"))
        plan = [row[0] for row in await session.execute(text(f"EXPLAIN {service._STUCK}"))]

    assert any("One-Time Filter: false" in line for line in plan), plan
    assert not any("enrollments" in line for line in plan), plan


async def test_there_is_nothing_to_reset(admin: Client, audience: Audience, work: Work, door: str) -> None:
    journey_id, _ = await waiting(audience, work, 1)

    await refused(admin.at(door), "admin.journeys.unstuck", 2, "No stuck entries found", JourneyID=journey_id)
    await refused(admin.at(door), "admin.journeys.unstuck", 2, "No stuck entries found")
    for unknown in (UNKNOWN, "abc"):
        await refused(admin.at(door), "admin.journeys.unstuck", 1, "Journey not found", JourneyID=unknown)


async def test_pending_are_those_of_enabled_journeys_whose_turn_it_is(
    admin: Client, make: Maker, audience: Audience, work: Work, door: str
) -> None:
    waits, people = await waiting(audience, work, 3)
    other = Audience(await make.client(), 0)
    other.list_id = int((await other.api.ok("list.create", SubscriberListName="News"))["ListID"])
    frozen, frozen_people = await waiting(other, work, 2)
    await age(work, frozen, frozen_people, hours=2)
    await other.api.ok("journey.disable", JourneyID=frozen)
    await age(work, waits, people[:2], hours=2)
    await entering(audience, waits, 1)

    answer = await admin.at(door).ok("admin.journeys.pending")

    assert audience.api.account
    assert other.api.account
    pending = {each["UserID"]: each for each in answer["Users"]}
    assert pending[audience.api.account.user_id] == {
        "UserID": audience.api.account.user_id,
        "Username": audience.api.account.username,
        "PendingCount": 3,
    }
    assert other.api.account.user_id not in pending
    assert answer["TotalPendingEntries"] == sum(each["PendingCount"] for each in answer["Users"])
    assert answer["IsEstimate"] is False


async def test_an_overview_divides_people_by_what_they_wait_for(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    journey_id, people = await waiting(audience, work, 5)
    await age(work, journey_id, people[:2], hours=2)
    await entering(audience, journey_id, 1)

    stats = (await admin.at(door).ok("admin.journeys.overview", JourneyID=journey_id))["QueueStats"]
    await audience.api.ok("journey.disable", JourneyID=journey_id)
    frozen = (await admin.at(door).ok("admin.journeys.overview", JourneyID=journey_id))["QueueStats"]

    drain = stats.pop("EstimatedDrainMinutes")
    assert drain is None or drain >= 0
    assert stats == {
        "TotalActive": 6,
        "NeverTouched": 1,
        "WaitingForNextPass": 0,
        "SnoozedCount": 3,
        "OverdueCount": 2,
        "StuckCount": 0,
        "InProgressCount": 0,
        "FrozenCount": 0,
        "IsEstimate": False,
    }
    assert {name: number for name, number in frozen.items() if number} == {"TotalActive": 6, "FrozenCount": 6}


async def test_an_overview_of_everything_adds_up(admin: Client, audience: Audience, work: Work) -> None:
    before = (await admin.ok("admin.journeys.overview"))["QueueStats"]
    await waiting(audience, work, 4)

    after = (await admin.ok("admin.journeys.overview"))["QueueStats"]

    parts = ("NeverTouched", "WaitingForNextPass", "SnoozedCount", "OverdueCount", "FrozenCount")
    assert after["TotalActive"] == sum(after[part] for part in parts)
    # what other tests left overdue was worked off meanwhile: of ours are four
    assert after["TotalActive"] >= 4
    assert before["StuckCount"] == after["StuckCount"] == 0


async def test_a_malformed_journey_of_an_overview_is_refused(admin: Client, door: str) -> None:
    await refused(admin.at(door), "admin.journeys.overview", 2, "Invalid journey_id parameter", JourneyID="abc")
    unknown = await admin.at(door).ok("admin.journeys.overview", JourneyID=UNKNOWN)
    assert unknown["QueueStats"]["TotalActive"] == 0


async def test_workers_are_told_by_their_signs_of_life(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    await work.change("DELETE FROM worker_beats")
    await Beats(work.worker.sessions).tell(0)
    engine = Beats(work.worker.sessions)
    await engine.tell(600)
    await engine.tell(10**6)  # too soon after the last
    await work.change("UPDATE worker_beats SET beat_at = beat_at - interval '2 minutes' WHERE moved = 0")

    answer = await admin.at(door).ok("admin.journeys.overview")

    assert answer["Workers"] == {"Total": 2, "Healthy": 1, "Unhealthy": 1}
    assert answer["Throughput"] == {
        "PerMinute": 120.0,
        "PerSecond": 2.0,
        "MeasurementWindowMinutes": 5,
        "CompletionsInWindow": 600,
    }
    assert counts.SILENT.total_seconds() > EVERY


async def test_an_engine_gives_signs_of_life(audience: Audience, work: Work) -> None:
    await work.change("DELETE FROM worker_beats")

    await waiting(audience, work, 2)

    (beat,) = await work.rows("SELECT count(*) AS beats FROM worker_beats")
    assert beat.beats == 1


async def test_the_queue_is_paged_in_order(admin: Client, audience: Audience, work: Work, door: str) -> None:
    journey_id, people = await waiting(audience, work, 5)

    first = await admin.at(door).ok("admin.journeys.queue", JourneyID=journey_id, RecordsPerRequest=2)
    last = await admin.at(door).ok("admin.journeys.queue", JourneyID=journey_id, RecordsFrom=3, RecordsPerRequest="0")
    back = await admin.at(door).ok(
        "admin.journeys.queue", JourneyID=journey_id, OrderField="createdat", OrderType="desc", RecordsPerRequest=1
    )

    assert first["TotalQueueEntries"] == last["TotalQueueEntries"] == 5
    assert [each["RelSubscriberID"] for each in first["QueueEntries"]] == people[:2]
    assert [each["RelSubscriberID"] for each in last["QueueEntries"]] == people[3:]
    assert [each["RelSubscriberID"] for each in back["QueueEntries"]] == people[-1:]


async def test_an_entry_is_told_whole(admin: Client, audience: Audience, work: Work, door: str) -> None:
    journey_id, (person,) = await waiting(audience, work, 1, {"Action": "Debug"}, HOUR)
    journey = await audience.api.ok("journey.get", JourneyID=journey_id)
    (row,) = await work.rows(
        "SELECT *, to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS due, "
        "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS made, "
        "to_char(entered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS entered "
        "FROM enrollments WHERE journey_id = :j",
        j=journey_id,
    )

    (entry,) = (await admin.at(door).ok("admin.journeys.queue", JourneyID=journey_id))["QueueEntries"]

    assert audience.api.account
    assert entry == {
        "EntryID": row.enrollment_id,
        "RelUserID": audience.api.account.user_id,
        "RelJourneyID": journey_id,
        "JourneyName": "Welcome",
        "RelListID": audience.list_id,
        "RelSubscriberID": person,
        "EmailAddress": row.email_address,
        "RelActionID": int(journey["Actions"][1]["ActionID"]),
        "ActionType": "Wait",
        "ActionOrderNo": 2,
        "TouchState": "snoozed",
        "DueAt": row.due,
        "CreatedAt": row.made,
        "ActionUpdatedAt": row.entered,
        "SnoozedUntil": row.due,
    }


async def test_the_queue_is_filtered_by_what_people_wait_for(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    journey_id, people = await waiting(audience, work, 5)
    await age(work, journey_id, people[:2], hours=2)
    newcomers = await entering(audience, journey_id, 1)
    action_id = int((await audience.api.ok("journey.get", JourneyID=journey_id))["Actions"][0]["ActionID"])

    for more in ({}, {"ActionID": action_id}, {"OrderField": "SnoozedUntil"}):
        found = {
            status: await admin.at(door).ok("admin.journeys.queue", JourneyID=journey_id, Status=status, **more)
            for status in ("all", "overdue", "snoozed", "never_touched", "WAITING")
        }
        shown = {
            status: {each["RelSubscriberID"] for each in answer["QueueEntries"]} for status, answer in found.items()
        }
        assert shown == {
            "all": {*people, *newcomers},
            "overdue": set(people[:2]),
            "snoozed": set(people[2:]),
            "never_touched": set(newcomers),
            "WAITING": set(),
        }
        assert [answer["TotalQueueEntries"] for answer in found.values()] == [6, 2, 3, 1, 0]
        assert not any(answer["IsEstimate"] for answer in found.values())


async def test_the_queue_may_be_ordered_by_when_people_go_on(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    journey_id, people = await waiting(audience, work, 4)
    await age(work, journey_id, people[2:3], minutes=30)
    await age(work, journey_id, people[:1], hours=2)

    orders = []
    for direction in ("ASC", "DESC"):
        answer = await admin.at(door).ok(
            "admin.journeys.queue", JourneyID=journey_id, OrderField="SnoozedUntil", OrderType=direction
        )
        orders.append([each["RelSubscriberID"] for each in answer["QueueEntries"]])

    assert orders[0] == [people[0], people[2], people[1], people[3]]
    assert orders[1] == orders[0][::-1]


async def test_a_piece_of_an_address_is_taken_literally(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    journey_id = await running(audience.api, DAYS)
    for address in ("a_b@example.com", "axb@example.com", "100%25@example.com"):
        await audience.enter(journey_id, await audience.subscribe(address))
    work.pass_time()
    await work.worker.engine.run_until_quiet()

    found = {}
    for keyword in ("A_B", "%", "b@exam", "nobody"):
        answer = await admin.at(door).ok("admin.journeys.queue", JourneyID=journey_id, SearchKeyword=keyword)
        assert answer["TotalQueueEntries"] == len(answer["QueueEntries"])
        found[keyword] = [each["EmailAddress"] for each in answer["QueueEntries"]]

    assert found == {
        "A_B": ["a_b@example.com"],
        "%": ["100%25@example.com"],
        "b@exam": ["a_b@example.com", "axb@example.com"],
        "nobody": [],
    }


async def test_the_whole_queue_has_entries_of_all_accounts(admin: Client, audience: Audience, work: Work) -> None:
    journey_id, people = await waiting(audience, work, 2)

    answer = await admin.ok("admin.journeys.queue", OrderType="DESC")

    assert [each["RelSubscriberID"] for each in answer["QueueEntries"][:2]] == people[::-1]
    assert {each["RelJourneyID"] for each in answer["QueueEntries"][:2]} == {journey_id}


QUEUE_FAULTS = [
    ({"JourneyID": "x"}, "Invalid journey_id parameter"),
    ({"ActionID": -1}, "Invalid action_id parameter"),
    ({"Status": "late"}, "Invalid status parameter. Allowed values: all, overdue, snoozed, never_touched, waiting"),
    ({"RecordsPerRequest": "many"}, "Invalid records_per_request parameter"),
    ({"RecordsFrom": -1}, "Invalid records_from parameter"),
    ({"OrderField": "Name"}, "Invalid order_field parameter. Allowed values: EntryID, CreatedAt, SnoozedUntil"),
    ({"OrderType": "up"}, "Invalid order_type parameter. Allowed values: ASC, DESC"),
    ({"SearchKeyword": "x" * 256}, "Invalid search_keyword parameter"),
]


@pytest.mark.parametrize(("given", "message"), QUEUE_FAULTS, ids=lambda each: next(iter(each), "")[:20])
async def test_a_queue_parameter_that_cannot_be_read_is_named(
    admin: Client, given: dict[str, Any], message: str, door: str
) -> None:
    await refused(admin.at(door), "admin.journeys.queue", 2, message, **given)


async def test_an_unknown_journey_or_action_has_an_empty_queue(admin: Client, audience: Audience, work: Work) -> None:
    journey_id, _ = await waiting(audience, work, 1)

    for given in ({"JourneyID": UNKNOWN}, {"ActionID": UNKNOWN}, {"JourneyID": journey_id, "ActionID": UNKNOWN}):
        answer = await admin.ok("admin.journeys.queue", **given)
        assert (answer["TotalQueueEntries"], answer["QueueEntries"]) == (0, [])


async def test_somebodys_place_is_how_many_are_due_no_later(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    journey_id, people = await waiting(audience, work, 4)
    await age(work, journey_id, people[3:], days=300)
    await age(work, journey_id, people[2:3], days=299)
    (row,) = await work.rows(
        "SELECT enrollment_id, email_address FROM enrollments WHERE journey_id = :j AND subscriber_id = :s",
        j=journey_id, s=people[2],
    )  # fmt: skip

    answers = [
        await admin.at(door).ok("admin.journey.queue.position", **given)
        for given in (
            {"EntryID": row.enrollment_id},
            {"SubscriberID": people[2]},
            {"SubscriberID": people[2], "JourneyID": journey_id},
            {"Email": row.email_address.upper(), "ListID": audience.list_id},
        )
    ]

    for answer in answers:
        (entry,) = answer["Entries"]
        assert (entry["EntryID"], entry["Position"], entry["IsEstimate"]) == (row.enrollment_id, 2, False)
        assert entry["TouchState"] == "overdue"
        assert entry["CurrentAction"]["Action"] == "Wait"
        assert set(answer["Throughput"]) == {"PerMinute", "PerSecond"}


async def test_whoever_is_gone_is_before_nobody(admin: Client, audience: Audience, work: Work) -> None:
    journey_id, (first, out, removed, last) = await waiting(audience, work, 4)
    await age(work, journey_id, [first, out, removed, last], days=300)
    gone = {"JourneyID": journey_id, "ListID": audience.list_id}
    await audience.api.ok("subscriber.journey.exit", **gone, SubscriberID=out)
    await audience.api.ok("subscriber.journey.remove", **gone, SubscriberID=removed)
    await age(work, journey_id, [last], days=-1)

    (entry,) = (await admin.ok("admin.journey.queue.position", SubscriberID=last))["Entries"]
    stats = (await admin.ok("admin.journeys.overview", JourneyID=journey_id))["QueueStats"]
    pending = (await admin.ok("admin.journeys.pending"))["Users"]

    assert (entry["Position"], entry["IsEstimate"]) == (2, False)
    assert (stats["TotalActive"], stats["OverdueCount"], stats["SnoozedCount"]) == (2, 2, 0)
    assert audience.api.account
    assert {"UserID": audience.api.account.user_id, "Username": audience.api.account.username, "PendingCount": 2} in (
        pending
    )


async def test_who_waits_is_processed_when_the_wait_is_over_and_never_in_a_disabled_journey(
    admin: Client, audience: Audience, work: Work
) -> None:
    journey_id, (person,) = await waiting(audience, work, 1)

    (entry,) = (await admin.ok("admin.journey.queue.position", SubscriberID=person))["Entries"]
    assert 58 <= entry["EstimatedMinutesUntilProcessed"] <= 61
    await audience.api.ok("journey.disable", JourneyID=journey_id)
    (entry,) = (await admin.ok("admin.journey.queue.position", SubscriberID=person))["Entries"]
    assert entry["EstimatedMinutesUntilProcessed"] is None


POSITION_FAULTS = [
    (1, "One of entry_id, subscriber_id or email is required", {}),
    (1, "One of entry_id, subscriber_id or email is required", {"ListID": 1}),
    (2, "Subscriber not found in queue", {"EntryID": UNKNOWN}),
    (2, "Subscriber not found in queue", {"SubscriberID": UNKNOWN}),
    (2, "Subscriber not found in queue", {"Email": "nobody@example.com", "ListID": UNKNOWN}),
    (3, "list_id is required when searching by email", {"Email": "nobody@example.com"}),
    (5, "Invalid parameter value", {"EntryID": "x"}),
    (5, "Invalid parameter value", {"SubscriberID": "1.5"}),
    (5, "Invalid parameter value", {"EntryID": 1, "JourneyID": "x"}),
]


@pytest.mark.parametrize(("code", "message", "given"), POSITION_FAULTS)
async def test_a_place_that_cannot_be_looked_up_is_refused(
    admin: Client, code: int, message: str, given: dict[str, Any], door: str
) -> None:
    await refused(admin.at(door), "admin.journey.queue.position", code, message, **given)


async def test_an_action_is_audited_by_the_people_at_it(
    admin: Client, audience: Audience, work: Work, door: str
) -> None:
    journey_id, people = await waiting(audience, work, 6, {"Action": "Debug"}, HOUR)
    await age(work, journey_id, people[:1], hours=2)
    change = "UPDATE subscribers SET {} WHERE subscriber_id = :s"
    await work.change(change.format("status = 'Unsubscribed'"), s=people[1])
    await work.change(change.format("status = 'Opt-In Pending', bounce_type = 'Hard'"), s=people[2])
    await work.change(change.format("bounce_type = 'Soft'"), s=people[3])
    await work.change("DELETE FROM subscribers WHERE subscriber_id = :s", s=people[4])
    debug, wait = (await audience.api.ok("journey.get", JourneyID=journey_id))["Actions"]

    answer = await admin.at(door).ok("admin.journey.action.audit", ActionID=wait["ActionID"])
    passed = await admin.at(door).ok("admin.journey.action.audit", ActionID=debug["ActionID"])

    assert answer["ActionMeta"] == {
        "ActionID": int(wait["ActionID"]),
        "ActionType": "Wait",
        "OrderNo": 2,
        "JourneyID": journey_id,
        "JourneyName": "Welcome",
        "JourneyStatus": "Enabled",
    }
    assert answer["QueueState"] == {
        "TotalAtAction": 6,
        "NeverTouched": 0,
        "WaitingForNextPass": 0,
        "OverdueCount": 1,
        "SnoozedCount": 5,
        "InProgressCount": 0,
        "IsEstimate": False,
    }
    assert answer["SubscriptionBreakdown"] == {
        "Subscribed": 3,
        "Unsubscribed": 1,
        "OptInPending": 1,
        "OptOutPending": 0,
        "SubscriberNotFound": 1,
    }
    assert answer["BounceBreakdown"] == {"NotBounced": 3, "Hard": 1, "Soft": 1, "SubscriberNotFound": 1}
    assert answer["CompletionCount"] == 0
    assert (passed["QueueState"]["TotalAtAction"], passed["CompletionCount"]) == (0, 6)


async def test_an_action_that_is_not_there_is_not_audited(admin: Client, audience: Audience, door: str) -> None:
    journey_id = await running(audience.api, HOUR)
    action_id = (await audience.api.ok("journey.get", JourneyID=journey_id))["Actions"][0]["ActionID"]
    await audience.api.ok("journey.actions.update", JourneyID=journey_id, Actions=[])

    for missing in ({}, {"ActionID": "x"}):
        await refused(
            admin.at(door), "admin.journey.action.audit", 1, "Missing or invalid action_id parameter", **missing
        )
    for unknown in (UNKNOWN, action_id):
        await refused(admin.at(door), "admin.journey.action.audit", 2, "Action not found", ActionID=unknown)


async def test_beyond_the_bounds_numbers_are_estimates_and_say_so(
    admin: Client, audience: Audience, work: Work
) -> None:
    assert audience.api.account
    journey_id = await running(audience.api, HOUR)
    action_id = int((await audience.api.ok("journey.get", JourneyID=journey_id))["Actions"][0]["ActionID"])
    # often enough for the connection to keep plans, while there is nobody
    for _ in range(8):
        await admin.ok("admin.journeys.overview", JourneyID=journey_id)
        await admin.ok("admin.journeys.queue", JourneyID=journey_id, Status="overdue", RecordsPerRequest=5)
    # a crowd of which three quarters wait and a quarter is overdue
    crowd = 4 * counts.COUNTED + 4000
    await work.change(
        """
        WITH made AS (
            INSERT INTO enrollments (owner_id, journey_id, list_id, subscriber_id, email_address, action_id, entered_at,
                                     due_at, seq, created_at)
            SELECT :owner, :j, :list, 10000000000 + n, 'n' || n || '@example.com', :a, now() - interval '2 hours',
                   now() + CASE WHEN n % 4 = 0 THEN interval '-1 hour' ELSE interval '1 day' END, 1,
                   now() - interval '3 hours'
            FROM generate_series(1, :number) AS n RETURNING *
        ), timed AS (
            INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
            SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM made
        ), counted AS (
            INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count)
            VALUES (:owner, :j, 0, :number), (:owner, :j, :a, :number)
        )
        INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at)
        SELECT s, :j, :owner, now() - interval '1 hour' FROM generate_series(0, 15) AS s
        """,
        owner=audience.api.account.user_id,
        j=journey_id,
        list=audience.list_id,
        a=action_id,
        number=crowd,
    )
    try:
        pending = await admin.ok("admin.journeys.pending")
        stats = (await admin.ok("admin.journeys.overview", JourneyID=journey_id))["QueueStats"]
        audit = await admin.ok("admin.journey.action.audit", ActionID=action_id)
        listed = await admin.ok("admin.journeys.queue", JourneyID=journey_id, Status="overdue", RecordsPerRequest=5)
    finally:
        await work.change("DELETE FROM timers WHERE journey_id = :j", j=journey_id)
        await work.change("DELETE FROM enrollments WHERE journey_id = :j", j=journey_id)
        await work.change("DELETE FROM runnable_journeys WHERE journey_id = :j", j=journey_id)
        await work.change("DELETE FROM counter_deltas WHERE journey_id = :j", j=journey_id)

    assert stats["TotalActive"] == audit["QueueState"]["TotalAtAction"] == crowd
    assert all(each["IsEstimate"] for each in (pending, stats, audit["QueueState"], listed))
    # generous: some thousand timers, some hundred people are drawn
    for overdue in (pending["TotalPendingEntries"], stats["OverdueCount"], audit["QueueState"]["OverdueCount"]):
        assert 0.15 * crowd < overdue < 0.4 * crowd
    assert stats["NeverTouched"] == stats["WaitingForNextPass"] == 0
    assert stats["SnoozedCount"] + stats["OverdueCount"] == crowd
    assert audit["SubscriptionBreakdown"]["SubscriberNotFound"] == crowd
    assert [each["TouchState"] for each in listed["QueueEntries"]] == ["overdue"] * 5


def test_every_state_has_a_filter() -> None:
    assert {state.value for state in TouchState} == {"overdue", "snoozed", "never_touched", "waiting"}
