"""Both doors over real sockets: what clients in the field send as bytes, and what bytes they need back."""

import asyncio
import json

import pytest

from tests.conftest import no_thread_is_free
from tests.http.conftest import BODY_TIMEOUT, Server

ECHO = b'{"Command":"test.echo","Text":"hi"}'


def _post(body: bytes, *headers: bytes, path: bytes = b"/api.php", version: bytes = b"1.1") -> bytes:
    head = [b"POST " + path + b" HTTP/" + version, b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*head, b"Content-Length: " + str(len(body)).encode(), b"", body])


async def test_an_http_1_0_request_gets_a_whole_answer_and_a_closed_connection(server: Server) -> None:
    async with server.wire() as wire:
        await wire.send(_post(ECHO, version=b"1.0"))

        answer = await wire.reply()

        assert answer.json()["Text"] == "hi"
        assert "transfer-encoding" not in answer.headers
        assert await wire.is_closed()


async def test_expect_100_continue_is_answered_before_the_body_is_sent(server: Server) -> None:
    whole = _post(ECHO, b"Expect: 100-continue")
    head, body = whole[: -len(ECHO)], ECHO
    async with server.wire() as wire:
        await wire.send(head)
        go_on = await wire.reader.readuntil(b"\r\n\r\n")
        await wire.send(body)

        answer = await wire.reply()

    assert go_on.startswith(b"HTTP/1.1 100")
    assert answer.json()["Text"] == "hi"


@pytest.mark.parametrize(
    "path",
    [b"/api.php", b"//api.php?", b"/oempro/api.php", b"/v4//api.php", b"/api.php/anything/else", b"/api.php?a=b"],
)
async def test_every_spelling_of_the_legacy_address_is_the_door_itself(server: Server, path: bytes) -> None:
    answer = await server.ask(_post(ECHO, path=path))

    assert (answer.status, answer.json()["Text"]) == (200, "hi")


@pytest.mark.parametrize("path", [b"/api.php?Command=test.echo", b"/api/v1/test.echo?x=1", b"//api/v1//test.echo/"])
async def test_a_get_reads_its_json_body(server: Server, path: bytes) -> None:
    answer = await server.ask(_post(b'{"Text":"from the body"}', path=path).replace(b"POST", b"GET", 1))

    assert (answer.status, answer.json()["Text"]) == (200, "from the body")


async def test_one_connection_carries_many_calls(server: Server) -> None:
    async with server.wire() as wire:
        texts = []
        for number in range(3):
            await wire.send(_post(json.dumps({"Command": "test.echo", "Text": str(number)}).encode()))
            texts.append((await wire.reply()).json()["Text"])

    assert texts == ["0", "1", "2"]


async def test_pipelined_calls_are_answered_in_their_order(server: Server) -> None:
    first = _post(b'{"Text":"1"}', path=b"/api/v1/test.echo").replace(b"POST", b"GET", 1)
    second = _post(b'{"Text":"2"}', path=b"/api/v1/test.echo").replace(b"POST", b"GET", 1)
    async with server.wire() as wire:
        await wire.send(first + second)

        assert [(await wire.reply()).json()["Text"], (await wire.reply()).json()["Text"]] == ["1", "2"]


async def test_the_body_is_one_line_of_json_and_headers_hold_no_braces(server: Server) -> None:
    answer = await server.ask(_post(b'{"Command":"test.refuse.legacy","First":"two\\nlines"}'))

    assert answer.body.startswith(b"{")
    assert b"\n" not in answer.body
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["content-type"] == "application/json"
    assert not set(b"{}") & set(answer.raw_head)
    assert "content-encoding" not in answer.headers
    assert "server" not in answer.headers


async def test_an_answer_must_not_be_kept_or_sniffed(server: Server) -> None:
    answer = await server.ask(_post(ECHO))

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", [b"/api/v1/test.act?Note=head", b"/api.php?Command=test.act&Note=head"])
async def test_head_never_acts_and_has_no_body(server: Server, path: bytes) -> None:
    async with server.wire() as wire:
        await wire.send(b"HEAD " + path + b" HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

        head = await wire.reply(has_body=False)
        after = await wire.reply()

    assert head.status in (400, 405)
    assert after.json() == {"status": "ok"}
    assert server.happened == []


async def test_a_body_announced_too_large_is_refused_before_it_comes(server: Server) -> None:
    head = b"POST /api/v1/test.echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    async with server.wire() as wire:
        await wire.send(head + b"Content-Length: 1048577\r\n\r\n")

        answer = await wire.reply()

        assert (answer.status, answer.json()["ErrorCode"]) == (413, 100000)
        assert answer.headers["connection"] == "close"
        assert await wire.is_closed()


async def test_a_chunked_body_is_refused_where_it_grows_too_large(server: Server) -> None:
    head = b"POST /api/v1/test.echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    async with server.wire() as wire:
        await wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17)

        answer = await wire.reply()

    assert (answer.status, answer.json()["ErrorCode"]) == (413, 100000)


