"""`subscriber.create` (AC 2.5)."""

import asyncio
from typing import Any

import pytest

from tests.conftest import Client, Maker
from tests.subscribers.people import (
    IP,
    LARGEST_ID,
    create,
    get,
    limit_subscribers,
    make_field,
    make_list,
    newcomer,
    refused,
    statuses,
)

INVALID: list[tuple[dict[str, Any], list[int]]] = [
    ({"ListID": None}, [1]),
    ({"EmailAddress": ""}, [2]),
    ({"EmailAddress": "nobody"}, [3]),
    ({"EmailAddress": ["a@example.com"]}, [3]),
    ({"EmailAddress": "a\x00@example.com"}, [3]),
    ({"ListID": "abc"}, [4]),
    ({"ListID": 2**63}, [4]),
    ({"ListID": LARGEST_ID}, [4]),
    ({"BounceType": "Rubber"}, [5]),
    ({"Status": "Active"}, [6]),
    ({"SubscriptionDate": "yesterday"}, [7]),
    ({"SubscriptionDate": "2026-02-30"}, [7]),
    ({"SubscriptionDate": None}, [8]),
    ({"SubscriptionIP": None}, [9]),
    ({"SubscriptionIP": "300.1.1.1"}, [10]),
    ({"Status": "Unsubscribed", "UnsubscriptionIP": IP}, [11]),
    ({"Status": "Opt-Out Pending", "UnsubscriptionDate": "2026-01-01"}, [12]),
    ({"Status": "Unsubscribed", "UnsubscriptionDate": "x", "UnsubscriptionIP": IP}, [13]),
    ({"Status": "Unsubscribed", "UnsubscriptionDate": "2026-01-01", "UnsubscriptionIP": "x"}, [14]),
    ({"OptInDate": "soon"}, [16]),
    ({"CustomFields": "text"}, [17]),
    ({"CustomFields": {str(LARGEST_ID): "x"}}, [17]),
    ({"CustomFields": {"Shoe": "x"}}, [17]),
    ({"CustomFields": ["x"]}, [17]),
    ({"OptInConfirmationEmailID": "abc"}, [24]),
    ({"OptInConfirmationEmailID": LARGEST_ID}, [25]),
    ({"ListID": None, "EmailAddress": None, "SubscriptionDate": None, "SubscriptionIP": None}, [1, 2, 8, 9]),
    ({"ListID": [], "EmailAddress": "x", "BounceType": "x", "Status": "x", "OptInDate": "x"}, [3, 4, 5, 6, 16]),
]


@pytest.mark.parametrize(("changed", "codes"), INVALID)
async def test_what_is_missing_or_invalid_is_refused_with_every_code(
    api: Client, door: str, changed: dict[str, Any], codes: list[int]
) -> None:
    list_id = await make_list(api)

    assert await refused(api.at(door), "subscriber.create", **newcomer(list_id, "a@example.com") | changed) == codes
    assert await statuses(api, list_id) == {}


async def test_a_subscriber_is_answered_with_every_column(api: Client, door: str) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id)
    global_id = await make_field(api, list_id, IsGlobal="Yes")

    answer = await api.at(door).ok(
        "subscriber.create",
        **newcomer(
            list_id,
            "Ann@Example.com",
            OptInDate="2026-01-01",
            BounceType="soft",
            CustomFields={str(field_id): "x" * 10_000, f"CustomField{global_id}": 0},
            Source="csvimport",
            SourceRef="é" * 100,
        ),
    )

    subscriber_id = answer["SubscriberInformation"]["SubscriberID"]
    beside = {"ErrorText": ""} if door == "legacy" else {}
    assert answer == beside | {
        "Success": True,
        "ErrorCode": 0,
        "SubscriberInformation": {
            "SubscriberID": subscriber_id,
            "EmailAddress": "Ann@Example.com",
            "BounceType": "Soft",
            "SubscriptionStatus": "Subscribed",
            "SubscriptionDate": "2026-01-02 03:04:05",
            "SubscriptionIP": IP,
            "UnsubscriptionDate": "0000-00-00 00:00:00",
            "UnsubscriptionIP": "0.0.0.0",
            "OptInDate": "2026-01-01 00:00:00",
            "SubscriptionSource": "CSVImport",
            "SubscriptionSourceRef": "é" * 64,
            f"CustomField{field_id}": "x" * 10_000,
            f"CustomField{global_id}": "0",
        },
        "Suppressed": False,
        "SubscriberTags": [],
        "SubscriberSegments": [],
        "SubscriberJourneys": [],
        "SubscriberWebsiteEvents": [],
    }
    assert await get(api, list_id, "ann@example.com") == answer["SubscriberInformation"]


