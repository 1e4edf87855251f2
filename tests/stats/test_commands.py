"""Numbers by slice, by domain, by action and of the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from journeys_api.lanes import Lane, Prepared, SessionLane
from journeys_api.models import ActivityKind
from journeys_api.stats.benchmarks import benchmark
from journeys_api.stats.verifying import differences
from journeys_api.stats.windows import Window
from tests.conftest import Client
from tests.engine.conftest import Audience, Work
from tests.journeys.records import a_journey
from tests.stats.conftest import Mailed

OPENED, CLICKED = ActivityKind.OPENED, ActivityKind.CLICKED
CONVERTED, BOUNCED = ActivityKind.CONVERTED, ActivityKind.BOUNCED


async def test_a_slice_counts_its_own_mails_and_all_people(mailed: Mailed, door: str) -> None:
    await mailed.happen("ada", CLICKED)
    await mailed.happen("cyd", OPENED, CONVERTED, revenue_cents=1999)
    mailed.api = mailed.api.at(door)

    whole = await mailed.numbers()
    one = await mailed.numbers(ISP="One.example")
    two = await mailed.numbers(ISP="two.example", EmailID=mailed.action_id)
    none = await mailed.numbers(ISP="three.example")

    def told(numbers: dict[str, Any]) -> tuple[Any, ...]:
        mails = numbers["AggregatedEmailActions"]
        return (mails["SendCount"], mails["OpenCount"], mails["ClickCount"], numbers["TotalRevenue"])

    assert (told(whole), told(one), told(two)) == ((3, 2, 1, 19.99), (2, 1, 1, 0), (1, 1, 0, 19.99))
    assert told(none) == (0, 0, 0, 0)
    assert [each["TotalSubscribers"] for each in (whole, one, two, none)] == [3, 3, 3, 3]
    assert two["AggregatedDaysEmailActions"][str(mailed.today)]["ConversionCount"] == 1
    assert none["AggregatedDaysEmailActions"] == []
    assert [row for row in two["DaysRevenue"] if row["Amount"]] == [{"Date": str(mailed.today), "Amount": 19.99}]


async def test_numbers_are_the_same_before_and_after_they_are_folded(mailed: Mailed) -> None:
    await mailed.happen("ada", CLICKED, BOUNCED)
    before = await mailed.journey(IncludeActivityCounters=True)

    await mailed.work.move()

    assert await mailed.journey(IncludeActivityCounters=True) == before
    assert await mailed.work.rows("SELECT 1 FROM counter_deltas WHERE journey_id = :j", j=mailed.journey_id) == []


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "1.5", 2**63])
async def test_an_email_id_that_is_no_id_is_7(mailed: Mailed, wrong: Any) -> None:
    assert await mailed.api.codes("journey.get", JourneyID=mailed.journey_id, EmailID=wrong) == [7]


async def test_an_email_id_is_a_sending_action_of_the_journey(mailed: Mailed) -> None:
    other = await a_journey(mailed.api)
    for command in ("journey.get", "journey.stats.byisp", "journey.stats.byaction"):
        call = mailed.api.codes
        assert await call(command, JourneyID=mailed.journey_id, EmailID=mailed.wait_id) == [7]
        assert await call(command, JourneyID=other, EmailID=mailed.action_id) == [7]
        assert await call(command, JourneyID=9_000_000_000, EmailID=mailed.action_id) == [3]


@pytest.mark.parametrize("wrong", ["gmail com", "gmail_com", "gmäil.com", "a/b", ["gmail.com"]])
async def test_an_isp_that_is_no_domain_is_8(mailed: Mailed, wrong: Any) -> None:
    assert await mailed.api.codes("journey.get", JourneyID=mailed.journey_id, ISP=wrong, EmailID="x") == [7, 8]
    assert await mailed.api.codes("journey.stats.byaction", JourneyID=mailed.journey_id, ISP=wrong) == [8]


async def test_activity_counters_tell_people_instants_and_days(mailed: Mailed, audience: Audience, work: Work) -> None:
    assert set(await mailed.numbers()) == {
        "ActiveSubscribers",
        "TotalSubscribers",
        "AggregatedEmailActions",
        "AggregatedDaysEmailActions",
        "TotalRevenue",
        "DaysRevenue",
    }
    first_at = work.clock.instant
    await audience.enter(mailed.journey_id, mailed.people["ada"])  # inside already
    await mailed.api.ok(
        "subscriber.journey.exit",
        JourneyID=mailed.journey_id,
        ListID=audience.list_id,
        SubscriberID=mailed.people["ada"],
    )
    await audience.enter(mailed.journey_id, mailed.people["ada"])
    await work.run(minutes=1)

    numbers = await mailed.numbers(IncludeActivityCounters="yes")

    assert (numbers["TotalEnrolledLifetime"], numbers["TotalSubscribers"], numbers["TotalEnrolledInRange"]) == (3, 4, 4)
    assert sum(day["EnrolmentCount"] for day in numbers["AggregatedDaysEnrolments"].values()) == 4
    assert list(numbers["AggregatedDaysEnrolments"]) == sorted(numbers["AggregatedDaysEnrolments"], reverse=True)
    assert numbers["LastActivityAt"] > first_at.strftime("%Y-%m-%d %H:%M:%S")
    assert numbers["LastTriggeredAt"] <= numbers["LastActivityAt"]
    assert numbers["WindowedEmailActions"]["SendCount"] == 4
    listed = (await mailed.api.ok("journey.list", IncludeActivityCounters=1))["Journeys"][0]["JourneyStats"]
    assert {key: listed[key] for key in listed if key != "AggregatedDaysEnrolments"} == {
        key: numbers[key] for key in numbers if key != "AggregatedDaysEnrolments"
    }
    assert "AggregatedDaysEnrolments" not in listed


async def test_whoever_is_removed_was_never_there(mailed: Mailed, audience: Audience) -> None:
    for name in ("ada", "bob", "cyd"):
        await mailed.api.ok(
            "subscriber.journey.remove",
            JourneyID=mailed.journey_id,
            ListID=audience.list_id,
            SubscriberID=mailed.people[name],
        )

    numbers = await mailed.numbers(IncludeActivityCounters=True)

    assert (numbers["TotalEnrolledLifetime"], numbers["TotalSubscribers"], numbers["TotalEnrolledInRange"]) == (0, 0, 0)
    assert numbers["AggregatedDaysEnrolments"] == []


async def test_a_journey_that_nothing_happened_in_has_no_instants(api: Client) -> None:
    numbers = (await api.ok("journey.get", JourneyID=await a_journey(api), IncludeActivityCounters=True))[
        "JourneyStats"
    ]

    assert (numbers["LastTriggeredAt"], numbers["LastActivityAt"], numbers["TotalEnrolledLifetime"]) == (None, None, 0)
    assert numbers["WindowedEmailActions"]["SendCount"] == 0


async def test_statistics_can_be_left_out_of_the_list(mailed: Mailed) -> None:
    row = (await mailed.api.ok("journey.list", SkipStats="on", IncludeActivityCounters=True))["Journeys"][0]

    assert set(row) == {"JourneyID", "JourneyName", "Trigger", "TriggerParameters", "Status"}
    assert await mailed.api.codes("journey.list", SkipStats=True, StatsStartDate="2025-02-30") == [4]
    assert "JourneyStats" in (await mailed.api.ok("journey.list", SkipStats=""))["Journeys"][0]


async def test_a_sending_action_tells_its_days_and_its_revenue(mailed: Mailed) -> None:
    await mailed.happen("ada", OPENED, CONVERTED, revenue_cents=500)
    await mailed.happen("bob", CLICKED, days=1)
    window = {"StartDate": str(mailed.today), "EndDate": str(mailed.today + timedelta(days=2))}

    sends, waits = (await mailed.journey(**window))["Actions"]

    assert [(day["SendCount"], day["OpenCount"], day["ClickCount"]) for day in sends["DailyStats"]] == [
        (3, 1, 0),
        (0, 1, 1),
        (0, 0, 0),
    ]
    assert sends["DailyStats"][0]["Date"] == str(mailed.today)
    assert (sends["Revenue"], sends["Stats"]["TotalRevenue"]) == (5, 5)
    assert [row["Amount"] for row in sends["DaysRevenue"]] == [5, 0, 0]
    assert "DailyStats" not in waits


async def test_numbers_by_domain(mailed: Mailed, door: str) -> None:
    await mailed.happen("ada", CLICKED)
    await mailed.happen("cyd", BOUNCED, ActivityKind.UNSUBSCRIBED, ActivityKind.SPAM_COMPLAINT)

    answer = await mailed.api.at(door).ok("journey.stats.byisp", JourneyID=mailed.journey_id, EmailID=mailed.action_id)

    names = ("Domain", "Sent", "Delivered", "Opened", "Clicked", "Bounced", "Unsubscribed", "Complained")
    assert answer["ByISP"] == [
        dict(zip(names, ("one.example", 2, 2, 1, 1, 0, 0, 0), strict=True)),
        dict(zip(names, ("two.example", 1, 1, 0, 0, 1, 1, 1), strict=True)),
    ]
    early = {"StartDate": "2020-01-01", "EndDate": "2020-01-02"}
    assert (await mailed.api.ok("journey.stats.byisp", JourneyID=mailed.journey_id, **early))["ByISP"] == []


async def test_numbers_by_action(mailed: Mailed, email_id: int) -> None:
    await mailed.happen("ada", CLICKED)
    window = {"StartDate": str(mailed.today), "EndDate": str(mailed.today)}

    answer = await mailed.api.ok("journey.stats.byaction", JourneyID=mailed.journey_id, ISP="one.example", **window)

    [action] = answer["Actions"]
    assert (action["ActionID"], action["EmailID"], action["EmailName"], action["OrderNo"]) == (
        mailed.action_id,
        email_id,
        "Welcome",
        1,
    )
    assert action["Stats"] == {
        "SendCount": 2,
        "DeliveryCount": 2,
        "OpenCount": 1,
        "ClickCount": 1,
        "BounceCount": 0,
        "UnsubscribeCount": 0,
        "SpamComplaintCount": 0,
        "TotalRevenue": 0,
    }
    assert action["DailyStats"] == [
        {"Date": str(mailed.today), "SendCount": 2, "OpenCount": 1, "ClickCount": 1, "TotalRevenue": 0}
    ]
    assert (await mailed.api.ok("journey.stats.byaction", JourneyID=await a_journey(mailed.api)))["Actions"] == []


async def test_the_benchmark_weighs_journeys_by_what_they_sent(mailed: Mailed) -> None:
    await mailed.happen("ada", CLICKED, CONVERTED, revenue_cents=300)
    await mailed.happen("bob", OPENED)

    answer = await mailed.api.ok("account.journey.benchmark")

    assert answer["Benchmark"] == {
        "OpenRate": 0.666667,
        "ClickRate": 0.333333,
        "ClickToOpenRate": 0.5,
        "BounceRate": 0,
        "UnsubscribeRate": 0,
        "ComplaintRate": 0,
        "RevenuePerSubscriber": 1,
        "JourneyCount": 1,
        "TotalSent": 3,
    }
    assert answer["EndDate"] >= answer["StartDate"]
    codes = mailed.api.codes
    assert await codes("account.journey.benchmark", StartDate="x", EndDate="2025-1-1") == [1, 2]
    assert await codes("account.journey.benchmark", StartDate="2025-01-02", EndDate="2025-01-01") == [3]
    empty = await mailed.api.ok("account.journey.benchmark", StartDate="2020-01-01", EndDate="2020-01-01")
    assert (empty["Benchmark"]["JourneyCount"], empty["Benchmark"]["OpenRate"]) == (0, 0)


@dataclass
class Counting:
    """A lane that counts the rows it brings."""

    lane: Lane
    count: int = 0

    async def rows(self, prepared: Prepared, **values: Any) -> Sequence[Any]:
        """As the lane."""
        rows = await self.lane.rows(prepared, **values)
        self.count += len(rows)
        return rows


async def test_the_benchmark_of_years_reads_no_row_a_day(mailed: Mailed) -> None:
    assert mailed.api.account
    owner_id = mailed.api.account.user_id
    await mailed.work.change(
        "INSERT INTO journey_days (owner_id, counted_on, journey_id, send_count) "
        "SELECT :owner, CAST(:today AS date) - day, :journey, 2 FROM generate_series(1, 1000) AS day",
        owner=owner_id,
        today=mailed.today,
        journey=mailed.journey_id,
    )
    window = Window(mailed.today - timedelta(days=1000), mailed.today)

    async with mailed.work.worker.sessions() as session:
        lane = Counting(SessionLane(session))
        found = await benchmark(lane, owner_id=owner_id, window=window)

    assert (found.journey_count, found.total_sent) == (1, 2003)
    assert lane.count < 10


async def test_the_emails_of_journeys_are_listed(mailed: Mailed, api: Client) -> None:
    other = await a_journey(api, Name="Tom &amp; Jerry")
    await api.ok("journey.actions.update", JourneyID=other, Actions=[{"Action": "SendEmail"}])
    list_them = "journey.sendemailactions"

    running = (await api.ok(list_them))["Actions"]
    every = (await api.ok(list_them, IncludeDisabled=True, IncludeUnpublished="1"))["Actions"]

    assert [(each["JourneyID"], each["EmailName"], each["Published"]) for each in running] == [
        (mailed.journey_id, "Welcome", True)
    ]
    assert [each["JourneyID"] for each in every] == [mailed.journey_id, other]
    assert (every[1]["JourneyName"], every[1]["EmailName"], every[1]["Subject"]) == ("Tom & Jerry", "", "")
    assert (await api.ok(list_them, IncludeDisabled=True))["Actions"] == running
    assert (await api.ok(list_them, JourneyID=""))["Actions"] == running
    assert (await api.ok(list_them, JourneyID=9_000_000_000))["Actions"] == []
    assert await api.codes(list_them, JourneyID="x") == [1]


async def test_revenue_ends_at_the_largest_number_and_holds_nobody_up(mailed: Mailed, work: Work, door: str) -> None:
    assert mailed.api.account
    api, largest = mailed.api.at(door), (2**63 - 1) / 100

    async def look(conversions: int) -> None:
        journey = await api.ok("journey.get", JourneyID=mailed.journey_id, IncludeActivityCounters=True)
        listed = {each["JourneyID"]: each for each in (await api.ok("journey.list"))["Journeys"]}
        for stats in (journey["JourneyStats"], listed[str(mailed.journey_id)]["JourneyStats"]):
            assert stats["TotalRevenue"] == stats["AggregatedEmailActions"]["TotalRevenue"] == largest
            assert stats["AggregatedEmailActions"]["ConversionCount"] == conversions
        assert journey["JourneyStats"]["WindowedEmailActions"]["TotalRevenue"] == largest
        assert max(day["Amount"] for day in journey["JourneyStats"]["DaysRevenue"]) == largest
        assert journey["Actions"][0]["Stats"]["TotalRevenue"] == journey["Actions"][0]["Revenue"] == largest

    for conversions in (3, 6):
        for name in mailed.people:
            await mailed.happen(name, CONVERTED, revenue_cents=2**62)
        await look(conversions)
        await work.move()
        await look(conversions)

    assert await work.rows("SELECT 1 FROM counter_deltas") == []
    async with work.worker.sessions.begin() as session:
        assert await differences(session, owner_id=mailed.api.account.user_id) == []
