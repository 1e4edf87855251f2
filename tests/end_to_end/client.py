"""HTTP on kept connections, with little more than a hundred thousand requests need: the machine is the server's."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

END_OF_HEAD = b"\r\n\r\n"
SECONDS = 60
"""How long an answer may take."""


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class _Connection:
    url: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Client:
    """Any number of requests at once."""

    def __init__(self) -> None:
        self._free: list[_Connection] = []

    async def request(
        self,
        method: str,
        url: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | str = b"",
        json: Any = None,
    ) -> Answer:
        """One request.

        Args:
            url: the server's.

        Raises:
            OSError: there was no answer, or not all of it.
        """
        body = content.encode() if isinstance(content, str) else content
        given = dict(headers or {})
        if json is not None:
            body = _dumped(json)
            given["Content-Type"] = "application/json"
        host = urlsplit(url).netloc
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        connection = await self._connection(url)
        try:
            connection.writer.write("\r\n".join(lines).encode() + END_OF_HEAD + body)
            async with asyncio.timeout(SECONDS):
                answer = await _read(connection.reader, has_body=method != "HEAD")
        except BaseException as error:
            connection.writer.close()
            if isinstance(error, EOFError):
                raise ConnectionError("the server hung up") from error
            raise
        self._free.append(connection)
        return answer

    async def _connection(self, url: str) -> _Connection:
        while self._free:
            found = self._free.pop()
            if found.url == url and not found.reader.at_eof():
                return found
            found.writer.close()
        parts = urlsplit(url)
        return _Connection(url, *await asyncio.open_connection(parts.hostname, parts.port))

    def close(self) -> None:
        """Hang up."""
        for connection in self._free:
            connection.writer.close()


async def _read(reader: asyncio.StreamReader, *, has_body: bool) -> Answer:
    first, *lines = (await reader.readuntil(END_OF_HEAD)).decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in named}
    assert "transfer-encoding" not in headers
    length = int(headers.get("content-length", "0")) if has_body else 0
    return Answer(int(first.split(" ")[1]), headers, await reader.readexactly(length))


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()
