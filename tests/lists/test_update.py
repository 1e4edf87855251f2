"""`list.update`: documented codes, what stays, the telephone field, references to nothing."""

from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.lists import wire
from journeys_api.models import Email
from tests.conftest import Client, Maker
from tests.lists.rows import LARGEST_ID, NOW, insert, make_list, owner_of, refused, unreadable

CLICKBANK = {"SecretKey": "12345678", "TransactionTypeActions": {"SALE": "subscribe"}}


async def _update(api: Client, list_id: int, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await api.ok("list.update", SubscriberListID=list_id, **changes))["List"]
    return found


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, [11]),
        ({"Name": "", "Options": {}}, [11]),
        ({"Options": {"Unknown": 1}}, [11]),
        ({"OptInMode": "Triple"}, [3]),
        ({"OptOutScope": "Some lists"}, [4]),
        ({"SendActivityNotification": "perhaps"}, [5]),
        ({"SendServiceIntegrationFailedNotification": []}, [5]),
        ({"HideInSubscriberArea": "Maybe"}, [6]),
        ({"SyncStatus": "Enabled"}, [8]),
        ({"SyncStatus": "On"}, [8]),
        ({"ReqByEmailSearchToAddress": "no address"}, [9]),
        ({"OptOutAddToSuppressionList": "Perhaps"}, [10]),
        ({"OptOutAddToGlobalSuppressionList": {}}, [10]),
        ({"Options": {"ClickBankINS": CLICKBANK}}, [20]),
        ({"Options": {"ClickBankINS": {"Enabled": True}}}, [20]),
        ({"Options": {"ClickBankINS": {"SecretKey": "short"}}}, [21]),
        ({"Options": {"ClickBankINS": {"TransactionTypeActions": {"SALE": "buy"}}}}, [22]),
        ({"Options": {"ClickBankINS": {"TransactionTypeActions": {"SALE": ["subscribe"]}}}}, [22]),
        ({"Options": {"PhoneFieldID": "x"}}, [23]),
        ({"Options": {"PhoneFieldID": LARGEST_ID}}, [23]),
        ({"Options": {"PhoneFieldID": LARGEST_ID + 1}}, [23]),
        ({"OptInConfirmationEmailID": LARGEST_ID}, [24]),
        ({"OptInConfirmationEmailID": "x"}, [24]),
        ({"OptInSubscribeTo": LARGEST_ID}, [25]),
        ({"OptInUnsubscribeFrom": -1}, [25]),
        ({"OptOutSubscribeTo": LARGEST_ID + 1}, [25]),
        ({"OptOutUnsubscribeFrom": LARGEST_ID}, [25]),
        ({"OptInMode": "x", "OptOutScope": "x", "Options": {"PhoneFieldID": []}}, [3, 4, 23]),
    ],
)
async def test_a_refused_update_changes_nothing(api: Client, changes: dict[str, Any], codes: list[int]) -> None:
    list_id = await make_list(api, "Before")
    before = await api.ok("list.get", ListID=list_id)
    more = {"Name": "After", **changes} if 11 not in codes else changes

    assert await refused(api, "list.update", SubscriberListID=list_id, **more) == codes
    assert await api.ok("list.get", ListID=list_id) == before


async def test_a_missing_list_and_bad_settings_are_named_at_once(api: Client) -> None:
    assert await refused(api, "list.update", OptInMode="x") == [1, 3]
    assert await refused(api, "list.update") == [1, 11]


@pytest.mark.parametrize("list_id", ["x", "1.0", [1], 2**63, LARGEST_ID, 0])
async def test_what_is_no_list_of_the_account_is_invalid(api: Client, list_id: object) -> None:
    assert await refused(api, "list.update", SubscriberListID=list_id, Name="N") == [2]


async def test_another_accounts_list_is_answered_like_a_missing_one(api: Client, make: Maker) -> None:
    stranger = await make.client()
    list_id = await make_list(stranger, "Theirs")

    assert await refused(api, "list.update", SubscriberListID=list_id, Name="Mine") == [2]
    assert (await stranger.ok("list.get", ListID=list_id))["List"]["Name"] == "Theirs"


