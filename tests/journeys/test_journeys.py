"""Creating, listing, enabling and deleting journeys."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from journeys_api.app import Application
from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_journey, actions_of

MAIL_KEYS = {
    "SendCount", "DeliveryCount", "OpenCount", "ClickCount", "ConversionCount", "BrowserViewCount", "ForwardCount",
    "UnsubscribeCount", "BounceCount", "SpamComplaintCount", "TotalRevenue",
}  # fmt: skip


async def test_a_new_journey_is_disabled_and_its_ids_have_their_documented_types(api: Client, door: str) -> None:
    created = await api.at(door).ok("journey.create", Name="Welcome Series", Notes="Onboarding")

    journey = created["Journey"]
    assert isinstance(created["JourneyID"], int)
    assert journey["JourneyID"] == str(created["JourneyID"])
    assert journey["CreatedAt"] == journey["UpdatedAt"]
    assert {name: journey[name] for name in ("JourneyName", "Trigger", "Status", "Notes")} == {
        "JourneyName": "Welcome Series",
        "Trigger": "Manual",
        "Status": "Disabled",
        "Notes": "Onboarding",
    }


async def test_the_caller_cannot_say_what_is_the_servers_to_say(api: Client) -> None:
    created = await api.ok(
        "journey.create",
        Name="A",
        Status="Enabled",
        UserID=1,
        RelUserID=1,
        JourneyID=1,
        CreatedAt="1999-01-01 00:00:00",
    )

    assert created["Journey"]["Status"] == "Disabled"
    assert not created["Journey"]["CreatedAt"].startswith("1999")
    assert (await api.ok("journey.list"))["Journeys"][0]["JourneyID"] == str(created["JourneyID"])


async def test_names_are_kept_to_the_letter(api: Client) -> None:
    name = "  ]]><b>ünïcödé</b> 💌 \u202e'; drop table journeys;-- "
    journey_id = await a_journey(api, Name=name)

    assert (await api.ok("journey.get", JourneyID=journey_id))["JourneyName"] == name


async def test_journeys_are_listed_by_id_with_their_numbers(api: Client, door: str) -> None:
    api = api.at(door)
    assert (await api.ok("journey.list"))["Journeys"] == []
    ids = [await a_journey(api, Name=name) for name in ("b", "a")]

    rows = (await api.ok("journey.list"))["Journeys"]

    assert [row["JourneyID"] for row in rows] == [str(journey_id) for journey_id in ids]
    stats = rows[0]["JourneyStats"]
    assert set(stats) == {
        "ActiveSubscribers", "TotalSubscribers", "AggregatedEmailActions", "AggregatedDaysEmailActions",
        "TotalRevenue", "DaysRevenue",
    }  # fmt: skip
    assert set(stats["AggregatedEmailActions"]) == MAIL_KEYS
    assert (stats["AggregatedDaysEmailActions"], stats["DaysRevenue"], stats["TotalRevenue"]) == ([], [], 0)


async def test_days_of_the_window_are_filled_newest_first_and_revenue_ascends(api: Client, app: Application) -> None:
    assert api.account
    journey_id = await a_journey(api)
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    async with app.engine.begin() as connection:
        await connection.execute(
            text(
                "WITH folded AS (INSERT INTO journey_days (owner_id, journey_id, counted_on, send_count, "
                "revenue_cents) VALUES (:owner, :journey, :day, 2, 1050)) "
                "INSERT INTO counter_deltas (owner_id, journey_id, action_id, domain, counted_on, send_count) "
                "VALUES (:owner, :journey, 1, 'b.example', :day, 3)"
            ),
            {"owner": api.account.user_id, "journey": journey_id, "day": yesterday},
        )

    window = {"StartDate": str(yesterday - timedelta(days=1)), "EndDate": str(today)}
    stats: dict[str, Any] = (await api.ok("journey.get", JourneyID=journey_id, **window))["JourneyStats"]

    days = stats["AggregatedDaysEmailActions"]
    assert list(days) == [str(today), str(yesterday), str(yesterday - timedelta(days=1))]
    assert [day["SendCount"] for day in days.values()] == [0, 5, 0]
    assert [row["Amount"] for row in stats["DaysRevenue"]] == [0, 10.5, 0]
    assert [row["Date"] for row in stats["DaysRevenue"]] == sorted(days)
    listed = await api.ok("journey.list", StatsStartDate=window["StartDate"], StatsEndDate=window["EndDate"])
    assert listed["Journeys"][0]["JourneyStats"] == stats


async def test_dates_are_exactly_real_days(api: Client) -> None:
    journey_id = await a_journey(api)
    for wrong in (
        "2025-1-5",
        "20250105",
        "２０２５-01-05",
        "2025-W01-1",
        "2025-02-30",
        " 2025-01-05",
        "2025-01-05T00:00",
    ):
        assert await api.codes("journey.get", JourneyID=journey_id, StartDate=wrong) == [4], wrong
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
    assert await api.codes("journey.get", JourneyID=journey_id, StartDate=tomorrow) == [6]
    await api.ok("journey.get", JourneyID=journey_id, StartDate="2025-01-05", EndDate="2025-01-05")


async def test_a_window_of_ages_is_refused(api: Client) -> None:
    response = await api.call("journey.list", StatsStartDate="0001-01-01", StatsEndDate="9999-12-31")

    assert (response.status_code, response.json()["ErrorCode"]) == (400, 100000)


async def test_enabling_and_disabling_answer_the_new_state(api: Client, door: str) -> None:
    api = api.at(door)
    journey_id = await a_journey(api)

    assert (await api.ok("journey.enable", JourneyID=journey_id))["Journey"]["Status"] == "Enabled"
    assert (await api.ok("journey.disable", JourneyID=journey_id))["Journey"]["Status"] == "Disabled"


async def test_enable_answers_post_too_and_head_changes_nothing(api: Client) -> None:
    assert api.account
    journey_id = await a_journey(api)
    path, query = "/api/v1/journey.enable", {"JourneyID": str(journey_id), "APIKey": api.account.api_key}

    head = await api.http.request("HEAD", path, params=query)
    assert head.status_code == 405
    assert (await api.ok("journey.get", JourneyID=journey_id))["Status"] == "Disabled"
    posted = await api.http.post(path, params=query)
    assert posted.status_code == 200
    assert (await api.ok("journey.get", JourneyID=journey_id))["Status"] == "Enabled"


async def test_a_deleted_journey_is_not_found(api: Client, door: str) -> None:
    api = api.at(door)
    journey_id = await a_journey(api)
    await actions_of(api, journey_id, {"Action": "Debug"})

    deleted = await api.ok("journey.delete", JourneyID=str(journey_id))

    assert deleted["JourneyID"] == journey_id
    assert await api.codes("journey.get", JourneyID=journey_id) == [3]
    assert await api.codes("journey.delete", JourneyID=journey_id) == [3]
    assert (await api.ok("journey.list"))["Journeys"] == []


async def test_several_journeys_are_deleted_and_others_skipped(api: Client, make: Maker) -> None:
    other = await make.client()
    foreign = await a_journey(other)
    first, second, third = [await a_journey(api) for _ in range(3)]

    response = await api.call("journeys.delete", Journeys=f"{first}, {second},abc,{foreign},{UNKNOWN},-1,1.5,{2**70}")

    assert response.json() == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert [row["JourneyID"] for row in (await api.ok("journey.list"))["Journeys"]] == [str(third)]
    assert len((await other.ok("journey.list"))["Journeys"]) == 1


async def test_what_is_no_id_among_journeys_to_delete_is_skipped(api: Client) -> None:
    first, second = [await a_journey(api) for _ in range(2)]

    await api.ok("journeys.delete", Journeys=[{"a": second}, [second], None, True, "\u0661", f" {first}"])
    await api.ok("journeys.delete", Journeys=[[second]])

    assert [row["JourneyID"] for row in (await api.ok("journey.list"))["Journeys"]] == [str(second)]


async def test_indexes_of_journeys_to_delete_may_have_gaps(api: Client) -> None:
    assert api.account
    first, second, third = [await a_journey(api) for _ in range(3)]
    form = {"Command": "journeys.delete", "APIKey": api.account.api_key, "Journeys[0]": first, "Journeys[2]": third}

    answer = await api.http.post("/api.php", data={name: str(value) for name, value in form.items()})

    assert answer.json() == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert [row["JourneyID"] for row in (await api.ok("journey.list"))["Journeys"]] == [str(second)]


async def test_deleting_several_needs_a_permission_of_its_own(make: Maker) -> None:
    api = await make.client(permissions=["Campaign.Create"])
    journey_id = await a_journey(api)

    response = await api.call("journeys.delete", Journeys=str(journey_id))

    assert (response.status_code, response.json()["ErrorCode"]) == (200, 99999)
    await api.ok("journey.delete", JourneyID=journey_id)
