"""Readers: what a parameter's value must look like, and what the handler gets of it.

A reader gets a value that is present (not null; not "" unless the parameter keeps empty text) and answers the value
for the handler, or raises `Unreadable`. It accepts only what a column can hold: past that, PostgreSQL would raise and
the caller would get a 500 in place of the contract's code.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, TypeVar

from email_validator import EmailNotValidError, validate_email

from journeys_api import strict_json
from journeys_api.errors import NotReadable
from journeys_api.strict_json import fold

MAX_ID = 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,40}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
State = TypeVar("State", bound=StrEnum)


class Unreadable(Exception):
    """The value is there and is not what the parameter takes."""


@dataclass(frozen=True)
class Reader:
    """How one kind of value is read, and how OpenAPI describes it."""

    parse: Callable[[Any], Any]
    schema: dict[str, Any] = field(default_factory=dict)

    def __call__(self, value: Any) -> Any:
        read = self.parse(value)
        refuse_nul(read)
        return read


class RawReader(Reader):
    """A reader that lets NUL through, because the command's own check judges what it read."""

    def __call__(self, value: Any) -> Any:
        return self.parse(value)


def refuse_nul(read: Any) -> None:
    """Unreadable when a text somewhere in the value holds NUL, which no column takes."""
    if isinstance(read, str):
        if "\x00" in read:
            raise Unreadable
    elif isinstance(read, dict):
        for name, item in read.items():
            refuse_nul(name)
            refuse_nul(item)
    elif isinstance(read, list):
        for item in read:
            refuse_nul(item)


def scalar_text(value: Any) -> str:
    """The text of a scalar: `7` and `"7"` are one thing. NUL, arrays and objects are Unreadable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str) or "\x00" in value:
        raise Unreadable
    return value


def whole(value: Any, *, least: int = 0, most: int = MAX_ID) -> int:
    """A whole number in ASCII digits between two bounds; `-1`, `1.0`, `1e3`, `１２` and `true` are Unreadable."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Unreadable
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise Unreadable
    number_read = int(value)
    if not least <= number_read <= most:
        raise Unreadable
    return number_read


def truth(value: Any) -> bool:
    """`1 true yes on` in any case are true, every other scalar is false (JC 6.2)."""
    return scalar_text(value).lower() in _TRUE


def from_json(document: str, *, is_free: bool = False) -> Any:
    """The value of a JSON text that stands for an array or object. NUL in its texts is not looked for."""
    try:
        return strict_json.loads(document, is_free=is_free)
    except NotReadable:
        raise Unreadable from None


def _unpacked(value: Any, *, is_free: bool = False) -> Any:
    """The value itself; of a JSON text, what it says, in which nobody has looked for NUL yet."""
    if isinstance(value, str):
        value = from_json(value, is_free=is_free)
        refuse_nul(value)
    return value


