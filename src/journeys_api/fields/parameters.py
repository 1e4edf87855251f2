"""How the parameters of custom fields are read, and what only several of them together tell."""

import re
from typing import Any

import orjson

from journeys_api.commands import reading as readers
from journeys_api.commands.reading import Reader, Unreadable, scalar_text
from journeys_api.commands.registry import Param, Reading
from journeys_api.fields import validation
from journeys_api.fields.choices import Choice, combine
from journeys_api.fields.kinds import (
    CHOICE_TYPES,
    DATA_TYPES,
    RESERVED_ALIASES,
    FieldType,
    ValidationMethod,
    Visibility,
)
from journeys_api.fields.presets import PRESETS
from journeys_api.fields.service import FieldSettings

_ALIAS = re.compile(r"[A-Za-z0-9 ._-]{1,250}")
LONGEST_NAME = 250
"""Of names and default values (AC 7.3)."""
_YEARS = re.compile(r"([0-9]{4})-([0-9]{4})")
_PRESETS = {name.lower(): name for name in PRESETS}


def _keyed_texts(value: Any) -> dict[int, str]:
    """Key → text, of a list or of a map of indexes (PHP counts from where it likes); also a JSON text of one."""
    given = readers.mapping(value)
    if not all(key.isascii() and key.isdigit() and len(key) < 10 for key in given):
        raise Unreadable
    return {int(key): "" if text is None else scalar_text(text) for key, text in given.items()}


def _selected_keys(value: Any) -> frozenset[str]:
    """Members of an array, or a single one."""
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list) and not str(value).lstrip().startswith("["):
        value = [value]
    return frozenset(scalar_text(member) for member in readers.array(value) if member is not None)


def _years(value: Any) -> str:
    text = scalar_text(value)
    matched = _YEARS.fullmatch(text)
    if matched is None or matched[1] > matched[2]:
        raise Unreadable
    return text


def _meta(value: Any) -> dict[str, Any]:
    given = readers.mapping(value, is_free=True)
    try:
        orjson.dumps(given)
    except TypeError:
        # a whole number of more than 64 bits: it could be neither stored nor answered
        raise Unreadable from None
    return given


_TEXTS = {"type": "array", "items": {"type": "string"}}
keyed_texts = Reader(_keyed_texts, _TEXTS)
selected_keys = Reader(_selected_keys, _TEXTS)
years = Reader(_years, {"type": "string", "pattern": "^[0-9]{4}-[0-9]{4}$"})
meta = Reader(_meta, {"type": "object"})
_METHODS = {method.value.lower(): method for method in ValidationMethod} | {"none": ValidationMethod.DISABLED}


def _method(value: Any) -> ValidationMethod:
    try:
        return _METHODS[scalar_text(value).lower()]
    except KeyError:
        raise Unreadable from None


method = Reader(_method, {"type": "string", "enum": [each.value for each in ValidationMethod]})


def shared_params(
    *, bad_method: int | None, bad_visibility: int | None, bad_required: int | None, bad_unique: int | None
) -> list[Param]:
    """The parameters that create and update have in common; only update has codes for all of them."""
    return [
        Param("DefaultValue", "default_value", readers.bounded_text(LONGEST_NAME), keeps_empty=True),
        Param("ValidationMethod", "validation_method", method, invalid=bad_method, doc="Default: Disabled"),
        Param(
            "ValidationRule",
            "validation_rule",
            readers.bounded_text(validation.LONGEST_RULE),
            invalid=4,
            keeps_empty=True,
            doc="For Custom a regular expression in RE2's syntax, also between PHP's delimiters; for Date and Time a "
            "date format of PHP",
        ),
        Param(
            "MergeTagAlias",
            "merge_tag_alias",
            readers.text,
            invalid=1001,
            keeps_empty=True,
            doc="Letters, digits, blanks, dots, hyphens and underscores, at most 250; unique on the list, without case",
        ),
        Param("OptionLabel", "option_labels", keyed_texts, doc="What is shown of each choice"),
        Param("OptionValue", "option_values", keyed_texts, doc="What is stored of each choice; by default its label"),
        Param("OptionSelected", "option_selected", selected_keys, doc="Keys (from 0) of the choices selected at first"),
        Param("IsRequired", "is_required", readers.flag(), invalid=bad_required),
        Param("IsUnique", "is_unique", readers.flag(), invalid=bad_unique),
        Param(
            "Visibility",
            "visibility",
            readers.choice(Visibility),
            invalid=bad_visibility,
            doc="Default: User Only",
        ),
        Param("Years", "years", years, doc="`YYYY-YYYY`, for a date field; default: ten years before and after"),
        Param("Meta", "meta", meta, doc="Kept and answered"),
        Param(
            "UniqueIdentifier",
            "is_unique_identifier",
            readers.boolean,
            doc="Whether `event.track` finds subscribers by this field's value as `ID`",
        ),
    ]


