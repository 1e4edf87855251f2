"""Writes down how attempts ended and what is counted of them, many at once, beside the attempts that are still made."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.bounces.service import Return, ReturnKind, record_returns
from journeys_api.clock import WorkClock
from journeys_api.db import Sessions
from journeys_api.delivery import outbox
from journeys_api.delivery.outbox import Claimed, Finished
from journeys_api.delivery.outcomes import Ending
from journeys_api.failures import is_passing, may_be_of_one_row, reason_of, tried_again
from journeys_api.models import DeliveryKind

log = structlog.get_logger()

GATHER_SECONDS = 0.1
"""How long more attempts are waited for before they are recorded, while others are under way: statements over many cost
little more than over one. What a server took in this moment is sent again if the process dies in it, like what it took
while earlier outcomes were being written."""
LOCK_MILLISECONDS = 200
"""How long somebody else's lock is waited for; then the row is found, and left for later."""
PAUSE_SECONDS = 1.0
"""Before what could not be written now is tried again."""
SETTLE_SECONDS = 15.0
"""How long somebody who is leaving waits for a database that takes nothing; leases end what is not written then."""


class Recorder:
    """Records the outcomes of one sender.

    None is given up while the process lives, unless the database will never have it: what cannot be written now is
    tried again, and is fenced by its lease however late that is. One that is refused, or that somebody else's lock is
    in the way of, is found by halves; then it holds up no other.

    Args:
        is_more_coming: whether attempts are under way that may end in a moment.
        told: called whenever `unrecorded` has become less.
    """

    def __init__(
        self, sessions: Sessions, clock: WorkClock, *, is_more_coming: Callable[[], bool], told: Callable[[], None]
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._is_more_coming = is_more_coming
        self._told = told
        self._waiting: list[Finished] = []
        self._held_up: list[Finished] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.unrecorded = 0
        """Outcomes that are not written yet, those being written among them."""

    def add(self, finished: Finished) -> None:
        """Have it recorded soon."""
        self._waiting.append(finished)
        self.unrecorded += 1
        self._see_to("waiting", self._record_waiting)

    async def settle(self) -> None:
        """Wait until everything is recorded, or for as long as makes sense."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + SETTLE_SECONDS
        while (writing := [task for task in self._tasks.values() if not task.done()]) and loop.time() < ends_at:
            await asyncio.wait(writing, timeout=ends_at - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        if writing:
            log.warning("outcomes_not_recorded", count=self.unrecorded)

    def _see_to(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if name not in self._tasks or self._tasks[name].done():
            self._tasks[name] = asyncio.create_task(work())

    async def _record_waiting(self) -> None:
        while self._waiting:
            if self._is_more_coming():
                await asyncio.sleep(GATHER_SECONDS)
            finished, self._waiting = self._waiting, []
            await self._record(finished)

    async def _record_held_up(self) -> None:
        while self._held_up:
            await asyncio.sleep(PAUSE_SECONDS)
            held_up, self._held_up = self._held_up, []
            for one in held_up:
                await self._record([one])

    async def _record(self, finished: Sequence[Finished]) -> None:
        try:
            await tried_again(partial(self._record_these, finished), event="recording_tried_again")
        except Exception as error:
            is_of_one = may_be_of_one_row(error)
            if is_passing(error) and not is_of_one:
                log.warning("recording_interrupted", count=len(finished), error=reason_of(error))
                self._waiting = [*finished, *self._waiting]
                await asyncio.sleep(PAUSE_SECONDS)
                self._see_to("waiting", self._record_waiting)
                return
            if len(finished) > 1:
                middle = len(finished) // 2
                await self._record(finished[:middle])
                await self._record(finished[middle:])
                return
            if is_of_one:
                self._held_up += finished
                self._see_to("held up", self._record_held_up)
                return
            log.exception("outcome_not_recorded", delivery_id=finished[0].row.delivery_id)
        self.unrecorded -= len(finished)
        self._told()

    async def _record_these(self, finished: Sequence[Finished]) -> None:
        async with self._sessions.begin() as session:
            await session.execute(_LOCK_TIMEOUT)
            now = await self._clock.now(session)
            kept = await outbox.finish(session, finished, now=now)
            sent = [one.row for one in kept if one.outcome.ending is Ending.ACCEPTED]
            await _count_sent(session, sent, now=now)
            await _count_bounced(session, [one for one in kept if outbox.is_given_up(one, now=now)], now=now)


_LOCK_TIMEOUT = text(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
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


async def _count_sent(session: AsyncSession, rows: Sequence[Claimed], *, now: datetime) -> None:
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
