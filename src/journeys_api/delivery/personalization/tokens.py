"""Where the tags of a template begin and end.

Each pattern stops at the character that could begin the next tag, so a text is searched once, whatever it contains.
"""

import re
from enum import Enum

from journeys_api.delivery.personalization.chance import RANDOM_TAG
from journeys_api.delivery.personalization.context import NAMESPACES
from journeys_api.delivery.personalization.expressions import STANDARD_FIELDS


class Token(Enum):
    """The kinds of tags."""

    MODERN = r"\{\{(?:\{[^{}]*\}\}\}|[^{}]*\}\})"
    LEGACY = (
        "%(?:" + "|".join(NAMESPACES) + "):"
        r"""[^%\s<>"{}\[\]|](?:[^%\r\n<>"{}\[\]|]{0,248}[^%\s<>"{}\[\]|])?%"""
    )
    BARE = "%(?:" + "|".join(STANDARD_FIELDS.values()) + ")%"
    DATE = r"%Date=[^%\r\n<>{}]{1,100}%"
    RANDOM = RANDOM_TAG
    MFROM = "%MFROMDomain%"
    REMOTE = (
        # a `%` closes the address, unless it begins a tag or is an escape of the address itself
        r"%RemoteContent(?:BeforeSend)?=https?://"
        r"""(?:[^\s%<>"'{}]|%(?:""" + "|".join(NAMESPACES) + r"""):[^%\s<>"{}]+%"""
        r"""|%[0-9A-Fa-f]{2}|\{\{\{?[^{}]{1,300}\}\}\}?){1,2000}%"""
    )
    IF = r"\[IF:[^\[\]\r\n]{1,1000}\]"
    ELSE = r"\[ELSE\]"
    ENDIF = r"\[ENDIF\]"
    CASE = r"\[(?:TITLE|UPPER|LOWER):"
    SPIN = r"\[\[+(?!(?:TITLE|UPPER|LOWER|IF):|ELSE\]|ENDIF\])"
    CLOSE = r"\]\]?"
    BAR = r"\|"


VALUES = (Token.MODERN, Token.LEGACY, Token.BARE, Token.DATE, Token.RANDOM, Token.MFROM)
BLOCKS = (Token.REMOTE, Token.IF, Token.ELSE, Token.ENDIF, Token.CASE, Token.SPIN)


def _pattern(*tokens: Token) -> re.Pattern[str]:
    # With its first character outside the group, `re` passes the text between the tags at full speed.
    parts = [re.fullmatch(r"(\\?.)(.*)", token.value, re.DOTALL) for token in tokens]
    return re.compile(
        "|".join(f"{part[1]}(?P<{token.name}>{part[2]})" for token, part in zip(tokens, parts, strict=True) if part)
    )


ONLY_VALUES = _pattern(*VALUES)
"""For addresses and the operands of conditions."""
OUTSIDE = _pattern(*VALUES, *BLOCKS)
INSIDE_BRACKETS = _pattern(*VALUES, *BLOCKS, Token.CLOSE, Token.BAR)
"""Where `|` and `]` mean something."""
