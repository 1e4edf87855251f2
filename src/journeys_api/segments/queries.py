"""SQL of segments."""

from collections.abc import Collection, Sequence

from sqlalchemy import BigInteger, Select, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import Segment


def owned_segments(owner_id: int) -> Select[Segment]:
    """The only way to a segment: whatever is built on this stays within one account."""
    return select(Segment).where(Segment.owner_id == owner_id)


async def segments_by_id(session: AsyncSession, *, owner_id: int, segment_ids: Collection[int]) -> Sequence[Segment]:
    """Those of the segments that are the account's, in one statement."""
    wanted = Segment.segment_id == any_(literal(sorted(segment_ids), ARRAY(BigInteger)))
    return (await session.scalars(owned_segments(owner_id).where(wanted).order_by(Segment.segment_id))).all()
