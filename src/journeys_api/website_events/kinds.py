"""What an event of a website is: its kind, its name, and what its properties say of the tracking itself."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from journeys_api.criteria.events import KINDS, property_text, property_value
from journeys_api.models import WebsiteEventKind
from journeys_api.strict_json import fold

_MARKS = ("istest", "issilent")
_TRUE = ("1", "true", "yes", "on")
MOST_CENTS = 10**12
"""More is no amount that one conversion brings."""
LONGEST_CURRENCY = 20
# Decimal alone would read `1_000` and the digits of every script, too
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")


def kind_of(event: str) -> WebsiteEventKind:
    """The kind of an event by what it is called, in any case; what is not one of the known ones is custom."""
    return KINDS.get(fold(event), WebsiteEventKind.CUSTOM)


def is_marked(properties: Mapping[str, Any], mark: str) -> bool:
    """Whether the property of this folded name (`istest`, `issilent`) is true."""
    return any(fold(name) == mark and property_text(value).lower() in _TRUE for name, value in properties.items())


def without_marks(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that are the event's own."""
    return {name: value for name, value in properties.items() if fold(name) not in _MARKS}


def text_of(properties: Mapping[str, Any], name: str) -> str:
    """A property as text, in whichever spelling it came (`conversion-id`, `conversionId`); "": there is none."""
    return property_text(property_value(properties, name))


def amount_cents(properties: Mapping[str, Any]) -> int | None:
    """What a conversion brought, in hundredths of its currency; None: its value is no amount that can be counted."""
    written = text_of(properties, "conversion-value").strip()
    if not _AMOUNT.fullmatch(written):
        return None
    value = Decimal(written)
    return int((value * 100).to_integral_value()) if value <= MOST_CENTS // 100 else None


def currency_of(properties: Mapping[str, Any]) -> str:
    """The currency that a conversion names, in capitals; "": none."""
    return text_of(properties, "conversion-currency").strip().upper()[:LONGEST_CURRENCY]


def is_currency(text: str) -> bool:
    """Whether a text looks like a currency's code: three capitals (ISO 4217)."""
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()
