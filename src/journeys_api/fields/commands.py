"""The commands of custom fields (AC 2.7)."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    Unreadable,
    as_given,
    boolean,
    bounded_text,
    choice,
    flag,
    identifier,
    known_ids,
    one_of,
    text,
    whole,
)
from journeys_api.commands.registry import Param, Reading, Refusal, command
from journeys_api.fields import service, wire
from journeys_api.fields.errors import AliasTaken, FieldNotFound, FieldOfAnotherList, FieldStaysGlobal, RuleMissing
from journeys_api.fields.kinds import DATA_TYPES, FieldType
from journeys_api.fields.parameters import LONGEST_NAME, judge_alias, read_choices, read_settings, shared_params
from journeys_api.fields.service import FieldSettings
from journeys_api.lists.errors import ListNotFound

_ALIAS_REFUSALS = [
    Refusal(1000, "Merge tag alias code has been set for another custom field"),
    Refusal(1001, "Merge tag alias code includes invalid characters"),
    Refusal(1002, "Merge tag alias cannot use a reserved subscriber field name"),
]


@command(
    "customfield.create",
    permission="CustomField.Create",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=1, invalid=8, also=("ListID",), refers_to="list"),
        Param("FieldName", "field_name", bounded_text(LONGEST_NAME), doc="Required unless PresetName is given"),
        Param(
            "FieldType",
            "field_type",
            choice(FieldType),
            invalid=7,
            doc="Required unless PresetName or DataType is given",
        ),
        Param("PresetName", "preset_name", text, invalid=5, doc="A ready-made field such as `Country`"),
        Param(
            "DataType",
            "data_type",
            one_of(*DATA_TYPES),
            invalid=7,
            doc="Sets FieldType, and for number and the selects ValidationMethod too",
        ),
        *shared_params(bad_method=None, bad_visibility=None, bad_required=None, bad_unique=None),
        Param("IsGlobal", "is_global", flag(), default=False, doc="Whether it is a field of every list of the account"),
    ],
    refusals=[
        Refusal(1, "Missing subscriber list id"),
        Refusal(2, "Missing field name"),
        Refusal(3, "Missing field type"),
        Refusal(4, "Missing validation rule"),
        Refusal(5, "Invalid preset name"),
        Refusal(7, "Invalid data type"),
        Refusal(8, "Invalid subscriber list id"),
        *_ALIAS_REFUSALS,
    ],
    errors={ListNotFound: 8, AliasTaken: 1000},
    check=read_settings,
    title="Create a Custom Field",
    source="AC 2.7",
    example={"SubscriberListID": 123, "FieldName": "Company Name", "FieldType": "Single line"},
    answer={"CustomFieldID": 456},
)
async def customfield_create(call: Call, *, list_id: int, is_global: bool, settings: FieldSettings, **_: Any) -> Body:
    """Make a field that subscribers of the list may have a value for, or, global, those of every list.

    The values of a global field belong to the address and are shared by all lists; it cannot be turned back. A date
    field without `Years` offers ten years before and after this one. An unknown FieldType is answered with 7, and a
    Custom rule that cannot be evaluated with 4.
    """
    made = await service.create_field(
        call.session, owner_id=call.owner_id, list_id=list_id, is_global=is_global, settings=settings, now=call.now
    )
    return {"CustomFieldID": made.field_id}


_CHANGES = (
    "field_name",
    "field_type",
    "default_value",
    "validation_method",
    "validation_rule",
    "merge_tag_alias",
    "is_required",
    "is_unique",
    "visibility",
    "years",
    "meta",
    "is_unique_identifier",
)


def _check_update(reading: Reading) -> None:
    judge_alias(reading)
    try:
        reading["list_id"] = None if reading["list_id"] is None else whole(reading["list_id"], least=1)
    except Unreadable:
        reading["list_id"] = None  # documented: what is no positive id is ignored here
    changes = {name: reading[name] for name in _CHANGES if reading[name] is not None}
    if reading.has("option_labels"):
        changes["choices"] = read_choices(reading)
    reading["changes"] = changes


@command(
    "customfield.update",
    permission="CustomField.Update",
    params=[
        Param("CustomFieldID", "field_id", identifier, missing=1, invalid=6, refers_to="field"),
        Param("FieldName", "field_name", bounded_text(LONGEST_NAME), missing=2),
        Param("FieldType", "field_type", choice(FieldType), missing=3, invalid=7),
        Param(
            "SubscriberListID",
            "list_id",
            as_given,
            also=("ListID",),
            refers_to="list",
            doc="Must be the field's own list if sent; what is no positive id is ignored",
            documented_type="Integer",
        ),
        *shared_params(bad_method=8, bad_visibility=9, bad_required=10, bad_unique=11),
        Param("IsGlobal", "is_global", flag(), invalid=12, doc="`Yes` takes the values along; there is no way back"),
    ],
    refusals=[
        Refusal(1, "Missing custom field id"),
        Refusal(2, "Missing field name"),
        Refusal(3, "Missing field type"),
        Refusal(4, "Missing validation rule"),
        Refusal(6, "Invalid custom field id"),
        Refusal(7, "Invalid field type"),
        Refusal(8, "Invalid validation method"),
        Refusal(9, "Invalid visibility value"),
        Refusal(10, "Invalid IsRequired value"),
        Refusal(11, "Invalid IsUnique value"),
        Refusal(12, "Invalid IsGlobal value"),
        Refusal(13, "Invalid subscriber list id (the list does not exist or does not belong to you)"),
        Refusal(14, "Custom field list cannot be changed. Create the custom field on the target list instead."),
        *_ALIAS_REFUSALS,
    ],
    errors={
        FieldNotFound: 6,
        ListNotFound: 13,
        FieldOfAnotherList: 14,
        FieldStaysGlobal: 12,
        RuleMissing: 4,
        AliasTaken: 1000,
    },
    check=_check_update,
    title="Update a Custom Field",
    source="AC 2.7",
    example={"CustomFieldID": 456, "FieldName": "Company", "FieldType": "Single line", "IsRequired": "Yes"},
)
async def customfield_update(
    call: Call,
    *,
    field_id: int,
    list_id: int | None,
    is_global: bool | None,
    changes: dict[str, Any],
    **_: Any,
) -> Body:
    """Change what is sent of a field; the rest stays.

    Choices stay when `OptionLabel` is not sent, and go with an empty one or with a type that has none. A method of
    Date, Time or Custom wants a rule, sent now or stored.
    """
    await service.update_field(
        call.session,
        owner_id=call.owner_id,
        field_id=field_id,
        list_id=list_id,
        is_global=is_global,
        changes=changes,
        now=call.now,
    )
    return {}


_ORDERS = {
    "fieldname": "field_name",
    "customfieldid": "field_id",
    "fieldtype": "field_type",
    "isrequired": "is_required",
    "isunique": "is_unique",
    "visibility": "visibility",
    "isglobal": "is_global",
}


@command(
    "customfields.get",
    permission="CustomFields.Get",
    params=[
        Param("SubscriberListID", "list_id", identifier, missing=1, invalid=2, also=("ListID",), refers_to="list"),
        Param(
            "OrderField",
            "order_field",
            text,
            default="FieldName",
            doc="FieldName, CustomFieldID, FieldType, IsRequired, IsUnique, Visibility or IsGlobal",
        ),
        Param("OrderType", "order_type", text, default="ASC", doc="ASC or DESC"),
        Param("ReturnGlobalCustomFields", "with_global", boolean, default=False),
    ],
    refusals=[Refusal(1, "Missing subscriber list id"), Refusal(2, "Invalid subscriber list id")],
    errors={ListNotFound: 2},
    title="Get Custom Fields",
    source="AC 2.7",
    example={"SubscriberListID": 123, "ReturnGlobalCustomFields": True},
    answer={
        "TotalFieldCount": 1,
        "CustomFields": [{"CustomFieldID": "456", "RelListID": "123", "FieldName": "Company Name"}],
    },
)
async def customfields_get(call: Call, *, list_id: int, order_field: str, order_type: str, with_global: bool) -> Body:
    """The fields of a list, all of them; with `ReturnGlobalCustomFields` the account's global ones too."""
    found = await service.list_fields(
        call.session,
        owner_id=call.owner_id,
        list_id=list_id,
        with_global=with_global,
        order_by=_ORDERS.get(order_field.lower(), "field_name"),
        descending=order_type.lower() == "desc",
    )
    return {"TotalFieldCount": len(found), "CustomFields": [wire.field_row(field) for field in found]}


@command(
    "customfields.delete",
    permission="CustomFields.Delete",
    params=[
        Param(
            "CustomFields",
            "field_ids",
            known_ids,
            missing=1,
            invalid=1,
            refers_to="field",
            doc="Comma-separated ids",
        )
    ],
    refusals=[Refusal(1, "Custom field ids are missing")],
    title="Delete Custom Fields",
    source="AC 2.7",
    example={"CustomFields": "456,789"},
)
async def customfields_delete(call: Call, *, field_ids: list[int]) -> Body:
    """Remove fields together with everybody's values for them.

    Members that are no ids, or not the account's fields, are skipped (as `journeys.delete` does); a list of ids
    without a single id is answered with 1.
    """
    await service.delete_fields(call.session, owner_id=call.owner_id, field_ids=field_ids)
    return {}
