"""How a value is written where it lands: escaped in HTML, percent-encoded in addresses, on one line in headers."""

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from html import escape as html_escape
from urllib.parse import quote

Encode = Callable[[str], str]


class Mode(Enum):
    """What a template is rendered for."""

    HTML = "html"
    """An HTML body: values are escaped, and percent-encoded inside attributes that hold addresses."""
    TEXT = "text"
    """A text body, a short message, the value of a webhook's key: nothing is encoded."""
    HEADER = "header"
    """A subject or a name: a value stays on one line and brings no control characters. Links do not belong there."""
    URL = "url"
    """One address: values are percent-encoded."""


class Place(Enum):
    """Where in an HTML document a tag stands."""

    TEXT = "text"
    """Between elements, or inside the quotes of an ordinary attribute."""
    BARE = "bare"
    """Inside an element without quotes, where a blank would begin another attribute."""
    URL_START = "url start"
    """At the beginning of an attribute that holds an address: the value may be the whole address."""
    URL = "url"
    """Further inside such an attribute."""
    ADDRESS = "address"
    """Behind `mailto:`, `tel:` or `sms:`."""


ADDRESS_SCHEMES = ("mailto:", "tel:", "sms:")
_SHORT = 200
"""Characters of values that are worth remembering: an address occurs several times in a mail."""
_WHOLE_URL = re.compile(r"(?:https?://|mailto:|tel:|sms:)", re.IGNORECASE)
_UNSAFE_IN_URL = re.compile(r"""[\x00-\x20"<>\\^`{|}\x7f-\xa0\u2028\u2029\ud800-\udfff]""")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_ESCAPABLE = re.compile(r"""[&<>"']""")
_BARE_TROUBLE = re.compile(r"[\s=`/]")
_LONE_AMPERSAND = re.compile(r"&(?!#?[0-9A-Za-z]{1,32};)")


def unchanged(text: str) -> str:
    """The text itself."""
    return text


def escaped(text: str) -> str:
    """Safe between elements and inside the quotes of an attribute."""
    return text if _ESCAPABLE.search(text) is None else html_escape(text).replace("&#x27;", "&#39;")


def escaped_once(text: str) -> str:
    """As `escaped`, for a text out of the HTML source itself: its `&amp;` is written already and stays as it is."""
    text = _LONE_AMPERSAND.sub("&amp;", text)
    return text.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#39;")


def escaped_bare(text: str) -> str:
    """Safe also where no quotes hold the value together."""
    return _BARE_TROUBLE.sub(lambda match: f"&#{ord(match.group())};", escaped(text))


def percent_encoded(text: str) -> str:
    """RFC 3986: everything but letters, digits and `-._~` as `%XX`; never a scheme, a path or a second parameter."""
    return _short_percent_encoded(text) if len(text) <= _SHORT else quote(text, safe="", errors="replace")


@lru_cache(maxsize=4096)
def _short_percent_encoded(text: str) -> str:
    return quote(text, safe="", errors="replace")


def whole_url(text: str) -> str:
    """An address that the value brings as a whole is kept; any other value is percent-encoded.

    Only `http`, `https`, `mailto`, `tel` and `sms` are kept: `javascript:…` ends as a harmless relative path.
    """
    text = text.strip()
    return without_breaks(text) if _WHOLE_URL.match(text) else percent_encoded(text)


def without_breaks(text: str) -> str:
    """An address in which blanks, quotes and control characters are percent-encoded and all else is kept."""
    return _UNSAFE_IN_URL.sub(lambda match: quote(match.group(), safe="", errors="replace"), text)


def address(text: str) -> str:
    """The address or number behind `mailto:` or `tel:`: `@` and `+` keep their meaning there."""
    return quote(text.strip(), safe="@+", errors="replace")


def on_one_line(text: str) -> str:
    """Without line breaks and control characters, Unicode's too: a run of them becomes one blank.

    Source: reliability-security, S56.
    """
    if text.isprintable() or not _CONTROL.search(text):
        return text
    return _CONTROL.sub(" ", text).strip()


_IN_HTML: dict[Place, Encode] = {
    Place.TEXT: escaped,
    Place.BARE: escaped_bare,
    Place.URL_START: lambda text: escaped(whole_url(text)),
    Place.URL: percent_encoded,
    Place.ADDRESS: address,
}


def value_encoding(mode: Mode, place: Place, *, is_first: bool) -> Encode:
    """How values are written; `is_first`: nothing stands before the tag in its template."""
    if mode is Mode.HTML:
        return _IN_HTML[place]
    if mode is Mode.HEADER:
        return on_one_line
    if mode is Mode.URL:
        return whole_url if is_first else percent_encoded
    return unchanged


def ready_encoding(mode: Mode, place: Place) -> Encode:
    """How values are written that are addresses, or percent-encoded, already."""
    if mode is Mode.HTML:
        return escaped_bare if place is Place.BARE else escaped
    if mode is Mode.URL:
        return without_breaks
    return on_one_line if mode is Mode.HEADER else unchanged


def raw_encoding(mode: Mode) -> Encode:
    """How values are written that their template wants as they are."""
    if mode is Mode.URL:
        return without_breaks
    return on_one_line if mode is Mode.HEADER else unchanged


def fallback_encoding(mode: Mode, place: Place, *, is_first: bool) -> Encode:
    """How a fallback is written: it comes out of the source, so in HTML what is escaped already stays so."""
    if mode is Mode.HTML and place is Place.TEXT:
        return escaped_once
    return value_encoding(mode, place, is_first=is_first)
