"""SQL of subscribers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    TableValuedAlias,
    Text,
    any_,
    case,
    column,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists.errors import ListNotFound
from journeys_api.models import (
    CustomField,
    Enrollment,
    EnrollmentState,
    GlobalValues,
    Journey,
    JourneyAction,
    Subscriber,
    SubscriberList,
    Tag,
    User,
)


def owned_subscribers(owner_id: int) -> Select[Subscriber]:
    """The only way to a subscriber: whatever is built on this stays within one account."""
    return select(Subscriber).where(Subscriber.owner_id == owner_id)


def of_list(owner_id: int, list_id: int) -> ColumnElement[bool]:
    """The subscribers of one list."""
    return (Subscriber.owner_id == owner_id) & (Subscriber.list_id == list_id)


def has_address(address: str) -> ColumnElement[bool]:
    """The subscriber of this address, in any case; with a list, answered from the unique index."""
    return func.lower(Subscriber.email_address) == func.lower(literal(address, Text))


def one_of_ids(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Whether a column is one of many ids: one parameter, where `IN` takes one each and 32,767 are the end."""
    condition: ColumnElement[bool] = column == any_(literal(list(ids), ARRAY(BigInteger)))
    return condition


async def let_it_take_long(session: AsyncSession) -> None:
    """Lift the usual limit of a statement for the rest of the transaction: it works on as much as a whole list."""
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))


async def lists_of_anyone(session: AsyncSession, *, list_ids: Collection[int]) -> dict[int, SubscriberList]:
    """Lists of any account, by id: for the commands that a subscriber calls, who has no account."""
    found = await session.scalars(select(SubscriberList).where(one_of_ids(SubscriberList.list_id, list_ids)))
    return {each.list_id: each for each in found}


async def owned_lists(session: AsyncSession, *, owner_id: int, list_ids: Collection[int]) -> dict[int, SubscriberList]:
    """Those of the lists that are the account's, by id; they cannot be deleted until the transaction ends."""
    statement = select(SubscriberList).where(
        SubscriberList.owner_id == owner_id, one_of_ids(SubscriberList.list_id, list_ids)
    )
    locked = statement.order_by(SubscriberList.list_id).with_for_update(read=True, key_share=True)
    return {each.list_id: each for each in await session.scalars(locked)}


async def default_values(
    session: AsyncSession, *, owner_id: int, list_ids: Collection[int]
) -> dict[int, dict[str, str]]:
    """What a new subscriber gets for the fields of each list: list id → field id → value."""
    statement = select(CustomField).where(
        CustomField.owner_id == owner_id, one_of_ids(CustomField.list_id, list_ids), CustomField.default_value != ""
    )
    defaults: dict[int, dict[str, str]] = {list_id: {} for list_id in list_ids}
    for found in await session.scalars(statement.order_by(CustomField.field_id)):
        defaults[found.list_id][str(found.field_id)] = found.default_value
    return defaults


async def lock_owner(session: AsyncSession, *, owner_id: int) -> None:
    """Make calls that count all subscribers of one account wait for each other; other inserts do not wait."""
    await session.execute(select(User.user_id).where(User.user_id == owner_id).with_for_update(key_share=True))


async def count_subscribers(session: AsyncSession, *, owner_id: int, most: int) -> int:
    """How many subscribers the account has, whatever their status; the count stops at `most`."""
    some = select(literal(1)).select_from(Subscriber).where(Subscriber.owner_id == owner_id).limit(most)
    return await session.scalar(select(func.count()).select_from(some.subquery())) or 0


async def lock_address(
    session: AsyncSession, *, owner_id: int, list_ids: Collection[int], address: str
) -> dict[int, Subscriber]:
    """The subscribers of one address on some lists, by list, locked until the transaction ends."""
    statement = owned_subscribers(owner_id).where(one_of_ids(Subscriber.list_id, list_ids), has_address(address))
    locked = statement.order_by(Subscriber.subscriber_id).with_for_update()
    return {found.list_id: found for found in await session.scalars(locked)}