async def test_every_setting_is_kept_and_answered(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    texts = {name: f"https://example.com/{name}" for name, default in wire.ATTRIBUTES.items() if default == ""}
    settings = {
        **texts,
        "ReqByEmailSearchToAddress": "in@example.com",
        "HideInSubscriberArea": "true",
        "SendActivityNotification": "true",
        "SendServiceIntegrationFailedNotification": "true",
        "OptInMode": "Double",
        "OptOutScope": "All lists",
        "OptOutAddToSuppressionList": "Yes",
        "OptOutAddToGlobalSuppressionList": "Yes",
        "OptOutSubscribeTo": other,
        "OptOutUnsubscribeFrom": other,
        "OptInSubscribeTo": other,
        "OptInUnsubscribeFrom": other,
        "SenderCompany": "Acme",
    }

    answered = await _update(api, list_id, **settings)

    assert {name: answered[name] for name in settings} == settings
    assert (await api.ok("list.get", ListID=list_id))["List"] == answered


async def test_what_is_not_sent_stays_and_empty_text_clears(api: Client) -> None:
    list_id = await make_list(api, "Name", Description="Text", SenderName="Acme")
    await _update(api, list_id, SubscriptionConfirmedPageURL="https://example.com/ok", HideInSubscriberArea=True)

    changed = await _update(api, list_id, Description="", Name="")

    assert (changed["Name"], changed["Description"], changed["SenderName"]) == ("Name", "", "Acme")
    assert (changed["SubscriptionConfirmedPageURL"], changed["HideInSubscriberArea"]) == (
        "https://example.com/ok",
        "true",
    )
    assert (await _update(api, list_id, SubscriptionConfirmedPageURL=""))["SubscriptionConfirmedPageURL"] == ""


async def test_options_are_merged_in_their_canonical_spelling(api: Client) -> None:
    list_id = await make_list(api)
    await _update(api, list_id, Options={"plainemailheader": "Head", "HTMLEMAILFOOTER": "<b>Foot</b>"})

    changed = await _update(
        api,
        list_id,
        Options={
            "HTMLEmailFooter": "",
            "donotsendemailcampaignifrecipientisenrolledinjourneyorautoresponder": "1",
        },
    )

    assert changed["Options"] == {
        "PlainEmailHeader": "Head",
        "HTMLEmailFooter": "",
        "DoNotSendEmailCampaignIfRecipientIsEnrolledInJourneyOrAutoresponder": True,
        "PhoneFieldID": 0,
    }


async def test_options_that_are_no_object_are_unreadable(api: Client) -> None:
    list_id = await make_list(api)

    await unreadable(api, "list.update", SubscriberListID=list_id, Options="no object")
    await unreadable(api, "list.update", SubscriberListID=list_id, Options={"PlainEmailHeader": ["a"]})


async def test_the_telephone_field_is_the_lists_own_or_a_global_one(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    own, foreign, shared = [
        (
            await api.ok(
                "customfield.create", SubscriberListID=of, FieldName="Phone", FieldType="Single line", IsGlobal=glob
            )
        )["CustomFieldID"]
        for of, glob in ((list_id, "No"), (other, "No"), (other, "Yes"))
    ]

    assert await refused(api, "list.update", SubscriberListID=list_id, Options={"PhoneFieldID": foreign}) == [23]
    assert (await _update(api, list_id, Options={"phonefieldid": str(own)}))["Options"]["PhoneFieldID"] == own
    assert (await _update(api, list_id, Options={"PhoneFieldID": shared}))["Options"]["PhoneFieldID"] == shared
    assert (await _update(api, list_id, Name="Renamed"))["Options"]["PhoneFieldID"] == shared


@pytest.mark.parametrize("nothing", [0, "0", ""])
async def test_the_telephone_field_can_be_taken_away(api: Client, nothing: object) -> None:
    list_id = await make_list(api)
    field = await api.ok("customfield.create", SubscriberListID=list_id, FieldName="P", FieldType="Single line")
    await _update(api, list_id, Options={"PhoneFieldID": field["CustomFieldID"]})

    assert (await _update(api, list_id, Options={"PhoneFieldID": nothing}))["Options"]["PhoneFieldID"] == 0


async def test_a_telephone_field_of_another_account_is_like_a_missing_one(api: Client, make: Maker) -> None:
    stranger = await make.client()
    theirs = await make_list(stranger)
    field = await stranger.ok(
        "customfield.create", SubscriberListID=theirs, FieldName="P", FieldType="Single line", IsGlobal="Yes"
    )
    list_id = await make_list(api)
    options = {"PhoneFieldID": field["CustomFieldID"]}

    assert await refused(api, "list.update", SubscriberListID=list_id, Options=options) == [23]


async def test_deleting_the_telephone_field_leaves_the_list_without_one(api: Client) -> None:
    list_id = await make_list(api)
    field = await api.ok("customfield.create", SubscriberListID=list_id, FieldName="P", FieldType="Single line")
    await _update(api, list_id, Options={"PhoneFieldID": field["CustomFieldID"]})

    await api.ok("customfields.delete", CustomFields=field["CustomFieldID"])

    assert (await api.ok("list.get", ListID=list_id))["List"]["Options"]["PhoneFieldID"] == 0


async def test_references_to_other_accounts_are_refused_and_zero_takes_them_away(
    app: Application, api: Client, make: Maker
) -> None:
    stranger = await make.client()
    theirs = await make_list(stranger)
    email = Email(owner_id=owner_of(stranger).user_id, created_at=NOW, updated_at=NOW)
    mine = Email(owner_id=owner_of(api).user_id, created_at=NOW, updated_at=NOW)
    gone = Email(owner_id=owner_of(api).user_id, created_at=NOW, updated_at=NOW, deleted_at=NOW)
    for row in (email, mine, gone):
        await insert(app, row)
    list_id = await make_list(api)

    assert await refused(api, "list.update", SubscriberListID=list_id, OptOutSubscribeTo=theirs) == [25]
    for bad in (email, gone):
        refusal = await refused(api, "list.update", SubscriberListID=list_id, OptInConfirmationEmailID=bad.email_id)
        assert refusal == [24]
    changed = await _update(api, list_id, OptInConfirmationEmailID=mine.email_id)
    assert changed["RelOptInConfirmationEmailID"] == mine.email_id
    changed = await _update(api, list_id, OptInConfirmationEmailID=0, OptOutSubscribeTo="0")
    assert (changed["RelOptInConfirmationEmailID"], changed["OptOutSubscribeTo"]) == (0, 0)


async def test_synchronization_that_is_off_may_be_sent(api: Client) -> None:
    list_id = await make_list(api)

    assert (await _update(api, list_id, SyncStatus="Disabled"))["SyncStatus"] == "Disabled"
