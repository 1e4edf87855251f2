"""The loop of one kind of delivery: claim, prepare, attempt outside any transaction, record under the lease."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import DatabaseClock, WorkClock
from journeys_api.db import Sessions
from journeys_api.delivery import outbox
from journeys_api.delivery.outbox import Claimed, Finished
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.recording import Recorder
from journeys_api.failures import is_passing
from journeys_api.models import DeliveryKind

log = structlog.get_logger()

_T = TypeVar("_T")
Attempt = Callable[[], Awaitable[Outcome]]
"""One try at one delivery; every way it can end is an `Outcome`."""


class Preparer(Protocol):
    """Makes the attempts of a kind of delivery."""

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        """For each delivery id what to try, or how it ends without a try; loads what it needs in a few statements."""


FULL_SECONDS = 1.0
"""How long a turn waits for room at all: whoever asks the worker to stop is not to wait for a database that is away."""


@dataclass(frozen=True)
class Pace:
    """How much of a kind may be under way at once."""

    concurrency: int
    """Attempts under way."""
    of_a_destination: int
    """Attempts under way to one destination; a slow one holds only so many."""
    lease: timedelta
    """How long a claimed delivery stays this worker's: longer than the slowest attempt."""
    of_an_account: int | None = None
    """Attempts under way for one account, about; None: any number. Who is slow to answer must not hold all others."""
    per_second: float | None = None
    """Attempts begun in a second, at most; None: any number."""
    room_seconds: float = 0.05
    """How long a sender waits for half of its room before it claims with less: statements over many cost little more
    than over one."""


