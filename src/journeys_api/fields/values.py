"""Values of custom fields: what a client submits, as the text that is stored (AC 7.3)."""

from collections.abc import Sequence
from datetime import date, time
from typing import Any

from journeys_api.fields import validation
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.fields.kinds import FieldType
from journeys_api.models import CustomField

SEPARATOR = "||||"
"""Between the members of a value with several, as the vendor's checkboxes are stored; no choice contains it."""


def is_empty(value: object) -> bool:
    """Whether a submitted value counts as missing: nothing, blank text, an array with no member that is not empty.

    `"0"`, `0` and `false` are values.
    """
    if value is None:
        return True
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, dict):
        return all(is_empty(member) for member in value.values())
    if isinstance(value, list | tuple):
        return all(is_empty(member) for member in value)
    return False


def normalised(field: CustomField, value: object) -> str:
    """The text to store for a submitted value, whatever the field's rules say of it: they hold only where a call asks
    for them (`EnforceRequiredFields`).

    An array becomes one text: for a date field `(d, m, Y)` → `2026-01-31`, for a time field `(H, i)` → `09:05`, for
    every other its members with `SEPARATOR` between them. An empty value is "".

    Raises:
        InvalidFieldValue: nothing that can be stored: NUL, nested arrays, no real day or time.
    """
    if is_empty(value):
        return ""
    if isinstance(value, dict):
        value = _in_key_order(value)
    if isinstance(value, list | tuple):
        return _joined(field, value)
    return _text(value)


def check_value(field: CustomField, value: object) -> str:
    """The text to store for a submitted value that must also pass the field's validation method.

    An empty value passes: whether it may be missing is another rule. The members of an array are not judged by the
    method, as at the vendor's; only `Enum` asks of each that it is one of the choices.

    Raises:
        InvalidFieldValue: it cannot be stored, or does not pass.
    """
    text = normalised(field, value)
    if not text:
        return text
    if not validation.are_choices(field, parts(text)):
        raise InvalidFieldValue(field.field_name)
    if not isinstance(value, list | tuple | dict) and not validation.is_valid(field, text):
        raise InvalidFieldValue(field.field_name)
    return text


def parts(text: str) -> list[str]:
    """The members of a stored value; one for a value that is not of several."""
    return text.split(SEPARATOR) if text else []


def _in_key_order(value: dict[Any, Any]) -> list[Any]:
    # a sparse PHP array arrives as a map of indexes
    if all(isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10 for key in value):
        return [value[key] for key in sorted(value, key=int)]
    raise InvalidFieldValue


def _joined(field: CustomField, members: Sequence[object]) -> str:
    texts = ["" if member is None else _text(member) for member in members]
    if field.field_type == FieldType.DATE:
        return _date(texts)
    if field.field_type == FieldType.TIME:
        return _time(texts)
    return SEPARATOR.join(text for text in texts if text.strip())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and "\x00" not in value:
        return value
    raise InvalidFieldValue


def _date(texts: list[str]) -> str:
    day, month, year = _numbers(texts, least=3, most=3)
    try:
        return date(year, month, day).isoformat()
    except (ValueError, OverflowError):
        raise InvalidFieldValue from None


def _time(texts: list[str]) -> str:
    hour, minute, *seconds = _numbers(texts, least=2, most=3)
    try:
        return time(hour, minute, sum(seconds)).isoformat("seconds" if seconds else "minutes")
    except (ValueError, OverflowError):
        raise InvalidFieldValue from None


def _numbers(texts: list[str], *, least: int, most: int) -> list[int]:
    stripped = [text.strip() for text in texts]
    if not least <= len(stripped) <= most or not all(
        text.isascii() and text.isdigit() and len(text) <= 4 for text in stripped
    ):
        raise InvalidFieldValue
    return [int(text) for text in stripped]
