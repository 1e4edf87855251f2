"""Links of a finished mail that tell when they are followed, and the picture that tells when it is opened.

One pass over the text; every byte that is not the address of a tracked link stays as it is. A link is tracked when a
browser would ask a web server for it: absolute http and https. Our own links, anchors, other schemes and what its
author marked with the class `no-link-track` are left alone.

Source: AC 2.17; reliability S91, S92.
"""

import html
import re
from collections.abc import Callable
from functools import lru_cache
from html.entities import html5

from journeys_api.tracking.targets import web_address

Track = Callable[[str], str | None]
"""The link of ours that leads to a target; None: the target cannot have one."""

NOT_TRACKED = "no-link-track"

# Spelled out instead of IGNORECASE and \s, which make each step several times as slow. Nothing in these backtracks, and
# everything up to the next element that matters is passed in one match.
_TAG_REST = r"""[^>=]*+(?:=[ \t\n\f\r]*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\f\r>"'][^ \t\n\f\r>]*+)?+[^>=]*+)*+"""
_RAW = "script", "style", "title", "textarea", "xmp"


def _any_case(*names: str) -> str:
    return "|".join("".join(f"[{letter}{letter.upper()}]" for letter in name) for name in names)


_MATTERS = rf"(?:{_any_case('a', 'area', *_RAW)}|/{_any_case('body')})[ \t\n\f\r/>]|!--"
_PASS = re.compile(
    rf"[^<]*+(?:<(?:(?![aAsStTxX!/]|{_MATTERS})|(?!{_MATTERS}))(?:/?[a-zA-Z]{_TAG_REST}>|(?!/?[a-zA-Z]))[^<]*+)*+"
)
_ELEMENT = re.compile(r"<(?:!--|/?[a-zA-Z]+)")
_TAG_END = re.compile(rf"{_TAG_REST}>")
_ATTRIBUTE = re.compile(
    r"[ \t\n\f\r/]*+([^ \t\n\f\r/>][^ \t\n\f\r/>=]*+)"
    r"""(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+(?:"([^"]*+)"|'([^']*+)'|([^ \t\n\f\r>"'][^ \t\n\f\r>]*+)|))?+"""
)
_RAW_END = {name: re.compile(rf"</(?:{_any_case(name)})(?=[ \t\n\f\r/>])") for name in _RAW}

_BEYOND = 0x110000
"""No character has this number."""
_REFERENCE = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|[A-Za-z][A-Za-z0-9]*[;=]?)")
_IN_TEXT = re.compile(r"(?<![\w.@:/-])https?://[\w\-.~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_ENDS_NO_LINK = ".,;:!?'*]"


def with_tracked_links(document: str, track: Track | None, *, own: str, picture: str | None) -> str:
    """The HTML with its links tracked and the picture at the end of its body.

    Args:
        track: None: links stay as they are.
        own: what our own links start with; they are never tracked.
        picture: the picture's address; None: none.
    """
    pieces: list[str] = []
    done = at = 0
    end_of_body = -1
    while True:
        passed = _PASS.match(document, at)
        at = passed.end() if passed else at
        element = _ELEMENT.match(document, at)
        if element is None:
            break
        name = element[0][1:].lower()
        if name == "!--":
            at = _after_comment(document, element.end())
            continue
        if name == "/body":
            # its position among the pieces: what is before it may still grow
            pieces.append(document[done:at])
            done, end_of_body = at, len(pieces)
            at = element.end()
            continue
        tag = _TAG_END.match(document, element.end())
        if tag is None:
            break
        if name in _RAW_END:
            end = _RAW_END[name].search(document, tag.end())
            if end is None:
                break
            at = end.start()
            continue
        if track is not None:
            place = _address_to_track(document, element.end(), tag.end())
            if place is not None:
                link = _tracked(attribute_text(document[slice(*place)]), track, own)
                if link is not None:
                    pieces += [document[done : place[0]], html.escape(link)]
                    done = place[1]
        at = tag.end()
    pieces.append(document[done:])
    if picture is not None:
        shown = f'<img src="{html.escape(picture)}" width="1" height="1" alt="" border="0" style="display:block">'
        pieces.insert(len(pieces) if end_of_body < 0 else end_of_body, shown)
    return "".join(pieces)


def with_tracked_text(text: str, track: Track, *, own: str) -> str:
    """The plain text with its web addresses tracked; punctuation behind one is no part of it."""

    def tracked(found: re.Match[str]) -> str:
        address = _without_punctuation(found[0])
        link = _tracked(address, track, own)
        return found[0] if link is None else link + found[0][len(address) :]

    return _IN_TEXT.sub(tracked, text)


def attribute_text(source: str) -> str:
    """An attribute's value as a browser reads it.

    `&copy=1` in an address is a parameter and no sign: in attributes a name without its semicolon is none when a
    letter, a digit or an equals sign follows.

    Source: HTML, 13.2.5.73.
    """
    return _REFERENCE.sub(_meant, source) if "&" in source else source


def _tracked(address: str, track: Track, own: str) -> str | None:
    target = web_address(address)
    if target is None or target.startswith(own):
        return None
    return track(target)


def _address_to_track(document: str, start: int, end: int) -> tuple[int, int] | None:
    """Where the `href` of an element is written; None when it has none, or is not to be tracked."""
    place: tuple[int, int] | None = None
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


def _without_punctuation(address: str) -> str:
    while address:
        if address[-1] in _ENDS_NO_LINK or (address[-1] == ")" and address.count("(") < address.count(")")):
            address = address[:-1]
        else:
            break
    return address
