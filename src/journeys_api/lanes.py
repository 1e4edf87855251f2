"""Statements that are compiled once, and the two ways to run them: within a session, or each by itself.

A session of SQLAlchemy's costs several times what its statement costs. The few commands that are called again and again
therefore run statements prepared here: built from the same models and constructs, compiled when the module is imported,
sent by the driver on a connection that SQLAlchemy's own pool lends.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import asyncpg
from sqlalchemy import Executable, event
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.exc import DBAPIError, MissingGreenlet
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.compiler import SQLCompiler

from journeys_api.db import JSON_DIALECT, POOL_TIMEOUT_SECONDS
from journeys_api.deadlines import Deadline
from journeys_api.failures import DRIVER_ERRORS

_TOO_LONG = "every connection was in use for too long"


class Prepared:
    """A statement compiled for PostgreSQL. Its parameters are given by name, as `bindparam` names them.

    It selects stored JSON and states cast to text: the driver gives them as they are, the session as their types say.
    """

    def __init__(self, statement: Executable) -> None:
        dialect = asyncpg_dialect(**JSON_DIALECT)  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self.statement = statement
        self.sql = str(compiled)
        self._places = [
            (name, compiled.params[name], compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """What the driver is given, in the order of the statement's `$1`, `$2` …"""
        given = []
        for name, constant, processed in self._places:
            value = values.get(name, constant)
            given.append(value if processed is None else processed(value))
        return given


class Lane(Protocol):
    """Runs prepared statements."""

    async def rows(self, prepared: Prepared, **values: Any) -> Sequence[Any]:
        """The rows, their columns as attributes."""


class SessionLane:
    """In a session's transaction: sees what it has written, and is undone with it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def rows(self, prepared: Prepared, **values: Any) -> Sequence[Any]:
        """The rows, their columns as attributes."""
        return (await self._session.execute(prepared.statement, values)).all()


class PoolLane:
    """Each statement on a connection lent for it, as a transaction of its own: committed when it returns."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._detours = 0
        # the pool makes who waits for a connection pay several times what the statement costs
        self._turns = Turns(engine.sync_engine.pool.size())  # type: ignore[attr-defined]
        event.listen(engine.sync_engine, "invalidate", self._expect_stale)

    async def rows(self, prepared: Prepared, **values: Any) -> Sequence[Any]:
        """The rows, their columns as attributes.

        Raises:
            DBAPIError: as a session would, with the driver's own error as `orig`.
            sqlalchemy.exc.TimeoutError: no connection became free in time.
        """
        patience = POOL_TIMEOUT_SECONDS
        if not self._turns.taken():
            began = time.monotonic()
            try:
                await self._turns.wait()
            except TimeoutError:
                raise PoolTimeout(_TOO_LONG) from None
            patience -= time.monotonic() - began
        try:
            return await self._rows_of(prepared, values, patience)
        finally:
            self._turns.give_back()

    async def _rows_of(self, prepared: Prepared, values: dict[str, Any], patience: float) -> Sequence[Any]:
        lent = await self._lend(patience)
        driver: Any = lent.driver_connection
        try:
            found: Sequence[Any] = await driver.fetch(prepared.sql, *prepared.arguments(values), record_class=_Row)
        except asyncio.CancelledError:
            lent.invalidate()  # its answer may come to whoever has it next, or never
            raise
        except DRIVER_ERRORS as error:
            # a connection that the database is just ending is not closed yet, and takes nothing any more
            is_gone = driver.is_closed() or isinstance(error, asyncpg.InternalClientError)
            if is_gone:
                lent.invalidate()
            raise DBAPIError(prepared.sql, None, error, hide_parameters=True, connection_invalidated=is_gone) from error
        else:
            return found
        finally:
            lent.close()

    async def _lend(self, patience: float) -> PoolProxiedConnection:
        while True:
            pool = self._engine.sync_engine.pool
            lent = None
            # what lies ready is handed over at once; waiting, and connecting anew, need SQLAlchemy's detour
            if not self._detours and pool.checkedin():  # type: ignore[attr-defined]
                with suppress(MissingGreenlet):  # it was no connection any more after all
                    lent = pool.connect()
            if lent is None:
                self._detours = max(0, self._detours - 1)
                lent = await self._connected(patience)
            driver: Any = lent.driver_connection
            if not driver.is_closed():
                return lent
            # the database hung up while it lay in the pool
            lent.invalidate()
            lent.close()

    async def _connected(self, patience: float) -> PoolProxiedConnection:
        try:
            # sessions wait in the pool, too: who has waited for a turn has not as long left as the pool would give
            with Deadline(patience):
                return await self._engine.raw_connection()
        except TimeoutError:
            raise PoolTimeout(_TOO_LONG) from None
        except self._engine.dialect.loaded_dbapi.Error as error:
            # no session of SQLAlchemy's stands between that would have made it one of its own
            raise DBAPIError(None, None, error, connection_invalidated=True) from error

    def _expect_stale(self, *_: Any) -> None:
        """A connection was lost, perhaps all of them: for a while the pool has to look at each."""
        self._detours = 10 * self._engine.sync_engine.pool.size()  # type: ignore[attr-defined]


class Turns:
    """Lets some in at a time, the others in their order, and nobody wait longer than for a connection."""

    def __init__(self, room: int) -> None:
        self.room = room
        """How many more may come in at once."""
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        # all wait as long, so the first that came is the first that is late, and one timer does for all
        self._timer: asyncio.TimerHandle | None = None

    def taken(self) -> bool:
        """Take a turn, if there is one."""
        if self.room:
            self.room -= 1
            return True
        return False

    async def wait(self) -> None:
        """Wait for a turn, and take it.

        Raises:
            TimeoutError: none came in time.
        """
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        ends_at = loop.time() + POOL_TIMEOUT_SECONDS
        self._waiting.append((ends_at, turn))
        if self._timer is None:
            self._timer = loop.call_at(ends_at, self._give_up, loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # it came together with the news that its caller gives up
            raise

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self._waiting:
            ends_at, turn = self._waiting[0]
            if not turn.done():
                if ends_at > loop.time():
                    self._timer = loop.call_at(ends_at, self._give_up, loop)
                    return
                turn.set_exception(TimeoutError())
            self._waiting.popleft()

    def give_back(self) -> None:
        """Let the next one in."""
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.room += 1


class Shares:
    """Turns that each account has of its own: whatever one asks for, it leaves room for the others.

    Args:
        most: calls of one account that are worked on at once; its further ones wait in their order.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[str, Turns] = {}

    def taken(self, account: str) -> bool:
        """Take a turn of the account's, if there is one."""
        turns = self._of.get(account)
        if turns is None:
            turns = self._of[account] = Turns(self._most)
        return turns.taken()

    async def wait(self, account: str) -> None:
        """Wait for a turn of the account's, and take it.

        Raises:
            sqlalchemy.exc.TimeoutError: none came in time.
        """
        try:
            await self._of[account].wait()
        except TimeoutError:
            raise PoolTimeout(_TOO_LONG) from None

    def give_back(self, account: str) -> None:
        """Let the account's next call in."""
        turns = self._of[account]
        turns.give_back()
        if turns.room == self._most:
            del self._of[account]


class _Row(asyncpg.Record):  # type: ignore[misc]
    """A row whose columns are attributes, as SQLAlchemy's are."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
