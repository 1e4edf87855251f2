"""SQL of tags."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Delete,
    FromClause,
    Select,
    TableValuedAlias,
    Text,
    and_,
    any_,
    column,
    delete,
    exists,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import Subscriber, SubscriberTag, Tag

SubscriberIds = Sequence[int] | Select[int]
"""Subscribers by their ids, or a statement that selects the ids: then none of them passes through this process."""


def owned_tags(owner_id: int) -> Select[Tag]:
    """The only way to a tag: whatever is built on this stays within one account."""
    return select(Tag).where(Tag.owner_id == owner_id)


def _array(ids: Sequence[int]) -> ColumnElement[Any]:
    return any_(literal(list(ids), ARRAY(BigInteger)))


def _among(column: ColumnElement[int], ids: SubscriberIds) -> ColumnElement[bool]:
    return column.in_(ids) if isinstance(ids, Select) else column == _array(ids)


async def allow_time(session: AsyncSession, subscriber_ids: SubscriberIds) -> None:
    """Lift the limit of a statement until the transaction ends, where a selection may name a whole list."""
    if isinstance(subscriber_ids, Select):
        await session.execute(text("SET LOCAL statement_timeout = '1h'"))


_ORDERS: dict[str, ColumnElement[Any]] = {
    "name": func.lower(Tag.name),
    "tag_id": Tag.tag_id.expression,
    "created_at": Tag.created_at.expression,
}


async def tags_of_list(
    session: AsyncSession, *, owner_id: int, list_id: int, order_by: str, descending: bool
) -> list[Tag]:
    """The tags of a list in a total order: by a key of `_ORDERS` (any other: by name), ties by id."""
    order = _ORDERS.get(order_by, _ORDERS["name"])
    tags = owned_tags(owner_id).where(Tag.list_id == list_id)
    tags = tags.order_by(order.desc(), Tag.tag_id.desc()) if descending else tags.order_by(order, Tag.tag_id)
    return list(await session.scalars(tags))


async def subscriber_counts(session: AsyncSession, *, tag_ids: Sequence[int]) -> dict[int, int]:
    """How many subscribers carry each tag that anybody carries.

    One pass over `ix_subscriber_tags_tag_id`: some 0.3 s for a million people with a tag.
    """
    rows = await session.execute(
        select(SubscriberTag.tag_id, func.count().label("carriers"))
        .where(SubscriberTag.tag_id == _array(tag_ids))
        .group_by(SubscriberTag.tag_id)
    )
    return {row.tag_id: row.carriers for row in rows}


async def insert_tag(
    session: AsyncSession, *, owner_id: int, list_id: int, name: str, description: str, now: datetime
) -> int | None:
    """A new tag's id; None when the list has one of that name, in any case."""
    statement = insert(Tag).values(
        owner_id=owner_id, list_id=list_id, name=name, description=description, created_at=now
    )
    return await session.scalar(statement.on_conflict_do_nothing().returning(Tag.tag_id))


async def name_is_taken(session: AsyncSession, *, owner_id: int, list_id: int, name: str, but: int) -> bool:
    """Whether another tag of the list has the name, in any case."""
    others = owned_tags(owner_id).where(
        Tag.list_id == list_id, func.lower(Tag.name) == func.lower(name), Tag.tag_id != but
    )
    return await session.scalar(others.with_only_columns(Tag.tag_id)) is not None


async def delete_tags(session: AsyncSession, *, owner_id: int, list_id: int, tag_ids: Sequence[int]) -> None:
    """Remove tags of a list and take them off everybody, set by set."""
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    doomed = owned_tags(owner_id).where(Tag.list_id == list_id, Tag.tag_id == _array(tag_ids))
    # the tag rows first: nobody can be given one of them any more, and every caller locks in one order
    locked = await session.scalars(doomed.with_only_columns(Tag.tag_id).order_by(Tag.tag_id).with_for_update())
    found = list(locked)
    for statement in (
        delete(SubscriberTag).where(SubscriberTag.owner_id == owner_id, SubscriberTag.tag_id == _array(found)),
        delete(Tag).where(Tag.owner_id == owner_id, Tag.tag_id == _array(found)),
    ):
        await session.execute(statement.execution_options(synchronize_session=False))


def tags_of(owner_id: int, subscriber_ids: Sequence[int]) -> Select[int, Tag]:
    """Pairs of a subscriber's id and a tag, by name of the tag."""
    return (
        select(SubscriberTag.subscriber_id, Tag)
        .join(Tag, and_(Tag.owner_id == SubscriberTag.owner_id, Tag.tag_id == SubscriberTag.tag_id))
        .where(SubscriberTag.owner_id == owner_id, SubscriberTag.subscriber_id == _array(subscriber_ids))
        .order_by(SubscriberTag.subscriber_id, func.lower(Tag.name), Tag.tag_id)
    )


def setting_tags(owner_id: int, *, tag_ids: Sequence[int], subscriber_ids: SubscriberIds, now: datetime) -> Insert:
    """Gives each tag to each subscriber of the tag's own list; RETURNING would name the pairs that are new.

    Rows go in in order of their key, so that two such statements at once wait for each other and never in a circle.
    The locks are those that the foreign keys take anyway; taken here, a tag that is just being deleted is skipped and
    not an error.
    """
    person = _locked_people(owner_id, subscriber_ids)
    pairs = (
        select(literal(owner_id, BigInteger), person.c.subscriber_id, Tag.tag_id, literal(now, DateTime(timezone=True)))
        .join_from(person, Tag, and_(Tag.owner_id == owner_id, Tag.list_id == person.c.list_id))
        .where(Tag.tag_id == _array(tag_ids))
        .order_by(person.c.subscriber_id, Tag.tag_id)
        .with_for_update(read=True, key_share=True, of=Tag)
    )
    columns = ["owner_id", "subscriber_id", "tag_id", "tagged_at"]
    return insert(SubscriberTag).from_select(columns, pairs).on_conflict_do_nothing()