async def lock_address_everywhere(session: AsyncSession, *, owner_id: int, address: str) -> dict[int, Subscriber]:
    """The subscribers of one address on all lists of an account, by list, locked until the transaction ends."""
    # by way of the lists: there is no index of addresses without them
    lists = select(SubscriberList.list_id).where(SubscriberList.owner_id == owner_id)
    statement = owned_subscribers(owner_id).where(Subscriber.list_id.in_(lists), has_address(address))
    locked = statement.order_by(Subscriber.subscriber_id).with_for_update(of=Subscriber)
    return {found.list_id: found for found in await session.scalars(locked)}


async def insert_subscribers(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> list[Subscriber]:
    """Insert those whose address is not on their list yet, in any case; a race makes one.

    Raises:
        ListNotFound: a list was deleted a moment ago.
    """
    statement = insert(Subscriber).values([dict(row) for row in rows]).on_conflict_do_nothing().returning(Subscriber)
    try:
        return list(await session.scalars(statement))
    except IntegrityError:  # only the list's key is left to break
        raise ListNotFound from None


async def values_of_addresses(
    session: AsyncSession, *, owner_id: int, addresses: Collection[str]
) -> dict[str, dict[str, str]]:
    """The values of global fields, by the address as given; addresses without any are absent."""
    given = select(func.unnest(literal(list(addresses), ARRAY(Text)), type_=Text).column_valued("address")).subquery()
    statement = select(given.c.address, GlobalValues.custom_values).join(
        GlobalValues,
        (GlobalValues.owner_id == owner_id) & (GlobalValues.email_address == func.lower(given.c.address)),
    )
    return {row.address: row.custom_values for row in await session.execute(statement)}


async def lock_global_values(session: AsyncSession, *, owner_id: int, address: str) -> dict[str, str]:
    """The values of global fields of one address, locked until the transaction ends."""
    statement = select(GlobalValues.custom_values).where(
        GlobalValues.owner_id == owner_id, GlobalValues.email_address == func.lower(literal(address, Text))
    )
    return await session.scalar(statement.with_for_update()) or {}


async def merge_global_values(
    session: AsyncSession, *, owner_id: int, address: str, values: Mapping[str, str], removed: Collection[str] = ()
) -> None:
    """Set some values of global fields of one address and remove others; what is not named stays."""
    added = insert(GlobalValues).values(
        owner_id=owner_id, email_address=func.lower(literal(address, Text)), custom_values=dict(values)
    )
    merged = GlobalValues.custom_values.op("||")(added.excluded.custom_values)
    await session.execute(
        added.on_conflict_do_update(
            index_elements=["owner_id", "email_address"],
            set_={"custom_values": merged.op("-")(literal(list(removed), ARRAY(Text)))},
        )
    )


async def copy_global_values(session: AsyncSession, *, owner_id: int, source: str, target: str) -> None:
    """Give an address the values of another, unless it has some of its own."""
    copied = select(GlobalValues.owner_id, func.lower(literal(target, Text)), GlobalValues.custom_values).where(
        GlobalValues.owner_id == owner_id, GlobalValues.email_address == func.lower(literal(source, Text))
    )
    into = ["owner_id", "email_address", "custom_values"]
    await session.execute(insert(GlobalValues).from_select(into, copied).on_conflict_do_nothing())


class ValueChange(NamedTuple):
    """Somebody's value of a field that is another one now."""

    list_id: int
    subscriber_id: int
    before: str
    """The empty text: there was none."""


async def set_list_values(
    session: AsyncSession, *, owner_id: int, list_id: int, field_id: int, values: Mapping[int, str], now: datetime
) -> list[ValueChange]:
    """Set one field of a list for people (subscriber → value, the empty text removes); what really changed.

    Whoever is not on the list is passed over. The rows are locked in one order before they are judged.
    """
    key = str(field_id)
    locked = await session.execute(
        select(Subscriber.subscriber_id, func.coalesce(Subscriber.custom_values[key].astext, ""))
        .where(of_list(owner_id, list_id), one_of_ids(Subscriber.subscriber_id, values))
        .order_by(Subscriber.subscriber_id)
        .with_for_update()
    )
    changes = [ValueChange(list_id, found, before) for found, before in locked if values[found] != before]
    if changes:
        given = _pairs({change.subscriber_id: values[change.subscriber_id] for change in changes})
        await session.execute(
            update(Subscriber)
            .where(Subscriber.owner_id == owner_id, Subscriber.subscriber_id == given.c.subscriber_id)
            .values(custom_values=_with_value(Subscriber.custom_values, key, given.c.value), updated_at=now)
            .execution_options(synchronize_session=False)
        )
    return changes


async def set_global_values(
    session: AsyncSession, *, owner_id: int, field_id: int, values: Mapping[int, str]
) -> list[ValueChange]:
    """As `set_list_values`, for a field of the whole account: the values belong to people's addresses.

    Of two people with one address, the later one's value stays.
    """
    key = str(field_id)
    people = await session.execute(
        select(Subscriber.subscriber_id, Subscriber.list_id, func.lower(Subscriber.email_address))
        .where(Subscriber.owner_id == owner_id, one_of_ids(Subscriber.subscriber_id, values))
        .order_by(Subscriber.subscriber_id)
    )
    found = people.all()
    stored = await session.execute(
        select(GlobalValues.email_address, func.coalesce(GlobalValues.custom_values[key].astext, ""))
        .where(
            GlobalValues.owner_id == owner_id,
            GlobalValues.email_address == any_(literal([address for _, _, address in found], ARRAY(Text))),
        )
        .order_by(GlobalValues.email_address)
        .with_for_update()
    )
    current = {row[0]: row[1] for row in stored}
    changes: list[ValueChange] = []
    changed: dict[str, str] = {}
    for subscriber_id, list_id, address in found:
        before, value = current.get(address, ""), values[subscriber_id]
        if value != before:
            changes.append(ValueChange(list_id, subscriber_id, before))
            current[address] = changed[address] = value
    if changed:
        await _merge_value(session, owner_id=owner_id, key=key, values=changed)
    return changes


async def _merge_value(session: AsyncSession, *, owner_id: int, key: str, values: Mapping[str, str]) -> None:
    """Set one global field for addresses."""
    ordered = sorted(values)
    given = func.unnest(literal(ordered, ARRAY(Text)), literal([values[each] for each in ordered], ARRAY(Text)))
    rows = given.table_valued(column("address", Text), column("value", Text), name="given").render_derived()
    nothing = literal({}, JSONB)
    added = insert(GlobalValues).from_select(
        ["owner_id", "email_address", "custom_values"],
        select(literal(owner_id, BigInteger), rows.c.address, _with_value(nothing, key, rows.c.value)),
    )
    await session.execute(
        added.on_conflict_do_update(
            index_elements=["owner_id", "email_address"],
            set_={"custom_values": GlobalValues.custom_values.op("-")(key).op("||")(added.excluded.custom_values)},
        )
    )


def _pairs(values: Mapping[int, str]) -> TableValuedAlias:
    given = func.unnest(literal(list(values), ARRAY(BigInteger)), literal(list(values.values()), ARRAY(Text)))
    columns = (column("subscriber_id", BigInteger), column("value", Text))
    return given.table_valued(*columns, name="given").render_derived()


def _with_value(values: Any, key: str, value: ColumnElement[str]) -> ColumnElement[Any]:
    """A set of values with one of them set; the empty text removes it."""
    name = literal(key, Text)
    return case((value == "", values.op("-")(name)), else_=values.op("||")(func.jsonb_build_object(name, value)))


async def people_of_addresses(
    session: AsyncSession, *, owner_id: int, subscriber_ids: Collection[int], addresses: Collection[str]
) -> set[int]:
    """Those of the people who have one of the addresses, which are in lower case."""
    statement = select(Subscriber.subscriber_id).where(
        Subscriber.owner_id == owner_id,
        one_of_ids(Subscriber.subscriber_id, subscriber_ids),
        func.lower(Subscriber.email_address) == any_(literal(list(addresses), ARRAY(Text))),
    )
    return set(await session.scalars(statement))


async def lock_unique_values(session: AsyncSession, *, owner_id: int, values: Mapping[int, str]) -> None:
    """Make calls that want the same value of the same field wait for each other until the transaction ends."""
    keys = [f"{owner_id}:{field_id}:{value}" for field_id, value in sorted(values.items())]
    given = select(func.unnest(literal(keys, ARRAY(Text)), type_=Text).column_valued("key")).subquery()
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(given.c.key, 0))))


