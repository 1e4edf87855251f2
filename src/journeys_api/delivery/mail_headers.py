"""Header lines of a mail, written octet by octet.

The standard library's serializer turns a header's long words, such as the URL of an unsubscribe link, into encoded
words that no mailbox provider reads as a link, and breaks names in odd places; so the lines are made here. Nothing
passes that could end a line and begin another header.

Source: RFC 5322 2.2.3, RFC 2047 5; reliability S56.
"""

import re
from collections.abc import Sequence
from email.header import Header

from journeys_api.delivery.envelopes import CONTROL, InvalidMail

LONGEST_LINE = 998
NICE_LINE = 76
CRLF = "\r\n"
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_WORDS = re.compile(r"[ ]*[^ ]+")


def text_header(name: str, value: str) -> bytes:
    """A header of free text: ASCII is folded between words and never inside one, other text is encoded words.

    Raises:
        InvalidMail: the name is not a header's name, or the value holds a control character or too long a word.
    """
    _check(name, value)
    value = value.strip(" ")
    if not value.isascii() or "=?" in value:  # literal text that looks like an encoded word must not be decoded
        return _line(name, _encoded(name, value))
    if len(name) + 2 + len(value) <= NICE_LINE:
        return _line(name, value)
    return _folded(name, _WORDS.findall(value))


def subject_header(value: str) -> bytes:
    """The Subject; a word too long for a line is encoded, where `text_header` would refuse it.

    Raises:
        InvalidMail: a control character.
    """
    _check("Subject", value)
    if any(len(word) > LONGEST_LINE - 20 for word in value.split(" ")):
        return _line("Subject", _encoded("Subject", value.strip(" ")))
    return text_header("Subject", value)


def address_header(name: str, addresses: Sequence[tuple[str, str]]) -> bytes:
    """A header of addresses.

    Args:
        addresses: (display name or "", address as `ascii_address` answers it).

    Raises:
        InvalidMail: a control character in a display name.
    """
    items: list[str] = []
    for display, address in addresses:
        _check(name, display)
        phrase = _phrase(name, display.strip(" "))
        comma = "," if len(items) < len(addresses) - 1 else ""
        if not phrase:
            items.append(f" {address}{comma}")
            continue
        fits = len(phrase.rsplit(CRLF, 1)[-1]) + len(address) + len(name) + 6 <= NICE_LINE
        between = " " if fits else f"{CRLF} "
        items.append(f" {phrase}{between}<{address}>{comma}")
    return _folded(name, items)


def url_header(name: str, urls: Sequence[str]) -> bytes:
    """A header of URLs in angle brackets, each whole on one line.

    Raises:
        InvalidMail: a URL holds anything but visible ASCII, or is too long for a line.
    """
    for url in urls:
        if not re.fullmatch(r"[!-~]+", url) or re.search(r'[<>"\\^`{|}]', url):
            raise InvalidMail(f"{name}: not a URL")
    words = [f" <{url}>{',' if place < len(urls) - 1 else ''}" for place, url in enumerate(urls)]
    return _folded(name, words)


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidMail("not a header's name")
    if CONTROL.search(value):
        raise InvalidMail(f"{name}: a control character")


def _phrase(header: str, display: str) -> str:
    if not display:
        return ""
    if not display.isascii() or "=?" in display or len(display) > NICE_LINE - 16:
        return _encoded(header, display)
    if _ATOMS.fullmatch(display):
        return display
    escaped = re.sub(r'(["\\])', r"\\\1", display)
    return f'"{escaped}"'


def _encoded(name: str, value: str) -> str:
    return Header(value, charset="utf-8", maxlinelen=NICE_LINE - 1, header_name=name).encode(linesep=CRLF)


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}{CRLF}".encode("ascii")


def _folded(name: str, words: Sequence[str]) -> bytes:
    lines = [f"{name}:"]
    for place, word in enumerate(words):
        spaced = word if word.startswith(" ") else f" {word}"
        head = spaced.split(CRLF, 1)[0]
        # the first word stays beside the name: a header whose first line is empty is one that some readers lose
        if place and len(lines[-1]) + len(head) > NICE_LINE:
            lines.append(spaced)
        else:
            lines[-1] += spaced
        *whole, lines[-1] = lines[-1].split(CRLF)
        lines[-1:-1] = whole
    if any(len(line) > LONGEST_LINE for line in lines):
        raise InvalidMail(f"{name}: too long for a line")
    return CRLF.join([*lines, ""]).encode("ascii")
