"""What personalization may know of the people of a batch: loaded in a constant number of statements."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from journeys_api.commands.wire import instant
from journeys_api.models import Base, CustomField, GlobalValues, Subscriber, SubscriberList, User, UserGroup

Values = dict[str, Mapping[str, Any]]
"""By namespace, then by name, as `personalization.Context` takes them."""


@dataclass(frozen=True)
class Audience:
    """Some subscribers, their lists, the accounts those belong to, and the custom fields they may have."""

    subscribers: Mapping[tuple[int, int], Subscriber]
    """By (owner, subscriber)."""
    lists: Mapping[int, SubscriberList]
    users: Mapping[int, tuple[User, UserGroup]]
    fields: Mapping[tuple[int, int], list[CustomField]]
    """By (owner, list); list 0 holds the account's global ones."""
    global_values: Mapping[tuple[int, str], Mapping[str, str]]
    """By (owner, address in lower case)."""
    _shared: dict[tuple[int, int], Values] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What all people of a list have in common, by (owner, list)."""

    def values_of_fields(self, subscriber: Subscriber) -> dict[int, str]:
        """Field id → value, of the list's fields and the global ones; a field without a value is left out."""
        own = self.global_values.get((subscriber.owner_id, subscriber.email_address.lower()), {})
        both = {**own, **subscriber.custom_values}
        return {int(field_id): value for field_id, value in both.items() if field_id.isdigit()}

    def fields_of(self, owner_id: int, list_id: int) -> list[CustomField]:
        """The custom fields of a list, the account's global ones among them."""
        return [*self.fields.get((owner_id, list_id), ()), *self.fields.get((owner_id, 0), ())]

    def values(self, subscriber: Subscriber) -> Values:
        """The namespaces Subscriber, List, User and UserGroup."""
        known = self.values_of_fields(subscriber)
        named: dict[str, Any] = {}
        for each in self.fields_of(subscriber.owner_id, subscriber.list_id):
            value = known.get(each.field_id, each.default_value)
            named[f"CustomField{each.field_id}"] = value
            if each.merge_tag_alias:
                named.setdefault(each.merge_tag_alias, value)
        return {
            "Subscriber": {**named, **_of_subscriber(subscriber)},
            **self._of_all(subscriber.owner_id, subscriber.list_id),
        }

    def _of_all(self, owner_id: int, list_id: int) -> Values:
        shared = self._shared.get((owner_id, list_id))
        if shared is None:
            user, group = self.users[owner_id]
            shared = self._shared[owner_id, list_id] = {
                "List": _of_list(self.lists[list_id]),
                "User": {**user.profile, **_of_user(user)},
                "UserGroup": {"UserGroupID": group.group_id, "GroupName": group.group_name},
            }
        return shared


def _of_subscriber(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "SubscriberID": subscriber.subscriber_id,
        "ListID": subscriber.list_id,
        "EmailAddress": subscriber.email_address,
        "Status": subscriber.status.value,
        "BounceType": subscriber.bounce_type.value,
        "SubscriptionDate": instant(subscriber.subscribed_at, absent=""),
        "SubscriptionIP": subscriber.subscription_ip,
        "OptInDate": instant(subscriber.opted_in_at, absent=""),
    }


def _of_list(found: SubscriberList) -> dict[str, Any]:
    return {
        "ListID": found.list_id,
        "Name": found.name,
        "SenderName": found.sender_name,
        "SenderEmailAddress": found.sender_email_address,
        "SenderAddress": found.sender_address,
        "SenderCompany": found.sender_company,
    }


def _of_user(user: User) -> dict[str, Any]:
    return {
        "UserID": user.user_id,
        "EmailAddress": user.email_address,
        "Username": user.username,
        "TimeZone": user.time_zone,
    }


async def load_audience(
    session: AsyncSession, people: Collection[tuple[int, int]], *, deleted: Sequence[Subscriber] = ()
) -> Audience:
    """Load what is known of the people, given as (owner, subscriber); who is gone is left out. Five statements.

    Args:
        deleted: who is gone and belongs to the audience all the same, as they were.
    """
    wanted = tuple_(Subscriber.owner_id, Subscriber.subscriber_id).in_(set(people))
    fresh = {"populate_existing": True}
    found = [*(await session.scalars(select(Subscriber).where(wanted).execution_options(**fresh))), *deleted]
    list_ids = {subscriber.list_id for subscriber in found}
    owner_ids = {subscriber.owner_id for subscriber in found}
    lists = await session.scalars(
        select(SubscriberList).where(SubscriberList.list_id.in_(list_ids)).execution_options(**fresh)
    )
    users = await session.execute(
        select(User, UserGroup)
        .join(UserGroup, UserGroup.group_id == User.group_id)
        .where(User.user_id.in_(owner_ids))
        .execution_options(**fresh)
    )
    fields: dict[tuple[int, int], list[CustomField]] = defaultdict(list)
    for each in await session.scalars(
        select(CustomField)
        .where(CustomField.owner_id.in_(owner_ids), or_(CustomField.list_id == 0, CustomField.list_id.in_(list_ids)))
        .order_by(CustomField.field_id)
    ):
        fields[(each.owner_id, each.list_id)].append(each)
    addresses = {(subscriber.owner_id, subscriber.email_address.lower()) for subscriber in found}
    shared = await session.scalars(
        select(GlobalValues)
        .where(tuple_(GlobalValues.owner_id, GlobalValues.email_address).in_(addresses))
        .execution_options(**fresh)
    )
    return Audience(
        subscribers={(subscriber.owner_id, subscriber.subscriber_id): subscriber for subscriber in found},
        lists={each.list_id: each for each in lists},
        users={user.user_id: (user, group) for user, group in users},
        fields=fields,
        global_values={(each.owner_id, each.email_address): each.custom_values for each in shared},
    )


_Model = TypeVar("_Model", bound=Base)


async def by_id(
    session: AsyncSession, model: type[_Model], column: InstrumentedAttribute[int], ids: Collection[int | None]
) -> dict[int | None, _Model]:
    """The rows with these ids, as they are now. What an author wrote in place of an id is nobody's."""
    wanted = {each for each in ids if isinstance(each, int) and each}
    if not wanted:
        return {}
    statement = select(model).where(column.in_(wanted)).execution_options(populate_existing=True)
    return {getattr(each, column.key): each for each in await session.scalars(statement)}
