"""Rules of tags."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert

from journeys_api import trigger_events
from journeys_api.lists import service as lists
from journeys_api.models import SubscriberTag, Tag
from journeys_api.tags import queries
from journeys_api.tags.errors import TagNameTaken, TagNotFound
from journeys_api.tags.queries import SubscriberIds

__all__ = [
    "SubscriberIds",
    "count_carriers",
    "create_tag",
    "delete_tags",
    "ensure_tags",
    "get_tag",
    "tag_pairs",
    "tag_subscribers",
    "tags_of",
    "tags_of_list",
    "untag_others",
    "untag_subscribers",
    "update_tag",
]


async def get_tag(session: AsyncSession, *, owner_id: int, tag_id: int) -> Tag:
    """The account's tag, of whichever list.

    Raises:
        TagNotFound: no such tag in this account.
    """
    found = await session.scalar(queries.owned_tags(owner_id).where(Tag.tag_id == tag_id))
    if found is None:
        raise TagNotFound
    return found


async def tags_of_list(
    session: AsyncSession, *, owner_id: int, list_id: int, order_by: str, descending: bool
) -> list[Tag]:
    """The tags of a list.

    Args:
        order_by: `name`, `tag_id` or `created_at`; ties by id.

    Raises:
        ListNotFound: no such list in this account.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    return await queries.tags_of_list(
        session, owner_id=owner_id, list_id=list_id, order_by=order_by, descending=descending
    )


async def count_carriers(session: AsyncSession, *, tags: Sequence[Tag]) -> dict[int, int]:
    """How many subscribers carry each of the tags; a tag that nobody carries is absent."""
    return await queries.subscriber_counts(session, tag_ids=[tag.tag_id for tag in tags])


async def create_tag(
    session: AsyncSession, *, owner_id: int, list_id: int, name: str, description: str, now: datetime
) -> int:
    """Make a tag of a list; its id. The name is kept as given and compared without case.

    Raises:
        ListNotFound: no such list in this account.
        TagNameTaken: the list has a tag of that name.
    """
    # held until the end, so that the list cannot be deleted between this look and the insert
    await lists.get_list(session, owner_id=owner_id, list_id=list_id, for_update=True)
    tag_id = await queries.insert_tag(
        session, owner_id=owner_id, list_id=list_id, name=name, description=description, now=now
    )
    if tag_id is None:
        raise TagNameTaken
    return tag_id


async def update_tag(
    session: AsyncSession, *, owner_id: int, list_id: int, tag_id: int, name: str | None, description: str | None
) -> Tag:
    """Rename or describe a tag; None leaves what is stored.

    Raises:
        ListNotFound: no such list in this account.
        TagNotFound: no such tag on that list.
        TagNameTaken: another tag of the list has that name.
    """
    # whoever names a tag of this list, here or in create_tag, holds the list
    await lists.get_list(session, owner_id=owner_id, list_id=list_id, for_update=True)
    tags = queries.owned_tags(owner_id).where(Tag.list_id == list_id, Tag.tag_id == tag_id)
    changed = await session.scalar(tags.with_for_update(key_share=True))
    if changed is None:
        raise TagNotFound
    if name is not None:
        if await queries.name_is_taken(session, owner_id=owner_id, list_id=list_id, name=name, but=tag_id):
            raise TagNameTaken
        changed.name = name
    if description is not None:
        changed.description = description
    await session.flush()
    return changed


