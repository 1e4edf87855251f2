"""HTML parts of mails, written down once for all who get the same email but for values and links.

What is the same for everybody is tracked and encoded when a stencil is cut; for each mail only its holes are filled:
values, links, the picture. A stencil says what the long way says (render, `MailTracking.html`, `with_pre_header`,
`part_of`), with other soft line breaks. Whatever might make another difference goes the long way: a value with markup
in it or of several lines, a value where tags begin and end, a text that few others get.

Source: spec performance 5 ("preparsed quoted-printable pieces").
"""

import html
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

from journeys_api.delivery.link_places import are_passive, attribute_text, link_places
from journeys_api.delivery.mail_tracking import MailTracking
from journeys_api.delivery.messages import at_start_of_body, pre_header_of
from journeys_api.delivery.mime_parts import BASE64, encoding_for, head_of, in_base64, in_quoted_printable, with_crlf
from journeys_api.delivery.personalization import MAX_RENDERED, Context, Mode, Outline, Template
from journeys_api.delivery.tracked_links import Change, picture_of, with_changes

LONGEST_VALUES: Final = 10_000
"""Characters of all different values of a mail; longer ones go the long way."""
MOST_OCTETS: Final = 32 * 1024 * 1024
"""Of all stencils that are kept."""
MOST_SEEN: Final = 50_000

# noncharacters: nobody's text has them
_MARK = re.compile("\ufdd0([0-9]+)\ufdd1")
_NOT_IN_TEXTS = re.compile("[\ufdd0-\ufdef\x00\ud800-\udfff]")
_NOT_IN_VALUES = re.compile("[<>\"'\r\n\x00\ud800-\udfff]")

_Key = tuple[Outline, tuple[object, ...], bool]
_Fill = Callable[[Sequence[str], MailTracking, str], str]
"""A text for a hole, made of the mail's values, its tracking and its pre-header, which is escaped."""


class Stencils:
    """The stencils of one process; one is cut when a mail is the second of its kind."""

    def __init__(self) -> None:
        self._seen: set[_Key] = set()
        self._kept: dict[_Key, Stencil | None] = {}
        """None: there can be no stencil."""
        self.octets = 0
        """Of what is kept."""

    def part(self, template: Template, context: Context, tracking: MailTracking, pre_header: str) -> bytes | None:
        """The HTML part of a mail; None: it has to be written the long way.

        Args:
            pre_header: personalized, not escaped; empty for none.

        Raises:
            Exception: as `Template.render`.
        """
        outline = template.outline(context, mode=Mode.HTML)
        if outline is None:
            return None
        shown = html.escape(pre_header.strip())
        key = (outline, tracking.manner, bool(shown))
        if key not in self._kept:
            if key not in self._seen:
                self._note(key)
                return None
            self._keep(key, cut(outline, tracking, has_pre_header=bool(shown)))
        stencil = self._kept[key]
        return None if stencil is None else stencil.part(context, tracking, shown)

    def _note(self, key: _Key) -> None:
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen.add(key)

    def _keep(self, key: _Key, stencil: "Stencil | None") -> None:
        size = 0 if stencil is None else stencil.size
        if self.octets + size > MOST_OCTETS or len(self._kept) >= MOST_SEEN:
            self._kept.clear()
            self.octets = 0
        self._kept[key] = stencil
        self.octets += size


class Stencil:
    """An HTML part with holes."""

    def __init__(self, outline: Outline, pieces: Sequence[str | int], fills: Sequence[_Fill]) -> None:
        """Encode what stands between the holes.

        Args:
            pieces: texts, and numbers of holes: the outline's ops come first, then the fills. The last is a text that
                ends a line, and no other ends with half of a line end.
        """
        self._ops = _ops(outline)
        self._fills = fills
        texts = [with_crlf(piece.encode()) for piece in pieces if isinstance(piece, str)]
        self._encoding = encoding_for(b"".join(texts))
        self._encode = _plain if self._encoding is BASE64 else _quoted
        self._head = head_of(b"html", self._encoding)
        self._texts = texts if self._encoding is BASE64 else [_quoted_text(text) for text in texts]
        self.size = sum(map(len, self._texts))
        places = iter(range(1, 1 + len(texts)))
        order = [next(places) if isinstance(piece, str) else 1 + len(texts) + piece for piece in pieces]
        self._pick: Callable[[Sequence[bytes]], Sequence[bytes]] = itemgetter(0, *order)

    def part(self, context: Context, tracking: MailTracking, pre_header: str) -> bytes | None:
        """The part for one mail; None when its values are not harmless."""
        values = [op(context) for op in self._ops]
        together = "".join(values)
        if len(together) > LONGEST_VALUES or _NOT_IN_VALUES.search(together) or _NOT_IN_VALUES.search(pre_header):
            return None
        filled = [fill(values, tracking, pre_header) for fill in self._fills]
        pieces = self._pick((self._head, *self._texts, *map(self._encode, values), *map(self._encode, filled)))
        return self._head + in_base64(b"".join(pieces[1:])) if self._encoding is BASE64 else b"".join(pieces)