def read_settings(reading: Reading) -> None:
    """Judge a `customfield.create` and put `FieldSettings` beside its arguments; codes 2 to 5, 1001 and 1002."""
    preset = _preset(reading)
    if not reading.has("preset_name"):
        if not reading.has("field_name"):
            reading.refuse(2)
        if not reading.has("field_type") and not reading.has("data_type"):
            reading.refuse(3)
    judge_alias(reading)
    kind = DATA_TYPES.get(reading["data_type"] or "")
    wanted: ValidationMethod = reading["validation_method"] or ValidationMethod.DISABLED
    if kind is not None and kind.validation_method is not None:
        wanted = kind.validation_method
    rule = reading["validation_rule"] or ""
    if wanted is ValidationMethod.CUSTOM:
        _judge_pattern(reading, rule)
    if reading.refusals:
        return
    field_type: FieldType | None = kind.field_type if kind else reading["field_type"]
    if preset is not None and field_type not in CHOICE_TYPES:
        field_type = FieldType.DROP_DOWN
    assert field_type is not None, "judged above"
    reading["settings"] = FieldSettings(
        field_name=reading["field_name"] or preset or "",
        field_type=field_type,
        data_type=reading["data_type"] if kind and kind.field_type is field_type else "",
        default_value=reading["default_value"] or "",
        choices=PRESETS[preset] if preset is not None else read_choices(reading),
        validation_method=wanted,
        validation_rule=rule,
        merge_tag_alias=reading["merge_tag_alias"] or "",
        is_required=bool(reading["is_required"]),
        is_unique=bool(reading["is_unique"]),
        is_unique_identifier=bool(reading["is_unique_identifier"]),
        visibility=reading["visibility"] or Visibility.USER_ONLY,
        years=reading["years"] or "",
        meta=reading["meta"] or {},
    )


def _preset(reading: Reading) -> str | None:
    if reading["preset_name"] is None:
        return None
    name = _PRESETS.get(reading["preset_name"].lower())
    if name is None:
        reading.refuse(5)
    return name


def _judge_pattern(reading: Reading, rule: str) -> None:
    if not rule:
        reading.refuse(4)
        return
    try:
        validation.check_pattern(rule)
    except validation.PatternNotUnderstood:
        reading.refuse(4, "the rule is not a regular expression that can be evaluated")


def judge_alias(reading: Reading) -> None:
    """Refuse an alias with other characters (1001) or of the subscriber's own columns (1002)."""
    alias = reading["merge_tag_alias"]
    if not alias:
        return
    if not _ALIAS.fullmatch(alias):
        reading.refuse(1001)
    elif alias.lower() in RESERVED_ALIASES:
        reading.refuse(1002)


def read_choices(reading: Reading) -> list[Choice]:
    """The choices that the three option arrays describe together."""
    return combine(
        reading["option_labels"] or {},
        reading["option_values"] or {},
        reading["option_selected"] or frozenset(),
    )