def _locked_people(owner_id: int, subscriber_ids: SubscriberIds) -> FromClause:
    """The account's subscribers with their lists, kept from being deleted; in order of their ids."""
    people = select(Subscriber.subscriber_id, Subscriber.list_id).where(Subscriber.owner_id == owner_id)
    if isinstance(subscriber_ids, Select):
        people = people.where(Subscriber.subscriber_id.in_(subscriber_ids)).order_by(Subscriber.subscriber_id)
        return people.with_for_update(read=True, key_share=True).subquery("person")
    # one look-up by key for each of them, whatever is known of the table: a plan for all of a list costs what it has
    ids = func.unnest(literal(sorted(subscriber_ids), ARRAY(BigInteger))).table_valued("subscriber_id")
    wanted = ids.render_derived(name="wanted")
    found = people.where(Subscriber.subscriber_id == wanted.c.subscriber_id).with_for_update(read=True, key_share=True)
    person = found.lateral("found")
    return select(person).join_from(wanted, person, true()).subquery("person")


def removing_tags(owner_id: int, *, tag_ids: Sequence[int], subscriber_ids: SubscriberIds) -> Delete:
    """Takes the tags off the subscribers; RETURNING would name the pairs that were there. Locks in order of the key."""
    carried = (
        select(SubscriberTag.subscriber_id, SubscriberTag.tag_id)
        .where(
            SubscriberTag.owner_id == owner_id,
            SubscriberTag.tag_id == _array(tag_ids),
            _among(SubscriberTag.subscriber_id.expression, subscriber_ids),
        )
        .order_by(SubscriberTag.subscriber_id, SubscriberTag.tag_id)
        .with_for_update()
        .cte("carried")
    )
    return delete(SubscriberTag).where(
        SubscriberTag.owner_id == owner_id,
        SubscriberTag.subscriber_id == carried.c.subscriber_id,
        SubscriberTag.tag_id == carried.c.tag_id,
    )


async def ensure_tags(
    session: AsyncSession, *, owner_id: int, list_id: int, names: Collection[str], now: datetime
) -> dict[str, int]:
    """Ids of a list's tags by the names as given; what is missing is made. The caller holds the list."""
    given = func.unnest(literal(sorted(names), ARRAY(Text)), type_=Text).column_valued("name")
    missing = (
        select(
            literal(owner_id, BigInteger),
            literal(list_id, BigInteger),
            func.min(given),
            literal(now, Tag.created_at.type),
        )
        .group_by(func.lower(given))
        .order_by(func.lower(given))
    )
    into = ["owner_id", "list_id", "name", "created_at"]
    await session.execute(insert(Tag).from_select(into, missing).on_conflict_do_nothing())
    wanted = select(given.label("name")).subquery("wanted")
    known = select(wanted.c.name, Tag.tag_id).join(
        Tag, and_(Tag.owner_id == owner_id, Tag.list_id == list_id, func.lower(Tag.name) == func.lower(wanted.c.name))
    )
    return {row.name: row.tag_id for row in await session.execute(known)}


def _pairs(pairs: Sequence[tuple[int, int]]) -> TableValuedAlias:
    given = func.unnest(
        literal([tag_id for tag_id, _ in pairs], ARRAY(BigInteger)),
        literal([subscriber_id for _, subscriber_id in pairs], ARRAY(BigInteger)),
    )
    columns = (column("tag_id", BigInteger), column("subscriber_id", BigInteger))
    return given.table_valued(*columns, name="pairs").render_derived()


def setting_pairs(owner_id: int, *, pairs: Sequence[tuple[int, int]], now: datetime) -> Insert:
    """As `setting_tags`, for pairs of a tag and a subscriber."""
    given = _pairs(pairs)
    chosen = (
        select(Subscriber.owner_id, Subscriber.subscriber_id, Tag.tag_id, literal(now, DateTime(timezone=True)))
        .select_from(given)
        .join(Subscriber, and_(Subscriber.owner_id == owner_id, Subscriber.subscriber_id == given.c.subscriber_id))
        .join(Tag, and_(Tag.owner_id == owner_id, Tag.tag_id == given.c.tag_id, Tag.list_id == Subscriber.list_id))
        .order_by(Subscriber.subscriber_id, Tag.tag_id)
        .with_for_update(read=True, key_share=True, of=[Subscriber, Tag])
    )
    columns = ["owner_id", "subscriber_id", "tag_id", "tagged_at"]
    return insert(SubscriberTag).from_select(columns, chosen).on_conflict_do_nothing()


def removing_others(owner_id: int, *, subscriber_ids: Sequence[int], keeping: Sequence[tuple[int, int]]) -> Delete:
    """Takes every tag off the subscribers but those of the pairs. Locks in order of the key."""
    kept = _pairs(keeping)
    carried = (
        select(SubscriberTag.subscriber_id, SubscriberTag.tag_id)
        .where(
            SubscriberTag.owner_id == owner_id,
            SubscriberTag.subscriber_id == _array(subscriber_ids),
            ~exists().where(kept.c.tag_id == SubscriberTag.tag_id, kept.c.subscriber_id == SubscriberTag.subscriber_id),
        )
        .order_by(SubscriberTag.subscriber_id, SubscriberTag.tag_id)
        .with_for_update()
        .cte("carried")
    )
    return delete(SubscriberTag).where(
        SubscriberTag.owner_id == owner_id,
        SubscriberTag.subscriber_id == carried.c.subscriber_id,
        SubscriberTag.tag_id == carried.c.tag_id,
    )
