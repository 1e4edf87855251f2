"""How answers leave the doors: whole, or a file piece by piece."""

import asyncio

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.types import Receive, Send

from journeys_api.commands.call import Download
from journeys_api.http.envelopes import Answer
from journeys_api.http.exchange import Exchange

log = structlog.get_logger()

_EVERY_ANSWER = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


async def send_whole(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, is_last: bool
) -> None:
    """All at once.

    Args:
        is_last: whether the connection is closed behind it.
    """
    if is_last:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_file(receive: Receive, send: Send, answer: Answer, file: Download, exchange: Exchange) -> None:
    """As fast as the client takes it. What breaks off ends the connection: the client sees that bytes are missing."""
    gone = asyncio.create_task(_until_gone(receive))
    try:
        await _send_pieces(gone, send, answer, file, exchange)
    finally:
        gone.cancel()


async def _until_gone(receive: Receive) -> None:
    """Until the client has closed the connection; all of its request was read, or has no meaning."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_pieces(
    gone: asyncio.Task[None], send: Send, answer: Answer, file: Download, exchange: Exchange
) -> None:
    headers = headers_of(answer, file.media_type.encode(), file.size, exchange)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    sent = 0
    try:
        async for piece in file.pieces:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
    except (DBAPIError, PoolTimeout, OSError) as error:
        log.warning("download_broken", filename=file.filename, sent=sent, size=file.size, error=type(error).__name__)
        return
    if sent != file.size:
        # it was deleted while it was read
        log.warning("download_broken", filename=file.filename, sent=sent, size=file.size)
        return
    await send({"type": "http.response.body", "body": b""})


def headers_of(answer: Answer, content_type: bytes, length: int, exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """What stands above a body of that type and length."""
    return [
        (b"content-type", content_type),
        (b"content-length", str(length).encode()),
        (b"x-request-id", exchange.request_id.encode()),
        *_EVERY_ANSWER,
        *answer.headers,
        *exchange.quota_headers,
    ]
