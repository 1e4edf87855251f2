"""`subscriber.subscribe` and `subscriber.unsubscribe`, which need no credential (AC 2.5, rulings 2)."""

import asyncio
import json
from typing import Any

import pytest

from journeys_api.commands.registry import COMMANDS
from tests.conftest import Client, Maker
from tests.subscribers.people import (
    IP,
    LARGEST_ID,
    anonymous,
    create,
    get,
    limit_subscribers,
    make_field,
    make_list,
    refused,
    rule,
    scopes,
    statuses,
)


async def subscribe(client: Client, list_id: int | str, address: str, **more: Any) -> dict[str, Any]:
    """Subscribe without a credential; the body of the success."""
    body = await anonymous(client, "subscriber.subscribe", ListID=list_id, EmailAddress=address, IPAddress=IP, **more)
    assert body["Success"] is True, body
    return body


async def unsubscribe(client: Client, list_id: int, **more: Any) -> dict[str, Any]:
    """Unsubscribe without a credential; the body of the success."""
    body = await anonymous(client, "subscriber.unsubscribe", ListID=list_id, IPAddress=IP, **more)
    assert body["Success"] is True, body
    return body


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"ListID": None, "EmailAddress": None, "IPAddress": None}, [1, 2, 3]),
        ({"ListID": ""}, [1]),
        ({"EmailAddress": ""}, [2]),
        ({"IPAddress": ""}, [3]),
        ({"ListID": "abc"}, [4]),
        ({"ListID": ","}, [4]),
        ({"ListID": "1,x"}, [4]),
        ({"ListID": ",".join(str(number) for number in range(1, 200))}, [4]),
        ({"ListID": 2**63}, [4]),
        ({"ListID": 0}, [4]),
        ({"ListID": LARGEST_ID}, [4]),
        ({"EmailAddress": "nobody"}, [5]),
        ({"ListID": {"a": 1}, "EmailAddress": "x", "IPAddress": None}, [3, 4, 5]),
        ({"EmailAddress": "TAKEN@example.com"}, [9]),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(api: Client, changed: dict[str, Any], codes: list[int]) -> None:
    list_id = await make_list(api)
    await create(api, list_id, "taken@example.com")
    given = {"ListID": list_id, "EmailAddress": "a@example.com", "IPAddress": IP}

    assert await refused(api, "subscriber.subscribe", **(given | changed)) == codes
    assert (await anonymous(api, "subscriber.subscribe", **(given | changed)))["ErrorCode"] == codes
    assert await statuses(api, list_id) == {"taken@example.com": "Subscribed"}


async def test_nobody_needs_a_credential_to_subscribe(api: Client) -> None:
    list_id = await make_list(api, SubscriptionConfirmedPageURL="https://example.com/welcome")

    answer = await subscribe(
        api, str(list_id), "Ann@example.com", Source="webhook", SourceRef="form 7", APIKey="not a key"
    )

    assert answer == {
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "SubscriberID": answer["SubscriberID"],
        "RedirectURL": "https://example.com/welcome",
        "Subscriber": {
            "SubscriberID": answer["SubscriberID"],
            "EmailAddress": "Ann@example.com",
            "SubscriptionStatus": "Subscribed",
        },
    }
    row = await get(api, list_id, "ann@example.com")
    assert (row["SubscriptionIP"], row["SubscriptionSource"], row["SubscriptionSourceRef"]) == (IP, "Webhook", "form 7")
    assert row["SubscriptionDate"] > "2026"


async def test_a_double_opt_in_list_waits_for_the_confirmation(api: Client) -> None:
    list_id = await make_list(
        api,
        OptInMode="Double",
        SubscriptionConfirmationPendingPageURL="https://example.com/pending",
        SubscriptionConfirmedPageURL="https://example.com/welcome",
    )

    answer = await subscribe(api, list_id, "a@example.com")

    assert answer["Subscriber"]["SubscriptionStatus"] == "Opt-In Pending"
    assert answer["RedirectURL"] == "https://example.com/pending"
    assert await statuses(api, list_id) == {"a@example.com": "Opt-In Pending"}


