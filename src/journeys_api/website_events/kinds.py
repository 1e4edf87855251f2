"""What an event of a website is: its kind, its name, and what its properties say of the tracking itself."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from journeys_api.criteria.events import KINDS, property_text, property_value
from journeys_api.models import WebsiteEventKind
from journeys_api.strict_json import fold

_MARKS = ("istest", "issilent")
_TRUE = ("1", "true", "yes", "on")
MOST_CENTS = 2**53
"""More is no amount of money; less, any reader of JSON gets whole."""


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


def revenue_cents(properties: Mapping[str, Any]) -> int:
    """What a conversion brought, in hundredths of its currency; 0 where its value is no amount."""
    try:
        value = Decimal(text_of(properties, "conversion-value").strip())
    except InvalidOperation:
        return 0
    if not value.is_finite() or not 0 <= value <= MOST_CENTS // 100:
        return 0
    return int((value * 100).to_integral_value())