class Sender:
    """Delivers one kind. Any number of senders may work on one database."""

    def __init__(
        self,
        sessions: Sessions,
        kinds: Sequence[DeliveryKind],
        preparer: Preparer,
        pace: Pace,
        *,
        clock: WorkClock | None = None,
    ) -> None:
        self._sessions = sessions
        self._clock = clock or DatabaseClock()
        self.kinds = kinds
        self._preparer = preparer
        self._pace = pace
        self._under_way: set[asyncio.Task[None]] = set()
        self._trying = 0
        self._some_free = asyncio.Event()
        self._lacks_room = False
        self._half_free = asyncio.Event()
        self._recorder = Recorder(
            sessions, self._clock, is_more_coming=lambda: self._trying > 0, told=self._tell_what_is_free
        )
        self._destinations: Counter[str] = Counter()
        self._accounts: Counter[int] = Counter()
        self._served: dict[DeliveryKind, int] = {}
        self._may_begin_at = 0.0
        self.attempts = 0
        self.freed = asyncio.Event()
        """Set when a destination, an account, or all of them together had enough under way and have room again."""

    async def turn(self) -> int:
        """Claim what there is room for, once there is some, and begin it; how many were looked at.

        0: none is due, or no room has come in a while; `freed` is set when it comes.
        """
        room = await self._room()
        if room <= 0:
            return 0
        busy = [name for name, count in self._destinations.items() if name and count >= self._pace.of_a_destination]
        most = self._pace.of_an_account
        full = [owner_id for owner_id, count in self._accounts.items() if most and count >= most]
        claimed: list[outbox.Claims] = []
        async with self._sessions.begin() as session:
            now = await self._clock.now(session)
            for kind in self.kinds:
                claims = await outbox.claim(
                    session,
                    kind,
                    limit=room,
                    lease=self._pace.lease,
                    now=now,
                    busy=busy,
                    full=full,
                    most_of_account=most and max(1, most // 2),
                    after=self._served.get(kind, 0),
                )
                claimed.append(claims)
                room -= len(claims.rows)
                if room <= 0:
                    break
        failure: Exception | None = None
        for kind, claims in zip(self.kinds, claimed, strict=False):
            self._served[kind] = claims.served
            try:
                await self._begin(claims)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return sum(claims.looked_at for claims in claimed)

    async def _room(self) -> int:
        """How many may be begun. Waits for one, not for ever, and a moment for half of all."""
        self._tell_what_is_free()
        await _waited_for(self._half_free, self._pace.room_seconds)
        self._tell_what_is_free()
        await _waited_for(self._some_free, FULL_SECONDS)
        room = self._free()
        self._lacks_room = room <= 0
        return room

    def _free(self) -> int:
        """Places for attempts: so many that those under way, and outcomes that are not recorded, are no more than twice
        what may be under way. All of them would be made again if this process died.
        """
        most, under_way = self._pace.concurrency, len(self._under_way)
        return min(most - under_way, 2 * most - under_way - self._recorder.unrecorded)

    def _tell_what_is_free(self) -> None:
        free = self._free()
        for event, is_set in ((self._some_free, free > 0), (self._half_free, free * 2 >= self._pace.concurrency)):
            if is_set:
                event.set()
            else:
                event.clear()
        if free > 0 and self._lacks_room:
            self._lacks_room = False
            self.freed.set()

    async def _begin(self, claims: outbox.Claims) -> None:
        try:
            prepared = await self._prepare(claims.rows) if claims.rows else {}
        except Exception:
            for row in claims.rows:
                self._recorder.add(Finished(claims.token, row, Outcome(Ending.POSTPONED, "preparing was interrupted")))
            raise
        for row in claims.rows:
            task = asyncio.create_task(self._deliver(claims.token, row, prepared[row.delivery_id]))
            self._under_way.add(task)
            self._destinations[row.destination] += 1
            self._accounts[row.owner_id] += 1
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._tell_what_is_free()

    async def _prepare(self, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        """As the preparer does; what breaks it is found by taking the rows one by one, and the others are sent."""
        try:
            async with self._sessions() as session:
                return await self._preparer.prepare(session, rows)
        except Exception as error:
            if is_passing(error):
                raise
            if len(rows) == 1:
                log.exception("preparing_failed", delivery_id=rows[0].delivery_id, kind=rows[0].kind)
                return {rows[0].delivery_id: Outcome(Ending.DEFERRED, "internal error")}
        prepared: dict[int, Attempt | Outcome] = {}
        for row in rows:
            prepared.update(await self._prepare([row]))
        return prepared

    async def _deliver(self, token: UUID, row: Claimed, attempt: Attempt | Outcome) -> None:
        try:
            if isinstance(attempt, Outcome):
                outcome = attempt
            else:
                await self._wait_for_turn()
                self.attempts += 1
                outcome = await self._try(row, attempt)
        finally:
            self._give_back(row)
        self._recorder.add(Finished(token, row, outcome))

    def _give_back(self, row: Claimed) -> None:
        most = self._pace.of_an_account
        if self._destinations[row.destination] >= self._pace.of_a_destination or (
            most and self._accounts[row.owner_id] >= most
        ):
            self.freed.set()
        _take_one(self._destinations, row.destination)
        _take_one(self._accounts, row.owner_id)

    async def _try(self, row: Claimed, attempt: Attempt) -> Outcome:
        self._trying += 1
        try:
            return await attempt()
        except Exception:
            # a preparer's fault; whether anything left the machine is not known
            log.exception("attempt_failed", delivery_id=row.delivery_id, kind=row.kind)
            return Outcome(Ending.UNKNOWN, "internal error")
        finally:
            self._trying -= 1

    async def _wait_for_turn(self) -> None:
        if self._pace.per_second:
            loop = asyncio.get_running_loop()
            begins = max(loop.time(), self._may_begin_at)
            self._may_begin_at = begins + 1 / self._pace.per_second
            await asyncio.sleep(begins - loop.time())

    async def finish(self) -> None:
        """Wait for what is under way, and until it is recorded."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))
        await self._recorder.settle()

    async def run_until_quiet(self) -> None:
        """Deliver what is due until nothing is: for tests and demonstrations."""
        while True:
            await self.finish()
            looked_at = await self.turn()
            if not looked_at:
                return


def _take_one(under_way: Counter[_T], place: _T) -> None:
    under_way[place] -= 1
    if not under_way[place]:
        del under_way[place]  # hosts and accounts are many


async def _waited_for(event: asyncio.Event, seconds: float) -> None:
    if not event.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
