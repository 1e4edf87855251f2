"""Counting the people of an action and finding deep pages of them, without going through those who come before.

Fences mark every thousandth person in the order of addresses, with how many under the filter come before. They are set
when a deep page is asked for, and good until the action's changes say otherwise (`ActionTotals.change_count`): nobody
who moves people, or records what they do, pays for them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.stats.queries import CHANGES_PEOPLE

APART = 1000
"""People between fences: the most that a page has to skip."""
WORTH_KEEPING = 5_000
"""From how many people on their number is remembered; fewer are counted in no time."""
KEPT = 64
"""Filters that an account has numbers and fences of; the oldest make room."""
BUILD_SPACE = 0x4A5B0003


@dataclass(frozen=True)
class Filtered:
    """Which people of an action."""

    owner_id: int
    journey_id: int
    action_id: int
    bits: int
    """Sum of `Activity` bits; 0: everybody."""
    is_any: bool
    """Whether one of the bits is enough."""

    @property
    def parameters(self) -> dict[str, Any]:
        """For the statements below."""
        return {
            "owner": self.owner_id,
            "journey": self.journey_id,
            "action": self.action_id,
            "bits": self.bits,
            "any": self.is_any,
        }


@dataclass(frozen=True)
class Fence:
    """A place in the order of addresses, and how many under the filter come before it."""

    before_count: int
    email_address: str
    subscriber_id: int


@dataclass(frozen=True)
class Known:
    """What still holds of what was counted before."""

    people_count: int | None
    """None: nothing."""
    has_fences: bool
    fence: Fence | None
    """The last one that is not behind the position asked for."""


# the pieces of the statements are constants of ours
_VERSION = f"""
SELECT (SELECT coalesce(sum(change_count), 0) FROM action_totals
        WHERE owner_id = :owner AND journey_id = :journey AND action_id = :action)
     + (SELECT count(*) FROM counter_deltas
        WHERE owner_id = :owner AND journey_id = :journey AND action_id = :action AND {CHANGES_PEOPLE}) AS version
"""  # noqa: S608
_MEETS = """
(CAST(:bits AS int) = 0 OR CASE WHEN CAST(:any AS boolean) THEN (activity & CAST(:bits AS int)) <> 0
                                ELSE (activity & CAST(:bits AS int)) = CAST(:bits AS int) END)
"""
_THIS = "owner_id = :owner AND action_id = :action AND bits = CAST(:bits AS int) AND is_any = CAST(:any AS boolean)"

_KNOWN = text(
    f"""
SELECT c.people_count, c.has_fences, f.before_count, f.email_address, f.subscriber_id
FROM ({_VERSION}) AS v JOIN people_counts c ON c.version = v.version AND {_THIS.replace(" bits", " c.bits")}
LEFT JOIN LATERAL (
    SELECT before_count, email_address, subscriber_id FROM people_fences
    WHERE {_THIS} AND c.has_fences
      AND before_count <= CASE WHEN CAST(:descending AS boolean) THEN c.people_count - :offset - :count ELSE :offset END
    ORDER BY before_count DESC LIMIT 1
) AS f ON true
"""  # noqa: S608
)


async def known(session: AsyncSession, of: Filtered, *, offset: int, count: int, is_descending: bool) -> Known:
    """What was counted of a filter and still holds, with the fence that a page starts from."""
    asked = {"offset": offset, "count": count, "descending": is_descending}
    row = (await session.execute(_KNOWN, of.parameters | asked)).one_or_none()
    if row is None:
        return Known(None, False, None)
    fence = None if row.before_count is None else Fence(row.before_count, row.email_address, row.subscriber_id)
    return Known(row.people_count, row.has_fences, fence)


_COUNT = text(
    f"""
