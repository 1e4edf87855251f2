"""`customfield.update`, `customfields.get` and `customfields.delete`."""

from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.models import CustomField, GlobalValues, Subscriber
from tests.conftest import Client, Maker
from tests.lists.rows import LARGEST_ID, count, make_list, make_people, owner_of, refused, rows, unreadable

NAME_AND_TYPE = {"FieldName": "Field", "FieldType": "Single line"}


async def _make(api: Client, list_id: int, **parameters: Any) -> int:
    given = {**NAME_AND_TYPE, **parameters}
    field_id: int = (await api.ok("customfield.create", SubscriberListID=list_id, **given))["CustomFieldID"]
    return field_id


async def _row(api: Client, list_id: int, field_id: int) -> dict[str, Any]:
    found = await api.ok("customfields.get", SubscriberListID=list_id, ReturnGlobalCustomFields=True)
    [row] = [each for each in found["CustomFields"] if each["CustomFieldID"] == str(field_id)]
    assert isinstance(row, dict)
    return row


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"CustomFieldID": None}, [1]),
        ({"CustomFieldID": None, "FieldName": "", "FieldType": None}, [1, 2, 3]),
        ({"CustomFieldID": "x"}, [6]),
        ({"CustomFieldID": [1]}, [6]),
        ({"CustomFieldID": 2**63}, [6]),
        ({"CustomFieldID": LARGEST_ID}, [6]),
        ({"FieldType": "Fancy"}, [7]),
        ({"ValidationMethod": "Telepathy"}, [8]),
        ({"Visibility": "Everybody"}, [9]),
        ({"IsRequired": "Perhaps"}, [10]),
        ({"IsUnique": []}, [11]),
        ({"IsGlobal": "Perhaps"}, [12]),
        ({"ValidationMethod": "Custom"}, [4]),
        ({"ValidationMethod": "Date"}, [4]),
        ({"ValidationMethod": "Time"}, [4]),
        ({"ValidationMethod": "Custom", "ValidationRule": "("}, [4]),
        ({"SubscriberListID": LARGEST_ID}, [13]),
        ({"MergeTagAlias": "Taken"}, [1000]),
        ({"MergeTagAlias": "a!"}, [1001]),
        ({"MergeTagAlias": "SubscriberID"}, [1002]),
        ({"ValidationMethod": "x", "Visibility": "x", "IsRequired": "x", "MergeTagAlias": "?"}, [8, 9, 10, 1001]),
    ],
)
async def test_a_refused_update_changes_nothing(api: Client, changes: dict[str, Any], codes: list[int]) -> None:
    list_id = await make_list(api)
    await _make(api, list_id, MergeTagAlias="taken")
    field_id = await _make(api, list_id, FieldName="Before")
    given = {"CustomFieldID": field_id, **NAME_AND_TYPE, "FieldName": "After", **changes}

    assert await refused(api, "customfield.update", **given) == codes
    assert (await _row(api, list_id, field_id))["FieldName"] == "Before"


async def test_a_field_stays_on_its_list(api: Client, make: Maker) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    theirs = await make_list(await make.client())
    field_id = await _make(api, list_id)
    given = {"CustomFieldID": field_id, **NAME_AND_TYPE}

    assert await refused(api, "customfield.update", **given, SubscriberListID=other) == [14]
    assert await refused(api, "customfield.update", **given, SubscriberListID=theirs) == [13]
    for harmless in (list_id, str(list_id), 0, -1, "abc", [other], 2**63, ""):
        await api.ok("customfield.update", **given, SubscriberListID=harmless)
    assert (await _row(api, list_id, field_id))["RelListID"] == str(list_id)


