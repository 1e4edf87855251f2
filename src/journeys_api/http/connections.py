"""Connections as uvicorn has them, with bounds: by itself it waits for ever for a request's head, and keeps all of it.

uvicorn has settings for how many requests are worked on, and for connections that are idle after an answer; it has none
for how long a head may be or take, nor for how many connections there may be.
"""

import asyncio
import math
import resource
import time
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from journeys_api.http import envelopes
from journeys_api.http.envelopes import Answer
from journeys_api.settings import Settings

log = structlog.get_logger()

LONGEST_HEAD = 64 * 1024
"""Bytes of a request's first line and headers."""

MOST_CONNECTIONS = 10_000
"""Connections at once where nothing else is set and the system would allow more: each may hold a head."""

SECONDS_BETWEEN_LINES = 10.0
"""That there are too many connections is said no oftener."""

_NOT_HTTP = envelopes.not_readable("it is not HTTP")
_LONG_HEAD = envelopes.not_readable("its head is too long", status=431)
_CROWDED = envelopes.internal_failure(status=503)


class ServerConfig(uvicorn.Config):
    """How an application is served, by `serve` and by the tests of what `serve` does."""

    def __init__(self, application: Any, settings: Settings, **more: Any) -> None:
        super().__init__(
            application,
            http=Connection,
            ws="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            # The application decides itself whose X-Forwarded-For it believes.
            proxy_headers=False,
            server_header=False,
            **more,
        )
        self.connections = Connections(
            most=settings.max_connections or _most_connections(),
            head_seconds=settings.head_timeout.total_seconds(),
        )


def _most_connections() -> int:
    """Three quarters of the files that the process may open: it has others to open, too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files * 3 // 4)


class Connections:
    """What is true of all connections of a server: how many there may be, and who has yet to say what it wants.

    Args:
        most: at once.
        head_seconds: from the connection's start, or from the first byte after an answer, to the end of a head.
    """

    def __init__(self, *, most: int, head_seconds: float) -> None:
        self._most = most
        self._told_at = -math.inf
        self._head_seconds = head_seconds
        # all have as long, so the first that began is the first that is late, and one timer does for all
        self._heads: dict[Connection, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def has_room(self, count: int) -> bool:
        """Whether there may be as many."""
        if count <= self._most:
            return True
        now = time.monotonic()
        if now - self._told_at > SECONDS_BETWEEN_LINES:
            log.warning("connections_refused", most=self._most)
            self._told_at = now
        return False

    def begin_head(self, connection: "Connection") -> None:
        """It has to send a head, from now on if not already; hung up on if it takes too long."""
        now = connection.loop.time()
        self._heads.setdefault(connection, now)
        if self._timer is None:
            self._timer = connection.loop.call_at(now + self._head_seconds, self._hang_up, connection.loop)

    def end_head(self, connection: "Connection") -> None:
        """It has done so, or is gone; the timer stays: it will find out."""
        self._heads.pop(connection, None)

    def _hang_up(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for connection, since in list(self._heads.items()):
            if since + self._head_seconds > loop.time():
                self._timer = loop.call_at(since + self._head_seconds, self._hang_up, loop)
                return
            del self._heads[connection]
            connection.transport.close()


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, ServerConfig)
        self._all = config.connections
        self._unheard = 0
        """Bytes since the last that came to anything: a whole head, or a piece of a body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the client in, if there is room."""
        super().connection_made(transport)
        if self._all.has_room(len(self.connections)):
            self._all.begin_head(self)
        else:
            self._hang_up(_CROWDED)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._all.end_head(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some more of a request."""
        if self.timeout_keep_alive_task is not None:
            self._all.begin_head(self)  # of the next one; uvicorn waits for nothing from here on
        self._unheard += len(data)
        super().data_received(data)
        if self._unheard > LONGEST_HEAD and not self.transport.is_closing():
            self._hang_up(_LONG_HEAD)

    def on_headers_complete(self) -> None:
        """The parser has read the head."""
        # first the number that is there already: it counts what came with the head, too
        if self._unheard > LONGEST_HEAD and self._length_of_head() > LONGEST_HEAD:
            raise ValueError  # which the parser makes an error of its own
        self._unheard = 0
        self._all.end_head(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser has read a piece of the body; what is none, as its trailers, is part of no head either."""
        self._unheard = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """The parser does not read on."""
        self._hang_up(_LONG_HEAD if self._unheard > LONGEST_HEAD else _NOT_HTTP)

    def _length_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _hang_up(self, answer: Answer) -> None:
        """Say why and close; an answer that is on its way is broken off."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body, content_type = envelopes.rendered(answer, as_xml=False)
            headers = [
                *self.server_state.default_headers,
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                *answer.headers,
            ]
            head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[answer.status] + head + b"\r\n" + body)
        self.transport.close()
