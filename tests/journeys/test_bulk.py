"""Switching and copying many journeys in one call."""

from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.journeys import copying
from tests.accounts.answers import assert_refused
from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_journey, actions_of, an_email
from tests.journeys.test_statements import counted

BULK = ["journeys.enable", "journeys.disable", "journeys.clone"]


async def _statuses(api: Client, *journey_ids: int) -> list[str]:
    listed = {int(each["JourneyID"]): each["Status"] for each in (await api.ok("journey.list"))["Journeys"]}
    return [listed[journey_id] for journey_id in journey_ids]


def _bare(action: dict[str, Any]) -> dict[str, Any]:
    """An answered action without what a copy does not share."""
    kept = {name: value for name, value in action.items() if name not in ("ActionID", "Stats", "CompletedRuns")}
    if "Actions" in action:
        kept["Actions"] = {side: [_bare(each) for each in branch] for side, branch in action["Actions"].items()}
    return kept


async def test_the_disabled_are_enabled_and_the_rest_named_as_failed(api: Client, make: Maker, door: str) -> None:
    first, second, on = [await a_journey(api) for _ in range(3)]
    foreign = await a_journey(await make.client())
    await api.ok("journey.enable", JourneyID=on)

    answer = await api.at(door).ok(
        "journeys.enable", JourneyIDs=f"{second}, {on},{UNKNOWN},{first},{foreign},x,{second}"
    )

    assert answer["Success"] is True
    assert answer["ProcessedJourneyIDs"] == [second, first], "in the order asked, once each"
    assert answer["FailedJourneyIDs"] == [on, UNKNOWN, foreign]
    assert await _statuses(api, first, second, on) == ["Enabled"] * 3


async def test_the_enabled_are_disabled_and_the_rest_named_as_failed(api: Client, make: Maker, door: str) -> None:
    first, off = [await a_journey(api) for _ in range(2)]
    stranger = await make.client()
    foreign = await a_journey(stranger)
    await stranger.ok("journey.enable", JourneyID=foreign)
    await api.ok("journey.enable", JourneyID=first)

    answer = await api.at(door).ok("journeys.disable", JourneyIDs=[off, first, foreign])

    assert (answer["ProcessedJourneyIDs"], answer["FailedJourneyIDs"]) == ([first], [off, foreign])
    assert await _statuses(api, first, off) == ["Disabled", "Disabled"]
    assert await _statuses(stranger, foreign) == ["Enabled"]


async def test_copies_are_disabled_and_have_the_same_actions_and_emails(api: Client, door: str) -> None:
    email_id = await an_email(api)
    first, empty = await a_journey(api, Name="First", Rate_Limit_Per_Hour=7), await a_journey(api, Name="Empty")
    await actions_of(
        api,
        first,
        {"Action": "SendEmail", "EmailID": email_id, "Published": True},
        {"Action": "Decision", "Published": True, "Actions": {"False": [{"Action": "Wait", "Notes": "n"}]}},
    )
    await api.ok("journey.enable", JourneyID=first)

    answer = await api.at(door).ok("journeys.clone", JourneyIDs=f"{empty},{first},{UNKNOWN}", NameSuffix="II")

    assert (answer["ProcessedJourneyIDs"], answer["FailedJourneyIDs"]) == ([empty, first], [UNKNOWN])
    assert [each["SourceJourneyID"] for each in answer["ClonedJourneys"]] == [empty, first]
    for each, name in zip(answer["ClonedJourneys"], ["Empty II", "First II"], strict=True):
        source = await api.ok("journey.get", JourneyID=each["SourceJourneyID"])
        copy = await api.ok("journey.get", JourneyID=each["NewJourneyID"])
        assert (copy["JourneyName"], copy["Status"]) == (name, "Disabled")
        assert copy["Rate_Limit_Per_Hour"] == source["Rate_Limit_Per_Hour"]
        assert [_bare(one) for one in copy["Actions"]] == [_bare(one) for one in source["Actions"]]
        ids = [one["ActionID"] for one in (*source["Actions"], *copy["Actions"])]
        assert len(ids) == len(set(ids))


async def test_one_call_copies_no_more_than_fits(api: Client, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MOST_COPIED", 5)
    first, large, second, third = [await a_journey(api) for _ in range(4)]
    await actions_of(api, first, {"Action": "Wait"})
    await actions_of(api, large, *[{"Action": "Wait"}] * 3)
    await actions_of(api, second, {"Action": "Wait"})

    answer = await api.at(door).ok("journeys.clone", JourneyIDs=[first, large, second, third])

    assert (answer["ProcessedJourneyIDs"], answer["FailedJourneyIDs"]) == ([first, second, third], [large])
    assert len((await api.ok("journey.list"))["Journeys"]) == 7


async def test_a_copy_s_name_is_never_longer_than_a_name_may_be(api: Client, admin: Client) -> None:
    journey_id = await a_journey(api, Name="x" * 1000)
    assert api.account

    (cloned,) = (await api.ok("journeys.clone", JourneyIDs=journey_id, NameSuffix="II"))["ClonedJourneys"]
    (all_suffix,) = (await api.ok("journeys.clone", JourneyIDs=journey_id, NameSuffix="y" * 1000))["ClonedJourneys"]
    user_id = api.account.user_id
    await admin.ok("journey.copytouser", JourneyID=journey_id, SourceUserID=user_id, TargetUserID=user_id)

    names = [journey["JourneyName"] for journey in (await api.ok("journey.list"))["Journeys"]]
    assert cloned != all_suffix
    assert sorted(names) == sorted(["x" * 1000, "x" * 997 + " II", "y" * 1000, "Copy of " + "x" * 992])


async def test_the_suffix_has_a_default(api: Client) -> None:
    journey_id = await a_journey(api, Name="Welcome")

    (made,) = (await api.ok("journeys.clone", JourneyIDs=journey_id, NameSuffix=""))["ClonedJourneys"]

    assert (await api.ok("journey.get", JourneyID=made["NewJourneyID"]))["JourneyName"] == "Welcome (copy)"


@pytest.mark.parametrize("command", BULK)
async def test_ids_are_needed(api: Client, command: str, door: str) -> None:
    await assert_refused(api.at(door), command, [1])
    await assert_refused(api.at(door), command, [2], JourneyIDs="x, 0, -1")


@pytest.mark.parametrize("command", BULK)
async def test_a_hundred_journeys_cost_as_many_statements_as_one(api: Client, app: Application, command: str) -> None:
    counts = []
    for size in (1, 100):
        ids = [await a_journey(api) for _ in range(size)]
        for journey_id in ids[:3]:
            await actions_of(api, journey_id, {"Action": "Wait"}, {"Action": "Debug"})
        if command == "journeys.disable":
            await api.ok("journeys.enable", JourneyIDs=ids)
        async with counted(app) as statements:
            answer = await api.ok(command, JourneyIDs=ids)
        assert answer["ProcessedJourneyIDs"] == ids
        counts.append(len(statements))

    assert counts[0] == counts[1]