def array(value: Any, *, takes_empty_object: bool = False) -> list[Any]:
    """A list; also a JSON text of one, and a map of digits only, as sparse PHP array names make it.

    Args:
        takes_empty_object: whether {} is an empty list.
    """
    value = _unpacked(value)
    if isinstance(value, dict) and (value or takes_empty_object) and all(_DIGITS.fullmatch(key) for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if not isinstance(value, list):
        raise Unreadable
    return value


def mapping(value: Any, *, is_free: bool = False) -> dict[str, Any]:
    """An object; also a JSON text of one. An empty list is an empty object: PHP knows no difference.

    Args:
        is_free: whether the names belong to the caller, so that two may differ by case only (`strict_json.FREE_FORM`).
    """
    value = _unpacked(value, is_free=is_free)
    if value == []:
        return {}
    if isinstance(value, list):
        # PHP clients write {"0": …} as a list
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        raise Unreadable
    return value


def _members(value: Any) -> list[Any]:
    """The members of a comma list as they stand; an array (or its JSON text) is taken as its members."""
    if isinstance(value, list | dict) or (isinstance(value, str) and value.lstrip().startswith("[")):
        return array(value)
    return scalar_text(value).split(",")


def comma_members(value: Any) -> list[str]:
    """The members of a comma list or array as trimmed texts, empty ones dropped."""
    texts = (scalar_text(member).strip() for member in _members(value) if member is not None)
    return [member for member in texts if member]


def id_members(value: Any) -> list[int]:
    """Those members of a comma list or array that are ids; others are skipped."""
    found = []
    for member in _members(value):
        try:
            found.append(whole(member.strip() if isinstance(member, str) else member))
        except Unreadable:
            continue
    return found


def _ids(value: Any) -> list[int]:
    return [whole(member) for member in comma_members(value)]


def _known_ids(value: Any) -> list[int]:
    read = [member for member in id_members(value) if member]
    if not read:
        raise Unreadable
    return read


def _day(value: Any) -> date:
    text = scalar_text(value)
    if not _DAY.fullmatch(text):
        raise Unreadable
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Unreadable from None


EARLIEST_YEAR = 1900
"""Nothing that is told with an instant was before; the very first ones would be kept as PostgreSQL's -infinity."""


def _instant(value: Any) -> datetime:
    text = scalar_text(value)
    if not (_DAY.fullmatch(text) or _INSTANT.fullmatch(text)):
        raise Unreadable
    try:
        read = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable from None
    if read.year < EARLIEST_YEAR:
        raise Unreadable
    return read


def _email(value: Any) -> str:
    text = scalar_text(value)
    try:
        # deliverability would ask the DNS about every address; the address is kept as sent, only its form is judged
        validate_email(text, check_deliverability=False, allow_smtputf8=True, test_environment=True)
    except EmailNotValidError:
        raise Unreadable from None
    return text


def _ip(value: Any) -> str:
    text = scalar_text(value)
    try:
        return str(ip_address(text))
    except ValueError:
        raise Unreadable from None


identifier = Reader(whole, {"type": "integer", "format": "int64", "minimum": 0})
text = Reader(scalar_text, {"type": "string"})
boolean = Reader(truth, {"type": "boolean"})
day = Reader(_day, {"type": "string", "format": "date"})
instant = Reader(_instant, {"type": "string", "description": "`YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, UTC"})
email_address = Reader(_email, {"type": "string", "format": "email"})
ip = Reader(_ip, {"type": "string", "description": "an IPv4 or IPv6 address"})
array_of_any = Reader(array, {"type": "array", "items": {}})
object_of_any = Reader(mapping, {"type": "object"})
members = Reader(comma_members, {"type": "string", "description": "comma-separated; an array is accepted"})
ids = Reader(_ids, {"type": "string", "description": "comma-separated ids; an array is accepted"})
known_ids = Reader(_known_ids, {"type": "string", "description": "comma-separated ids; what is no id is skipped"})
"""For deletions: members that are no ids are skipped, and a list without a single id is Unreadable."""
as_given = Reader(lambda value: value, {})
"""For values that only the command's own check can judge."""


def number(least: int = 0, most: int = MAX_ID) -> Reader:
    """A whole number between two bounds."""
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    return Reader(lambda value: whole(value, least=least, most=most), schema)


def choice(states: type[State]) -> Reader:
    """One of an enumeration's values, compared without case, answered in its canonical spelling."""
    known = {fold(state.value): state for state in states}

    def parse(value: Any) -> State:
        try:
            return known[fold(scalar_text(value))]
        except KeyError:
            raise Unreadable from None

    return Reader(parse, {"type": "string", "enum": [state.value for state in states]})


def one_of(*words: str) -> Reader:
    """One of some words, compared without case, answered in its canonical spelling."""
    known = {fold(word): word for word in words}

    def parse(value: Any) -> str:
        try:
            return known[fold(scalar_text(value))]
        except KeyError:
            raise Unreadable from None

    return Reader(parse, {"type": "string", "enum": list(words)})


def flag(yes: str = "Yes", no: str = "No") -> Reader:
    """A boolean that is one of two words; unlike `boolean`, a word that is neither is Unreadable."""

    def parse(value: Any) -> bool:
        word = scalar_text(value).lower()
        if word in _TRUE or word == yes.lower():
            return True
        if word in _FALSE or word == no.lower():
            return False
        raise Unreadable

    return Reader(parse, {"type": "string", "enum": [yes, no]})


def bounded_text(most: int) -> Reader:
    """Text of at most `most` characters."""

    def parse(value: Any) -> str:
        read = scalar_text(value)
        if len(read) > most:
            raise Unreadable
        return read

    return Reader(parse, {"type": "string", "maxLength": most})
