"""Where the links of an HTML document are written, and where its body ends.

One pass over the text, which follows tags as browsers do: lenient, and by a few characters only. So it can also be told
where a person's values may stand without changing what it finds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5

NOT_TRACKED = "no-link-track"

# Spelled out instead of IGNORECASE and \s, which make each step several times as slow. Nothing in these backtracks, and
# everything up to the next element that matters is passed in one match.
_BLANK = r"[ \t\n\f\r]"
_TAG_REST = rf"""[^>=]*+(?:={_BLANK}*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\f\r>"'][^ \t\n\f\r>]*+)?+[^>=]*+)*+"""
_RAW = "script", "style", "title", "textarea", "xmp"


def _any_case(*names: str) -> str:
    return "|".join("".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names)


_MATTERS = rf"(?:{_any_case('a', 'area', *_RAW)}|/{_any_case('body')})[ \t\n\f\r/>]|!--"
_TO_WHAT_MATTERS = re.compile(
    rf"[^<]*+(?:<(?:(?![aAsStTxX!/]|{_MATTERS})|(?!{_MATTERS}))(?:/?[a-zA-Z]{_TAG_REST}>|(?!/?[a-zA-Z]))[^<]*+)*+"
)
_TO_ANY_TAG = re.compile(r"[^<]*+(?:<(?!!--|/?[a-zA-Z])[^<]*+)*+")
_ELEMENT = re.compile(r"<(?:!--|/?[a-zA-Z]+)")
_ENDS_NAME = " \t\n\f\r/>"
_TAG_END = re.compile(rf"{_TAG_REST}>")
_VALUE = re.compile(rf"""={_BLANK}*+(?:"([^"]*+)"|'([^']*+)'|[^ \t\n\f\r>"'][^ \t\n\f\r>]*+)?+""")
"""What `_TAG_REST` takes for a value; the groups hold what stands between quotes."""
_ATTRIBUTE = re.compile(
    r"[ \t\n\f\r/]*+([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    rf"""(?:{_BLANK}*+={_BLANK}*+(?:"([^"]*+)"|'([^']*+)'|([^ \t\n\f\r>"'][^ \t\n\f\r>]*+)|))?+"""
)
_RAW_END = {name: re.compile(rf"</(?:{_any_case(name)})(?=[ \t\n\f\r/>])") for name in _RAW}
_LINKS = "a", "area"

_BEYOND = 0x110000
"""No character has this number."""
_REFERENCE = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|[A-Za-z][A-Za-z0-9]*[;=]?)")

Place = tuple[int, int]


@dataclass(frozen=True)
class LinkPlaces:
    """Places in one document."""

    addresses: list[Place]
    """Of the `href` of each element that leads somewhere and that its author did not mark with `NOT_TRACKED`."""
    end_of_body: int
    """Before the last `</body>`, or the end."""


def link_places(document: str) -> LinkPlaces:
    """Find them."""
    addresses: list[Place] = []
    end_of_body = len(document)
    for name, begin, attributes, end in _tags(document, _TO_WHAT_MATTERS):
        if name == "/body":
            end_of_body = begin
        elif name in _LINKS:
            place = _address_to_track(document, attributes, end)
            if place is not None:
                addresses.append(place)
    return LinkPlaces(addresses, end_of_body)


def are_passive(document: str, mark: re.Pattern[str]) -> bool:
    r"""Whether every mark stands where a text could stand that neither begins nor ends anything, whichever it is.

    Texts without `<`, `>`, quotes and line ends are such between tags, and between the quotes of an attribute: there
    they can complete no tag, no comment and no name. Only the value of a class of a link is read.

    Args:
        mark: matches what stands for a text; without those characters itself, and no part of a name.
    """
    torn = rf"<[!/a-zA-Z\[-]*+(?:{mark.pattern})|(?:{mark.pattern})-*+>|\A\s*+(?:(?:{mark.pattern})\s*+)+<!doctype"
    if re.search(torn, document, re.IGNORECASE):
        return False
    for name, begin, attributes, end in _tags(document, _TO_ANY_TAG):
        marks = [found.span() for found in mark.finditer(document, begin, end)]
        if marks:
            quoted = _quoted(document, attributes, end)
            if name in _LINKS:
                quoted &= _quoted_attributes(document, attributes, end)
            if not all(any(one <= start and stop <= other for one, other in quoted) for start, stop in marks):
                return False
    return True


