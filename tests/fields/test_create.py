"""`customfield.create`: documented codes, presets, data types, choices, aliases, global fields."""

from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.clock import SystemClock
from journeys_api.models import CustomField
from tests.conftest import Client, Maker
from tests.lists.rows import LARGEST_ID, count, make_list, owner_of, refused, unreadable

PRESETS = {
    "Gender": None,
    "Age": None,
    "Employment": None,
    "Income": None,
    "Education": None,
    "Days of the week": 7,
    "Months of the year": 12,
    "U.S. states": 50,
    "Continents": 7,
    "Satisfaction": 5,
    "Importance": 5,
    "Agreement": 5,
    "Comparison": 5,
    "Country": 249,
}


async def _create(api: Client, list_id: int, **parameters: Any) -> dict[str, Any]:
    """Make a field and answer its row."""
    given = {"FieldName": "Field", "FieldType": "Single line", **parameters}
    made = await api.ok("customfield.create", SubscriberListID=list_id, **given)
    found = await api.ok("customfields.get", SubscriberListID=list_id, ReturnGlobalCustomFields=True)
    [row] = [each for each in found["CustomFields"] if each["CustomFieldID"] == str(made["CustomFieldID"])]
    assert isinstance(row, dict)
    return row


async def test_a_field_has_the_documented_row(api: Client) -> None:
    list_id = await make_list(api)

    body = (
        await api.call("customfield.create", SubscriberListID=list_id, FieldName="Company", FieldType="Single line")
    ).json()

    [row] = (await api.ok("customfields.get", SubscriberListID=list_id))["CustomFields"]
    assert body == {"Success": True, "ErrorCode": 0, "ErrorText": "", "CustomFieldID": int(row["CustomFieldID"])}
    expected: dict[str, object] = {
        "RelListID": str(list_id),
        "RelOwnerUserID": str(owner_of(api).user_id),
        "FieldName": "Company",
        "FieldType": "Single line",
        "FieldDefaultValue": "",
        "ValidationMethod": "Disabled",
        "IsRequired": "No",
        "IsUnique": "No",
        "Visibility": "User Only",
        "IsGlobal": "No",
        "Options": [],
        "SQLDataType": None,
        "SQLDataTypeValues": None,
    }
    assert {key: row[key] for key in expected} == expected


async def test_a_field_keeps_what_it_is_made_with(api: Client) -> None:
    row = await _create(
        api,
        await make_list(api),
        FieldName="Ünïcode",
        FieldType="hidden field",
        DefaultValue="none",
        ValidationMethod="custom",
        ValidationRule="/^[a-z]+$/i",
        MergeTagAlias="My alias-1.0_x",
        IsRequired="Yes",
        IsUnique="yes",
        Visibility="public",
        UniqueIdentifier=True,
        Meta={"CamelCase": {"Deep": [1, None, "x"]}},
    )

    expected = {
        "FieldName": "Ünïcode",
        "FieldType": "Hidden field",
        "FieldDefaultValue": "none",
        "ValidationMethod": "Custom",
        "ValidationRule": "/^[a-z]+$/i",
        "MergeTagAlias": "My alias-1.0_x",
        "IsRequired": "Yes",
        "IsUnique": "Yes",
        "Visibility": "Public",
        "UniqueIdentifier": True,
        "Meta": {"CamelCase": {"Deep": [1, None, "x"]}},
    }
    assert {key: row[key] for key in expected} == expected


async def test_meta_keeps_its_spelling_as_json_text_too(api: Client) -> None:
    row = await _create(api, await make_list(api), Meta='{"a":1,"A":{"b":2,"B":3}}')

    assert row["Meta"] == {"a": 1, "A": {"b": 2, "B": 3}}


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1, 2, 3]),
        ({"FieldName": "F"}, [1, 3]),
        ({"FieldType": "Single line"}, [1, 2]),
        ({"SubscriberListID": "x", "FieldType": "Fancy"}, [2, 7, 8]),
        ({"PresetName": "Country"}, [1]),
        ({"PresetName": "Planets"}, [1, 5]),
        ({"PresetName": ["Country"]}, [1, 5]),
        ({"FieldName": "F", "DataType": "blob"}, [1, 7]),
        ({"FieldName": "F", "DataType": "text"}, [1]),
        ({"FieldName": "F", "DataType": "text", "ValidationMethod": "Custom"}, [1, 4]),
        ({"FieldName": "F", "DataType": "text", "MergeTagAlias": "a/b"}, [1, 1001]),
        ({"FieldName": "F", "DataType": "text", "MergeTagAlias": "é"}, [1, 1001]),
        ({"FieldName": "F", "DataType": "text", "MergeTagAlias": "a" * 251}, [1, 1001]),
        ({"FieldName": "F", "DataType": "text", "MergeTagAlias": {}}, [1, 1001]),
        ({"FieldName": "F", "DataType": "text", "MergeTagAlias": "EMAILaddress"}, [1, 1002]),
        ({"MergeTagAlias": "BounceType", "ValidationMethod": "Custom"}, [1, 2, 3, 4, 1002]),
    ],
)
async def test_every_bad_parameter_is_named_at_once(api: Client, parameters: dict[str, Any], codes: list[int]) -> None:
    assert await refused(api, "customfield.create", **parameters) == codes