async def test_a_group_may_force_the_confirmation(api: Client, admin: Client) -> None:
    list_id = await make_list(api)
    assert api.account
    await admin.ok("usergroup.patch", UserGroupID=api.account.group_id, ForceOptInList="Enabled")

    answer = await subscribe(api, list_id, "a@example.com")

    assert answer["Subscriber"]["SubscriptionStatus"] == "Opt-In Pending"


async def test_without_pages_there_is_no_redirection(api: Client) -> None:
    list_id = await make_list(api)

    assert (await subscribe(api, list_id, "a@example.com"))["RedirectURL"] == ""
    assert (await unsubscribe(api, list_id, EmailAddress="a@example.com"))["RedirectURL"] == ""


async def test_somebody_who_left_comes_back(api: Client) -> None:
    list_id = await make_list(api)
    first = await subscribe(api, list_id, "a@example.com", Source="Webhook")
    await unsubscribe(api, list_id, EmailAddress="a@example.com")

    again = await subscribe(api, list_id, "A@example.com")

    assert again["SubscriberID"] == first["SubscriberID"]
    row = await get(api, list_id, "a@example.com")
    assert (row["SubscriptionStatus"], row["SubscriptionSource"]) == ("Subscribed", "API")


async def test_of_many_forms_at_once_one_subscribes(api: Client) -> None:
    list_id = await make_list(api)
    given = {"ListID": list_id, "EmailAddress": "a@example.com", "IPAddress": IP}

    answers = await asyncio.gather(*(anonymous(api, "subscriber.subscribe", **given) for _ in range(8)))

    assert sorted(str(answer["ErrorCode"]) for answer in answers) == ["0"] + ["[9]"] * 7


async def test_several_lists_of_one_account_take_the_subscription(api: Client, make: Maker) -> None:
    first, second, third = [await make_list(api) for _ in range(3)]
    field_id = await make_field(api, first)
    of_second = await make_field(api, second, DefaultValue="default")
    await create(api, third, "a@example.com", SubscriptionDate="2020-01-01")
    foreign = await make_list(await make.client())

    answer = await subscribe(api, f"{first}, {second},{third}", "a@example.com", **{f"CustomField{field_id}": "x"})

    assert answer["SubscriberID"] == (await get(api, first, "a@example.com"))["SubscriberID"]
    assert (await get(api, first, "a@example.com"))[f"CustomField{field_id}"] == "x"
    assert (await get(api, second, "a@example.com"))[f"CustomField{of_second}"] == "default"
    assert (await get(api, third, "a@example.com"))["SubscriptionDate"] == "2020-01-01 00:00:00"
    given = {"ListID": f"{second},{foreign}", "EmailAddress": "b@example.com", "IPAddress": IP}
    assert await refused(api, "subscriber.subscribe", **given) == [4]