async def delete_tags(session: AsyncSession, *, owner_id: int, list_id: int, tag_ids: Sequence[int]) -> None:
    """Remove tags of a list and take them off everybody; ids that are not the list's are skipped.

    No UnTag event comes of it: a journey that waited for the tag has nothing left to wait for.

    Raises:
        ListNotFound: no such list in this account.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    await queries.delete_tags(session, owner_id=owner_id, list_id=list_id, tag_ids=tag_ids)


async def tags_of(session: AsyncSession, *, owner_id: int, subscriber_ids: Sequence[int]) -> dict[int, list[Tag]]:
    """The tags of each subscriber asked for, by name; an empty list for whoever has none. One statement."""
    found: dict[int, list[Tag]] = {subscriber_id: [] for subscriber_id in subscriber_ids}
    if found:
        for subscriber_id, tag in await session.execute(queries.tags_of(owner_id, list(found))):
            found[subscriber_id].append(tag)
    return found


async def tag_subscribers(
    session: AsyncSession,
    *,
    owner_id: int,
    tag_ids: Sequence[int],
    subscriber_ids: SubscriberIds,
    now: datetime,
    depth: int | None = None,
) -> list[tuple[int, int]]:
    """Give tags to subscribers; the pairs `(tag_id, subscriber_id)` that are new, in no particular order.

    Who is not on a tag's list does not get it, whoever carries it already is not named, and ids of other accounts
    name nobody. One statement whatever the number.

    Args:
        subscriber_ids: ids, or a `select(Subscriber.subscriber_id)` built on the owner's subscribers. A million people
            cost some 30 s, for which the usual limit of a statement is lifted until the transaction ends, and a list
            of a million pairs.
        depth: how deep in a chain of journeys it happens, for the `Tag` events of the new pairs; None: no event.
    """
    await queries.allow_time(session, subscriber_ids)
    setting = queries.setting_tags(owner_id, tag_ids=tag_ids, subscriber_ids=subscriber_ids, now=now)
    changing = setting.returning(SubscriberTag.tag_id, SubscriberTag.subscriber_id)
    return await _change(session, "Tag", changing, owner_id=owner_id, now=now, depth=depth)


async def untag_subscribers(
    session: AsyncSession,
    *,
    owner_id: int,
    tag_ids: Sequence[int],
    subscriber_ids: SubscriberIds,
    now: datetime,
    depth: int | None = None,
) -> list[tuple[int, int]]:
    """Take tags off subscribers; the pairs `(tag_id, subscriber_id)` that were there. Journeys go on for them.

    Args:
        subscriber_ids: as for `tag_subscribers`; a million people cost some 10 s.
        depth: as for `tag_subscribers`, for `UnTag` events.
    """
    await queries.allow_time(session, subscriber_ids)
    removing = queries.removing_tags(owner_id, tag_ids=tag_ids, subscriber_ids=subscriber_ids)
    changing = removing.returning(SubscriberTag.tag_id, SubscriberTag.subscriber_id)
    return await _change(session, "UnTag", changing, owner_id=owner_id, now=now, depth=depth)


async def ensure_tags(
    session: AsyncSession, *, owner_id: int, list_id: int, names: Collection[str], now: datetime
) -> dict[str, int]:
    """The ids of a list's tags by the names as given; those that it lacks are made. Two statements.

    Raises:
        ListNotFound: no such list in this account.
    """
    # whoever names a tag of this list holds the list
    await lists.get_list(session, owner_id=owner_id, list_id=list_id, for_update=True)
    return await queries.ensure_tags(session, owner_id=owner_id, list_id=list_id, names=names, now=now)


async def tag_pairs(
    session: AsyncSession, *, owner_id: int, pairs: Sequence[tuple[int, int]], now: datetime, depth: int | None = None
) -> list[tuple[int, int]]:
    """Give each subscriber their own tags; as `tag_subscribers`, for pairs `(tag_id, subscriber_id)`."""
    if not pairs:
        return []
    setting = queries.setting_pairs(owner_id, pairs=pairs, now=now)
    changing = setting.returning(SubscriberTag.tag_id, SubscriberTag.subscriber_id)
    return await _change(session, "Tag", changing, owner_id=owner_id, now=now, depth=depth)


async def untag_others(
    session: AsyncSession,
    *,
    owner_id: int,
    subscriber_ids: Sequence[int],
    keeping: Sequence[tuple[int, int]],
    now: datetime,
    depth: int | None = None,
) -> list[tuple[int, int]]:
    """Take every tag off subscribers but those of the pairs `(tag_id, subscriber_id)`; as `untag_subscribers`."""
    if not subscriber_ids:
        return []
    removing = queries.removing_others(owner_id, subscriber_ids=subscriber_ids, keeping=keeping)
    changing = removing.returning(SubscriberTag.tag_id, SubscriberTag.subscriber_id)
    return await _change(session, "UnTag", changing, owner_id=owner_id, now=now, depth=depth)


async def _change(
    session: AsyncSession,
    kind: str,
    changing: ReturningInsert[int, int] | ReturningDelete[int, int],
    *,
    owner_id: int,
    now: datetime,
    depth: int | None,
) -> list[tuple[int, int]]:
    """Run a statement that returns (tag, subscriber) pairs, and record its events from the same rows."""
    changed = changing.cte("changed")
    statement = select(changed.c.tag_id, changed.c.subscriber_id)
    if depth is not None:
        people = select(Tag.list_id, changed.c.subscriber_id, changed.c.tag_id).where(Tag.tag_id == changed.c.tag_id)
        recording = trigger_events.recording(kind, people, owner_id=owner_id, now=now, depth=depth)
        statement = statement.add_cte(recording.cte("recorded"))
        await trigger_events.wake(session)
    rows = await session.execute(statement)
    return [(row.tag_id, row.subscriber_id) for row in rows]
