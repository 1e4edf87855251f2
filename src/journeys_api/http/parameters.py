"""One reader of parameters for every route: query string < form or multipart < JSON body (rulings 3)."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Scope

from journeys_api import strict_json
from journeys_api.errors import NotReadable
from journeys_api.http.brackets import MAX_FIELDS, nested
from journeys_api.http.lifting import FormLifter, JsonLifter, Lifted, plain_text
from journeys_api.strict_json import fold
from journeys_api.uploads import BLOCK, Upload

FORM = "application/x-www-form-urlencoded"
LONGEST_TEXT = 64 * 1024
"""Bytes of a text in a body that lies on disk, beyond which it stays there."""

MOST_LEFT = 16 * 1024 * 1024
"""Bytes of a long body that may be left when its long texts are lifted out of it."""
_HEADERS = "journeys_api.headers"
"""Where a request's scope has its headers by name, as soon as somebody has asked: a call looks for nine."""
NOTHING_LIFTED = Lifted(longest=sys.maxsize)
"""Of all requests whose body lies in memory: nobody writes to it."""


class TooLongInMemory(Exception):
    """What is left of a long body without its long texts is still too long: 413."""


@dataclass(frozen=True)
class Given:
    """What a request brought, names folded at the top level."""

    query: dict[str, Any]
    body: dict[str, Any]
    lifted: Lifted = NOTHING_LIFTED
    """The texts that stayed on disk; they are gone once this is closed."""

    @cached_property
    def merged(self) -> dict[str, Any]:
        """One mapping of both; the body wins, except with what is absence there: null, and empty text."""
        query = self.query
        if not self.body:
            return query
        return {
            **query,
            **{
                name: value
                for name, value in self.body.items()
                if value is not None and not (value == "" and name in query)
            },
        }

    def every(self, name: str) -> list[Any]:
        """The values of one parameter in each place it may stand."""
        return [place[name] for place in (self.query, self.body) if name in place]


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that (lower-case) name."""
    by_name = scope.get(_HEADERS)
    if by_name is None:
        by_name = scope[_HEADERS] = dict(reversed(scope["headers"]))
    value = by_name.get(name)
    return None if value is None else str(value.decode("latin-1"))


def with_header(scope: Scope, name: bytes, value: bytes) -> Scope:
    """The scope with that header in place of its own of the (lower-case) name."""
    others = [each for each in scope["headers"] if each[0] != name]
    return {**scope, "headers": [*others, (name, value)], _HEADERS: None}


def read_query(scope: Scope) -> dict[str, Any]:
    """What the query string says, names folded at the top level.

    Raises:
        NotReadable: as `read_parameters`.
    """
    return _checked(nested(_pairs(scope["query_string"])))


def read_parameters(scope: Scope, body: bytes | Upload) -> Given:
    """Everything that query string and body say. The long texts of a body that lies on disk are `Upload`s.

    Raises:
        NotReadable: as rulings 3 lists under 100000.
        TooLongInMemory: the body is long and its texts are not.
    """
    query = read_query(scope)
    if not (body.size if isinstance(body, Upload) else body):
        return Given(query=query, body={})
    lifted = Lifted(longest=LONGEST_TEXT if isinstance(body, Upload) else sys.maxsize)
    try:
        found = _read_body_parameters(scope, body, lifted)
        return Given(query=query, body=lifted.put_back(found) if isinstance(body, Upload) else found, lifted=lifted)
    except BaseException:
        lifted.close()
        raise


def _read_body_parameters(scope: Scope, body: bytes | Upload, lifted: Lifted) -> dict[str, Any]:
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise NotReadable("compressed bodies are not taken")
    content_type = header(scope, b"content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        tree = strict_json.loads(body if isinstance(body, bytes) else _without_texts(body, JsonLifter(lifted)))
        if tree is None or tree == []:
            return {}  # how PHP clients write "no parameters"
        if not isinstance(tree, dict):
            raise NotReadable("the body is not a JSON object")
        return {fold(name): value for name, value in tree.items()}
    if media_type == FORM:
        return _checked(nested(_pairs(body if isinstance(body, bytes) else _without_texts(body, FormLifter(lifted)))))
    if media_type == "multipart/form-data":
        blocks = [body] if isinstance(body, bytes) else body.blocks()
        return _checked(nested(_parts(content_type, blocks, lifted)))
    raise NotReadable("the content type is none of JSON, form and multipart")


def _without_texts(body: Upload, lifter: JsonLifter | FormLifter) -> bytes:
    for block in body.blocks():
        lifter.feed(block)
        if len(lifter.rest) > MOST_LEFT:
            raise TooLongInMemory
    return lifter.end()


def _checked(tree: dict[str, Any]) -> dict[str, Any]:
    strict_json.check(tree)
    return {fold(name): value for name, value in tree.items()}


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    """`a=1&b` → pairs. Only `&` separates, `+` is a space, a name without `=` has an empty value, bytes are UTF-8."""
    if encoded.count(b"&") > 2 * MAX_FIELDS:
        # those that are left empty do not count, but nobody leaves as many; millions of pieces fill the memory first
        raise NotReadable(f"more than {MAX_FIELDS} fields")
    pairs = []
    for pair in encoded.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(encoded: bytes) -> str:
    spaced = encoded.replace(b"+", b" ")
    try:
        if len(spaced) <= BLOCK:
            return unquote_to_bytes(spaced).decode("utf-8")
        return b"".join(map(unquote_to_bytes, _blocks(spaced))).decode("utf-8")
    except UnicodeDecodeError:
        raise NotReadable("a parameter is not UTF-8") from None


def _blocks(encoded: bytes) -> Iterator[bytes]:
    """The text in blocks that cut no escape: the decoder makes a text of its own of all that is between two of them."""
    at = 0
    while at < len(encoded):
        end = at + BLOCK
        escape = encoded.rfind(b"%", end - 2, end)
        if 0 <= escape < len(encoded) - 2:
            end = escape
        yield encoded[at:end]
        at = end


class _Parts:
    """Collects the parts of a multipart body as python-multipart finds them."""

    def __init__(self, lifted: Lifted) -> None:
        self.pairs: list[tuple[str, str]] = []
        self._lifted = lifted
        self._headers: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._value = bytearray()
        self._data = plain_text(lifted)

    def on_part_begin(self) -> None:
        if len(self.pairs) >= MAX_FIELDS:
            raise NotReadable(f"more than {MAX_FIELDS} fields")
        self._headers = {}
        self._data = plain_text(self._lifted)

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data.add(data[start:end])

    def on_part_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise NotReadable("a part has no name")
        if b"filename" in options:
            raise NotReadable("files are not taken; send the content as a parameter")
        try:
            self.pairs.append((options[b"name"].decode("utf-8"), self._data.end().decode("utf-8")))
        except UnicodeDecodeError:
            raise NotReadable("a part is not UTF-8") from None


def _parts(content_type: str, blocks: Iterable[bytes], lifted: Lifted) -> list[tuple[str, str]]:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046 5.1.1
        raise NotReadable("a multipart body without a proper boundary")
    parts = _Parts(lifted)
    ended = False

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.on_part_begin,
                "on_part_data": parts.on_part_data,
                "on_part_end": parts.on_part_end,
                "on_header_field": parts.on_header_field,
                "on_header_value": parts.on_header_value,
                "on_header_end": parts.on_header_end,
                "on_end": on_end,
            },
        )
        for block in blocks:
            parser.write(block)
        parser.finalize()
    except MultipartParseError:
        raise NotReadable("not a multipart body") from None
    if not ended:
        raise NotReadable("the multipart body is cut short")
    return parts.pairs
