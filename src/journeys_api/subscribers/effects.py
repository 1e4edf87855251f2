"""What journeys do to the subscribers who pass through them: each a few statements over the whole group.

Whatever happens by it is recorded in the same transaction, at the depth that the caller names, and may let the people
into other journeys.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from journeys_api.fields import service as fields
from journeys_api.fields import values as field_values
from journeys_api.lists import service as lists
from journeys_api.models import CustomField, Subscriber
from journeys_api.subscribers import queries, subscriptions
from journeys_api.subscribers.service import FIELD_CHANGED
from journeys_api.subscribers.subscriptions import Leaving
from journeys_api.tags import service as tags
from journeys_api.trigger_events import Happened, record


async def subscribe_many(
    session: AsyncSession, *, owner_id: int, list_id: int, addresses: Sequence[str], now: datetime, depth: int
) -> set[str]:
    """Subscribe addresses to a list, or subscribe them again; pending where the list wants a confirmation.

    Returns:
        Those that came, in lower case. Whoever is on the list already, subscribed or pending, stays as they are, and
        for whom the account's limit leaves no room stays away.

    Raises:
        ListNotFound: no such list in this account.
    """
    target = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    return await subscriptions.come(session, target=target, addresses=addresses, now=now, depth=depth)


async def unsubscribe_many(
    session: AsyncSession, *, owner_id: int, list_id: int, subscriber_ids: Sequence[int], now: datetime, depth: int
) -> set[int]:
    """Unsubscribe the addresses of people, who may be on any list of the account, from one list, by its own rules.

    Returns:
        Those of the ids whose address left it.

    Raises:
        ListNotFound: no such list in this account.
    """
    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    person = aliased(Subscriber)
    people = select(func.lower(person.email_address)).where(
        person.owner_id == owner_id, queries.one_of_ids(person.subscriber_id, subscriber_ids)
    )
    left = await subscriptions.leave_naming(
        session,
        found=found,
        who=func.lower(Subscriber.email_address).in_(people),
        leaving=Leaving(ip_address=""),
        now=now,
        depth=depth,
    )
    return (
        await queries.people_of_addresses(session, owner_id=owner_id, subscriber_ids=subscriber_ids, addresses=left)
        if left
        else set()
    )


async def delete_many(session: AsyncSession, *, owner_id: int, subscriber_ids: Sequence[int]) -> None:
    """Delete people from their lists, with their tags. They never unsubscribed: nothing is recorded."""
    doomed = delete(Subscriber).where(
        Subscriber.owner_id == owner_id, queries.one_of_ids(Subscriber.subscriber_id, subscriber_ids)
    )
    await session.execute(doomed.execution_options(synchronize_session=False))


async def set_values(
    session: AsyncSession, *, owner_id: int, field_id: int, values: Mapping[int, str], now: datetime, depth: int
) -> set[int]:
    """Give people values of one field, of their list or of the whole account; the empty text removes a value.

    The field's own rules are not enforced, as `subscriber.update` does not unasked.

    Args:
        values: subscriber → value.

    Returns:
        Whose value is another one now. Who is not on the field's list has no value of it.

    Raises:
        FieldNotFound: no such field in this account.
    """
    field = await fields.get_field(session, owner_id=owner_id, field_id=field_id)
    wanted = {subscriber_id: _storable(field, value) for subscriber_id, value in values.items()}
    if field.list_id:
        changes = await queries.set_list_values(
            session, owner_id=owner_id, list_id=field.list_id, field_id=field_id, values=wanted, now=now
        )
    else:
        changes = await queries.set_global_values(session, owner_id=owner_id, field_id=field_id, values=wanted)
    happened = [
        Happened(
            FIELD_CHANGED,
            change.list_id,
            change.subscriber_id,
            field_id,
            {"value": wanted[change.subscriber_id], "before": change.before},
        )
        for change in changes
    ]
    await record(session, happened, owner_id=owner_id, now=now, depth=depth)
    return {change.subscriber_id for change in changes}


def _storable(field: CustomField, value: str) -> str:
    # a text that a journey makes up is nobody's input: what no column can hold is left out
    return field_values.normalised(field, value.replace("\x00", ""))


async def tag_many(
    session: AsyncSession, *, owner_id: int, tag_id: int, subscriber_ids: Sequence[int], now: datetime, depth: int
) -> set[int]:
    """Give people a tag; those who did not carry it. Who is not on the tag's list does not get it."""
    pairs = await tags.tag_subscribers(
        session, owner_id=owner_id, tag_ids=[tag_id], subscriber_ids=subscriber_ids, now=now, depth=depth
    )
    return {subscriber_id for _, subscriber_id in pairs}


async def untag_many(
    session: AsyncSession, *, owner_id: int, tag_id: int, subscriber_ids: Sequence[int], now: datetime, depth: int
) -> set[int]:
    """Take a tag off people; those who carried it."""
    pairs = await tags.untag_subscribers(
        session, owner_id=owner_id, tag_ids=[tag_id], subscriber_ids=subscriber_ids, now=now, depth=depth
    )
    return {subscriber_id for _, subscriber_id in pairs}
