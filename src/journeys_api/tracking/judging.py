"""Judging visits of tracked links: which are people's, which are machines'; then they become facts.

A scanner that fetches every link of a mail shows itself only by its second link, so whatever is a link waits before it
is judged; pictures do not. Nothing is judged by the time since sending: who opens at once may well be a person.

Source: rulings 8; reliability S95.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.activities.service import Fact, record_facts
from journeys_api.models import ActivityKind
from journeys_api.tracking.visitors import proxy_named

HITS_LOCK = 0x4A5B0001
BURST = timedelta(seconds=1)
"""Two links of one message within this time are a machine's."""
CLICKS_WAIT = BURST + timedelta(seconds=1)
"""How old a click is when it is judged: a burst, and a second for the other link's transaction to end."""
MOST = 5_000
BY_BURST = "several links at once"

_RIPE = text(
    f"""
SELECT hit_id FROM tracking_hits
WHERE kind = 'opened' OR automated IS NOT NULL OR occurred_at <= CAST(:ripe AS timestamptz)
ORDER BY hit_id LIMIT {MOST}
"""  # noqa: S608 (a constant of ours)
)
_TAKE = text(
    """
WITH picked AS MATERIALIZED (
    SELECT hit_id FROM unnest(CAST(:hits AS bigint[])) AS wanted(hit_id)
), judged AS MATERIALIZED (
    SELECT h.*, h.kind <> 'opened' AND (EXISTS (
        SELECT FROM tracking_hits o WHERE o.owner_id = h.owner_id AND o.delivery_id = h.delivery_id
        AND o.kind <> 'opened' AND o.target <> h.target
        AND o.occurred_at > h.occurred_at - CAST(:burst AS interval)
        AND o.occurred_at < h.occurred_at + CAST(:burst AS interval)
    ) OR EXISTS (
        SELECT FROM message_activities o WHERE o.owner_id = h.owner_id AND o.delivery_id = h.delivery_id
        AND o.kind IN ('clicked', 'browser_viewed') AND coalesce(o.detail ->> 'target', '') <> h.target
        AND o.occurred_at > h.occurred_at - CAST(:burst AS interval)
        AND o.occurred_at < h.occurred_at + CAST(:burst AS interval)
    )) AS is_burst
    FROM picked JOIN tracking_hits h USING (hit_id)
)
DELETE FROM tracking_hits h USING judged WHERE h.hit_id = judged.hit_id
RETURNING h.hit_id, h.owner_id, h.delivery_id, h.kind, h.target, h.automated, h.ip_address, h.user_agent,
          h.occurred_at, judged.is_burst
"""
)


async def is_ours_to_judge(session: AsyncSession) -> bool:
    """Whether no other worker judges; none does until the transaction ends.

    One at a time, so that the links of one message are seen together.
    """
    return bool(await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": HITS_LOCK}))


async def ripe_hits(session: AsyncSession, *, now: datetime) -> list[int]:
    """Ids of the visits that may be judged, at most `MOST`, the oldest first."""
    return list(await session.scalars(_RIPE, {"ripe": now - CLICKS_WAIT}))


async def record_hits(session: AsyncSession, hit_ids: Sequence[int], *, now: datetime) -> int:
    """Judge visits and record them as facts; how many there still were. Call it where `is_ours_to_judge`."""
    rows = await session.execute(_TAKE, {"hits": list(hit_ids), "burst": BURST})
    hits = sorted(rows.all(), key=lambda row: (row.occurred_at, row.hit_id))
    await record_facts(session, [_fact(hit) for hit in hits], now=now)
    return len(hits)


def _fact(hit: Row[Any]) -> Fact:
    seen = {
        "target": hit.target,
        "ip": hit.ip_address,
        "user_agent": hit.user_agent,
        "proxy": proxy_named(hit.user_agent) if hit.kind == ActivityKind.OPENED.value else None,
    }
    return Fact(
        owner_id=hit.owner_id,
        delivery_id=hit.delivery_id,
        kind=ActivityKind(hit.kind),
        occurred_at=hit.occurred_at,
        automated=hit.automated or (BY_BURST if hit.is_burst else None),
        detail={name: value for name, value in seen.items() if value},
    )
