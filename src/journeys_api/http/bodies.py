"""Request bodies as they arrive: short ones into memory, long ones onto the disk, none beyond its limit or time."""

from collections.abc import Callable

from starlette.types import Message, Receive, Scope

from journeys_api.deadlines import Deadline
from journeys_api.http.parameters import MOST_IN_MEMORY, header
from journeys_api.uploads import Upload


class BodyTooLarge(Exception):
    """The body is longer than the command takes: 413."""


class BodyTooSlow(Exception):
    """The body did not arrive in time: 408."""


class TooManyLongBodies(Exception):
    """Other long bodies are being read: 503, and the client may try again."""


class ClientGone(Exception):
    """The client closed the connection before its request was whole; nobody is there to answer."""


class LongBodies:
    """How many long bodies are on this process's disk at once.

    Args:
        most: of them; anybody may send one, as its credential may stand at its end.
    """

    def __init__(self, most: int = 4) -> None:
        self._room = most

    def enter(self) -> None:
        """One more.

        Raises:
            TooManyLongBodies: there are as many as may be.
        """
        if not self._room:
            raise TooManyLongBodies
        self._room -= 1

    def leave(self) -> None:
        """One less."""
        self._room += 1


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
    scope: Scope, receive: Receive, *, limit: int, seconds: float, long_bodies: LongBodies
) -> bytes | Upload:
    """The whole body; beyond 16 MiB it lies on disk, and who gets it closes it and leaves `long_bodies`.

    Raises:
        As `read_body`; a long body has `seconds` for every 16 MiB.
        TooManyLongBodies: there is no room for a long body now.
    """
    held: list[bytes] = []
    size = 0
    upload: Upload | None = None

    def take(chunk: bytes) -> None:
        nonlocal size, upload
        size += len(chunk)
        if upload is None and size > MOST_IN_MEMORY:
            long_bodies.enter()
            upload = Upload()
            for earlier in held:
                upload.write(earlier)
            held.clear()
        if upload is None:
            held.append(chunk)
        else:
            upload.write(chunk)

    try:
        await _receive(scope, receive, take, limit=limit, seconds=seconds)
    except BaseException:
        if upload is not None:
            upload.close()
            long_bodies.leave()
        raise
    return b"".join(held) if upload is None else upload


async def _receive(
    scope: Scope, receive: Receive, take: Callable[[bytes], None], *, limit: int, seconds: float
) -> None:
    announced = header(scope, b"content-length")
    if announced is None and header(scope, b"transfer-encoding") is None:
        return  # then there is none (RFC 9112, 6.3), and nobody has to be timed
    if announced is not None and announced.isdigit() and int(announced) > limit:
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
