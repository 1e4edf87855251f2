"""What the validation methods of custom fields accept (AC 7.3)."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import re2
from email_validator import EmailNotValidError, validate_email

from journeys_api.fields.kinds import FieldType, ValidationMethod
from journeys_api.models import CustomField

LONGEST_RULE = 1000
"""Characters of a rule; a regular expression compiles in time and memory that grow with it."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DELIMITED = re.compile(r"(?P<mark>[/#~@%!])(?P<pattern>.*)(?P=mark)(?P<flags>[a-zA-Z]*)", re.DOTALL)
_DIRECTIVES = {
    "d": "%d",
    "j": "%d",
    "m": "%m",
    "n": "%m",
    "Y": "%Y",
    "y": "%y",
    "M": "%b",
    "F": "%B",
    "H": "%H",
    "G": "%H",
    "h": "%I",
    "g": "%I",
    "i": "%M",
    "s": "%S",
    "A": "%p",
    "a": "%p",
}
"""Letters of PHP's date formats, as strptime writes them."""


class PatternNotUnderstood(Exception):
    """The rule is no regular expression, or one that could take for ever to match (look-arounds, back-references)."""


def check_pattern(rule: str) -> None:
    """Make sure that a Custom rule can be evaluated later.

    Raises:
        PatternNotUnderstood: it cannot.
    """
    if len(rule) > LONGEST_RULE:
        raise PatternNotUnderstood
    _compiled(rule)


@lru_cache(maxsize=1024)
def _compiled(rule: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(_python_pattern(rule), options)
    except re2.error as error:
        raise PatternNotUnderstood from error


def _python_pattern(rule: str) -> str:
    # clients of the vendor write PHP patterns: /^a+$/i
    delimited = _DELIMITED.fullmatch(rule)
    if delimited is None:
        return rule
    flags = "".join(flag for flag in "ims" if flag in delimited["flags"])
    return f"(?{flags}){delimited['pattern']}" if flags else delimited["pattern"]


def _matches_pattern(field: CustomField, text: str) -> bool:
    try:
        return _compiled(field.validation_rule).search(text) is not None
    except PatternNotUnderstood:
        return False


def _is_number(field: CustomField, text: str) -> bool:
    if field.data_type == "number":
        return _NUMBER.fullmatch(text) is not None
    return text.isascii() and text.isdigit()


def _is_email_address(_: CustomField, text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True


def _is_url(_: CustomField, text: str) -> bool:
    if any(character.isspace() or not character.isprintable() for character in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _has_format(text: str, formats: tuple[str, ...]) -> bool:
    for each in formats:
        try:
            datetime.strptime(text, each)  # noqa: DTZ007 (only whether it can be read)
        except ValueError:
            continue
        return True
    return False


def php_format(rule: str) -> str | None:
    """A date format of PHP as strptime takes it; None for what is no such format."""
    if not rule or not any(letter in _DIRECTIVES for letter in rule):
        return None
    if any(letter.isalpha() and letter not in _DIRECTIVES for letter in rule):
        return None
    return "".join(_DIRECTIVES.get(letter, letter.replace("%", "%%")) for letter in rule)


def _is_date(field: CustomField, text: str) -> bool:
    given = php_format(field.validation_rule)
    return _has_format(text, (given,) if given else ("%Y-%m-%d",))


def _is_time(field: CustomField, text: str) -> bool:
    given = php_format(field.validation_rule)
    return _has_format(text, (given,) if given else ("%H:%M", "%H:%M:%S"))


_METHODS: dict[str, Callable[[CustomField, str], bool]] = {
    ValidationMethod.NUMBERS: _is_number,
    ValidationMethod.LETTERS: lambda _, text: text.isascii() and text.isalpha(),
    ValidationMethod.NUMBERS_AND_LETTERS: lambda _, text: text.isascii() and text.isalnum(),
    ValidationMethod.EMAIL_ADDRESS: _is_email_address,
    ValidationMethod.URL: _is_url,
    ValidationMethod.DATE: _is_date,
    ValidationMethod.TIME: _is_time,
    ValidationMethod.CUSTOM: _matches_pattern,
}
_SQL_FORMATS = {
    "datetime": ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"),
    "timestamp": ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"),
    "date": ("%Y-%m-%d",),
    "time": ("%H:%M", "%H:%M:%S"),
}


def holds_numbers(field: CustomField) -> bool:
    """Whether the values are to be numbers (AC 7.3: a numeric single line); not all of them need be."""
    is_numeric = field.data_type == "number" or field.validation_method == ValidationMethod.NUMBERS
    return is_numeric and field.field_type == FieldType.SINGLE_LINE


def is_valid(field: CustomField, text: str) -> bool:
    """Whether a value that is not empty passes the field's validation method and, of dates and times, its data type."""
    method = _METHODS.get(field.validation_method)
    if method is not None and not method(field, text):
        return False
    formats = _SQL_FORMATS.get(field.data_type)
    return formats is None or _has_format(text, formats)


def are_choices(field: CustomField, members: list[str]) -> bool:
    """Whether each member is one of the field's choices, where the field wants that (method `Enum`)."""
    if field.validation_method != ValidationMethod.ENUM:
        return True
    allowed = {str(choice.get("value")) for choice in field.choices}
    return all(member in allowed for member in members)
