"""Clones, and copies into other accounts."""

import json
from typing import Any

from tests.conftest import Client, Maker
from tests.journeys.records import a_journey, a_list, actions_of, an_email

RULE = {"type": "fields", "field_id": "EmailAddress", "operator": "contains", "value": "@"}


def without_ids(tree: Any) -> Any:
    """The tree with its ids blanked."""
    if isinstance(tree, dict):
        return {name: "" if name == "ActionID" else without_ids(value) for name, value in tree.items()}
    return [without_ids(item) for item in tree] if isinstance(tree, list) else tree


def ids_in(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        own = {tree["ActionID"]} if "ActionID" in tree else set()
        return own.union(*(ids_in(value) for value in tree.values()))
    return set().union(*(ids_in(item) for item in tree)) if isinstance(tree, list) else set()


async def test_a_clone_has_the_whole_tree_under_new_ids(api: Client, door: str) -> None:
    api = api.at(door)
    list_id = await a_list(api)
    journey_id = await a_journey(
        api, Trigger="ListSubscription", Trigger_ListID=list_id, Run_Criteria=[[RULE]], Rate_Limit_Per_Day=9
    )
    inner = [{"Action": "Debug", "Published": True, "Notes": "n"}]
    source = await actions_of(
        api,
        journey_id,
        {"Action": "Decision", "Published": True, "Actions": {"True": inner, "False": []}},
        {"Action": "SendEmail", "EmailID": 5},
    )
    await api.ok("journey.enable", JourneyID=journey_id)

    clone = await api.ok("journey.clone", JourneyID=str(journey_id), NewJourneyName="Second")

    journey = clone["Journey"]
    assert (journey["JourneyName"], journey["Status"]) == ("Second", "Disabled")
    assert journey["Notes"] == "Copy of journey Welcome"
    assert journey["TriggerParameters"] == {"ListID": list_id}
    assert without_ids(clone["Actions"]) == without_ids(source)
    assert not ids_in(clone["Actions"]) & ids_in(source)
    kept = await api.ok("journey.get", JourneyID=journey["JourneyID"])
    assert (kept["Run_Criteria"], kept["Rate_Limit_Per_Day"]) == ([[RULE]], 9)


async def test_a_malformed_id_to_clone_is_not_found(api: Client) -> None:
    assert await api.codes("journey.clone", JourneyID="abc", NewJourneyName="C") == [3]


async def copied(
    api: Client, admin: Client, make: Maker, *actions: dict[str, Any], **journey: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Copy a journey of these actions to another account; the answer, and the copy as its owner gets it."""
    assert api.account
    target = await make.client()
    assert target.account
    journey_id = await a_journey(api, **journey)
    await actions_of(api, journey_id, *actions)
    answer = await admin.ok(
        "journey.copytouser",
        JourneyID=journey_id,
        SourceUserID=api.account.user_id,
        TargetUserID=target.account.user_id,
    )
    return answer, await target.ok("journey.get", JourneyID=answer["JourneyID"])


async def test_a_copy_is_disabled_manual_and_named_after_its_source(
    api: Client, admin: Client, make: Maker, door: str
) -> None:
    list_id = await a_list(api)

    answer, copy = await copied(
        api,
        admin.at(door),
        make,
        {"Action": "Debug", "Published": True},
        Trigger="ListSubscription",
        Trigger_ListID=list_id,
        Notes="N",
        Rate_Limit_Per_Hour=3,
    )

    assert (copy["Status"], copy["Trigger"], copy["TriggerParameters"]) == ("Disabled", "Manual", [])
    assert (copy["JourneyName"], copy["Notes"], copy["Rate_Limit_Per_Hour"]) == ("Copy of Welcome", "N", 3)
    assert copy["Actions"][0]["Published"] is True
    assert (answer["EmailsCopied"], answer["ResourcesReset"]) == ([], [])


async def test_emails_are_copied_once_each(api: Client, admin: Client, make: Maker) -> None:
    email_id = await an_email(api)
    send = {"Action": "SendEmail", "EmailID": email_id}

    answer, copy = await copied(
        api, admin, make, send, {"Action": "Decision", "Actions": {"True": [send], "False": []}}
    )

    assert [each["SourceEmailID"] for each in answer["EmailsCopied"]] == [email_id]
    new_id = answer["EmailsCopied"][0]["NewEmailID"]
    assert copy["Actions"][0]["ActionParameters"]["EmailID"] == new_id
    assert copy["Actions"][1]["Actions"]["True"][0]["ActionParameters"]["EmailID"] == new_id


async def test_every_other_reference_is_reset_and_named_once(api: Client, admin: Client, make: Maker) -> None:
    answer, copy = await copied(
        api,
        admin,
        make,
        {"Action": "SendEmail", "EmailID": 9_000_000_000, "SenderDomainID": 4},
        {"Action": "Subscribe", "TargetListID": 1},
        {"Action": "Unsubscribe", "TargetListID": 1},
        {"Action": "AddTag", "TargetTagID": 1},
        {"Action": "RemoveTag", "TargetTagID": 0},
        {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": 1, "NewCustomFieldValue": "x"},
        {"Action": "ExitJourney", "TargetJourneyID": [1, 2]},
        {"Action": "SendSMS", "gateway_id": 3},
    )

    assert sorted(answer["ResourcesReset"]) == [
        "EmailID",
        "SenderDomainID",
        "TargetCustomFieldID",
        "TargetJourneyID",
        "TargetListID",
        "TargetTagID",
        "gateway_id",
    ]
    parameters = [action["ActionParameters"] for action in copy["Actions"]]
    assert parameters[0] == {"EmailID": 0, "SenderDomainID": 0}
    assert parameters[6] == {"TargetJourneyID": 0}
    assert parameters[7] == {"gateway_id": 0}


async def test_secrets_and_rules_that_name_records_stay_behind(api: Client, admin: Client, make: Maker) -> None:
    naming = {"type": "Tags", "operator": "has this tag", "value": "5"}
    own_field = {"type": "fields", "field_id": "CustomField12", "operator": "is set"}

    answer, copy = await copied(
        api,
        admin,
        make,
        {
            "Action": "Webhook",
            "WebhookHeaders": {"Authorization": "t0ken"},
            "WebhookSecurity": {"Method": "HMAC", "SecretKey": "s3cret"},
        },
        {"Action": "Decision", "Criteria": [[RULE, naming], [own_field]]},
        Run_Criteria=[[RULE]],
    )

    assert sorted(answer["ResourcesReset"]) == ["Criteria", "Run_Criteria", "SecretKey", "WebhookHeaders"]
    assert copy["Run_Criteria"] == []
    assert copy["Actions"][1]["ActionParameters"]["Criteria"] == [[RULE]]
    assert "s3cret" not in json.dumps(copy)
    assert "t0ken" not in json.dumps(copy)


NAMING: list[dict[str, Any]] = [
    {"type": "fields", "field_id": ":1", "operator": "is set"},
    {"type": "fields", "field_id": "CustomField:1", "operator": "resembles"},
    {"type": "fields", "field_id": 1, "operator": "between"},
    {"type": "TAGS", "operator": "has any of these tags", "value": [1, 2]},
    {"type": "tags", "operator": "resembles", "value": "1"},
    {"type": "journeys", "operator": "opened", "value": 1},
    {"type": "journey-email-action", "operator": "opened", "journey-id": 5, "value": ""},
    {"type": "journey-email-action", "operator": "opened", "Journey-ID": "0", "value": "5"},
    {"type": "segments", "operator": "belongs to", "value": 1},
    {"type": "campaign-events", "operator": "opened", "value": "", "email-id": 12},
    {"type": "campaign-events", "operator": "opened", "value": [3]},
]
NAMELESS: list[dict[str, Any]] = [
    RULE,
    {"type": "fields", "field_id": "EmailAddress", "operator": "resembles"},
    {"type": "tags", "operator": "has no tags", "value": ""},
    {"type": "campaign-events", "operator": "opened", "value": [], "email-id": 0},
    {"type": "suppressions", "operator": "exist", "value": 5},
    {"type": "website-events", "event": "Cart", "operator": "happened in the last X days", "value": 5},
    {"type": "moon-phase", "value": "full"},
    {"operator": "exist"},
]


async def test_rules_name_records_by_other_keys_than_their_value(api: Client, admin: Client, make: Maker) -> None:
    answer, copy = await copied(
        api,
        admin,
        make,
        *({"Action": "Decision", "Criteria": [[rule], [RULE]]} for rule in NAMING),
        {"Action": "Decision", "Criteria": [NAMELESS]},
    )

    assert answer["ResourcesReset"] == ["Criteria"]
    kept = [action["ActionParameters"]["Criteria"] for action in copy["Actions"]]
    assert kept == [[[RULE]]] * len(NAMING) + [[NAMELESS]]


async def test_a_journey_may_be_copied_within_one_account(api: Client, admin: Client) -> None:
    assert api.account
    journey_id = await a_journey(api)

    answer = await admin.ok(
        "journey.copytouser",
        JourneyID=journey_id,
        SourceUserID=api.account.user_id,
        TargetUserID=api.account.user_id,
        NewJourneyName="Third",
    )

    assert (await api.ok("journey.get", JourneyID=answer["JourneyID"]))["JourneyName"] == "Third"
