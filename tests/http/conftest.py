"""A second application whose table also holds commands of the tests' own, in process and behind a real server."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import text as statement

from journeys_api.app import Application, create_app
from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import as_given, boolean, identifier, text
from journeys_api.commands.registry import COMMANDS, Envelope, Param, Refusal, Scope, command
from journeys_api.errors import DomainError
from journeys_api.http.connections import ServerConfig
from journeys_api.settings import Settings

BODY_TIMEOUT = timedelta(seconds=2)
ALL_METHODS = ("GET", "POST", "PATCH", "DELETE")
ODD_ANSWER: dict[str, Any] = {
    "Text": 'a < b & "c" ]]> é \x01',
    "True": True,
    "False": False,
    "Nothing": None,
    "Number": 7,
    "Rows": [{"Name": "one"}, {"Name": "two"}],
    "Empty": [],
    "2FA_Enabled": "No",
    'a "key" & <more>': "kept",
}


class Unexpected(DomainError):
    """Nobody maps this error"""


def _declare(happened: list[str]) -> None:
    async def answer(call: Call, **given: Any) -> Body:
        return {"Caller": call.principal.account, **{name.capitalize(): value for name, value in given.items()}}

    async def act(call: Call, *, note: str) -> Body:
        happened.append(note)
        return {"Note": note}

    async def odd(call: Call) -> Body:
        return ODD_ANSWER

    async def unsayable(call: Call) -> Body:
        return {"Thing": object()}

    async def fail(call: Call) -> Body:
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    async def sql(call: Call, *, text: str) -> Body:
        await call.session.execute(statement("SELECT CAST(:text AS text), 1 / 0"), {"text": text})
        raise AssertionError("unreachable")

    async def lock(call: Call, *, number: int) -> Body:
        await call.session.execute(statement("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        return {}

    async def surprise(call: Call) -> Body:
        raise Unexpected

    source = "ours: tests"
    command(
        "test.echo",
        routes=[(method, "/api/v1/test.echo") for method in ALL_METHODS],
        scope=Scope.PUBLIC,
        params=[
            Param("Tree", "tree", as_given),
            Param("Text", "text", text),
            Param("Number", "number", identifier),
            Param("Flag", "flag", boolean),
            Param("Kept", "kept", text, keeps_empty=True),
        ],
        source=source,
    )(answer)
    for scope in (Scope.USER, Scope.ADMIN, Scope.USER_OR_ADMIN, Scope.PUBLIC):
        name = f"test.for.{scope.name.lower()}"
        routes = [("POST", f"/api/v1/{name}"), ("GET", f"/api/v1/{name}")]
        command(name, routes=routes, scope=scope, source=source)(answer)
    command("test.permitted", routes=[("GET", "/api/v1/test.permitted")], permission="Test.Call", source=source)(answer)
    command(
        "test.act",
        routes=[("GET", "/api/v1/test.act")],
        scope=Scope.PUBLIC,
        params=[Param("Note", "note", text, default="")],
        source=source,
    )(act)
    for envelope in Envelope:
        name = f"test.refuse.{envelope.name.lower()}"
        command(
            name,
            routes=[("POST", f"/api/v1/{name}")],
            scope=Scope.PUBLIC,
            envelope=envelope,
            params=[
                Param("First", "first", identifier, missing=2, invalid=4),
                Param("Second", "second", identifier, missing=1, invalid=3),
            ],
            refusals=[
                Refusal(1, "Missing Second parameter"),
                Refusal(2, "Missing First parameter", 400),
                Refusal(3, "Invalid Second parameter"),
                Refusal(4, "Invalid First parameter"),
            ],
            source=source,
        )(answer)
    command("test.odd", routes=[("GET", "/api/v1/test.odd")], scope=Scope.PUBLIC, source=source)(odd)
    command("test.unsayable", routes=[("GET", "/api/v1/test.unsayable")], scope=Scope.PUBLIC, source=source)(unsayable)
    command("test.fail", routes=[("GET", "/api/v1/test.fail")], scope=Scope.PUBLIC, source=source)(fail)
    command("test.sql", scope=Scope.PUBLIC, params=[Param("Text", "text", text, default="")], source=source)(sql)
    command("test.lock", params=[Param("Number", "number", identifier)], source=source)(lock)
    command("test.surprise", routes=[("GET", "/api/v1/test.surprise")], scope=Scope.PUBLIC, source=source)(surprise)
    command(
        "test.fail.documented",
        routes=[("GET", "/api/v1/test.fail.documented")],
        scope=Scope.PUBLIC,
        envelope=Envelope.ERRORS,
        failure=Refusal(10, "Failed to do it", 500),
        source=source,
    )(fail)
    command(
        "test.large",
        routes=[("POST", "/api/v1/test.large")],
        scope=Scope.PUBLIC,
        body_limit=3 * 1024 * 1024,
        source=source,
    )(answer)


@contextmanager
def test_commands() -> Iterator[list[str]]:
    """Puts the tests' own commands into the table for a while; what `test.act` did is in the list."""
    before = dict(COMMANDS)
    happened: list[str] = []
    _declare(happened)
    try:
        yield happened
    finally:
        COMMANDS.clear()
        COMMANDS.update(before)


