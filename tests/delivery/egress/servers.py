"""Web servers to call, octet by octet on real sockets, and a resolver that answers what a test scripts."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import pytest

from journeys_api.delivery.public_addresses import Address

HOME: Final = "127.0.0.1"
NEXT_DOOR: Final = "127.0.0.2"
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Call:
    """One request as it arrived."""

    line: str
    fields: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        return {name.lower(): value for name, value in self.fields}


@dataclass
class Server:
    """What a server saw."""

    port: int = 0
    accepted: int = 0
    calls: list[Call] = field(default_factory=list)

    def url(self, host: str = HOME, path: str = "/hook", scheme: str = "http") -> str:
        """Its address under a name of its own."""
        return f"{scheme}://{host}:{self.port}{path}"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """An answer of this status."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def _read(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    fields = [(name, value.strip()) for name, _, value in (each.partition(":") for each in lines)]
    call = Call(line, fields, b"")
    call.body = await reader.readexactly(int(call.headers.get("content-length", "0")))
    return call


@contextlib.asynccontextmanager
async def serving(
    said: Answer = OK, *, host: str = HOME, port: int = 0, tls: ssl.SSLContext | None = None, is_deaf: bool = False
) -> AsyncIterator[Server]:
    """A server that gives every request this answer; a deaf one answers without having read any."""
    server = Server()
    at_work: set[asyncio.Task[None]] = set()
    open_streams: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            if not is_deaf:
                server.calls.append(await _read(reader))
            if isinstance(said, bytes):
                writer.write(said)
                await writer.drain()
            else:
                await said(writer)
            await reader.read()
        writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.accepted += 1
        open_streams.append(writer)
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        at_work.add(task)
        task.add_done_callback(at_work.discard)

    try:
        listening = await asyncio.start_server(connected, host, port, ssl=tls)
    except OSError:
        pytest.skip(f"{host} cannot be listened on here")
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in list(at_work):
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        for writer in open_streams:
            writer.transport.abort()


async def silence(_: asyncio.StreamWriter) -> None:
    """Take the request and say nothing until the caller goes."""
    await asyncio.Event().wait()


def repeating(head: bytes, piece: bytes, *, pause: float = 0) -> Answer:
    """An answer that begins with `head` and goes on with `piece` without end."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return say


@dataclass
class ScriptedNames:
    """A resolver whose every name has the given addresses: one list a lookup, the last for all that follow."""

    answers: Sequence[Sequence[str]]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """The next list."""
        self.asked.append(host)
        return [ip_address(text) for text in self.answers[min(len(self.asked), len(self.answers)) - 1]]

    def close(self) -> None:
        """Nothing is kept."""


class SilentNames:
    """A resolver that never answers."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError

    def close(self) -> None:
        """Nothing is kept."""