@pytest.mark.parametrize("rule", ["(", "(?=a)", r"(a)\1", "a{1001}", "a" * 1001, ["a"], ""])
async def test_a_custom_rule_must_be_a_pattern_that_can_be_evaluated(api: Client, rule: object) -> None:
    list_id = await make_list(api)

    codes = await refused(
        api,
        "customfield.create",
        SubscriberListID=list_id,
        FieldName="F",
        FieldType="Single line",
        ValidationMethod="Custom",
        ValidationRule=rule,
    )

    assert codes == [4]
    assert (await api.ok("customfields.get", SubscriberListID=list_id))["TotalFieldCount"] == 0


@pytest.mark.parametrize("list_id", [0, 2**63, LARGEST_ID, [1], "1 "])
async def test_what_is_no_list_of_the_account_is_invalid(api: Client, list_id: object) -> None:
    codes = await refused(
        api, "customfield.create", SubscriberListID=list_id, FieldName="F", FieldType="Single line", IsGlobal="Yes"
    )

    assert codes == [8]


async def test_another_accounts_list_is_answered_like_a_missing_one(app: Application, api: Client, make: Maker) -> None:
    list_id = await make_list(await make.client())

    codes = await refused(api, "customfield.create", SubscriberListID=list_id, FieldName="F", FieldType="Single line")

    assert codes == [8]
    assert await count(app, CustomField, CustomField.list_id == list_id) == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {"FieldName": "a\x00b"},
        {"DefaultValue": []},
        {"ValidationMethod": "Telepathy"},
        {"Visibility": "Everybody"},
        {"IsRequired": "Perhaps"},
        {"IsUnique": {}},
        {"IsGlobal": "Perhaps"},
        {"FieldType": "Date field", "Years": "soon"},
        {"FieldType": "Date field", "Years": "2030-2010"},
        {"OptionLabel": "no array"},
        {"OptionLabel": {"a": "b"}},
        {"OptionLabel": [["nested"]]},
        {"OptionSelected": [[1]]},
        {"Meta": "no object"},
        {"Meta": {"text": "a\x00b"}},
    ],
)
async def test_a_bad_value_without_a_code_is_unreadable(api: Client, parameters: dict[str, Any]) -> None:
    list_id = await make_list(api)
    given = {"FieldName": "F", "FieldType": "Drop down", **parameters}

    await unreadable(api, "customfield.create", SubscriberListID=list_id, **given)

    assert (await api.ok("customfields.get", SubscriberListID=list_id))["TotalFieldCount"] == 0


async def test_every_preset_is_a_drop_down_with_its_choices(api: Client) -> None:
    list_id = await make_list(api)

    for name, number in PRESETS.items():
        made = await api.ok("customfield.create", SubscriberListID=list_id, PresetName=name.upper())
        rows = (await api.ok("customfields.get", SubscriberListID=list_id))["CustomFields"]
        [row] = [each for each in rows if each["CustomFieldID"] == str(made["CustomFieldID"])]
        assert (row["FieldName"], row["FieldType"]) == (name, "Drop down")
        assert len(row["Options"]) == number or (number is None and len(row["Options"]) > 3)


async def test_a_preset_may_be_given_another_name_and_kind_of_choice(api: Client) -> None:
    row = await _create(
        api,
        await make_list(api),
        FieldName="Land",
        FieldType="Multiple choice",
        PresetName="Country",
        OptionLabel=["x"],
    )

    assert (row["FieldName"], row["FieldType"], len(row["Options"])) == ("Land", "Multiple choice", 249)
    assert {"label": "Germany", "value": "DE", "is_selected": "false"} in row["Options"]


@pytest.mark.parametrize(
    ("data_type", "field_type", "method", "sql"),
    [
        ("text", "Single line", "Disabled", None),
        ("longtext", "Paragraph text", "Disabled", None),
        ("number", "Single line", "Numbers", "DOUBLE"),
        ("datetime", "Single line", "Disabled", "DATETIME"),
        ("date", "Date field", "Disabled", "DATE"),
        ("time", "Time field", "Disabled", "TIME"),
        ("TIMESTAMP", "Single line", "Disabled", "TIMESTAMP"),
        ("single-select", "Drop down", "Enum", "enum"),
        ("multi-select", "Checkboxes", "Enum", "set"),
    ],
)
async def test_a_data_type_overrides_the_field_type(
    api: Client, data_type: str, field_type: str, method: str, sql: str | None
) -> None:
    row = await _create(api, await make_list(api), FieldType="Hidden field", DataType=data_type, OptionLabel=["A", "B"])

    assert (row["FieldType"], row["ValidationMethod"], row["SQLDataType"]) == (field_type, method, sql)
    assert row["SQLDataTypeValues"] == (["A", "B"] if sql in ("enum", "set") else None)


