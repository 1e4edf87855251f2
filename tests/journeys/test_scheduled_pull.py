"""How ScheduledPull is declared: its list, its codes, its schedule."""

import json
from typing import Any

import pytest

from tests.accounts.answers import assert_refused, assert_unreadable
from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_journey, a_list, actions_of

DEFAULTS = {
    "IntervalValue": 60,
    "IntervalUnit": "minutes",
    "SubscriberCountMode": "fixed",
    "SubscriberCountFixed": 10,
    "SubscriberCountMin": 1,
    "SubscriberCountMax": 1,
    "TimeConstraintEnabled": False,
    "AllowedDays": [],
    "DontSendBefore": "00:00",
    "DontSendAfter": "23:59",
    "FrequencyCapEnabled": False,
    "FrequencyCapCount": 0,
    "FrequencyCapPeriod": 0,
    "FrequencyCapUnit": "days",
}


async def _parameters(api: Client, journey_id: int) -> dict[str, Any]:
    return dict((await api.ok("journey.get", JourneyID=journey_id))["TriggerParameters"])


async def test_what_is_not_said_has_its_default(api: Client, door: str) -> None:
    list_id = await a_list(api)

    made = await api.at(door).ok("journey.create", Name="P", Trigger="scheduledpull", Trigger_ListID=list_id)

    assert made["Journey"]["Trigger"] == "ScheduledPull"
    assert await _parameters(api, made["JourneyID"]) == {"ListID": list_id, **DEFAULTS}


@pytest.mark.parametrize("is_text", [False, True])
async def test_keys_in_any_case_are_answered_in_their_spelling(api: Client, door: str, is_text: bool) -> None:
    list_id = await a_list(api)
    given: Any = {
        "intervalvalue": "2",
        "INTERVALUNIT": "Hours",
        "subscribercountmode": "RANDOM",
        "SubscriberCountMin": 3,
        "timeConstraintEnabled": "true",
        "AllowedDays": "Monday,sun",
        "DontSendBefore": "9:00",
        "frequencyCapEnabled": 1,
        "FrequencyCapCount": 1,
        "FrequencyCapPeriod": "7",
        "ListID": 99,
        "Unknown": "x",
    }
    if is_text:
        given = json.dumps(given)

    journey_id = await a_journey(api.at(door), Trigger="ScheduledPull", Trigger_ListID=list_id, TriggerParameters=given)

    assert await _parameters(api, journey_id) == {
        **DEFAULTS,
        "ListID": list_id,
        "IntervalValue": 2,
        "IntervalUnit": "hours",
        "SubscriberCountMode": "random",
        "SubscriberCountMin": 3,
        "SubscriberCountMax": 3,
        "TimeConstraintEnabled": True,
        "AllowedDays": ["mon", "sun"],
        "DontSendBefore": "09:00",
        "FrequencyCapEnabled": True,
        "FrequencyCapCount": 1,
        "FrequencyCapPeriod": 7,
    }


@pytest.mark.parametrize("list_id", [None, "", 0, "0", "abc", -1, 1.5, [1, 2]])
@pytest.mark.parametrize("command", ["journey.create", "journey.update"])
async def test_its_list_is_one_list(api: Client, command: str, list_id: Any, door: str) -> None:
    more = {"Name": "P"} if command == "journey.create" else {"JourneyID": await a_journey(api)}

    await assert_refused(api.at(door), command, [20], Trigger="ScheduledPull", Trigger_ListID=list_id, **more)


@pytest.mark.parametrize("command", ["journey.create", "journey.update"])
async def test_a_list_that_is_not_there_or_a_strangers_is_21(api: Client, make: Maker, command: str, door: str) -> None:
    more = {"Name": "P"} if command == "journey.create" else {"JourneyID": await a_journey(api)}

    for list_id in (UNKNOWN, await a_list(await make.client())):
        await assert_refused(api.at(door), command, [21], Trigger="ScheduledPull", Trigger_ListID=list_id, **more)