async def test_an_unknown_source_is_unknown(api: Client) -> None:
    list_id = await make_list(api)
    await create(api, list_id, "a@example.com", Source="Carrier pigeon")

    assert (await get(api, list_id, "a@example.com"))["SubscriptionSource"] == "Unknown"


async def test_a_new_subscriber_may_have_left_already(api: Client) -> None:
    list_id = await make_list(api)

    await api.ok(
        "subscriber.create",
        ListID=list_id,
        EmailAddress="a@example.com",
        Status="unsubscribed",
        UnsubscriptionDate="2026-01-01",
        UnsubscriptionIP="2001:db8::1",
    )

    row = await get(api, list_id, "a@example.com")
    assert row["SubscriptionStatus"] == "Unsubscribed"
    assert (row["SubscriptionDate"], row["UnsubscriptionDate"]) == ("0000-00-00 00:00:00", "2026-01-01 00:00:00")
    assert row["UnsubscriptionIP"] == "2001:db8::1"


async def test_an_address_is_on_a_list_once_in_any_case(api: Client, door: str) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    await create(api, list_id, "ann@example.com")

    assert await refused(api.at(door), "subscriber.create", **newcomer(list_id, "ANN@example.com")) == [20]
    assert await statuses(api, list_id) == {"ann@example.com": "Subscribed"}
    await create(api, other_list_id, "ann@example.com")


