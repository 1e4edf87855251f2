"""Judging visits of tracked links: which are people's, which are machines'; then they become facts.

A scanner that fetches every link of a mail shows itself only by its second link, so whatever is a link waits before it
is judged; pictures do not. Nothing is judged by the time since sending: who opens at once may well be a person.

Source: rulings 8; reliability S95.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.activities.service import Fact, record_facts
from journeys_api.models import ActivityKind
from journeys_api.tracking.visitors import proxy_named

CHANNEL = "journeys_hits"
"""Where workers are told of new hits; a hint, they look by themselves within a second."""
HITS_LOCK = 0x4A5B0001
BURST = timedelta(seconds=1)
"""Two links of one message within this time are a machine's."""
CLICKS_WAIT = BURST + timedelta(seconds=1)
"""How old a click is when it is judged: a burst, and a second for the other link's transaction to end."""
MOST = 5_000
BY_BURST = "several links at once"

_TAKE = f"""
WITH picked AS MATERIALIZED (
    SELECT hit_id FROM tracking_hits
    WHERE kind = 'opened' OR automated IS NOT NULL OR occurred_at <= CAST(:ripe AS timestamptz)
    ORDER BY hit_id LIMIT {MOST}
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
"""  # noqa: S608 (a constant of ours)


async def record_hits(session: AsyncSession, *, now: datetime) -> int:
    """Judge what has come in, at most `MOST`, and record it; how many. 0 also when another worker is at it.

    One worker at a time, so that the links of one message are seen together.
    """
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": HITS_LOCK}):
        return 0
    rows = await session.execute(text(_TAKE), {"ripe": now - CLICKS_WAIT, "burst": BURST})
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


@dataclass(frozen=True, slots=True)
class Hit:
    """A visit of a tracked link that came in just now."""

    owner_id: int
    delivery_id: int
    kind: ActivityKind
    """OPENED, CLICKED or BROWSER_VIEWED."""
    occurred_at: datetime
    target: str = ""
    automated: str | None = None
    """Why the visitor is taken for a machine by itself; bursts are judged later."""
    ip_address: str = ""
    user_agent: str = ""


_INSERT = text(
    """
INSERT INTO tracking_hits (owner_id, delivery_id, kind, target, automated, ip_address, user_agent, occurred_at)
SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:deliveries AS bigint[]), CAST(:kinds AS text[]),
                     CAST(:targets AS text[]), CAST(:automated AS text[]), CAST(:addresses AS text[]),
                     CAST(:agents AS text[]), CAST(:instants AS timestamptz[]))
"""
)


async def insert_hits(session: AsyncSession, hits: Sequence[Hit]) -> None:
    """Keep hits until they are judged, and wake who judges them; one statement whatever their number."""
    if hits:
        await session.execute(
            _INSERT,
            {
                "owners": [hit.owner_id for hit in hits],
                "deliveries": [hit.delivery_id for hit in hits],
                "kinds": [hit.kind.value for hit in hits],
                "targets": [hit.target for hit in hits],
                "automated": [hit.automated for hit in hits],
                "addresses": [hit.ip_address for hit in hits],
                "agents": [hit.user_agent for hit in hits],
                "instants": [hit.occurred_at for hit in hits],
            },
        )
        await session.execute(text(f"NOTIFY {CHANNEL}"))


@dataclass(frozen=True, slots=True)
class Mark:
    """Names a batch of hits, so that whoever did not hear whether it was committed can look."""

    writer: str
    number: int
    """Each batch of a writer has a higher one than the batch before."""


async def leave_mark(session: AsyncSession, mark: Mark, *, now: datetime) -> None:
    """Write down, in the transaction that inserts a batch, that it is the last of its writer."""
    await session.execute(
        text(
            "INSERT INTO hit_writers (writer, last_batch, written_at) VALUES (:writer, :number, :now) "
            "ON CONFLICT (writer) DO UPDATE SET last_batch = excluded.last_batch, written_at = excluded.written_at"
        ),
        {"writer": mark.writer, "number": mark.number, "now": now},
    )


async def is_committed(session: AsyncSession, mark: Mark) -> bool:
    """Whether the batch is in the database, if it is the last of its writer; waits for it when it is just being
    committed."""
    found = await session.scalar(
        text("SELECT last_batch FROM hit_writers WHERE writer = :writer FOR UPDATE"), {"writer": mark.writer}
    )
    return found is not None and int(found) >= mark.number


async def is_first_replay(session: AsyncSession, file_name: str, *, now: datetime) -> bool:
    """Whether a file of hits was never brought in before; from this transaction on it was."""
    row = await session.execute(
        text(
            "INSERT INTO spooled_files (name, replayed_at) VALUES (:name, :now) ON CONFLICT DO NOTHING RETURNING name"
        ),
        {"name": file_name, "now": now},
    )
    return row.first() is not None


async def forget_writers(session: AsyncSession, *, before: datetime) -> None:
    """Forget processes that have not written since."""
    await session.execute(text("DELETE FROM hit_writers WHERE written_at < :before"), {"before": before})
