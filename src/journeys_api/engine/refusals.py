"""Why somebody did not enter a journey is told for a while, and not for ever."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

KEPT = timedelta(days=90)
"""How long a refusal can be read. Each event that a journey turns away leaves one: no installation keeps them all."""

MOST_AT_ONCE = 2000

# the oldest is looked at first, by its key: one row is read where there is nothing to do
_FORGET = text("""
DELETE FROM enrollment_refusals WHERE refused_at < :before
AND (SELECT refused_at FROM enrollment_refusals ORDER BY refusal_id LIMIT 1) < :before
AND refusal_id = ANY (ARRAY(SELECT refusal_id FROM enrollment_refusals ORDER BY refusal_id LIMIT :most))
RETURNING refusal_id
""")


async def forget_refusals(session: AsyncSession, *, now: datetime) -> int:
    """Delete some of the refusals that are older than `KEPT`, oldest first; how many."""
    return len((await session.execute(_FORGET, {"before": now - KEPT, "most": MOST_AT_ONCE})).all())