async def test_of_many_calls_at_once_one_makes_the_subscriber(api: Client) -> None:
    list_id = await make_list(api)

    answers = await asyncio.gather(
        *(api.call("subscriber.create", **newcomer(list_id, "race@example.com")) for _ in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 7
    assert await statuses(api, list_id) == {"race@example.com": "Subscribed"}


async def test_a_duplicate_is_updated_on_demand_and_keeps_what_is_not_told(api: Client) -> None:
    list_id = await make_list(api)
    kept, changed = await make_field(api, list_id), await make_field(api, list_id)
    values = {str(kept): "kept", str(changed): "old"}
    await create(api, list_id, "a@example.com", CustomFields=values, BounceType="Hard", Source="Manual")

    await create(
        api,
        list_id,
        "A@example.com",
        UpdateIfDuplicate=True,
        Status="Opt-In Pending",
        SubscriptionDate="2026-05-05",
        CustomFields={str(changed): "new"},
    )

    row = await get(api, list_id, "a@example.com")
    assert (row["EmailAddress"], row["SubscriptionStatus"]) == ("a@example.com", "Opt-In Pending")
    assert (row["SubscriptionDate"], row["BounceType"]) == ("2026-05-05 00:00:00", "Hard")
    assert row["SubscriptionSource"] == "Manual"
    assert (row[f"CustomField{kept}"], row[f"CustomField{changed}"]) == ("kept", "new")


async def test_somebody_who_left_comes_back_only_on_demand(api: Client) -> None:
    list_id = await make_list(api)
    left = {"Status": "Unsubscribed", "UnsubscriptionDate": "2026-01-01", "UnsubscriptionIP": IP}
    await create(api, list_id, "a@example.com", **left)

    assert await refused(api, "subscriber.create", **newcomer(list_id, "a@example.com")) == [21]
    again = newcomer(list_id, "a@example.com", UpdateIfDuplicate=True)
    assert await refused(api, "subscriber.create", **again) == [21]
    assert await statuses(api, list_id) == {"a@example.com": "Unsubscribed"}

    await create(api, list_id, "a@example.com", UpdateIfUnsubscribed=True)
    assert await statuses(api, list_id) == {"a@example.com": "Subscribed"}


async def test_the_groups_limit_counts_every_list(api: Client, admin: Client) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    await limit_subscribers(admin, api, 2)
    await create(api, list_id, "a@example.com")
    await create(api, other_list_id, "a@example.com")

    assert await refused(api, "subscriber.create", **newcomer(list_id, "b@example.com")) == [18]
    assert await refused(api, "subscriber.create", **newcomer(list_id, "a@example.com")) == [20]
    await create(api, list_id, "a@example.com", UpdateIfDuplicate=True)


async def test_the_limit_holds_when_many_come_at_once(api: Client, admin: Client) -> None:
    list_id = await make_list(api)
    await limit_subscribers(admin, api, 3)

    await asyncio.gather(
        *(api.call("subscriber.create", **newcomer(list_id, f"p{number}@example.com")) for number in range(8))
    )

    assert len(await statuses(api, list_id)) == 3


async def test_the_fields_own_rules_do_not_hold_unasked(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(
        api, list_id, IsRequired="Yes", IsUnique="Yes", ValidationMethod="Numbers", DefaultValue=""
    )
    await create(api, list_id, "a@example.com", CustomFields={str(field_id): "letters"})
    await create(api, list_id, "b@example.com", CustomFields={str(field_id): "letters"})
    await create(api, list_id, "c@example.com", CustomFields={str(field_id): ""})

    assert (await get(api, list_id, "b@example.com"))[f"CustomField{field_id}"] == "letters"
    assert (await get(api, list_id, "c@example.com"))[f"CustomField{field_id}"] == ""


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"required": ""}, 26),
        ({"required": " "}, 26),
        ({"required": [""]}, 26),
        ({}, 26),
        ({"required": "1", "number": "x"}, 28),
        ({"required": "1", "unique": "taken"}, 27),
        ({"unique": "taken", "number": "x", "required": "1"}, 27),
        ({"number": "x", "unique": "taken", "required": "1"}, 28),
        ({"unique": "taken"}, 27),
        ({"unique": "taken", "required": ""}, 27),
        ({"number": "x"}, 28),
    ],
)
async def test_enforced_rules_are_judged_field_by_field_and_what_is_absent_last(
    api: Client, values: dict[str, Any], code: int
) -> None:
    list_id = await make_list(api)
    ids = {
        "required": await make_field(api, list_id, IsRequired="Yes", FieldName="Company"),
        "unique": await make_field(api, list_id, IsUnique="Yes"),
        "number": await make_field(api, list_id, ValidationMethod="Numbers"),
    }
    await create(api, list_id, "first@example.com", CustomFields={str(ids["unique"]): "taken"})

    given = {str(ids[name]): value for name, value in values.items()}
    parameters = newcomer(list_id, "a@example.com", CustomFields=given, EnforceRequiredFields=True)
    assert await refused(api, "subscriber.create", **parameters) == [code]
    assert await statuses(api, list_id) == {"first@example.com": "Subscribed"}


async def test_zero_is_a_value_and_a_default_satisfies_a_required_field(api: Client) -> None:
    list_id = await make_list(api)
    zero = await make_field(api, list_id, IsRequired="Yes")
    defaulted = await make_field(api, list_id, IsRequired="Yes", DefaultValue="Rome")

    await create(api, list_id, "a@example.com", CustomFields={str(zero): 0}, EnforceRequiredFields="yes")

    row = await get(api, list_id, "a@example.com")
    assert (row[f"CustomField{zero}"], row[f"CustomField{defaulted}"]) == ("0", "Rome")


