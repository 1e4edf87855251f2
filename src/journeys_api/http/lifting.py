"""Long bodies: texts of theirs that nobody wants to hold in memory are lifted out while the body is read from disk.

What is left of the body is read by the ordinary reader; in the place of each lifted text it finds an `Upload`.
"""

import codecs
import json
import re
import secrets
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from journeys_api.errors import NotReadable
from journeys_api.uploads import Upload

_ESCAPES = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_STRING = re.compile(rb'(?:[^"\\\x00-\x1f]++|' + _ESCAPES + rb")*+")
_HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_PERCENT = re.compile(rb"%[0-9a-fA-F]?\Z")


class Lifted:
    """The texts that were lifted out of one body, each by the mark that stands in its place.

    Args:
        longest: bytes of a text that is left where it is, at most.
    """

    def __init__(self, *, longest: int) -> None:
        self.longest = longest
        self._by_mark: dict[str, Upload] = {}

    def new(self) -> tuple[str, Upload]:
        """A mark that no client can guess, and the place of its text."""
        mark, upload = secrets.token_hex(24), Upload()
        self._by_mark[mark] = upload
        return mark, upload

    def put_back(self, value: Any) -> Any:
        """The value with the lifted texts in the places of their marks."""
        if isinstance(value, str):
            return self._by_mark.get(value, value)
        if isinstance(value, list):
            return [self.put_back(item) for item in value]
        if isinstance(value, dict):
            return {name: self.put_back(item) for name, item in value.items()}
        return value

    def close(self) -> None:
        """Give the space back."""
        for upload in self._by_mark.values():
            upload.close()


class Spelling(Protocol):
    """How a text is spelled in a body."""

    def decoded(self, block: bytes, *, is_last: bool) -> bytes:
        """The next bytes of the text, as UTF-8; the escapes in the block are whole."""


class Text:
    """One text while it is read, in memory until it gets long."""

    def __init__(self, lifted: Lifted, spelling: Spelling) -> None:
        self._lifted = lifted
        self._spelling = spelling
        self._held = bytearray()
        self._upload: Upload | None = None
        self._mark = ""

    def add(self, block: bytes) -> None:
        """Some more of it, in the body's spelling."""
        if self._upload is not None:
            self._upload.write(self._spelling.decoded(block, is_last=False))
            return
        self._held += block
        if len(self._held) > self._lifted.longest:
            self._mark, self._upload = self._lifted.new()
            self._upload.write(self._spelling.decoded(bytes(self._held), is_last=False))
            self._held.clear()

    def end(self) -> bytes:
        """What stands in the body for it: its own spelling, or the mark of where it was lifted to."""
        if self._upload is None:
            return bytes(self._held)
        self._upload.write(self._spelling.decoded(b"", is_last=True))
        return self._mark.encode()


class _Plain:
    """Bytes that only have to be UTF-8."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def _characters(self, block: bytes, *, is_last: bool) -> str:
        try:
            return self._utf8.decode(block, is_last)
        except UnicodeDecodeError:
            raise NotReadable("a parameter is not UTF-8") from None

    def decoded(self, block: bytes, *, is_last: bool) -> bytes:
        self._characters(block, is_last=is_last)
        return block


class _Quoted(_Plain):
    """A value of an urlencoded body."""

    def decoded(self, block: bytes, *, is_last: bool) -> bytes:
        return super().decoded(unquote_to_bytes(block.replace(b"+", b" ")), is_last=is_last)


class _Escaped(_Plain):
    """A text of a JSON document."""

    def decoded(self, block: bytes, *, is_last: bool) -> bytes:
        text = self._characters(block, is_last=is_last)
        try:
            return str(json.loads(f'"{text}"')).encode()
        except UnicodeEncodeError:
            raise NotReadable("a lone surrogate") from None


def plain_text(lifted: Lifted) -> Text:
    """A text that stands in the body as it is: a part of a multipart one."""
    return Text(lifted, _Plain())


class JsonLifter:
    """Takes the long texts out of a JSON document that is fed block by block; `rest` is the document without them."""

    def __init__(self, lifted: Lifted) -> None:
        self._lifted = lifted
        self._text: Text | None = None
        self._behind = b""
        self.rest = bytearray()

    def feed(self, block: bytes) -> None:
        """The next bytes of the document.

        Raises:
            NotReadable: a text that is not JSON's.
        """
        data = self._behind + block
        self._behind = b""
        at = 0
        while at < len(data):
            if self._text is None:
                opening = data.find(b'"', at)
                end = len(data) if opening < 0 else opening + 1
                self.rest += data[at:end]
                at = end
                if opening >= 0:
                    self._text = Text(self._lifted, _Escaped())
                continue
            found = _STRING.match(data, at)
            assert found is not None  # nothing matches as well
            end = found.end()
            if end < len(data) and data[end] == ord('"'):
                self._text.add(data[at:end])
                self.rest += self._text.end() + b'"'
                self._text, at = None, end + 1
            elif end < len(data) and (data[end] != ord("\\") or len(data) - end >= len(rb"\u0000")):
                raise NotReadable("not valid JSON")
            else:
                # half of a pair waits for the other half, and an escape for its end
                cut = _half_at(data, at, end)
                self._text.add(data[at:cut])
                self._behind = data[cut:]
                return

    def end(self) -> bytes:
        """The document without its long texts; whether it is whole is for its reader to say."""
        return bytes(self.rest) + self._behind


def _half_at(data: bytes, at: int, end: int) -> int:
    """Where the first half of a pair begins that ends at `end`; `end` itself if there is none.

    Args:
        at: where whole escapes begin.
    """
    start = end - len(rb"\u0000")
    if start < at or _HALF.fullmatch(data, start, end) is None:
        return end
    before = data[at:start]
    # behind an odd number of backslashes the next one is only text
    return start if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0 else end


class FormLifter:
    """Takes the long values out of an urlencoded body that is fed block by block."""

    def __init__(self, lifted: Lifted) -> None:
        self._lifted = lifted
        self._name = bytearray()
        self._value: Text | None = None
        self._behind = b""
        self.rest = bytearray()

    def feed(self, block: bytes) -> None:
        """The next bytes of the body."""
        data = self._behind + block
        self._behind = b""
        at = 0
        while at < len(data):
            if self._value is None:
                sign = _next_of(data, b"=&", at)
                self.rest += data[at : sign + 1]
                if sign < len(data) and data[sign] == ord("="):
                    self._value = Text(self._lifted, _Quoted())
                at = sign + 1
                continue
            end = data.find(b"&", at)
            if end >= 0:
                self._value.add(data[at:end])
                self._end_value()
                self.rest += b"&"
                at = end + 1
            else:
                cut = _PERCENT.search(data, max(at, len(data) - 2))
                self._value.add(data[at : cut.start() if cut else len(data)])
                self._behind = cut[0] if cut else b""
                return

    def _end_value(self) -> None:
        assert self._value is not None
        self.rest += self._value.end()
        self._value = None

    def end(self) -> bytes:
        """The body without its long values."""
        if self._value is not None:
            self._value.add(self._behind)
            self._end_value()
        return bytes(self.rest)


def _next_of(data: bytes, signs: bytes, at: int) -> int:
    places = [place for place in (data.find(bytes([sign]), at) for sign in signs) if place >= 0]
    return min(places, default=len(data))
