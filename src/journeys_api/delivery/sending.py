"""The loop of one kind of delivery: claim, prepare, attempt outside any transaction, record under the lease."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.bounces.service import Return, ReturnKind, record_returns
from journeys_api.clock import DatabaseClock, WorkClock
from journeys_api.db import Sessions
from journeys_api.delivery import outbox
from journeys_api.delivery.outbox import Finished
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.failures import is_passing, tried_again
from journeys_api.models import DeliveryKind

log = structlog.get_logger()

Attempt = Callable[[], Awaitable[Outcome]]
"""One try at one delivery; every way it can end is an `Outcome`."""


class Preparer(Protocol):
    """Makes the attempts of a kind of delivery."""

    async def prepare(self, session: AsyncSession, rows: Sequence[Row[Any]]) -> Mapping[int, Attempt | Outcome]:
        """For each delivery id what to try, or how it ends without a try; loads what it needs in a few statements."""


ROOM_SECONDS = 0.25
"""How long a sender that is busy waits for half of its room before it claims: statements over many cost little more
than over one."""
GATHER_SECONDS = 0.05
"""How long it waits for more attempts to end before it records them, while others are under way. What a server took in
this moment is sent again if the process dies in it, like what it took while earlier outcomes were being written."""


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
        self._half_free = asyncio.Event()
        self._destinations: Counter[str] = Counter()
        self._accounts: Counter[int] = Counter()
        self._served: dict[DeliveryKind, int] = {}
        self._finished: list[Finished] = []
        self._recording: asyncio.Task[None] | None = None
        self._trying = 0
        self._may_begin_at = 0.0
        self.attempts = 0
        self.freed = asyncio.Event()
        """Set when a destination or an account that had enough under way has room again: more may be due for it."""

    async def turn(self) -> int:
        """Claim what there is room for, once there is some, and begin it; how many were looked at. 0: none is due."""
        room = await self._room()
        busy = [name for name, count in self._destinations.items() if name and count >= self._pace.of_a_destination]
        most = self._pace.of_an_account
        full = [owner_id for owner_id, count in self._accounts.items() if most and count >= most]
        looked_at = 0
        for kind in self.kinds:
            async with self._sessions.begin() as session:
                now = await self._clock.now(session)
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
            self._served[kind] = claims.served
            looked_at += claims.looked_at
            room -= len(claims.rows)
            if claims.rows:
                await self._begin(claims)
            if room <= 0:
                break
        return looked_at

    async def _room(self) -> int:
        """How many may be begun. Waits for room, and a moment for half of it; and for what was not recorded yet, which
        would all be sent again if this process died.
        """
        while len(self._finished) > self._pace.concurrency and self._recording is not None:
            await asyncio.wait([self._recording])
        most = self._pace.concurrency
        if len(self._under_way) > most // 2:
            self._half_free.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(ROOM_SECONDS):
                    await self._half_free.wait()
        if len(self._under_way) >= most:
            await asyncio.wait(set(self._under_way), return_when=asyncio.FIRST_COMPLETED)
        return most - len(self._under_way)

    async def _begin(self, claims: outbox.Claims) -> None:
        prepared = await self._prepare(claims.rows)
        for row in claims.rows:
            task = asyncio.create_task(self._deliver(claims.token, row, prepared[row.delivery_id]))
            self._under_way.add(task)
            self._destinations[row.destination] += 1
            self._accounts[row.owner_id] += 1
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if len(self._under_way) <= self._pace.concurrency // 2:
            self._half_free.set()

    async def _prepare(self, rows: Sequence[Row[Any]]) -> Mapping[int, Attempt | Outcome]:
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

    async def _deliver(self, token: UUID, row: Row[Any], attempt: Attempt | Outcome) -> None:
        try:
            if isinstance(attempt, Outcome):
                outcome = attempt
            else:
                await self._wait_for_turn()
                self.attempts += 1
                outcome = await self._try(row, attempt)
        finally:
            self._give_back(row)
        self._finished.append(Finished(token, row, outcome))
        if self._recording is None or self._recording.done():
            self._recording = asyncio.create_task(self._record_all())

    def _give_back(self, row: Row[Any]) -> None:
        most = self._pace.of_an_account
        if self._destinations[row.destination] >= self._pace.of_a_destination or (
            most and self._accounts[row.owner_id] >= most
        ):
            self.freed.set()
        for under_way, place in ((self._destinations, row.destination), (self._accounts, row.owner_id)):
            under_way[place] -= 1
            if not under_way[place]:
                del under_way[place]  # hosts and accounts are many

    async def _try(self, row: Row[Any], attempt: Attempt) -> Outcome:
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

    async def _record_all(self) -> None:
        while self._finished:
            if self._trying:
                await asyncio.sleep(GATHER_SECONDS)
            await self._record()

    async def _record(self) -> None:
        """Record what is finished; what cannot be recorded now is rescued when its lease has ended."""
        finished, self._finished = self._finished, []
        try:
            await tried_again(partial(self._record_these, finished), event="recording_tried_again")
        except Exception as error:
            told = log.warning if is_passing(error) else log.exception
            told("outcomes_not_recorded", count=len(finished), error=type(error).__name__)

    async def _record_these(self, finished: Sequence[Finished]) -> None:
        """In one transaction: how these ended, and what is counted of it."""
        async with self._sessions.begin() as session:
            now = await self._clock.now(session)
            kept = await outbox.finish(session, finished, now=now)
            sent = [one.row for one in kept if one.outcome.ending is Ending.ACCEPTED]
            await _count_sent(session, sent, now=now)
            await _count_bounced(session, [one for one in kept if outbox.is_given_up(one, now=now)], now=now)

    async def finish(self) -> None:
        """Wait for what is under way, and until it is recorded."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))
        if self._recording is not None:
            await self._recording

    async def run_until_quiet(self) -> None:
        """Deliver what is due until nothing is: for tests and demonstrations."""
        while True:
            looked_at = await self.turn()
            await self.finish()
            if not looked_at:
                return


