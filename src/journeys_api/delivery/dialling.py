"""Connections to addresses that were judged, with a limit on what is taken from them."""

# ruff: noqa: ASYNC109 (the signatures are those of httpcore)

import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore

from journeys_api.delivery.public_addresses import Address


class TooMuch(Exception):
    """The other side sends more than we are ready to keep."""


class Meter:
    """How many more bytes may be taken from the other side."""

    def __init__(self, room: int) -> None:
        self.room = room


class CheckedDialler(httpcore.AsyncNetworkBackend):
    """Dials the addresses it was given, whatever name the connection is for; the name stays in SNI and Host.

    Args:
        addresses: tried in turn.
        patience: seconds that one of them may take to be connected.
        meter: shared by whatever is opened; reading beyond it raises `TooMuch`.
    """

    def __init__(self, addresses: Sequence[Address], *, patience: float, meter: Meter) -> None:
        self._addresses = addresses
        self._patience = patience
        self._meter = meter
        self._network = httpcore.AnyIOBackend()
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the addresses that answers; `host` is not looked up again."""
        for address in self._addresses[:-1]:
            try:
                return await self._dial(address, port)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._dial(self._addresses[-1], port)

    async def close(self) -> None:
        """Close what is still open; a handshake that was broken off leaves its socket behind."""
        for stream in self._opened:
            await stream.aclose()

    async def _dial(self, address: Address, port: int) -> httpcore.AsyncNetworkStream:
        stream = await self._network.connect_tcp(str(address), port, timeout=self._patience)
        self._opened.append(stream)
        return _MeteredStream(stream, self._meter)


class _MeteredStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._meter.room <= 0:
            raise TooMuch
        taken = await self._stream.read(min(max_bytes, self._meter.room), timeout)
        self._meter.room -= len(taken)
        return taken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _MeteredStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._meter)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