def attribute_text(source: str) -> str:
    """An attribute's value as a browser reads it.

    `&copy=1` in an address is a parameter and no sign: in attributes a name without its semicolon is none when a
    letter, a digit or an equals sign follows.

    Source: HTML, 13.2.5.73.
    """
    return _REFERENCE.sub(_meant, source) if "&" in source else source


def _tags(document: str, passed_over: re.Pattern[str]) -> Iterator[tuple[str, int, int, int]]:
    """Tags and comments that the pattern does not pass: their name; where they, their attributes, and the rest begin.

    What cannot be read to its end has no name and is the last.
    """
    at = 0
    while True:
        passed = passed_over.match(document, at)
        begin = passed.end() if passed else at
        element = _ELEMENT.match(document, begin)
        if element is None:
            return
        name, behind = element[0][1:].lower(), element.end()
        if name == "!--":
            at = _after_comment(document, behind)
        elif document[behind : behind + 1] not in _ENDS_NAME:
            name = "other"
        if name == "/body":
            at = behind
        elif name != "!--":
            tag = _TAG_END.match(document, behind)
            if tag is None:
                yield "", begin, begin, len(document)
                return
            at = tag.end()
        yield name, begin, behind, at
        if name in _RAW_END:
            end = _RAW_END[name].search(document, at)
            if end is None:
                yield "", at, at, len(document)
                return
            at = end.start()


def _address_to_track(document: str, start: int, end: int) -> Place | None:
    """Where the `href` of an element is written; None when it has none, or is not to be tracked."""
    place: Place | None = None
    has_address = False
    for found in _ATTRIBUTE.finditer(document, start, end - 1):
        group = found.lastindex or 1
        name = found[1].lower()
        if name == "href" and not has_address:
            # the first of two is the one that counts
            has_address = True
            place = found.span(group) if group > 1 else None
        elif name == "class" and group > 1 and NOT_TRACKED in attribute_text(found[group]).lower().split():
            return None
    return place


def _quoted(document: str, start: int, end: int) -> set[Place]:
    return {found.span(found.lastindex) for found in _VALUE.finditer(document, start, end) if found.lastindex}


def _quoted_attributes(document: str, start: int, end: int) -> set[Place]:
    attributes = _ATTRIBUTE.finditer(document, start, end - 1)
    return {
        found.span(found.lastindex) for found in attributes if found.lastindex in (2, 3) and found[1].lower() != "class"
    }


def _after_comment(document: str, at: int) -> int:
    # what Outlook reads inside its own comments is markup like any other
    if document.startswith("[if", at):
        return at
    end = document.find("-->", at)
    return len(document) if end < 0 else end + 3


@lru_cache(maxsize=4096)
def _number_meant(number: int) -> str:
    if number == 0 or number >= _BEYOND or 0xD800 <= number <= 0xDFFF:
        return "\ufffd"
    if 0x80 <= number <= 0x9F:
        return bytes([number]).decode("cp1252", errors="ignore") or chr(number)
    return chr(number)


def _meant(found: re.Match[str]) -> str:
    reference = found[0]
    if reference[1] == "#":
        digits = reference[2:].rstrip(";")
        base = 16 if digits[0] in "xX" else 10
        digits = digits.lstrip("xX").lstrip("0") or "0"
        return _number_meant(int(digits, base) if len(digits) < 8 else _BEYOND)
    if reference.endswith("="):
        return reference
    meant = html5.get(reference[1:])
    return reference if meant is None else meant
