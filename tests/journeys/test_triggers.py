"""Which parameters each trigger keeps, and what an update does to them."""

import json
from typing import Any

import pytest

from tests.conftest import Client
from tests.journeys.records import a_field, a_journey, a_list, a_tag, an_email


async def parameters_of(api: Client, journey_id: int) -> Any:
    return (await api.ok("journey.get", JourneyID=journey_id))["TriggerParameters"]


async def test_each_trigger_answers_the_parameters_it_was_given(api: Client, door: str) -> None:
    api = api.at(door)
    list_id, email_id = await a_list(api), await an_email(api)
    tag_id, field_id, completed = await a_tag(api), await a_field(api, list_id), await a_journey(api)
    criteria = [{"Property": "url", "Operator": "contains", "Value": "/pricing"}]
    cases: list[tuple[dict[str, Any], Any]] = [
        ({"Trigger": "Manual", "Trigger_ListID": "ignored"}, []),
        ({"Trigger": "ListSubscription", "Trigger_ListID": list_id}, {"ListID": list_id}),
        ({"Trigger": "ListUnsubscription", "Trigger_ListID": 0}, {"ListID": 0}),
        ({"Trigger": "EmailOpen", "Trigger_EmailID": email_id}, {"EmailID": email_id}),
        ({"Trigger": "EmailConversion", "Trigger_EmailID": "0"}, {"EmailID": 0}),
        ({"Trigger": "EmailLinkClick", "Trigger_EmailID": email_id}, {"EmailID": email_id}),
        ({"Trigger": "Tag", "Trigger_Value": tag_id}, {"Value": tag_id}),
        ({"Trigger": "UnTag", "Trigger_Value": str(tag_id)}, {"Value": tag_id}),
        ({"Trigger": "CustomFieldValueChanged"}, []),
        ({"Trigger": "CustomFieldValueChanged", "Trigger_Value": "0"}, []),
        (
            {"Trigger": "CustomFieldValueChanged", "Trigger_ListID": list_id, "Trigger_Value": field_id},
            {"ListID": list_id, "Value": field_id},
        ),
        ({"Trigger": "RevenueHit", "Trigger_Value": 20.01}, {"Value": "20.01"}),
        ({"Trigger": "RevenueHit", "Trigger_Value": "200.50"}, {"Value": "200.50"}),
        ({"Trigger": "JourneyCompleted", "Trigger_Value": completed}, {"Value": completed}),
        ({"Trigger": "WebsiteEvent_pageView", "Trigger_Criteria": criteria}, {"Criteria": criteria}),
        ({"Trigger": "websiteevent_IDENTIFY"}, []),
        ({"Trigger": "WebsiteEvent_customEvent", "Trigger_ListID": list_id}, {"ListID": list_id}),
        ({"Trigger": "WebsiteEvent_conversion", "Trigger_Criteria": "[]"}, []),
    ]

    for sent, expected in cases:
        journey_id = await a_journey(api, **sent)

        assert await parameters_of(api, journey_id) == expected, sent


@pytest.mark.parametrize("several", ["array", "array with gaps", "comma list"])
async def test_a_list_trigger_takes_several_lists(several: str, api: Client) -> None:
    first, second = await a_list(api), await a_list(api)
    ways: dict[str, Any] = {
        "array": [first, second],
        "array with gaps": {"0": first, "2": str(second)},
        "comma list": f"{first}, {second}",
    }
    given = ways[several]

    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=given)

    assert await parameters_of(api, journey_id) == {"ListIDs": [first, second]}


async def test_triggers_are_named_in_any_case_and_kept_canonical(api: Client) -> None:
    created = await api.ok("journey.create", Name="A", Trigger="LISTSUBSCRIPTION", Trigger_ListID=0)

    assert created["Journey"]["Trigger"] == "ListSubscription"


@pytest.mark.parametrize("empty", [None, "", [], {}, "[]", "{}", " { } "])
async def test_no_criteria_may_be_written_in_many_ways(empty: object, api: Client) -> None:
    journey_id = await a_journey(api, Run_Criteria=empty, Trigger_Criteria=empty)

    assert (await api.ok("journey.get", JourneyID=journey_id))["Run_Criteria"] == []


RULE = {"type": "suppressions", "operator": "exist"}
NO_LISTS_OF_RULES: list[Any] = [
    "[[", "everybody", 7, [7], {"type": "tags"}, ["tags"], "null", '"[]"', '"{}"', [["x"]], [[]], [[[]]],
    [[RULE, None]], [[[[[RULE]]]]], [RULE] * 251, [[RULE] * 251],
]  # fmt: skip


@pytest.mark.parametrize("name", ["Run_Criteria", "Trigger_Criteria"])
@pytest.mark.parametrize("typo", NO_LISTS_OF_RULES)
async def test_a_typo_in_criteria_does_not_become_everybody(name: str, typo: object, door: str, api: Client) -> None:
    journey_id = await a_journey(api)
    before = await api.ok("journey.get", JourneyID=journey_id)

    for command, given in (("journey.create", {"Name": "A"}), ("journey.update", {"JourneyID": journey_id})):
        response = await api.at(door).call(command, **given, Trigger="Manual", **{name: typo})

        assert response.status_code == 400
        assert response.json()["ErrorCode"] == 100000
        assert name in response.json()["ErrorText"]
    assert await api.ok("journey.get", JourneyID=journey_id) == before


