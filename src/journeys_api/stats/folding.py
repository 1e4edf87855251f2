"""Changes of numbers are appended by whoever makes them, and folded into the totals by one worker at a time.

So workers never queue on one counter's row; whoever reads adds what is not folded yet.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.stats.queries import CHANGES_PEOPLE, COUNTERS, LARGEST

FOLD_LOCK = 0x4A5B0000
MOST = 20_000

# one account's sum that is too large would keep the changes of all from being folded
_SUMS = ", ".join(
    f"least(sum({counter}), {LARGEST}) AS {counter}" if counter == "revenue_cents" else f"sum({counter}) AS {counter}"
    for counter in COUNTERS
)
_NAMES = ", ".join(COUNTERS)


def _into(table: str, key: Sequence[str], more: str = "") -> str:
    """The end of an INSERT that adds to the rows that are there already. `more`: columns beyond the counters."""
    added = [*COUNTERS, *filter(None, more.split(", "))]
    changes = ", ".join(f"{column} = {table}.{column} + {_more(table, column)}" for column in added)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def _more(table: str, column: str) -> str:
    if column == "revenue_cents":
        return f"least(excluded.{column}, {LARGEST} - {table}.{column})"
    return f"excluded.{column}"


# the pieces are names of columns of ours, never a caller's
_FOLD = f"""
WITH taken AS (
    DELETE FROM counter_deltas WHERE delta_id IN (
        SELECT delta_id FROM counter_deltas ORDER BY delta_id LIMIT {MOST}
    ) RETURNING *
), journeys AS (
    INSERT INTO journey_totals (owner_id, journey_id, active_count, total_count, people_count, last_enrolled_at,
                                last_active_at, {_NAMES})
    SELECT owner_id, journey_id, coalesce(sum(active_count) FILTER (WHERE action_id = 0), 0),
           coalesce(sum(total_count) FILTER (WHERE action_id = 0), 0), sum(people_count),
           max(happened_at) FILTER (WHERE action_id = 0 AND total_count > 0), max(happened_at), {_SUMS}
    FROM taken GROUP BY owner_id, journey_id
    {_into("journey_totals", ("owner_id", "journey_id"), "active_count, total_count, people_count")},
        last_enrolled_at = greatest(journey_totals.last_enrolled_at, excluded.last_enrolled_at),
        last_active_at = greatest(journey_totals.last_active_at, excluded.last_active_at)
), actions AS (
    INSERT INTO action_totals (owner_id, journey_id, action_id, active_count, total_count, completed_runs, change_count,
                               {_NAMES})
    SELECT owner_id, journey_id, action_id, sum(active_count), sum(total_count), sum(completed_runs),
           count(*) FILTER (WHERE {CHANGES_PEOPLE}), {_SUMS}
    FROM taken WHERE action_id <> 0 GROUP BY owner_id, journey_id, action_id
    {
    _into(
        "action_totals",
        ("owner_id", "journey_id", "action_id"),
        "active_count, total_count, completed_runs, change_count",
    )
}
), days_of_journeys AS (
    INSERT INTO journey_days (owner_id, counted_on, journey_id, total_count, {_NAMES})
    SELECT owner_id, counted_on, journey_id, coalesce(sum(total_count) FILTER (WHERE action_id = 0), 0), {_SUMS}
    FROM taken WHERE counted_on IS NOT NULL GROUP BY owner_id, counted_on, journey_id
    {_into("journey_days", ("owner_id", "counted_on", "journey_id"), "total_count")}
), days_of_actions AS (
    INSERT INTO action_day_totals (owner_id, journey_id, counted_on, action_id, {_NAMES})
    SELECT owner_id, journey_id, counted_on, action_id, {_SUMS}
    FROM taken WHERE counted_on IS NOT NULL AND action_id <> 0 GROUP BY owner_id, journey_id, counted_on, action_id
    {_into("action_day_totals", ("owner_id", "journey_id", "counted_on", "action_id"))}
), days_of_domains AS (
    INSERT INTO action_days (owner_id, journey_id, action_id, domain, counted_on, {_NAMES})
    SELECT owner_id, journey_id, action_id, domain, counted_on, {_SUMS}
    FROM taken WHERE counted_on IS NOT NULL AND domain IS NOT NULL
    GROUP BY owner_id, journey_id, action_id, domain, counted_on
    {_into("action_days", ("owner_id", "journey_id", "counted_on", "action_id", "domain"))}
)
SELECT count(*) FROM taken
"""  # noqa: S608


async def fold_counters(session: AsyncSession) -> int:
    """Fold what is there, at most `MOST` changes; how many. 0 also when another worker is at it."""
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": FOLD_LOCK}):
        return 0
    return int(await session.scalar(text(_FOLD)) or 0)
