"""Links of a finished mail that tell when they are followed, and the picture that tells when it is opened.

Every byte that is not the address of a tracked link stays as it is. A link is tracked when a browser would ask a web
server for it: absolute http and https. Our own links, anchors, other schemes and what its author marked with the class
`no-link-track` are left alone.

Source: AC 2.17; reliability S91, S92.
"""

import html
import re
from collections.abc import Callable, Iterable

from journeys_api.delivery.link_places import Place, attribute_text, link_places
from journeys_api.links.targets import web_address

Track = Callable[[str], str | None]
"""The link of ours that leads to a target; None: the target cannot have one."""
Change = tuple[Place, str]
"""A place and the text that comes there instead."""

_IN_TEXT = re.compile(r"(?<![\w.@:/-])https?://[\w\-.~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_ENDS_NO_LINK = ".,;:!?'*]"


def with_tracked_links(document: str, track: Track | None, *, own: str, picture: str | None) -> str:
    """The HTML with its links tracked and the picture at the end of its body.

    Args:
        track: None: links stay as they are.
        own: what our own links start with; they are never tracked.
        picture: the picture's address; None: none.
    """
    places = link_places(document)
    changes: list[Change] = []
    if track is not None:
        for start, end in places.addresses:
            link = tracked_address(attribute_text(document[start:end]), track, own=own)
            if link is not None:
                changes.append(((start, end), html.escape(link)))
    if picture is not None:
        changes.append(((places.end_of_body, places.end_of_body), picture_of(picture)))
        changes.sort()
    return with_changes(document, changes)


def with_changes(document: str, changes: Iterable[Change]) -> str:
    """The document with other texts at places that follow on each other."""
    pieces: list[str] = []
    done = 0
    for (start, end), text in changes:
        pieces += [document[done:start], text]
        done = end
    return "".join([*pieces, document[done:]])


def picture_of(address: str) -> str:
    """What shows the picture."""
    return f'<img src="{html.escape(address)}" width="1" height="1" alt="" border="0" style="display:block">'


def tracked_address(address: str, track: Track, *, own: str) -> str | None:
    """What stands in place of a link's address; None when it stays."""
    target = target_of(address, own=own)
    return None if target is None else track(target)


def target_of(address: str, *, own: str) -> str | None:
    """What a link leads to that may be tracked; None for another."""
    target = web_address(address)
    return None if target is None or target.startswith(own) else target


def with_tracked_text(text: str, track: Track, *, own: str) -> str:
    """The plain text with its web addresses tracked; punctuation behind one is no part of it."""

    def tracked(found: re.Match[str]) -> str:
        address = _without_punctuation(found[0])
        link = tracked_address(address, track, own=own)
        return found[0] if link is None else link + found[0][len(address) :]

    return _IN_TEXT.sub(tracked, text)


def _without_punctuation(address: str) -> str:
    while address:
        if address[-1] in _ENDS_NO_LINK or (address[-1] == ")" and address.count("(") < address.count(")")):
            address = address[:-1]
        else:
            break
    return address
