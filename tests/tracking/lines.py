"""A line to the database that a test can cut, or let fall silent."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import make_url

_REASON = b"SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_ENDED = b"E" + struct.pack("!I", len(_REASON) + 4) + _REASON


class Line:
    """Forwards connections to a PostgreSQL for as long as it is whole."""

    def __init__(self, database_url: str) -> None:
        self._to = make_url(database_url)
        self._answers = asyncio.Event()
        self._answers.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0
        self.is_cut = False
        self.silent_after: bytes | None = None
        """What a client says last before it hears nothing more."""
        self.hangs_up = True
        """Whether clients hear that the database has ended their connection."""
        self.was_left = asyncio.Event()
        """Set when the database has ended a connection."""
        self.ended_after: bytes | None = None
        """What the database says last on one connection: it ends it then, and the client is not hung up."""
        self.loses: bytes | None = None
        """What never arrives, and nothing of that connection after it."""

    @property
    def url(self) -> str:
        """The database at the end of the line."""
        plain = self._to.set(drivername="postgresql", host="127.0.0.1", port=self._port, query={})
        return plain.render_as_string(hide_password=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Line"]:
        """Lay the line."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.mend()
            self.cut()
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End every connection; new ones end at once."""
        self.is_cut = True
        for writer in self._writers:
            writer.close()

    def fall_silent(self) -> None:
        """Let nothing through in the direction of the clients."""
        self._answers.clear()

    def mend(self) -> None:
        """Be whole again."""
        self.is_cut, self.silent_after, self.loses, self.hangs_up = False, None, None, True
        self._answers.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.close()
            return
        directory = self._to.query.get("host")
        if isinstance(directory, str):
            port = self._to.query.get("port", "5432")
            far_reader, far_writer = await asyncio.open_unix_connection(str(Path(directory) / f".s.PGSQL.{port}"))
        else:
            far_reader, far_writer = await asyncio.open_connection(self._to.host, self._to.port or 5432)
        self._writers |= {writer, far_writer}
        for pump in (self._there(reader, far_writer), self._back(far_reader, writer)):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while said := await reader.read(65536):
                if self.silent_after is not None and self.silent_after in said:
                    self.fall_silent()
                if self.loses is not None and self.loses in said:
                    await reader.read(-1)
                    break
                writer.write(said)
        writer.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while said := await reader.read(65536):
                await self._answers.wait()
                if self.ended_after is not None and self.ended_after in said:
                    self.ended_after = None
                    said += _ENDED
                writer.write(said)
        self.was_left.set()
        if self.hangs_up:
            writer.close()