@pytest.mark.parametrize(
    ("labels", "values", "selected"),
    [
        (["Red", "Green"], ["r", "g"], [1]),
        ({"1": "Red", "2": "Green"}, {"1": "r", "2": "g"}, ["2"]),
        ('["Red","Green"]', '["r","g"]', "[1]"),
        (["Red", "Green"], ["r", "g"], {"0": "1"}),
        (["Red", "Green"], ["r", "g"], "1"),
        (["Red", "Green"], ["r", "g"], ["g"]),
    ],
)
async def test_choices_belong_together_by_their_keys(
    api: Client, labels: object, values: object, selected: object
) -> None:
    row = await _create(
        api,
        await make_list(api),
        FieldType="Checkboxes",
        OptionLabel=labels,
        OptionValue=values,
        OptionSelected=selected,
    )

    assert row["Options"] == [
        {"label": "Red", "value": "r", "is_selected": "false"},
        {"label": "Green", "value": "g", "is_selected": "true"},
    ]


async def test_a_choice_without_a_value_stores_its_label(api: Client) -> None:
    row = await _create(
        api, await make_list(api), FieldType="Drop down", OptionLabel=["A", "B"], OptionValue={"1": "b"}
    )

    assert [choice["value"] for choice in row["Options"]] == ["A", "b"]


async def test_only_fields_of_choice_have_choices(api: Client) -> None:
    assert (await _create(api, await make_list(api), OptionLabel=["A"]))["Options"] == []


async def test_a_date_field_without_years_offers_ten_before_and_after(api: Client) -> None:
    list_id = await make_list(api)
    year = SystemClock().now().year

    assert (await _create(api, list_id, FieldType="Date field"))["Years"] == f"{year - 10}-{year + 10}"
    assert (await _create(api, list_id, FieldType="Date field", Years="1950-2030"))["Years"] == "1950-2030"
    assert (await _create(api, list_id, Years="1950-2030"))["Years"] == ""


async def test_an_alias_is_unique_on_the_list_without_case(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    await _create(api, list_id, MergeTagAlias="FirstName")

    again = {"FieldName": "F", "FieldType": "Single line", "MergeTagAlias": "FIRSTname"}
    assert await refused(api, "customfield.create", SubscriberListID=list_id, **again) == [1000]
    assert (await api.ok("customfields.get", SubscriberListID=list_id))["TotalFieldCount"] == 1
    assert (await _create(api, other, **again))["MergeTagAlias"] == "FIRSTname"


async def test_a_global_field_shares_its_alias_with_no_field_of_any_list(api: Client, make: Maker) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    await _create(api, list_id, MergeTagAlias="A")
    await _create(api, list_id, MergeTagAlias="B", IsGlobal="Yes")
    field = {"FieldName": "F", "FieldType": "Single line"}

    for list_of, alias, is_global in ((other, "a", "Yes"), (other, "b", "No"), (other, "b", "Yes")):
        given = {**field, "MergeTagAlias": alias, "IsGlobal": is_global}
        assert await refused(api, "customfield.create", SubscriberListID=list_of, **given) == [1000]
    stranger = await make.client()
    assert await _create(stranger, await make_list(stranger), MergeTagAlias="B")


async def test_fields_without_an_alias_do_not_meet(api: Client) -> None:
    list_id = await make_list(api)
    await _create(api, list_id)
    await _create(api, list_id, MergeTagAlias="")

    assert (await api.ok("customfields.get", SubscriberListID=list_id))["TotalFieldCount"] == 2


async def test_a_global_field_belongs_to_no_list(api: Client) -> None:
    row = await _create(api, await make_list(api), IsGlobal="Yes")

    assert (row["RelListID"], row["IsGlobal"]) == ("0", "Yes")


async def test_names_and_default_values_have_an_end(api: Client) -> None:
    list_id = await make_list(api)

    row = await _create(api, list_id, FieldName="n" * 250, DefaultValue="d" * 250)

    assert (row["FieldName"], row["FieldDefaultValue"]) == ("n" * 250, "d" * 250)
    given = {"SubscriberListID": list_id, "FieldType": "Single line"}
    await unreadable(api, "customfield.create", FieldName="n" * 251, **given)
    await unreadable(api, "customfield.create", FieldName="n", DefaultValue="d" * 251, **given)
