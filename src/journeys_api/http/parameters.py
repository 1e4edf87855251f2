"""One reader of parameters for every route: query string < form or multipart < JSON body (rulings 3)."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Message, Receive, Scope

from journeys_api import strict_json
from journeys_api.errors import NotReadable
from journeys_api.http.brackets import nested
from journeys_api.strict_json import fold

FORM = "application/x-www-form-urlencoded"


class BodyTooLarge(Exception):
    """The body is longer than the command takes: 413."""


class BodyTooSlow(Exception):
    """The body did not arrive in time: 408."""


class ClientGone(Exception):
    """The client closed the connection before its request was whole; nobody is there to answer."""


@dataclass(frozen=True)
class Given:
    """What a request brought, names folded at the top level."""

    query: dict[str, Any]
    body: dict[str, Any]

    @cached_property
    def merged(self) -> dict[str, Any]:
        """One mapping of both; the body wins, except with null, which is absence."""
        if not self.body:
            return self.query
        return {**self.query, **{name: value for name, value in self.body.items() if value is not None}}

    def every(self, name: str) -> list[Any]:
        """The values of one parameter in each place it may stand."""
        return [place[name] for place in (self.query, self.body) if name in place]


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: longer than `limit` bytes, by its header or by what came.
        BodyTooSlow: not whole after `seconds`.
        ClientGone: the connection was closed.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message: Message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return b"".join(chunks)
    except TimeoutError:
        raise BodyTooSlow from None


def read_parameters(scope: Scope, body: bytes) -> Given:
    """Everything that query string and body say.

    Raises:
        NotReadable: as rulings 3 lists under 100000.
    """
    return Given(query=_checked(nested(_pairs(scope["query_string"]))), body=_read_body_parameters(scope, body))


def _read_body_parameters(scope: Scope, body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise NotReadable("compressed bodies are not taken")
    content_type = header(scope, b"content-type") or ""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        tree = strict_json.loads(body)
        if tree is None or tree == []:
            return {}  # how PHP clients write "no parameters"
        if not isinstance(tree, dict):
            raise NotReadable("the body is not a JSON object")
        return {fold(name): value for name, value in tree.items()}
    if media_type == FORM:
        return _checked(nested(_pairs(body)))
    if media_type == "multipart/form-data":
        return _checked(nested(_parts(content_type, body)))
    raise NotReadable("the content type is none of JSON, form and multipart")


def _checked(tree: dict[str, Any]) -> dict[str, Any]:
    strict_json.check(tree)
    return {fold(name): value for name, value in tree.items()}


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    """`a=1&b` → pairs. Only `&` separates, `+` is a space, a name without `=` has an empty value, bytes are UTF-8."""
    pairs = []
    for field in encoded.split(b"&"):
        if field:
            name, _, value = field.partition(b"=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(encoded: bytes) -> str:
    try:
        return unquote_to_bytes(encoded.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise NotReadable("a parameter is not UTF-8") from None


class _Parts:
    """Collects the parts of a multipart body as python-multipart finds them."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self._headers: dict[bytes, bytes] = {}
        self._field = bytearray()
        self._value = bytearray()
        self._data = bytearray()

    def on_part_begin(self) -> None:
        self._headers = {}
        self._data = bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[bytes(self._field).lower()] = bytes(self._value)
        self._field, self._value = bytearray(), bytearray()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def on_part_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise NotReadable("a part has no name")
        if b"filename" in options:
            raise NotReadable("files are not taken; send the content as a parameter")
        try:
            self.pairs.append((options[b"name"].decode("utf-8"), bytes(self._data).decode("utf-8")))
        except UnicodeDecodeError:
            raise NotReadable("a part is not UTF-8") from None


def _parts(content_type: str, body: bytes) -> list[tuple[str, str]]:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046 5.1.1
        raise NotReadable("a multipart body without a proper boundary")
    parts = _Parts()
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
        parser.write(body)
        parser.finalize()
    except MultipartParseError:
        raise NotReadable("not a multipart body") from None
    if not ended:
        raise NotReadable("the multipart body is cut short")
    return parts.pairs
