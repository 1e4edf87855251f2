"""Request bodies as they arrive: short ones into memory, long ones onto the disk, none beyond its limit or time."""

from collections.abc import Callable

from starlette.types import Message, Receive, Scope

from journeys_api.deadlines import Deadline
from journeys_api.http.parameters import header
from journeys_api.uploads import Upload

MOST_OF_A_STRANGER = 1024 * 1024
"""Bytes of a body that are read into parameters whoever sends them."""
MOST_IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a body that are held in memory, once it is known that its sender may call."""


class BodyTooLarge(Exception):
    """The body is longer than the command takes: 413."""


class BodyTooSlow(Exception):
    """The body did not arrive in time: 408."""


class TooManyLongBodies(Exception):
    """Other long bodies are being read: 503, and the client may try again."""


class ClientGone(Exception):
    """The client closed the connection before its request was whole; nobody is there to answer."""


class Places:
    """How many long bodies may lie on this process's disk at once."""

    def __init__(self, most: int) -> None:
        self.free = most


class LongBody(Upload):
    """A body that lies on the disk, and takes one of the places there until it is closed.

    Raises:
        TooManyLongBodies: all are taken.
    """

    def __init__(self, places: Places) -> None:
        if not places.free:
            raise TooManyLongBodies
        super().__init__()
        self._places = places
        self._is_open = True
        places.free -= 1

    def close(self) -> None:
        """Give place and space back."""
        super().close()
        self._places.free += self._is_open
        self._is_open = False

    def in_memory(self) -> bytes:
        """All of it, in exchange for what is on the disk."""
        whole = b"".join(self.blocks())
        self.close()
        return whole


def length_of_body(scope: Scope) -> int | None:
    """What the head says of the body's length; None: as many bytes as come."""
    announced = header(scope, b"content-length")
    if announced is not None:
        return int(announced) if announced.isascii() and announced.isdigit() else None
    # without either there is none (RFC 9112, 6.3)
    return 0 if header(scope, b"transfer-encoding") is None else None


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: longer than `limit` bytes, by its header or by what came.
        BodyTooSlow: not whole after `seconds`.
        ClientGone: the connection was closed.
    """
    chunks: list[bytes] = []
    await _receive(scope, receive, chunks.append, limit=limit, seconds=seconds)
    return b"".join(chunks)


async def read_any_body(
    scope: Scope, receive: Receive, *, limit: int, seconds: float, places: Places, in_memory: int
) -> bytes | LongBody:
    """The whole body; what is longer than `in_memory` bytes lies on disk, and who gets it closes it.

    Raises:
        As `read_body`; a long body has `seconds` for every 16 MiB.
        TooManyLongBodies: there is no place for a long body now.
        OSError: the disk does not take it.
    """
    held: list[bytes] = []
    size = 0
    long_body: LongBody | None = None

    def take(chunk: bytes) -> None:
        nonlocal size, long_body
        size += len(chunk)
        if long_body is None and size > in_memory:
            long_body = LongBody(places)
            for earlier in held:
                long_body.write(earlier)
            held.clear()
        if long_body is None:
            held.append(chunk)
        else:
            long_body.write(chunk)

    try:
        await _receive(scope, receive, take, limit=limit, seconds=seconds)
    except BaseException:
        if long_body is not None:
            long_body.close()
        raise
    return b"".join(held) if long_body is None else long_body


async def _receive(
    scope: Scope, receive: Receive, take: Callable[[bytes], None], *, limit: int, seconds: float
) -> None:
    announced = length_of_body(scope)
    if announced == 0:
        return  # and nobody has to be timed
    if announced is not None and announced > limit:
        raise BodyTooLarge
    size = 0
    try:
        with Deadline(seconds) as deadline:
            while True:
                message: Message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge
                take(chunk)
                if not message.get("more_body", False):
                    return
                if size // MOST_IN_MEMORY > (size - len(chunk)) // MOST_IN_MEMORY:
                    deadline.put_off(seconds)
    except TimeoutError:
        raise BodyTooSlow from None
