"""Clients that never come to the end of a request's head, and too many clients: over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from journeys_api.http.connections import LONGEST_HEAD
from tests.http.conftest import Server, Wire, Wired, served

HEAD_TIMEOUT = timedelta(seconds=1)
ASKED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
AN_HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def impatient(wired: Wired) -> AsyncIterator[Server]:
    """A server that waits for no head for long."""
    async with served(wired, head_timeout=HEAD_TIMEOUT) as server:
        yield server


@pytest.fixture(scope="module")
async def patient(wired: Wired) -> AsyncIterator[Server]:
    """A server that waits for heads as long as it takes."""
    async with served(wired, head_timeout=AN_HOUR) as server:
        yield server


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET /heal", ASKED[:-2], ASKED[:-1]])
async def test_who_does_not_send_a_whole_head_in_time_is_hung_up_on(impatient: Server, begun: bytes) -> None:
    async with impatient.wire() as wire:
        await wire.send(begun)

        assert await wire.is_closed()


@pytest.mark.parametrize("begun", [b"\r\n", ASKED[:-2]])
async def test_the_next_head_has_to_come_in_time_as_well(impatient: Server, begun: bytes) -> None:
    async with impatient.wire() as wire:
        await wire.send(ASKED)
        assert (await wire.reply()).status == 200
        await wire.send(begun)

        assert await wire.is_closed()


async def test_a_next_head_that_is_half_there_with_the_answer_is_not_waited_for(impatient: Server) -> None:
    async with impatient.wire() as wire:
        await wire.send(ASKED + ASKED[:-2])

        assert (await wire.reply()).status == 200
        assert await wire.is_closed()


@pytest.mark.parametrize("before", [b"", ASKED])
@pytest.mark.parametrize(("begun", "drop"), [(b"", b"\r\n"), (b"GET /", b"a"), (b"GET / HTTP/1.1\r\n", b"X: a\r\n")])
async def test_a_head_that_trickles_is_not_waited_for_longer(
    impatient: Server, before: bytes, begun: bytes, drop: bytes
) -> None:
    async with impatient.wire() as wire:
        await wire.send(before)
        if before:
            await wire.reply()
        await wire.send(begun)

        sent = await _sent_until_closed(wire, drop, pause=HEAD_TIMEOUT.total_seconds() / 10)

    assert sent > len(drop)


async def test_a_call_may_take_longer_than_a_head(impatient: Server) -> None:
    """The body does not arrive, which is told after its own time, and half of another request is there already."""
    async with impatient.wire() as wire:
        head = b"POST /api.php HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        await wire.send(head)

        assert (await wire.reply()).status == 408


def _long_head(kind: str, length: int) -> bytes:
    """A request whose head is as long."""
    start, end = b"GET /healthz?", b" HTTP/1.1\r\nHost: x\r\n"
    rest = length - len(start) - len(end) - 2
    match kind:
        case "address":
            return start + b"a" * rest + end + b"\r\n"
        case "header":
            return start + end + b"X: " + b"a" * (rest - 5) + b"\r\n\r\n"
        case _:
            filled = b"X: a\r\n" * (rest // 6 - 1)
            return start + end + filled + b"Y: " + b"a" * (rest - len(filled) - 5) + b"\r\n\r\n"


@pytest.mark.parametrize("kind", ["address", "header", "headers"])
async def test_a_head_of_64_kib_is_taken_and_a_longer_one_is_not(patient: Server, kind: str) -> None:
    fits, long = _long_head(kind, LONGEST_HEAD - 100), _long_head(kind, LONGEST_HEAD + 100)

    async with patient.wire() as wire:
        await wire.send(fits)
        assert (await wire.reply()).status == 200
        await wire.send(fits + fits)
        assert [(await wire.reply()).status, (await wire.reply()).status] == [200, 200]
        await wire.send(long)
        refused = await wire.reply()

        assert (refused.status, refused.json()["ErrorCode"]) == (431, 100000)
        assert refused.headers["connection"] == "close"
        assert await wire.is_closed()


async def _sent_until_closed(wire: Wire, piece: bytes, pause: float = 0) -> int:
    """How many bytes went out before the server closed the connection."""
    reading = asyncio.create_task(wire.reader.read())
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(60):
            while not reading.done():
                await wire.send(piece)
                sent += len(piece)
                await asyncio.sleep(pause)
    await asyncio.gather(reading, return_exceptions=True)
    return sent


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET /healthz HTTP/1.1\r\nX: ",
        b"POST /api.php HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ",
        b"POST /api.php HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        ASKED + b"GET /",
    ],
    ids=["address", "header", "trailer", "chunk extension", "second address"],
)
async def test_a_head_without_an_end_is_not_read_on_and_on(patient: Server, start: bytes) -> None:
    async with patient.wire() as wire:
        await wire.send(start)

        assert await _sent_until_closed(wire, b"a" * 1024) < 100 * LONGEST_HEAD


async def test_what_is_not_http_is_told_so_as_every_refusal_is(server: Server) -> None:
    answer = await server.ask(b"HELO\r\n\r\n")

    assert (answer.status, answer.json()["ErrorCode"]) == (400, 100000)


async def test_beyond_the_bound_of_connections_new_ones_are_turned_away(wired: Wired) -> None:
    async with served(wired, max_connections=2) as server:
        async with server.wire() as first, server.wire() as second:
            for wire in (first, second):
                await wire.send(ASKED)
                assert (await wire.reply()).status == 200

            async with server.wire() as third:
                turned_away = await third.reply()
                assert await third.is_closed()
            await first.send(ASKED)
            still = await first.reply()

        async with asyncio.timeout(60):
            while (again := await server.ask(ASKED)).status == 503:
                pass  # until the server has heard that the two are gone

    assert (turned_away.status, turned_away.json()["ErrorCode"]) == (503, 100005)
    assert int(turned_away.headers["retry-after"]) > 0
    assert (still.status, again.status) == (200, 200)


async def test_idle_sockets_keep_nobody_waiting(patient: Server) -> None:
    wires = [patient.wire() for _ in range(200)]
    opened = [await wire.__aenter__() for wire in wires]
    for wire in opened[::2]:
        await wire.send(ASKED[:-2])

    answer = await patient.ask(ASKED)

    for entered in wires:
        await entered.__aexit__(None, None, None)
    assert answer.status == 200
