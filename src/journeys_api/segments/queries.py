"""SQL of segments."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    any_,
    column,
    delete,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import Segment, Subscriber


def owned_segments(owner_id: int) -> Select[Segment]:
    """The only way to a segment: whatever is built on this stays within one account."""
    return select(Segment).where(Segment.owner_id == owner_id)


def _array(ids: Collection[int]) -> ColumnElement[Any]:
    return any_(literal(sorted(ids), ARRAY(BigInteger)))


async def segments_by_id(session: AsyncSession, *, owner_id: int, segment_ids: Collection[int]) -> Sequence[Segment]:
    """Those of the segments that are the account's, in one statement."""
    found = owned_segments(owner_id).where(Segment.segment_id == _array(segment_ids)).order_by(Segment.segment_id)
    return (await session.scalars(found)).all()


_ORDERS: dict[str, ColumnElement[Any]] = {
    "name": func.lower(Segment.name),
    "segment_id": Segment.segment_id.expression,
    "operator": Segment.operator.expression,
    "subscriber_count": func.coalesce(Segment.subscriber_count, 0),
    "counted_at": func.coalesce(Segment.counted_at, text("'-infinity'::timestamptz")),
}


async def segments_of_list(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    segment_id: int | None,
    order_by: str,
    descending: bool,
) -> list[Segment]:
    """The segments of a list in a total order: by a key of `_ORDERS` (any other: by name), ties by id."""
    order = _ORDERS.get(order_by, _ORDERS["name"])
    found = owned_segments(owner_id).where(Segment.list_id == list_id)
    if segment_id is not None:
        found = found.where(Segment.segment_id == segment_id)
    by_id = Segment.segment_id
    found = found.order_by(order.desc(), by_id.desc()) if descending else found.order_by(order, by_id)
    return list(await session.scalars(found.execution_options(populate_existing=True)))


async def segment_for_update(session: AsyncSession, *, owner_id: int, segment_id: int) -> Segment | None:
    """The account's segment, locked until the transaction ends."""
    found = owned_segments(owner_id).where(Segment.segment_id == segment_id).with_for_update()
    return await session.scalar(found.execution_options(populate_existing=True))


async def count_matching(
    session: AsyncSession, *, owner_id: int, list_id: int, conditions: Mapping[int, ColumnElement[bool]]
) -> dict[int, int]:
    """How many subscribers of the list each condition over `Subscriber` matches, in one pass over the list.

    A list of ten million takes some seconds a simple condition: the usual limit of a statement is lifted.
    """
    if not conditions:
        return {}
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    counts = [func.count().filter(condition) for condition in conditions.values()]
    statement = select(*counts).where(Subscriber.owner_id == owner_id, Subscriber.list_id == list_id)
    row = (await session.execute(statement)).one()
    return dict(zip(conditions, row, strict=True))


async def keep_counts(session: AsyncSession, *, owner_id: int, counts: Mapping[int, int], now: datetime) -> None:
    """Remember how many belong to segments; one that somebody else is just changing is passed over."""
    # whoever changes a segment need not wait for those who only look at it, and two who look never wait in a circle
    free = await session.scalars(
        owned_segments(owner_id)
        .with_only_columns(Segment.segment_id)
        .where(Segment.segment_id == _array(counts))
        .with_for_update(skip_locked=True)
    )
    kept = {segment_id: counts[segment_id] for segment_id in free}
    given = func.unnest(literal(list(kept), ARRAY(BigInteger)), literal(list(kept.values()), ARRAY(BigInteger)))
    rows = given.table_valued(column("segment_id", BigInteger), column("people", BigInteger), name="given")
    rows = rows.render_derived()
    await session.execute(
        update(Segment)
        .where(Segment.owner_id == owner_id, Segment.segment_id == rows.c.segment_id)
        .values(subscriber_count=rows.c.people, counted_at=now)
        .execution_options(synchronize_session=False)
    )


async def segments_holding(
    session: AsyncSession, *, owner_id: int, subscriber: Subscriber, conditions: Mapping[int, ColumnElement[bool]]
) -> list[int]:
    """Those of the segments, by their conditions over `Subscriber`, that one person belongs to.

    A random segment draws its sample from the whole list for it, so the usual limit of a statement is lifted.
    """
    if not conditions:
        return []
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    statement = select(*conditions.values()).where(
        Subscriber.owner_id == owner_id, Subscriber.subscriber_id == subscriber.subscriber_id
    )
    row = (await session.execute(statement)).one_or_none()
    return [segment_id for segment_id, belongs in zip(conditions, row or (), strict=False) if belongs]


async def delete_segments(session: AsyncSession, *, owner_id: int, segment_ids: Collection[int]) -> None:
    """Delete those of the segments that are the account's."""
    doomed = delete(Segment).where(Segment.owner_id == owner_id, Segment.segment_id == _array(segment_ids))
    await session.execute(doomed.execution_options(synchronize_session=False))
