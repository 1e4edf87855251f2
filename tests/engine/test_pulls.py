"""ScheduledPull: who is taken, when, and how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from journeys_api.app import Application
from journeys_api.clock import SetClock
from journeys_api.engine.drawing import READ_WHOLE, draw
from journeys_api.engine.pulls import next_pull, opens_at, pull_due
from journeys_api.engine.worker import Engine
from journeys_api.journeys.triggers import PullParameters
from journeys_api.journeys.windows import NEVER
from tests.conftest import Client, Maker
from tests.engine.conftest import Audience, Work, running
from tests.engine.test_waits import at

WAIT = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 365}


@pytest.fixture(autouse=True)
async def others(work: Work) -> None:
    """Journeys of other tests pull no more."""
    await work.change("DELETE FROM scheduled_pulls")


async def pulling(audience: Audience, *actions: dict[str, Any], schedule: dict[str, Any], **more: Any) -> int:
    """An enabled journey that pulls from the list."""
    return await running(
        audience.api,
        *(actions or (WAIT,)),
        Trigger="ScheduledPull",
        Trigger_ListID=audience.list_id,
        TriggerParameters=schedule,
        **more,
    )


async def people(audience: Audience, number: int) -> list[int]:
    """Subscribers of the list."""
    return [await audience.subscribe(f"p{index}@example.com") for index in range(number)]


async def entered(work: Work, journey_id: int) -> list[int]:
    """Everybody who ever entered, in order."""
    rows = await work.rows(
        "SELECT subscriber_id FROM enrollments WHERE journey_id = :j ORDER BY enrollment_id", j=journey_id
    )
    return [row.subscriber_id for row in rows]


async def test_some_people_enter_each_period_and_nobody_twice(audience: Audience, work: Work) -> None:
    everybody = set(await people(audience, 8))
    journey_id = await pulling(audience, schedule={"IntervalValue": 10, "SubscriberCountFixed": 3})

    await work.move(minutes=9)
    assert await entered(work, journey_id) == [], "the first period is not over"
    seen = []
    for _ in range(4):
        await work.move(minutes=10)
        seen.append(len(await entered(work, journey_id)))

    assert seen == [3, 6, 8, 8]
    assert set(await entered(work, journey_id)) == everybody
    (kind,) = await work.rows(
        "SELECT DISTINCT cause ->> 'kind' AS kind FROM enrollments WHERE journey_id = :j", j=journey_id
    )
    assert kind.kind == "ScheduledPull"


async def test_a_random_number_is_within_its_bounds(audience: Audience, work: Work) -> None:
    await people(audience, 12)
    schedule = {"SubscriberCountMode": "random", "SubscriberCountMin": 2, "SubscriberCountMax": 4, "IntervalValue": 1}
    journey_id = await pulling(audience, schedule=schedule)

    before = 0
    for _ in range(3):
        await work.move(minutes=1)
        now = len(await entered(work, journey_id))
        assert 2 <= now - before <= 4
        before = now


async def test_missed_periods_are_not_made_up_for_and_the_phase_is_kept(audience: Audience, work: Work) -> None:
    await people(audience, 10)
    journey_id = await pulling(audience, schedule={"IntervalValue": 60, "SubscriberCountFixed": 2})
    (planned,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)

    await work.move(hours=30)

    assert len(await entered(work, journey_id)) == 2
    (following,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)
    assert work.clock.instant < following.due_at <= work.clock.instant + timedelta(hours=1)
    assert (following.due_at - planned.due_at) % timedelta(hours=1) == timedelta()


async def test_a_disabled_journey_pulls_nobody_and_enabling_sets_the_next_instant(
    api: Client, audience: Audience, work: Work
) -> None:
    await people(audience, 5)
    journey_id = await pulling(audience, schedule={"IntervalValue": 10, "SubscriberCountFixed": 1})
    await api.ok("journey.disable", JourneyID=journey_id)
    await work.move(hours=5)
    assert await work.rows("SELECT 1 FROM scheduled_pulls WHERE journey_id = :j", j=journey_id) == []

    await api.ok("journey.enable", JourneyID=journey_id)
    (planned,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)

    assert timedelta(minutes=9) < planned.due_at - datetime.now(UTC) <= timedelta(minutes=10)
    assert await entered(work, journey_id) == []


@pytest.mark.parametrize("how", ["journey.delete", "Tag", "list"])
async def test_what_is_gone_pulls_no_more(api: Client, audience: Audience, work: Work, how: str) -> None:
    await people(audience, 3)
    journey_id = await pulling(audience, schedule={"IntervalValue": 1})
    if how == "journey.delete":
        await api.ok("journey.delete", JourneyID=journey_id)
    elif how == "Tag":
        await api.ok("journey.update", JourneyID=journey_id, Trigger="Tag", Trigger_Value=await audience.tag())
    else:
        await api.ok("lists.delete", Lists=audience.list_id)

    await work.move(minutes=5)

    assert await entered(work, journey_id) == []
    left = await work.rows("SELECT 1 FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)
    assert len(left) == (1 if how == "list" else 0)


async def test_sending_the_same_trigger_again_does_not_put_the_pull_off(
    api: Client, audience: Audience, work: Work
) -> None:
    journey_id = await pulling(audience, schedule={"IntervalValue": 10})
    (before,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)

    await api.ok("journey.update", JourneyID=journey_id, TriggerParameters={"IntervalValue": 10})
    (same,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)
    await api.ok("journey.update", JourneyID=journey_id, TriggerParameters={"IntervalValue": 1})
    (sooner,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)

    assert same.due_at == before.due_at
    assert sooner.due_at < before.due_at - timedelta(minutes=8)


async def test_only_the_subscribed_of_the_list_are_taken(api: Client, audience: Audience, work: Work) -> None:
    stays, leaves = await people(audience, 2)
    other = await api.ok("list.create", SubscriberListName="Others", SenderEmailAddress="a@example.com")
    await Audience(api, int(other["ListID"])).subscribe("elsewhere@example.com")
    await api.ok("subscriber.unsubscribe", ListID=audience.list_id, SubscriberID=leaves, IPAddress="127.0.0.1")
    journey_id = await pulling(audience, schedule={"IntervalValue": 1})

    await work.move(minutes=1)

    assert await entered(work, journey_id) == [stays]


async def test_run_criteria_choose_whom_a_pull_finds(audience: Audience, work: Work) -> None:
    wanted = [await audience.subscribe(f"yes{index}@example.com") for index in range(3)]
    await people(audience, 9)
    rules = [[{"type": "fields", "field_id": "EmailAddress", "operator": "begins with", "value": "yes"}]]
    journey_id = await pulling(audience, schedule={"IntervalValue": 1, "SubscriberCountFixed": 3}, Run_Criteria=rules)

    await work.move(minutes=1)

    assert sorted(await entered(work, journey_id)) == wanted
    assert await work.refusals(journey_id) == []


async def test_where_nobody_meets_the_criteria_the_history_says_so(audience: Audience, work: Work) -> None:
    await people(audience, 4)
    rules = [[{"type": "fields", "field_id": "EmailAddress", "operator": "begins with", "value": "zzz"}]]
    journey_id = await pulling(audience, schedule={"IntervalValue": 1, "SubscriberCountFixed": 2}, Run_Criteria=rules)

    await work.move(minutes=1)

    assert await work.refusals(journey_id) == ["the run criteria are not met"] * 2


async def test_entry_caps_hold_for_pulls(audience: Audience, work: Work) -> None:
    await people(audience, 9)
    journey_id = await pulling(
        audience, schedule={"IntervalValue": 1, "SubscriberCountFixed": 4}, Rate_Limit_Per_Hour=3
    )

    await work.move(minutes=1)
    await work.move(minutes=1)

    assert len(await entered(work, journey_id)) == 3
    assert set(await work.refusals(journey_id)) == {"the journey's entry cap is reached"}


async def test_the_frequency_cap_keeps_people_out_until_the_period_is_over(audience: Audience, work: Work) -> None:
    await people(audience, 2)
    # without an action that waits, whoever enters has completed and could enter again at once
    schedule = {
        "IntervalValue": 1,
        "SubscriberCountFixed": 5,
        "FrequencyCapEnabled": True,
        "FrequencyCapCount": 2,
        "FrequencyCapPeriod": 3,
        "FrequencyCapUnit": "hours",
    }
    journey_id = await pulling(audience, {"Action": "Debug"}, schedule=schedule)

    for _ in range(4):
        await work.move(minutes=1)
    assert len(await entered(work, journey_id)) == 4
    await work.move(hours=3)
    assert len(await entered(work, journey_id)) == 6


async def test_the_cap_holds_where_two_pulls_come_before_anybody_entered(audience: Audience, work: Work) -> None:
    await people(audience, 1)
    schedule = {"IntervalValue": 1, "FrequencyCapEnabled": "1", "FrequencyCapCount": 1, "FrequencyCapPeriod": 1}
    journey_id = await pulling(audience, {"Action": "Debug"}, schedule=schedule)

    for _ in range(2):
        work.pass_time(minutes=1)
        assert await pull_due(work.worker.sessions, work.clock) == 1
    await work.move()

    assert len(await entered(work, journey_id)) == 1
    assert await work.refusals(journey_id) == ["the frequency cap is reached"]


async def test_who_is_pulled_into_a_journey_disabled_meanwhile_is_told_of(
    api: Client, audience: Audience, work: Work
) -> None:
    await people(audience, 1)
    journey_id = await pulling(audience, schedule={"IntervalValue": 1})
    work.pass_time(minutes=1)
    await pull_due(work.worker.sessions, work.clock)
    await api.ok("journey.disable", JourneyID=journey_id)

    await work.move()

    assert await work.refusals(journey_id) == ["the journey is not enabled"]


async def test_several_workers_serve_an_instant_once(audience: Audience, work: Work) -> None:
    await people(audience, 20)
    journeys = [
        await pulling(audience, schedule={"IntervalValue": 5, "SubscriberCountFixed": 2}, Name=f"J{index}")
        for index in range(3)
    ]
    work.pass_time(minutes=5)

    served = await asyncio.gather(*(pull_due(work.worker.sessions, work.clock) for _ in range(4)))
    await work.move()

    assert sum(served) == 3
    assert [len(await entered(work, journey_id)) for journey_id in journeys] == [2, 2, 2]


@asynccontextmanager
async def failing(work: Work, statement: str) -> AsyncIterator[None]:
    """A database that fails meanwhile: `BEFORE … ON table FOR EACH ROW WHEN (…)`."""
    await work.change("CREATE FUNCTION fail_pull() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$")
    await work.change(f"CREATE TRIGGER killed {statement} EXECUTE FUNCTION fail_pull()")
    try:
        yield
    finally:
        await work.change("DROP FUNCTION fail_pull CASCADE")


async def test_a_pull_that_fails_at_its_end_has_pulled_nobody(audience: Audience, work: Work) -> None:
    await people(audience, 5)
    journey_id = await pulling(audience, schedule={"IntervalValue": 5, "SubscriberCountFixed": 2})
    work.pass_time(minutes=5)

    # the last statement fails, the one that would put it off too, as where the database is lost
    async with failing(work, "BEFORE UPDATE ON scheduled_pulls FOR EACH ROW"):
        with pytest.raises(DBAPIError, match="killed"):
            await pull_due(work.worker.sessions, work.clock)
    assert await work.rows("SELECT 1 FROM trigger_events WHERE kind = 'ScheduledPull'") == []
    await work.move()

    assert len(await entered(work, journey_id)) == 2


async def test_a_journey_that_cannot_be_served_does_not_keep_others_from_theirs(audience: Audience, work: Work) -> None:
    await people(audience, 2)
    broken = await pulling(audience, schedule={"IntervalValue": 1}, Name="Broken")
    fine = await pulling(audience, schedule={"IntervalValue": 2}, Name="Fine")

    async with failing(work, f"BEFORE INSERT ON trigger_events FOR EACH ROW WHEN (NEW.subject_id = {broken})"):
        await work.move(minutes=2)

    assert (len(await entered(work, fine)), len(await entered(work, broken))) == (2, 0)
    (row,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=broken)
    assert row.due_at == work.clock.instant + timedelta(hours=1)


async def test_a_journey_that_is_being_edited_is_left_for_the_next_turn(
    audience: Audience, work: Work, app: Application
) -> None:
    await people(audience, 2)
    journey_id = await pulling(audience, schedule={"IntervalValue": 1})
    work.pass_time(minutes=1)

    async with app.sessions.begin() as editor:
        await editor.execute(text("SELECT FROM journeys WHERE journey_id = :j FOR UPDATE"), {"j": journey_id})
        assert await pull_due(work.worker.sessions, work.clock) == 0
    assert await pull_due(work.worker.sessions, work.clock) == 1


WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]
OFFICE = PullParameters(
    list_id=1, has_window=True, allowed_days=tuple(WORKDAYS), not_before="09:00", not_after="17:00", interval_value=60
)
INSTANTS = [
    # due, now, zone, the next
    ("2026-01-02 10:00", "2026-01-02 10:00", "UTC", "2026-01-02 11:00"),
    ("2026-01-02 10:00", "2026-01-02 10:20", "UTC", "2026-01-02 11:00"),
    ("2026-01-02 10:00", "2026-01-02 13:00", "UTC", "2026-01-02 14:00"),
    ("2026-01-02 16:30", "2026-01-02 16:30", "UTC", "2026-01-05 09:00"),
    ("2026-01-02 10:00", "2026-01-03 10:00", "UTC", "2026-01-05 09:00"),
    # the clocks of Berlin change on Sunday: nine o'clock is an hour earlier on Monday
    ("2026-03-27 16:30", "2026-03-27 16:30", "Europe/Berlin", "2026-03-30 09:00"),
    ("2026-10-23 16:30", "2026-10-23 16:30", "Europe/Berlin", "2026-10-26 09:00"),
]


@pytest.mark.parametrize(("due", "now", "zone", "following"), INSTANTS)
def test_instants_keep_their_distance_within_the_window(due: str, now: str, zone: str, following: str) -> None:
    found = next_pull(at(due, zone), OFFICE, time_zone=zone, now=at(now, zone))

    assert found == at(following, zone)


def test_days_have_twenty_four_hours_where_no_window_says_otherwise() -> None:
    daily = PullParameters(list_id=1, interval_value=1, interval_unit="days")
    due = at("2026-03-28 09:00", "Europe/Berlin")

    assert next_pull(due, daily, time_zone="Europe/Berlin", now=due) == due + timedelta(days=1)


def test_a_window_over_midnight_has_the_first_and_the_last_hours_of_its_days() -> None:
    night = PullParameters(
        list_id=1, has_window=True, allowed_days=("fri", "sat"), not_before="22:00", not_after="05:00"
    )

    assert opens_at(at("2026-01-02 12:00"), night, time_zone="UTC") == at("2026-01-02 22:00")
    for inside in ("2026-01-02 23:30", "2026-01-03 00:00", "2026-01-03 05:00"):
        assert opens_at(at(inside), night, time_zone="UTC") == at(inside)
    assert opens_at(at("2026-01-03 23:59:59"), night, time_zone="UTC") == at("2026-01-03 23:59:59")
    assert opens_at(at("2026-01-04 00:00"), night, time_zone="UTC") == at("2026-01-09 00:00")


def test_without_a_day_it_never_opens() -> None:
    never = PullParameters(list_id=1, has_window=True)

    assert opens_at(at("2026-01-02 12:00"), never, time_zone="UTC") == NEVER


async def test_a_pull_waits_for_the_window_of_the_accounts_time_zone(make: Maker, work: Work) -> None:
    api = await make.client(time_zone="Asia/Tokyo")
    audience = Audience(api, int((await api.ok("list.create", SubscriberListName="News"))["ListID"]))
    await people(audience, 6)
    window = {
        "TimeConstraintEnabled": True,
        "AllowedDays": ["mon"],
        "DontSendBefore": "09:00",
        "DontSendAfter": "17:00",
    }
    journey_id = await pulling(audience, schedule={"IntervalValue": 1, "SubscriberCountFixed": 2, **window})
    # a Sunday of next year, shortly before Monday's nine o'clock in Tokyo
    sunday = datetime(datetime.now(UTC).year + 1, 2, 1, 23, 59, 30, tzinfo=UTC)
    sunday += timedelta(days=(6 - sunday.weekday()) % 7)

    work.clock.instant = sunday
    await work.move()
    assert await entered(work, journey_id) == []
    await work.move(seconds=30)
    assert len(await entered(work, journey_id)) == 2
    await work.move(seconds=30)
    assert len(await entered(work, journey_id)) == 2
    await work.move(seconds=30)
    assert len(await entered(work, journey_id)) == 4


async def _crowd(work: Work, audience: Audience, number: int, *, step: int) -> list[int]:
    """Many subscribers, whose ids are `step` apart but for a gap in the middle, all at once."""
    assert audience.api.account
    rows = await work.rows(
        "SELECT nextval(pg_get_serial_sequence('subscribers', 'subscriber_id')) + 1000000 AS id",
    )
    await work.change(
        "INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at) "
        "OVERRIDING SYSTEM VALUE "
        "SELECT :first + n * CAST(:step AS bigint) + (CASE WHEN n > :half THEN :number * 3 ELSE 0 END), :owner, :list, "
        "'c' || n || '@example.com', 'Subscribed', now(), now() FROM generate_series(1, :number) AS n",
        first=rows[0].id,
        step=step,
        half=number // 2,
        number=number,
        owner=audience.api.account.user_id,
        list=audience.list_id,
    )
    await work.change(
        "SELECT setval(pg_get_serial_sequence('subscribers', 'subscriber_id'), max(subscriber_id)) FROM subscribers"
    )
    found = await work.rows(
        "SELECT subscriber_id FROM subscribers WHERE list_id = :l ORDER BY subscriber_id", l=audience.list_id
    )
    return [row.subscriber_id for row in found]


@pytest.mark.parametrize("step", [1, 40])
async def test_everybody_on_a_large_list_is_equally_likely(audience: Audience, work: Work, step: int) -> None:
    everybody = await _crowd(work, audience, READ_WHOLE + 1000, step=step)
    half = len(everybody) // 2
    edges = {everybody[0], everybody[half], everybody[-1]}
    draws, of_first_half, at_edges = 0, 0, 0
    async with work.worker.sessions() as session:
        for _ in range(30):
            batch: list[int] = []
            async for more in draw(session, list_id=audience.list_id, wanted=100):
                batch += more
                if len(batch) >= 100:
                    break
            assert len(batch) == len(set(batch))
            assert set(batch) <= set(everybody)
            draws += len(batch)
            of_first_half += sum(each <= everybody[half - 1] for each in batch)
            at_edges += len(edges & set(batch))

    # six standard deviations of a fair lottery; by who comes next, the one behind the gap would be drawn half the time
    assert abs(of_first_half - draws / 2) < 6 * (draws / 4) ** 0.5
    assert at_edges < 3 * draws / len(everybody) + 12


async def test_a_sparse_list_yields_somebody_all_the_same(audience: Audience, work: Work) -> None:
    everybody = await _crowd(work, audience, READ_WHOLE + 1000, step=10_000_000)
    found: list[int] = []
    async with work.worker.sessions() as session:
        async for batch in draw(session, list_id=audience.list_id, wanted=50):
            found += batch

    assert len(set(found)) == len(found) >= 50
    assert set(found) <= set(everybody)


async def test_all_of_a_large_list_may_be_wanted(audience: Audience, work: Work) -> None:
    everybody = await _crowd(work, audience, READ_WHOLE + 1000, step=1)
    journey_id = await pulling(audience, schedule={"IntervalValue": 1, "SubscriberCountFixed": 5500})

    await work.move(minutes=1)

    found = await entered(work, journey_id)
    assert len(found) == len(set(found)) == 5500
    assert set(found) <= set(everybody)


async def test_an_engine_that_sleeps_wakes_for_a_pull(audience: Audience, work: Work) -> None:
    journey_id = await pulling(audience, schedule={"IntervalValue": 7})
    (row,) = await work.rows("SELECT due_at FROM scheduled_pulls WHERE journey_id = :j", j=journey_id)

    due = await Engine(work.worker.sessions, clock=SetClock(datetime.now(UTC))).next_due()

    assert due is not None
    assert due <= row.due_at