@pytest.mark.parametrize("odd", [{}, {"operator": "exist"}, {"type": "moon-phase"}, {"type": "tags", "operator": "?"}])
async def test_an_odd_rule_is_kept_as_it_is(odd: dict[str, str], door: str, api: Client) -> None:
    journey_id = await a_journey(api.at(door), Run_Criteria=json.dumps([odd, [odd]]), Trigger_Criteria=[odd])

    assert (await api.ok("journey.get", JourneyID=journey_id))["Run_Criteria"] == [odd, [odd]]


async def test_a_new_trigger_discards_the_old_ones_parameters(api: Client) -> None:
    list_id, tag_id = await a_list(api), await a_tag(api)
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=list_id)

    await api.ok("journey.update", JourneyID=journey_id, Trigger="Tag", Trigger_Value=tag_id)

    assert await parameters_of(api, journey_id) == {"Value": tag_id}


async def test_the_same_trigger_keeps_what_is_not_sent(api: Client) -> None:
    list_id = await a_list(api)
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=list_id)

    await api.ok("journey.update", JourneyID=journey_id, Trigger="ListSubscription", Name="New")

    assert await parameters_of(api, journey_id) == {"ListID": list_id}


async def test_parameters_without_a_trigger_are_judged_against_the_stored_one(api: Client) -> None:
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=0)
    list_id = await a_list(api)

    await api.ok("journey.update", JourneyID=journey_id, Trigger_ListID=list_id)

    assert await parameters_of(api, journey_id) == {"ListID": list_id}
    assert await api.codes("journey.update", JourneyID=journey_id, Trigger_ListID="x") == [5]


@pytest.mark.parametrize("more", [{}, {"Trigger": "CustomFieldValueChanged"}])
async def test_an_update_goes_back_to_any_field_by_0(more: dict[str, str], api: Client) -> None:
    list_id = await a_list(api)
    given = {"Trigger": "CustomFieldValueChanged", "Trigger_ListID": list_id}
    journey_id = await a_journey(api, **given, Trigger_Value=await a_field(api, list_id))

    await api.ok("journey.update", JourneyID=journey_id, Trigger_Value=0, **more)

    assert await parameters_of(api, journey_id) == {"ListID": list_id}


async def test_a_tag_that_is_missing_or_malformed_is_11_on_update(api: Client) -> None:
    journey_id = await a_journey(api)

    assert await api.codes("journey.update", JourneyID=journey_id, Trigger="Tag") == [11]
    assert await api.codes("journey.update", JourneyID=journey_id, Trigger="Tag", Trigger_Value="x") == [11]


@pytest.mark.parametrize("none", [[], {}, "[]", "{}"])
async def test_an_update_clears_notes_criteria_and_caps(none: object, api: Client) -> None:
    event = {"Property": "url", "Operator": "is set"}
    given = {"Trigger": "WebsiteEvent_pageView", "Trigger_Criteria": [event], "Notes": "Old"}
    journey_id = await a_journey(api, Run_Criteria=[[RULE]], Rate_Limit_Per_Hour=5, Rate_Limit_Per_Day=7, **given)

    await api.ok("journey.update", JourneyID=journey_id, Rate_Limit_Per_Hour=0, Rate_Limit_Per_Day="0", Notes="")
    await api.ok("journey.update", JourneyID=journey_id, Run_Criteria=none, Trigger_Criteria=none)

    found = await api.ok("journey.get", JourneyID=journey_id)
    assert (found["Rate_Limit_Per_Hour"], found["Rate_Limit_Per_Day"], found["Notes"]) == (0, 0, "")
    assert (found["Run_Criteria"], found["TriggerParameters"]) == ([], [])


@pytest.mark.parametrize("empty", [None, ""])
async def test_what_is_empty_on_an_update_stays_but_notes(empty: object, door: str, api: Client) -> None:
    event = {"Property": "url", "Operator": "is set"}
    given = {"Trigger": "WebsiteEvent_pageView", "Trigger_Criteria": [event], "Run_Criteria_Operator": "or"}
    journey_id = await a_journey(api, Run_Criteria=[[RULE]], Rate_Limit_Per_Hour=5, Rate_Limit_Per_Day=7, **given)
    before = await api.ok("journey.get", JourneyID=journey_id)

    await api.at(door).ok(
        "journey.update",
        JourneyID=journey_id,
        **dict.fromkeys((*given, "Name", "Run_Criteria", "Rate_Limit_Per_Hour", "Rate_Limit_Per_Day"), empty),
    )

    after = await api.ok("journey.get", JourneyID=journey_id)
    assert {**after, "UpdatedAt": ""} == {**before, "UpdatedAt": ""}


async def test_what_an_update_does_not_name_stays(api: Client) -> None:
    rule = [[{"type": "suppressions", "operator": "exist"}]]
    journey_id = await a_journey(api, Notes="Old", Run_Criteria=rule, Run_Criteria_Operator="OR", Rate_Limit_Per_Day=7)
    before = await api.ok("journey.get", JourneyID=journey_id)

    await api.ok("journey.update", JourneyID=journey_id, Name=None)

    after = await api.ok("journey.get", JourneyID=journey_id)
    assert {**after, "UpdatedAt": ""} == {**before, "UpdatedAt": ""}
    assert after["Run_Criteria_Operator"] == "or"


@pytest.mark.parametrize("amount", ["-1", "1e3", "20.001", "1,5", True, "１"])
async def test_an_amount_is_a_decimal_of_whole_cents(amount: object, api: Client) -> None:
    assert await api.codes("journey.create", Name="A", Trigger="RevenueHit", Trigger_Value=amount) == [14]