async def is_list_value_taken(
    session: AsyncSession, *, owner_id: int, list_id: int, values: Mapping[str, str], besides: str
) -> bool:
    """Whether anybody on the list but the address `besides` has one of the values (field id → value).

    Answered from the GIN index on the values.
    """
    statement = select(literal(1)).where(of_list(owner_id, list_id), ~has_address(besides))
    return await _is_found(session, statement, Subscriber.custom_values, values)


async def is_global_value_taken(
    session: AsyncSession, *, owner_id: int, values: Mapping[str, str], besides: str
) -> bool:
    """Whether any address of the account but `besides` has one of the values (global field id → value)."""
    own_address = func.lower(literal(besides, Text))
    statement = select(literal(1)).where(GlobalValues.owner_id == owner_id, GlobalValues.email_address != own_address)
    return await _is_found(session, statement, GlobalValues.custom_values, values)


async def _is_found(session: AsyncSession, statement: Select[int], column: Any, values: Mapping[str, str]) -> bool:
    if not values:
        return False
    has_one = or_(*(column.contains({field_id: value}) for field_id, value in values.items()))
    return await session.scalar(statement.where(has_one).limit(1)) is not None


async def lock_tags(session: AsyncSession, *, owner_id: int, list_id: int, tag_ids: Collection[int]) -> list[int]:
    """Those of the tags that belong to the list; they cannot be deleted until the transaction ends."""
    statement = select(Tag.tag_id).where(
        Tag.owner_id == owner_id, Tag.list_id == list_id, one_of_ids(Tag.tag_id, tag_ids)
    )
    return list(await session.scalars(statement.order_by(Tag.tag_id).with_for_update(read=True, key_share=True)))


async def memberships(session: AsyncSession, *, subscriber: Subscriber) -> Sequence[tuple[Enrollment, Journey]]:
    """The passes of a subscriber that go on or were completed, with their journeys; deleted journeys are absent."""
    statement = (
        select(Enrollment, Journey)
        .join(Journey, Journey.journey_id == Enrollment.journey_id)
        .where(
            Enrollment.owner_id == subscriber.owner_id,
            Enrollment.subscriber_id == subscriber.subscriber_id,
            Enrollment.list_id == subscriber.list_id,
            Enrollment.state.in_((EnrollmentState.ACTIVE, EnrollmentState.COMPLETED)),
            Journey.deleted_at.is_(None),
        )
        .order_by(Enrollment.enrollment_id)
    )
    return [(enrollment, journey) for enrollment, journey in await session.execute(statement)]


async def actions_of(session: AsyncSession, *, journey_ids: Collection[int]) -> list[JourneyAction]:
    """The actions of some journeys that were not removed, in the order of their trees."""
    statement = select(JourneyAction).where(
        one_of_ids(JourneyAction.journey_id, journey_ids), JourneyAction.removed_at.is_(None)
    )
    return list(await session.scalars(statement.order_by(JourneyAction.journey_id, JourneyAction.order_no)))
