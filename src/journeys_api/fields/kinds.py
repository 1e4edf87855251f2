"""What kinds of custom fields there are (AC 7.3): their types, validation methods, visibilities and data types."""

from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """How a value is asked for."""

    SINGLE_LINE = "Single line"
    PARAGRAPH = "Paragraph text"
    MULTIPLE_CHOICE = "Multiple choice"
    DROP_DOWN = "Drop down"
    CHECKBOXES = "Checkboxes"
    DATE = "Date field"
    TIME = "Time field"
    HIDDEN = "Hidden field"


CHOICE_TYPES = frozenset({FieldType.MULTIPLE_CHOICE, FieldType.DROP_DOWN, FieldType.CHECKBOXES})
"""The types that have choices."""


class ValidationMethod(StrEnum):
    """What a value must look like where a call asks for the rules to be enforced."""

    DISABLED = "Disabled"
    NUMBERS = "Numbers"
    LETTERS = "Letters"
    NUMBERS_AND_LETTERS = "Numbers and letters"
    EMAIL_ADDRESS = "Email address"
    URL = "URL"
    DATE = "Date"
    TIME = "Time"
    CUSTOM = "Custom"
    ENUM = "Enum"
    """One of the field's choices; set by the data types `single-select` and `multi-select`."""


class Visibility(StrEnum):
    """Who may see the field; kept and answered."""

    PUBLIC = "Public"
    USER_ONLY = "User Only"
    HIDDEN = "Hidden"


@dataclass(frozen=True)
class DataType:
    """A simplified type: what it sets in place of FieldType and ValidationMethod, and the vendor's type of column."""

    field_type: FieldType
    validation_method: ValidationMethod | None = None
    """None: the caller's own."""
    sql_type: str | None = None
    has_values: bool = False
    """Whether the column's type lists the choices."""


DATA_TYPES = {
    "text": DataType(FieldType.SINGLE_LINE),
    "longtext": DataType(FieldType.PARAGRAPH),
    "number": DataType(FieldType.SINGLE_LINE, ValidationMethod.NUMBERS, "DOUBLE"),
    "datetime": DataType(FieldType.SINGLE_LINE, sql_type="DATETIME"),
    "date": DataType(FieldType.DATE, sql_type="DATE"),
    "time": DataType(FieldType.TIME, sql_type="TIME"),
    "timestamp": DataType(FieldType.SINGLE_LINE, sql_type="TIMESTAMP"),
    "single-select": DataType(FieldType.DROP_DOWN, ValidationMethod.ENUM, "enum", has_values=True),
    "multi-select": DataType(FieldType.CHECKBOXES, ValidationMethod.ENUM, "set", has_values=True),
}

RESERVED_ALIASES = frozenset(
    {
        "subscriberid",
        "emailaddress",
        "subscriptiondate",
        "subscriptionip",
        "optindate",
        "subscriptionstatus",
        "bouncetype",
    }
)
"""Names of the subscriber's own columns, in lower case; no alias may be one of them in any case."""
