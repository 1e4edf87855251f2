"""How long people wait: amounts, windows of the week, and the time zone of the account."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from journeys_api.journeys.action_types import DAYS, WaitParameters
from journeys_api.journeys.windows import NEVER, next_inside, wait_ends, zone_of
from tests.conftest import Client, Maker
from tests.engine.conftest import Audience, Work, running

FRIDAY = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
WORKDAYS = DAYS[:5]


def at(text: str, zone: str = "UTC") -> datetime:
    """The instant that a clock of the zone shows; `+` at the end: the second time in autumn."""
    fold = 1 if text.endswith("+") else 0
    return datetime.fromisoformat(text.rstrip("+")).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("unit", "amount", "wanted"),
    [
        ("seconds", 30, timedelta(seconds=30)),
        ("minutes", 5, timedelta(minutes=5)),
        ("hours", "36", timedelta(hours=36)),
        ("days", 1, timedelta(days=1)),
        ("DAYS", 1, timedelta(days=1)),
        ("days", 0, timedelta()),
        ("days", None, timedelta()),
        ("days", "", timedelta()),
        (None, 5, timedelta()),
        ("", 5, timedelta()),
    ],
)
def test_an_amount_counts_from_the_arrival(unit: Any, amount: Any, wanted: timedelta) -> None:
    parameters = WaitParameters.model_validate({"WaitUnit": unit, "WaitAmount": amount})

    assert wait_ends(FRIDAY, parameters, time_zone="Asia/Tokyo") == FRIDAY + wanted


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("has_window", [True, False])
@pytest.mark.parametrize("amount", [10**9, (datetime.max - FRIDAY.replace(tzinfo=None)).days, 7000 * 366])
def test_a_wait_beyond_the_calendar_never_ends(zone: str, has_window: bool, amount: int) -> None:
    parameters = WaitParameters.model_validate(
        {"WaitUnit": "days", "WaitAmount": amount, "TimeConstraintEnabled": has_window}
    )

    assert wait_ends(FRIDAY, parameters, time_zone=zone) == NEVER


async def test_who_waits_for_ever_is_shown_like_everybody(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 10**9})
    person = await audience.subscribe(address)
    await audience.enter(journey_id, person)
    await work.move()

    answer = await api.ok("subscriber.get", ListID=audience.list_id, SubscriberID=person)
    queue = await admin.ok("admin.journeys.queue", JourneyID=journey_id)

    assert "9000-01-01 00:00:00" in str(answer)
    assert [row["DueAt"] for row in queue["QueueEntries"]] == ["9000-01-01 00:00:00"]
    assert await work.rows("SELECT 1 FROM timers WHERE due_at = 'infinity'") == []


WINDOWS = [
    # from, not before, not after, days, zone, until
    ("2026-01-02 08:59:59", "09:00", "19:00", DAYS, "UTC", "2026-01-02 09:00:00"),
    ("2026-01-02 09:00:00", "09:00", "19:00", DAYS, "UTC", "2026-01-02 09:00:00"),
    ("2026-01-02 12:34:56", "09:00", "19:00", DAYS, "UTC", "2026-01-02 12:34:56"),
    ("2026-01-02 19:00:00", "09:00", "19:00", DAYS, "UTC", "2026-01-02 19:00:00"),
    ("2026-01-02 19:00:59", "09:00", "19:00", DAYS, "UTC", "2026-01-02 19:00:59"),
    ("2026-01-02 19:01:00", "09:00", "19:00", DAYS, "UTC", "2026-01-03 09:00:00"),
    ("2026-01-02 19:01:00", "09:00", "19:00", WORKDAYS, "UTC", "2026-01-05 09:00:00"),
    ("2026-01-03 12:00:00", "09:00", "19:00", WORKDAYS, "UTC", "2026-01-05 09:00:00"),
    ("2026-01-02 20:00:00", "09:00", "19:00", ("fri",), "UTC", "2026-01-09 09:00:00"),
    ("2026-01-02 23:59:59", "00:00", "23:59", DAYS, "UTC", "2026-01-02 23:59:59"),
    # 20:00 UTC on Friday is 05:00 on Saturday in Tokyo
    ("2026-01-03 05:00:00", "09:00", "19:00", DAYS, "Asia/Tokyo", "2026-01-03 09:00:00"),
    ("2026-01-03 05:00:00", "09:00", "19:00", WORKDAYS, "Asia/Tokyo", "2026-01-05 09:00:00"),
    # the night when Berlin's clocks jump from 02:00 to 03:00, and the one when 02:00 to 03:00 comes twice
    ("2026-03-28 20:00:00", "09:00", "19:00", DAYS, "Europe/Berlin", "2026-03-29 09:00:00"),
    ("2026-03-29 01:00:00", "02:30", "19:00", DAYS, "Europe/Berlin", "2026-03-29 03:30:00"),
    ("2026-10-24 20:00:00", "09:00", "19:00", DAYS, "Europe/Berlin", "2026-10-25 09:00:00"),
    ("2026-10-25 01:00:00", "02:30", "19:00", DAYS, "Europe/Berlin", "2026-10-25 02:30:00"),
    ("2026-10-25 02:10:00+", "02:30", "19:00", DAYS, "Europe/Berlin", "2026-10-25 02:10:00+"),
    ("2026-03-29 20:00:00", "09:00", "19:00", ("sun",), "Europe/Berlin", "2026-04-05 09:00:00"),
]


@pytest.mark.parametrize(("start", "not_before", "not_after", "days", "zone", "until"), WINDOWS)
def test_a_window_opens(
    start: str, not_before: str, not_after: str, days: Sequence[str], zone: str, until: str
) -> None:
    found = next_inside(at(start, zone), not_before=not_before, not_after=not_after, days=days, time_zone=zone)

    assert found == at(until, zone)
    assert next_inside(found, not_before=not_before, not_after=not_after, days=days, time_zone=zone) == found


def test_the_window_has_defaults() -> None:
    parameters = WaitParameters.model_validate({"TimeConstraintEnabled": "true"})

    assert wait_ends(at("2026-01-03 19:01:00"), parameters, time_zone="UTC") == at("2026-01-04 09:00:00")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd"])
def test_an_unknown_zone_is_utc(name: str) -> None:
    assert zone_of(name) == ZoneInfo("UTC")


async def test_a_window_is_that_of_the_accounts_time_zone_across_a_change_of_clocks(make: Maker, work: Work) -> None:
    api = await make.client(time_zone="Europe/Berlin")
    made = await api.ok("list.create", SubscriberListName="News")
    audience = Audience(api, int(made["ListID"]))
    journey_id = await running(
        api,
        {
            "Action": "Wait",
            "WaitUnit": "hours",
            "WaitAmount": 1,
            "TimeConstraintEnabled": True,
            "DontSendBefore": "09:00",
            "DontSendAfter": "19:00",
        },
    )
    await audience.enter(journey_id, await audience.subscribe("berliner@example.com"))
    # the evening before the next change to summer time
    year = datetime.now(UTC).year + 1
    change = max(
        day for day in (datetime(year, 3, number, tzinfo=UTC) for number in range(25, 32)) if day.weekday() == 6
    )
    evening = (change - timedelta(days=1)).replace(hour=19)
    await work.change(
        "UPDATE enrollments SET entered_at = :evening WHERE journey_id = :j", evening=evening, j=journey_id
    )
    work.clock.instant = evening
    await work.run()

    (row,) = await work.rows("SELECT due_at FROM enrollments WHERE journey_id = :j", j=journey_id)
    assert row.due_at == change.replace(hour=7), "nine o'clock in summer"
    work.clock.instant = change.replace(hour=6, minute=59)
    await work.run()
    assert await work.ends(journey_id) == [("active", None)]
    await work.run(minutes=1)
    assert await work.ends(journey_id) == [("completed", None)]


async def test_who_could_not_go_on_in_time_waits_for_the_next_window(api: Any, audience: Audience, work: Work) -> None:
    journey_id = await running(
        api,
        {
            "Action": "Wait",
            "WaitUnit": "hours",
            "WaitAmount": 1,
            "TimeConstraintEnabled": True,
            "DontSendBefore": "09:00",
            "DontSendAfter": "19:00",
        },
    )
    await audience.enter(journey_id, await audience.subscribe("late@example.com"))
    await work.run()
    await api.ok("journey.disable", JourneyID=journey_id)
    night = (work.clock.instant + timedelta(days=3)).replace(hour=3, minute=0)
    work.clock.instant = night
    await api.ok("journey.enable", JourneyID=journey_id)

    await work.run()
    assert await work.ends(journey_id) == [("active", None)]
    await work.run(hours=6)
    assert await work.ends(journey_id) == [("completed", None)]


async def edit(api: Any, journey_id: int, **changes: Any) -> None:
    """Change what is said of a journey's only action, or (`parameters`) its parameters."""
    (action,) = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]
    action["ActionParameters"] |= changes.pop("parameters", {})
    await api.ok("journey.actions.update", JourneyID=journey_id, Actions=[{**action, **changes}])