@pytest.mark.parametrize(
    ("values", "more", "codes"),
    [
        ({"required": ""}, {}, [6]),
        ({"required": " "}, {}, []),
        ({"required": []}, {}, []),
        ({}, {}, []),
        ({"unique": "taken"}, {}, [7]),
        ({"number": "x"}, {}, [8]),
        ({"number": {"a": "b"}}, {}, [8]),
        ({"required": "", "number": "x"}, {}, [6]),
        ({}, {"EnforceRequiredFields": "on"}, [6]),
        ({"required": " "}, {"EnforceRequiredFields": "on"}, [6]),
        ({"required": []}, {"EnforceRequiredFields": "on"}, [6]),
        ({"number": "x"}, {"EnforceRequiredFields": "on"}, [8]),
        ({"required": "0"}, {"EnforceRequiredFields": "on"}, []),
    ],
)
async def test_what_a_form_submits_must_fit_its_fields(
    api: Client, values: dict[str, Any], more: dict[str, Any], codes: list[int]
) -> None:
    list_id = await make_list(api)
    ids = {
        "required": await make_field(api, list_id, IsRequired="Yes", FieldName="Company", Visibility="Hidden"),
        "unique": await make_field(api, list_id, IsUnique="Yes"),
        "number": await make_field(api, list_id, ValidationMethod="Numbers"),
    }
    await create(api, list_id, "first@example.com", CustomFields={ids["unique"]: "taken"})
    given = {f"customfield{ids[name]}": value for name, value in values.items()}

    body = await anonymous(
        api, "subscriber.subscribe", ListID=list_id, EmailAddress="a@example.com", IPAddress=IP, **given, **more
    )

    assert body["ErrorCode"] == (codes or 0)
    if codes == [6]:
        assert (body["ErrorCustomFieldID"], body["ErrorCustomFieldTitle"]) == (ids["required"], "Company")
    assert ("a@example.com" in await statuses(api, list_id)) is not bool(codes)


async def test_a_form_post_carries_values_and_unknown_fields_are_ignored(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, FieldType="Checkboxes", OptionLabel=["a", "b"], OptionValue=["a", "b"])

    answer = await api.http.post(
        "/api.php",
        data={
            "Command": "Subscriber.Subscribe",
            "ListID": str(list_id),
            "EmailAddress": "a@example.com",
            "IPAddress": IP,
            f"CustomField{field_id}[]": ["a", "b"],
            "CustomField999999999": "nothing",
            "CustomFieldX": "nothing",
            "CustomField": "nothing",
        },
    )

    assert answer.json()["Success"] is True
    assert (await get(api, list_id, "a@example.com"))[f"CustomField{field_id}"] == "a||||b"


async def test_a_full_account_takes_nobody_more(api: Client, admin: Client) -> None:
    list_id = await make_list(api)
    await limit_subscribers(admin, api, 1)
    await subscribe(api, list_id, "a@example.com")

    given = {"ListID": list_id, "EmailAddress": "b@example.com", "IPAddress": IP}
    assert await refused(api, "subscriber.subscribe", **given) == [10]
    await unsubscribe(api, list_id, EmailAddress="a@example.com")
    await subscribe(api, list_id, "a@example.com")


async def test_a_disabled_account_takes_nobody_and_lets_everybody_go(api: Client, admin: Client) -> None:
    list_id = await make_list(api)
    await create(api, list_id, "a@example.com")
    assert api.account
    await admin.ok("user.update", UserID=api.account.user_id, AccountStatus="Disabled")

    given = {"ListID": list_id, "EmailAddress": "b@example.com", "IPAddress": IP}
    assert (await anonymous(api, "subscriber.subscribe", **given))["ErrorCode"] == [11]
    await unsubscribe(api, list_id, EmailAddress="a@example.com")


