"""Readers of values that become part of a mail header, and of the vendor's switches."""

import re
from typing import Any

from journeys_api.commands.reading import Reader, Unreadable, scalar_text

_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
LINE_LENGTH = 2000


def one_line(value: Any) -> str:
    """Text without line breaks and other control characters: what ends in a header must not be able to end it."""
    read = scalar_text(value)
    if len(read) > LINE_LENGTH or _BREAKS.search(read):
        raise Unreadable
    return read


def _switch(value: Any) -> bool:
    return scalar_text(value).lower() in {"enabled", "1", "true", "yes", "on"}


line = Reader(one_line, {"type": "string", "maxLength": LINE_LENGTH, "description": "one line"})
switch = Reader(_switch, {"type": "string", "enum": ["Enabled", "Disabled"], "description": "a boolean is accepted"})
