"""Telling addresses from junk, a hundred thousand at a time."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

_ATOM = r'[^\s@"(),:;<>\[\]\\.\x00-\x1f\x7f]+'
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(r"(?:[^\W_](?:[^\W_]|-)*\.)+[^\W_](?:[^\W_]|-)*")
_LINE_ENDS = re.compile(r"[\r\n]+")
MOST_OCTETS = 254
MOST_LOCAL_OCTETS = 64


@dataclass(frozen=True)
class SortedAddresses:
    """Submitted texts: what has the form of an address, and what has not."""

    valid: list[str]
    """Trimmed, each once, in the order of their first occurrence; two that differ in case are two."""
    failed: list[str]


def is_address(text: str) -> bool:
    """Whether the text has the form of an address.

    The reader of single addresses takes some fifty microseconds for each, and an import brings a hundred thousand:
    this is much the same grammar in two patterns that cannot backtrack far.
    """
    local, at, domain = text.rpartition("@")
    return (
        at == "@"
        and len(text) <= MOST_OCTETS
        and len(text.encode()) <= MOST_OCTETS
        and len(local.encode()) <= MOST_LOCAL_OCTETS
        and _LOCAL.fullmatch(local) is not None
        and _DOMAIN.fullmatch(domain) is not None
        and "-." not in domain
        and not domain.endswith("-")
    )


def sort_addresses(members: Iterable[object], lines: str) -> SortedAddresses:
    """Sort the members of a list and the lines of a text. Blank ones count nowhere."""
    valid: dict[str, None] = {}
    failed: list[str] = []

    def sort(text: str) -> None:
        if is_address(text):
            valid[text] = None
        elif text:
            failed.append(text)

    for member in members:
        if isinstance(member, str):
            sort(member.strip())
        elif member is not None:
            failed.append(json.dumps(member))
    for line in _LINE_ENDS.split(lines):
        sort(line.strip())
    return SortedAddresses(list(valid), failed)
