"""What an event may look like, whoever reports it."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from journeys_api.commands.reading import Reader, Unreadable, bounded_text, mapping
from journeys_api.models import WebsiteEventKind
from journeys_api.website_events.kinds import MOST_CENTS, amount_cents, kind_of, text_of

MOST_BYTES = 64 * 1024
MOST_PROPERTIES = 100
LONGEST_NAME = 255


def _properties(value: Any, *, is_free: bool) -> dict[str, Any]:
    read = mapping(value, is_free=is_free)
    if len(read) > MOST_PROPERTIES or any(len(name) > LONGEST_NAME for name in read):
        raise Unreadable
    if len(json.dumps(read, ensure_ascii=False, separators=(",", ":")).encode()) > MOST_BYTES:
        raise Unreadable
    return read


_SCHEMA = {"type": "object", "maxProperties": MOST_PROPERTIES}
event_properties = Reader(partial(_properties, is_free=True), _SCHEMA)
identify_properties = Reader(partial(_properties, is_free=False), _SCHEMA)
"""By names of fields, which are compared without case."""
event_name = bounded_text(LONGEST_NAME)


class Problem(NamedTuple):
    """What keeps a conversion from being one."""

    name: str
    """The property that is wrong."""
    detail: str | None = None
    """How; None: it is missing."""


def conversion_problems(event: str, properties: Mapping[str, Any]) -> Iterator[Problem]:
    """What is missing or wrong of a conversion; nothing for other events."""
    if kind_of(event) is not WebsiteEventKind.CONVERSION:
        return
    for name in ("conversion-id", "conversion-name", "conversion-value"):
        if text_of(properties, name) == "":
            yield Problem(name)
    if len(text_of(properties, "conversion-id")) > LONGEST_NAME:
        yield Problem("conversion-id", f"longer than {LONGEST_NAME} characters")
    if text_of(properties, "conversion-value") and amount_cents(properties) is None:
        yield Problem("conversion-value", f"not an amount from 0 to {MOST_CENTS // 100}")
