"""What the vendor's newer releases refuse of a saved tree: a warning here, and a code for who asks to be strict."""

from typing import Any

import pytest

from tests.accounts.answers import assert_refused
from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_field, a_journey, a_list, a_tag, actions_of, an_email


def named_field(field_id: int) -> list[Any]:
    """Criteria that name a custom field."""
    return [[{"type": "fields", "field_id": f"CustomField{field_id}", "operator": "is", "value": "x"}]]


CASES = [
    (7, "From.Email", {"Action": "SendEmail", "From": {"Name": "Support"}}),
    (8, "From.Email", {"Action": "SendEmail", "From": {"Name": "S", "Email": "sup port@example.com"}}),
    (9, "From.Email", {"Action": "SendEmail", "From": {"Name": "S", "Email": "support@"}}),
    (9, "From.Email", {"Action": "SendEmail", "From": {"Name": "S", "Email": "support"}}),
    (12, "EmailID", {"Action": "SendEmail", "EmailID": UNKNOWN}),
    (13, "SenderDomainID", {"Action": "SendEmail", "SenderDomainID": UNKNOWN}),
    (14, "TargetListID", {"Action": "Subscribe", "TargetListID": UNKNOWN}),
    (14, "TargetListID", {"Action": "Unsubscribe", "TargetListID": UNKNOWN}),
    (15, "TargetTagID", {"Action": "AddTag", "TargetTagID": UNKNOWN}),
    (15, "TargetTagID", {"Action": "RemoveTag", "TargetTagID": UNKNOWN}),
    (16, "TargetJourneyID", {"Action": "StartJourney", "TargetJourneyID": UNKNOWN}),
    (16, "TargetJourneyID", {"Action": "ExitJourney", "TargetJourneyID": [UNKNOWN]}),
    (17, "TargetCustomFieldID", {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": UNKNOWN}),
    (18, "WebhookURL", {"Action": "Webhook", "WebhookURL": "ftp://example.com/"}),
    (18, "WebhookURL", {"Action": "Webhook", "WebhookURL": "http://127.0.0.1/"}),
    (18, "WebhookURL", {"Action": "Webhook", "WebhookURL": "https://printer.local/"}),
]


@pytest.mark.parametrize(("code", "parameter", "action"), CASES)
async def test_it_is_kept_with_a_warning_and_refused_where_strict(
    api: Client, code: int, parameter: str, action: dict[str, Any], door: str
) -> None:
    journey_id = await a_journey(api)
    (kept,) = await actions_of(api, journey_id, {"Action": "Wait"})

    body = await assert_refused(
        api.at(door),
        "journey.actions.update",
        [code],
        JourneyID=journey_id,
        Actions=[{"Action": "Debug"}, action],
        Strict="true",
    )
    assert (await api.ok("journey.get", JourneyID=journey_id))["Actions"] == [kept], "a refused call changes nothing"
    answer = await api.at(door).ok(
        "journey.actions.update", JourneyID=journey_id, Actions=[{"Action": "Debug"}, action]
    )

    place = f"Actions[1].{parameter}"
    (warning,) = answer["Warnings"]
    assert warning["Code"] == code
    assert warning["ActionID"] == answer["Actions"][1]["ActionID"]
    assert warning["Message"] == body["Errors"][0]["Message"]
    assert warning["Message"].endswith(f": {place}")


async def test_every_problem_is_told_in_the_order_of_the_actions(api: Client, door: str) -> None:
    journey_id = await a_journey(api)
    actions = [
        {"Action": "Decision", "Actions": {"False": [{"Action": "AddTag", "TargetTagID": UNKNOWN}]}},
        {"Action": "SendEmail", "EmailID": UNKNOWN, "From": {"Name": "x"}},
        {"Action": "RemoveTag", "TargetTagID": UNKNOWN},
    ]

    answer = await api.at(door).ok("journey.actions.update", JourneyID=journey_id, Actions=actions)

    assert [(each["Code"], each["Message"].rpartition(": ")[2]) for each in answer["Warnings"]] == [
        (15, "Actions[0].Actions.False[0].TargetTagID"),
        (7, "Actions[1].From.Email"),
        (12, "Actions[1].EmailID"),
        (15, "Actions[2].TargetTagID"),
    ]
    codes = await api.at(door).codes("journey.actions.update", JourneyID=journey_id, Actions=actions, Strict=1)
    assert codes == [7, 12, 15, 15], "one entry for each problem, ascending"


async def test_what_will_do_and_what_is_not_chosen_yet_warns_of_nothing(api: Client, door: str) -> None:
    list_id = await a_list(api)
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=list_id)
    actions: list[dict[str, Any]] = [
        {"Action": "SendEmail", "EmailID": await an_email(api), "From": {"Name": "S", "Email": "s@example.com"}},
        {"Action": "SendEmail", "EmailID": 0, "SenderDomainID": "", "From": {"Name": "", "Email": ""}},
        {"Action": "SendEmail", "From": {"Name": "S", "Email": "{{ Subscriber:EmailAddress }}"}},
        {"Action": "Subscribe", "TargetListID": list_id},
        {"Action": "AddTag", "TargetTagID": await a_tag(api, list_id)},
        {"Action": "StartJourney", "TargetJourneyID": journey_id},
        {"Action": "ExitJourney"},
        {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": await a_field(api, list_id)},
        {"Action": "Decision", "Criteria": named_field(await a_field(api, list_id))},
        {"Action": "Webhook", "WebhookURL": "http://example.com/x"},
        {"Action": "Webhook", "WebhookURL": "https://example.com/{{ Subscriber:EmailAddress }}"},
        {"Action": "Webhook"},
    ]

    answer = await api.at(door).ok("journey.actions.update", JourneyID=journey_id, Actions=actions, Strict=True)

    assert "Warnings" not in answer


async def test_a_strangers_record_is_as_good_as_none(api: Client, make: Maker) -> None:
    stranger = await make.client()
    journey_id = await a_journey(api)
    actions = [
        {"Action": "SendEmail", "EmailID": await an_email(stranger)},
        {"Action": "Subscribe", "TargetListID": await a_list(stranger)},
        {"Action": "AddTag", "TargetTagID": await a_tag(stranger)},
        {"Action": "StartJourney", "TargetJourneyID": await a_journey(stranger)},
        {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": await a_field(stranger)},
        {"Action": "Decision", "Criteria": named_field(await a_field(stranger))},
    ]

    codes = await api.codes("journey.actions.update", JourneyID=journey_id, Actions=actions, Strict=True)

    assert codes == [11, 12, 14, 15, 16, 17]


async def test_a_decision_may_name_fields_of_the_triggers_list_and_of_the_account(api: Client, door: str) -> None:
    own, other = await a_list(api), await a_list(api)
    of_own, of_other = await a_field(api, own), await a_field(api, other)
    made = await api.ok(
        "customfield.create", SubscriberListID=own, FieldName="Land", FieldType="Single line", IsGlobal="Yes"
    )
    of_account = int(made["CustomFieldID"])
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=own)

    answers = {}
    for name, field_id in {"own": of_own, "other": of_other, "account": of_account, "none": UNKNOWN}.items():
        answer = await api.at(door).ok(
            "journey.actions.update",
            JourneyID=journey_id,
            Actions=[{"Action": "Decision", "Criteria": named_field(field_id)}],
        )
        answers[name] = [each["Code"] for each in answer.get("Warnings", [])]

    assert answers == {"own": [], "other": [10], "account": [], "none": [11]}


async def test_a_trigger_of_another_list_leaves_decisions_behind(api: Client, door: str) -> None:
    first, second = await a_list(api), await a_list(api)
    field_id = await a_field(api, first)
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=first)
    (decision,) = await actions_of(api, journey_id, {"Action": "Decision", "Criteria": named_field(field_id)})

    codes = await api.at(door).codes("journey.update", JourneyID=journey_id, Trigger_ListID=second, Strict=True)
    kept = await api.ok("journey.get", JourneyID=journey_id)
    answer = await api.at(door).ok("journey.update", JourneyID=journey_id, Trigger_ListID=second)
    again = await api.at(door).ok("journey.update", JourneyID=journey_id, Trigger_ListID=second, Name="New")

    assert (codes, kept["TriggerParameters"]) == ([23], {"ListID": first})
    assert answer["Warnings"] == [
        {
            "Code": 1,
            "Type": "DecisionFieldNotOnTriggerList",
            "ActionID": decision["ActionID"],
            "Message": "A Decision names fields that are not on the trigger's list",
            "Fields": [
                {"FieldID": field_id, "FieldName": "City", "FieldListID": first, "Reason": "foreign_list"},
            ],
        }
    ]
    assert "Warnings" not in again, "the list did not change"


async def test_a_field_that_is_gone_is_missing(api: Client) -> None:
    first, second = await a_list(api), await a_list(api)
    journey_id = await a_journey(api, Trigger="ListSubscription", Trigger_ListID=first)
    await actions_of(api, journey_id, {"Action": "Decision", "Criteria": named_field(UNKNOWN)})

    answer = await api.ok("journey.update", JourneyID=journey_id, Trigger_ListID=second)

    assert answer["Warnings"][0]["Fields"] == [
        {"FieldID": UNKNOWN, "FieldName": "", "FieldListID": 0, "Reason": "missing"}
    ]
