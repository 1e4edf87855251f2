"""Whether PostgreSQL still answers at all: nobody waits for one that is frozen or cut off.

A statement that takes too long is ended by PostgreSQL itself (`statement_timeout`). One that stands still, or a machine
that is gone without a word, ends nothing. So it is asked once a second, on a connection for nothing else, and when it
does not answer in time, whoever waits for it is told. A timer for each statement would cost every call, and would have
to know how long each may take.
"""

import asyncio
import time
from functools import partial
from types import TracebackType
from typing import Self

import asyncpg
import structlog

from journeys_api.db import connect
from journeys_api.deadlines import Interruptible
from journeys_api.failures import DRIVER_ERRORS
from journeys_api.loops import keep_going, pause

log = structlog.get_logger(__name__)

INTERVAL = 1.0
PATIENCE = 6.0
"""Seconds after which a question that nobody should need milliseconds for counts as not answered."""


class Heartbeat:
    """Asks a database whether it is there, while `run` runs, and ends the guarded blocks when it is not."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: set[Interruptible] = set()
        self.is_late = False
        """Whether it did not answer the last time it was asked."""

    def guard(self) -> "Guarded":
        """A block that has TimeoutError when the database does not answer any more."""
        return Guarded(self._open)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop` is set."""
        await keep_going(partial(self._watch, stop), stop, event="heartbeat_failed")

    async def _watch(self, stop: asyncio.Event) -> float:
        """Ask on one connection, as long as there are answers; when there is to be another."""
        try:
            connection = await connect(self._url, server_settings={"application_name": "journeys-api heartbeat"})
        except TimeoutError:
            self._miss()
        except DRIVER_ERRORS as error:
            # it answers, if only that it does not want us: calls find that out by themselves, and at once
            log.info("heartbeat_interrupted", error=type(error).__name__)
            self.is_late = False
        else:
            try:
                await self._ask(connection, stop)
            finally:
                connection.terminate()
        return INTERVAL

    async def _ask(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        while not stop.is_set():
            asked_at = time.monotonic()
            try:
                await connection.fetchval("SELECT 1", timeout=PATIENCE)
            except TimeoutError:
                # when this process itself stood still, the answer may lie there unread
                if time.monotonic() - asked_at < PATIENCE + INTERVAL:
                    self._miss()
                return
            except DRIVER_ERRORS as error:
                log.info("heartbeat_interrupted", error=type(error).__name__)
                return
            if self.is_late:
                self.is_late = False
                log.info("database_answers")
            await pause(INTERVAL, stop)

    def _miss(self) -> None:
        log.error("database_silent", waiting=len(self._open))
        self.is_late = True
        for waiting in tuple(self._open):
            waiting.interrupt()


class Guarded(Interruptible):
    """See `Heartbeat.guard`."""

    __slots__ = ("_among",)

    def __init__(self, among: set[Interruptible]) -> None:
        super().__init__()
        self._among = among

    def __enter__(self) -> Self:
        self._among.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._among.discard(self)
        super().__exit__(kind, error, trace)
