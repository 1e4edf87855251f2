"""Judging what can be judged, and setting aside the visit that breaks every batch that it is in."""

from collections.abc import Sequence

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import WorkClock
from journeys_api.db import Sessions
from journeys_api.failures import TOO_SLOW, is_passing, reason_of, sqlstate_of
from journeys_api.tracking.judging import is_ours_to_judge, record_hits, ripe_hits

log = structlog.get_logger()

MOST_PUT_BACK = 10_000
_OTHER_SCHEMA = "42"
"""Class of SQLSTATEs that say that the tables are another release's: no visit is at fault."""


class Judge:
    """Judges visits in transactions of its own. Any number of judges may work on one database."""

    def __init__(self, sessions: Sessions, *, clock: WorkClock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def turn(self) -> int:
        """Judge one batch of the visits that are ripe; how many there were. 0: none, or another judge is at it.

        A batch that fails is halved until the visit that breaks it stands alone. That one is set aside, with the
        reason; all others are judged.

        Raises:
            DBAPIError: the database is away, or its tables are another release's; what is not judged stays.
        """
        async with self._sessions.begin() as session:
            if not await is_ours_to_judge(session):
                return 0
            hit_ids = await ripe_hits(session, now=await self._clock.now(session))
        return await self._judge(hit_ids) if hit_ids else 0

    async def _judge(self, hit_ids: Sequence[int]) -> int:
        try:
            return await self._record(hit_ids)
        except Exception as error:
            if is_passing(error) or sqlstate_of(error).startswith(_OTHER_SCHEMA):
                raise
            if len(hit_ids) == 1:
                return await self._set_aside(hit_ids[0], error)
            log.warning("hits_halved", count=len(hit_ids), error=reason_of(error))
        half = len(hit_ids) // 2
        return await self._judge(hit_ids[:half]) + await self._judge(hit_ids[half:])

    async def _record(self, hit_ids: Sequence[int]) -> int:
        async with self._sessions.begin() as session:
            if not await is_ours_to_judge(session):
                return 0
            return await record_hits(session, hit_ids, now=await self._clock.now(session))

    async def _set_aside(self, hit_id: int, error: Exception) -> int:
        if sqlstate_of(error) == TOO_SLOW:
            # fewer at a time are in time; one alone is tried again
            log.warning("hit_left", hit_id=hit_id, error=reason_of(error))
            return 0
        async with self._sessions.begin() as session:
            now = await self._clock.now(session)
            owners = (await session.scalars(_SET_ASIDE, {"hit": hit_id, "reason": reason_of(error), "now": now})).all()
        for owner_id in owners:
            log.error("hit_set_aside", hit_id=hit_id, owner_id=owner_id, exc_info=error)
        return len(owners)


_SET_ASIDE = text(
    """
WITH gone AS (DELETE FROM tracking_hits WHERE hit_id = :hit RETURNING *)
INSERT INTO hits_set_aside (owner_id, hit_id, visit, reason, set_aside_at)
SELECT owner_id, hit_id, to_json(gone), :reason, :now FROM gone RETURNING owner_id
"""
)
_PUT_BACK = text(
    f"""
WITH gone AS (
    DELETE FROM hits_set_aside WHERE (owner_id, hit_id) IN (
        SELECT owner_id, hit_id FROM hits_set_aside ORDER BY owner_id, hit_id LIMIT {MOST_PUT_BACK} FOR UPDATE
    ) RETURNING visit
)
INSERT INTO tracking_hits
SELECT visit.* FROM gone, json_populate_record(CAST(NULL AS tracking_hits), gone.visit) AS visit RETURNING hit_id
"""  # noqa: S608 (a constant of ours)
)


async def put_back(session: AsyncSession) -> int:
    """Have visits that were set aside judged once more, at most `MOST_PUT_BACK`; how many."""
    return len((await session.scalars(_PUT_BACK)).all())


async def let_go(session: AsyncSession) -> int:
    """Delete all visits that were set aside: they will never count; how many."""
    gone = await session.scalars(text("DELETE FROM hits_set_aside RETURNING hit_id"))
    return len(gone.all())