async def test_another_accounts_field_is_answered_like_a_missing_one(
    app: Application, api: Client, make: Maker
) -> None:
    stranger = await make.client()
    field_id = await _make(stranger, await make_list(stranger), IsGlobal="Yes")

    assert await refused(api, "customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, IsUnique="Yes") == [6]
    await api.ok("customfields.delete", CustomFields=field_id)
    [field] = await rows(app, CustomField, CustomField.field_id == field_id)
    assert field.is_unique is False


async def test_what_is_not_sent_stays(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(
        api,
        list_id,
        DefaultValue="D",
        ValidationMethod="Custom",
        ValidationRule="a",
        MergeTagAlias="Alias",
        IsRequired="Yes",
        Visibility="Hidden",
        UniqueIdentifier="1",
        Meta={"A": 1},
        DataType="text",
    )
    before = await _row(api, list_id, field_id)

    await api.ok("customfield.update", CustomFieldID=field_id, FieldName="New", FieldType="Single line")

    assert await _row(api, list_id, field_id) == {**before, "FieldName": "New"}


async def test_empty_text_clears_alias_and_default(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id, DefaultValue="D", MergeTagAlias="Alias")

    await api.ok("customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, DefaultValue="", MergeTagAlias="")

    row = await _row(api, list_id, field_id)
    assert (row["FieldDefaultValue"], row["MergeTagAlias"]) == ("", "")


async def test_a_field_keeps_its_own_alias_in_another_case(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id, MergeTagAlias="alias")

    await api.ok("customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, MergeTagAlias="ALIAS")

    assert (await _row(api, list_id, field_id))["MergeTagAlias"] == "ALIAS"


async def test_a_stored_rule_is_enough(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id, ValidationMethod="Custom", ValidationRule="^a")

    await api.ok("customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, ValidationMethod="Custom")

    assert (await _row(api, list_id, field_id))["ValidationRule"] == "^a"


async def test_choices_survive_an_update_without_labels_and_go_with_empty_ones(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id, FieldType="Drop down", OptionLabel=["A", "B"], OptionValue=["a", "b"])
    given = {"CustomFieldID": field_id, "FieldName": "F", "FieldType": "Drop down"}

    async def values() -> list[str]:
        return [choice["value"] for choice in (await _row(api, list_id, field_id))["Options"]]

    await api.ok("customfield.update", **given, OptionValue=["x"], OptionSelected=[0])
    assert await values() == ["a", "b"]
    await api.ok("customfield.update", **{**given, "FieldType": "Checkboxes"})
    assert await values() == ["a", "b"]
    await api.ok("customfield.update", **given, OptionLabel=["C"])
    assert await values() == ["C"]
    await api.ok("customfield.update", **given, OptionLabel=[])
    assert await values() == []


async def test_a_type_without_choices_loses_them_and_a_new_type_its_data_type(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id, DataType="single-select", OptionLabel=["A"])

    await api.ok("customfield.update", CustomFieldID=field_id, FieldName="F", FieldType="Date field")

    row = await _row(api, list_id, field_id)
    assert (row["Options"], row["SQLDataType"], row["ValidationMethod"]) == ([], None, "Disabled")
    assert row["Years"]


async def test_a_field_that_becomes_global_takes_its_values_along(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id, other = await make_list(api), await make_list(api, "Other")
    field_id = await _make(api, list_id)
    key = str(field_id)
    [person] = await make_people(app, api, list_id, "Ann@Example.com", custom_values={key: "x", "7": "kept"})
    await make_people(app, api, list_id, "bob@example.com")
    await make_people(app, api, other, "eve@example.com", custom_values={key: "of no field of this list"})
    async with app.sessions.begin() as session:
        session.add(GlobalValues(owner_id=owner_id, email_address="ann@example.com", custom_values={"1": "old"}))

    await api.ok("customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, IsGlobal="Yes")

    assert (await _row(api, other, field_id))["IsGlobal"] == "Yes"
    [values] = await rows(app, GlobalValues, GlobalValues.owner_id == owner_id)
    assert (values.email_address, values.custom_values) == ("ann@example.com", {"1": "old", key: "x"})
    [ann] = await rows(app, Subscriber, Subscriber.subscriber_id == person)
    assert ann.custom_values == {"7": "kept"}


async def test_a_global_field_is_not_turned_back(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id, IsGlobal="Yes")
    given = {"CustomFieldID": field_id, **NAME_AND_TYPE}

    assert await refused(api, "customfield.update", **given, IsGlobal="No") == [12]
    await api.ok("customfield.update", **given, IsGlobal="Yes", SubscriberListID=list_id)
    assert (await _row(api, list_id, field_id))["IsGlobal"] == "Yes"


async def test_a_field_that_becomes_global_must_not_meet_its_alias_elsewhere(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    field_id = await _make(api, list_id, MergeTagAlias="A")
    await _make(api, other, MergeTagAlias="a")

    assert await refused(api, "customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, IsGlobal="Yes") == [1000]
    assert (await _row(api, list_id, field_id))["IsGlobal"] == "No"


@pytest.mark.parametrize(
    ("list_id", "codes"), [(None, [1]), ("", [1]), ("x", [2]), ([], [2]), (2**63, [2]), (LARGEST_ID, [2]), (0, [2])]
)
async def test_fields_of_what_is_no_list_are_refused(api: Client, list_id: object, codes: list[int]) -> None:
    assert await refused(api, "customfields.get", SubscriberListID=list_id) == codes


async def test_another_accounts_list_shows_no_fields(api: Client, make: Maker) -> None:
    list_id = await make_list(await make.client())

    assert await refused(api, "customfields.get", SubscriberListID=list_id) == [2]


async def test_fields_come_in_the_order_asked_for(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    for name, more in (
        ("b", {"FieldType": "Time field"}),
        ("C", {"IsRequired": "Yes", "Visibility": "Public"}),
        ("a", {"IsUnique": "Yes", "FieldType": "Paragraph text"}),
    ):
        await _make(api, list_id, **{"FieldName": name, **more})
    await _make(api, other, FieldName="g", IsGlobal="Yes")
    await _make(api, other, FieldName="not here")

    async def names(**parameters: Any) -> list[str]:
        body = await api.ok("customfields.get", ListID=list_id, **parameters)
        assert body["TotalFieldCount"] == len(body["CustomFields"])
        return [row["FieldName"] for row in body["CustomFields"]]

    assert await names() == ["a", "b", "C"]
    assert await names(OrderType="DESC") == ["C", "b", "a"]
    assert await names(OrderField="customfieldid") == ["b", "C", "a"]
    assert await names(OrderField="FieldType") == ["a", "C", "b"]
    assert await names(OrderField="IsRequired") == ["b", "a", "C"]
    assert await names(OrderField="IsUnique", OrderType="desc") == ["a", "C", "b"]
    assert await names(OrderField="Visibility") == ["C", "b", "a"]
    assert await names(OrderField="nonsense", ReturnGlobalCustomFields=1) == ["a", "b", "C", "g"]
    assert await names(OrderField="IsGlobal", OrderType="desc", ReturnGlobalCustomFields="true") == ["g", "a", "C", "b"]


@pytest.mark.parametrize("fields", [None, "", " , ", "x", "0", [], {}, 2**63])
async def test_a_deletion_without_a_single_id_is_refused(api: Client, fields: object) -> None:
    assert await refused(api, "customfields.delete", CustomFields=fields) == [1]


async def test_a_field_goes_with_everybodys_values(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id = await make_list(api)
    own, shared, kept = await _make(api, list_id), await _make(api, list_id, IsGlobal="Yes"), await _make(api, list_id)
    values = {str(field_id): "x" for field_id in (own, shared, kept)}
    [person] = await make_people(app, api, list_id, "a@example.com", custom_values=values)
    async with app.sessions.begin() as session:
        session.add(GlobalValues(owner_id=owner_id, email_address="a@example.com", custom_values=values))

    answer = (await api.call("customfields.delete", CustomFields=f"{own},{shared}, x,{LARGEST_ID}")).json()

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    [subscriber] = await rows(app, Subscriber, Subscriber.subscriber_id == person)
    [address] = await rows(app, GlobalValues, GlobalValues.owner_id == owner_id)
    assert subscriber.custom_values == {str(shared): "x", str(kept): "x"}
    assert address.custom_values == {str(own): "x", str(kept): "x"}
    assert await count(app, CustomField, CustomField.owner_id == owner_id) == 1


async def test_odd_values_are_unreadable(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await _make(api, list_id)

    await unreadable(api, "customfield.update", CustomFieldID=field_id, **NAME_AND_TYPE, DefaultValue="\x00")
    await unreadable(api, "customfields.get", SubscriberListID=list_id, OrderField=["a"])


@pytest.mark.parametrize(
    ("command", "permission"),
    [
        ("customfield.create", "CustomField.Create"),
        ("customfield.update", "CustomField.Update"),
        ("customfields.get", "CustomFields.Get"),
        ("customfields.delete", "CustomFields.Delete"),
    ],
)
async def test_each_command_asks_for_its_own_permission(make: Maker, command: str, permission: str) -> None:
    every = {"CustomField.Create", "CustomField.Update", "CustomFields.Get", "CustomFields.Delete"}
    allowed = await make.client(permissions=[permission])
    barred = await make.client(permissions=sorted(every - {permission}))

    assert (await barred.call(command)).json()["ErrorCode"] == 99999
    assert (await allowed.call(command)).json()["ErrorCode"] != 99999
