"""The only way out by HTTP: one call to an address that was judged before it is dialled, bounded in every direction.

Redirects, proxies of the environment, cookies, compression and the reuse of connections do not exist here.

Source: reliability S78-S88; rulings 7, "Webhook".
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final

import httpcore

from journeys_api.delivery.dialling import CheckedDialler, Meter, TooMuch
from journeys_api.delivery.public_addresses import Address, Network, is_public
from journeys_api.delivery.resolving import NameNotResolved, Resolver, SystemResolver
from journeys_api.delivery.web_urls import UrlRefused, WebUrl, parse_url

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")
OWN_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "expect", "te", "trailer", "upgrade"}
    | {"accept-encoding", "proxy-connection", "proxy-authorization", "proxy-authenticate"}
)
"""What the connection itself says, in lower case: a caller's header of this name is refused."""
HEADER_BYTES: Final = 16 * 1024
EXCERPT_BYTES: Final = 512
MOST_ADDRESSES: Final = 3
LONGEST_RETRY_AFTER: Final = 24 * 60 * 60
_ANSWERED_HEADERS: Final = frozenset({"content-encoding", "content-type", "date", "retry-after"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


class EgressRefused(Exception):
    """Nothing left this machine, and nothing will for this request; the text is a constant word for the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EgressFailed(Exception):
    """No answer came.

    Args:
        reason: a constant word: `dns_failed`, `dns_timed_out`, `connect_failed`, `tls_failed`, `timed_out`,
            `connection_broken`, `answer_malformed` or `answer_too_large`.
        sent: whether the whole request had been written, so that the other side may have acted on it.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, repr=False)
class Response:
    """What the other side answered, as far as we read it."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name: `content-encoding`, `content-type`, `date`, `retry-after`, where they were sent."""
    body: bytes
    is_complete: bool
    """False if the body was too long, too slow or broke off; the status counts all the same."""

    @property
    def excerpt(self) -> str:
        """The first 512 bytes of the body for a person to read, without control characters (S87)."""
        return _UNPRINTABLE.sub(" ", self.body[:EXCERPT_BYTES].decode("utf-8", errors="replace")).strip()

    @property
    def retry_after(self) -> int | None:
        """Seconds that the other side asks to wait, a day at most; a date counts from the answer's own date."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return min(int(text[:9]), LONGEST_RETRY_AFTER)
        try:
            wait = parsedate_to_datetime(text) - parsedate_to_datetime(self.headers.get("date", ""))
        except (TypeError, ValueError, OverflowError):  # no date, or one with a time zone and one without
            return None
        return min(max(0, int(wait.total_seconds())), LONGEST_RETRY_AFTER)


class _Attempt:
    """How far one call has come; what is known of it survives its deadline."""

    def __init__(self, max_response_bytes: int, into: Callable[[bytes], None] | None = None) -> None:
        self._into = into
        self._taken = 0
        self.sent = False
        self.is_connected = False
        self.failure = ""
        self.meter = Meter(HEADER_BYTES)
        self._max_response_bytes = max_response_bytes
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._is_complete = False

    async def on_progress(self, event: str, _: Mapping[str, Any]) -> None:
        """Hears from the connection; after a failed write `…complete` does not come."""
        if event == "connection.connect_tcp.complete":
            self.is_connected = True
        elif event == "http11.send_request_body.complete":
            self.sent = True

    async def read(self, response: httpcore.Response) -> None:
        for raw_name, raw_value in response.headers:
            name = raw_name.decode("latin-1").lower()
            if name in _ANSWERED_HEADERS:
                self._headers.setdefault(name, raw_value.decode("latin-1"))
        self._status = response.status
        self.meter.room += self._max_response_bytes
        async for chunk in response.aiter_stream():
            kept = chunk[: self._max_response_bytes - self._taken]
            self._taken += len(kept)
            if self._into is None:
                self._body += kept
            elif 200 <= response.status < 300:
                self._into(kept)
            if self._taken >= self._max_response_bytes:
                return
        self._is_complete = True

    def answer(self) -> Response:
        """What was answered; a status that came counts although the rest did not.

        Raises:
            EgressFailed: no status came.
        """
        if self._status is None:
            raise EgressFailed(self.failure, sent=self.sent)
        return Response(self._status, self._headers, bytes(self._body), self._is_complete)


class Egress:
    """Makes single calls to web servers that tenants or administrators name.

    Args:
        allow_private: whether every address may be called; for development.
        resolver: finds the addresses of names; the system's by default.
        total_deadline: how long one call may take in all.
        max_response_bytes: where we stop reading a body.
        allowed_networks: special networks that may be called although `allow_private` is off.
        tls: whose certificates are believed; by default the system's and those of certifi.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        resolver: Resolver | None = None,
        total_deadline: timedelta = timedelta(seconds=15),
        max_response_bytes: int = 64 * 1024,
        allowed_networks: Collection[Network] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolver = resolver or SystemResolver()
        self._deadline = total_deadline.total_seconds()
        self._max_response_bytes = max_response_bytes
        self._allowed_networks = tuple(allowed_networks)
        self._tls = tls or _believed()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        into: Callable[[bytes], None] | None = None,
    ) -> Response:
        """Make one call and read its answer, whatever its status.

        Args:
            into: takes the body of a success block by block, in place of the answer.
            headers: beside our own (Host, Content-Length, Connection, Accept-Encoding, a User-Agent if none is given).

        Raises:
            EgressRefused: the URL, a header or the address that the name stands for is not to be called.
            EgressFailed: it was tried and no answer came.
        """
        try:
            destination = parse_url(url)
        except UrlRefused as refused:
            raise EgressRefused(str(refused)) from None
        if destination.is_local_name and not self._allow_private:
            raise EgressRefused("address_not_public")
        fields = _fields(destination, headers, len(body))
        attempt = _Attempt(self._max_response_bytes, into)
        try:
            async with asyncio.timeout(self._deadline):
                addresses = await self._addresses(destination)
                await self._exchange(attempt, destination, addresses, method, fields, body)
        except TimeoutError:
            attempt.failure = "timed_out"
        return attempt.answer()

    def close(self) -> None:
        """Let go of the resolver's threads."""
        self._resolver.close()

    async def _addresses(self, destination: WebUrl) -> Sequence[Address]:
        """The addresses that may be dialled: found once, and all of them judged before the first is used."""
        if destination.address is not None:
            addresses: Sequence[Address] = [destination.address]
        else:
            try:
                addresses = await self._resolver.resolve(destination.host, destination.port)
            except NameNotResolved as unknown:
                raise EgressFailed(str(unknown), sent=False) from None
        if not addresses:
            raise EgressFailed("dns_failed", sent=False)
        if not self._allow_private and not all(
            is_public(address, allowed=self._allowed_networks) for address in addresses
        ):
            raise EgressRefused("address_not_public")
        return addresses[:MOST_ADDRESSES]

    async def _exchange(
        self,
        attempt: _Attempt,
        destination: WebUrl,
        addresses: Sequence[Address],
        method: str,
        fields: Iterable[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        scheme, host = destination.scheme.encode(), destination.host.encode()
        target = httpcore.URL(scheme=scheme, host=host, port=destination.port, target=destination.target.encode())
        call = httpcore.Request(
            method, target, headers=list(fields), content=body, extensions={"trace": attempt.on_progress}
        )
        patience = self._deadline / (len(addresses) + 1)
        dialler = CheckedDialler(addresses, patience=patience, meter=attempt.meter)
        connection = httpcore.AsyncHTTPConnection(target.origin, ssl_context=self._tls, network_backend=dialler)
        try:
            await attempt.read(await connection.handle_async_request(call))
        except TooMuch:
            attempt.failure = "answer_too_large"
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            attempt.failure = "tls_failed" if attempt.is_connected else "connect_failed"
        except httpcore.RemoteProtocolError:
            attempt.failure = "answer_malformed"
        except (httpcore.NetworkError, httpcore.TimeoutException, OSError):
            attempt.failure = "connection_broken"
        finally:
            await connection.aclose()
            await dialler.close()


@cache
def _believed() -> ssl.SSLContext:
    """Made once: reading every authority's certificate takes a while."""
    return httpcore.default_ssl_context()


def _fields(destination: WebUrl, headers: Mapping[str, str], length: int) -> list[tuple[bytes, bytes]]:
    """The header fields of a call, each once.

    Raises:
        EgressRefused: a name that is ours or no name, one given twice, or a value that could end its line.
    """
    names = {name.lower() for name in headers}
    if len(names) != len(headers) or names & OWN_HEADERS:
        raise EgressRefused("header_name")
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name):
            raise EgressRefused("header_name")
        if not HEADER_VALUE.fullmatch(value):
            raise EgressRefused("header_value")
    fields = {"Host": destination.authority, "Connection": "close", "Accept-Encoding": "identity"}
    if "user-agent" not in names:
        fields["User-Agent"] = "journeys-api"
    fields |= headers
    fields["Content-Length"] = str(length)
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in fields.items()]
