"""SQL of custom fields."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, any_, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import CustomField, GlobalValues, Subscriber, User


def owned_fields(owner_id: int) -> Select[CustomField]:
    """The only way to a field: whatever is built on this stays within one account."""
    return select(CustomField).where(CustomField.owner_id == owner_id)


def of_list(owner_id: int, list_id: int, *, with_global: bool) -> Select[CustomField]:
    """The list's own fields, and the account's global ones if wanted."""
    return owned_fields(owner_id).where(CustomField.list_id.in_((0, list_id) if with_global else (list_id,)))


_ORDERS: dict[str, ColumnElement[Any]] = {
    "field_name": func.lower(CustomField.field_name),
    "field_id": CustomField.field_id.expression,
    "field_type": CustomField.field_type.expression,
    "is_required": CustomField.is_required.expression,
    "is_unique": CustomField.is_unique.expression,
    "visibility": CustomField.visibility.expression,
    "is_global": CustomField.list_id == 0,
}


def ordered(fields: Select[CustomField], *, order_by: str, descending: bool) -> Select[CustomField]:
    """The fields in a total order: by a key of `_ORDERS` (any other: by name), ties by id."""
    order = _ORDERS.get(order_by, _ORDERS["field_name"])
    by_id = CustomField.field_id
    return fields.order_by(order.desc(), by_id.desc()) if descending else fields.order_by(order, by_id)


async def lock_owner(session: AsyncSession, *, owner_id: int) -> None:
    """Make calls that judge all fields of one account wait for each other; inserts of its other rows do not wait."""
    await session.execute(select(User.user_id).where(User.user_id == owner_id).with_for_update(key_share=True))


async def alias_is_taken(session: AsyncSession, *, owner_id: int, list_id: int, alias: str, but: int) -> bool:
    """Whether another field that meets this one on some list has the alias, in any case.

    Args:
        list_id: the list of the field that wants it; 0 for a global field, which meets every other.
        but: the id of that field; 0 while it has none.
    """
    others = owned_fields(owner_id).where(
        func.lower(CustomField.merge_tag_alias) == func.lower(alias), CustomField.field_id != but
    )
    if list_id:
        others = others.where(CustomField.list_id.in_((0, list_id)))
    return await session.scalar(others.with_only_columns(CustomField.field_id).limit(1)) is not None


async def make_values_global(session: AsyncSession, *, owner_id: int, list_id: int, field_id: int) -> None:
    """Move a field's values from the subscribers of its list to their addresses.

    Reads the whole list and writes whoever has a value: some 30 s for a million, for which the limit of a statement is
    lifted.
    """
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    key = str(field_id)
    address = func.lower(Subscriber.email_address)
    having = select(Subscriber.owner_id, address, func.jsonb_build_object(key, Subscriber.custom_values[key])).where(
        Subscriber.owner_id == owner_id, Subscriber.list_id == list_id, Subscriber.custom_values.has_key(key)
    )
    moved = insert(GlobalValues).from_select(["owner_id", "email_address", "custom_values"], having.order_by(address))
    moved = moved.on_conflict_do_update(
        index_elements=["owner_id", "email_address"],
        set_={"custom_values": GlobalValues.custom_values.op("||")(moved.excluded.custom_values)},
    )
    await session.execute(moved)
    await _remove_values(session, owner_id=owner_id, list_ids=[list_id], field_ids=[field_id])


async def delete_fields(session: AsyncSession, *, owner_id: int, field_ids: Sequence[int]) -> list[int]:
    """Remove fields of the account and every value of theirs; which ids there were.

    Reads every subscriber of the lists concerned, and writes those with a value: some 20 s for a million, for which the
    limit of a statement is lifted.
    """
    statement = delete(CustomField).where(
        CustomField.owner_id == owner_id, CustomField.field_id == any_(literal(list(field_ids), ARRAY(BigInteger)))
    )
    gone = (
        await session.execute(
            statement.returning(CustomField.field_id, CustomField.list_id).execution_options(synchronize_session=False)
        )
    ).all()
    of_lists = [row.field_id for row in gone if row.list_id]
    if of_lists:
        list_ids = sorted({row.list_id for row in gone if row.list_id})
        await _remove_values(session, owner_id=owner_id, list_ids=list_ids, field_ids=of_lists)
    of_account = [row.field_id for row in gone if not row.list_id]
    if of_account:
        await _remove_global_values(session, owner_id=owner_id, field_ids=of_account)
    return [row.field_id for row in gone]


def _keys(field_ids: Sequence[int]) -> ColumnElement[Any]:
    return literal([str(field_id) for field_id in field_ids], ARRAY(Text))


async def _remove_values(
    session: AsyncSession, *, owner_id: int, list_ids: Sequence[int], field_ids: Sequence[int]
) -> None:
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    keys = _keys(field_ids)
    statement = (
        update(Subscriber)
        .where(
            Subscriber.owner_id == owner_id,
            Subscriber.list_id == any_(literal(list(list_ids), ARRAY(BigInteger))),
            Subscriber.custom_values.has_any(keys),
        )
        .values(custom_values=Subscriber.custom_values.op("-")(keys))
    )
    await session.execute(statement.execution_options(synchronize_session=False))


async def _remove_global_values(session: AsyncSession, *, owner_id: int, field_ids: Sequence[int]) -> None:
    await session.execute(text("SET LOCAL statement_timeout = '1h'"))
    keys = _keys(field_ids)
    statement = (
        update(GlobalValues)
        .where(GlobalValues.owner_id == owner_id, GlobalValues.custom_values.has_any(keys))
        .values(custom_values=GlobalValues.custom_values.op("-")(keys))
    )
    await session.execute(statement.execution_options(synchronize_session=False))
