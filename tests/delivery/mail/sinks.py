"""SMTP servers to send to: one that does what a test scripts, octet by octet, on a real socket."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

HANG: Final = "(hang)"
ABORT: Final = "(abort)"
CLOSE: Final = "(close)"
"""Behind an answer: it is the last."""
AT_HOME: Final = "127.0.0.1"


@dataclass
class Connection:
    """What one client said."""

    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    recipients: int = 0
    """Taken for the message that is begun."""
    is_encrypted: bool = False
    writer: asyncio.StreamWriter | None = None

    def said(self, verb: str) -> list[str]:
        """The lines that began with the verb."""
        return [line for line in self.commands if line.upper().startswith(verb)]


class Sink:
    """A strict server: CRLF only, exact dot-stuffing; answers 2xx except where `answers` says otherwise.

    Unless it offers PIPELINING, nothing may be said before the last answer was given.

    Args:
        answers: by verb (`MAIL`), verb with address (`RCPT b@x.test`), `GREETING` or `DOT`: an answer, HANG or ABORT.
        extensions: EHLO lines beside the greeting.
        tls: for STARTTLS; with `is_implicit` for the connection itself.
        takes_mail_for_nobody: whether it asks for a message after it refused every recipient.
    """

    always: ClassVar[tuple[str, ...]] = ()
    """Extensions that each of them offers."""

    def __init__(
        self,
        answers: Mapping[str, str] | None = None,
        *,
        extensions: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
        is_implicit: bool = False,
        takes_mail_for_nobody: bool = False,
    ) -> None:
        self.answers = dict(answers or {})
        self.extensions = (*extensions, *self.always)
        self.tls = tls
        self.is_implicit = is_implicit
        self.takes_mail_for_nobody = takes_mail_for_nobody
        self.connections: list[Connection] = []
        self.hung = asyncio.Event()
        self.gone = asyncio.Condition()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def messages(self) -> list[bytes]:
        """Every message, as it was before dot-stuffing."""
        return [message for connection in self.connections for message in connection.messages]

    def url(self, query: str = "", *, user: str = "", host: str = AT_HOME) -> str:
        """Where it is."""
        scheme = "smtps" if self.is_implicit else "smtp"
        return f"{scheme}://{user}{host}:{self.port}{query}"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Sink"]:
        """Serve while the block runs."""
        server = await asyncio.start_server(
            self._serve, AT_HOME, 0, limit=2**24, ssl=self.tls if self.is_implicit else None
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def all_gone(self) -> None:
        """Wait until every client has hung up."""
        async with self.gone:
            await self.gone.wait_for(lambda: all(c.writer is None for c in self.connections))

    async def hang_up(self) -> None:
        """Close every connection from this side."""
        for connection in self.connections:
            if connection.writer is not None:
                connection.writer.close()
        await self.all_gone()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(writer=writer, is_encrypted=self.is_implicit)
        self.connections.append(connection)
        try:
            await self._converse(connection, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()  # not waited for: after a failed handshake asyncio's wait never ends
            async with self.gone:
                connection.writer = None
                self.gone.notify_all()
            self._tasks.discard(task)

    async def _converse(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not await self._say(writer, self.answers.get("GREETING", "220 sink")):
            return
        while line := await reader.readline():
            assert line.endswith(b"\r\n"), line
            ahead = reader._buffer  # type: ignore[attr-defined]
            assert "PIPELINING" in self.extensions or not ahead, "said before it was its turn"
            command = line[:-2].decode("ascii")
            connection.commands.append(command)
            if not await self._answer(connection, command, reader, writer):
                return

    async def _answer(
        self, connection: Connection, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        verb = command.split(" ")[0].upper()
        scripted = self.answers.get(verb)
        if verb in ("MAIL", "RCPT"):
            address = command[command.index("<") + 1 : command.index(">")]
            scripted = self.answers.get(f"{verb} {address}", scripted)
        if verb == "EHLO" and scripted is None:
            lines = ["sink", *self.extensions]
            scripted = "\r\n".join(f"250{'-' if line is not lines[-1] else ' '}{line}" for line in lines)
        if verb == "AUTH" and scripted is None:
            return await self._log_in(connection, command, reader, writer)
        if verb in ("MAIL", "RSET"):
            connection.recipients = 0
        if verb == "RCPT" and (scripted or "250").startswith("2"):
            connection.recipients += 1
        if verb == "DATA" and scripted is None and not (connection.recipients or self.takes_mail_for_nobody):
            scripted = "554 5.5.1 no valid recipients"
        if verb == "DATA" and scripted is None:
            return await self._take(connection, reader, writer)
        if verb == "QUIT":
            await self._say(writer, "221 bye")
            return False
        if not await self._say(writer, scripted or "250 ok"):
            return False
        if verb == "STARTTLS" and (scripted or "").startswith("220"):
            assert self.tls is not None
            await writer.start_tls(self.tls)
            connection.is_encrypted = True
            self.answers.pop("STARTTLS")
        return True

    async def _log_in(
        self, connection: Connection, command: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if command.upper().startswith("AUTH LOGIN"):
            await self._say(writer, "334 UGFzc3dvcmQ6")
            connection.commands.append((await reader.readline()).decode().strip())
        return await self._say(writer, "235 2.7.0 welcome")

    async def _take(self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await self._say(writer, "354 go on")
        if self.answers.get("BODY") == ABORT:
            await reader.read(1)
            return await self._say(writer, ABORT)
        wire = await reader.readuntil(b"\r\n.\r\n")
        lines = wire[:-3].split(b"\r\n")
        message = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
        connection.messages.append(message)
        return await self._say(writer, self.judge(message))

    def judge(self, message: bytes) -> str:
        """What a whole message is answered."""
        return self.answers.get("DOT", "250 2.0.0 Ok: queued as 4F1C2D")

    async def _say(self, writer: asyncio.StreamWriter, answer: str) -> bool:
        if answer == HANG:
            self.hung.set()
            await asyncio.Event().wait()
        if answer == ABORT:
            writer.transport.abort()
            return False
        said, closes, _ = answer.partition(CLOSE)
        writer.write(f"{said}\r\n".encode())
        await writer.drain()
        return not closes
