"""Files that are fetched from an address, by a worker and through the guard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from journeys_api.delivery.downloads import Downloads
from journeys_api.imports.errors import SourceUnreachable
from journeys_api.uploads import Upload
from tests.conftest import Client
from tests.imports.conftest import Imports


@asynccontextmanager
async def a_server(answer: bytes) -> AsyncIterator[str]:
    """A web server on this machine that says the same to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/people.csv"


def _ok(body: bytes, announced: int | None = None) -> bytes:
    length = len(body) if announced is None else announced
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + body


async def _post(imports: Imports, open_api: Client, url: str) -> dict[str, object]:
    posted = await open_api.ok("subscribers.import.post", **imports.parameters("", URL=url))
    assert posted["ImportType"] == "async"
    await imports.work()
    return await imports.get(posted["ImportID"])


async def test_a_file_at_an_address_is_fetched_and_loaded(imports: Imports, open_api: Client) -> None:
    people = "".join(f"person{number}@example.com\n" for number in range(5000)).encode()

    async with a_server(_ok(b"\xef\xbb\xbf" + people)) as url:
        job = await _post(imports, open_api, url)

    assert (job["ImportStatus"], job["TotalImported"], job["TotalFailed"]) == ("Completed", 5000, 0)
    assert len(await imports.addresses()) == 5000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (_ok(b"ada@example.com\n", announced=1000), "broke off"),
        (b"not HTTP at all\r\n\r\n", "answer_malformed"),
    ],
)
async def test_a_file_that_does_not_come_as_a_whole_puts_nobody_on_the_list(
    imports: Imports, open_api: Client, answer: bytes, reason: str
) -> None:
    async with a_server(answer) as url:
        job = await _post(imports, open_api, url)

    assert job["ImportStatus"] == "Failed"
    assert reason in str(job["Reason"])
    assert await imports.people() == []


async def test_a_worker_fetches_nothing_from_an_address_that_is_not_public() -> None:
    async with a_server(_ok(b"ada@example.com\n")) as url:
        with closing(Upload()) as upload, pytest.raises(SourceUnreachable, match="address_not_public"):
            await Downloads(allow_private=False).fetch(url, upload)


async def test_a_file_is_read_to_the_largest_size_and_no_further() -> None:
    async with a_server(_ok(b"x" * 1001)) as url:
        with closing(Upload()) as upload, pytest.raises(SourceUnreachable, match="longer than 1000 bytes"):
            await Downloads(allow_private=True, largest=1000).fetch(url, upload)
    async with a_server(_ok(b"x" * 1000)) as url:
        with closing(Upload()) as upload:
            await Downloads(allow_private=True, largest=1000).fetch(url, upload)
            assert upload.size == 1000
