"""Follows the HTML around the tags, only so far as to know where each of them stands."""

import re
from collections.abc import Iterator
from enum import Enum

from journeys_api.delivery.personalization.encoding import ADDRESS_SCHEMES, Place

URL_ATTRIBUTES = frozenset(
    {"href", "src", "action", "formaction", "background", "cite", "poster", "longdesc", "data", "xlink:href", "ping"}
)

_OPENING = re.compile(r"<(?:!--|/?[A-Za-z])")
# What is complete within a piece of text is passed in one step. The loop cannot fail, so it never backtracks.
_ATTRIBUTES = re.compile(
    r"""(?: [\s/]+
          | [^\s<>/"'=]+ \s*=\s* (?: "[^"]*" | '[^']*' | [^\s"'<>=`]+ (?=[\s>]) )
          | [^\s<>/"'=]+ (?=[\s/>]) (?!\s*=)
        )+""",
    re.VERBOSE,
)
_IN_ELEMENT = re.compile(
    r"""(?P<open></?[^\s<>/"'=]*) | (?P<close>>) | (?P<equals>=) | (?P<name>[^\s<>/"'=]+) | [\s/"']+""",
    re.VERBOSE,
)
_BLANKS = re.compile(r"\s*")
_UNQUOTED_END = re.compile(r"[\s>]")
_RAW_END = {
    "<script": re.compile(r"</script", re.IGNORECASE),
    "<style": re.compile(r"</style", re.IGNORECASE),
}

State = tuple["_Where", str, str, "str | None", str, bool]


class _Where(Enum):
    TEXT = 0
    ELEMENT = 1
    VALUE = 2
    COMMENT = 3
    RAW = 4
    """Inside a script or a style sheet."""


class Markup:
    """A place in an HTML document; text moves it on.

    Lenient by intent: text that is no HTML is followed as well as it goes, and its places are not used then.
    """

    def __init__(self) -> None:
        self._where = _Where.TEXT
        self._element = ""
        self._attribute = ""
        self._quote: str | None = None
        """The quote of the value; "" is none, None is not known yet."""
        self._start = ""
        """The first characters of the value."""
        self._is_open_ended = False
        """Whether a tag or a `?` stood in the value, so that what follows begins no address."""

    @property
    def state(self) -> State:
        """Where it is, to come back to: each variant of a text begins at the same place."""
        return (self._where, self._element, self._attribute, self._quote, self._start, self._is_open_ended)

    @state.setter
    def state(self, state: State) -> None:
        (self._where, self._element, self._attribute, self._quote, self._start, self._is_open_ended) = state

    def place(self) -> Place:
        """How a tag that stands here is to be written."""
        if self._where is _Where.ELEMENT:
            return Place.BARE
        if self._where is not _Where.VALUE:
            return Place.TEXT
        if self._attribute not in URL_ATTRIBUTES:
            return Place.TEXT if self._quote else Place.BARE
        if self._is_open_ended:
            return Place.URL
        if not self._start:
            return Place.URL_START
        return Place.ADDRESS if self._start.lower().startswith(ADDRESS_SCHEMES) else Place.URL

    def is_markup(self) -> bool:
        """Whether a tag that stands here is not text for a reader."""
        return self._where is not _Where.TEXT

    def pass_tag(self) -> None:
        """A tag stands here, and the document goes on behind it."""
        if self._where is _Where.VALUE:
            self._is_open_ended = self._is_open_ended or not self._start.lower().startswith(ADDRESS_SCHEMES)
            self._quote = self._quote or ""

    def pass_text(self, text: str) -> None:
        """The document goes on with this text."""
        if self._where is _Where.TEXT and "<" not in text:
            return
        at = 0
        while at < len(text):
            at = self._step(text, at)

    def pieces(self, text: str) -> Iterator[tuple[str, bool]]:
        """As `pass_text`, telling which parts of the text are markup."""
        begin = at = 0
        while at < len(text):
            was_markup = self.is_markup()
            at = self._step(text, at)
            if self.is_markup() != was_markup and at > begin:
                yield text[begin:at], was_markup
                begin = at
        if begin < len(text):
            yield text[begin:], self.is_markup()

    def _step(self, text: str, at: int) -> int:
        if self._where is _Where.TEXT:
            return self._in_text(text, at)
        if self._where is _Where.ELEMENT:
            return self._in_element(text, at)
        if self._where is _Where.VALUE:
            return self._in_value(text, at)
        if self._where is _Where.COMMENT:
            end = text.find("-->", at)
            return len(text) if end < 0 else self._leave(end + 3)
        found = _RAW_END[self._element].search(text, at)
        return self._leave(found.start()) if found else len(text)

    def _leave(self, at: int) -> int:
        self._where = _Where.TEXT
        return at

    def _in_text(self, text: str, at: int) -> int:
        found = _OPENING.search(text, at)
        if found is None:
            return len(text)
        if found.group() != "<!--":
            self._where = _Where.ELEMENT
            return found.start()
        # what Outlook reads inside its own comments is markup like any other
        if text.startswith("[if", found.end()):
            return found.end()
        self._where = _Where.COMMENT
        return found.end()

    def _in_element(self, text: str, at: int) -> int:
        passed = _ATTRIBUTES.match(text, at)
        if passed:
            return passed.end()
        found = _IN_ELEMENT.match(text, at)
        assert found is not None, "every character is of one of its kinds"
        if found.lastgroup == "open":
            self._element = found.group().lower()
        elif found.lastgroup == "close":
            self._where = _Where.RAW if self._element in _RAW_END else _Where.TEXT
        elif found.lastgroup == "name":
            self._attribute = found.group().lower()
        elif found.lastgroup == "equals":
            self._where = _Where.VALUE
            self._quote, self._start, self._is_open_ended = None, "", False
        return found.end()

    def _in_value(self, text: str, at: int) -> int:
        if self._quote is None:
            blanks = _BLANKS.match(text, at)
            at = blanks.end() if blanks else at
            if at == len(text):
                return at
            self._quote = text[at] if text[at] in "\"'" else ""
            at += len(self._quote)
        if self._quote:
            end = text.find(self._quote, at)
        else:
            found = _UNQUOTED_END.search(text, at)
            end = found.start() if found else -1
        stop = len(text) if end < 0 else end
        self._start = (self._start + text[at : min(stop, at + 8)].lstrip())[:8]
        self._is_open_ended = self._is_open_ended or text.find("?", at, stop) >= 0
        if end < 0:
            return stop
        self._where = _Where.ELEMENT
        return end + len(self._quote)
