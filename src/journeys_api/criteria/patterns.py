"""Regular expressions that an account wrote: compiled by RE2, and translated for PostgreSQL where both agree.

RE2 never backtracks and has bounds on memory, so no pattern makes a process wait. PostgreSQL's `~` reads another
dialect: what is translated is the part of RE2's that means the same in both, spelled out so that neither a locale nor
a newline makes a difference. A match is all that is asked for, so that greediness does not matter.
"""

import string
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from journeys_api.criteria.values import LONGEST_TEXT, BadValue

LONGEST_PATTERN = 512
"""In bytes."""
MOST_MEMORY = 1 << 20
MOST_REPEATS = 255
"""PostgreSQL's own bound on a counted repetition."""
MOST_STATES = 2000
"""How large a pattern may be once its counted repetitions are written out, as PostgreSQL does."""
DEEPEST = 20

_CLASSES = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\f\r ",
}
"""Members of RE2's escaped classes, which are ASCII only."""
_CONTROLS = {"t": "\t", "n": "\n", "f": "\f", "r": "\r"}
_PUNCTUATION = frozenset(string.punctuation) - {"_"}
"""What may stand behind a backslash and then means itself, in both dialects."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """The pattern, compiled by RE2.

    Raises:
        BadValue: RE2 does not take it, or it is too large.
    """
    if len(pattern.encode()) > LONGEST_PATTERN:
        raise BadValue(f"the pattern is longer than {LONGEST_PATTERN} bytes")
    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise BadValue("the pattern is not a regular expression that RE2 takes") from None


def found(pattern: str, subject: str) -> bool:
    """Whether the pattern is found in the first 8192 characters of the subject.

    Raises:
        BadValue: as `compiled`.
    """
    return compiled(pattern).search(subject[:LONGEST_TEXT]) is not None


def for_postgresql(pattern: str) -> str:
    """The same pattern in PostgreSQL's dialect.

    Raises:
        BadValue: as `compiled`, or it uses what the two dialects read differently.
    """
    return translated(pattern)[0]


def translated(pattern: str) -> tuple[str, int]:
    """The same pattern in PostgreSQL's dialect, and how large it is, in states.

    Raises:
        BadValue: as `for_postgresql`.
    """
    compiled(pattern)
    translation = _Translation(pattern)
    written, states = translation.alternatives(0)
    if translation.at < len(pattern):
        raise BadValue("the pattern has a parenthesis too many")
    if states > MOST_STATES:
        raise BadValue("the pattern is too large")
    return written, states


@dataclass
class _Translation:
    """One pass over a pattern. Each method consumes what it names and answers it translated, with its size."""

    pattern: str
    at: int = 0

    def alternatives(self, depth: int) -> tuple[str, int]:
        if depth > DEEPEST:
            raise BadValue(f"the pattern nests more than {DEEPEST} deep")
        branches = [self.branch(depth)]
        while self._takes("|"):
            branches.append(self.branch(depth))
        return "|".join(branch for branch, _ in branches), sum(size for _, size in branches)

    def branch(self, depth: int) -> tuple[str, int]:
        parts: list[str] = []
        states = 1
        while self._next() not in {"", "|", ")"}:
            part, size = self.piece(depth)
            parts.append(part)
            states += size
        if not parts:
            raise self._unlike("an empty alternative")
        return "".join(parts), states

    def piece(self, depth: int) -> tuple[str, int]:
        character = self._take()
        if character in "^$":
            if self._next() in {"*", "+", "?", "{"}:
                raise self._unlike("a repeated anchor")
            return character, 1
        if character == "(":
            atom, states = self.group(depth)
        else:
            atom, states = self.single(character), 1
        return self.repeated(atom, states)

    def group(self, depth: int) -> tuple[str, int]:
        if self._takes("?") and not self._takes(":"):
            raise self._unlike("a group with options")
        inner, states = self.alternatives(depth + 1)
        if not self._takes(")"):
            raise BadValue("the pattern lacks a parenthesis")
        return f"(?:{inner})", states

    def single(self, character: str) -> str:
        if character == ".":
            return r"[^\n]"
        if character == "[":
            return self.bracket()
        if character == "\\":
            return self.escape()
        if character in "*+?{}]":
            raise self._unlike(f"a bare {character}")
        return _literal(character)

    def escape(self) -> str:
        character = self._take()
        if character.lower() in _CLASSES:
            members = _CLASSES[character.lower()]
            return f"[{members}]" if character.islower() else f"[^{members}]"
        return _literal(self._escaped(character))

    def _escaped(self, character: str) -> str:
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character not in _PUNCTUATION:
            raise self._unlike(f"\\{character}")
        return character

    def bracket(self) -> str:
        opening = "[^" if self._takes("^") else "["
        members: list[str] = []
        while not (members and self._takes("]")):
            members.append(self.member())
        return f"{opening}{''.join(members)}]"

    def member(self) -> str:
        """One character, class or range within brackets."""
        character = self._take()
        if character == "\\":
            character = self._take()
            if character in _CLASSES:
                return _CLASSES[character]
            character = self._escaped(character)
        elif character in "[]-^":
            raise self._unlike(f"a bare {character} in brackets")
        if not self._takes("-"):
            return _literal(character)
        last = self._take()
        if last == "\\":
            last = self._escaped(self._take())
        elif last in "[]-^":
            raise self._unlike("a bare - in brackets")
        return f"{_literal(character)}-{_literal(last)}"

    def repeated(self, atom: str, states: int) -> tuple[str, int]:
        sign = self._next()
        if sign in {"*", "+", "?"}:
            self._take()
            repeat, times = sign, 1
        elif sign == "{":
            repeat, times = self._counts()
        else:
            return atom, states
        self._takes("?")  # reluctance changes what is matched, never whether
        if self._next() in {"*", "+", "?", "{"}:
            raise self._unlike("a repeated repetition")
        return f"{atom}{repeat}", states * times + 1

    def _counts(self) -> tuple[str, int]:
        end = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at + 1 : end].partition(",")
        counts = [count for count in (least, most) if count]
        if end < 0 or not least or not all(count.isascii() and count.isdigit() for count in counts):
            raise self._unlike("a bare {")
        if max(int(count) for count in counts) > MOST_REPEATS:
            raise BadValue(f"the pattern repeats something more than {MOST_REPEATS} times")
        self.at = end + 1
        return f"{{{least}{comma}{most}}}", max(1, *(int(count) for count in counts))

    def _next(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _takes(self, character: str) -> bool:
        if self._next() != character:
            return False
        self.at += 1
        return True

    def _take(self) -> str:
        character = self._next()
        if not character:
            raise BadValue("the pattern ends too early")
        self.at += 1
        return character

    def _unlike(self, what: str) -> BadValue:
        return BadValue(f"the pattern uses {what}, which databases read in another way")


def _literal(character: str) -> str:
    return f"\\{character}" if character in _PUNCTUATION else character
