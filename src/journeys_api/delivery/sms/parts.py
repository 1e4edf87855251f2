"""How many parts a text takes on the air.

Source: JC 3.7 ("Parts"); 3GPP TS 23.038 6.2.1 (alphabet and extension table), TS 23.040 9.2.3.24.1 (parts).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["GSM-7", "UCS-2"]

ALPHABET: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Written as an escape and a character: two septets, which are never parted."""
_SINGLE: Final[dict[Encoding, int]] = {"GSM-7": 160, "UCS-2": 70}
_EACH: Final[dict[Encoding, int]] = {"GSM-7": 153, "UCS-2": 67}
_LONGEST: Final[dict[Encoding, int]] = {"GSM-7": 1600, "UCS-2": 700}


@dataclass(frozen=True)
class Parts:
    """How a text travels."""

    encoding: Encoding
    count: int
    """Messages that the network carries and a gateway bills; 0 for an empty text."""
    characters: int
    """As the network counts: septets of GSM-7 (`€` is two), code units of UCS-2 (an emoji is two or more)."""

    @property
    def is_too_long(self) -> bool:
        """Whether the text exceeds what an action may send: 1600 in GSM-7, 700 in UCS-2."""
        return self.characters > _LONGEST[self.encoding]


def parts(text: str) -> Parts:
    """Count the parts of a text exactly: no part ends within an escaped character or a surrogate pair."""
    encoding: Encoding
    if all(character in ALPHABET or character in EXTENSION for character in text):
        encoding = "GSM-7"
        widths = [2 if character in EXTENSION else 1 for character in text]
    else:
        encoding = "UCS-2"
        widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    total = sum(widths)
    if total <= _SINGLE[encoding]:
        return Parts(encoding, min(total, 1), total)
    return Parts(encoding, _filled(widths, _EACH[encoding]), total)


def _filled(widths: Iterable[int], size: int) -> int:
    count, used = 1, 0
    for width in widths:
        if used + width > size:
            count, used = count + 1, 0
        used += width
    return count