async def test_a_chunked_body_is_read_whole(server: Server) -> None:
    head = b"POST /api/v1/test.echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    async with server.wire() as wire:
        await wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n", b'9\r\n{"Text":"\r\n', b'4\r\nhi"}\r\n0\r\n\r\n')

        answer = await wire.reply()

    assert answer.json()["Text"] == "hi"


@pytest.mark.parametrize("path", [b"/api/v1/test.echo", b"/api.php?Command=test.echo"])
async def test_the_largest_body_is_taken_and_one_byte_more_is_not(server: Server, path: bytes) -> None:
    frame = len(b'{"Text":""}')
    fits = b'{"Text":"' + b"a" * (1024 * 1024 - frame) + b'"}'

    taken = await server.ask(_post(fits, path=path))
    refused = await server.ask(_post(fits + b" ", path=path))

    assert (taken.status, refused.status) == (200, 413)
    assert len(taken.json()["Text"]) == 1024 * 1024 - frame


async def test_a_command_that_takes_more_takes_it_at_both_doors(server: Server) -> None:
    body = b'{"Text":"' + b"a" * (2 * 1024 * 1024) + b'"}'

    rest = await server.ask(_post(body, path=b"/api/v1/test.large"))
    legacy = await server.ask(_post(body, path=b"/api.php?Command=test.large"))
    smaller = await server.ask(_post(body, path=b"/api.php?Command=test.echo"))

    assert (rest.status, legacy.status, smaller.status) == (200, 200, 413)


async def test_a_body_that_takes_long_to_read_keeps_nobody_waiting(server: Server) -> None:
    long = b'{"Tree":[' + b"0," * 450_000 + b"0]}"
    async with server.wire() as slow, server.wire() as quick:
        with no_thread_is_free():
            await slow.send(_post(long, path=b"/api/v1/test.echo"))
            slow_reply = asyncio.create_task(slow.reply())
            for _ in range(100):
                await quick.send(_post(ECHO))
                assert (await quick.reply()).status == 200
            was_read = slow_reply.done()
        answer = await slow_reply

    assert (was_read, answer.status) == (False, 200)


async def test_a_body_that_does_not_arrive_is_answered_408_in_time(server: Server) -> None:
    async with server.wire() as wire:
        await wire.send(_post(ECHO)[:-5])
        begun = asyncio.get_running_loop().time()

        answer = await wire.reply()

        assert (answer.status, answer.json()["ErrorCode"]) == (408, 100000)
        assert asyncio.get_running_loop().time() - begun < 10 * BODY_TIMEOUT.total_seconds()
        assert await wire.is_closed()


async def test_a_body_that_trickles_is_not_waited_for_longer(server: Server) -> None:
    async with server.wire() as wire:

        async def trickle() -> None:
            await wire.send(_post(b'{"Command":"test.echo"' + b" " * 1000 + b"}")[:-900])
            while not wire.writer.is_closing():
                await wire.send(b" ")
                await asyncio.sleep(BODY_TIMEOUT.total_seconds() / 10)

        task = asyncio.create_task(trickle())
        answer = await wire.reply()
        task.cancel()

    assert answer.status == 408


async def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(server: Server) -> None:
    for _ in range(3):
        async with server.wire() as wire:
            await wire.send(_post(ECHO)[:-5])

    answer = await server.ask(_post(ECHO))

    assert answer.status == 200


async def test_a_short_body_with_a_long_length_never_acts(server: Server) -> None:
    body = b'{"Command":"test.act","Note":"lied"}'
    async with server.wire() as wire:
        await wire.send(_post(body).replace(b"Content-Length: 36", b"Content-Length: 136"))

        answer = await wire.reply()

    assert answer.status == 408
    assert server.happened == []


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: -1",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
    ],
)
async def test_a_body_whose_length_is_said_twice_or_wrongly_is_not_read(server: Server, headers: bytes) -> None:
    async with server.wire() as wire:
        await wire.send(
            b"POST /api.php?Command=test.act&Note=smuggled HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n0\r\n\r\n"
        )

        answer = await wire.reply()

    assert answer.status in (400, 408, 501)
    assert server.happened == []


async def test_host_agent_and_accept_mean_nothing(server: Server) -> None:
    body = b"Command=test.echo&Text=hi"
    request = (
        b"POST /api.php HTTP/1.1\r\nHost: evil.test:99999\r\nAccept: text/html,application/xml\r\nUser-Agent:\r\n"
        b"Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nContent-Length: 25\r\n\r\n" + body
    )

    answer = await server.ask(request)

    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["Text"] == "hi"


async def test_raw_brackets_in_the_address_are_read(server: Server) -> None:
    answer = await server.ask(b"GET /api.php?Command=test.echo&Tree[a][]=b+c%20d HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.json()["Tree"] == {"a": ["b c d"]}
