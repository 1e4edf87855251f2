"""Which addresses an account never wants suppressed: single ones and patterns, one a line."""

import re
from dataclasses import dataclass
from functools import lru_cache

from journeys_api.criteria.patterns import MOST_STATES, translated
from journeys_api.criteria.values import BadValue
from journeys_api.suppressions.addresses import is_address

_LINE_ENDS = re.compile(r"[\r\n]+")
_PATTERN_SIGNS = re.compile(r"[*?^$|{}]|\.\+")
"""What a line is taken for a pattern by, although an address may have it; not a dot, and not a plus alone."""
_DELIMITED = re.compile(r"/(?P<pattern>.*)/[imsuD]*")
"""A pattern as PHP writes it; none of these flags changes whether a text of one line in any case is found."""


@dataclass(frozen=True)
class Whitelist:
    """The lines of an account, told apart."""

    addresses: tuple[str, ...]
    """In any case."""
    pattern: str
    """All patterns as one, in PostgreSQL's dialect; found anywhere in an address unless anchored. Empty: none."""
    unreadable: tuple[str, ...]
    """Lines that are neither, and patterns from the first that is too much for one statement: they hold for nobody."""


@lru_cache(maxsize=64)
def read_whitelist(text: str) -> Whitelist:
    """Tell the lines apart. Blank ones count nowhere."""
    addresses: list[str] = []
    patterns: list[str] = []
    unreadable: list[str] = []
    states = 0
    for line in filter(None, (line.strip() for line in _LINE_ENDS.split(text))):
        if is_address(line) and not _PATTERN_SIGNS.search(line):
            addresses.append(line)
            continue
        if states > MOST_STATES:
            unreadable.append(line)  # unread: ten thousand patterns would take a quarter of a second
            continue
        delimited = _DELIMITED.fullmatch(line)
        try:
            pattern, size = translated(delimited["pattern"] if delimited else line)
        except BadValue:
            unreadable.append(line)
            continue
        states += size
        if states > MOST_STATES:
            unreadable.append(line)
        else:
            patterns.append(pattern)
    return Whitelist(tuple(addresses), "|".join(patterns), tuple(unreadable))
