"""SQL of lists."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Update,
    any_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from journeys_api.models import (
    BounceType,
    CustomField,
    Email,
    Segment,
    Subscriber,
    SubscriberList,
    SubscriberTag,
    SubscriptionStatus,
    Suppression,
    Tag,
    User,
    UserGroup,
    WebsiteEvent,
)

LINKS = ("opt_out_subscribe_to", "opt_out_unsubscribe_from", "opt_in_subscribe_to", "opt_in_unsubscribe_from")
"""Columns that name another list; 0: none."""


def owned_lists(owner_id: int) -> Select[SubscriberList]:
    """The only way to a list: whatever is built on this stays within one account."""
    return select(SubscriberList).where(SubscriberList.owner_id == owner_id)


def _array(ids: Sequence[int]) -> ColumnElement[Any]:
    # one bind whatever the number: an IN of 33,000 ids is more than the protocol's parameters
    return any_(literal(list(ids), ARRAY(BigInteger)))


async def group_of_owner(session: AsyncSession, *, owner_id: int) -> UserGroup:
    """The group whose limits the account's lists keep."""
    statement = select(UserGroup).join(User, User.group_id == UserGroup.group_id).where(User.user_id == owner_id)
    return (await session.scalars(statement)).one()


async def lock_owner(session: AsyncSession, *, owner_id: int) -> None:
    """Make calls that count something of one account wait for each other; inserts of its other rows do not wait."""
    await session.execute(select(User.user_id).where(User.user_id == owner_id).with_for_update(key_share=True))


async def count_lists(session: AsyncSession, *, owner_id: int) -> int:
    """How many lists the account has, archived ones included."""
    return (await session.execute(owned_lists(owner_id).with_only_columns(func.count()))).scalar_one()


async def email_exists(session: AsyncSession, *, owner_id: int, email_id: int) -> bool:
    """Whether the account has this email content."""
    statement = select(Email.email_id).where(
        Email.owner_id == owner_id, Email.email_id == email_id, Email.deleted_at.is_(None)
    )
    return await session.scalar(statement) is not None


async def field_for_list(session: AsyncSession, *, owner_id: int, list_id: int, field_id: int) -> bool:
    """Whether the field is the list's or a global one; it cannot be deleted before the transaction ends."""
    statement = select(CustomField.field_id).where(
        CustomField.owner_id == owner_id, CustomField.field_id == field_id, CustomField.list_id.in_((0, list_id))
    )
    return await session.scalar(statement.with_for_update(read=True, key_share=True)) is not None


async def clear_phone_fields(session: AsyncSession, *, owner_id: int, field_ids: Sequence[int]) -> None:
    """Set the telephone field to none where it is one of these."""
    statement = update(SubscriberList).where(
        SubscriberList.owner_id == owner_id, SubscriberList.phone_field_id == _array(field_ids)
    )
    await session.execute(statement.values(phone_field_id=0).execution_options(synchronize_session=False))


async def lock_known_lists(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int]) -> set[int]:
    """Which of the ids are lists of the account; none of those is deleted before the transaction ends."""
    statement = owned_lists(owner_id).where(SubscriberList.list_id == _array(list_ids))
    statement = statement.order_by(SubscriberList.list_id).with_for_update(read=True, key_share=True)
    return set(await session.scalars(statement.with_only_columns(SubscriberList.list_id)))


def _active_counts(owner_id: int) -> Select[int, int]:
    return (
        select(Subscriber.list_id, func.count().label("active"))
        .where(
            Subscriber.owner_id == owner_id,
            Subscriber.status == SubscriptionStatus.SUBSCRIBED,
            Subscriber.bounce_type != BounceType.HARD,
        )
        .group_by(Subscriber.list_id)
    )


async def active_counts(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int]) -> dict[int, int]:
    """Active subscribers (Subscribed and not hard-bounced) of each list that has any.

    One pass over `ix_subscribers_list_id_status`: some 0.4 s for a million subscribers.
    """
    rows = await session.execute(_active_counts(owner_id).where(Subscriber.list_id == _array(list_ids)))
    return {row.list_id: row.active for row in rows}


def _segment_counts(owner_id: int) -> Select[int, int]:
    counts = select(Segment.list_id, func.count().label("segments")).where(Segment.owner_id == owner_id)
    return counts.group_by(Segment.list_id)


async def segment_counts(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int]) -> dict[int, int]:
    """How many segments each list has that has any."""
    rows = await session.execute(_segment_counts(owner_id).where(Segment.list_id == _array(list_ids)))
    return {row.list_id: row.segments for row in rows}