def cut(outline: Outline, tracking: MailTracking, *, has_pre_header: bool) -> Stencil | None:
    """The stencil of mails that share an outline and are tracked in one manner; None when there can be none.

    Args:
        tracking: of one of them.
    """
    texts = [part for part in outline.parts if isinstance(part, str)]
    marks = {op: _mark(number) for number, op in enumerate(_ops(outline))}
    document = "".join([part if isinstance(part, str) else marks[part] for part in outline.parts])
    if (
        not any(texts)
        or any(_NOT_IN_TEXTS.search(text) for text in texts)
        or len(document) + len(outline.parts) * LONGEST_VALUES > MAX_RENDERED
        or not are_passive(document, _MARK)
    ):
        return None
    fills: dict[str, _Fill] = {}
    """By what they are for: the same twice is one."""

    def hole(name: str, fill: _Fill) -> str:
        fills.setdefault(name, fill)
        return _mark(len(marks) + list(fills).index(name))

    changes = _changes(document, tracking, hole)
    if changes is None:
        return None
    document = with_changes(document, changes)
    if has_pre_header:
        document = at_start_of_body(document, pre_header_of(hole("pre-header", lambda _, __, pre_header: pre_header)))
    *between, last = _MARK.split(document)
    if any(text.endswith("\r") for text in between[::2]) or (not last and "".join(between[::2]).endswith("\n")):
        return None  # values without a character would leave another number of line ends
    if not last.endswith(("\r", "\n")):
        last += "\r\n"
    return Stencil(outline, _pieces([*between, last]), list(fills.values()))


def _changes(document: str, tracking: MailTracking, hole: Callable[[str, _Fill], str]) -> list[Change] | None:
    """What stands in place of addresses, and the picture; None: what an address is might change more than itself."""
    places = link_places(document)
    changes: list[Change] = []
    for start, end in places.addresses if tracking.changes_links else ():
        source = document[start:end]
        if _MARK.search(source):
            if _NOT_IN_VALUES.search(source):
                return None
            changes.append(((start, end), hole(source, _address_with_values(source))))
            continue
        address = attribute_text(source)
        target = tracking.target(address)
        link = tracking.address(address)
        if target is not None:
            changes.append(((start, end), hole(f"to {target}", _click(target))))
        elif link is not None:
            changes.append(((start, end), html.escape(link)))
    if tracking.tracks_opens:
        picture = picture_of(hole("picture", lambda _, of_mail, __: html.escape(of_mail.links.opened(of_mail.row))))
        changes.append(((places.end_of_body, places.end_of_body), picture))
    return sorted(changes)


def _ops(outline: Outline) -> list[Callable[[Context], str]]:
    return list(dict.fromkeys(part for part in outline.parts if not isinstance(part, str)))


def _mark(number: int) -> str:
    return f"\ufdd0{number}\ufdd1"


def _pieces(split: Sequence[str]) -> list[str | int]:
    """What `_MARK.split` leaves: every second is a number."""
    return [int(piece) if place % 2 else piece for place, piece in enumerate(split)]


def _click(target: str) -> _Fill:
    return lambda _, tracking, __: html.escape(tracking.clicked(target) or target)


def _address_with_values(source: str) -> _Fill:
    pieces = _pieces(_MARK.split(source))

    def fill(values: Sequence[str], tracking: MailTracking, _: str) -> str:
        address = "".join([piece if isinstance(piece, str) else values[piece] for piece in pieces])
        link = tracking.address(attribute_text(address))
        return address if link is None else html.escape(link)

    return fill


def _plain(text: str) -> bytes:
    return text.encode()


def _quoted(text: str) -> bytes:
    """A text of one line in quoted-printable, on lines of its own."""
    return _open_ended(text.encode()) if text else b""


def _quoted_text(octets: bytes) -> bytes:
    """Lines in quoted-printable, with a soft line break behind the last unless it ends."""
    if not octets or octets.endswith(b"\r\n"):
        return in_quoted_printable(octets)
    return _open_ended(octets)


def _open_ended(octets: bytes) -> bytes:
    # the `x` keeps room for the `=` behind it, and the line end tells which kind soft breaks are to be of
    return in_quoted_printable(octets + b"x\r\n")[:-3] + b"=\r\n"
