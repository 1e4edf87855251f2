"""SQL of website events."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists.errors import ListNotFound
from journeys_api.models import WebsiteEvent, WebsiteEventProperty

MOST_NAMES = 10_000
"""Pairs of event and property that are remembered of a list, and in one answer; one call may exceed it a little."""


def owned_events(owner_id: int) -> Select[WebsiteEvent]:
    """The only way to an event: whatever is built on this stays within one account."""
    return select(WebsiteEvent).where(WebsiteEvent.owner_id == owner_id)


async def last_identified(session: AsyncSession, *, owner_id: int, uuid: str) -> tuple[int, int] | None:
    """List and subscriber of the latest event of this visitor id that had one; by index."""
    found = await session.scalar(
        owned_events(owner_id)
        .where(WebsiteEvent.uuid == uuid, WebsiteEvent.uuid != "", WebsiteEvent.subscriber_id.is_not(None))
        .order_by(WebsiteEvent.event_id.desc())
        .limit(1)
    )
    if found is None or found.list_id is None or found.subscriber_id is None:
        return None
    return found.list_id, found.subscriber_id


async def insert_events(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Keep events in one statement; for each whether it is new.

    What is there already is an event with the same key, and a conversion that its subscriber has, also one that is
    being kept just now.

    Args:
        rows: with one set of columns; no two of them with the same key.

    Raises:
        ListNotFound: the list, or the subscriber with it, was deleted a moment ago.
    """
    if not rows:
        return []
    statement = (
        insert(WebsiteEvent)
        .values([dict(row) for row in rows])
        .on_conflict_do_nothing()
        .returning(WebsiteEvent.event_key, WebsiteEvent.conversion_id)
    )
    try:
        new = (await session.execute(statement)).all()
    except IntegrityError:
        raise ListNotFound from None
    keys, conversions = {row.event_key for row in new}, {row.conversion_id for row in new}
    return [
        row["event_key"] in keys
        if row["event_key"] is not None
        else row["conversion_id"] is None or row["conversion_id"] in conversions
        for row in rows
    ]


async def lock_person(session: AsyncSession, *, owner_id: int, address: str) -> None:
    """Have what others report of the person, on whichever list, wait until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(lower(:address), :owner))"),
        {"address": address, "owner": owner_id},
    )


async def conversions_of(
    session: AsyncSession, *, owner_id: int, subscriber_ids: Collection[int], conversion_ids: Collection[str]
) -> set[str]:
    """Which of these conversions one of the subscribers has; by index."""
    found = await session.scalars(
        owned_events(owner_id)
        .where(WebsiteEvent.subscriber_id.in_(list(subscriber_ids)))
        .where(WebsiteEvent.conversion_id.in_(list(conversion_ids)))
        .with_only_columns(WebsiteEvent.conversion_id)
    )
    return {conversion_id for conversion_id in found if conversion_id is not None}


_NOTE_NAMES = text(
    f"""
INSERT INTO website_event_properties (owner_id, list_id, event_name, property)
SELECT :owner, :list, w.event_name, w.property
FROM unnest(CAST(:events AS text[]), CAST(:properties AS text[])) AS w(event_name, property)
WHERE (
    SELECT count(*) FROM (SELECT FROM website_event_properties WHERE list_id = :list LIMIT {MOST_NAMES}) AS known
) < {MOST_NAMES}
ON CONFLICT DO NOTHING
"""  # noqa: S608 (a number of ours)
)


async def note_names(session: AsyncSession, *, owner_id: int, list_id: int, names: Collection[tuple[str, str]]) -> None:
    """Remember (event, property) pairs of a list, unless it has as many as anybody is told: browsers make them up.

    In order, so that two calls never wait in a circle.
    """
    if names:
        await session.execute(
            _NOTE_NAMES,
            {
                "owner": owner_id,
                "list": list_id,
                "events": [event for event, _ in sorted(names)],
                "properties": [name for _, name in sorted(names)],
            },
        )


async def names_of_list(session: AsyncSession, *, owner_id: int, list_id: int) -> Sequence[tuple[str, str]]:
    """Event and property of every name remembered for a list, up to a bound."""
    rows = await session.execute(
        select(WebsiteEventProperty.event_name, WebsiteEventProperty.property)
        .where(WebsiteEventProperty.owner_id == owner_id, WebsiteEventProperty.list_id == list_id)
        .order_by(WebsiteEventProperty.event_name, WebsiteEventProperty.property)
        .limit(MOST_NAMES)
    )
    return [(row.event_name, row.property) for row in rows]
