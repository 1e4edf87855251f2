"""Changes of numbers are appended by whoever makes them, and folded into the totals by one worker at a time.

So workers never queue on one counter's row; whoever reads adds what is not folded yet.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.stats.queries import COUNTERS

FOLD_LOCK = 0x4A5B0000
MOST = 20_000

_SUMS = ", ".join(f"sum({counter}) AS {counter}" for counter in COUNTERS)
_NAMES = ", ".join(COUNTERS)


def _added(table: str) -> str:
    return ", ".join(f"{counter} = {table}.{counter} + excluded.{counter}" for counter in COUNTERS)


# the pieces are names of columns of ours, never a caller's
_FOLD = f"""
WITH taken AS (
    DELETE FROM counter_deltas WHERE delta_id IN (
        SELECT delta_id FROM counter_deltas ORDER BY delta_id LIMIT {MOST}
    ) RETURNING *
), journeys AS (
    INSERT INTO journey_totals (owner_id, journey_id, active_count, total_count, {_NAMES})
    SELECT owner_id, journey_id, coalesce(sum(active_count) FILTER (WHERE action_id = 0), 0),
           coalesce(sum(total_count) FILTER (WHERE action_id = 0), 0), {_SUMS}
    FROM taken GROUP BY owner_id, journey_id
    ON CONFLICT (owner_id, journey_id) DO UPDATE SET
        active_count = journey_totals.active_count + excluded.active_count,
        total_count = journey_totals.total_count + excluded.total_count, {_added("journey_totals")}
), actions AS (
    INSERT INTO action_totals (owner_id, journey_id, action_id, active_count, total_count, completed_runs, {_NAMES})
    SELECT owner_id, journey_id, action_id, sum(active_count), sum(total_count), sum(completed_runs), {_SUMS}
    FROM taken WHERE action_id <> 0 GROUP BY owner_id, journey_id, action_id
    ON CONFLICT (owner_id, journey_id, action_id) DO UPDATE SET
        active_count = action_totals.active_count + excluded.active_count,
        total_count = action_totals.total_count + excluded.total_count,
        completed_runs = action_totals.completed_runs + excluded.completed_runs, {_added("action_totals")}
), days AS (
    INSERT INTO action_days (owner_id, journey_id, action_id, domain, counted_on, {_NAMES})
    SELECT owner_id, journey_id, action_id, domain, counted_on, {_SUMS}
    FROM taken WHERE counted_on IS NOT NULL AND domain IS NOT NULL
    GROUP BY owner_id, journey_id, action_id, domain, counted_on
    ON CONFLICT (owner_id, journey_id, counted_on, action_id, domain) DO UPDATE SET {_added("action_days")}
)
SELECT count(*) FROM taken
"""  # noqa: S608


async def fold_counters(session: AsyncSession) -> int:
    """Fold what is there, at most `MOST` changes; how many. 0 also when another worker is at it."""
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": FOLD_LOCK}):
        return 0
    return int(await session.scalar(text(_FOLD)) or 0)
