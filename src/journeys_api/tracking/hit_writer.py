"""Writing visits of tracked links: together, and to disk while the database is away.

A visitor is answered when the visit is durable. Visits that come in together are one transaction. When the database
does not take them within the patience, they go into the spool, and while it is away nobody waits for it again.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.tracking.hits import Hit, Mark, forget_replays, insert_hits, leave_mark
from journeys_api.tracking.spool import OLDEST_REPLAYED, Batch, FileTooOld, Spool, SpoolFull, Taken, replay

log = structlog.get_logger()

MOST_TOGETHER = 500
LOOK_AGAIN = 1.0
"""Seconds between looks whether a database that was away is back."""
LOOK_FOR_OTHERS = 30.0
"""Seconds between looks for files that dead processes left."""
REPLAY_PATIENCE = 30.0
PROBE_PATIENCE = 2.0
_WILL_NEVER_DO = ("22", "23")
"""Classes of SQLSTATE by which the database says that it will not take such rows."""
# Forgetting one too soon would count a file twice that turns up again, from a backup or a machine that was off. A file
# has no visit that is later than its replay, nor a batch in doubt one that is later than its mark: once these are older
# than OLDEST_REPLAYED, so is a visit of the file, and it is set aside. The rest is for clocks that differ.
REPLAYS_KEPT = OLDEST_REPLAYED + timedelta(days=30)
"""How long it is remembered what was brought in, and what processes wrote last."""


@dataclass
class Tally:
    """What became of visits in this process."""

    batches: int = 0
    """Transactions that were tried for them."""
    written: int = 0
    spooled: int = 0
    lost: int = 0
    replayed: int = 0


class HitWriter:
    """Keeps visits. One event loop; `start` and `close` around its life, where the spool is to be looked after."""

    def __init__(self, sessions: Sessions, spool: Spool, *, clock: Clock, patience: float) -> None:
        self._sessions = sessions
        self._spool = spool
        self._clock = clock
        self._patience = patience
        self._waiting: list[tuple[Hit, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._left_behind: set[asyncio.Task[None]] = set()
        self.is_away = False
        """Whether visits go straight to disk."""
        self._writer, self._number = secrets.token_hex(8), 0
        self._trouble = asyncio.Event()
        self.tally = Tally()

    @property
    def waiting(self) -> int:
        """Visits that are not written yet."""
        return len(self._waiting)

    @property
    def spooled_bytes(self) -> int:
        """What lies in the spool, that of other processes included."""
        return self._spool.size()

    async def write(self, hit: Hit) -> None:
        """Make a visit durable, in the database or on disk. Never raises for the visitor's sake: what neither takes is
        counted and logged as lost."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((hit, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                try:
                    await self._keep([hit for hit, _ in together])
                finally:
                    for _, done in together:
                        if not done.done():
                            done.set_result(None)
        finally:
            self._writing = None

    async def _keep(self, hits: Sequence[Hit]) -> None:
        mark = None
        if not self.is_away:
            attempt = _Attempt(self._sessions, hits, self._next_mark(), now=self._clock.now())
            if await self._insert(attempt):
                self.tally.written += len(hits)
                return
            if attempt.is_committing:
                mark = attempt.mark
                # nothing is ever numbered after a batch that is in doubt
                self._writer, self._number = secrets.token_hex(8), 0
        try:
            await asyncio.to_thread(self._spool.append, Batch(hits, mark))
        except (OSError, SpoolFull) as error:
            self.tally.lost += len(hits)
            log.error("hits_lost", count=len(hits), error=type(error).__name__)
        else:
            self.tally.spooled += len(hits)
        self._trouble.set()
        self._watch()

    def _next_mark(self) -> Mark:
        self._number += 1
        self.tally.batches += 1
        return Mark(self._writer, self._number)

    async def _insert(self, attempt: "_Attempt") -> bool:
        """Whether the database has taken the attempt's visits, in time."""
        inserting = asyncio.create_task(attempt.run())
        finished, _ = await asyncio.wait([inserting], timeout=self._patience)
        if finished:
            error = inserting.exception()
            if error is None:
                return True
            if not isinstance(error, SQLAlchemyError | OSError | TimeoutError):
                log.error("hits_not_inserted", exc_info=error)
            reason = type(error).__name__
        else:
            # it is not waited for: hanging up on a server that does not answer takes long, too
            attempt.is_given_up = True
            inserting.cancel()
            self._left_behind.add(inserting)
            inserting.add_done_callback(self._forget)
            reason = "too slow"
        if not self.is_away:
            self.is_away = True
            log.warning("hits_go_to_disk", error=reason)
        return False

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled():
            task.exception()

    def start(self) -> None:
        """Look after the spool from now on, at once for what was left in it."""
        self._trouble.set()
        self._watch()

    async def close(self) -> None:
        """Finish what is waiting and let go of the spool; another process may take what is left in it."""
        while self._writing is not None:
            await asyncio.wait([self._writing])
        for task in (self._watching, *self._left_behind):
            if task is not None:
                task.cancel()
        if self._watching is not None:
            await asyncio.wait([self._watching])
            self._watching = None
        self._spool.close()

    def _watch(self) -> None:
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look_after())

    async def _look_after(self) -> None:
        while True:
            # before looking: what is spooled meanwhile is looked at again
            self._trouble.clear()
            is_well = await self.replay()
            if is_well and self.is_away:
                self.is_away = False
                log.info("hits_go_to_the_database_again")
                # once more, for what was spooled up to now
                continue
            if is_well:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_FOR_OTHERS):
                        await self._trouble.wait()
            else:
                await asyncio.sleep(LOOK_AGAIN)

    async def replay(self) -> bool:
        """Bring what was spooled, here and by processes that are gone, into the database; whether nothing is left."""
        try:
            if self.is_away:
                async with asyncio.timeout(PROBE_PATIENCE), self._sessions() as session:
                    await session.scalar(select(1))
            for taken in self._spool.take():
                await self._replay(taken)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.info("replay_put_off", error=type(error).__name__)
            return False
        except Exception:
            # nobody else looks after the spool in this process
            log.exception("replay_failed")
            return False
        return True

    async def _replay(self, taken: Taken) -> None:
        is_done = False
        try:
            now = self._clock.now()
            async with asyncio.timeout(REPLAY_PATIENCE), self._sessions.begin() as session:
                replayed = await replay(session, taken, now=now)
                await forget_replays(session, before=now - REPLAYS_KEPT)
            is_done = True
            self.tally.replayed += replayed
            log.info("hits_replayed", file=taken.path.name, count=replayed)
        except DBAPIError as error:
            state = str(getattr(error.orig, "sqlstate", ""))
            if not state.startswith(_WILL_NEVER_DO):
                raise
            # it would keep all that comes after it on disk, too
            taken.set_aside()
            log.error("hits_set_aside", file=taken.path.name, sqlstate=state)
        except FileTooOld:
            taken.set_aside()
            log.error("hits_set_aside", file=taken.path.name, older_than_days=OLDEST_REPLAYED.days)
        finally:
            taken.let_go(is_done=is_done)


class _Attempt:
    """One try to insert visits, that can be given up without doubt about how it ended."""

    def __init__(self, sessions: Sessions, hits: Sequence[Hit], mark: Mark, *, now: datetime) -> None:
        self._sessions = sessions
        self._hits = hits
        self._now = now
        self.mark = mark
        self.is_given_up = False
        self.is_committing = False
        """Whether the commit was asked for; if not by the time that it is given up, it never will be."""

    async def run(self) -> None:
        async with self._sessions() as session:
            await insert_hits(session, self._hits)
            await leave_mark(session, self.mark, now=self._now)
            if self.is_given_up:
                raise TimeoutError
            self.is_committing = True
            await session.commit()
