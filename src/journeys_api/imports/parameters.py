"""What `subscribers.import.post` says of its file (AC 2.5): an object of objects, judged part by part."""

from dataclasses import dataclass
from typing import Any

from journeys_api.commands.reading import (
    RawReader,
    Reader,
    Unreadable,
    comma_members,
    flag,
    from_json,
    mapping,
    scalar_text,
)
from journeys_api.commands.registry import Reading
from journeys_api.delivery.web_urls import UrlRefused, parse_url
from journeys_api.errors import NotReadable
from journeys_api.imports.formats import Format
from journeys_api.imports.mapping import ADDRESS
from journeys_api.strict_json import fold
from journeys_api.tags.names import is_tag_name
from journeys_api.uploads import Upload

_TAB = {"\\t": "\t", "tab": "\t"}


@dataclass(frozen=True)
class Source:
    """Where a file is, and how it is written."""

    data: str | Upload | None
    url: str | None
    is_private: bool
    """Whether the address is of no public place, as far as can be told without looking it up."""
    form: Format
    mapped: dict[str, str]


@dataclass(frozen=True)
class Webhook:
    """An address that wants to be told of an import's end."""

    url: str
    is_private: bool
    """As in `Source`."""


def _tags(value: Any) -> tuple[str, ...]:
    names = tuple(comma_members(value))
    if not all(is_tag_name(name) for name in names):
        raise Unreadable
    return names


def _object(value: Any) -> dict[str, Any]:
    given = from_json(value) if isinstance(value, str) else value
    return {fold(name): member for name, member in mapping(given).items()}


def _webhook(value: Any) -> Webhook:
    url = scalar_text(value)
    try:
        return Webhook(url, is_private=not parse_url(url).may_be_public)
    except UrlRefused:
        raise Unreadable from None


webhooks = Reader(_webhook, {"type": "string", "format": "uri"})
yes_or_no = Reader(flag().parse, {"type": "boolean"})
tag_names = Reader(_tags, {"type": "array", "items": {"type": "string"}})
sources = RawReader(
    _object,
    {
        "type": "object",
        "properties": {
            "CSV": {
                "type": "object",
                "properties": {
                    "Data": {"type": "string", "description": "The file itself; UTF-8."},
                    "URL": {"type": "string", "description": "Where the file is; a public address."},
                    "FieldTerminator": {"type": "string", "description": r"One character; `\t` or `tab` for a tab."},
                    "FieldEncloser": {"type": "string", "description": "One character; none if absent."},
                    "EscapedBy": {"type": "string", "description": "One character."},
                    "MappedFields": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "description": "`FIELDn` or a heading of the file → `EmailAddress`, a custom field's id, "
                        "`CustomField<id>` or alias, `TagAdd` or `TagSync`.",
                    },
                },
            }
        },
    },
)


def check_source(reading: Reading) -> None:
    """Judge `ImportFrom`, and put a `Source` in its place where nothing is wrong with it."""
    given = reading["source"]
    if given is None:
        return
    try:
        csv = _object(given.get("csv") or {})
    except Unreadable:
        csv = {}
    data, url = csv.get("data"), csv.get("url")
    if not (isinstance(data, Upload) or (isinstance(data, str) and data)):
        data = None
    if data is None and url in (None, ""):
        reading.refuse(14)
        return
    terminator = _character(csv.get("fieldterminator"), "ImportFrom.CSV.FieldTerminator")
    escape = _character(csv.get("escapedby"), "ImportFrom.CSV.EscapedBy")
    encloser = _character(csv.get("fieldencloser"), "ImportFrom.CSV.FieldEncloser")
    if not terminator:
        reading.refuse(2)
    if not escape:
        reading.refuse(16)
    if terminator and terminator in (encloser, escape):
        raise NotReadable("the value of ImportFrom.CSV.FieldTerminator cannot be read")
    mapped = _mapped(reading, csv.get("mappedfields"))
    address, is_private = (None, False) if data is not None else _address(reading, url)
    reading["source"] = Source(data, address, is_private, Format(terminator, encloser, escape), mapped)


def _character(value: Any, name: str) -> str:
    if value in (None, ""):
        return ""
    try:
        read = scalar_text(value)
    except Unreadable:
        read = ""
    read = _TAB.get(read.lower(), read)
    if len(read) != 1 or read in "\r\n\x00":
        raise NotReadable(f"the value of {name} cannot be read")
    return read


def _mapped(reading: Reading, value: Any) -> dict[str, str]:
    if value in (None, ""):
        reading.refuse(8)
        return {}
    try:
        found = {name: scalar_text(target) for name, target in mapping(value).items() if target is not None}
    except Unreadable:
        reading.refuse(13)
        return {}
    if any("\x00" in name for name in found):
        reading.refuse(13)
        return {}
    if not any(target.strip().lower() == ADDRESS for target in found.values()):
        reading.refuse(15)
    return found


def _address(reading: Reading, value: Any) -> tuple[str | None, bool]:
    """The address of a file, and whether it is of no public place: names are looked up when it is fetched."""
    try:
        url = scalar_text(value)
        parsed = parse_url(url)
    except (Unreadable, UrlRefused) as refused:
        reading.refuse(18, str(refused) or "not an address")
        return None, False
    return url, not parsed.may_be_public