WITH counted AS (
    SELECT count(*) AS people_count FROM action_subscribers
    WHERE owner_id = :owner AND action_id = :action AND {_MEETS}
), kept AS (
    INSERT INTO people_counts (owner_id, action_id, bits, is_any, version, people_count, has_fences, built_at)
    SELECT :owner, :action, :bits, :any, version, people_count, false, :now FROM counted, ({_VERSION}) AS v
    WHERE people_count >= {WORTH_KEEPING}
    ON CONFLICT (owner_id, action_id, bits, is_any) DO UPDATE SET version = excluded.version,
        people_count = excluded.people_count, has_fences = false, built_at = excluded.built_at
)
SELECT people_count FROM counted
"""  # noqa: S608
)


async def count_people(session: AsyncSession, of: Filtered, *, now: datetime) -> int:
    """How many people meet a filter; remembered where it is worth it."""
    return int(await session.scalar(_COUNT, of.parameters | {"now": now}) or 0)


# The windows all run in the order of the index; what is left of a million people are a thousand fences.
_BUILD = text(
    f"""
WITH marks AS MATERIALIZED (
    SELECT email_address, subscriber_id, before_count, is_first, is_last FROM (
        SELECT email_address, subscriber_id, before_count, lead(bucket) OVER w IS NULL AS is_last,
               bucket IS DISTINCT FROM lag(bucket) OVER w AS is_first
        FROM (
            SELECT email_address, subscriber_id, place / {APART} AS bucket, row_number() OVER w - 1 AS before_count
            FROM (
                SELECT email_address, subscriber_id, activity, row_number() OVER w - 1 AS place
                FROM action_subscribers WHERE owner_id = :owner AND action_id = :action
                WINDOW w AS (ORDER BY email_address, subscriber_id)
            ) AS everybody WHERE {_MEETS}
            WINDOW w AS (ORDER BY email_address, subscriber_id)
        ) AS meeting
        WINDOW w AS (ORDER BY email_address, subscriber_id)
    ) AS each_one WHERE is_first OR is_last
), fences AS (
    INSERT INTO people_fences (owner_id, action_id, bits, is_any, before_count, email_address, subscriber_id)
    SELECT :owner, :action, :bits, :any, before_count, email_address, subscriber_id FROM marks WHERE is_first
)
INSERT INTO people_counts (owner_id, action_id, bits, is_any, version, people_count, has_fences, built_at)
SELECT :owner, :action, :bits, :any, version,
       coalesce((SELECT before_count + 1 FROM marks WHERE is_last), 0), true, :now FROM ({_VERSION}) AS v
ON CONFLICT (owner_id, action_id, bits, is_any) DO UPDATE SET version = excluded.version,
    people_count = excluded.people_count, has_fences = true, built_at = excluded.built_at
"""  # noqa: S608
)
_MAKE_ROOM = text(
    f"""
WITH old AS (
    SELECT action_id, bits, is_any FROM people_counts WHERE owner_id = :owner
    ORDER BY built_at DESC OFFSET {KEPT} FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM people_counts c USING old
    WHERE c.owner_id = :owner AND (c.action_id, c.bits, c.is_any) = (old.action_id, old.bits, old.is_any)
)
DELETE FROM people_fences f USING old
WHERE f.owner_id = :owner AND (f.action_id, f.bits, f.is_any) = (old.action_id, old.bits, old.is_any)
"""  # noqa: S608
)


async def build_fences(session: AsyncSession, of: Filtered, *, now: datetime) -> bool:
    """Count the people of a filter and set fences among them; False: somebody else is at it.

    One snapshot tells version, number and fences, so that they are of one moment whoever writes meanwhile.
    """
    lock = {"space": BUILD_SPACE, "key": hash((of.owner_id, of.action_id, of.bits, of.is_any)) % 2**31}
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:space, :key)"), lock):
        return False
    await session.execute(text(f"DELETE FROM people_fences WHERE {_THIS}"), of.parameters)  # noqa: S608
    await session.execute(_BUILD, of.parameters | {"now": now})
    await session.execute(_MAKE_ROOM, {"owner": of.owner_id})
    return True