@dataclass
class Wired:
    """An application with the tests' commands, a client of it in process, and what `test.act` did."""

    app: Application
    http: httpx.AsyncClient
    happened: list[str]

    async def json(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One request whose body, if any, is JSON."""
        if body is not None:
            more["headers"] = {"Content-Type": "application/json", **more.get("headers", {})}
            more["content"] = body if isinstance(body, bytes) else json.dumps(body)
        return await self.http.request(method, path, **more)


@pytest.fixture(scope="module")
async def wired(app: Application, settings: Settings) -> AsyncIterator[Wired]:
    """On the database of `app`, so that accounts made there can call here."""
    with test_commands() as happened:
        application = create_app(settings.model_copy(update={"body_timeout": BODY_TIMEOUT, "database_pool_size": 2}))
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as client:
            yield Wired(application, client, happened)
        await application.close()


@dataclass
class Reply:
    """What came back over a socket."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw_head: bytes = field(repr=False, default=b"")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Wire:
    """A connection as raw bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Write the pieces, each on its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def reply(self, *, has_body: bool = True) -> Reply:
        """Read one response, whose body must be as long as its Content-Length says."""
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {}
            for line in lines[1:]:
                name, separator, value = line.partition(":")
                if separator:
                    headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0)) if has_body else 0
            return Reply(int(lines[0].split()[1]), headers, await self.reader.readexactly(length), head)

    async def is_closed(self) -> bool:
        """Whether the server closes the connection, having sent nothing more."""
        async with asyncio.timeout(60):
            return await self.reader.read(1) == b""


@dataclass
class Server:
    """A real server on a port of its own."""

    port: int
    happened: list[str]

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()

    async def ask(self, request: bytes) -> Reply:
        """Send one request over a connection of its own and read the answer."""
        async with self.wire() as wire:
            await wire.send(request)
            return await wire.reply()


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are pytest's."""
        yield


@asynccontextmanager
async def served(wired: Wired, **changes: Any) -> AsyncIterator[Server]:
    """The application behind uvicorn, as `journeys-api serve` sets it up with some settings changed."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = _Uvicorn(ServerConfig(wired.app, wired.app.settings.model_copy(update=changes), lifespan="off"))
    task = asyncio.create_task(running.serve(sockets=[listener]))
    yield Server(listener.getsockname()[1], wired.happened)
    running.should_exit = True
    await task
    listener.close()


@pytest.fixture(scope="module")
async def server(wired: Wired) -> AsyncIterator[Server]:
    """A server with the settings that nobody has changed."""
    async with served(wired) as server:
        yield server