BAD = [
    {"IntervalValue": -1},
    {"IntervalValue": 10**9},
    {"IntervalUnit": "weeks"},
    {"SubscriberCountMode": "some"},
    {"SubscriberCountFixed": 1_000_000},
    {"SubscriberCountMin": "few"},
    {"SubscriberCountMax": []},
    {"TimeConstraintEnabled": "maybe"},
    {"AllowedDays": ["mon", "holidays"]},
    {"DontSendBefore": "25:00"},
    {"DontSendAfter": "noon"},
    {"FrequencyCapEnabled": 7},
    {"FrequencyCapCount": 1.5},
    {"FrequencyCapPeriod": "soon"},
    {"FrequencyCapUnit": {}},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: next(iter(bad)))
async def test_a_key_that_cannot_be_read_is_named(api: Client, bad: dict[str, Any], door: str) -> None:
    list_id = await a_list(api)
    pull = {"Trigger": "ScheduledPull", "Trigger_ListID": list_id, "TriggerParameters": bad}

    await assert_unreadable(api.at(door), "journey.create", next(iter(bad)), Name="P", **pull)
    await assert_unreadable(api.at(door), "journey.update", next(iter(bad)), JourneyID=await a_journey(api), **pull)
    await assert_unreadable(
        api.at(door), "journey.create", "TriggerParameters", Name="P", **{**pull, "TriggerParameters": "no object"}
    )


async def test_an_update_keeps_what_it_does_not_say(api: Client, door: str) -> None:
    first, second = await a_list(api), await a_list(api)
    journey_id = await a_journey(
        api, Trigger="ScheduledPull", Trigger_ListID=first, TriggerParameters={"IntervalValue": 5}
    )

    await api.at(door).ok("journey.update", JourneyID=journey_id, TriggerParameters={"SubscriberCountFixed": 7})
    assert await _parameters(api, journey_id) == {
        **DEFAULTS, "ListID": first, "IntervalValue": 5, "SubscriberCountFixed": 7
    }  # fmt: skip
    await api.at(door).ok("journey.update", JourneyID=journey_id, Trigger_ListID=second)
    assert (await _parameters(api, journey_id))["ListID"] == second
    await api.at(door).ok("journey.update", JourneyID=journey_id, Trigger="Manual")
    assert (await api.ok("journey.get", JourneyID=journey_id))["TriggerParameters"] == []


async def test_other_triggers_do_not_read_the_schedule(api: Client, door: str) -> None:
    journey_id = await a_journey(api.at(door), TriggerParameters="no object")

    assert (await api.ok("journey.get", JourneyID=journey_id))["TriggerParameters"] == []


async def test_a_clone_pulls_from_the_same_list_once_it_is_enabled(api: Client) -> None:
    list_id = await a_list(api)
    journey_id = await a_journey(api, Trigger="ScheduledPull", Trigger_ListID=list_id)

    copy = await api.ok("journey.clone", JourneyID=journey_id, NewJourneyName="Copy")

    assert copy["Journey"]["TriggerParameters"]["ListID"] == list_id


async def test_what_will_never_pull_is_told_when_it_is_enabled(api: Client) -> None:
    journey_id = await a_journey(
        api,
        Trigger="ScheduledPull",
        Trigger_ListID=await a_list(api),
        TriggerParameters={
            "TimeConstraintEnabled": True,
            "SubscriberCountFixed": 0,
            "FrequencyCapEnabled": True,
            "FrequencyCapCount": 3,
        },
    )
    await actions_of(api, journey_id, {"Action": "Wait", "Published": True})

    answer = await api.ok("journey.enable", JourneyID=journey_id)

    assert [each["Message"] for each in answer["Warnings"]] == [
        "no day is allowed: nobody is ever pulled",
        "a pull takes nobody",
        "the frequency cap has no count or no period, and keeps nobody out",
    ]
