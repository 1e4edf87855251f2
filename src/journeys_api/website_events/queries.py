"""SQL of website events."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists.errors import ListNotFound
from journeys_api.models import WebsiteEvent, WebsiteEventProperty

MOST_NAMES = 10_000
"""Pairs of event and property in one answer."""


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


async def insert_event(session: AsyncSession, row: Mapping[str, Any]) -> bool:
    """Keep an event; False for a conversion that its subscriber has already, also one that is being kept just now.

    Raises:
        ListNotFound: the list, or the subscriber with it, was deleted a moment ago.
    """
    statement = insert(WebsiteEvent).values(**row).on_conflict_do_nothing().returning(WebsiteEvent.event_id)
    try:
        return await session.scalar(statement) is not None
    except IntegrityError:
        raise ListNotFound from None


async def note_names(
    session: AsyncSession, *, owner_id: int, list_id: int, event_name: str, names: Collection[str]
) -> None:
    """Remember the properties that events of a name have. In order, so that two calls never wait in a circle."""
    rows = [
        {"owner_id": owner_id, "list_id": list_id, "event_name": event_name, "property": name} for name in sorted(names)
    ]
    if rows:
        await session.execute(insert(WebsiteEventProperty).values(rows).on_conflict_do_nothing())


async def names_of_list(session: AsyncSession, *, owner_id: int, list_id: int) -> Sequence[tuple[str, str]]:
    """Event and property of every name remembered for a list, up to a bound."""
    rows = await session.execute(
        select(WebsiteEventProperty.event_name, WebsiteEventProperty.property)
        .where(WebsiteEventProperty.owner_id == owner_id, WebsiteEventProperty.list_id == list_id)
        .order_by(WebsiteEventProperty.event_name, WebsiteEventProperty.property)
        .limit(MOST_NAMES)
    )
    return [(row.event_name, row.property) for row in rows]