async def test_opt_in_settings_take_effect_at_once_or_not_while_pending(api: Client) -> None:
    target, source = await make_list(api), await make_list(api)
    single = await make_list(api, OptInSubscribeTo=target, OptInUnsubscribeFrom=source)
    double = await make_list(api, OptInSubscribeTo=target, OptInMode="Double")
    await create(api, source, "now@example.com")

    await subscribe(api, single, "now@example.com")
    await subscribe(api, double, "later@example.com")

    assert await statuses(api, target) == {"now@example.com": "Subscribed"}
    assert await statuses(api, source) == {"now@example.com": "Unsubscribed"}


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"ListID": None, "IPAddress": None, "EmailAddress": None}, [1, 2, 3]),
        ({"EmailAddress": "", "SubscriberID": None, "RulesJSON": ""}, [3]),
        ({"ListID": "abc"}, [4]),
        ({"ListID": LARGEST_ID}, [4]),
        ({"EmailAddress": "nobody"}, [6]),
        ({"EmailAddress": "stranger@example.com"}, [7]),
        ({"EmailAddress": None, "SubscriberID": LARGEST_ID}, [7]),
        ({"EmailAddress": None, "SubscriberID": "abc"}, [7]),
        ({"EmailAddress": None, "SubscriberID": 0}, [7]),
        ({"RulesJSON": "0"}, [7]),
        ({"RulesJSON": 0}, [7]),
        ({"RulesJSON": "null"}, [7]),
        ({"RulesJSON": "null", "EmailAddress": None}, [7]),
        ({"RulesJSON": "[]"}, [7]),
        ({"RulesJSON": "[[]]"}, [7]),
        ({"RulesJSON": "[[{}]]"}, [7]),
        ({"RulesJSON": "{}"}, [7]),
        ({"RulesJSON": "[[{"}, [7]),
        ({"RulesJSON": [[{"type": "fields"}]]}, [7]),
        ({"CampaignID": "x"}, [8]),
        ({"AutoResponderID": "x"}, [8]),
        ({"EmailAddress": "gone@example.com"}, [9]),
        ({"EmailID": "x"}, [10]),
        ({"EmailID": LARGEST_ID}, [10]),
        ({"RulesJSON": json.dumps([[{"type": "horoscope"}]])}, [11]),
        ({"RulesJSON": json.dumps([[{"type": "tags", "operator": "has this tag", "value": LARGEST_ID}]])}, [11]),
        ({"ListID": "x", "EmailAddress": "x", "RulesJSON": "x", "CampaignID": "x", "EmailID": "x"}, [4, 6, 7, 8, 10]),
    ],
)
async def test_an_unsubscription_that_cannot_be_is_refused(
    api: Client, changed: dict[str, Any], codes: list[int]
) -> None:
    list_id = await make_list(api)
    await create(api, list_id, "a@example.com")
    await create(api, list_id, "gone@example.com")
    await unsubscribe(api, list_id, EmailAddress="gone@example.com")
    before = await statuses(api, list_id)
    given = {"ListID": list_id, "EmailAddress": "a@example.com", "IPAddress": IP}

    assert await refused(api, "subscriber.unsubscribe", **(given | changed)) == codes
    assert await statuses(api, list_id) == before


async def test_the_two_meanings_of_code_7_have_texts_of_their_own(api: Client) -> None:
    list_id = await make_list(api)

    rules = await anonymous(api, "subscriber.unsubscribe", ListID=list_id, IPAddress=IP, RulesJSON="x")
    nobody = await anonymous(api, "subscriber.unsubscribe", ListID=list_id, IPAddress=IP, EmailAddress="a@example.com")

    assert rules["ErrorText"] == ["Invalid RulesJSON syntax. It must be a properly formatted JSON payload"]
    assert nobody["ErrorText"] == ["Subscriber not found"]


@pytest.mark.parametrize("by", ["address", "id", "both"])
async def test_nobody_needs_a_credential_to_leave(api: Client, by: str) -> None:
    list_id = await make_list(api, UnsubscriptionConfirmedPageURL="https://example.com/bye")
    subscriber_id = await create(api, list_id, "a@example.com")
    await create(api, list_id, "b@example.com")
    given = {"EmailAddress": "A@example.com"} if by != "id" else {}
    given |= {"SubscriberID": str(subscriber_id)} if by != "address" else {"SubscriberID": "0"}

    answer = await unsubscribe(api, list_id, CampaignID=0, Channel="form", **given)

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": "", "RedirectURL": "https://example.com/bye"}
    assert await statuses(api, list_id) == {"a@example.com": "Unsubscribed", "b@example.com": "Subscribed"}
    row = await get(api, list_id, "a@example.com")
    assert row["UnsubscriptionIP"] == IP
    assert row["UnsubscriptionDate"] > "2026"
    assert row["SubscriptionDate"] == "2026-01-02 03:04:05"
    assert await scopes(api, "a@example.com", ListID=list_id) == []


