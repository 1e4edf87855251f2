"""A closed loop of HTTP/1.1 requests on kept connections: what was answered in a while, and how long each took."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass
class Sample:
    """What one window of requests came to."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    body_bytes: int = 0


@dataclass(frozen=True)
class Load:
    """Requests that are sent in turn, round and round, each as it goes over the wire."""

    requests: Sequence[bytes]
    sign: bytes
    """What every good answer contains near the beginning of its body."""


class _Connection(asyncio.Protocol):
    """One client: it sends its next request as soon as the answer to the last is whole."""

    def __init__(self, load: Load, turns: "itertools.count[int]", sample: Sample, ends_at: float) -> None:
        self._load, self._turns, self._sample, self._ends_at = load, turns, sample, ends_at
        self._buffer = b""
        self._needed = 0
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        now = self._sent_at = time.perf_counter()
        if now >= self._ends_at:
            self._transport.close()
            return
        requests = self._load.requests
        self._transport.write(requests[next(self._turns) % len(requests)])

    def data_received(self, data: bytes) -> None:
        self._buffer = data if not self._buffer else self._buffer + data
        if not self._needed:
            head = self._buffer.find(HEAD_END)
            if head < 0:
                return
            lower = self._buffer[:head].lower()
            start = lower.index(LENGTH) + len(LENGTH)
            line_end = lower.find(b"\r\n", start)
            length = int(lower[start : line_end if line_end > 0 else None])
            self._needed = head + len(HEAD_END) + length
            self._body_bytes = length
        if len(self._buffer) < self._needed:
            return
        sample = self._sample
        sample.latencies.append(time.perf_counter() - self._sent_at)
        sample.body_bytes += self._body_bytes
        if not self._buffer.startswith(b"HTTP/1.1 200") or self._load.sign not in self._buffer[:1024]:
            sample.failed += 1
        self._buffer, self._needed = b"", 0
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            if time.perf_counter() < self._ends_at:
                self.done.set_exception(exc or ConnectionError("the server hung up"))
            else:
                self.done.set_result(None)


async def run(port: int, load: Load, *, connections: int, seconds: float, turns: "itertools.count[int]") -> Sample:
    """Send requests for some seconds on so many connections; the answers still under way at the end are awaited."""
    sample = Sample()
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(load, turns, sample, started + seconds), "127.0.0.1", port
        )
        made.append(connection)
    await asyncio.gather(*(connection.done for connection in made))
    sample.seconds = time.perf_counter() - started
    return sample


async def ask(port: int, request: bytes) -> bytes:
    """The body of the answer to one request, whatever its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = (await reader.readuntil(HEAD_END)).lower()
        start = head.index(LENGTH) + len(LENGTH)
        return await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
    finally:
        writer.close()
