"""The fields of an account on the wire: how each is read, and how what was sent of them is gathered."""

import re
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from journeys_api.accounts import wire
from journeys_api.accounts.credentials import MAX_PASSWORD_BYTES
from journeys_api.accounts.group_fields import read_rate_limits
from journeys_api.accounts.users import UserChanges
from journeys_api.commands.reading import Reader, Unreadable, boolean, bounded_text, scalar_text
from journeys_api.commands.registry import Param, Reading
from journeys_api.strict_json import fold
from journeys_api.suppressions.whitelist import read_whitelist

_SHORT_TEXT = bounded_text(1000)
_LONG_TEXT = bounded_text(65_535)
_LANGUAGE = re.compile(r"[A-Za-z]{2}([-_]([A-Za-z]{2}|[0-9]{3}))?")

_CURRENCY = re.compile("[A-Z]{3}")


@cache
def _time_zones() -> dict[str, str]:
    return {fold(name): name for name in available_timezones()}


def _time_zone(value: Any) -> str:
    try:
        return _time_zones()[fold(scalar_text(value))]
    except KeyError:
        raise Unreadable from None


def _language(value: Any) -> str:
    read = scalar_text(value)
    if not _LANGUAGE.fullmatch(read):
        raise Unreadable
    return read


def _currency(value: Any) -> str:
    read = scalar_text(value).upper()
    if read and not _CURRENCY.fullmatch(read):
        raise Unreadable
    return read


def _password(value: Any) -> str:
    read = scalar_text(value)
    if len(read.encode("utf-8")) > MAX_PASSWORD_BYTES:
        raise Unreadable
    return read


def _whitelist(value: Any) -> str:
    read: str = _LONG_TEXT(value)
    if read_whitelist(read).unreadable:
        raise Unreadable
    return read


time_zone = Reader(_time_zone, {"type": "string", "description": "a name of the IANA time zone database"})
language = Reader(_language, {"type": "string", "description": "two letters, optionally with a region: `en`, `pt-BR`"})
currency = Reader(_currency, {"type": "string", "description": "three letters (ISO 4217): `EUR`"})
password = Reader(_password, {"type": "string", "description": "1 to 1024 bytes", "maxLength": MAX_PASSWORD_BYTES})
rate_limits = Reader(read_rate_limits, {"type": "object"})
username = bounded_text(250)
whitelist = Reader(
    _whitelist,
    {
        **_LONG_TEXT.schema,
        "description": "one a line, an address or a regular expression (RE2) that is found in addresses in any case;"
        " none of them is ever added to suppressions",
    },
)
_READERS = {
    "OtherEmailAddresses": _LONG_TEXT,
    "ForwardToFriendHeader": _LONG_TEXT,
    "ForwardToFriendFooter": _LONG_TEXT,
    "CustomEmailHeaders": _LONG_TEXT,
    "WhiteListedEmailAddresses": whitelist,
}
"""How the texts of a profile are read that are not short ones."""


def profile_params(*, keeps_empty: bool) -> list[Param]:
    """The texts of a profile and PhoneVerified; `collect` gathers them."""
    texts = [
        Param(wire_name, wire_name, _READERS.get(wire_name, _SHORT_TEXT), keeps_empty=keeps_empty)
        for wire_name in wire.PROFILE_TEXTS
    ]
    return [*texts, Param("PhoneVerified", "PhoneVerified", boolean)]


def collect(reading: Reading, names: dict[str, str]) -> UserChanges:
    """What was sent of an account: columns of `users` by the arguments `names` maps to them, and the profile."""
    columns = {column: reading[name] for name, column in names.items() if reading.has(name)}
    profile: dict[str, Any] = {}
    for wire_name in (*wire.PROFILE_TEXTS, "PhoneVerified"):
        value = reading.arguments.pop(wire_name)
        if reading.has(wire_name):
            profile[wire_name] = int(value) if wire_name == "PhoneVerified" else value
    if "rate_limits" in reading.arguments:
        limits = reading.arguments.pop("rate_limits")
        if reading.has("rate_limits"):
            profile["RateLimits"] = limits
    for name in names:
        del reading.arguments[name]
    return UserChanges(columns, profile)
