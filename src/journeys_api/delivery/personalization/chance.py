"""Chance that repeats itself: the same seed and place give the same choice, so that a retried mail says the same."""

import random
import re
import string
from collections.abc import Callable, Sequence
from hashlib import blake2b

from journeys_api.delivery.personalization.context import Context
from journeys_api.delivery.personalization.person_names import FIRST_NAMES, LAST_NAMES

RANDOM_TAG = r"%Random:(?:FirstName|LastName|(?:Letters|Numbers|Alpha):[0-9]{1,2})%"
"""At most 99 characters: a short text must not grow without bounds."""
_PARTS = re.compile(r"%Random:(\w+)(?::(\d+))?%", re.ASCII)
_ALPHABETS = {
    "Letters": string.ascii_uppercase,
    "Numbers": string.digits,
    "Alpha": string.ascii_letters + string.digits,
}
_NAMES = {"FirstName": FIRST_NAMES, "LastName": LAST_NAMES}


def draw(seed: int, ordinal: int) -> int:
    """A number for the tag at this place among those of its template; bodies of one mail so choose alike."""
    return int.from_bytes(blake2b(f"{seed}:{ordinal}".encode(), digest_size=8).digest())


def chosen(count: int, ordinal: int) -> Callable[[Context], int]:
    """A function that picks one of so many."""
    return lambda context: draw(context.seed, ordinal) % count


def random_text(tag: str, ordinal: int) -> Callable[[Context], str]:
    """What a tag that `RANDOM_TAG` matches stands for. Not for secrets: who knows the seed knows the text."""
    parts = _PARTS.fullmatch(tag)
    assert parts is not None, "the pattern of the tags is the stricter one"
    kind, size = parts[1], int(parts[2] or 0)
    if kind in _NAMES:
        names: Sequence[str] = _NAMES[kind]
        return lambda context: names[draw(context.seed, ordinal) % len(names)]
    alphabet = _ALPHABETS[kind]

    def read(context: Context) -> str:
        source = random.Random(draw(context.seed, ordinal))  # noqa: S311 - variety, not secrecy
        return "".join(source.choices(alphabet, k=size))

    return read
