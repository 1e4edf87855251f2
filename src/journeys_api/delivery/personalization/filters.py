"""The helpers of `{{ helper Subscriber:Name }}`: functions from text to text.

Source: AC 4, "Helpers"; lengths that a tag leaves out, and what an empty value becomes, as the vendor's page says.
"""

import hashlib
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from urllib.parse import quote, quote_plus, unquote

Filter = Callable[[str], str]

_SIZED = re.compile(r"([a-z0-9_]+)-(\d{1,6})", re.ASCII)
_WORD = re.compile(r"\S+")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
_AMOUNT = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})", re.ASCII)
_PRECISE = Context(prec=1000, rounding=ROUND_HALF_UP)
MAX_DECIMALS = 100


def filter_named(name: str) -> Filter | None:
    """The helper of that name, which is compared without case; None when there is none, or not with this size.

    `raw`, `nl2br` and `dateFormat-…` are not of these: they decide how a value is read or written, not what it is.
    """
    folded = name.lower()
    plain = PLAIN.get(folded)
    if plain is not None:
        return plain
    if folded in SIZED:
        make, size = SIZED[folded]
        return make(size)
    sized = _SIZED.fullmatch(folded)
    if sized is None or sized[1] not in SIZED:
        return None
    return SIZED[sized[1]][0](int(sized[2]))


def capitalize(text: str) -> str:
    """The first letter upper-case, the rest as it is."""
    return text[:1].title() + text[1:]


def capitalize_all(text: str, *, in_word: bool = False) -> str:
    """Every word with an upper-case first letter and the rest lower-case, so that `SARAH` becomes `Sarah`.

    Args:
        in_word: the text goes on a word that began before it.
    """
    is_first = in_word

    def word(match: re.Match[str]) -> str:
        nonlocal is_first
        goes_on, is_first = is_first and match.start() == 0, False
        return match.group().lower() if goes_on else match.group().capitalize()

    return _WORD.sub(word, text)


def _words(text: str) -> list[str]:
    """The words of `first name`, `first_name` and `firstName`."""
    words: list[str] = []
    for match in _ALPHANUMERIC.finditer(text):
        run = match.group()
        begin = 0
        for at in range(1, len(run)):
            if run[at].isupper() and not run[at - 1].isupper():
                words.append(run[begin:at])
                begin = at
        words.append(run[begin:])
    return words


def _pascal_case(text: str) -> str:
    return "".join([word.capitalize() for word in _words(text)])


def _camel_case(text: str) -> str:
    words = _words(text)
    return "".join([word.lower() if number == 0 else word.capitalize() for number, word in enumerate(words)])


def _joined(separator: str) -> Filter:
    return lambda text: separator.join([word.lower() for word in _words(text)])


def _ellipsis(size: int) -> Filter:
    return lambda text: text if len(text) <= size else text[:size] + "..."


def _truncate(size: int) -> Filter:
    return lambda text: text[:size]


def _truncate_words(size: int) -> Filter:
    def shorten(text: str) -> str:
        end = 0
        for number, match in enumerate(_WORD.finditer(text)):
            if number == size:
                return text[:end] + "..."
            end = match.end()
        return text

    return shorten


def _wordwrap(size: int) -> Filter:
    width = max(size, 1)

    def wrap(text: str) -> str:
        return "\n".join([wrapped for line in text.split("\n") for wrapped in _wrapped_line(line, width)])

    return wrap


def _wrapped_line(line: str, width: int) -> list[str]:
    lines: list[str] = []
    current: list[str] = []
    length = -1
    for word in line.split(" "):
        if current and length + 1 + len(word) > width:
            lines.append(" ".join(current))
            current, length = [], -1
        whole = (len(word) - 1) // width if word else 0
        lines.extend([word[at * width : (at + 1) * width] for at in range(whole)])
        rest = word[whole * width :]
        current.append(rest)
        length += 1 + len(rest)
    return [*lines, " ".join(current)]


def _number_format(size: int) -> Filter:
    decimals = min(size, MAX_DECIMALS)
    step = Decimal(1).scaleb(-decimals)

    def format_number(text: str) -> str:
        amount = text.strip()
        number = Decimal(amount) if _AMOUNT.fullmatch(amount) else Decimal(0)
        rounded = number.quantize(step, context=_PRECISE)
        return f"{abs(rounded) if rounded.is_zero() else rounded:,.{decimals}f}"

    return format_number


def _url_encode(text: str) -> str:
    return quote_plus(text, errors="replace").replace("~", "%7E")


def _encode_uri(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(errors="replace"), usedforsecurity=False).hexdigest()


PLAIN: dict[str, Filter] = {
    "uppercase": str.upper,
    "upcase": str.upper,
    "lowercase": str.lower,
    "downcase": str.lower,
    "capitalize": capitalize,
    "capitalizeall": capitalize_all,
    "titleize": capitalize_all,
    "camelcase": _camel_case,
    "pascalcase": _pascal_case,
    "dashcase": _joined("-"),
    "dotcase": _joined("."),
    "snakecase": _joined("_"),
    "trim": str.strip,
    "trimleft": str.lstrip,
    "trimright": str.rstrip,
    "urlencode": _url_encode,
    "encodeuri": _encode_uri,
    "decodeuri": unquote,
    "md5": _md5,
    "sha1": _sha1,
}
SIZED: dict[str, tuple[Callable[[int], Filter], int]] = {
    "ellipsis": (_ellipsis, 20),
    "truncate": (_truncate, 20),
    "truncatewords": (_truncate_words, 5),
    "number_format": (_number_format, 0),
    "wordwrap": (_wordwrap, 75),
}
"""Helpers that take a size behind a dash, with the size that counts when there is none."""
ENCODING = frozenset({"urlencode", "encodeuri"})
"""Helpers whose answer is percent-encoded already."""