async def test_a_required_global_field_is_never_defaulted(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, IsRequired="Yes", IsGlobal="Yes", DefaultValue="Rome")

    parameters = newcomer(list_id, "a@example.com", EnforceRequiredFields=True)
    assert await refused(api, "subscriber.create", **parameters) == [26]
    await create(api, list_id, "b@example.com")
    assert (await get(api, list_id, "b@example.com"))[f"CustomField{field_id}"] == ""


async def test_a_refused_field_is_named(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, IsRequired="Yes", FieldName="Company")

    parameters = newcomer(list_id, "a@example.com", EnforceRequiredFields=True)
    body = (await api.call("subscriber.create", **parameters)).json()

    assert (body["ErrorCustomFieldID"], body["ErrorCustomFieldTitle"]) == (field_id, "Company")


async def test_a_unique_value_of_ones_own_is_no_conflict(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, IsUnique="Yes")
    await create(api, list_id, "a@example.com", CustomFields={str(field_id): "mine"})

    await create(
        api,
        list_id,
        "a@example.com",
        CustomFields={str(field_id): "mine"},
        UpdateIfDuplicate=True,
        EnforceRequiredFields=True,
    )


async def test_of_many_calls_at_once_one_takes_a_unique_value(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, IsUnique="Yes")

    answers = await asyncio.gather(
        *(
            api.call(
                "subscriber.create",
                **newcomer(list_id, f"p{number}@example.com"),
                CustomFields={str(field_id): "prize"},
                EnforceRequiredFields=True,
            )
            for number in range(6)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5


async def test_values_of_global_fields_belong_to_the_address_on_every_list(api: Client) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    field_id = await make_field(api, list_id, IsGlobal="Yes")
    await create(api, list_id, "Ann@example.com", CustomFields={str(field_id): "first"})
    await create(api, other_list_id, "ann@example.com")

    assert (await get(api, other_list_id, "ann@example.com"))[f"CustomField{field_id}"] == "first"


async def test_another_accounts_field_is_unknown(api: Client, make: Maker) -> None:
    list_id = await make_list(api)
    stranger = await make.client()
    foreign = await make_field(stranger, await make_list(stranger))
    of_other_list = await make_field(api, await make_list(api))

    for field_id in (foreign, of_other_list, LARGEST_ID):
        parameters = newcomer(list_id, "a@example.com", CustomFields={str(field_id): "x"})
        body = (await api.call("subscriber.create", **parameters)).json()
        assert (body["ErrorCode"], body["ErrorCustomFieldIDs"][0]) == (
            [17],
            field_id if field_id < 10**18 else str(field_id),
        )


@pytest.mark.parametrize("value", [{"a": "b"}, [["x"]], "nul\x00"])
async def test_a_value_that_cannot_be_kept_is_refused(api: Client, value: Any) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id)

    parameters = newcomer(list_id, "a@example.com", CustomFields={str(field_id): value})

    assert await refused(api, "subscriber.create", **parameters) == [17]


async def test_opt_in_settings_take_effect_only_with_behaviors(api: Client) -> None:
    target, source = await make_list(api), await make_list(api)
    list_id = await make_list(api, OptInSubscribeTo=target, OptInUnsubscribeFrom=source)
    await create(api, source, "loud@example.com")
    await create(api, source, "quiet@example.com")

    await create(api, list_id, "quiet@example.com")
    await create(api, list_id, "loud@example.com", ApplyBehaviors=True)

    assert await statuses(api, target) == {"loud@example.com": "Subscribed"}
    assert await statuses(api, source) == {"loud@example.com": "Unsubscribed", "quiet@example.com": "Subscribed"}


async def test_another_accounts_list_is_answered_like_a_missing_one(api: Client, make: Maker, door: str) -> None:
    foreign_list_id = await make_list(await make.client())

    foreign = await api.at(door).call("subscriber.create", **newcomer(foreign_list_id, "a@example.com"))
    absent = await api.at(door).call("subscriber.create", **newcomer(LARGEST_ID, "a@example.com"))

    assert (foreign.status_code, foreign.json()) == (absent.status_code, absent.json())
