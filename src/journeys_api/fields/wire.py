"""Wire shapes of custom fields."""

from journeys_api.commands.wire import yes_no
from journeys_api.fields.kinds import DATA_TYPES
from journeys_api.models import CustomField


def field_row(found: CustomField) -> dict[str, object]:
    """A field as `customfields.get` answers it: ids as text, as the vendor reads its rows."""
    return {
        "CustomFieldID": str(found.field_id),
        "RelListID": str(found.list_id),
        "RelOwnerUserID": str(found.owner_id),
        "FieldName": found.field_name,
        "FieldType": found.field_type,
        "FieldDefaultValue": found.default_value,
        "ValidationMethod": found.validation_method,
        "ValidationRule": found.validation_rule,
        "MergeTagAlias": found.merge_tag_alias,
        "IsRequired": yes_no(found.is_required),
        "IsUnique": yes_no(found.is_unique),
        "Visibility": found.visibility,
        "IsGlobal": yes_no(found.list_id == 0),
        "UniqueIdentifier": found.is_unique_identifier,
        "Years": found.years,
        **_choices(found),
        "Meta": found.meta,
    }


def picked_field_row(found: CustomField) -> dict[str, object]:
    """A field as `lists.overview` shows it on a list: what a picker needs to know its type."""
    return {
        "CustomFieldID": found.field_id,
        "RelListID": found.list_id,
        "FieldName": found.field_name,
        "FieldType": found.field_type,
        "ValidationMethod": found.validation_method,
        "MergeTagAlias": found.merge_tag_alias,
        **_choices(found),
    }


def _choices(found: CustomField) -> dict[str, object]:
    data_type = DATA_TYPES.get(found.data_type)
    values = [choice["value"] for choice in found.choices]
    return {
        "Options": [
            {
                "label": choice["label"],
                "value": choice["value"],
                "is_selected": "true" if choice.get("selected") else "false",
            }
            for choice in found.choices
        ],
        "SQLDataType": data_type.sql_type if data_type else None,
        "SQLDataTypeValues": values if data_type and data_type.has_values else None,
    }
