"""Visits of tracked links as they come in: kept until they are judged, and in the database once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import ActivityKind

CHANNEL = "journeys_hits"
"""Where workers are told of new hits; a hint, they look by themselves within a second."""


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


async def is_committed(session: AsyncSession, mark: Mark, *, now: datetime) -> bool:
    """Whether the batch is in the database, if it is the last of its writer; waits for it when it is just being
    committed."""
    # an insertion waits for the writer's first batch, too, of which nothing can be seen yet
    found = await session.scalar(
        text(
            "INSERT INTO hit_writers (writer, last_batch, written_at) VALUES (:writer, 0, :now) "
            "ON CONFLICT (writer) DO UPDATE SET last_batch = hit_writers.last_batch RETURNING last_batch"
        ),
        {"writer": mark.writer, "now": now},
    )
    return int(found) >= mark.number


async def is_first_replay(session: AsyncSession, file_name: str, *, now: datetime) -> bool:
    """Whether a file of hits was never brought in before; from this transaction on it was."""
    row = await session.execute(
        text(
            "INSERT INTO spooled_files (name, replayed_at) VALUES (:name, :now) ON CONFLICT DO NOTHING RETURNING name"
        ),
        {"name": file_name, "now": now},
    )
    return row.first() is not None


async def forget_replays(session: AsyncSession, *, before: datetime) -> None:
    """Forget processes that have not written since, and files that were brought in before."""
    await session.execute(text("DELETE FROM hit_writers WHERE written_at < :before"), {"before": before})
    await session.execute(text("DELETE FROM spooled_files WHERE replayed_at < :before"), {"before": before})
