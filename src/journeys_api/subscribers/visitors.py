"""Who a visitor of a website is: subscribers by what a page knows of them."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, LargeBinary, cast, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.fields import service as fields
from journeys_api.models import CustomField, GlobalValues, Subscriber, SubscriberList
from journeys_api.subscribers import queries


def has_address_hash(address_hash: bytes) -> ColumnElement[bool]:
    """Whose address has the SHA-256, written as the index `ix_subscribers_address_sha256` has it: that of
    `convert_to` cannot be indexed, and a cast to bytea reads backslashes.
    """
    escaped = func.replace(Subscriber.email_address, literal_column(r"'\'"), literal_column(r"'\\'"))
    condition: ColumnElement[bool] = func.sha256(cast(escaped, LargeBinary)) == literal(address_hash, LargeBinary)
    return condition


async def of_address(session: AsyncSession, *, owner_id: int, address: str) -> Sequence[Subscriber]:
    """Who has the address, in any case: one person, on each of the account's lists that they are on."""
    # through the lists: the unique index leads with them
    lists = select(SubscriberList.list_id).where(SubscriberList.owner_id == owner_id)
    found = queries.owned_subscribers(owner_id).where(Subscriber.list_id.in_(lists), queries.has_address(address))
    return (await session.scalars(found.order_by(Subscriber.subscriber_id))).all()


async def of_address_hash(
    session: AsyncSession, *, owner_id: int, list_id: int | None, address_hash: bytes
) -> Sequence[Subscriber]:
    """Whose address, as it was given, has the SHA-256, on a list or, without one, on any list of the account."""
    found = queries.owned_subscribers(owner_id).where(has_address_hash(address_hash))
    if list_id is not None:
        found = found.where(Subscriber.list_id == list_id)
    return (await session.scalars(found.order_by(Subscriber.subscriber_id))).all()


async def of_identifier(session: AsyncSession, *, owner_id: int, list_id: int, value: str) -> Subscriber | None:
    """Who on a list has the value in its unique-identifier field, of several fields the first, of several people too.

    Source: AC 7.3.
    """
    known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
    identifying = next((each for each in known if each.is_unique_identifier), None)
    if identifying is None:
        return None
    found = queries.owned_subscribers(owner_id).where(
        Subscriber.list_id == list_id, _has_value(identifying, owner_id, value)
    )
    return await session.scalar(found.order_by(Subscriber.subscriber_id).limit(1))


def _has_value(identifying: CustomField, owner_id: int, value: str) -> ColumnElement[bool]:
    wanted = {str(identifying.field_id): value}
    if identifying.list_id:
        return Subscriber.custom_values.contains(wanted)
    addresses = select(GlobalValues.email_address).where(
        GlobalValues.owner_id == owner_id, GlobalValues.custom_values.contains(wanted)
    )
    return func.lower(Subscriber.email_address).in_(addresses)