async def test_somebody_pending_can_leave(api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double")
    await subscribe(api, list_id, "a@example.com")

    await unsubscribe(api, list_id, EmailAddress="a@example.com")

    assert await statuses(api, list_id) == {"a@example.com": "Unsubscribed"}


async def test_a_preview_judges_and_changes_nothing(api: Client) -> None:
    list_id = await make_list(api, OptOutAddToSuppressionList="Yes")
    await create(api, list_id, "a@example.com")

    await unsubscribe(api, list_id, EmailAddress="a@example.com", Preview=1, AddToGlobalSuppression=1)

    assert await statuses(api, list_id) == {"a@example.com": "Subscribed"}
    assert await scopes(api, "a@example.com", ListID=list_id) == []


async def test_leaving_all_lists_spares_other_accounts_and_the_list_to_go_on_to(api: Client, make: Maker) -> None:
    other, target = await make_list(api), await make_list(api)
    list_id = await make_list(api, OptOutScope="All lists", OptOutSubscribeTo=target)
    stranger = await make.client()
    foreign = await make_list(stranger)
    for each in (list_id, other):
        await create(api, each, "Ann@example.com")
        await create(api, each, "bob@example.com")
    await create(stranger, foreign, "ann@example.com")

    await unsubscribe(api, list_id, EmailAddress="ann@example.com")

    assert await statuses(api, list_id) == {"Ann@example.com": "Unsubscribed", "bob@example.com": "Subscribed"}
    assert await statuses(api, other) == {"Ann@example.com": "Unsubscribed", "bob@example.com": "Subscribed"}
    assert await statuses(api, target) == {"Ann@example.com": "Subscribed"}
    assert await statuses(stranger, foreign) == {"ann@example.com": "Subscribed"}


async def test_leaving_one_list_may_mean_another_and_going_on_to_a_third(api: Client) -> None:
    along, target = await make_list(api), await make_list(api, OptInMode="Double")
    field_id = await make_field(api, target, DefaultValue="default")
    list_id = await make_list(api, OptOutUnsubscribeFrom=along, OptOutSubscribeTo=target)
    for each in (list_id, along):
        await create(api, each, "a@example.com")
    await create(api, list_id, "left@example.com")
    left = {"Status": "Unsubscribed", "UnsubscriptionDate": "2026-01-01", "UnsubscriptionIP": IP}
    await create(api, target, "left@example.com", **left)

    await unsubscribe(api, list_id, EmailAddress="a@example.com")
    await unsubscribe(api, list_id, EmailAddress="left@example.com")

    assert await statuses(api, along) == {"a@example.com": "Unsubscribed"}
    assert await statuses(api, target) == {"a@example.com": "Opt-In Pending", "left@example.com": "Unsubscribed"}
    assert (await get(api, target, "a@example.com"))[f"CustomField{field_id}"] == "default"


async def test_a_full_account_lets_people_go_all_the_same(api: Client, admin: Client) -> None:
    target = await make_list(api)
    list_id = await make_list(api, OptOutSubscribeTo=target)
    await create(api, list_id, "a@example.com")
    await limit_subscribers(admin, api, 1)

    await unsubscribe(api, list_id, EmailAddress="a@example.com")

    assert await statuses(api, list_id) == {"a@example.com": "Unsubscribed"}
    assert await statuses(api, target) == {}


async def test_a_lists_settings_suppress_who_leaves_unless_bypassed(api: Client) -> None:
    list_id = await make_list(api, OptOutAddToSuppressionList="Yes", OptOutAddToGlobalSuppressionList="Yes")
    for name in ("left", "quiet"):
        await create(api, list_id, f"{name}{list_id}@example.com")
    left, quiet = f"left{list_id}@example.com", f"quiet{list_id}@example.com"

    await unsubscribe(api, list_id, EmailAddress=left)
    await unsubscribe(api, list_id, EmailAddress=quiet, BypassListSuppressionSettings="true")

    assert await scopes(api, left, ListID=list_id) == ["PerList", "SystemWide"]
    assert await scopes(api, quiet, ListID=list_id) == []
    row = (await api.ok("suppression.browse", ListID=list_id))["SuppressedEmails"][left]
    assert row["SuppressionSource"] == "Unsubscribe"


async def test_who_leaves_and_is_whitelisted_is_not_suppressed(api: Client) -> None:
    assert api.account
    list_id = await make_list(api, OptOutAddToSuppressionList="Yes", OptOutAddToGlobalSuppressionList="Yes")
    addresses = [f"{name}{list_id}@example.com" for name in ("boss", "other")]
    for address in addresses:
        await create(api, list_id, address)
    await api.ok("user.update", UserID=api.account.user_id, WhiteListedEmailAddresses=addresses[0].upper())

    for address in addresses:
        await unsubscribe(api, list_id, EmailAddress=address)

    assert await statuses(api, list_id) == dict.fromkeys(addresses, "Unsubscribed")
    assert [await scopes(api, address, ListID=list_id) for address in addresses] == [[], ["PerList", "SystemWide"]]


async def test_global_suppression_reaches_other_accounts_only_with_the_lists_own_credential(
    api: Client, make: Maker
) -> None:
    list_id = await make_list(api)
    addresses = [f"{name}{list_id}@example.com" for name in ("stranger", "nobody", "owner")]
    for address in addresses:
        await create(api, list_id, address)
    given = {"ListID": list_id, "IPAddress": IP, "AddToGlobalSuppression": True}
    stranger = await make.client()

    await stranger.ok("subscriber.unsubscribe", EmailAddress=addresses[0], **given)
    await unsubscribe(api, list_id, EmailAddress=addresses[1], AddToGlobalSuppression=True)
    await api.ok("subscriber.unsubscribe", EmailAddress=addresses[2], **given)

    assert [await scopes(api, address) for address in addresses] == [["AccountWide"], ["AccountWide"], ["SystemWide"]]


async def test_rules_let_the_lists_own_account_and_administrators_empty_it(
    api: Client, admin: Client, make: Maker
) -> None:
    other = await make_list(api)
    list_id = await make_list(api, OptOutUnsubscribeFrom=other, OptOutAddToSuppressionList="Yes")
    for name in ("a1", "a2", "b1"):
        await create(api, list_id, f"{name}@example.com")
    await create(api, other, "a1@example.com")
    given = {"ListID": list_id, "IPAddress": IP, "RulesJSON": rule("EmailAddress", "begins with", "a")}

    assert (await anonymous(api, "subscriber.unsubscribe", **given))["ErrorCode"] == [5]
    assert await refused(await make.client(), "subscriber.unsubscribe", **given) == [5]
    assert set((await statuses(api, list_id)).values()) == {"Subscribed"}

    await api.ok("subscriber.unsubscribe", EmailAddress="b1@example.com", RulesOperator="xor", **given)
    assert await statuses(api, list_id) == {
        "a1@example.com": "Unsubscribed",
        "a2@example.com": "Unsubscribed",
        "b1@example.com": "Subscribed",
    }
    assert await statuses(api, other) == {"a1@example.com": "Unsubscribed"}
    assert await scopes(api, "a2@example.com", ListID=list_id) == ["PerList"]

    await admin.ok("subscriber.unsubscribe", **(given | {"RulesJSON": rule("EmailAddress", "contains", "@")}))
    assert set((await statuses(api, list_id)).values()) == {"Unsubscribed"}


def test_anonymous_calls_count_against_the_address() -> None:
    assert all(COMMANDS[name].counts_addresses for name in ("subscriber.subscribe", "subscriber.unsubscribe"))
