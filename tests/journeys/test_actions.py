"""Saving action trees: round trips, ids, order, and what is refused."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_journey, actions_of

EVERY_ACTION: list[dict[str, Any]] = [
    {
        "Action": "Wait", "WaitUnit": "days", "WaitAmount": 3, "TimeConstraintEnabled": True,
        "DontSendBefore": "09:00", "DontSendAfter": "19:00", "AllowedDays": ["mon", "fri"],
    },
    {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": 5, "NewCustomFieldValue": "{{ Subscriber:City }}"},
    {"Action": "Unsubscribe", "TargetListID": 1},
    {"Action": "DeleteSubscriber"},
    {"Action": "ExitJourney", "TargetJourneyID": [1, 2]},
    {"Action": "ExitThisJourney"},
    {"Action": "ExitAllOtherJourneys"},
    {"Action": "ExitAllJourneys"},
    {
        "Action": "Webhook", "WebhookURL": "https://example.com/hook", "WebhookBody": {"Name": "x", "name": "y"},
        "WebhookHeaders": {"X-Token": "t"},
        "WebhookSecurity": {"Method": "HMAC", "HeaderName": "X-Signature"},
    },
    {"Action": "StartJourney", "TargetJourneyID": 7},
    {"Action": "Subscribe", "TargetListID": 1},
    {"Action": "AddTag", "TargetTagID": 1},
    {"Action": "RemoveTag", "TargetTagID": 1},
    {"Action": "YesNo", "CriteriaLeft": "Opens", "CriteriaOperator": "At least", "CriteriaRight": ["c1", "a2"],
     "CriteriaOption": "any"},
    {"Action": "Decision", "CriteriaOperator": "or", "Criteria": [[{"type": "tags", "operator": "has no tags"}]]},
    {
        "Action": "SendEmail", "EmailID": 123, "SenderDomainID": 4, "From": {"Name": "S", "Email": "s@example.com"},
        "ReplyTo": {"Name": "R", "Email": "r@example.com"}, "CC": [{"Name": "C", "Email": "c@example.com"}],
        "BCC": [],
    },
    {
        "Action": "SendSMS", "message": "Hi", "gateway_id": 2, "sender_id": "ACME", "skip_if_no_phone": True,
        "max_retry_attempts": 3, "priority": "high", "delivery_window_enabled": True,
        "delivery_window": {"timezone": "UTC", "start_time": "09:00", "end_time": "18:00", "days": ["mon"]},
        "include_link": True, "link_url": "https://example.com", "link_expiry_hours": 72,
        "link_utm_source": "a", "link_utm_medium": "b", "link_utm_campaign": "c",
    },
    {"Action": "Debug", "SleepSeconds": 1, "DebugMessage": "here"},
]  # fmt: skip
NO_CRITERIA: tuple[object, ...] = (
    "[[",
    7,
    {"type": "tags"},
    [["x"]],
    [[]],
    [[[[[{"type": "tags"}]]]]],
    [{"type": "tags"}] * 251,
)


def parameters(action: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in action.items() if name != "Action"}


async def test_every_action_type_keeps_its_parameters(api: Client) -> None:
    saved = await actions_of(api, await a_journey(api), *EVERY_ACTION)

    assert len(saved) == 18
    for sent, answered in zip(EVERY_ACTION, saved, strict=True):
        assert answered["Action"] == sent["Action"]
        assert answered["ActionParameters"] == parameters(sent)


async def test_names_are_read_in_any_case_and_answered_canonical(api: Client) -> None:
    saved = await actions_of(
        api,
        await a_journey(api),
        {"ACTION": "sendemail", "emailid": "123", "from": {"name": "S", "EMAIL": "s@example.com"}},
    )

    assert saved[0]["Action"] == "SendEmail"
    assert saved[0]["ActionParameters"] == {"EmailID": 123, "From": {"Name": "S", "Email": "s@example.com"}}


async def test_days_may_be_an_array_with_gaps(api: Client) -> None:
    saved = await actions_of(api, await a_journey(api), {"Action": "Wait", "AllowedDays": {"0": "Fri", "2": "mon"}})

    assert saved[0]["ActionParameters"] == {"AllowedDays": ["mon", "fri"]}


async def test_what_get_answers_may_be_sent_back(api: Client) -> None:
    journey_id = await a_journey(api)
    await actions_of(
        api,
        journey_id,
        *EVERY_ACTION,
        {"Action": "Decision", "Published": True, "Actions": {"True": EVERY_ACTION[:2], "False": EVERY_ACTION[2:4]}},
    )
    before = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]

    saved = await actions_of(api, journey_id, *before)

    numbers = ("DailyStats", "Revenue", "DaysRevenue")  # of a window, which only journey.get has
    assert [_without(numbers, action) for action in saved] == [_without(numbers, action) for action in before]
    assert (await api.ok("journey.get", JourneyID=journey_id))["Actions"] == before


def _without(names: Sequence[str], action: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in action.items() if name not in names}
    if "Actions" in action:
        kept["Actions"] = {side: [_without(names, each) for each in of] for side, of in action["Actions"].items()}
    return kept


@pytest.mark.parametrize("value", [None, "", 0])
async def test_what_is_not_chosen_yet_is_answered_as_given(value: object, api: Client) -> None:
    saved = await actions_of(api, await a_journey(api), {"Action": "SendEmail", "EmailID": value, "From": value or ""})

    assert saved[0]["ActionParameters"]["EmailID"] == value


async def test_flat_parameters_win_over_nested_ones(api: Client) -> None:
    saved = await actions_of(
        api, await a_journey(api), {"Action": "AddTag", "TargetTagID": 2, "ActionParameters": {"targettagid": 1}}
    )

    assert saved[0]["ActionParameters"] == {"TargetTagID": 2}


DEBUG = {"Action": "Debug"}


@pytest.mark.parametrize("flat", [{}, {"Actions": None}, {"Actions": ""}])
async def test_branches_may_stand_under_the_parameters(flat: dict[str, Any], api: Client, door: str) -> None:
    inner = {"Action": "YesNo", "ActionParameters": json.dumps({"CriteriaLeft": "Opens", "actions": {"no": [DEBUG]}})}
    outer = {"Criteria": [], "Actions": {"True": [inner], "False": []}}

    saved = await actions_of(
        api.at(door), await a_journey(api), {"Action": "Decision", "ActionParameters": outer, **flat}
    )

    (action,) = saved
    assert action["ActionParameters"] == {"Criteria": []}
    assert [each["Action"] for each in action["Actions"]["True"][0]["Actions"]["No"]] == ["Debug"]


async def test_flat_branches_win_over_nested_ones(api: Client) -> None:
    nested = {"Actions": {"True": [DEBUG]}}

    saved = await actions_of(
        api,
        await a_journey(api),
        {"Action": "Decision", "Actions": {"True": [], "False": [DEBUG]}, "ActionParameters": nested},
    )

    assert [(side, len(actions)) for side, actions in saved[0]["Actions"].items()] == [("True", 0), ("False", 1)]


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ({"Action": "Wait", "WaitAmount": "abc"}, "Actions[1].WaitAmount"),
        ({"Action": "Wait", "WaitUnit": "years"}, "Actions[1].WaitUnit"),
        ({"Action": "Wait", "AllowedDays": "mon,someday"}, "Actions[1].AllowedDays"),
        ({"Action": "SendEmail", "From": {"Email": ["a"]}}, "Actions[1].From.Email"),
        ({"Action": "SendEmail", "CC": [{"Email": {"a": 1}}]}, "Actions[1].CC.0.Email"),
        ({"Action": "SendEmail", "EmailID": "-1"}, "Actions[1].EmailID"),
        ({"Action": "Webhook", "WebhookBody": "no json"}, "Actions[1].WebhookBody"),
        ({"Action": "Webhook", "WebhookBody": '{"a":"\\u0000"}'}, "Actions[1].WebhookBody"),
        ({"Action": "Webhook", "WebhookHeaders": '{"\\u0000":"b"}'}, "Actions[1].WebhookHeaders"),
        ({"Action": "Decision", "Actions": {"Maybe": [{"Action": "Debug"}]}}, "Actions[1].Actions.Maybe"),
        ({"Action": "Debug", "Actions": {"True": [{"Action": "Debug"}]}}, "Actions[1].Actions.True"),
        (
            {"Action": "Debug", "ActionParameters": {"Actions": {"True": [{"Action": "Debug"}]}}},
            "Actions[1].ActionParameters.Actions.True",
        ),
        (
            {"Action": "Decision", "ActionParameters": {"Actions": {"True": [7]}}},
            "Actions[1].ActionParameters.Actions.True[0]",
        ),
        ({"Action": "Decision", "ActionParameters": {"Actions": "x"}}, "Actions[1].ActionParameters.Actions"),
        *(({"Action": "Decision", "Criteria": typo}, "Actions[1].Criteria") for typo in NO_CRITERIA),
        ({"Action": "Debug", "ActionID": "abc"}, "Actions[1].ActionID"),
        ({"Action": "Debug", "ActionID": UNKNOWN}, "Actions[1].ActionID"),
        ("no object", "Actions[1]"),
        ({"Action": "Webhook", "WebhookSecurity": {"SecretKey": "********"}}, "Actions[1].WebhookSecurity.SecretKey"),
    ],
)
async def test_an_unreadable_value_is_refused_naming_its_place(action: Any, place: str, api: Client) -> None:
    journey_id = await a_journey(api)
    await actions_of(api, journey_id, {"Action": "Debug"})
    before = await api.ok("journey.get", JourneyID=journey_id)

    response = await api.call("journey.actions.update", JourneyID=journey_id, Actions=[{"Action": "Debug"}, action])

    assert response.status_code == 422
    assert response.json()["Errors"] == [{"Code": 6, "Message": f"Invalid action type or Journey not found: {place}"}]
    assert await api.ok("journey.get", JourneyID=journey_id) == before


@pytest.mark.parametrize("name", ["WebhookBody", "WebhookHeaders"])
async def test_a_free_form_map_keeps_its_spelling_as_json_text_too(name: str, api: Client, door: str) -> None:
    saved = await actions_of(
        api.at(door), await a_journey(api), {"Action": "Webhook", name: '{"id":"1","ID":"2","in":{"a":3,"A":4}}'}
    )

    assert saved[0]["ActionParameters"][name] == {"id": "1", "ID": "2", "in": {"a": 3, "A": 4}}


async def test_an_action_that_comes_with_its_id_is_updated_in_place(api: Client) -> None:
    journey_id = await a_journey(api)
    first, second = await actions_of(
        api, journey_id, {"Action": "Debug", "Notes": "a", "Published": True}, {"Action": "Debug"}
    )

    saved = await actions_of(
        api, journey_id, {"Action": "Debug"}, {"Action": "Debug", "ActionID": first["ActionID"], "SleepSeconds": 2}
    )

    assert saved[1]["ActionID"] == first["ActionID"]
    assert (saved[1]["Notes"], saved[1]["Published"]) == ("a", True)
    assert saved[1]["ActionParameters"] == {"SleepSeconds": 2}
    assert second["ActionID"] not in {action["ActionID"] for action in saved}


async def test_an_action_of_another_journey_or_account_cannot_be_taken_over(api: Client, make: Maker) -> None:
    other = await make.client()
    foreign = (await actions_of(other, await a_journey(other), {"Action": "Debug"}))[0]["ActionID"]
    own = (await actions_of(api, await a_journey(api), {"Action": "Debug"}))[0]["ActionID"]
    journey_id = await a_journey(api)

    for action_id in (foreign, own):
        codes = await api.codes(
            "journey.actions.update", JourneyID=journey_id, Actions=[{"Action": "Debug", "ActionID": action_id}]
        )
        assert codes == [6]


async def test_an_id_may_not_stand_twice_in_a_tree(api: Client) -> None:
    journey_id = await a_journey(api)
    action = (await actions_of(api, journey_id, {"Action": "Debug"}))[0]

    assert await api.codes("journey.actions.update", JourneyID=journey_id, Actions=[action, action]) == [6]


async def test_order_numbers_run_through_the_whole_tree(api: Client) -> None:
    saved = await actions_of(
        api,
        await a_journey(api),
        {"Action": "YesNo", "Actions": {"Yes": [{"Action": "Debug"}], "No": [{"Action": "Debug"}]}},
        {"Action": "Debug"},
    )

    assert saved[0]["Actions"]["Yes"][0]["OrderNo"] == 2
    assert saved[0]["Actions"]["No"][0]["OrderNo"] == 3
    assert [action["OrderNo"] for action in saved] == [1, 4]


async def test_a_webhooks_secret_is_never_answered_and_survives_its_mask(api: Client) -> None:
    journey_id = await a_journey(api)
    webhook = {"Action": "Webhook", "WebhookSecurity": {"Method": "HMAC", "SecretKey": "s3cret"}}
    saved = await actions_of(api, journey_id, webhook)
    assert saved[0]["ActionParameters"]["WebhookSecurity"]["SecretKey"] == "********"

    again = await actions_of(api, journey_id, saved[0])

    assert again == saved
    assert "s3cret" not in json.dumps(await api.ok("journey.clone", JourneyID=journey_id, NewJourneyName="C"))


async def test_an_empty_array_empties_the_journey(api: Client) -> None:
    journey_id = await a_journey(api)
    await actions_of(api, journey_id, {"Action": "Debug"})

    assert await actions_of(api, journey_id) == []


async def test_publishing_answers_the_touched_actions_in_the_order_asked(api: Client, door: str) -> None:
    api = api.at(door)
    journey_id = await a_journey(api)
    ids = [action["ActionID"] for action in await actions_of(api, journey_id, *[{"Action": "Debug"}] * 3)]

    answered = await api.ok(
        "journey.actions.published",
        JourneyID=journey_id,
        Actions=[{"actionid": ids[2], "published": "true"}, {"ActionID": int(ids[0]), "Published": "nonsense"}],
    )

    assert answered["Actions"] == [
        {"ActionID": ids[2], "Published": "true"},
        {"ActionID": ids[0], "Published": "false"},
    ]
    tree = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]
    assert [action["Published"] for action in tree] == [False, False, True]


async def test_publishing_is_all_or_nothing(api: Client) -> None:
    journey_id = await a_journey(api)
    action = (await actions_of(api, journey_id, {"Action": "Debug"}))[0]
    asked = [{"ActionID": action["ActionID"], "Published": "true"}, {"ActionID": UNKNOWN, "Published": "true"}]

    assert await api.codes("journey.actions.published", JourneyID=journey_id, Actions=asked) == [6]
    assert (await api.ok("journey.get", JourneyID=journey_id))["Actions"] == [action]


async def test_nul_in_an_action_makes_the_whole_array_unreadable(api: Client) -> None:
    journey_id = await a_journey(api)

    codes = await api.codes(
        "journey.actions.update", JourneyID=journey_id, Actions=[{"Action": "Debug", "DebugMessage": "a\x00b"}]
    )

    assert codes == [4]