async def page_of_lists(
    session: AsyncSession,
    *,
    owner_id: int,
    search: str,
    is_archived: bool | None,
    order_by: str,
    descending: bool,
    first: int,
    most: int,
) -> tuple[list[SubscriberList], int]:
    """A page of the account's lists in a total order, and how many pass the filter.

    Args:
        search: part of name or description, without case; "" for all.
        is_archived: None for both kinds.
        order_by: a key of `_ORDERS`; `active_count` or `segment_count`, which have to count every list first; anything
            else: by id.
    """
    lists = owned_lists(owner_id)
    if search:
        lists = lists.where(
            or_(
                SubscriberList.name.icontains(search, autoescape=True),
                SubscriberList.description.icontains(search, autoescape=True),
            )
        )
    if is_archived is not None:
        lists = lists.where(SubscriberList.archived_at.is_not(None) == is_archived)
    total = (await session.execute(lists.with_only_columns(func.count()))).scalar_one()

    order: ColumnElement[Any]
    if order_by == "active_count":
        counts = _active_counts(owner_id).subquery()
        lists = lists.outerjoin(counts, counts.c.list_id == SubscriberList.list_id)
        order = func.coalesce(counts.c.active, 0)
    elif order_by == "segment_count":
        segments = _segment_counts(owner_id).subquery()
        lists = lists.outerjoin(segments, segments.c.list_id == SubscriberList.list_id)
        order = func.coalesce(segments.c.segments, 0)
    else:
        order = _ORDERS.get(order_by, _ORDERS["list_id"])
    by_id = SubscriberList.list_id
    lists = lists.order_by(order.desc(), by_id.desc()) if descending else lists.order_by(order, by_id)
    return list(await session.scalars(lists.offset(first).limit(most))), total


_ORDERS: dict[str, ColumnElement[Any]] = {
    "list_id": SubscriberList.list_id.expression,
    "name": func.lower(SubscriberList.name),
    "created_at": SubscriberList.created_at.expression,
    "archived_at": SubscriberList.archived_at.expression,
}


async def fields_of(
    session: AsyncSession, *, owner_id: int, list_ids: Sequence[int], most: int
) -> Sequence[CustomField]:
    """The custom fields of lists (0: the global ones) by id, as far as a picker needs them."""
    statement = select(CustomField).where(CustomField.owner_id == owner_id, CustomField.list_id == _array(list_ids))
    columns = (
        *(CustomField.field_id, CustomField.list_id, CustomField.field_name, CustomField.field_type),
        *(CustomField.data_type, CustomField.choices, CustomField.validation_method, CustomField.merge_tag_alias),
    )
    statement = statement.options(load_only(*columns, raiseload=True)).order_by(CustomField.field_id)
    return (await session.scalars(statement.limit(most))).all()


async def segments_of(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int], most: int) -> Sequence[Segment]:
    """The segments of lists by id, without their rules."""
    statement = select(Segment).where(Segment.owner_id == owner_id, Segment.list_id == _array(list_ids))
    columns = (Segment.segment_id, Segment.list_id, Segment.name, Segment.operator)
    statement = statement.options(load_only(*columns, raiseload=True)).order_by(Segment.segment_id)
    return (await session.scalars(statement.limit(most))).all()


async def tags_of(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int], most: int) -> Sequence[Tag]:
    """The tags of lists by name."""
    statement = select(Tag).where(Tag.owner_id == owner_id, Tag.list_id == _array(list_ids))
    statement = statement.options(load_only(Tag.tag_id, Tag.list_id, Tag.name, raiseload=True))
    return (await session.scalars(statement.order_by(func.lower(Tag.name), Tag.tag_id).limit(most))).all()


async def lists_for_deletion(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int]) -> list[int]:
    """Those of the ids that are the account's, locked against new subscribers, fields and tags."""
    statement = owned_lists(owner_id).where(SubscriberList.list_id == _array(list_ids))
    statement = statement.order_by(SubscriberList.list_id).with_for_update()
    return list(await session.scalars(statement.with_only_columns(SubscriberList.list_id)))


def on_lists(owner_id: int, list_ids: Sequence[int]) -> ColumnElement[bool]:
    """The subscribers of some lists."""
    return (Subscriber.owner_id == owner_id) & (Subscriber.list_id == _array(list_ids))


async def delete_lists(session: AsyncSession, *, owner_id: int, list_ids: Sequence[int]) -> None:
    """Remove lists (already known to be the account's) and all that belongs to them.

    Children first and set by set, so that the cascades of the foreign keys find nothing left to do. A list of a million
    takes some 10 s, at the usual limit of a statement or past it: the limit is lifted until the transaction ends.
    """
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    doomed = _array(list_ids)
    tags = select(Tag.tag_id).where(Tag.owner_id == owner_id, Tag.list_id == doomed)
    for statement in (
        delete(SubscriberTag).where(SubscriberTag.owner_id == owner_id, SubscriberTag.tag_id.in_(tags)),
        delete(WebsiteEvent).where(WebsiteEvent.owner_id == owner_id, WebsiteEvent.list_id == doomed),
        delete(Subscriber).where(on_lists(owner_id, list_ids)),
        delete(Tag).where(Tag.owner_id == owner_id, Tag.list_id == doomed),
        delete(Segment).where(Segment.owner_id == owner_id, Segment.list_id == doomed),
        delete(CustomField).where(CustomField.owner_id == owner_id, CustomField.list_id == doomed),
        delete(Suppression).where(Suppression.owner_id == owner_id, Suppression.list_id == doomed),
        # last of all: to these lists somebody may still come, who would wait for us
        _unlinking(owner_id, doomed),
        delete(SubscriberList).where(SubscriberList.owner_id == owner_id, SubscriberList.list_id == doomed),
    ):
        # nothing of these rows is in the session; the default would fetch the key of every deleted subscriber
        await session.execute(statement.execution_options(synchronize_session=False))


def _unlinking(owner_id: int, doomed: ColumnElement[Any]) -> Update:
    links = [getattr(SubscriberList, name) for name in LINKS]
    leading_there = update(SubscriberList).where(
        SubscriberList.owner_id == owner_id, or_(*(link == doomed for link in links))
    )
    return leading_there.values({link: case((link == doomed, 0), else_=link) for link in links})