_COUNT = text(
    """
WITH sent AS (
    SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), CAST(:actions AS bigint[]),
                         CAST(:lists AS bigint[]), CAST(:people AS bigint[]), CAST(:addresses AS text[]),
                         CAST(:domains AS text[]))
        AS w(owner_id, journey_id, action_id, list_id, subscriber_id, email_address, domain)
), reached AS (
    INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at)
    SELECT DISTINCT ON (1, 2, 3, 4) owner_id, action_id, list_id, subscriber_id, email_address, 0, :now FROM sent
    ON CONFLICT DO NOTHING
)
INSERT INTO counter_deltas (owner_id, journey_id, action_id, domain, counted_on, happened_at, send_count,
                            delivery_count)
SELECT owner_id, journey_id, action_id, domain, CAST(CAST(:now AS timestamptz) AT TIME ZONE 'UTC' AS date), :now,
       count(*), count(*)
FROM sent GROUP BY owner_id, journey_id, action_id, domain
"""
)


async def _count_sent(session: AsyncSession, rows: Sequence[Row[Any]], *, now: datetime) -> None:
    """Count accepted mails of journeys, and write down who was sent them."""
    mails = [row for row in rows if row.kind == DeliveryKind.MAIL.value and row.journey_id is not None]
    if mails:
        await session.execute(
            _COUNT,
            {
                "now": now,
                "owners": [row.owner_id for row in mails],
                "journeys": [row.journey_id for row in mails],
                "actions": [row.action_id for row in mails],
                "lists": [row.list_id for row in mails],
                "people": [row.subscriber_id for row in mails],
                "addresses": [row.email_address for row in mails],
                "domains": [row.domain for row in mails],
            },
        )


async def _count_bounced(session: AsyncSession, finished: Sequence[Finished], *, now: datetime) -> None:
    """Record the mails that their servers refused because of the recipient."""
    returns = [
        Return(one.row.delivery_id, ReturnKind(bounce.value), now, detail={"diagnostic": one.outcome.reason})
        for one in finished
        if (bounce := one.outcome.bounce) is not None
    ]
    if returns:
        await record_returns(session, returns, now=now)