async def test_a_longer_wait_counts_from_the_arrival_for_those_who_wait_already(
    api: Any, audience: Audience, work: Work
) -> None:
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 2})
    await audience.enter(journey_id, await audience.subscribe("patient@example.com"))
    await work.run()

    await edit(api, journey_id, parameters={"WaitAmount": 4})
    await work.run(hours=3)
    assert await work.ends(journey_id) == [("active", None)]
    await work.run(hours=1, seconds=2)
    assert await work.ends(journey_id) == [("completed", None)]


async def test_a_shorter_wait_counts_from_the_arrival_for_those_who_wait_already(
    api: Any, audience: Audience, work: Work
) -> None:
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 5})
    await audience.enter(journey_id, await audience.subscribe("impatient@example.com"))
    await work.run()

    await edit(api, journey_id, parameters={"WaitAmount": 2})
    await work.run(hours=1)
    assert await work.ends(journey_id) == [("active", None)]
    await work.run(hours=1, seconds=2)
    assert await work.ends(journey_id) == [("completed", None)]


@pytest.mark.parametrize("change", [{"Published": False}, {"Action": "Debug", "ActionParameters": {}}])
async def test_who_waits_goes_on_when_the_wait_is_unpublished_or_something_else_now(
    api: Any, audience: Audience, work: Work, change: dict[str, Any]
) -> None:
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 5})
    await audience.enter(journey_id, await audience.subscribe("released@example.com"))
    await work.run()

    await edit(api, journey_id, **change)
    await work.run()

    assert await work.ends(journey_id) == [("completed", None)]


async def test_an_edit_that_leaves_the_wait_alone_looks_at_nobody(api: Any, audience: Audience, work: Work) -> None:
    journey_id = await running(api, {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 5})
    await audience.enter(journey_id, await audience.subscribe("still@example.com"))
    await work.run()
    before = await work.rows("SELECT due_at FROM timers WHERE journey_id = :j", j=journey_id)

    await edit(api, journey_id, Notes="patience")

    assert await work.rows("SELECT due_at FROM timers WHERE journey_id = :j", j=journey_id) == before
